"""What two recordings of the same world may differ in: each is random by design, and says so here.

A reviewer reads this list. What is on it must say nothing about who is behind a name; what is not
on it must be the same, byte for byte.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Mask:
    """Text of a recording that is random, and why it may be."""

    what: str
    pattern: re.Pattern[str]
    why: str


_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

TEXT: Final = (
    Mask("uuid", re.compile(_UUID), "ids are drawn by chance, or derived from a key (DESIGN)"),
    Mask(
        "signature",
        re.compile(r'(?<=signature=")[A-Za-z0-9+/=]+|(?<=sig1=:)[A-Za-z0-9+/=]+'),
        "made with those keys, over the ids",
    ),
    Mask(
        "key",
        re.compile(r"MII[A-Za-z0-9+/=\\n]{100,}|z6Mk[1-9A-HJ-NP-Za-km-z]{40,}"),
        "every actor has keys of its own",
    ),
    Mask(
        "digest",
        re.compile(r"(?<=SHA-256=)[A-Za-z0-9+/=]+|(?<=sha-256=:)[A-Za-z0-9+/=]+"),
        "of a body that has ids in it",
    ),
    Mask(
        "length",
        re.compile(r"(?<=Content-Length: )\d+"),
        "of that body, counted before it was masked: the masked bodies are compared",
    ),
    Mask(
        "sealed",
        re.compile(r'(?<=value=")[A-Za-z0-9_-]{60,}(?=")|(?<=data-live=")[A-Za-z0-9_=-]{40,}(?=")'),
        "a name sealed into a form, or what a page waits for, for the reader's own session",
    ),
    Mask("request", re.compile(r"(?<=request=)[0-9a-f]{12}"), "a number drawn for each request"),
    Mask(
        "date", re.compile(r"(?<=^Date: ).+$", re.M), "the machine's clock, in answers to requests"
    ),
    Mask("tone", re.compile(r"(?<=medal )tone-\d"), "the colour of a letter, drawn from an id"),
    Mask(
        "picture",
        re.compile(r'(?<=<svg class="medal" ).+?(?=</svg>)'),
        "a persona's own, drawn from its id",
    ),
    Mask("ms", re.compile(r"(?<=ms=)\d+"), "how long the machine took"),
)

EQUAL: Final = frozenset({"uuid", "key"})
"""Random, and yet two that are the same say something: how often each one is there is compared."""

BY_ID: Final = ("/desk",)
"""Ends of the addresses of pages that list people by their ids, in the order of which there is
nothing to read: the lines of these are compared sorted."""

COLUMNS: Final[Mapping[str, str]] = {
    # The account side: bytes that look drawn by chance to whoever has no key.
    "accounts.id": "random",
    "accounts.login": "a keyed hash",
    "accounts.salt": "random",
    "accounts.verifier": "a hash with that salt",
    "accounts.wrapped_root": "sealed",
    "accounts.recovery_verifier": "a hash with that salt",
    "accounts.recovery_root": "sealed",
    "accounts.factors": "sealed",
    "accounts.passkey_roots": "sealed, or random",
    "accounts.blob": "sealed",
    "accounts.request": "sealed",
    "accounts.state": "sealed",
    "sessions.id": "a hash of the cookie",
    "sessions.sealed": "sealed",
    "sessions.tag": "derived from a key that only the cookie opens",
    "sessions.ends": "sealed",
    "spent.id": "a keyed hash",
    "spent.ends": "sealed",
    "departures.sealed": "sealed",
    # What two say to each other.
    "messages.sealed": "sealed",
    # What was reported, and who looks at it.
    "reports.bearer": "derived from a key that only the cookie opens",
    "reports.sealed": "sealed",
    "cases.mark": "a keyed hash of what it is about",
    "cases.whose": "a keyed hash of whom it is about",
    "cases.holder": "derived from a key that only the cookie opens",
    "cases.sealed": "sealed",
    "case_notes.sealed": "sealed",
    "care_cases.mark": "a keyed hash of what it is about",
    "care_cases.holder": "derived from a key that only the cookie opens",
    "care_cases.sealed": "sealed",
    "care_words.bearer": "derived from a key that only the cookie opens",
    "care_words.sealed": "sealed",
    # What was decided.
    "audit.salt": "random",
    "audit.details": "a hash with that salt",
    "audit_chain.details": "the same one",
    "audit_chain.hash": "a hash over these",
    "audit_marks.mark": "a keyed hash of that salt",
    "appeals.words": "sealed",
    "appeals.answer": "sealed",
    # Keys of actors.
    "actor_keys.sealed": "sealed",
    "actors.public_key": "each actor's own",
    "actors.ed25519": "each actor's own",
    "actor_keys.told": "bytes of a body that is signed, compared at the peers",
}


def masked(text: str, times: Counter[str]) -> str:
    """A recording with everything random taken out of it, `<what>` in its place.

    `times` counts how often each of what is `EQUAL` was there.
    """
    for mask in TEXT:
        if mask.what in EQUAL:
            times.update(each.replace("-", "") for each in mask.pattern.findall(text))
        text = mask.pattern.sub(f"<{mask.what}>", text)
    return text
