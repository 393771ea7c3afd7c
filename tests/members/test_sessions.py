"""Sessions: only the cookie opens one, and it ends when it should."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.clock import utcnow
from kernel.errors import Malformed
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema import tables
from kernel.sealing import NodeKey
from members import personas, sessions
from tests.members.people import sign_up


@dataclass
class Wall:
    """A clock that only moves when told to."""

    now: datetime = field(default_factory=utcnow)

    def __call__(self) -> datetime:
        return self.now


async def test_a_cookie_opens_its_session_with_todays_roles(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here, roles=frozenset({"administrator"}))
    cookie = await sessions.open(engine, here, made.member)
    session = await sessions.read(engine, here, cookie)
    assert session is not None
    assert session.member == made.member
    assert session.key.hex() not in repr(session)
    again = await sessions.read(engine, here, cookie)
    assert again == session


@pytest.mark.parametrize(
    "cookie", ["", "x" * 43, "\ud800" * 43, "é" * 43, "x" * 100_000, "\0" * 43]
)
async def test_any_other_cookie_opens_nothing(engine: AsyncEngine, here: Here, cookie: str) -> None:
    made = await sign_up(engine, here)
    await sessions.open(engine, here, made.member)
    assert await sessions.read(engine, here, cookie) is None
    await sessions.end(engine, here, cookie)


async def test_the_row_is_worthless_without_the_node_key(
    engine: AsyncEngine, here: Here, tmp_path: Path
) -> None:
    made = await sign_up(engine, here)
    cookie = await sessions.open(engine, here, made.member)
    thief = replace(here, node_key=NodeKey.load(tmp_path / "other.key"))
    assert await sessions.read(engine, thief, cookie) is None


async def test_a_session_lasts_three_weeks_and_its_row_does_not_say_when_it_ends(
    engine: AsyncEngine, here: Here, tmp_path: Path
) -> None:
    wall = Wall()
    here = replace(here, clock=wall)
    made = await sign_up(engine, here)
    cookie = await sessions.open(engine, here, made.member)
    async with engine.connect() as conn:
        ends = await conn.scalar(sa.select(tables.sessions.c.ends))
    last = (wall.now + sessions.LASTS).date()
    assert ends is not None
    assert last.toordinal().to_bytes(4, "big") not in ends
    wall.now += sessions.LASTS
    assert await sessions.read(engine, here, cookie) is not None
    assert await _swept(engine, here) == 1
    thief = replace(here, node_key=NodeKey.load(tmp_path / "other.key"))
    assert await sessions.read(engine, thief, cookie) is None
    wall.now += timedelta(days=1)
    assert await sessions.read(engine, here, cookie) is None
    assert await _swept(engine, here) == 0


async def _swept(engine: AsyncEngine, here: Here) -> int:
    """How many sessions a sweep leaves."""
    async with engine.begin() as conn:
        await sessions.sweep(conn, here)
        found = await conn.scalar(sa.select(sa.func.count()).select_from(tables.sessions))
    return found or 0


async def test_the_end_of_one_session_does_not_serve_another(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here)
    cookies = [await sessions.open(engine, here, made.member) for _ in range(2)]
    async with engine.begin() as conn:
        row = tables.sessions.alias()
        await conn.execute(
            sa.update(tables.sessions).values(
                ends=sa.select(row.c.ends).where(row.c.id != tables.sessions.c.id).scalar_subquery()
            )
        )
    assert [await sessions.read(engine, here, cookie) for cookie in cookies] == [None, None]


async def test_ending_one_session_leaves_the_others(engine: AsyncEngine, here: Here) -> None:
    made = await sign_up(engine, here)
    first, second = [await sessions.open(engine, here, made.member) for _ in range(2)]
    await sessions.end(engine, here, first)
    assert await sessions.read(engine, here, first) is None
    assert await sessions.read(engine, here, second) is not None


async def test_a_row_moved_under_another_cookie_does_not_open(
    engine: AsyncEngine, here: Here
) -> None:
    ana, ben = await sign_up(engine, here), await sign_up(engine, here, "ben-by-day")
    cookies = [await sessions.open(engine, here, each.member) for each in (ana, ben)]
    async with engine.begin() as conn:
        row = tables.sessions.alias()
        await conn.execute(
            sa.update(tables.sessions).values(
                sealed=sa.select(row.c.sealed)
                .where(row.c.id != tables.sessions.c.id)
                .scalar_subquery()
            )
        )
    assert [await sessions.read(engine, here, cookie) for cookie in cookies] == [None, None]


async def test_a_forms_choice_is_good_for_its_session_and_purpose_only(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here)
    one, other = [
        await sessions.read(engine, here, await sessions.open(engine, here, made.member))
        for _ in range(2)
    ]
    assert one is not None
    assert other is not None
    actor_id = random_uuid()
    token = personas.seal_choice(one, actor_id, "reply 7")
    assert personas.open_choice(one, token, "reply 7") == actor_id
    assert token != personas.seal_choice(one, actor_id, "reply 7")
    for session, sealed, purpose in (
        (other, token, "reply 7"),
        (one, token, "reply 8"),
        (one, token[:-4], "reply 7"),
        (one, "", "reply 7"),
        (one, "é", "reply 7"),
        (one, "x", "reply 7"),
    ):
        with pytest.raises(Malformed):
            personas.open_choice(session, sealed, purpose)


async def test_v1_sessions_of_one_member_share_nothing_and_end_together(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here)
    cookies = [await sessions.open(engine, here, made.member) for _ in range(4)]
    async with engine.begin() as conn:
        tags = list(await conn.scalars(sa.select(tables.sessions.c.tag)))
        assert len(tags) == 4
        assert len(set(tags)) > 1  # each is one of 256 by chance
        assert len(await sessions.of_member(conn, here, made.member)) == 4
        await sessions.end_all(conn, here, made.member)
    assert [await sessions.read(engine, here, cookie) for cookie in cookies] == [None] * 4
