"""Codes of an authenticator app (TOTP, RFC 6238): six digits, a new one every thirty seconds."""

import base64
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote

SECRET_BYTES: Final = 20  # as long as SHA-1's output (RFC 4226 §4, R6)
STEP: Final = 30  # seconds
DIGITS: Final = 6
AROUND: Final = 1  # steps before and after now that count too: clocks of phones differ


def new_secret() -> bytes:
    """What the app and the node share."""
    return secrets.token_bytes(SECRET_BYTES)


def code(secret: bytes, step: int) -> str:
    """The code of one step since 1970 (RFC 4226 §5.3; SHA-1, as every app reads it)."""
    whole = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    at = whole[-1] & 15
    number = int.from_bytes(whole[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def find(secret: bytes, typed: str, now: datetime) -> int | None:
    """The step that a code as people type it is of, in constant time (SEC-A12); None: none."""
    letters = "".join(typed[:40].split())
    given = letters.encode(errors="replace")
    current = int(now.timestamp()) // STEP
    found = None
    for step in range(current - AROUND, current + AROUND + 1):
        if hmac.compare_digest(code(secret, step).encode(), given):
            found = step
    return found


def shown(secret: bytes) -> str:
    """The secret as people type it into an app: letters and digits in groups of four."""
    letters = base64.b32encode(secret).decode()
    return " ".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def link(secret: bytes, place: str) -> str:
    """What opens the app on the same device. It names the place, and nobody."""
    name = quote(place, safe="")
    return f"otpauth://totp/{name}?secret={base64.b32encode(secret).decode()}&issuer={name}"
