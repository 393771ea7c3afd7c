"""Key pairs: what an actor signs with, and the public halves others show (FEP-521a, WIRE-S23)."""

import asyncio
import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel import base58
from kernel.errors import Malformed

PublicKey = RSAPublicKey | Ed25519PublicKey

RSA_BITS = 2048
_MAX_RSA_BITS = 8192  # a verification beyond this costs more than a stranger may spend
_MAX_PEM = 8 * 1024
_ED25519_BYTES = 32
_MULTICODEC_ED25519 = b"\xed\x01"
_MULTICODEC_X25519 = b"\xec\x01"

# SHA-256 of the SubjectPublicKeyInfo of keys whose private halves are in print (SEC-S28).
_PUBLISHED = frozenset(
    {
        "c73eecd318bd3813f2402a660d8a90010ca35d609d19377d5ee7af200713229f",  # RFC 9421 B.1.1
        "72859cbaf21a0b398b1f25712bbed148b1d85a0c6b824176eb306405caa6f0b2",  # RFC 9421 B.1.2
        "34571606cb7a0d71be377e671ddcccae2a169ed7733598214129231cd30c4a3c",  # RFC 9421 B.1.4
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An actor's two private keys: RSA for everyone, Ed25519 for those who read it."""

    rsa: RSAPrivateKey = field(repr=False)
    ed25519: Ed25519PrivateKey = field(repr=False)

    @property
    def public_pem(self) -> str:
        """The RSA public half as `publicKeyPem` carries it."""
        return public_pem(self.rsa.public_key())

    @property
    def ed25519_multibase(self) -> str:
        """The Ed25519 public half as `publicKeyMultibase` carries it (FEP-521a)."""
        return multibase(self.ed25519.public_key())

    def to_bytes(self) -> bytes:
        """Both private keys in the clear, to be sealed elsewhere: raw Ed25519, then PKCS #8 DER."""
        return self.ed25519.private_bytes_raw() + self.rsa.private_bytes(
            Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave, from where nobody else can write. Raises ValueError: other bytes.

        The numbers of the RSA key are not proven anew: that takes a hundred times as long as
        signing, and whatever was sealed here is what was made here.
        """
        rsa = serialization.load_der_private_key(
            data[_ED25519_BYTES:], password=None, unsafe_skip_rsa_key_validation=True
        )
        if not isinstance(rsa, RSAPrivateKey):
            raise ValueError("These bytes hold no RSA key.")
        ed25519 = Ed25519PrivateKey.from_private_bytes(data[:_ED25519_BYTES])
        return cls(rsa=rsa, ed25519=ed25519)


def generate() -> KeyPair:
    """A new pair. It takes about a tenth of a second: use a `Pool` where somebody waits."""
    return KeyPair(rsa=generate_private_key(65537, RSA_BITS), ed25519=Ed25519PrivateKey.generate())


def public_pem(key: PublicKey) -> str:
    """SubjectPublicKeyInfo as PEM, with its last newline."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@lru_cache(maxsize=4096)
def load_public_key(pem: str) -> PublicKey:
    """Read somebody's `publicKeyPem`.

    Raises Malformed: it is no RSA or Ed25519 public key, or a weak or published one (SEC-S28).
    """
    try:
        if len(pem) > _MAX_PEM:
            raise ValueError("PEM too long")
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("That is not a public key we can read.") from error
    if not isinstance(key, RSAPublicKey | Ed25519PublicKey):
        raise Malformed("That is a kind of key nobody here reads.")
    if weakness := weakness_of(key):
        raise Malformed(f"That key is not safe to believe: {weakness}.")
    return key


def weakness_of(key: PublicKey) -> str | None:
    """Why signatures of this key prove nothing, in a word; None where they do (SEC-S28)."""
    if isinstance(key, RSAPublicKey):
        if not RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
            return "size"
        if key.public_numbers().e <= 3:
            return "exponent"
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "published" if hashlib.sha256(spki).hexdigest() in _PUBLISHED else None


def ed25519_id(actor_uri: str) -> str:
    """The id under which an actor of ours lists its Ed25519 key; a new key takes its place."""
    return f"{actor_uri}#ed25519-key"


def multibase(key: Ed25519PublicKey) -> str:
    """The key as a Multikey: `z` and base58btc of its codec and bytes (FEP-521a)."""
    return "z" + base58.encode(_MULTICODEC_ED25519 + key.public_bytes_raw())


def agreement_multibase(half: bytes) -> str:
    """A public half of X25519 as a Multikey."""
    return "z" + base58.encode(_MULTICODEC_X25519 + half)


def load_agreement(text: str) -> bytes:
    """Read somebody's public half of X25519. Raises Malformed: it is none."""
    data = base58.decode(text[1:]) if text.startswith("z") and len(text) <= 64 else b""
    if len(data) != 2 + _ED25519_BYTES or not data.startswith(_MULTICODEC_X25519):
        raise Malformed("That is not an X25519 key.")
    return data[2:]


@lru_cache(maxsize=4096)
def load_multibase(text: str) -> Ed25519PublicKey:
    """Read somebody's `publicKeyMultibase`. Raises Malformed: it holds no Ed25519 key."""
    data = base58.decode(text[1:]) if text.startswith("z") and len(text) <= 64 else b""
    if len(data) != 2 + _ED25519_BYTES or not data.startswith(_MULTICODEC_ED25519):
        raise Malformed("That is not an Ed25519 key.")
    key = Ed25519PublicKey.from_public_bytes(data[2:])
    if weakness := weakness_of(key):
        raise Malformed(f"That key is not safe to believe: {weakness}.")
    return key


class Pool:
    """Key pairs made ahead in a thread of its own, so that nobody waits for one (DESIGN 6)."""

    def __init__(self, spare: int = 4) -> None:
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keys")
        self._waiting: deque[Future[KeyPair]] = deque()
        for _ in range(spare):
            self._order()

    def _order(self) -> None:
        self._waiting.append(self._maker.submit(generate))

    async def take(self) -> KeyPair:
        """A pair nobody else gets; another one is begun in its place."""
        self._order()
        return await asyncio.wrap_future(self._waiting.popleft())

    async def close(self) -> None:
        """Stop making keys; those left over are forgotten."""
        await asyncio.to_thread(self._maker.shutdown, cancel_futures=True)
        self._waiting.clear()
