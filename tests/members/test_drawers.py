"""Drafts lie in rows that say neither whose nor what."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.errors import NotAllowed, NotFound, TooLarge
from kernel.here import Here
from kernel.schema.tables import drawers as table
from kernel.sealing import NodeKey
from members import accounts, drawers
from members.drawers import Which
from members.member import Member
from tests.members.people import CHEAP, PASSWORD, sign_up

FIELDS = {"title": ["Nights"], "text": ["I lie awake, and then it is five."], "languages": ["en"]}


@pytest.fixture
async def ana(engine: AsyncEngine, here: Here) -> Member:
    return (await sign_up(engine, here, "ana")).member


async def _keep(
    engine: AsyncEngine, here: Here, member: Member, before: Which | None = None, **more: str
) -> int:
    fields = {**FIELDS, **{name: [value] for name, value in more.items()}}
    async with engine.begin() as conn:
        return await drawers.keep(conn, here, member, "/g/sleep/new", fields, before=before)


async def _drop(engine: AsyncEngine, here: Here, member: Member, which: Which) -> None:
    async with engine.begin() as conn:
        await drawers.drop(conn, here, member, which)


async def _mine(engine: AsyncEngine, here: Here, member: Member) -> list[drawers.Kept]:
    async with engine.connect() as conn:
        return list(await drawers.mine(conn, here, member))


async def test_a_draft_is_kept_changed_found_and_dropped(
    engine: AsyncEngine, here: Here, ana: Member
) -> None:
    assert await _keep(engine, here, ana) == 0
    assert await _keep(engine, here, ana, title="Another") == 1
    first = (await _mine(engine, here, ana))[0].which
    assert await _keep(engine, here, ana, first, text="Changed.") == 0
    found = await _mine(engine, here, ana)
    assert [(each.number, each.path) for each in found] == [
        (0, "/g/sleep/new"),
        (1, "/g/sleep/new"),
    ]
    assert found[0].fields["text"] == ["Changed."]
    await _drop(engine, here, ana, found[0].which)
    async with engine.begin() as conn:
        with pytest.raises(NotFound):
            await drawers.get(conn, here, ana, 0)
        assert (await drawers.get(conn, here, ana, 1)).fields["title"] == ["Another"]


async def test_a_newer_draft_of_the_same_number_is_neither_replaced_nor_dropped(
    engine: AsyncEngine, here: Here, ana: Member
) -> None:
    await _keep(engine, here, ana, text="First.")
    seen = (await _mine(engine, here, ana))[0].which
    await _drop(engine, here, ana, seen)
    await _keep(engine, here, ana, text="An hour's work.")
    await _drop(engine, here, ana, seen)
    assert await _keep(engine, here, ana, seen, text="First, and more.") == 1
    words = [each.fields["text"] for each in await _mine(engine, here, ana)]
    assert words == [["An hour's work."], ["First, and more."]]


async def test_drafts_kept_at_once_take_places_of_their_own(
    engine: AsyncEngine, here: Here, ana: Member
) -> None:
    numbers = await asyncio.gather(*(_keep(engine, here, ana, text=f"{n}") for n in range(6)))
    assert sorted(numbers) == list(range(6))
    which = (await _mine(engine, here, ana))[0].which
    both = [_keep(engine, here, ana, which, text=text) for text in ("One way.", "Another.")]
    assert sorted(await asyncio.gather(*both)) == [0, 6]


async def test_no_row_says_whose_it_is_or_what_it_says(
    engine: AsyncEngine, here: Here, ana: Member
) -> None:
    ben = (await sign_up(engine, here, "ben")).member
    for member, words in ((ana, "short"), (ana, "long " * 3000), (ben, "short")):
        await _keep(engine, here, member, text=words)
    async with engine.connect() as conn:
        rows = (await conn.execute(sa.select(table))).all()
    assert len({(len(row.id), len(row.sealed), len(row.keep_until)) for row in rows}) == 1
    flat = b"".join(row.id + row.sealed + row.keep_until for row in rows)
    assert not any(each in flat for each in (b"short", b"long", b"sleep", ana.root, ben.root))
    assert await _mine(engine, here, ben) != await _mine(engine, here, ana)
    stranger = replace(here, node_key=NodeKey(bytes(32)))
    assert await _mine(engine, stranger, ana) == []


async def test_a_member_has_twenty_drafts_of_bounded_length(
    engine: AsyncEngine, here: Here, ana: Member
) -> None:
    for _ in range(drawers.MAX_DRAFTS):
        await _keep(engine, here, ana)
    with pytest.raises(NotAllowed, match="20 drafts"):
        await _keep(engine, here, ana)
    which = (await _mine(engine, here, ana))[3].which
    with pytest.raises(TooLarge):
        await _keep(engine, here, ana, which, text="x" * 33_000)
    assert len(await _mine(engine, here, ana)) == drawers.MAX_DRAFTS


async def test_drafts_go_after_half_a_year_and_with_their_member(
    engine: AsyncEngine, here: Here, ana: Member
) -> None:
    ben = (await sign_up(engine, here, "ben")).member
    await _keep(engine, here, ana)
    later = replace(here, clock=lambda: here.now() + drawers.KEPT)
    await _keep(engine, later, ben)
    await drawers.sweep(engine, later)
    assert len(await _mine(engine, here, ana)) == 1
    last = replace(here, clock=lambda: here.now() + drawers.KEPT + timedelta(days=1))
    await drawers.sweep(engine, last)
    assert await _mine(engine, here, ana) == []
    await accounts.close(engine, here, ben, PASSWORD, cost=CHEAP)
    assert await _mine(engine, here, ben) == []
