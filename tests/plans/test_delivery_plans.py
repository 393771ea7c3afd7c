"""A long queue is read along its indexes: 300 peers and 20,000 rows that wait."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import outbox
from activitypub.queue import Outcome, Queue
from bench.statements import Statements
from kernel import db
from kernel.here import Here
from kernel.schema.tables import activities, deliveries, peers
from tests.nodes import Node, NodeFactory

PEERS, ROWS = 300, 20_000

_FILL = (
    """
    INSERT INTO peers (host, next_attempt)
    SELECT 'peer' || n || '.test', :now FROM generate_series(1, CAST(:peers AS int)) AS n
    """,
    """
    INSERT INTO activities (uri, actor_uri, kind, object_uri, body, public, month)
    SELECT 'http://alder.test/a/' || n, '', 'Create', '', repeat('x', 2000), true, :day
    FROM generate_series(1, 10000) AS n
    """,
    """
    INSERT INTO deliveries (host, inbox, lane, activity_uri, signer_id, day)
    SELECT host, 'http://' || host || '/inbox', '1', uri, :signer, :day
    FROM (SELECT uri FROM activities ORDER BY uri LIMIT :activities) AS told
    CROSS JOIN peers ORDER BY uri, host LIMIT :rows
    """,
)


@pytest.fixture
async def long_queue(node: NodeFactory) -> AsyncIterator[tuple[Node, Queue, Statements]]:
    """A node with much to send, a queue on it, and what that asks of the database."""
    alder = await node("alder.test")
    ana = await alder.persona("ana")
    values = {
        "peers": PEERS,
        "activities": ROWS // PEERS + 1,
        "rows": ROWS,
        "now": alder.here.now(),
        "day": alder.here.now().date(),
        "signer": ana.actor.id,
    }
    async with alder.engine.begin() as conn:
        for filling in _FILL:
            await conn.execute(sa.text(filling), values)
        await conn.execute(sa.text("ANALYZE"))
    engine = db.connect(alder.engine.url.render_as_string(hide_password=False))
    seen = Statements()
    seen.attach(engine)
    yield alder, Queue(engine, Here(alder.origin, alder.here.node_key, alder.clock)), seen
    await engine.dispose()


async def _plan(node: Node, seen: Statements, word: str) -> tuple[list[tuple[str, str]], float]:
    """The (node type, table) pairs of the one plan of what was asked, and its milliseconds."""
    ((statement, values),) = [each for each in seen.asked.items() if word in each[0]]
    return await _explained(node, statement, values)


async def _explained(
    node: Node, statement: str, values: Sequence[Any]
) -> tuple[list[tuple[str, str]], float]:
    async with node.engine.connect() as conn:
        raw = await _driver(conn)
        async with _rolled_back(raw):
            (explained,) = await raw.fetchrow(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values
            )
    (top,) = explained
    return list(_steps(top["Plan"])), top["Execution Time"]


async def _driver(conn: AsyncConnection) -> asyncpg.Connection:
    raw = (await conn.get_raw_connection()).driver_connection
    assert isinstance(raw, asyncpg.Connection)
    return raw


@asynccontextmanager
async def _rolled_back(raw: asyncpg.Connection) -> AsyncIterator[None]:
    transaction = raw.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


def _steps(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield plan["Node Type"], plan.get("Relation Name", "")
    for below in plan.get("Plans", []):
        yield from _steps(below)


async def test_a_claim_of_many_peers_reads_only_what_it_takes(
    long_queue: tuple[Node, Queue, Statements],
) -> None:
    alder, queue, seen = long_queue
    claims = await queue.claim(PEERS, failing=False)
    assert len(claims) == PEERS
    assert {len(claim.rows) for claim in claims} == {8}
    assert [row.id for row in claims[0].rows] == sorted(row.id for row in claims[0].rows)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(peers).values(lease=None, leased_until=None))

    steps, milliseconds = await _plan(alder, seen, "RECURSIVE")
    assert ("Seq Scan", "deliveries") not in steps
    assert ("Seq Scan", "activities") not in steps
    assert milliseconds < 500


async def test_a_note_finds_its_rows_by_their_keys(
    long_queue: tuple[Node, Queue, Statements],
) -> None:
    alder, queue, seen = long_queue
    claims = await queue.claim(200)
    notes = [queue.note(Outcome(claim, done=[row.id for row in claim.rows])) for claim in claims]
    assert all(await asyncio.gather(*notes))
    async with alder.engine.begin() as conn:
        left = await conn.scalar(sa.select(sa.func.count()).select_from(deliveries))
    assert left == ROWS - sum(len(claim.rows) for claim in claims)

    steps, milliseconds = await _plan(alder, seen, "released")
    assert ("ModifyTable", "deliveries") in steps
    assert ("Seq Scan", "deliveries") not in steps
    assert milliseconds < 500


async def test_what_a_moderator_reads_first_is_put_aside_along_its_keys(
    long_queue: tuple[Node, Queue, Statements],
) -> None:
    alder, queue, seen = long_queue
    uri = "http://alder.test/p/1"
    async with alder.engine.begin() as conn:
        about = sa.update(activities).where(activities.c.uri == "http://alder.test/a/1")
        await conn.execute(about.values(object_uri=uri))
        await conn.execute(sa.text("ANALYZE"))
    async with queue.engine.begin() as conn:
        await outbox.put_aside(conn, uri)
        assert await outbox.take_up(conn, uri)
        await outbox.forget(conn, uri)
    asked = [each for each in seen.asked.items() if "deliveries" in each[0] and uri in each[1]]
    assert len(asked) == 4
    for statement, values in asked:
        steps, _ = await _explained(alder, statement, values)
        assert ("Seq Scan", "deliveries") not in steps, statement
        assert ("Seq Scan", "activities") not in steps, statement
