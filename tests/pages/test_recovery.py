"""Stories of recovery beside threads about something hard (DOM-B13)."""

import sqlalchemy as sa

from groups import desk
from groups.groups import Group
from groups.posts import Post
from kernel.schema.tables import groups, threads
from tests.pages.conftest import House
from tests.pages.people import Person
from tests.pages.test_paging import counted

HEADING = "Stories of people for whom it got easier"


async def _tell(
    house: House, title: str, *labels: str, at: Group | None = None, language: str = "en"
) -> Post:
    """A story that is shown."""
    node, group = house.node, at or house.open
    told = await node.start(
        house.ana.speaker,
        group.actor.uri,
        title,
        "It got lighter.",
        language=language,
        labels=labels,
    )
    async with node.engine.begin() as conn:
        await conn.execute(sa.update(threads).where(threads.c.id == told.id).values(story=True))
        is_there = groups.c.actor_id == group.id
        await conn.execute(sa.update(groups).where(is_there).values(stories=True))
    return told


async def _heavy(house: House, *labels: str) -> str:
    """The page of a thread about something hard, with an answer."""
    thread = await house.node.start(
        house.ben.speaker, house.open.actor.uri, "A year", "It is a hard day.", labels=labels
    )
    await house.node.reply(house.ana.speaker, thread.uri, "I am here.")
    return f"/t/{thread.id}"


async def test_dom_B13_stories_stand_below_what_is_heavy_and_nowhere_else(house: House) -> None:
    for title, *labels in (
        ("The first", ), ("After the loss", "grief"), ("Something else", "suicide-discussion"),
        ("Both of it", "suicide-discussion", "grief"), ("The third", ), ("The fourth", ),
    ):  # fmt: skip
        await _tell(house, title, *labels)
    path = await _heavy(house, "grief")
    plain = f"/t/{house.thread.id}"
    for who in (house.visitor, house.ana, house.ben):
        page = (await who.open(path)).text
        parts = (
            "It is a hard day.", HEADING, "The fourth", "The third", "After the loss", "I am here.",
        )  # fmt: skip
        places = [page.index(part) for part in parts]
        assert places == sorted(places)
        for title in ("The first", "Something else", "Both of it"):  # three, of what fits
            assert title not in page
        assert HEADING not in (await who.open(plain)).text
    with counted(house.node) as few:
        await house.visitor.open(plain)
    with counted(house.node) as more:
        await house.visitor.open(path)
    assert len(more) == len(few) + 1


async def test_dom_B13_nobody_sees_stories_that_they_do_not_want(house: House) -> None:
    await _tell(house, "After the loss", "grief")
    await _tell(house, "Danach", language="de")
    path = await _heavy(house, "suicide-discussion", "grief")

    async def sees(who: Person, **choices: str) -> list[str]:
        if choices:
            saved = await who.fill("/settings", "/settings/reading", **choices)
            assert saved.status == 303
        page = (await who.open(path)).text
        return [title for title in ("After the loss", "Danach") if title in page]

    assert await sees(house.ben) == ["After the loss", "Danach"]
    assert await sees(house.ben, languages="en") == ["After the loss"]
    assert await sees(house.cleo, stories="") == []
    assert HEADING not in (await house.cleo.open(path)).text
    hidden = {"cover-suicide-discussion": "hide"}
    assert await sees(house.ana, **hidden) == []
    assert HEADING not in (await house.ana.open(path)).text


async def test_dom_B13_stories_of_the_node_come_after_those_of_the_group(house: House) -> None:
    node = house.node
    here = await _tell(house, "From here")
    other = await node.group("other", house.ana.speaker)
    there = await _tell(house, "From next door", at=other)
    closed = await _tell(house, "Among us", at=house.private)
    path = await _heavy(house, "grief")
    page = (await house.visitor.open(path)).html
    assert page.index(f"/t/{here.id}") < page.index(f"/t/{there.id}")
    assert f"/t/{closed.id}" not in page
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, house.ana.speaker)
        await desk.remove(conn, node.here, house.open, acting, here, "")
    assert "From here" not in (await house.visitor.open(path)).text
    async with node.engine.begin() as conn:
        await conn.execute(sa.update(threads).values(memorial=True))
    assert HEADING not in (await house.visitor.open(path)).text  # somebody died: not now
