"""Advice about people names nobody: it has a hash that two peers can make, and no others (MOD-5.3).

The key of it is agreed on in the pact: each side shows a public half there, made of its node key,
so neither database holds anything that the key could be made of. It is another one for each side
that speaks and for every 90 days. Who is meant is found only when that person is met.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from activitypub import keys
from kernel import sealing
from kernel.errors import Malformed
from kernel.here import Here
from kernel.urls import parse
from moderation.pact_terms import Paper
from moderation.signals.lines import GRACE, Line
from moderation.signals.vocabulary import ACTOR, ACTOR_HASH, LONGEST, Change

EPOCH: Final = timedelta(days=90)
_HASH: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_NAMES: Final = re.compile(r"@|://")  # what the words of somebody's address have in them


def our_half(here: Here, host: str) -> str:
    """What a pact with a host shows of our side of the key, as a Multikey."""
    return keys.agreement_multibase(sealing.public_half(_private(here, host)))


def _private(here: Here, host: str) -> bytes:
    return here.node_key.derive(f"advice about people {host}")


def key_with(here: Here, host: str, paper: Paper) -> bytes | None:
    """What both sides of a pact know for this, and nobody else.

    None: the pact has no halves, or ours was made with another node key.
    """
    ours = paper.of(f"{here.origin}/desk/node").agreement
    theirs = paper.other(f"{here.origin}/desk/node").agreement
    if not theirs or ours != our_half(here, host):
        return None
    try:
        secret = sealing.agreed(_private(here, host), keys.load_agreement(theirs))
    except (Malformed, ValueError):
        return None
    return sealing.derive(secret, "advice about people " + " ".join(sorted((ours, theirs))))


def hash_of(key: bytes, issuer: str, day: date, uri: str) -> str:
    """What stands for somebody in what the host `issuer` says on a day."""
    return _hash(_of_epoch(key, issuer, _epoch(day)), _normal(uri))


def hashes_of(
    key: bytes, issuer: str, today: date, uris: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Each hash that may stand for one of these people in what still holds, with their address.

    This takes long for many: call it in a thread.
    """
    first = today - LONGEST[Change.RECOMMENDATION] - GRACE
    numbers = range(_epoch(first), _epoch(today + GRACE) + 1)  # their clock may be ahead
    keys_then = [_of_epoch(key, issuer, number) for number in numbers]
    for uri in uris:
        normal = _normal(uri)
        for each in keys_then:
            yield _hash(each, normal), uri


def _epoch(day: date) -> int:
    return day.toordinal() // EPOCH.days


def _of_epoch(key: bytes, issuer: str, epoch: int) -> bytes:
    return sealing.derive(key, f"{issuer} {epoch}")


def _hash(of_epoch: bytes, normal: str) -> str:
    return urlsafe_b64encode(hmac.digest(of_epoch, normal.encode(), "sha256")).decode().rstrip("=")


def _normal(uri: str) -> str:
    """An address as everybody spells it: a small scheme and host, no port of its own, no #."""
    try:
        return parse(uri, allow_http=True, allow_fragment=True).without_fragment
    except Malformed:
        return uri


def checked(line: Line, *, people: bool) -> Line:
    """A line as it may be kept: of nobody who is named, and hashes only where they belong.

    Raises Malformed: it names somebody, or has a hash where others read it too.
    """
    hashed, named = line.entity_kind == ACTOR_HASH, line.entity_kind == ACTOR
    if named or hashed is not (people and line.entity_kind != ""):
        raise Malformed("A list is no directory of people.")
    if not people:
        return line
    if line.entity_key and not _HASH.fullmatch(line.entity_key):
        raise Malformed("That is no hash.")
    return replace(line, summary="" if _NAMES.search(line.summary) else line.summary, sources=())
