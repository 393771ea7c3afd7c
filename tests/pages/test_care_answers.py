"""Who waits for an answer, and how soon one comes (DOM-A12)."""

import pytest
import sqlalchemy as sa

from groups import unanswered
from groups.groups import Group
from kernel.ids import MINUTE, first_of
from kernel.schema.actors import ActorKind
from kernel.schema.tables import actors, groups, posts
from node.pages.group_words import first_answers
from tests.nodes import Node
from tests.pages.conftest import House


async def _titles(node: Node, group: Group) -> list[str]:
    async with node.engine.connect() as conn:
        return [each.title for each in await unanswered.waiting(conn, node.here, group)]


async def test_a_thread_waits_after_six_hours_until_somebody_else_speaks(house: House) -> None:
    node, uri = house.node, house.open.actor.uri
    first = await node.start(house.ben.speaker, uri, "First", "Is anybody there?")
    node.clock.forward(minutes=2)
    second = await node.start(house.ben.speaker, uri, "Second", "Me again.")
    node.clock.forward(hours=5, minutes=50)
    assert await _titles(node, house.open) == []
    node.clock.forward(minutes=20)
    assert await _titles(node, house.open) == ["First", "Second"]
    await node.reply(house.ben.speaker, first.uri, "Still here.")  # one's own words are no answer
    node.clock.forward(hours=7)
    assert await _titles(node, house.open) == ["Second", "First"]
    await node.reply(house.ana.speaker, second.uri, "I am here.")
    assert await _titles(node, house.open) == ["First"]
    page = await house.ben.open("/g/open/unanswered")
    assert "wrote again" in page.text
    assert "Second" not in page.text
    async with node.engine.begin() as conn:  # what a program says is none either
        robot = sa.update(actors).where(actors.c.id == house.ana.actor.id)
        await conn.execute(robot.values(kind=ActorKind.SERVICE))
    assert await _titles(node, house.open) == ["First", "Second"]
    node.clock.forward(days=29)
    assert await _titles(node, house.open) == []


async def test_the_list_is_for_members_and_has_pages(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = house.node
    for number in range(3):
        await node.start(house.ben.speaker, house.open.actor.uri, f"Number {number}", "Hello.")
        node.clock.forward(minutes=1)
    node.clock.forward(hours=6)
    assert (await house.cleo.open("/g/open/unanswered")).status == 404
    assert (await house.visitor.open("/g/open/unanswered")).status in (303, 404)
    assert "/g/open/unanswered" not in (await house.cleo.open("/g/open")).html
    assert "/g/open/unanswered" in (await house.ben.open("/g/open")).html
    monkeypatch.setattr("node.pages.unanswered.PAGE", 2)
    first = await house.ben.open("/g/open/unanswered")
    assert [f"Number {n}" in first.text for n in range(3)] == [True, True, False]
    (more,) = [line for line in first.html.split('"') if "unanswered?after=" in line]
    second = await house.ben.open(more)
    assert [f"Number {n}" in second.text for n in range(3)] == [False, False, True]


async def test_the_group_says_how_soon_half_of_its_threads_are_answered(house: House) -> None:
    node, uri = house.node, house.careful.actor.uri
    sentence = "get a first answer within"
    async with node.engine.begin() as conn:  # all of it is shown at once, for this test
        await conn.execute(sa.update(groups).values(premoderation="none"))
    started = []
    for number in range(5):
        started.append(await node.start(house.ben.speaker, uri, f"Number {number}", "Hello."))
    for wait, thread in zip((30, 90, 45), started, strict=False):
        node.clock.forward(minutes=wait)
        await node.reply(house.ana.speaker, thread.uri, "I am here.")
    while await unanswered.count_one(node.engine, node.here):
        pass
    assert sentence not in (await house.ben.open("/g/careful")).text  # they are too young
    node.clock.forward(days=2)
    assert await unanswered.count_one(node.engine, node.here)
    while await unanswered.count_one(node.engine, node.here):
        pass
    # Answered after 30, 120, 165 minutes and twice not at all: the middle one is 165.
    assert f"{sentence} 3 hours" in (await house.visitor.open("/g/careful")).text
    assert not await unanswered.count_one(node.engine, node.here)  # once a day
    await node.delete(house.ben.speaker, started[3].uri)
    node.clock.forward(days=1)
    while await unanswered.count_one(node.engine, node.here):
        pass
    assert sentence not in (await house.ben.open("/g/careful")).text  # four are too few
    assert (await house.ben.open("/g/open")).status == 200


async def test_where_most_threads_wait_in_vain_no_time_is_promised(house: House) -> None:
    node = house.node
    for number in range(5):
        thread = await node.start(house.ben.speaker, house.open.actor.uri, f"{number}", "Hello.")
    await node.reply(house.ana.speaker, thread.uri, "I am here.")
    node.clock.forward(days=2)
    async with node.engine.connect() as conn:
        assert await unanswered.usual_wait(conn, node.here, house.open.id) is None
        newest = await conn.scalar(sa.select(sa.func.max(posts.c.id)))
    assert newest is not None
    assert first_of(node.clock()) - newest > 47 * 60 * MINUTE


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0, "10 minutes"), (11, "20 minutes"), (55, "an hour"), (60, "an hour"), (61, "2 hours"),
     (2880, "2 days"), (None, "")],
)  # fmt: skip
async def test_a_wait_in_words(minutes: int | None, words: str) -> None:
    class Some:
        answer_minutes = minutes

    said = first_answers(Some())  # type: ignore[arg-type]
    assert said == (f"Half of new threads get a first answer within {words}." if words else "")
