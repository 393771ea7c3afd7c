"""Four small signs, for the author of a post alone (DOM-A13)."""

import sqlalchemy as sa

from groups import reactions
from kernel.schema.posts import Feeling
from kernel.schema.tables import actors, follows
from tests.pages.conftest import House


async def test_only_the_author_sees_who_said_what(house: House) -> None:
    path = f"/p/{house.thread.id}"
    form = await house.ben.open(f"{path}/heard")
    for words in ("With you", "Same here", "Thank you", "Thinking of you"):
        assert words in form.text
    sent = await house.ben.fill(f"{path}/heard", "/heard", feeling="same_here")
    assert sent.status == 303
    mine = await house.ana.open(f"/t/{house.thread.id}")
    assert f"{path}/signs" in mine.html
    listed = await house.ana.open(f"{path}/signs")
    assert "Same here" in listed.text
    assert "@ben@alder.test" in listed.text
    for who in (house.ben, house.cleo, house.visitor):
        assert f"{path}/signs" not in (await who.open(f"/t/{house.thread.id}")).html
        assert (await who.open(f"{path}/signs")).status in (303, 404)


async def test_a_name_says_one_thing_and_can_change_or_take_it_back(house: House) -> None:
    path = f"/p/{house.thread.id}"
    for feeling in ("with_you", "thank_you"):
        await house.ben.fill(f"{path}/heard", "/heard", feeling=feeling)
    async with house.node.engine.connect() as conn:
        signs = await reactions.signs_for(conn, house.thread)
    assert [sign.feeling for sign in signs] == [Feeling.THANK_YOU]
    await house.ben.fill(f"{path}/heard", "/heard", back="yes")
    assert f"{path}/signs" not in (await house.ana.open(f"/t/{house.thread.id}")).html
    strange = await house.ben.fill(f"{path}/heard", "/heard", feeling="best_post")
    assert strange.status == 400
    assert "Please choose" in strange.text


async def test_no_page_and_no_document_counts_signs_and_none_outlives_the_words(
    house: House,
) -> None:
    await house.node.join(house.cleo.speaker, house.open.actor.uri)
    for who in (house.ben, house.cleo):
        await who.fill(f"/p/{house.thread.id}/heard", "/heard", feeling="with_you")
    page = await house.ana.open(f"/t/{house.thread.id}")
    told = page.text[page.text.index("People let you know") :][:60]
    assert not any(letter.isdigit() for letter in told)
    document = await (await house.node.get(f"/p/{house.thread.id}")).json()
    assert "likes" not in document
    assert "totalItems" not in document.get("shares", {})
    everybody = sa.select(
        actors.c.id, sa.literal(house.ana.actor.id), sa.literal("accepted"), actors.c.uri
    ).where(actors.c.id != house.ana.actor.id)
    columns = ["follower_id", "followed_id", "state", "uri"]
    async with house.node.engine.begin() as conn:
        followed = await conn.execute(follows.insert().from_select(columns, everybody))
    assert followed.rowcount > 5  # which are ten, rounded
    assert (await (await house.node.get("/u/ana/followers")).json())["totalItems"] == 0
    await house.node.delete(house.ana.speaker, house.thread.uri)
    async with house.node.engine.connect() as conn:
        assert await reactions.signs_for(conn, house.thread) == []
    assert (await house.ana.open(f"/p/{house.thread.id}/signs")).status == 404


def test_an_emoji_means_a_feeling_in_any_colour_and_nothing_else() -> None:
    for feeling, emoji in reactions.EMOJI.items():
        assert reactions.feeling_of(emoji) is feeling
    assert reactions.feeling_of("🙏🏽") is Feeling.THANK_YOU
    assert reactions.feeling_of("🙏\N{VARIATION SELECTOR-16}") is Feeling.THANK_YOU
    for other in ("⭐", "", "🙏🙏", "🙏" * 100, None, 7, ["🙏"], ":custom:"):
        assert reactions.feeling_of(other) is None
