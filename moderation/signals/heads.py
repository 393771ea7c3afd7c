"""Whether an issuer shows everybody the same: peers compare what it signed for them (MOD-5.5).

Each keeps the newest head that an issuer signed, and the link of every change that was read. Once a
day a node asks its peers for the head that they hold. It is proven by the issuer, so nobody can
lie about it, and it is asked for by a digest, so only who reads the same learns of what is asked.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import jsontext, keys, proofs
from activitypub.client import MAX_DOCUMENT, Unreachable
from activitypub.remote import Remote
from activitypub.vocab import Document, id_of
from kernel import chance, db
from kernel.errors import Malformed, Problem
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.pacts import PactState
from kernel.schema.tables import pacts, signal_links, signal_sources
from kernel.urls import same_origin
from moderation.signals import chain, sources
from moderation.signals.chain import Head
from moderation.signals.sources import Source

ASKED: Final = 20  # peers in a day about one issuer
LONGEST: Final = 32 * 1024  # bytes of a signed head that is kept
TWO_VIEWS: Final = "two views"
_ACCEPT: Final = "application/activity+json, application/json"


async def remember(
    conn: AsyncConnection, source: Source, at: Head, items: Sequence[Document]
) -> None:
    """Keep the link of each change of a chain, as it goes on from `at`."""
    rows = []
    for item in items:
        at = chain.after(at, item)
        rows.append({"source_id": source.id, "seq": at.seq, "link": at.link})
    if rows:
        await conn.execute(insert(signal_links).values(rows).on_conflict_do_nothing())


async def show(conn: AsyncConnection, source: Source, document: Document) -> None:
    """Keep what the issuer signed of its newest head, for peers who ask."""
    text = jsontext.dump(document)
    if len(text) <= LONGEST:
        await conn.execute(
            sa.update(signal_sources)
            .where(signal_sources.c.id == source.id)
            .values(shown=text.decode())
        )


def digest(dataset: str) -> str:
    """What stands for the address of a dataset when peers ask each other."""
    return hashlib.sha256(dataset.encode()).hexdigest()


async def held(conn: AsyncConnection, asked: str) -> Document | None:
    """What an issuer signed of its head, by the digest of its dataset; None: it is not read."""
    rows = await conn.execute(
        sa.select(signal_sources.c.url, signal_sources.c.shown)
        .where(signal_sources.c.pact, ~signal_sources.c.people, signal_sources.c.shown != "")
        .limit(at_most(sources.MAX_SOURCES))
    )
    text = next((row.shown for row in rows if digest(row.url) == asked), None)
    return None if text is None else jsontext.read(text.encode())


async def compare_one(engine: AsyncEngine, here: Here, remote: Remote) -> bool:
    """Compare one issuer's heads with peers, each once a day. False: all are compared."""
    async with db.at_once(engine).connect() as conn:
        row = (await conn.execute(_CLAIM, {"today": here.now().date()})).first()
        if row is None:
            return False
        found = (await conn.execute(_PEERS, {"host": row.host})).all()
    asked = sorted((chance.share(), each.desk_uri) for each in found)[:ASKED]
    for _, desk in asked:
        shown = await _ask(remote.for_refresh(), desk, row.url)
        if shown is not None and await _contradicts(engine, row.id, row.url, row.key, shown):
            async with engine.begin() as conn:
                source = next(it for it in await sources.listed(conn) if it.id == row.id)
                await sources.put_aside(conn, here, source, TWO_VIEWS)
            break
    return True


async def _ask(remote: Remote, desk: str, dataset: str) -> Document | None:
    """What a peer holds; None: it does not answer, or reads nothing of it."""
    scheme, _, rest = desk.partition("://")
    url = f"{scheme}://{rest.partition('/')[0]}/datasets/heads?of={digest(dataset)}"
    try:
        answer = await remote.answer(url, accept=_ACCEPT, limit=MAX_DOCUMENT)
        if answer.status != 200 or not same_origin(answer.url, url):
            return None
        return await asyncio.to_thread(jsontext.read, answer.body)
    except (TimeoutError, Unreachable, Problem):
        return None


async def _contradicts(
    engine: AsyncEngine, source_id: int, dataset: str, key: str, shown: Document
) -> bool:
    """Whether the issuer signed another link for a number that we have read."""
    head = shown.get("head")
    seq, link = (head.get("seq"), head.get("link")) if isinstance(head, dict) else (None, None)
    if not isinstance(seq, int) or isinstance(seq, bool) or not isinstance(link, str):
        return False
    if id_of(shown.get("id")) != dataset or not await asyncio.to_thread(_is_by, shown, key):
        return False
    async with engine.connect() as conn:
        ours = await conn.scalar(
            sa.select(signal_links.c.link).where(
                signal_links.c.source_id == source_id, signal_links.c.seq == seq
            )
        )
    return ours is not None and ours != link


def _is_by(document: Document, key: str) -> bool:
    try:
        return proofs.read(document).holds(keys.load_multibase(key))
    except Malformed:
        return False


def _claim() -> sa.Executable:
    today = sa.bindparam("today", type_=sa.Date)
    due = (
        sa.select(signal_sources.c.id)
        .join(pacts, pacts.c.host == signal_sources.c.host)
        .where(
            signal_sources.c.pact,
            ~signal_sources.c.people,  # each peer is shown another one (MOD-5.5)
            signal_sources.c.seq > 0,
            signal_sources.c.quarantined == "",
            sa.or_(signal_sources.c.compared.is_(None), signal_sources.c.compared < today),
            _LISTENS,
        )
        .order_by(signal_sources.c.id)
        .limit(at_most(1))
        .with_for_update(of=signal_sources, skip_locked=True)
        .scalar_subquery()
    )
    key = sa.select(pacts.c.their_key).where(pacts.c.host == signal_sources.c.host)
    return (
        sa.update(signal_sources)
        .where(signal_sources.c.id == due)
        .values(compared=today)
        .returning(
            signal_sources.c.id,
            signal_sources.c.url,
            signal_sources.c.host,
            key.scalar_subquery().label("key"),
        )
    )


_LISTENS: Final = sa.and_(
    pacts.c.state == PactState.MADE, ~pacts.c.frozen, ~pacts.c.frozen_there
)  # fmt: skip
_PEERS: Final = sa.select(pacts.c.desk_uri).where(
    _LISTENS, pacts.c.host != sa.bindparam("host", type_=sa.Text)
)
_CLAIM: Final = _claim()
