"""What a member is told, and what they would rather not hear (DOM-A16, SEC-U8, SEC-U10)."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from groups import closing, desk, membership, polls
from groups import posts as post_store
from groups.posts import Post
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import actors, notices, posts
from members import notices as notice_store
from tests.members import people
from tests.nodes import Node
from tests.pages.conftest import House
from tests.pages.people import Person
from tests.pages.test_every_page import check_page
from tests.pages.test_markers import HTML, MARKER
from tests.pages.test_quiet import choose

pytestmark = pytest.mark.slow


async def kinds(node: Node, who: Person) -> list[str]:
    """What stands in the table for a name, newest last, whoever may read it."""
    async with node.engine.connect() as conn:
        rows = await conn.scalars(
            sa.select(notices.c.kind).where(notices.c.persona_id == who.actor.id)
        )
        return sorted(rows)


async def lines(who: Person) -> str:
    return (await who.open("/notices")).text


async def hear(who: Person, post: Post, *, back: bool = False) -> None:
    at = await who.open(f"/p/{post.id}/heard")
    more = {"back": "yes"} if back else {}
    assert (await who.submit(at, at.page.form("as"), **more)).status == 303


async def test_answers_names_and_signs_are_told_and_name_whose_they_are(house: House) -> None:
    node = house.node
    assert "ben answered you in “A first thread”" in await lines(house.ana)
    assert "Hello back." in await lines(house.ana)
    assert "for ana" in (await lines(house.ana)).lower()
    await node.reply(house.ana.speaker, house.thread.uri, "I think of @ben and @cleo today.")
    assert "ana named you in “A first thread”" in await lines(house.ben)
    assert "ana named you" in await lines(house.cleo)

    await hear(house.ben, house.thread)
    await node.join(house.cleo.speaker, house.open.actor.uri)
    await hear(house.cleo, house.thread)
    told = await lines(house.ana)
    assert re.search(r"(ben and cleo|cleo and ben) heard you", told)
    assert told.count("heard you") == 1
    assert "Only you see this" in told

    await hear(house.ben, house.thread, back=True)
    assert "cleo heard you" in await lines(house.ana)
    await hear(house.cleo, house.thread, back=True)
    assert "heard you" not in await lines(house.ana)
    assert "heard" not in await kinds(node, house.ana)


async def test_sec_U10_nothing_of_it_stands_in_the_title_or_is_for_others(house: House) -> None:
    page = await house.ana.open("/notices")
    assert "<title>Notices · Alder House</title>" in page.html
    assert page.headers["Cache-Control"] == "no-store"
    assert (await house.visitor.open("/notices")).status == 303
    assert "answered you" not in await lines(house.ben)
    assert "Nothing here" in await lines(house.cleo)


async def test_names_of_one_member_come_together_and_their_own_acts_are_no_news(
    house: House,
) -> None:
    member = house.ben.prepared.member
    await people.persona(house.node.engine, house.node.here, member, "second")
    await house.node.reply(house.ana.speaker, house.answer.uri, "Both of you: @second.")
    told = await lines(house.ben)
    assert "for ben" in told
    assert "for second" in told
    await house.node.reply(house.ben.speaker, house.answer.uri, "To myself, @second.")
    assert "ben named you" not in await lines(house.ben)


async def test_what_the_author_deletes_is_gone_from_notices_at_once(house: House) -> None:
    await house.node.reply(house.ana.speaker, house.answer.uri, "Secret words, @cleo.")
    places = await house.node.mentions("Secret words")
    assert not any(place.startswith("notices") for place in places)
    await house.node.delete(house.ben.speaker, house.answer.uri)
    assert await kinds(house.node, house.ana) == []
    assert "Hello back" not in await lines(house.ana)


async def test_what_may_not_be_read_any_more_is_not_told(house: House) -> None:
    node = house.node
    await node.join(house.ben.speaker, house.private.actor.uri)
    words = "Hello @ben @cleo."
    await node.start(house.ana.speaker, house.private.actor.uri, "Closed", words)
    assert "Closed" in await lines(house.ben)
    assert await kinds(node, house.cleo) == []  # never was a member
    async with node.engine.begin() as conn:
        await membership.leave(conn, node.here, house.ben.speaker, house.private)
    assert "Closed" not in await lines(house.ben)

    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, house.ana.speaker)
        answer = await post_store.get(conn, house.answer.id)
        await desk.remove(conn, node.here, house.open, acting, answer, "too much")
    assert "answered you" not in await lines(house.ana)
    told = await lines(house.ben)
    assert "took your post out of Open" in told
    assert "too much" in told


async def test_what_desks_decide_is_told(house: House) -> None:
    node = house.node
    assert "You are a member of Careful now" in await lines(house.ben)
    await house.ana.send("POST", "/g/careful/desk/release", {"post": str(house.held.id)})
    assert "Your post is shown now in “Waiting”" in await lines(house.ben)
    await node.join(house.cleo.speaker, house.careful.actor.uri)
    await house.ana.send("POST", "/g/careful/desk/decline", {"person": str(house.cleo.actor.id)})
    assert "Careful did not let you in" in await lines(house.cleo)
    await house.ana.send("POST", "/g/careful/desk/decline", {"person": str(house.ben.actor.id)})
    assert "You are no longer a member of Careful" in await lines(house.ben)
    await house.ana.send("POST", f"/p/{house.answer.id}/remove", {"reason": "hm"})
    await house.ana.send("POST", f"/p/{house.answer.id}/restore", {})
    assert "show your post again" in await lines(house.ben)
    assert "The moderators of" not in await lines(house.cleo)


async def test_a_post_that_moderators_did_not_let_out_is_told_with_the_way_to_its_words(
    house: House,
) -> None:
    path = f"/p/{house.held.id}"
    await house.ana.send("POST", f"{path}/remove", {"reason": "Please say it softer."})
    told = await house.ben.open("/notices")
    assert "Your post in Careful did not go out. Your words are here" in told.text
    assert "Please say it softer." in told.text
    assert f'href="{path}"' in told.html
    words = await house.ben.follow(await house.ben.open(path))
    assert (words.status, house.held.source in words.text) == (200, True)
    assert "did not go out" not in await lines(house.ana)
    assert "did not go out" not in await lines(house.cleo)


async def test_dom_A9_content_notes_fold_what_a_notice_says(house: House) -> None:
    await house.node.join(house.cleo.speaker, house.open.actor.uri)
    noted = await house.node.start(
        house.ben.speaker, house.open.actor.uri, "Hard title", "Hard words, @ana.", "low mood"
    )
    await house.node.reply(house.cleo.speaker, noted.uri, "An answer below it.")
    for told in (await lines(house.ana), await lines(house.ben)):
        assert "a content note: low mood" in told
        assert "Hard" not in told
        assert "An answer below it" not in told


async def test_dom_A16_seen_is_counted_in_words_and_what_comes_later_is_new(house: House) -> None:
    home = await house.ana.open("/")
    assert "Notices, 1 new" in home.text
    at = await house.ana.open("/notices")
    assert "1 is new" in at.text
    await house.node.reply(house.ben.speaker, house.thread.uri, "Within the same minute.")
    assert (await house.ana.submit(at, at.page.form(action="/notices/seen"))).status == 303
    assert "1 is new" in await lines(house.ana)  # what came after the page is not seen
    house.node.clock.forward(minutes=5)
    await house.ana.fill("/notices", "/notices/seen")
    assert "Nothing new" in await lines(house.ana)
    assert "Notices," not in (await house.ana.open("/")).text
    await house.node.reply(house.ben.speaker, house.thread.uri, "Much later.")
    assert "Notices, 1 new" in (await house.ana.open("/")).text


async def test_sec_U8_signs_of_somebody_who_is_hidden_are_no_news(house: House) -> None:
    await house.ana.fill("/notices", "/notices/seen")
    await hear(house.ben, house.thread)
    assert "Notices, 1 new" in (await house.ana.open("/")).text
    await choose(house.ana, house.answer.id, "block")
    assert "heard you" not in await lines(house.ana)
    assert "Notices," not in (await house.ana.open("/")).text


async def test_a_poll_that_was_answered_is_told_of_and_no_row_says_by_whom(house: House) -> None:
    node = house.node
    asked = polls.draft(node.here, ["Tea", "Coffee"], several=False, days=1)
    poll = await node.reply(house.ana.speaker, house.thread.uri, "Which?", poll=asked)
    at = await house.ben.open(f"/p/{poll.id}/vote")
    assert (await house.ben.submit(at, at.page.form("as"), option="0")).status == 303
    assert "is over" not in await lines(house.ben)
    node.clock.forward(days=2)
    assert await polls.sweep(node.engine, node.here)
    assert "A poll that you answered is over in Open" in await lines(house.ben)
    assert "Your poll is over" in await lines(house.ana)
    assert "poll" not in await kinds(node, house.ben)
    await house.ben.fill("/notices", "/notices/seen")
    assert "is over" not in await lines(house.ben)


async def test_notices_are_few_and_go_after_two_months_and_with_their_name(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = house.node
    monkeypatch.setattr("node.pages.notices.PAGE", 2)
    for number in range(3):
        await node.reply(house.ben.speaker, house.thread.uri, f"Answer {number}.")
        node.clock.forward(minutes=1)
    first = await house.ana.open("/notices")
    assert "Answer 2." in first.text
    assert "Answer 0." not in first.text
    older = next(each for each in re.findall(r'href="(/notices\?before=\d+)"', first.html))
    assert "Answer 0." in (await house.ana.open(older)).text

    for days, left in ((59, 4), (61, 0)):
        async with node.engine.begin() as conn:
            await notice_store.sweep(conn, node.here.now() + timedelta(days=days))
        assert len(await kinds(node, house.ana)) == left
    assert await kinds(node, house.ana) == []
    await node.reply(house.ben.speaker, house.thread.uri, "Once more.")
    async with node.engine.begin() as conn:
        await closing.close(conn, node.here, house.ana.actor)
    assert await kinds(node, house.ana) == []


async def test_the_newest_two_hundred_stay(house: House) -> None:
    node = house.node
    about = [
        notice_store.Telling(uri=house.cleo.actor.uri, kind=NoticeKind.JOINED, group_id=group)
        for group in (house.open.id, house.private.id, house.careful.id)
    ]
    async with node.engine.begin() as conn:
        for number in range(notice_store.MOST + 5):
            await conn.execute(
                notices.insert().values(
                    persona_id=house.cleo.actor.id, id=number, kind=NoticeKind.JOINED
                )
            )
        await notice_store.tell(conn, node.here, about)
        await notice_store.tell(conn, node.here, about)
        ids = (await conn.scalars(sa.select(notices.c.id))).all()
        whose = await conn.scalar(
            sa.select(sa.func.count()).where(notices.c.persona_id == house.cleo.actor.id)
        )
    assert whose is not None
    assert notice_store.MOST - len(about) <= whose <= notice_store.MOST + len(about)
    assert 0 not in ids


async def test_sec_X2_what_others_control_is_text_in_notices_and_choices(house: House) -> None:
    async with house.node.engine.begin() as conn:
        await conn.execute(sa.update(actors).values(name=MARKER))
        await conn.execute(sa.update(posts).values(title=MARKER, content=HTML, reason=MARKER))
    await house.ana.fill("/settings/quiet", "/settings/quiet", word=MARKER)
    await choose(house.ben, house.thread.id, "mute")
    await choose(house.ben, house.thread.id, "thread")
    for who, path in (
        (house.ana, "/notices"),
        (house.ben, "/notices"),
        (house.ana, "/settings/quiet"),
        (house.ben, "/settings/quiet"),
        (house.ben, f"/t/{house.thread.id}"),
        (house.ben, f"/p/{house.thread.id}/quiet"),
    ):
        page = await who.open(path)
        check_page(path, page)
        assert MARKER in page.text, path
        assert "<svg/" not in page.html
        assert "<script>" not in page.html
