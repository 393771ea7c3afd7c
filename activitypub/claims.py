"""What both kinds of HTTP signature share: what is claimed, and of which headers (WIRE 4)."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kernel import urls
from kernel.errors import Unproven

Headers = Sequence[tuple[str, str]]  # as they came, in order, unfolded, names in any case

CONTENT_TYPE = "application/activity+json"
MAX_HEADER = 8 * 1024  # of a Signature or a Signature-Input header
MAX_SIGNED = 32

_ONCE = frozenset({"host", "date", "digest", "content-digest", "content-type", "content-length"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a signature says of itself, before any of it is believed.

    `parameters` is what RFC 9421 signs about the signature itself; draft-cavage has none.
    """

    key_id: str
    algorithm: str
    headers: tuple[str, ...]  # lower-case names, in the order signed
    signature: bytes
    created: int | None = None  # seconds since 1970
    expires: int | None = None
    parameters: str | None = None

    @property
    def is_rfc9421(self) -> bool:
        """Whether it is a signature of RFC 9421, not of draft-cavage."""
        return self.parameters is not None


def key_id_of(text: object) -> str:
    """A key id that can be looked up and remembered. Raises Unproven: it is none."""
    if (
        not isinstance(text, str)
        or not 0 < len(text) <= urls.MAX_LENGTH
        or not text.isascii()
        or not text.isprintable()
    ):
        raise Unproven("The signature names no key.")
    return text


def signed_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of what is signed. Raises Unproven: too many, none, or one is there twice."""
    if not 0 < len(names) <= MAX_SIGNED or len(set(names)) != len(names):
        raise Unproven("The list of what is signed cannot be read.")
    return tuple(names)


def values(headers: Headers, name: str) -> list[str]:
    """Every value given under a name, in order."""
    return [value.strip(" \t") for given, value in headers if given.lower() == name]


def covered(headers: Headers, name: str) -> str:
    """The one value that a signature covers under a name.

    Raises Unproven: the header is missing, or cannot stand twice, or is broken.
    """
    found = values(headers, name)
    if not found or (len(found) > 1 and name in _ONCE):
        raise Unproven("A signed header is missing, or there twice.")
    value = ", ".join(found)
    if "\n" in value or "\r" in value:
        raise Unproven("A signed header is broken.")
    return value


def digest_of(body: bytes) -> str:
    """What the Digest header says of a body (WIRE-S4)."""
    return f"SHA-256={to_base64(hashlib.sha256(body).digest())}"


def content_digest_of(body: bytes, digest: str | None = None) -> str:
    """What the Content-Digest header says of a body (RFC 9530 §2), from its Digest where known."""
    return f"sha-256=:{(digest or digest_of(body)).partition('=')[2]}:"


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
