"""What a list changes here: seen first, taken as far as it may be, and taken back with it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.keys import KeyPair
from kernel.errors import Conflict, Malformed
from kernel.here import Here
from kernel.schema.moderation import Level, ListMode
from kernel.schema.pacts import PactState
from kernel.schema.tables import audit, domain_blocks, domain_policies, pacts
from members import node as node_store
from moderation import domains, policy
from moderation.lists import reading, sources, taking, undoing
from moderation.lists.sources import Source
from moderation.lists.taking import NEW_A_DAY, Difference
from moderation.policy import ORDINARY, Policy
from moderation.signals import effects

HEADER: Final = "#domain,#severity\n"
REJECT, FILTER = Policy(Level.REJECT), Policy(Level.FILTER)


@pytest.fixture
async def engine(engine: AsyncEngine, here: Here, key_pairs: list[KeyPair]) -> AsyncEngine:
    """With a node in it."""
    async with engine.begin() as conn:
        await node_store.found(conn, here, instance_keys=key_pairs[0], desk_keys=key_pairs[1])
    return engine


def rows(*names: str, severity: str = "suspend") -> str:
    return "".join(f"{name}.example,{severity}\n" for name in names)


async def added(engine: AsyncEngine, here: Here, mode: ListMode, **more: object) -> Source:
    url = "https://lists.example/x.csv"
    async with engine.begin() as conn:
        return await sources.add(conn, here, name="A list", url=url, mode=mode, **more)  # type: ignore[arg-type]


async def take(
    engine: AsyncEngine, here: Here, source: Source, text: str, *, agreed: bool = False
) -> tuple[Difference, int, Source]:
    async with engine.begin() as conn:
        source = await sources.one(conn, source.id)
        found = await taking.compare(conn, here, source, reading.read((HEADER + text).encode()))
        waiting = await taking.take(conn, here, source, found, agreed=agreed)
        return found, waiting, await sources.one(conn, source.id)


def now_is(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


async def blocked(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as conn:
        return set(await conn.scalars(sa.select(domain_blocks.c.domain)))


async def test_mod_5_17_a_dry_run_says_what_would_change_and_changes_nothing(
    engine: AsyncEngine, here: Here
) -> None:
    here = replace(here, protected_domains=("clinic.example",))
    source = await added(engine, here, ListMode.DRAFT, excluded=("left.example",))
    await take(engine, here, source, rows("old", "same", "softer"), agreed=True)
    async with engine.begin() as conn:
        await domains.set_policy(conn, here, "mine.example", Policy(Level.ACCEPT))
    before = await blocked(engine)
    text = rows("same", "new", "a.mine", "b.left", "clinic", "bad*") + "softer.example,silence\n"
    async with engine.connect() as conn:
        listed = reading.read((HEADER + text).encode())
        found = await taking.compare(conn, here, await sources.one(conn, source.id), listed)
    assert [rule.domain for rule in found.new] == ["new.example"]
    assert [(old.policy, new.policy) for old, new in found.changed] == [(REJECT, FILTER)]
    assert [rule.domain for rule in found.gone] == ["old.example"]
    assert found.same == 1
    assert dict(found.covered).keys() == {"a.mine.example", "b.left.example"}
    assert {each.text for each in found.refused} == {"clinic.example", "bad*.example"}
    assert await blocked(engine) == before == {"old.example", "same.example", "softer.example"}


async def test_mod_5_10_new_and_harsher_rows_wait_for_a_person_and_milder_ones_do_not(
    engine: AsyncEngine, here: Here
) -> None:
    source = await added(engine, here, ListMode.DRAFT)
    _, waiting, source = await take(engine, here, source, rows("a", "b") + "c.example,silence\n")
    assert (waiting, await blocked(engine)) == (3, set())
    async with engine.begin() as conn:
        assert len(await taking.agree(conn, here, source)) == 3
    assert await blocked(engine) == {"a.example", "b.example"}
    text = "b.example,silence\n" + rows("c", "d")
    _, waiting, source = await take(engine, here, source, text)
    async with engine.connect() as conn:
        held = [rule.domain for rule in await sources.waiting(conn, source)]
        counts = [await policy.of_host(conn, f"{name}.example") for name in "abcd"]
    assert (waiting, held) == (2, ["c.example", "d.example"])
    assert counts == [ORDINARY, FILTER, FILTER, ORDINARY]
    async with engine.begin() as conn:
        await taking.throw_away(conn, here, source)
        assert await sources.count_waiting(conn) == {}
        await sources.remove(conn, here, source)
        assert await conn.scalar(sa.select(sa.func.count()).select_from(domain_policies)) == 0
        verbs = set(await conn.scalars(sa.select(audit.c.verb)))
    assert {"list added", "list taken", "list rows refused", "list removed"} == verbs


async def test_mod_5_10_an_automatic_list_adds_25_rows_a_day_once_its_first_were_seen(
    engine: AsyncEngine, here: Here
) -> None:
    source = await added(engine, here, ListMode.AUTOMATIC, max_level=Level.FILTER)
    names = [f"n{number:02}" for number in range(60)]
    _, waiting, source = await take(engine, here, source, rows(*names[:20]))
    assert waiting == 20
    async with engine.begin() as conn:
        await taking.agree(conn, here, source)
    _, waiting, source = await take(engine, here, source, rows(*names[:30]))
    assert waiting == 0
    _, waiting, source = await take(engine, here, source, rows(*names))
    assert waiting == 60 - 20 - NEW_A_DAY
    tomorrow = replace(here, clock=lambda: here.now() + timedelta(days=1))
    _, waiting, source = await take(engine, tomorrow, source, rows(*names))
    assert waiting == 0
    async with engine.connect() as conn:
        assert await policy.of_host(conn, "n59.example") == FILTER  # no harsher than it may be
    assert await blocked(engine) == set()


async def test_mod_5_10_an_automatic_list_adds_nothing_as_long_as_nobody_looked(
    engine: AsyncEngine, here: Here
) -> None:
    source = await added(engine, here, ListMode.AUTOMATIC)
    names = [f"n{number:02}" for number in range(42)]
    _, waiting, source = await take(engine, here, source, rows(*names[:40]))
    assert waiting == 40
    for day in (1, 2):
        later = here.now() + timedelta(days=day)
        _, waiting, source = await take(
            engine, replace(here, clock=now_is(later)), source, rows(*names[: 40 + day])
        )
        assert (waiting, await blocked(engine)) == (40 + day, set())


@pytest.mark.parametrize("first", [True, False])
async def test_mod_5_10_what_somebody_refused_of_an_automatic_list_does_not_come_by_itself(
    engine: AsyncEngine, here: Here, first: bool
) -> None:
    source = await added(engine, here, ListMode.AUTOMATIC)
    if not first:  # they took its first copy, and refuse what came since
        _, _, source = await take(engine, here, source, rows("seen"), agreed=True)
    names = [*([] if first else ["seen"]), *(f"n{number:02}" for number in range(41))]
    _, waiting, source = await take(engine, here, source, rows(*names[:40]))
    before = await blocked(engine)
    async with engine.begin() as conn:
        await taking.throw_away(conn, here, source)
    tomorrow = replace(here, clock=lambda: here.now() + timedelta(days=1))
    _, waiting, source = await take(engine, tomorrow, source, rows(*names))
    assert waiting == len(names) - len(before)
    assert await blocked(engine) == before
    assert source.mode is ListMode.DRAFT


async def test_mod_5_10_what_is_protected_by_now_is_neither_agreed_to_nor_put_back(
    engine: AsyncEngine, here: Here
) -> None:
    later = replace(here, protected_domains=("clinic.example",))
    source = await added(engine, here, ListMode.DRAFT)
    _, _, source = await take(engine, here, source, rows("a", "clinic"), agreed=True)
    _, _, source = await take(engine, here, source, rows("b"), agreed=True)
    async with engine.begin() as conn:
        newest = (await undoing.history(conn))[0]
        await undoing.undo(conn, later, newest.id)
    assert await blocked(engine) == {"a.example"}
    _, waiting, source = await take(engine, here, source, rows("a", "c", "sub.clinic"))
    assert waiting == 2
    async with engine.begin() as conn:
        assert [rule.domain for rule in await taking.agree(conn, later, source)] == ["c.example"]
        assert await sources.count_waiting(conn) == {}
    assert await blocked(engine) == {"a.example", "c.example"}


async def test_mod_5_7_what_decides_is_what_is_in_force_though_it_is_protected_by_now(
    engine: AsyncEngine, here: Here
) -> None:
    source = await added(engine, here, ListMode.DRAFT)
    await take(engine, here, source, rows("clinic"), agreed=True)
    later = replace(here, protected_domains=("clinic.example", "free.example"))
    async with engine.connect() as conn:
        said = await effects.decider(conn, later, "clinic.example")
        assert (said["by"], said["source"], said["level"]) == ("list", source.id, "reject")
        said = await effects.decider(conn, later, "free.example")
        assert (said["by"], said["level"]) == ("protected", "accept")


async def test_mod_5_10_no_list_drops_a_server_by_itself(engine: AsyncEngine, here: Here) -> None:
    source = await added(engine, here, ListMode.AUTOMATIC, max_level=Level.DROP)
    await take(engine, here, source, rows("seen"), agreed=True)

    def snapshot(*names: str) -> str:
        said = {"type": "Recommendation", "entityKind": "domain", "recommendedPolicy": "drop"}
        items = [{**said, "entityKey": f"{name}.example"} for name in names]
        return json.dumps({"type": "Collection", "orderedItems": items})

    async def read(text: str) -> int:
        async with engine.begin() as conn:
            now = await sources.one(conn, source.id)
            found = await taking.compare(conn, here, now, reading.read(text.encode()))
            return await taking.take(conn, here, now, found, agreed=False)

    for _ in range(2):  # to read it again changes nothing
        assert await read(snapshot("seen", "loud")) == 2
        async with engine.connect() as conn:
            counts = [await policy.of_host(conn, f"{name}.example") for name in ("seen", "loud")]
        assert counts == [REJECT, FILTER], "what a person took is not softened"
    async with engine.begin() as conn:
        assert len(await taking.agree(conn, here, source)) == 2
        assert (await policy.of_host(conn, "loud.example")).level is Level.DROP


async def test_mod_5_10_what_a_list_says_of_a_pact_peer_waits_for_a_person(
    engine: AsyncEngine, here: Here
) -> None:
    source = await added(engine, here, ListMode.AUTOMATIC)
    await take(engine, here, source, rows("a"))
    async with engine.begin() as conn:
        await taking.agree(conn, here, source)
        await conn.execute(
            pacts.insert(),
            [
                {"host": f"{name}.example", "state": state, "day": here.now().date()}
                for name, state in (("desk.peer", PactState.MADE), ("former", PactState.ENDED))
            ],
        )
    _, waiting, source = await take(engine, here, source, rows("a", "peer", "former"))
    async with engine.connect() as conn:
        held = [rule.domain for rule in await sources.waiting(conn, source)]
    assert (waiting, held) == (1, ["peer.example"])
    assert await blocked(engine) == {"a.example", "former.example"}


def test_mod_5_10_a_list_that_changes_a_lot_or_is_empty_is_left_aside() -> None:
    source = Source(
        id="x", name="x", url="x", mode=ListMode.DRAFT, max_level=Level.REJECT, rows=100
    )

    def trouble(count: int, source: Source = source) -> str:
        text = HEADER + "ap.invalid,suspend\n" + rows(*(f"n{n}" for n in range(count)))
        return taking.trouble_with(source, reading.read(text.encode()))

    assert [bool(trouble(count)) for count in (0, 79, 80, 100, 120, 121)] == [
        True, True, False, False, False, True
    ]  # fmt: skip
    few = replace(source, rows=3)
    assert [bool(trouble(count, few)) for count in (0, 1, 8, 9)] == [True, False, False, True]
    assert not trouble(5_000, replace(source, rows=0))


async def test_mod_5_10_a_list_that_takes_back_a_lot_is_left_aside(
    engine: AsyncEngine, here: Here
) -> None:
    source = await added(engine, here, ListMode.DRAFT)
    names = [f"n{number:02}" for number in range(20)]
    _, _, source = await take(engine, here, source, rows(*names), agreed=True)

    async def trouble(text: str, source: Source = source) -> str:
        listed = reading.read((HEADER + text).encode())
        assert not taking.trouble_with(source, listed)
        async with engine.connect() as conn:
            return taking.takes_back_a_lot(source, await taking.compare(conn, here, source, listed))

    assert "of its 20 rows" in await trouble(rows(*(f"m{number}" for number in range(20))))
    assert "of its 20 rows" in await trouble(rows(*names, severity="noop"))
    softer = rows(*names[3:17]) + rows(*names[17:], severity="silence")
    assert await trouble(softer + rows("a", "b", "c"))  # three are gone, and three are milder
    assert not await trouble(rows(*names[2:17]) + rows(*names[17:], severity="silence"))
    excluded = tuple(f"{name}.example" for name in names[:10])
    assert not await trouble(rows(*names), replace(source, excluded=excluded))
    assert not await trouble(rows(*names), replace(source, max_level=Level.FILTER))


async def test_mod_3_5_lists_have_names_and_addresses(engine: AsyncEngine, here: Here) -> None:
    await added(engine, here, ListMode.DRAFT)
    with pytest.raises(Conflict):
        await added(engine, here, ListMode.DRAFT)
    async with engine.begin() as conn:
        for name, url in (("", None), ("x" * 101, None), ("x", "http://a.example/x"), ("x", "x")):
            with pytest.raises(Malformed):
                await sources.add(conn, here, name=name, url=url)
    with pytest.raises(Malformed):
        sources.read_excluded("good.example, *.bad.example")
    assert sources.read_excluded("B.example, a.example\n\nb.example") == ("a.example", "b.example")


async def test_mod_5_10_ten_thousand_rows_are_taken_in_few_statements(
    engine: AsyncEngine, here: Here, tmp_path: Path
) -> None:
    asked = 0

    def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    source = await added(engine, here, ListMode.DRAFT)
    sa.event.listen(engine.sync_engine, "before_cursor_execute", count)
    names = [f"n{number}" for number in range(10_000)]
    await take(engine, here, source, rows(*names), agreed=True)
    assert asked < 30
    sa.event.remove(engine.sync_engine, "before_cursor_execute", count)
    assert len(await blocked(engine)) == 10_000
