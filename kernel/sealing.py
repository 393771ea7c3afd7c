"""Authenticated sealing and key derivation: the only place that calls the ciphers.

AES-256-GCM with a fresh 96-bit nonce in front; keys come from HKDF-SHA256 or are random, and
every sealed value is bound to what it is (`context`), so that a row cannot be moved elsewhere.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.errors import Misconfigured

KEY_BYTES = 32
_NONCE = 12
_LENGTH = 4
_BLOCK = 16
SEALED_MORE = _NONCE + _LENGTH + 16  # bytes that `seal` adds to what is not padded


class Unsealable(Exception):
    """Not sealed with this key and context, or changed since."""


def derive(key: bytes, label: str, length: int = KEY_BYTES) -> bytes:
    """`length` bytes that only a holder of `key` can make for `label` (RFC 5869)."""
    return HKDF(SHA256(), length, salt=None, info=b"hearthold/" + label.encode()).derive(key)


def derive_many(key: bytes, labels: Iterable[str], length: int = KEY_BYTES) -> list[bytes]:
    """As `derive` for each label, with the first half of the work done once; up to 32 bytes each.

    RFC 5869 §2.2 and §2.3: without a salt the key is extracted under 32 zeros, and the first block
    of what it expands to is one HMAC.
    """
    extracted = hmac.digest(bytes(KEY_BYTES), key, "sha256")
    return [
        hmac.digest(extracted, b"hearthold/" + label.encode() + b"\x01", "sha256")[:length]
        for label in labels
    ]


def mac(key: bytes, label: str, message: bytes) -> bytes:
    """A 32-byte HMAC-SHA256 of `message` under a key derived for `label`."""
    return hmac.digest(derive(key, label), message, hashlib.sha256)


def seal(key: bytes, plaintext: bytes, context: str, *, padded_to: int | None = None) -> bytes:
    """`plaintext`, readable only with `key` and the same `context`.

    With `padded_to` (bytes) every sealed value of a kind has the same size, whatever it says.
    Raises ValueError: the plaintext does not fit.
    """
    body = len(plaintext).to_bytes(_LENGTH, "big") + plaintext
    if padded_to is not None:
        if len(body) > padded_to:
            raise ValueError(f"{len(plaintext)} bytes do not fit into {padded_to}")
        body = body.ljust(padded_to, b"\0")
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, body, context.encode())


def unseal(key: bytes, sealed: bytes, context: str) -> bytes:
    """What was sealed. Raises Unsealable: another key or context, or altered bytes."""
    try:
        body = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise Unsealable(context) from error
    length = int.from_bytes(body[:_LENGTH], "big")
    return body[_LENGTH : _LENGTH + length]


def disguise(key: bytes, value: bytes) -> bytes:
    """`value` as other bytes of the same length, always the same ones: something to look it up by.

    AES in CBC mode that always begins alike: the same value is the same again, which is wanted, and
    no two values begin alike, since only random ones (ids, HMACs, derived keys) are for this. They
    are whole blocks of 16 bytes. Nothing here notices altered bytes.
    """
    cipher = Cipher(AES256(key), CBC(bytes(_BLOCK))).encryptor()
    return cipher.update(value) + cipher.finalize()


def undisguise(key: bytes, value: bytes) -> bytes:
    """What `disguise` was given."""
    cipher = Cipher(AES256(key), CBC(bytes(_BLOCK))).decryptor()
    return cipher.update(value) + cipher.finalize()


def public_half(private: bytes) -> bytes:
    """What others are shown of 32 secret bytes, to agree on a key with whoever holds them."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agreed(private: bytes, theirs: bytes) -> bytes:
    """32 bytes that only the holders of both private halves can make (X25519, RFC 7748 §6.1).

    They are the same from either side; `derive` keys from them. Raises ValueError: `theirs` is no
    public half that can be believed.
    """
    public = X25519PublicKey.from_public_bytes(theirs)
    return X25519PrivateKey.from_private_bytes(private).exchange(public)


def digest(secret: bytes) -> bytes:
    """SHA-256: how a bearer secret is looked up without being stored."""
    return hashlib.sha256(secret).digest()


@dataclass(frozen=True, slots=True)
class NodeKey:
    """The node's own secret: a 0600 file, never in the database or a plain backup (DESIGN)."""

    secret: bytes = field(repr=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key at `path`, made on first use.

        Raises Misconfigured: the file is not a key, cannot be written, or others may read it.
        """
        try:
            return cls._read(path)
        except FileNotFoundError:
            return cls._make(path)
        except OSError as error:
            raise Misconfigured(f"The node key {path} cannot be read: {error.strerror}.") from error

    @classmethod
    def _read(cls, path: Path) -> Self:
        secret = path.read_bytes()
        if len(secret) != KEY_BYTES:
            raise Misconfigured(f"{path} is not a node key: put your copy of the key back there.")
        if path.stat().st_mode & 0o077:
            raise Misconfigured(f"Others may read the node key: run `chmod 600 '{path}'`.")
        return cls(secret)

    @classmethod
    def _make(cls, path: Path) -> Self:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # whoever comes first wins, whole
            except FileExistsError:
                return cls._read(path)
            finally:
                draft.unlink()
        except OSError as error:
            raise Misconfigured(
                f"The node key cannot be written to {path}: {error.strerror}."
            ) from error
        return cls._read(path)

    def derive(self, label: str) -> bytes:
        """A key of its own for one purpose."""
        return derive(self.secret, "node/" + label)
