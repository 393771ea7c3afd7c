"""Alerts to browsers: sealed for one of them, and proven to be from this node (RFC 8291, RFC 8292).

The service that carries one learns that this node sent something, of one length, and when.
"""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.here import Here
from kernel.urls import parse

LASTS: Final = 12 * 60 * 60  # seconds a service keeps one for a browser that is off
PADDED: Final = 1_024  # bytes of what is sealed, whatever it says

_CURVE: Final = ec.SECP256R1()
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_POINT: Final = 65  # bytes
_SALT: Final = 16
_RECORD: Final = 4_096
_PROOF_LASTS: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser gave to be written to: its public key, and a secret of 16 bytes."""

    point: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    @classmethod
    def read(cls, point: str, secret: str) -> Self:
        """From the base64url of a form. Raises ValueError: they are no such things."""
        made = cls(_bytes(point), _bytes(secret))
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, made.point)
        if len(made.point) != _POINT or len(made.secret) != _SALT:
            raise ValueError("no point and secret of a browser")
        return made

    @classmethod
    def stored(cls, text: str) -> Self:
        """What `store` gave."""
        point, _, secret = text.partition(".")
        return cls(_bytes(point), _bytes(secret))

    def store(self) -> str:
        """As a place for alerts keeps it, sealed."""
        return f"{_text(self.point)}.{_text(self.secret)}"


def public_key(here: Here) -> str:
    """The key that a browser is told to listen to, in base64url."""
    return _text(_point_of(_own_key(here)))


def headers(here: Here, endpoint: str, *, urgent: bool) -> Mapping[str, str]:
    """What goes with a push: for how long, how soon, and the proof of RFC 8292 §2."""
    return {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(LASTS),
        "Topic": "waits",  # a newer one takes the place of one that was not read
        "Urgency": "high" if urgent else "normal",
        "Authorization": f"vapid t={_proof(here, endpoint)}, k={public_key(here)}",
    }


def seal(browser: Browser, words: Mapping[str, str]) -> bytes:
    """`words` for that browser alone, in one record of RFC 8188; always of the same length."""
    key, salt = ec.generate_private_key(_CURVE), os.urandom(_SALT)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, browser.point)
    ours = _point_of(key)
    secret, nonce = _keys(key.exchange(ec.ECDH(), theirs), browser, ours, salt)
    plain = json.dumps(words, ensure_ascii=False).encode()
    padded = plain + b"\x02" + bytes(max(0, PADDED - len(plain)))
    start = salt + _RECORD.to_bytes(4, "big") + bytes([_POINT]) + ours
    return start + AESGCM(secret).encrypt(nonce, padded, None)


def unseal(key: ec.EllipticCurvePrivateKey, secret: bytes, body: bytes) -> bytes:
    """As a browser reads it, for tests. Raises ValueError: it is not for that key."""
    salt, ours = body[:_SALT], body[_SALT + 5 : _SALT + 5 + _POINT]
    browser = Browser(_point_of(key), secret)
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, ours))
    cipher, nonce = _keys(shared, browser, ours, salt)
    try:
        plain = AESGCM(cipher).decrypt(nonce, body[_SALT + 5 + _POINT :], None)
    except InvalidTag as error:
        raise ValueError("sealed for somebody else") from error
    return plain.rstrip(b"\x00").removesuffix(b"\x02")


def _keys(shared: bytes, browser: Browser, ours: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """The key and the nonce of RFC 8291 §3.4."""
    about = b"WebPush: info\x00" + browser.point + ours
    secret = HKDF(SHA256(), 32, salt=browser.secret, info=about).derive(shared)
    cipher = HKDF(SHA256(), 16, salt=salt, info=b"Content-Encoding: aes128gcm\x00").derive(secret)
    nonce = HKDF(SHA256(), 12, salt=salt, info=b"Content-Encoding: nonce\x00").derive(secret)
    return cipher, nonce


def _own_key(here: Here) -> ec.EllipticCurvePrivateKey:
    """Of this node, for all that it sends; made of the node key, so nothing is stored."""
    number = int.from_bytes(here.node_key.derive("web push"), "big")
    return ec.derive_private_key(number % (_ORDER - 1) + 1, _CURVE)


def _proof(here: Here, endpoint: str) -> str:
    """A token for that push service, as ES256 of RFC 7515 signs it."""
    until = here.now() + _PROOF_LASTS
    service = parse(endpoint, allow_http=here.origin.startswith("http:"))
    said = {"aud": service.origin, "exp": int(until.timestamp()), "sub": f"{here.origin}/about"}
    parts = ({"typ": "JWT", "alg": "ES256"}, said)
    plain = ".".join(_text(json.dumps(part).encode()) for part in parts)
    one, other = decode_dss_signature(_own_key(here).sign(plain.encode(), ec.ECDSA(SHA256())))
    return f"{plain}.{_text(one.to_bytes(32, 'big') + other.to_bytes(32, 'big'))}"


def _point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Raises ValueError: it is no base64url."""
    plain = text.strip().rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
