"""Signed requests of another server, every part of which a test may bend; laid out by hand."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA512

from activitypub import claims, keys
from activitypub.keys import KeyPair

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
THEN = int(NOW.timestamp())
KEY_ID = "https://alder.example/u/kay#main-key"
PAIR = keys.generate()
BODY = b'{"type":"Follow"}'
SIGNED = ("(request-target)", "host", "date", "digest")
WHOLE = ("@method", "@target-uri", "content-digest")


def digest_of(body: bytes) -> str:
    return "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()


@dataclass(frozen=True)
class Cavage:
    """A POST signed as draft-cavage has it."""

    path: str = "/inbox"
    signed_path: str | None = None
    body: bytes = BODY
    host: str = "birch.example"
    date: str | None = format_datetime(NOW, usegmt=True)
    digest: str | None = digest_of(BODY)
    names: Sequence[str] = SIGNED
    parameters: str = 'keyId="{key_id}",algorithm="rsa-sha256",headers="{names}",signature="{sig}"'
    values: tuple[tuple[str, str], ...] = ()
    more: tuple[tuple[str, str], ...] = ()
    by: str = "rsa-sha256"
    key_id: str = KEY_ID
    pair: KeyPair = PAIR

    def headers(self) -> list[tuple[str, str]]:
        """The headers as they arrive, in odd case."""
        given = [("HOST", self.host), ("Date", self.date), ("digest", self.digest)]
        headers = [(name, value) for name, value in given if value is not None]
        known = {name.lower(): value for name, value in headers} | dict(self.values)
        known["(request-target)"] = f"post {self.signed_path or self.path}"
        text = "\n".join(f"{name}: {known.get(name, '')}" for name in self.names).encode()
        made = {
            "rsa-sha256": lambda: self.pair.rsa.sign(text, PKCS1v15(), SHA256()),
            "rsa-sha512": lambda: self.pair.rsa.sign(text, PKCS1v15(), SHA512()),
            "ed25519": lambda: self.pair.ed25519.sign(text),
        }[self.by]()
        signature = self.parameters.format(
            key_id=self.key_id, names=" ".join(self.names), sig=base64.b64encode(made).decode()
        )
        return [*headers, ("Signature", signature), *self.more]


@dataclass(frozen=True)
class Rfc9421:
    """A request signed as RFC 9421 has it."""

    names: Sequence[str] = WHOLE
    parameters: str = f';created={THEN};keyid="{KEY_ID}";alg="rsa-v1_5-sha256"'
    path: str = "/inbox"
    signed_as: str = "https://birch.example"
    method: str = "POST"
    fields: tuple[tuple[str, str], ...] = (
        ("Host", "birch.example"),
        ("Content-Digest", claims.content_digest_of(BODY)),
    )
    more: tuple[tuple[str, str], ...] = ()
    by: str = "rsa"
    label: str = "sig1"
    listed: str | None = None  # as it is spelled, where that is odd
    pair: KeyPair = PAIR

    def headers(self) -> list[tuple[str, str]]:
        """The headers as they arrive."""
        path, _, query = self.path.partition("?")
        known = {name.lower(): value for name, value in self.fields} | {
            "@method": self.method,
            "@target-uri": self.signed_as + self.path,
            "@authority": self.signed_as.partition("://")[2],
            "@path": path,
            "@query": f"?{query}",
        }
        spelled = self.listed or " ".join(f'"{name}"' for name in self.names)
        lines = [f'"{name}": {known.get(name, "")}' for name in self.names]
        lines.append(f'"@signature-params": ({spelled}){self.parameters}')
        text = "\n".join(lines).encode()
        if self.by == "rsa":
            made = self.pair.rsa.sign(text, PKCS1v15(), SHA256())
        else:
            made = self.pair.ed25519.sign(text)
        return [
            *self.fields,
            ("Signature-Input", f"{self.label}=({spelled}){self.parameters}"),
            ("signature", f"{self.label}=:{base64.b64encode(made).decode()}:"),
            *self.more,
        ]
