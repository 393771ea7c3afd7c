"""Muting, blocking and filtering: pages change for one reader and for nobody else (SEC-U8)."""

import re

import pytest
import sqlalchemy as sa

from groups import polls
from kernel.schema.base import Side
from kernel.schema.posts import Wish
from kernel.schema.tables import metadata, threads
from tests.members import people
from tests.pages.conftest import House
from tests.pages.people import Person

pytestmark = pytest.mark.slow

Snapshot = dict[str, object]


async def choose(who: Person, post_id: int, what: str, long: str = "ever") -> None:
    sent = await who.fill(f"/p/{post_id}/quiet", f"/p/{post_id}/quiet", what=what, long=long)
    assert sent.status == 303, sent.text


async def persona_side(house: House) -> Snapshot:
    """Every row but those of the account side."""
    found: Snapshot = {}
    async with house.node.engine.connect() as conn:
        for table in metadata.sorted_tables:
            if table.info["side"] is not Side.ACCOUNT:
                rows = await conn.execute(sa.select(table).order_by(*table.primary_key.columns))
                found[table.name] = rows.all()
    return found


async def seen_by_others(house: House) -> list[str]:
    paths = (f"/t/{house.thread.id}", "/g/open", "/u/ana", "/u/ben", "/groups")
    pages = [await who.open(path) for who in (house.cleo, house.visitor) for path in paths]
    pages += [await house.ben.open(path) for path in (*paths, "/notices", "/")]
    documents = [await house.node.get(path) for path in ("/u/ana", "/u/ben", "/g/open",
                                                         f"/p/{house.thread.id}")]  # fmt: skip
    return [each.html for each in pages] + [await each.text() for each in documents]


async def test_sec_U8_nobody_else_sees_a_difference_and_no_row_of_theirs_changes(
    house: House,
) -> None:
    before, rows = await seen_by_others(house), await persona_side(house)
    await choose(house.ana, house.answer.id, "block")
    await choose(house.ana, house.answer.id, "thread", "week")
    await house.ana.fill("/settings/quiet", "/settings/quiet", word="hello")
    assert [tokens_gone(each) for each in await seen_by_others(house)] == [
        tokens_gone(each) for each in before
    ]
    assert await persona_side(house) == rows
    assert "Hello back" not in (await house.ana.open("/notices")).text


def tokens_gone(html: str) -> str:
    """Without sealed tokens, which are new each time."""
    return re.sub(r'(name="as" value|data-live)="[^"]*"', "", html)


async def test_a_blocked_name_is_hidden_for_all_of_the_members_names_and_can_be_undone(
    house: House,
) -> None:
    member = house.ana.prepared.member
    await people.persona(house.node.engine, house.node.here, member, "another")
    await choose(house.ana, house.answer.id, "block")
    page = await house.ana.open(f"/t/{house.thread.id}")
    assert "Folded: you wanted to see less of ben" in page.text  # who moderates can open it
    async with house.node.engine.begin() as conn:
        wishes = sa.update(threads).where(threads.c.id == house.thread.id)
        await conn.execute(wishes.values(wish=Wish.LISTEN))
    assert "ana is hoping for" in (await house.ben.open(f"/t/{house.thread.id}")).text
    await choose(house.ben, house.thread.id, "block")
    for at in (f"/p/{house.answer.id}/reply", f"/p/{house.answer.id}/poll"):
        page = await house.ben.open(at)
        assert "Back to the thread" in page.text
        assert "A first thread" not in page.html
        assert "ana is hoping for" not in page.html
    page = await house.ben.open(f"/t/{house.thread.id}")
    assert "Hello all of you." not in page.html
    assert "A first thread" not in page.html
    assert page.html.count("A thread by somebody you see less of") == 2
    assert not re.search(r"\bana\b", page.text)
    assert "You chose to see nothing from whoever wrote this" in page.text
    assert "A first thread" not in (await house.ben.open("/")).text
    assert "A first thread" not in (await house.ben.open("/g/open")).html

    await house.node.reply(house.ana.speaker, house.answer.uri, "Are you there, @ben?")
    assert "Are you there" not in (await house.ben.open("/notices")).html
    listed = await house.ben.open("/settings/quiet")
    assert "@ana@alder.test" in listed.text
    undone = await house.ben.submit(listed, listed.page.form("key", action="/settings/quiet/undo"))
    assert undone.status == 303
    assert "Are you there" in (await house.ben.open("/notices")).html
    assert "Hello all of you." in (await house.ben.open(f"/t/{house.thread.id}")).html


async def test_sec_U8_what_is_towards_another_name_of_theirs_stays_as_it_was(house: House) -> None:
    """Hiding a second name would tell that it is the same person's (decision 0043)."""
    sibling = await people.persona(
        house.node.engine, house.node.here, house.ana.prepared.member, "sibling"
    )
    await house.node.join(type(house.ana.speaker).alone(sibling), house.open.actor.uri)
    await choose(house.ben, house.thread.id, "block")
    speaker = type(house.ana.speaker).alone(sibling)
    await house.node.reply(speaker, house.answer.uri, "From somebody else.")
    assert "sibling answered you" in (await house.ben.open("/notices")).text
    assert "From somebody else." in (await house.ben.open(f"/t/{house.thread.id}")).html


async def test_a_mute_folds_for_a_while_and_a_muted_thread_is_quiet(house: House) -> None:
    await choose(house.ben, house.thread.id, "mute", "day")
    page = await house.ben.open(f"/t/{house.thread.id}")
    assert "Folded: you wanted to see less of ana" in page.text
    assert "<details" in page.html
    house.node.clock.forward(days=2)
    page = await house.ben.open(f"/t/{house.thread.id}")
    assert "Folded" not in page.text

    await choose(house.ben, house.thread.id, "thread", "week")
    await house.node.reply(house.ana.speaker, house.answer.uri, "More in this thread.")
    assert "More in this thread" not in (await house.ben.open("/notices")).text
    assert "A first thread" not in (await house.ben.open("/")).text
    assert "More in this thread" in (await house.ben.open(f"/t/{house.thread.id}")).text
    house.node.clock.forward(days=8)
    assert "More in this thread" in (await house.ben.open("/notices")).text


async def test_words_fold_posts_threads_and_notices_with_a_reason(house: House) -> None:
    await house.ben.fill("/settings/quiet", "/settings/quiet", word="FIRST  thread")
    await house.ben.fill("/settings/quiet", "/settings/quiet", word="pudding")
    await house.node.reply(house.ana.speaker, house.answer.uri, "I made a *pudding* #sweet.")
    thread = await house.ben.open(f"/t/{house.thread.id}")
    assert thread.text.count("Folded: it has a word that you filter") == 2
    assert thread.html.count("A thread with a word that you filter") == 2
    assert "A first thread" not in thread.html
    assert "A first thread" not in (await house.ben.open(f"/p/{house.answer.id}/reply")).html
    assert "A thread with a word that you filter" in (await house.ben.open("/g/open")).text
    told = await house.ben.open("/notices")
    assert "a word that you filter" in told.text
    assert "pudding" not in told.html
    tagged = await house.ben.open("/tags/sweet")
    assert "Content note: a word that you filter" in tagged.text
    assert "pudding" not in tagged.html
    assert "pudding" in (await house.ana.open("/tags/sweet")).html
    mine = await house.ana.open(f"/t/{house.thread.id}")
    assert "Folded" not in mine.text


async def test_stories_who_waits_and_polls_are_seen_as_other_threads_are(house: House) -> None:
    node, ben = house.node, house.ben
    await house.ana.fill("/g/open/settings", "/settings", stories="yes")
    told = await node.start(house.ana.speaker, house.open.actor.uri, "Out of it", "Once.")
    async with node.engine.begin() as conn:
        await conn.execute(sa.update(threads).where(threads.c.id == told.id).values(story=True))
    asked = polls.draft(node.here, ["Tea", "Coffee"], several=False, days=1)
    poll = await node.reply(house.ana.speaker, house.thread.uri, "Which?", poll=asked)
    at = await ben.open(f"/p/{poll.id}/vote")
    assert (await ben.submit(at, at.page.form("as"), option="0")).status == 303
    node.clock.forward(days=2)
    lists = ("/g/open/stories", "/g/open/unanswered")
    for path in lists:
        assert "Out of it" in (await ben.open(path)).text
    assert "is over in Open" in (await ben.open("/notices")).text

    await ben.fill("/settings/quiet", "/settings/quiet", word="out of it")
    for path in lists:
        assert "A thread with a word that you filter" in (await ben.open(path)).text
    await choose(ben, told.id, "mute")
    for path in lists:
        page = await ben.open(path)
        assert "A thread with" not in page.text
        assert "ana" not in page.text
        assert "Nothing here that you want to see" in page.text
    assert "is over" not in (await ben.open("/notices")).text
    assert "Out of it" in (await house.cleo.open("/g/open/stories")).text


async def test_what_cannot_be_chosen_is_refused_in_words(house: House) -> None:
    path = f"/p/{house.answer.id}/quiet"
    at = await house.ben.open(path)
    assert 'value="block"' not in at.html  # nobody blocks themselves
    for fields in ({"what": "block", "long": "ever"}, {"what": "thread", "long": "1"}, {}):
        refused = await house.ben.send("POST", path, fields)
        assert refused.status == 400
        assert "Please choose" in refused.text
    for fields in ({"kind": "server", "server": "no server"}, {"kind": "word", "word": " "}):
        assert (await house.ben.send("POST", "/settings/quiet", fields)).status == 400
    assert (await house.visitor.open("/settings/quiet")).status == 303
