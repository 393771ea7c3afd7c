"""Many arrivals share a commit; each answer waits for its own row (DESIGN 3, WIRE-B16)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import remote
from activitypub.actors import Actor
from activitypub.vocab import ActorDocument, Document
from inbox.intake import MAX_WAITING, SHARE, Intake, Row, Stale
from kernel.errors import TooMany
from kernel.here import Here
from kernel.schema.actors import ActorState
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import actors, domain_blocks, received
from kernel.sealing import NodeKey

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HERE = Here(origin="https://here.test", node_key=NodeKey(bytes(32)), clock=lambda: NOW)


async def _person(engine: AsyncEngine, origin: str = "https://a.test") -> Actor:
    document: Document = {
        "id": f"{origin}/u/kay",
        "type": "Person",
        "preferredUsername": "kay",
        "inbox": f"{origin}/inbox",
        "publicKey": {
            "id": f"{origin}/u/kay#key",
            "owner": f"{origin}/u/kay",
            "publicKeyPem": "a key",
        },
    }
    async with engine.begin() as conn:
        return await remote.store(conn, HERE, ActorDocument.parse(document))


@pytest.fixture
async def kay(engine: AsyncEngine) -> Actor:
    return await _person(engine)


def _row(number: int, signer: Actor, *, again: bool = False) -> Row:
    return Row(
        activity_uri=f"https://a.test/{number}", signer=signer, body=b"{}", at=NOW, again=again
    )


async def _commits(engine: AsyncEngine) -> int:
    async with engine.connect() as conn:
        return await conn.scalar(sa.text("SELECT count(DISTINCT xmin::text) FROM received")) or 0


async def test_what_arrives_together_is_committed_together(engine: AsyncEngine, kay: Actor) -> None:
    intake = Intake(engine)
    await asyncio.gather(*(intake.keep(_row(number % 90, kay)) for number in range(100)))
    async with engine.connect() as conn:
        count = await conn.scalar(sa.select(sa.func.count()).select_from(received))
    assert count == 90
    assert await _commits(engine) <= 2


@asynccontextmanager
async def _held_up(engine: AsyncEngine) -> AsyncIterator[None]:
    """Nothing can be written meanwhile."""
    async with engine.begin() as conn:
        await conn.execute(sa.text("LOCK TABLE received IN EXCLUSIVE MODE"))
        yield


@pytest.mark.parametrize("count", [MAX_WAITING, MAX_WAITING + 1, 10 * MAX_WAITING])
async def test_so_many_of_one_server_wait_and_the_rest_comes_later(
    engine: AsyncEngine, kay: Actor, count: int
) -> None:
    """WIRE-Q11, SECURITY 12: the connections of one server cannot fill the place."""
    intake, others = Intake(engine), await _person(engine, "https://b.test")
    async with _held_up(engine):
        tasks = [asyncio.ensure_future(intake.keep(_row(number, kay))) for number in range(count)]
        await asyncio.sleep(0)
        refused = [task for task in tasks if task.done()]
        assert len(refused) == count - MAX_WAITING
        other = asyncio.ensure_future(intake.keep(_row(1, others)))
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert Counter(map(type, found)) == +Counter(
        {type(None): MAX_WAITING, TooMany: count - MAX_WAITING}
    )
    assert all(each.retry_after for each in found if isinstance(each, TooMany))
    await other
    await intake.keep(_row(count, kay))
    assert not intake._of


async def test_each_server_is_sure_of_a_share_of_a_commit(engine: AsyncEngine, kay: Actor) -> None:
    intake, names = Intake(engine), ["a.test", "b.test", "c.test"]
    people = [kay, await _person(engine, "https://b.test"), await _person(engine, "https://c.test")]
    numbers = (MAX_WAITING - 1, 100, SHARE)
    async with _held_up(engine):
        first = asyncio.ensure_future(intake.keep(_row(10_000, kay)))
        await asyncio.sleep(0)  # its commit has begun
        tasks = [
            asyncio.ensure_future(intake.keep(_row(number, person)))
            for person, count in zip(people, numbers, strict=True)
            for number in range(count)
        ]
        await asyncio.sleep(0)
    await asyncio.gather(first, *tasks)
    order = sa.text("SELECT xmin::text, origin, activity_uri FROM received ORDER BY id")
    async with engine.connect() as conn:
        rows = (await conn.execute(order)).all()
    commits = list(dict.fromkeys(row.xmin for row in rows))
    second = Counter(row.origin for row in rows if row.xmin == commits[1])
    assert second == {"https://a.test": 180, "https://b.test": SHARE, "https://c.test": SHARE}
    assert len(commits) == 3
    for name, count in zip(names, numbers, strict=True):
        came = [row.activity_uri for row in rows if row.origin == f"https://{name}"]
        assert came[-count:] == [f"https://a.test/{number}" for number in range(count)]


async def test_nobody_occupies_anothers_id(engine: AsyncEngine, kay: Actor) -> None:
    intake = Intake(engine)
    evil = await _person(engine, "https://evil.test")
    await asyncio.gather(intake.keep(_row(1, kay)), intake.keep(_row(1, evil)))
    async with engine.connect() as conn:
        origins = (await conn.execute(sa.select(received.c.origin))).scalars().all()
    assert sorted(origins) == ["https://a.test", "https://evil.test"]


async def test_asking_again_renews_what_was_done_and_nothing_else(
    engine: AsyncEngine, kay: Actor
) -> None:
    intake = Intake(engine)
    await intake.keep(_row(1, kay))
    async with engine.begin() as conn:
        await conn.execute(sa.update(received).values(state=ReceivedState.DONE, body=None))
    await intake.keep(_row(1, kay))
    async with engine.connect() as conn:
        assert await conn.scalar(sa.select(received.c.state)) == ReceivedState.DONE
    await asyncio.gather(
        intake.keep(_row(1, kay, again=True)), intake.keep(_row(1, kay, again=True))
    )
    async with engine.connect() as conn:
        row = (await conn.execute(sa.select(received.c.state, received.c.body))).one()
    assert tuple(row) == (ReceivedState.NEW, b"{}")


async def test_who_waits_hears_that_the_database_refused(engine: AsyncEngine, kay: Actor) -> None:
    intake = Intake(engine)
    async with engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE received RENAME TO away"))
    with pytest.raises(DBAPIError):
        await intake.keep(_row(1, kay))
    async with engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE away RENAME TO received"))
    await intake.keep(_row(1, kay))
    assert await _commits(engine) == 1


@pytest.mark.parametrize("change", ["key", "suspended", "blocked"])
async def test_what_is_remembered_of_a_signer_is_held_against_the_database(
    engine: AsyncEngine, kay: Actor, change: str
) -> None:
    others = await _person(engine, "https://b.test")
    async with engine.begin() as conn:
        if change == "blocked":
            await conn.execute(domain_blocks.insert().values(domain="a.test"))
        else:
            values = {"public_key": "new"} if change == "key" else {"state": ActorState.SUSPENDED}
            await conn.execute(sa.update(actors).where(actors.c.id == kay.id).values(**values))
    intake = Intake(engine)
    kept = await asyncio.gather(
        intake.keep(_row(1, kay)), intake.keep(_row(2, others)), return_exceptions=True
    )
    assert [type(each) for each in kept] == [Stale, type(None)]
    async with engine.connect() as conn:
        signers = (await conn.scalars(sa.select(received.c.signer_uri))).all()
    assert signers == [others.uri]
