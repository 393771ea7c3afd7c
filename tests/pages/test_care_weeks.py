"""The weekly question of a group, and stories of recovery (DOM-B15, DOM-B13)."""

import sqlalchemy as sa

from groups import check_ins
from groups import posts as post_store
from groups.posts import Post
from kernel.schema.posts import Mood
from kernel.schema.tables import check_ins as check_in_table
from kernel.schema.tables import deliveries, posts, threads
from moderation.standing import Speaker
from node.tidy import tidy
from tests.pages.conftest import House


async def _ask(house: House) -> Post:
    """The group asks today."""
    today = house.node.clock().weekday()
    saved = await house.ana.fill("/g/open/settings", "/settings", check_in=str(today))
    assert saved.status == 303
    await tidy(house.node.engine, house.node.here)
    async with house.node.engine.connect() as conn:
        found = (await conn.scalars(sa.select(threads.c.id).where(threads.c.check_in))).one()
        return await post_store.get(conn, found)


async def test_a_group_asks_once_a_week_and_keeps_each_word_to_itself(house: House) -> None:
    node, root = house.node, await _ask(house)
    path = f"/t/{root.id}"
    await tidy(node.engine, node.here)
    assert "the group asks how people are" in (await house.visitor.open("/g/open")).text
    welcome = (await house.ana.open("/g/open/settings")).page.form("welcome")
    assert ("welcome", "") in welcome.filled({})  # the question is no welcome
    assert "How is your week?" not in (await house.cleo.open(path)).text
    for mood in ("hard", "very_hard"):
        said = await house.ben.fill(path, "/check-in", mood=mood)
        assert said.location == f"{path}#week"
    page = await house.ben.open(path)
    assert "you said: very hard" in page.text
    assert "very hard. Only" not in (await house.ana.open(path)).text
    document = await (await node.get(f"/p/{root.id}")).text()
    assert "hard" not in document
    assert (await house.ben.fill(path, "/check-in", mood="great")).status == 400
    assert (await house.ben.send("POST", path + "/check-in", {"mood": "good"})).status == 400
    await house.ben.fill(path, "/check-in", back="yes")
    assert "you said" not in (await house.ben.open(path)).text
    async with node.engine.connect() as conn:
        assert not await conn.scalar(sa.select(sa.func.count()).select_from(check_in_table))
        assert not await conn.scalar(sa.select(sa.func.count()).select_from(deliveries))
        asked = sa.select(sa.func.count()).select_from(threads).where(threads.c.check_in)
        assert await conn.scalar(asked) == 1
    node.clock.forward(days=7)
    await tidy(node.engine, node.here)
    async with node.engine.connect() as conn:
        assert await conn.scalar(asked) == 2


async def test_sums_are_shown_from_five_answers_on_and_gone_after_four_weeks(house: House) -> None:
    node, root = house.node, await _ask(house)
    people: list[Speaker] = [house.ana.speaker, house.ben.speaker]
    people += [await node.persona(f"member{number}") for number in range(3)]
    for number, who in enumerate(people):
        if number > 1:
            await node.join(who, house.open.actor.uri)
        assert "people say" not in (await house.ben.open(f"/t/{root.id}")).text
        async with node.engine.begin() as conn:
            await check_ins.say(conn, node.here, who, root, Mood.FINE if number else Mood.HARD)
    page = (await house.ben.open(f"/t/{root.id}")).text
    assert "1 person says hard, 4 people say fine" in page
    node.clock.forward(days=check_ins.KEPT.days, minutes=1)
    await tidy(node.engine, node.here)
    async with node.engine.connect() as conn:
        assert not await conn.scalar(sa.select(sa.func.count()).select_from(check_in_table))
    assert "How is your week?" not in (await house.ben.open(f"/t/{root.id}")).text


async def test_a_story_is_read_by_somebody_else_first(house: House) -> None:
    node = house.node
    assert (await house.ben.open("/g/open/stories")).status == 404
    refused = await house.ben.send("POST", "/g/open/stories/new", {"title": "A", "like": "B"})
    assert refused.status in (400, 403, 404)
    await house.ana.fill("/g/open/settings", "/settings", stories="yes")
    lacking = await house.ben.fill(
        "/g/open/stories/new", "/stories/new", title="Out of it", like="Dark.", helped="", today=""
    )
    assert lacking.status == 400
    assert "Dark." in lacking.html
    for who in (house.ben, house.ana):
        told = await who.fill(
            "/g/open/stories/new", "/stories/new",
            title="Out of it", like="Dark.", helped="A friend.", today="I walk.", lines="",
        )  # fmt: skip
        assert told.location == "/g/open/stories?asked", told.text
    assert "Out of it" not in (await house.visitor.open("/g/open/stories")).text
    async with node.engine.connect() as conn:
        waits = (await conn.scalars(sa.select(threads.c.id).where(threads.c.story))).all()
        found = sa.select(posts.c.author_id, posts.c.id).where(posts.c.id.in_(waits))
        by = {row.author_id: row.id for row in await conn.execute(found)}
    own = await house.ana.send(
        "POST", "/g/open/desk/release", {"post": str(by[house.ana.actor.id])}
    )
    assert own.status == 403
    assert "Somebody else reads your story first" in own.text
    await house.ana.send("POST", "/g/open/desk/release", {"post": str(by[house.ben.actor.id])})
    assert "Out of it" in (await house.visitor.open("/g/open/stories")).text
    assert "Stories of recovery" in (await house.visitor.open("/g/open")).text
    page = (await house.visitor.open(f"/t/{by[house.ben.actor.id]}")).text
    assert [page.index(part) for part in ("What it was like", "What helped", "What I do now")]
    assert "Where to find help" not in page
