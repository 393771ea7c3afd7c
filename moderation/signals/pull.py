"""Read datasets elsewhere: those of pact peers as proven chains, others as plain FIRES lists.

Pulling is what counts: a nudge only says that it may be worth while now. Every reading has an end:
so many pages, so many bytes, so many seconds. A dataset whose proofs do not hold, or whose past
changed, is put aside whole and has no effect until people have spoken to each other (MOD-5.5).
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import jsontext, keys, proofs
from activitypub.client import MAX_DOCUMENT, Unreachable
from activitypub.jsontext import Json
from activitypub.remote import Remote
from activitypub.vocab import Document, id_of, text_of
from kernel.db import describe, is_away
from kernel.errors import Malformed, NotFound, Problem
from kernel.here import Here
from kernel.schema.tables import signal_sources
from kernel.urls import same_origin
from moderation import pact_mail, pacts
from moderation.pact_terms import Flow
from moderation.pacts import Pact
from moderation.signals import chain, hashing, heads, received, sources
from moderation.signals.chain import Head, Rewritten
from moderation.signals.lines import Line
from moderation.signals.sources import Source
from moderation.signals.vocabulary import ACTOR_HASH, LABELLED, SAYS

PAGES: Final = 20  # of one dataset in one reading; the rest follows in the next
MAX_ITEMS: Final = 200  # changes of one page that are looked at
MAX_LIST: Final = 5 * MAX_DOCUMENT  # bytes of a plain list's snapshot (MOD-5.10)
MAX_LIST_KEYS: Final = 250_000  # in it: a dozen for each line that we could keep
READING: Final = 120  # seconds
FIRST: Final = "00000000-0000-7000-a000-000000000000"
_ACCEPT: Final = "application/activity+json, application/ld+json, application/json"
_DAY: Final = timedelta(days=1)

log = logging.getLogger(__name__)


async def pull_one(engine: AsyncEngine, here: Here, remote: Remote) -> bool:
    """Read the dataset that is due. False: none is."""
    source = await sources.claim(engine, here)
    if source is None:
        return False
    try:
        async with asyncio.timeout(READING):
            reader = remote.for_refresh()
            read = _read_chain if source.pact else _read_list
            more = await read(engine, here, reader, source)
    except Rewritten as error:
        await _put_aside(engine, here, source, error.reason)
    except (TimeoutError, Unreachable, Problem) as error:  # what was read before stays
        log.info("source=%s waits (%s)", source.id, type(error).__name__)
        await sources.wait(engine, here, source)
    except Exception as error:
        if is_away(error):
            raise
        log.error("source=%s %s", source.id, describe(error))
        await sources.wait(engine, here, source)
    else:
        await sources.finish(engine, here, source, more=more)
    return True


async def _put_aside(engine: AsyncEngine, here: Here, source: Source, reason: str) -> None:
    async with engine.begin() as conn:
        await sources.put_aside(conn, here, source, reason)


async def _read_chain(engine: AsyncEngine, here: Here, remote: Remote, source: Source) -> bool:
    """Go on along a pact peer's chain. True: there is more of it than one reading takes.

    Raises Rewritten: its proofs are not by the pinned key, or it does not go on from what was read.
    """
    pact = await _pact(engine, here, remote, source)
    if pact is None:
        return False
    try:
        return await _go_along(engine, here, remote, source, pact)
    except Rewritten as error:
        if error.reason == pact_mail.KEY and await _has_new_key(engine, here, remote, pact):
            return False
        raise


async def _has_new_key(engine: AsyncEngine, here: Here, remote: Remote, pact: Pact) -> bool:
    """Whether another key than the one that we held proofs against explains that they fail.

    Then there is no lie to put aside: the pact is broken until the old key vouches for the new one.
    """
    desk, _ = await remote.actor_now(pact.desk_uri)
    async with engine.begin() as conn:
        await pact_mail.check_key(conn, here, desk, pact.their_key)
        now = await pacts.with_host(conn, pact.host)
    return now is None or now.their_key != pact.their_key


async def _go_along(
    engine: AsyncEngine, here: Here, remote: Remote, source: Source, pact: Pact
) -> bool:
    key, taken = keys.load_multibase(pact.their_key), _taken(pact)
    shown = await _head(engine, remote, source, key)
    at = Head(source.seq, source.link) if source.seq else chain.genesis(source.url)
    chain.check_head(at, shown)
    last = source.last_id or FIRST
    for _ in range(PAGES):
        if at.seq >= shown.seq:
            return False
        items = await _page(remote, source, last, key)
        if not items:
            raise Rewritten("gap")
        then = await asyncio.to_thread(_follow, at, items, source.url, key)
        if then == at:
            raise Rewritten("gap")
        fresh = [item for item in items if _seq(item) > at.seq]
        last = (id_of(items[-1].get("id")) or "").rpartition("/")[2]
        if shown.seq <= then.seq:
            _check_passed(at, fresh, shown)
        if not await _keep(engine, here, source, fresh, taken, at=at, then=then, last=last):
            return False
        at = then
    return at.seq < shown.seq


async def _page(remote: Remote, source: Source, last: str, key: Ed25519PublicKey) -> list[Document]:
    """The changes after `last`. Raises Rewritten: a head is shown, and what leads there is not."""
    try:
        return _items(await _document(remote, f"{source.url}/changes?since={last}", MAX_DOCUMENT))
    except (NotFound, Malformed) as error:
        await _shown(remote, source, key)  # else they do not show us anything, which may pass
        raise Rewritten("gap") from error


async def _pact(engine: AsyncEngine, here: Here, remote: Remote, source: Source) -> Pact | None:
    """The pact that lets us read it; a key that its desk shows instead of the pinned one ends it.

    None: there is no pact that we listen to.
    """
    async with engine.connect() as conn:
        pact = await pacts.with_host(conn, source.host)
    if pact is None or not pact.listens:
        return None
    desk = await remote.actor(pact.desk_uri, max_age=_DAY)
    if desk.ed25519 != pact.their_key:
        desk, _ = await remote.actor_now(pact.desk_uri)
    async with engine.begin() as conn:
        await pact_mail.check_key(conn, here, desk, pact.their_key)
        return await pacts.with_host(conn, source.host)


async def _head(engine: AsyncEngine, remote: Remote, source: Source, key: Ed25519PublicKey) -> Head:
    """The head that the dataset shows, kept as it was signed. Raises Rewritten: as `_shown`."""
    head, document = await _shown(remote, source, key)
    async with engine.begin() as conn:
        await heads.show(conn, source, document)
    return head


async def _shown(remote: Remote, source: Source, key: Ed25519PublicKey) -> tuple[Head, Document]:
    """The head that the dataset shows. Raises Rewritten: it is not proven by the pinned key."""
    document = await _document(remote, source.url, MAX_DOCUMENT)
    if id_of(document.get("id")) != source.url:
        raise Rewritten("wrong place")
    if not await asyncio.to_thread(_is_theirs, document, source.url, key):
        raise Rewritten(pact_mail.KEY)
    head = document.get("head")
    seq, link = (head.get("seq"), head.get("link")) if isinstance(head, dict) else (None, None)
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 0 or not isinstance(link, str):
        raise Rewritten("no head")
    return Head(seq, link), document


def _is_theirs(document: Document, dataset: str, key: Ed25519PublicKey) -> bool:
    try:
        proof = proofs.read(document)
    except Malformed:
        return False
    return same_origin(proof.method, dataset) and proof.holds(key)


def _follow(at: Head, items: Sequence[Document], dataset: str, key: Ed25519PublicKey) -> Head:
    return chain.follow(
        at, items, dataset=dataset, is_theirs=lambda item: _is_theirs(item, dataset, key)
    )


def _check_passed(at: Head, fresh: Sequence[Document], shown: Head) -> None:
    """The signed head is one of the places that were passed. Raises Rewritten: it is not."""
    for item in fresh:
        at = chain.after(at, item)
        if at.seq == shown.seq:
            chain.check_head(at, shown)
            return


def _seq(item: Document) -> int:
    seq = item.get("seq")
    return seq if isinstance(seq, int) else 0


async def _keep(
    engine: AsyncEngine,
    here: Here,
    source: Source,
    items: Sequence[Document],
    taken: frozenset[Flow],
    *,
    at: Head,
    then: Head,
    last: str,
) -> bool:
    """Keep a page of a chain and how far it goes. False: somebody else has, or nobody shall."""
    lines = [each for each in _lines(items, source, here) if _is_taken(each, taken)]
    async with engine.begin() as conn:
        moved = await conn.execute(
            sa.update(signal_sources)
            .where(
                signal_sources.c.id == source.id,
                signal_sources.c.seq == at.seq,
                signal_sources.c.quarantined == "",
            )
            .values(seq=then.seq, link=then.link, last_id=last)
        )
        if not moved.rowcount:
            return False
        await heads.remember(conn, source, at, items)
        await received.take_in(conn, here, source, lines)
    return True


def _taken(pact: Pact) -> frozenset[Flow]:
    """What the pact lets pass from them to us; of anything else that they say nothing is kept."""
    return pact.paper.flows(pact.desk_uri) if pact.paper is not None else frozenset()


def _is_taken(line: Line, taken: frozenset[Flow]) -> bool:
    if line.kind not in SAYS:
        return True
    if line.entity_kind == ACTOR_HASH:
        return Flow.PEOPLE in taken
    return (Flow.LABELS if line.entity_kind in LABELLED else Flow.ADVICE) in taken


def _lines(items: Sequence[Document], source: Source, here: Here) -> list[Line]:
    """Those that can be read; one that cannot changes nothing, and the next ones still count."""
    found: dict[str, Line] = {}
    for item in items:
        try:
            line = Line.read(item, source.url, here.now().date())
            found[line.uri] = hashing.checked(line, people=source.people)
        except Malformed:
            continue
    return list(found.values())


async def _read_list(engine: AsyncEngine, here: Here, remote: Remote, source: Source) -> bool:
    """Read a plain FIRES list, which proves nothing. True: there is more of it.

    Its server's `next` may name a change that is then left out, so we go on from the last one that
    came, and at the end hold what we have against the snapshot (MOD-3.6).
    """
    dataset = await _document(remote, source.url, MAX_DOCUMENT)
    changes, snapshot = _endpoints(dataset, source.url)
    last = source.last_id or FIRST
    for _ in range(PAGES):
        page = await _document(remote, f"{changes}?since={last}", MAX_DOCUMENT)
        items = _items(page)
        ids = [uri for item in items if (uri := id_of(item.get("id")))]
        newest = ids[-1].rpartition("/")[2] if ids else last
        if newest == last:
            break
        async with engine.begin() as conn:
            await received.take_in(conn, here, source, _lines(items, source, here))
            await _go_on(conn, source, newest)
        last = newest
    else:
        return True
    whole = await _document(remote, snapshot, MAX_LIST, most_keys=MAX_LIST_KEYS)
    items = _items(whole, most=received.MAX_LINES)
    for begin in range(0, len(items), MAX_ITEMS):
        async with engine.begin() as conn:
            some = _lines(items[begin : begin + MAX_ITEMS], source, here)
            await received.take_in(conn, here, source, await received.missing(conn, source, some))
    return False


async def _go_on(conn: AsyncConnection, source: Source, last: str) -> None:
    await conn.execute(
        sa.update(signal_sources).where(signal_sources.c.id == source.id).values(last_id=last[:100])
    )


def _endpoints(dataset: Document, url: str) -> tuple[str, str]:
    """Where its changes and its snapshot are. Raises Malformed: on another server, or nowhere."""
    named = dataset.get("endpoints")
    found: dict[str, Json] = named if isinstance(named, dict) else {}
    changes = text_of(found.get("changes"), 2048) or f"{url}/changes"
    snapshot = text_of(found.get("snapshot"), 2048) or f"{url}/snapshot"
    if not (same_origin(changes, url) and same_origin(snapshot, url)) or "?" in changes:
        raise Malformed("That list has its changes on another server.")
    return changes, snapshot


async def _document(
    remote: Remote, url: str, limit: int, *, most_keys: int = jsontext.MAX_KEYS
) -> Document:
    """The JSON at `url`, asked for with the node's own signature.

    Raises NotFound, Malformed, Unreachable, TooMany.
    """
    answer = await remote.answer(url, accept=_ACCEPT, limit=limit)
    if answer.status in (403, 404, 410):
        raise NotFound
    if answer.status != 200:
        raise Unreachable(f"status {answer.status}", status=answer.status)
    if not same_origin(answer.url, url):
        raise Malformed("That list leads to another server.")
    return await asyncio.to_thread(jsontext.read, answer.body, most_keys=most_keys)


def _items(page: Document, *, most: int = MAX_ITEMS) -> list[Document]:
    found = page.get("orderedItems")
    if not isinstance(found, list):
        found = page.get("items")
    items = found if isinstance(found, list) else []
    return [item for item in items[:most] if isinstance(item, dict)]
