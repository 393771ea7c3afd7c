"""Hashtags, polls, attachments and earlier words, as people meet them on pages."""

import pytest
import sqlalchemy as sa

from groups import polls
from groups.posts import Post
from kernel.schema.tables import poll_votes, posts
from node.pages import tags
from tests.pages.conftest import House
from tests.pages.people import Person


async def asked(house: House, *, several: str = "one") -> Post:
    """Ben asks the thread with choices."""
    answer = await house.ben.fill(
        f"/p/{house.thread.id}/poll",
        f"/p/{house.thread.id}/poll",
        text="Which evening?",
        options="Monday\n\n  Tuesday \nMonday",
        several=several,
        days="3",
    )
    assert answer.status == 303, answer.text
    async with house.node.engine.connect() as conn:
        uri = await conn.scalar(sa.select(posts.c.uri).where(posts.c.poll))
    post = await house.node.post(str(uri))
    assert post is not None
    return post


async def choose(person: Person, post: Post, *options: str) -> int:
    at = await person.open(f"/p/{post.id}/vote")
    form = at.page.form("option", action=f"/p/{post.id}/vote")
    fields = [pair for pair in form.filled({"option": "0"}) if pair[0] != "option"]
    fields += [("option", each) for each in options]
    return (await person.send("POST", f"/p/{post.id}/vote", fields)).status


async def test_a_poll_is_asked_answered_and_counted(house: House) -> None:
    post = await asked(house)
    thread = f"/t/{house.thread.id}"
    shown = (await house.visitor.open(thread)).text
    for words in ("Which evening?", "Monday", "Tuesday", "0 people answered", "Open until"):
        assert words in shown
    assert f'href="/p/{post.id}/vote"' not in (await house.ben.open(thread)).html  # his own
    assert f'href="/p/{post.id}/vote"' in (await house.ana.open(thread)).html
    assert await choose(house.ana, post, "1") == 303
    assert "1 person answered" in (await house.visitor.open(thread)).text
    assert "You answered this poll" in (await house.ana.open(f"/p/{post.id}/vote")).text
    for person in (house.visitor, house.ben, house.ana, house.cleo):
        page = await person.open(f"/p/{post.id}/vote")
        assert "who chose" not in page.text or "Nobody is shown who chose what" in page.text
    assert "Members of the group" in (await house.cleo.open(f"/p/{post.id}/vote")).text
    async with house.node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(poll_votes)) == 1


async def test_a_vote_that_is_none_comes_back_with_the_reason(house: House) -> None:
    post = await asked(house)
    assert await choose(house.ana, post) == 400
    assert await choose(house.ana, post, "7") == 400
    assert await choose(house.ana, post, "0", "1") == 400
    assert await choose(house.ana, post, "x" * 5000) == 400


async def test_several_may_be_chosen_where_it_was_asked_so(house: House) -> None:
    post = await asked(house, several="several")
    assert await choose(house.ana, post, "0", "1") == 303


async def test_a_poll_that_is_over_is_read_and_not_answered(house: House) -> None:
    post = await asked(house)
    at = await house.ana.open(f"/p/{post.id}/vote")
    house.node.clock.forward(days=4)
    assert "The poll is over" in (await house.visitor.open(f"/t/{house.thread.id}")).text
    assert "This poll is over" in (await house.ana.open(f"/p/{post.id}/vote")).text
    form = at.page.form("option", action=f"/p/{post.id}/vote")
    late = await house.ana.submit(at, form, option="0")
    assert late.status == 403
    while await polls.sweep(house.node.engine, house.node.here):
        pass
    assert "0 people answered" in (await house.visitor.open(f"/t/{house.thread.id}")).text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("Only one", "2 to 10"),
        ("\n".join(map(str, range(11))), "2 to 10"),
        ("a\n" + "b" * 201, "200"),
    ],
)
async def test_a_poll_that_cannot_be_asked_keeps_what_was_typed(
    house: House, options: str, words: str
) -> None:
    path = f"/p/{house.thread.id}/poll"
    answer = await house.ben.fill(
        path, path, text="Which evening?", options=options, several="one", days="1"
    )
    assert answer.status == 400
    assert words in answer.text
    assert "Which evening?" in answer.html
    assert options.splitlines()[0] in answer.html


async def test_an_edit_keeps_the_poll_and_its_votes(house: House) -> None:
    post = await asked(house)
    assert await choose(house.ana, post, "1") == 303
    house.node.clock.forward(minutes=1)
    await house.ben.fill(f"/p/{post.id}/edit", f"/p/{post.id}/edit", text="Which evening, then?")
    shown = (await house.visitor.open(f"/t/{house.thread.id}")).text
    assert "Which evening, then?" in shown
    assert "1 person answered" in shown


async def test_wire_P7_a_tag_leads_to_what_was_said_under_it(house: House) -> None:
    await house.node.start(house.ana.speaker, house.open.actor.uri, "One", "About #Sleep.")
    hidden = await house.node.start(
        house.ana.speaker, house.open.actor.uri, "Two", "More #sleep.", note="low mood"
    )
    await house.node.start(house.ana.speaker, house.private.actor.uri, "Three", "Some #sleep.")
    page = await house.visitor.open("/tags/sleep")
    assert page.status == 200
    assert "About #Sleep." in page.text
    assert "Content note: low mood" in page.text
    assert "More #sleep." not in page.text  # folded, as everywhere
    assert f'href="/p/{hidden.id}"' in page.html
    assert "Three" not in page.text
    assert "Three" in (await house.ana.open("/tags/sleep")).text
    assert 'href="http://alder.test/tags/sleep"' in (await house.ana.open(f"/t/{hidden.id}")).html
    moved = await house.visitor.open("/tags/SLEEP")
    assert (moved.status, moved.location) == (303, "/tags/sleep")
    for path in ("/tags/12", "/tags/a%20b", "/tags/%00", "/tags/" + "a" * 300, "/tags/x?before=y"):
        assert (await house.visitor.open(path)).status == 404, path


async def test_a_tag_that_nobody_used_explains_itself(house: House) -> None:
    page = await house.visitor.open("/tags/nothing")
    assert page.status == 200
    assert "Nothing here under this tag" in page.text
    assert "becomes a tag" in page.text


async def test_a_tag_goes_on_where_its_page_ends(house: House) -> None:
    for number in range(tags.PAGE + 1):
        await house.node.reply(house.ana.speaker, house.thread.uri, f"Thought {number}. #many")
    page = await house.visitor.open("/tags/many")
    assert page.html.count('class="line"') == tags.PAGE
    older = page.page.link("before=")
    last = await house.visitor.open(older)
    assert last.html.count('class="line"') == 1
    assert "Thought 0." in last.text


async def test_names_in_a_post_lead_to_people(house: House) -> None:
    answer = await house.ben.fill(
        f"/p/{house.thread.id}/reply", f"/p/{house.thread.id}/reply", text="Hello @ana, @nobody."
    )
    assert answer.status == 303
    html = (await house.visitor.open(f"/t/{house.thread.id}")).html
    assert 'href="http://alder.test/u/ana" class="u-url mention"' in html
    assert "@nobody." in html


async def test_only_moderators_see_what_a_post_said_before(house: House) -> None:
    house.node.clock.forward(minutes=1)
    await house.node.edit(house.ben.speaker, house.answer.uri, "", "Kinder words.")
    path = f"/p/{house.answer.id}/earlier"
    for person in (house.ben, house.cleo):
        assert (await person.open(path)).status == 404
    assert (await house.visitor.open(path)).status != 200
    page = await house.ana.open(path)
    assert page.status == 200
    assert "Hello back." in page.text
    assert "Kinder words." in page.text
    thread = f"/t/{house.thread.id}"
    assert f'href="{path}"' in (await house.ana.open(thread)).html
    assert path not in (await house.ben.open(thread)).html
    await house.node.delete(house.ben.speaker, house.answer.uri)
    gone = await house.ana.open(path)
    assert gone.status == 404
    assert "Hello back." not in gone.text


async def test_wire_M20_a_page_says_before_that_an_author_decides(house: House) -> None:
    async with house.node.engine.begin() as conn:
        await conn.execute(
            sa.update(posts)
            .where(posts.c.id == house.answer.id)
            .values(answers_closed=True, likes_closed=True)
        )
    page = await house.ana.open(f"/t/{house.thread.id}")
    assert "decides who may answer this" in page.text
    assert f'href="/p/{house.answer.id}/reply"' not in page.html
    assert f'href="/p/{house.answer.id}/heard"' not in page.html
    form = await house.ana.open(f"/p/{house.answer.id}/reply")
    assert "Its author decides who may answer" in form.text
    assert "<textarea" not in form.html
    async with house.node.engine.begin() as conn:
        await conn.execute(
            sa.update(posts).where(posts.c.id == house.thread.id).values(answers_closed=True)
        )
    page = await house.ana.open(f"/t/{house.thread.id}")
    assert "<textarea" not in page.html
