"""A device with passkeys, as small as can be: it answers what a page asks, as a browser would."""

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _ATTESTED = 1, 4, 64


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey for one page's `origin`; `secret` is what it makes for the page (PRF)."""

    origin: str
    verifies: bool = True
    id: bytes = field(default_factory=lambda: os.urandom(32))
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(32))
    handle: bytes = b""

    def make(self, page: str, **change: Any) -> dict[str, str]:
        """The form fields that answer a page which asks for a new passkey."""
        asked = json.loads(page)
        self.handle = _bytes(asked["user"]["id"])
        point = self.key.public_key().public_numbers()
        cose = {
            1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big"),
        }  # fmt: skip
        data = self._data(asked["rp"]["id"], _ATTESTED) + bytes(16)
        data += len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        whole = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._said("webauthn.create", asked["challenge"], **change)
        return self._fields({"clientDataJSON": said, "attestationObject": whole})

    def use(self, page: str, **change: Any) -> dict[str, str]:
        """The form fields that answer a page which asks for a passkey that is there."""
        asked = json.loads(page)
        data = self._data(asked["rpId"], 0)
        said = self._said("webauthn.get", asked["challenge"], **change)
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ECDSA(SHA256()))
        return self._fields(
            {
                "clientDataJSON": said,
                "authenticatorData": data,
                "signature": signature,
                "userHandle": self.handle,
            }
        )

    def make_secret(self) -> str:
        """The bytes that it makes for a page, as a form carries them."""
        return _text(self.secret)

    def _data(self, host: str, more: int) -> bytes:
        flags = _PRESENT | (_VERIFIED if self.verifies else 0) | more
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + bytes(4)

    def _said(self, kind: str, challenge: str, **change: Any) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, **change}
        return json.dumps(said).encode()

    def _fields(self, response: dict[str, bytes]) -> dict[str, str]:
        credential = {
            "id": _text(self.id),
            "rawId": _text(self.id),
            "type": "public-key",
            "response": {name: _text(value) for name, value in response.items()},
        }
        return {"credential": json.dumps(credential), "secret": self.make_secret()}
