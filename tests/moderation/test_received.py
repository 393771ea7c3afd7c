"""Advice that came, in the database: any order and any repetition ends in the same rows."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.keys import KeyPair
from kernel.errors import NotFound
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema.pacts import SignalState
from kernel.schema.tables import alert_calls, alert_channels, audit, signal_sources, signals
from members import node as node_store
from moderation.signals import received, sources
from moderation.signals.chain import Rewritten
from moderation.signals.lines import Line
from moderation.signals.sources import Source
from tests.moderation.peers import Peers

LIST = "https://lists.example/datasets/1"


@pytest.fixture(autouse=True)
async def desk(engine: AsyncEngine, here: Here, key_pairs: list[KeyPair]) -> None:
    """The node has its desk, which the log names."""
    async with engine.begin() as conn:
        await node_store.found(conn, here, instance_keys=key_pairs[0], desk_keys=key_pairs[1])


async def _source(engine: AsyncEngine, here: Here) -> Source:
    async with engine.begin() as conn:
        await conn.execute(sa.delete(signal_sources))
        await sources.add_list(conn, here, LIST)
        (source,) = await sources.listed(conn)
    return source


def line(here: Here, place: int, kind: str, key: str = "", takes: int = 0) -> Line:
    return Line.read(
        {
            "id": f"{LIST}/changes/0198c200-0000-7000-8000-{place:012}",
            "type": kind,
            "seq": place,
            "recommendedPolicy": "filter",
            **({"entityKind": "domain", "entityKey": key} if key else {}),
            **(
                {"retracts": f"{LIST}/changes/0198c200-0000-7000-8000-{takes:012}"} if takes else {}
            ),
        },
        LIST,
        here.now().date(),
    )


async def test_mod_5_16_lines_settle_alike_in_any_order(engine: AsyncEngine, here: Here) -> None:
    lines = [
        line(here, 1, "Recommendation", "a.example"),
        line(here, 2, "Recommendation", "a.example"),
        line(here, 3, "Recommendation", "b.example"),
        line(here, 4, "Retraction", "b.example"),
        line(here, 5, "Advisory", "c.example"),
        line(here, 6, "Retraction", takes=5),
        line(here, 7, "Recommendation", "d.example"),
    ]
    tombstone = line(here, 7, "Tombstone")
    ends = set()
    for order in list(permutations(lines, len(lines)))[::700]:
        source = await _source(engine, here)
        for batch in (order[:3], order[2:5], order[5:], order[:1], [tombstone], [tombstone]):
            async with engine.begin() as conn:
                await received.take_in(conn, here, source, batch)
        async with engine.connect() as conn:
            found = await conn.execute(
                sa.select(signals.c.place, signals.c.state).order_by(signals.c.place)
            )
            ends.add(tuple(state for _, state in found))
    assert ends == {("replaced", "held", "retracted", "noted", "retracted", "noted", "noted")}


async def test_what_waits_is_decided_by_a_person_and_ends_by_itself(
    engine: AsyncEngine, here: Here
) -> None:
    source = await _source(engine, here)
    async with engine.begin() as conn:
        some = [line(here, number, "Recommendation", f"{number}.example") for number in (1, 2, 3)]
        assert await received.take_in(conn, here, source, some) == 3
        assert await received.take_in(conn, here, source, some) == 0
        third, second, first = await received.listed(conn)
        assert [it.entity_key for it in await received.listed(conn, before=third.id, limit=1)] == [
            second.entity_key
        ]
        await received.decide(conn, here, first.id, SignalState.SHOWN)
        await received.decide(conn, here, second.id, SignalState.IGNORED)
    later = Here(here.origin, here.node_key, lambda: here.clock() + timedelta(days=91))
    async with engine.begin() as conn:
        await received.sweep(conn, later)
        assert len(await received.listed(conn, SignalState.EXPIRED)) == 2
        assert len(await received.listed(conn, SignalState.IGNORED)) == 1
        with pytest.raises(NotFound):
            await received.decide(conn, later, third.id, SignalState.SHOWN)
    much_later = Here(here.origin, here.node_key, lambda: here.clock() + timedelta(days=300))
    async with engine.begin() as conn:
        await received.sweep(conn, much_later)
        assert await conn.scalar(sa.select(sa.func.count()).select_from(signals)) == 0


async def test_mod_5_1_what_is_nudged_while_it_is_read_is_read_once_more(
    engine: AsyncEngine, here: Here, key_pairs: list[KeyPair]
) -> None:
    """Whoever reads may have looked before there was anything new, or before they let us look."""
    peers = Peers(engine, here, key_pairs)
    await peers.trust("alder.example")
    for leave in (sources.finish, sources.wait):
        source = await sources.claim(engine, here)
        assert source is not None
        async with engine.begin() as conn:
            await sources.nudge(conn, here, source.url)
        await leave(engine, here, source)
    source = await sources.claim(engine, here)
    assert source is not None
    await sources.finish(engine, here, source)
    assert await sources.claim(engine, here) is None


async def test_mod_5_10_a_source_says_only_so_much_and_only_so_much_about_one(
    engine: AsyncEngine, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received, "MAX_ABOUT", 3)
    monkeypatch.setattr(received, "MAX_LINES", 5)
    source = await _source(engine, here)
    pages = [
        [line(here, number, "Recommendation", "a.example") for number in (1, 2, 3)],
        [line(here, number, "Recommendation", f"{number}.example") for number in (4, 5)],
    ]
    too_much = [
        [line(here, 9, "Retraction", "a.example")],
        [line(here, number, "Retraction", takes=1) for number in (10, 11, 12, 13)],
    ]
    async with engine.begin() as conn:
        await received.take_in(conn, here, source, pages[0])
    for page in too_much:
        with pytest.raises(Rewritten, match="too much about one"):
            async with engine.begin() as conn:
                await received.take_in(conn, here, source, page)
    async with engine.begin() as conn:
        await received.take_in(conn, here, source, pages[1])
    with pytest.raises(Rewritten, match="too long"):
        async with engine.begin() as conn:
            await received.take_in(conn, here, source, [line(here, 6, "Advisory", "6.example")])


async def test_mod_5_16_a_line_that_nobody_answers_is_recalled_once_and_closed(
    engine: AsyncEngine, here: Here
) -> None:
    source = replace(await _source(engine, here), pact=True)
    some = [line(here, number, "Recommendation", f"{number}.example") for number in (1, 2)]
    async with engine.begin() as conn:
        await conn.execute(sa.update(signal_sources).values(pact=True))
        await conn.execute(
            alert_channels.insert().values(
                id=random_uuid(), way="webhook", sealed=b"", pace=60, confirmed=True
            )
        )

    async def calls() -> int:
        async with engine.begin() as conn:
            return (await conn.execute(sa.delete(alert_calls))).rowcount

    async def states(days: int) -> list[str]:
        """After so many days, tidied up twice, read once more, and with the rule written anew."""
        later = Here(here.origin, here.node_key, lambda: here.clock() + timedelta(days=days))
        for _ in range(2):
            async with engine.begin() as conn:
                await received.sweep(conn, later)
        found.append(await calls())
        async with engine.begin() as conn:
            await received.take_in(conn, later, source, some)
            await received.stand_anew(conn, later, source.host)
            rows = await conn.scalars(sa.select(signals.c.state).order_by(signals.c.place))
            await conn.execute(sa.delete(alert_calls))
            return list(rows)

    found: list[int] = []
    async with engine.begin() as conn:
        await received.take_in(conn, here, source, some)
    assert await calls() == 1, "it begins to wait"
    assert await states(6) == ["held", "held"]
    async with engine.begin() as conn:
        *_, first = await received.listed(conn)
        await received.decide(conn, here, first.id, SignalState.SHOWN)
    assert await states(7) == ["shown", "held"]
    assert await states(29) == ["shown", "held"]
    assert await states(30) == ["shown", "ignored"]
    assert await states(31) == ["shown", "ignored"]
    assert found == [0, 1, 0, 0, 0]
    async with engine.begin() as conn:
        rows = (await conn.execute(sa.select(signals.c.answer, signals.c.closed))).all()
        assert {tuple(row) for row in rows} == {("shown", False), (None, True)}
        log = await conn.scalars(
            sa.select(audit.c.object_uri).where(audit.c.reason == "no opinion")
        )
        assert log.all() == [some[1].uri]
        (closed,) = await received.listed(conn, SignalState.IGNORED)
        await received.decide(conn, here, closed.id, SignalState.SHOWN)
    assert await states(32) == ["shown", "shown"], "somebody has one after all"
