"""Which way of telling things a peer reads, and how we know (WIRE 3.5).

NodeInfo is a hint; what a peer does counts more. `nodeinfo.learn` takes the hint once,
`remote.speaks_wrapped` notes what was seen.
"""

from enum import StrEnum
from typing import Final, Protocol

from activitypub.nodeinfo import READS_WRAPPED


class Dialect(StrEnum):
    """What a peer gets from a group of ours."""

    WRAPPED = "wrapped"  # FEP-1b12: every activity, inside an Announce
    PLAIN = "plain"  # one boost for each thread
    UNKNOWN = "unknown"  # the boost, until more is known


class Peer(Protocol):
    """What is kept of a peer; a row of `peers` will do."""

    @property
    def software(self) -> str: ...
    @property
    def wrapped(self) -> bool | None: ...


_WORDS: Final = {
    Dialect.WRAPPED: "Reads what groups pass on (FEP-1b12)",
    Dialect.PLAIN: "Reads boosts of first posts",
    Dialect.UNKNOWN: "Not known yet; gets boosts of first posts",
}


def of(peer: Peer) -> Dialect:
    """The dialect that a peer is spoken to in."""
    if peer.wrapped is None:
        return Dialect.UNKNOWN
    return Dialect.WRAPPED if peer.wrapped else Dialect.PLAIN


def describe(peer: Peer) -> str:
    """The dialect and the reason for it, in one sentence for an administrator."""
    return f"{_WORDS[of(peer)]}: {_because(peer)}."


def _because(peer: Peer) -> str:
    software = f"it says that it runs {peer.software}" if peer.software else ""
    if peer.wrapped and peer.software not in READS_WRAPPED:
        seen = "a group there follows one of ours, or it passed something on, or its actors say so"
        return f"{seen}; {software}" if software else seen
    return software or "it has not said what it runs"
