"""A dataset as a chain: whoever reads it sees whether its past was changed (MOD-5.5).

Every change has a number and a `prev`, which binds it to all changes before it through hashes of
their bodies. A body may be taken out, by law or by mistake, and its hash left in its place: the
chain still holds. A gap, a fork or a head that went back means that history was rewritten.

Nothing here knows a database or a network.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import rfc8785

from activitypub.vocab import Document, id_of
from kernel.errors import Malformed
from moderation.signals.vocabulary import Change

PREFIX: Final = "sha-256:"
_UNBOUND: Final = ("proof", "prev")  # members that the hash of a body leaves out


class Rewritten(Exception):
    """What its issuer shows does not go on from what was read: `reason` says how, in a word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain goes: its last number, and what the next change calls `prev`."""

    seq: int
    link: str


def genesis(dataset: str) -> Head:
    """Where the chain of a dataset begins: no two datasets have a link in common."""
    return Head(0, _named(sha256(dataset.encode()).digest()))


def body_hash(change: Document) -> str:
    """The hash of all that a change says, without its proof and its place in the chain.

    Raises Malformed: it has no canonical form.
    """
    said = {name: value for name, value in change.items() if name not in _UNBOUND}
    try:
        return _named(sha256(rfc8785.dumps(said)).digest())
    except rfc8785.CanonicalizationError as error:
        raise Malformed("That has no canonical form.") from error


def link(prev: str, body: str) -> str:
    """What binds a change of this hash, and all before it, to the next one."""
    return _named(sha256(f"{prev}\n{body}".encode()).digest())


def _named(digest: bytes) -> str:
    return PREFIX + urlsafe_b64encode(digest).decode().rstrip("=")


def after(head: Head, change: Document) -> Head:
    """The head once `change` is read. Raises Rewritten: it does not follow, or says no order."""
    seq = change.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool):
        raise Rewritten("no number")
    if seq != head.seq + 1:
        raise Rewritten("gap" if seq > head.seq else "repeat")
    if change.get("prev") != head.link:
        raise Rewritten("fork")
    said = change.get("bodyHash")
    if change.get("type") == Change.TOMBSTONE and isinstance(said, str):
        return Head(seq, link(head.link, said))
    return Head(seq, link(head.link, body_hash(change)))


def follow(
    head: Head, changes: Sequence[Document], *, dataset: str, is_theirs: Callable[[Document], bool]
) -> Head:
    """The head after a page of changes, each of them the issuer's own.

    Changes that were read before may come again in front. Raises Rewritten: one of them is not
    proven by the issuer, has its id elsewhere, or does not follow.
    """
    for change in changes:
        seq = change.get("seq")
        if isinstance(seq, int) and not isinstance(seq, bool) and 0 < seq <= head.seq:
            continue  # read before; that nothing else stands there now is seen by what follows it
        uri = id_of(change.get("id"))
        if uri is None or not uri.startswith(f"{dataset}/changes/"):
            raise Rewritten("wrong place")
        if not is_theirs(change):
            raise Rewritten("bad signature")
        head = after(head, change)
    return head


def check_head(read: Head, shown: Head) -> None:
    """Hold what was read against the head that the issuer shows. Raises Rewritten."""
    if shown.seq < read.seq:
        raise Rewritten("went back")
    if shown.seq == read.seq and shown.link != read.link:
        raise Rewritten("fork")
