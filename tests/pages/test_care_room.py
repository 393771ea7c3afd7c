"""A group of a size, and a group that nobody looks after (DOM-B3)."""

from dataclasses import replace

import sqlalchemy as sa

from groups import groups as group_store
from groups import room, tending
from groups.groups import GroupSettings
from kernel.schema.actors import FollowState
from kernel.schema.groups import Joining
from kernel.schema.tables import follows
from moderation.visibility import VISITOR
from node.tidy import tidy
from tests.pages.conftest import House
from tests.pages.people import person

SMALL = GroupSettings(cap=2)  # its founder, and one more


async def _states(house: House, name: str) -> dict[str, tuple[str, int | None]]:
    """How each name stands in the group."""
    async with house.node.engine.connect() as conn:
        group = await group_store.by_name(conn, name, VISITOR)
        rows = await conn.execute(
            sa.select(follows.c.follower_id, follows.c.state, follows.c.turn).where(
                follows.c.followed_id == group.id
            )
        )
        stand = {row.follower_id: (row.state, row.turn) for row in rows}
    people = {"ana": house.ana, "ben": house.ben, "cleo": house.cleo}
    return {name: stand[each.actor.id] for name, each in people.items() if each.actor.id in stand}


async def test_who_comes_to_a_full_group_waits_and_is_let_in_in_order(house: House) -> None:
    node = house.node
    await node.group("small", house.ana.speaker, settings=SMALL)
    dora = await person(node, "dora")
    assert (await house.ben.fill("/g/small/join", "/join")).location == "/g/small"
    asked = await house.cleo.fill("/g/small/join", "/join")
    assert asked.location == "/g/small?asked"
    await dora.fill("/g/small/join", "/join")
    waits = await house.cleo.open("/g/small?asked")
    assert "The group is full right now" in waits.text
    assert "A moderator will answer" not in waits.text
    assert "room for 2 people" in waits.text
    assert await _states(house, "small") == {
        "ana": (FollowState.ACCEPTED, None),
        "ben": (FollowState.ACCEPTED, None),
        "cleo": (FollowState.PENDING, 1),
    }
    listed = (await house.ana.open("/g/small/desk")).text
    assert listed.index("@cleo@") < listed.index("@dora@")
    refused = await house.cleo.send("POST", "/g/small/new", {"title": "A", "text": "B"})
    assert refused.status in (400, 403)
    await tidy(node.engine, node.here)
    assert (await _states(house, "small"))["cleo"] == (FollowState.PENDING, 1)
    await house.ben.fill("/g/small/leave", "/leave")
    await tidy(node.engine, node.here)
    assert (await _states(house, "small"))["cleo"] == (FollowState.ACCEPTED, None)
    listed = (await house.ana.open("/g/small/desk")).text
    assert "@dora@" in listed[listed.index("Waiting list") : listed.index("Invite somebody")]
    saved = await house.ana.fill("/g/small/settings", "/settings", cap="0")
    assert saved.status == 303
    assert not await _queue(house)
    assert not await room.let_in(node.engine, node.here)


async def _queue(house: House) -> list[str]:
    await tidy(house.node.engine, house.node.here)
    async with house.node.engine.connect() as conn:
        group = await group_store.by_name(conn, "small", VISITOR)
        return [actor.handle for _, actor in await room.waiting(conn, group)]


async def test_a_moderators_yes_in_a_full_group_gives_a_turn(house: House) -> None:
    settings = replace(SMALL, joining=Joining.APPROVAL, cap=1)
    await house.node.group("small", house.ana.speaker, settings=settings)
    await house.ben.fill("/g/small/join", "/join")
    assert (await _states(house, "small"))["ben"] == (FollowState.PENDING, None)
    await house.ana.send("POST", "/g/small/desk/admit", {"person": str(house.ben.actor.id)})
    assert (await _states(house, "small"))["ben"] == (FollowState.PENDING, 1)
    assert await _queue(house) == ["ben"]
    await house.ana.fill("/g/small/settings", "/settings", cap="2")
    assert await _queue(house) == []
    assert (await _states(house, "small"))["ben"] == (FollowState.ACCEPTED, None)
    refused = await house.ana.fill("/g/open/settings", "/settings", cap="many")
    assert refused.status == 400
    assert 'value="many"' in refused.html
    refused = await house.ana.fill("/g/open/settings", "/settings", cap="1001")
    assert "a number up to 1,000" in refused.text


async def test_a_name_for_one_thread_does_not_wait_at_the_door(house: House) -> None:
    await house.node.group("small", house.ana.speaker, settings=GroupSettings(cap=1))
    full = await house.cleo.fill(
        "/g/small/new", "/new", title="A title", text="Some words.", **{"as": "once"}
    )
    assert full.status == 403
    assert "This group is full" in full.text
    assert "Some words." in full.html


async def test_a_group_that_nobody_looks_after_rests_until_a_moderator_acts(house: House) -> None:
    node, answer = house.node, f"/p/{house.thread.id}/reply"
    node.clock.forward(days=14)
    assert (await house.ben.fill(answer, "/reply", text="I am here.")).status == 303
    node.clock.forward(days=1)
    refused = await house.ben.send(
        "POST", answer, {"text": "Anybody?", **_fields(await house.ben.open(answer))}
    )
    assert refused.status == 403
    assert "Nobody has looked after this group" in refused.text
    assert "Anybody?" in refused.html
    page = await house.ben.open("/g/open")
    assert "This group rests" in page.text
    assert 'href="/help"' in page.html
    assert "Start a thread" not in page.text
    assert "Send answer" not in (await house.ben.open(f"/t/{house.thread.id}")).text
    assert "/g/open" in (await house.ana.open("/settings/node")).html
    here = await house.ana.fill("/g/open/desk", "/desk/stay")
    assert here.status == 303
    assert (await house.ben.fill(answer, "/reply", text="There you are.")).status == 303
    assert "This group rests" not in (await house.ben.open("/g/open")).text


def _fields(at: object) -> dict[str, str]:
    form = at.page.form("text", action="/reply")  # type: ignore[attr-defined]
    return {name: value for name, value in form.filled({}) if name in ("as", "guidelines")}


async def test_a_moderators_own_post_says_that_somebody_is_here(house: House) -> None:
    node = house.node
    node.clock.forward(days=20)
    await node.reply(house.ana.speaker, house.thread.uri, "Back again.")
    await node.reply(house.ben.speaker, house.thread.uri, "Welcome back.")
    async with node.engine.connect() as conn:
        group = await group_store.get(conn, house.open.id)
    assert group.tended == node.clock().date()
    node.clock.forward(days=400)  # the rule can be turned off
    never = replace(node.here, tended_within=0)
    async with node.engine.connect() as conn:
        group = await group_store.get(conn, house.open.id)
        assert tending.rests(node.here, group)
        assert not tending.rests(never, group)
        assert len(await tending.resting(conn, node.here)) == 3
        assert await tending.resting(conn, never) == []
