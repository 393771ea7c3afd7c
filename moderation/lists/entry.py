"""What a list of domains says, whatever format it came in (MOD-3)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kernel.schema.moderation import Level
from moderation.policy import Policy

MAX_ROWS: Final = 20_000
MAX_BYTES: Final = 5 * 1024 * 1024
MAX_COMMENT: Final = 500  # letters; what is longer is cut
MAX_QUOTED: Final = 60  # letters of a row that was refused


class Format(StrEnum):
    """How lists are written. FIRES and Fediseer are read and not written."""

    MASTODON_CSV = "mastodon-csv"
    PLAIN_CSV = "csv"  # of FediBlockHole
    ALLOWED_CSV = "mastodon-allow-csv"
    GOTOSOCIAL_CSV = "gotosocial-csv"
    MASTODON_JSON = "json"
    GOTOSOCIAL_JSON = "gotosocial-json"
    RAPIDBLOCK = "rapidblock"
    TEXT = "text"
    FIRES = "fires"
    FEDISEER = "fediseer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row: a domain and what is advised about it."""

    domain: str
    policy: Policy
    public_comment: str = ""
    private_comment: str = field(default="", repr=False)
    obfuscate: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is not taken: its line, or its place in a JSON list, from 1."""

    line: int
    text: str
    why: str  # a catalogued sentence


@dataclass(slots=True)
class Listed:
    """A list that was read. `canaries`: rows that nobody may act on."""

    format: Format
    entries: dict[str, Entry] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    canaries: int = 0


SEVERITIES: Final = {"suspend": Level.REJECT, "silence": Level.FILTER, "noop": Level.NOTE}
"""Mastodon's words in ours (MOD-3.10): `suspend` is never read as `drop`."""

FIRES_POLICIES: Final = {
    "accept": Level.ACCEPT,
    "filter": Level.FILTER,
    "reject": Level.REJECT,
    "drop": Level.DROP,
}


def severity(level: Level) -> str | None:
    """Our levels in Mastodon's words; None: there is none, so there is no row (MOD-3.10)."""
    words = {Level.DROP: "suspend", **{ours: word for word, ours in SEVERITIES.items()}}
    return words.get(level)
