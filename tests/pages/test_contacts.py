"""Somebody about to say how to reach them is asked once, and loses nothing (DOM-A7)."""

import sqlalchemy as sa

from kernel.schema.posts import PostState
from kernel.schema.tables import attachments
from tests.media import draw
from tests.pages.conftest import House
from tests.pages.test_pictures import posted

OUTSIDE = "people stay safe because nobody can find them outside"
WORDS = "You can ring me on 07700 900123, I cannot sleep."


async def test_the_author_is_asked_and_may_take_it_out(house: House) -> None:
    path = f"/p/{house.thread.id}/reply"
    asked = await house.ben.fill(path, text=WORDS)
    assert asked.status == 400
    assert "a phone number (“07700 900123”)" in asked.text
    assert "Nothing is sent yet." in asked.text
    form = asked.page.form("text", "contacts_stay")
    assert dict(form.filled({}))["text"] == WORDS
    assert "contacts_stay" not in dict(form.filled({}))  # not ticked for them
    sent = await house.ben.submit(asked, form, text="You are not alone. I cannot sleep.")
    assert sent.status == 303
    assert "You are not alone" in (await house.cleo.open(f"/t/{house.thread.id}")).text


async def test_what_is_none_is_read_by_a_moderator_first(house: House) -> None:
    asked = await house.ben.fill(f"/p/{house.thread.id}/reply", text=WORDS)
    sent = await house.ben.submit(
        asked, asked.page.form("text", "contacts_stay"), contacts_stay="yes"
    )
    assert sent.status == 303
    number = int(sent.location.rpartition("/")[2])
    kept = await house.node.post(f"{house.node.origin}/p/{number}")
    assert kept is not None
    assert kept.state is PostState.HELD
    assert "07700" not in (await house.cleo.open(f"/t/{house.thread.id}")).text
    assert "07700" in (await house.ana.open("/g/open/desk")).text


async def test_where_the_group_allows_it_the_author_decides(house: House) -> None:
    assert OUTSIDE in (await house.cleo.open("/g/open/join")).text
    assert (await house.ana.fill("/g/open/settings", "settings", contacts="yes")).status == 303
    assert OUTSIDE not in (await house.cleo.open("/g/open/join")).text
    assert (await house.ana.fill("/g/open/settings", "settings")).status == 303  # it stays ticked
    asked = await house.ben.fill(f"/p/{house.thread.id}/reply", text=WORDS)
    assert asked.status == 400
    sent = await house.ben.submit(
        asked, asked.page.form("text", "contacts_stay"), contacts_stay="yes"
    )
    assert sent.status == 303
    assert "07700" in (await house.cleo.open(f"/t/{house.thread.id}")).text


async def test_moderators_and_numbers_of_help_pass(house: House) -> None:
    path = f"/p/{house.thread.id}/reply"
    assert (await house.ben.fill(path, text="Call me careful: 116 123 listens.")).status == 303
    asked = await house.ana.fill(path, text="Our desk has 07700 900123.")
    assert asked.status == 400
    sent = await house.ana.submit(
        asked, asked.page.form("text", "contacts_stay"), contacts_stay="yes"
    )
    assert sent.status == 303
    assert "Our desk" in (await house.cleo.open(f"/t/{house.thread.id}")).text


async def test_a_title_and_a_poll_are_looked_at_too(house: House) -> None:
    new = await house.ben.fill("/g/open/new", title="My insta is sad_owl_99", text="Hello.")
    assert new.status == 400
    assert "an account somewhere else" in new.text
    poll = await house.ben.fill(
        f"/p/{house.thread.id}/poll", text="Which?", options="owl@example.org\nNone"
    )
    assert poll.status == 400
    assert "an e-mail address" in poll.text
    assert poll.page.form("options", "contacts_stay")


async def test_an_edit_brings_nothing_in(house: House) -> None:
    path = f"/p/{house.answer.id}/edit"
    refused = await house.ben.fill(path, text=WORDS)
    assert refused.status == 400
    assert "say it in a new answer" in refused.text
    assert "contacts_stay" not in refused.html
    ticked = [*refused.page.form("text").filled({}), ("contacts_stay", "yes")]
    sneaked = await house.ben.send("POST", path, ticked)
    assert sneaked.status == 400
    assert (await house.ana.fill("/g/open/settings", "settings", contacts="yes")).status == 303
    asked = await house.ben.fill(path, text=WORDS.replace(" ", "  "))
    stays = await house.ben.submit(asked, asked.page.form("contacts_stay"), contacts_stay="yes")
    assert stays.status == 303
    assert (await house.ana.fill("/g/open/settings", "settings", contacts="")).status == 303
    assert (
        await house.ben.fill(path, text=f"{WORDS} Good night.".replace(" ", "  "))
    ).status == 303


async def test_a_description_of_a_picture_is_looked_at_too(house: House) -> None:
    await posted(house.ben, house.thread.id, [draw.png()])
    async with house.node.engine.connect() as conn:
        newest = await conn.scalar(sa.select(sa.func.max(attachments.c.post_id)))
    refused = await house.ben.fill(f"/p/{newest}/edit", alt="My insta is sad_owl_99")
    assert refused.status == 400
    assert "an account somewhere else" in refused.text
