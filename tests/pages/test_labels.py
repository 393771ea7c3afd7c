"""Labels that moderators give: who sees them, what they do, how they end (DOM-C14, MOD-5.18)."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from groups import labelling as labels_of_groups
from groups import posts as post_store
from groups.posts import Post
from kernel.errors import Malformed
from kernel.schema.labels import Effect, Giver
from kernel.schema.posts import PostState
from kernel.schema.tables import audit, post_labels, posts
from moderation import label_holds, label_trust, labelling, labels, standing
from moderation.labels import MEDICAL, VOCABULARY
from moderation.saying import Saying
from moderation.signals import labelled, links
from node.pages.memory import MEMORY, forget_site
from node.pages.session import MODERATOR
from tests.faults.victim import victim
from tests.nodes import until_it_waits
from tests.pages.conftest import House
from tests.pages.people import Answer, Person, person
from tests.pages.test_every_page import pages

_FOLDED = re.compile(r"<details class=\"cover\">.*?</details>", re.DOTALL)
SOURCES = "https://books.example/one\nhttps://books.example/two"
NOTE = "No study says so yet. Please ask somebody who knows you before you change anything."


def open_words(answer: Answer) -> str:
    """What a page shows before anything is opened."""
    return _FOLDED.sub("", answer.html)


async def label(who: Person, post: Post, name: str, **more: str) -> Answer:
    path = f"/p/{post.id}/labels"
    return await who.fill(path, path, label=name, **more)


async def stored(house: House, post: Post) -> Post:
    async with house.node.engine.connect() as conn:
        return await post_store.get(conn, post.id)


async def turned(house: House, *, days: int = 0) -> None:
    """The days pass, and the node looks at what begins and ends."""
    house.node.clock.forward(days=days)
    while await labels_of_groups.turn_one(house.node.engine, house.node.here):
        pass


async def test_mod_5_18_a_label_folds_on_every_page_of_every_process(house: House) -> None:
    """Generated from the table of pages: none shows the words open, whoever reads."""
    thread = f"/t/{house.thread.id}"
    answer = await label(house.ana, house.thread, "grief", reason="It tells of a loss.")
    assert answer.status == 303, answer.text
    told = await house.cleo.open(thread)
    assert "Moderators say: grief" in told.text
    assert "The moderators of this group say: grief. It tells of a loss." in told.text
    shows = 0
    async with victim(house.node, None, works=False) as other:
        for who in (house.visitor, house.ben):
            at_other = replace(who, node=replace(who.node, port=other.port))
            for path in {*pages(house), "/search?q=hello"} - {"/leave"}:
                here, there = await who.open(path), await at_other.open(path)
                shown = open_words(here)
                assert "Hello all of you." not in shown, path
                assert ("Moderators say: grief" in here.html) == (
                    "Moderators say: grief" in there.html
                ), path
                assert "Hello all of you." not in open_words(there), path
                shows += "Moderators say: grief" in here.html
    assert shows >= 5
    group = await house.visitor.open("/g/open")
    assert "Moderators say: grief" in group.text

    off = await house.ana.send("POST", f"/p/{house.thread.id}/labels/off", {"label": "grief"})
    assert off.status == 303
    assert "Hello all of you." in open_words(await house.visitor.open(thread))
    assert "Moderators say" not in (await house.visitor.open("/g/open")).text


async def test_mod_5_18_its_author_is_told_kindly_and_no_moderator_is_named(house: House) -> None:
    await label(house.ana, house.answer, "outdated-helpline", reason="This number has changed.")
    notices = await house.ben.open("/notices")
    assert "The moderators gave your post a label" in notices.text
    assert "Your words stay as they are." in notices.text
    why = await house.ben.open(notices.page.link("/decisions/"))
    for words in ("an old helpline", "This number has changed.", "says nothing about you"):
        assert words in why.text, words
    assert "ana" not in why.text
    for word in ("violation", "punish", "banned"):
        assert word not in why.text
    page = await house.visitor.open(f"/t/{house.thread.id}")
    assert "The moderators of this group say: an old helpline." in page.text
    assert "Hello back." in open_words(page)  # a line above, and the words stay open
    async with house.node.engine.connect() as conn:
        line = (await conn.execute(sa.select(audit).where(audit.c.verb == "label"))).one()
    assert line.after == {"label": "outdated-helpline", "effect": "warn"}


async def test_mod_5_18_what_blames_is_shown_to_nobody_and_holds_the_post(house: House) -> None:
    thread = f"/t/{house.thread.id}"
    await label(house.ana, house.answer, "harassment", effect="warn")
    for who in (house.visitor, house.cleo):
        page = await who.open(thread)
        assert "Hello back." not in page.text
        assert "harassment" not in page.text.lower()
    assert "Somebody reads your post first" in (await house.ben.open("/notices")).text
    assert "harassment" not in (await house.ben.open(thread)).text.lower()
    async with house.node.engine.connect() as conn:
        line = (await conn.execute(sa.select(audit).where(audit.c.verb == "hold"))).one()
    assert (line.rule, line.after) == ("", {"label": "harassment", "effect": "hold"})
    released = {"post": str(house.answer.id)}
    assert (await house.ana.send("POST", "/g/open/desk/release", released)).status == 303
    assert "Hello back." in open_words(await house.cleo.open(thread))
    assert "no label by moderators" in (await house.ana.open(f"/p/{house.answer.id}/labels")).text


@pytest.mark.parametrize(
    ("name", "by_peer"),
    [
        (each.id, giver is Giver.PEER)
        for each in VOCABULARY
        for giver in (Giver.GROUP, Giver.PEER)
        if each.blames and giver in each.by
    ],
)
async def test_mod_5_12_whose_post_a_label_holds_reads_that_it_waits_and_no_blame(
    house: House, name: str, by_peer: bool
) -> None:
    """MOD-H3: not the label, nor that all stays as it was; but which server asked for it."""
    words, off = labels.BY_ID[name].name, []
    if by_peer:
        await of_peer(house, house.answer, label=name)
        assert await worked(house, house.answer) is PostState.HELD
    else:
        await label(house.ana, house.answer, name)
        off = [await house.ana.send("POST", f"/p/{house.answer.id}/labels/off", {"label": name})]
    notices = await house.ben.open("/notices")
    why = await house.ben.open(notices.page.link("/decisions/"))
    listed = await house.ben.open("/personas/ben/decisions")
    gone = [await house.ben.open(f"/decisions/{await _newest(house)}") for _ in off]
    for page in (notices, why, listed, *gone):
        assert words not in page.text.lower().replace("hate-", "")
        assert name not in page.html
        assert "Your words stay as they are" not in page.text
    assert "A moderator reads a post of yours in peace" in why.text
    assert "You did nothing wrong" in why.text
    assert "Your words are still here" in why.text
    assert ("A word from elm.test was part of it." in why.text) is by_peer
    assert "another server" not in why.text
    assert ("a rule of this place, by itself" in why.text) is by_peer


async def _newest(house: House) -> int:
    async with house.node.engine.connect() as conn:
        found = await conn.scalar(sa.select(sa.func.max(audit.c.id)))
    assert found is not None
    return int(found)


async def test_mod_5_12_a_label_that_holds_without_blame_is_named(house: House) -> None:
    await of_peer(house, house.answer)
    assert await worked(house, house.answer) is PostState.HELD
    why = await house.ben.open((await house.ben.open("/notices")).page.link("/decisions/"))
    for words in ("The label: how harm is done", "A word from elm.test", "somebody is there"):
        assert words in why.text, words
    await taken_back(house, house.answer)
    assert await worked(house, house.answer) is PostState.SHOWN
    told = await house.ben.open("/notices")
    assert "What held your post is over" in told.text
    assert "has read it" not in told.text
    listed = await house.ben.open("/personas/ben/decisions")
    assert "What held your post is over, and it is shown again" in listed.text
    assert "A moderator read your post" not in listed.text


async def test_mod_5_18_readers_choose_more_or_less_of_it(house: House) -> None:
    await label(house.ana, house.thread, "grief")
    await label(house.ana, house.answer, "outdated-helpline")
    thread = f"/t/{house.thread.id}"

    async def chosen(**covers: str) -> Answer:
        fields = {f"cover-{each}": value for each, value in covers.items()}
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        answer = await house.cleo.fill("/settings", "/settings/reading", **named)
        assert answer.status == 303, answer.text
        return await house.cleo.open(thread)

    page = await chosen(grief="show", outdated_helpline="fold")
    assert "Hello all of you." in open_words(page)
    assert "Hello back." not in open_words(page)
    page = await chosen(grief="hide")
    assert "Hello all of you." not in page.html
    assert "A post about grief is hidden by your choice." in page.text
    assert "A thread about grief is hidden" in (await house.cleo.open("/g/open")).text
    usual = await chosen(grief="fold", outdated_helpline="show")
    assert "Hello all of you." in usual.html
    assert "Hello all of you." not in open_words(usual)


async def test_mod_5_18_notices_cover_what_their_reader_covers(house: House) -> None:
    """DOM-A16: a line about an answer is as open as the answer."""
    answer = await house.node.reply(house.ben.speaker, house.thread.uri, "It rains, @ana.")
    await label(house.ana, answer, "outdated-helpline")

    async def chosen(cover: str, grief: str = "fold") -> str:
        fields = {"cover-outdated-helpline": cover, "cover-grief": grief}
        saved = await house.ana.fill("/settings", "/settings/reading", **fields)
        assert saved.status == 303, saved.text
        return (await house.ana.open("/notices")).text

    for cover in ("hide", "fold"):
        page = await chosen(cover)
        assert "It rains" not in page
        assert "in “A first thread”" in page
    assert "It rains" in await chosen("show")
    await label(house.ana, house.thread, "grief")  # which folds, where nobody wants it open
    page = await chosen("show", "show")
    assert "A first thread" in page
    assert "It rains" in page
    page = await chosen("show")
    assert "A first thread" not in page
    assert "It rains" not in page


async def test_dom_C14_a_reviewers_note_has_two_sources_and_its_author_reads_it_first(
    house: House,
) -> None:
    path = f"/p/{house.answer.id}/labels"
    for missing in ({}, {"reason": NOTE}, {"reason": NOTE, "sources": "https://books.example/one"}):
        refused = await label(house.ana, house.answer, MEDICAL, **missing)
        assert refused.status == 400
        assert "two places" in refused.text
    bad = await label(house.ana, house.answer, MEDICAL, reason=NOTE, sources="javascript:x y")
    assert bad.status == 400
    assert NOTE in bad.html  # what was typed stays
    done = await label(house.ana, house.answer, MEDICAL, reason=NOTE, sources=SOURCES)
    assert done.status == 303, done.text
    assert "gave your post a label" in (await house.ben.open("/notices")).text
    thread = f"/t/{house.thread.id}"
    assert NOTE not in (await house.cleo.open(thread)).text
    assert "Others see it from" in (await house.ana.open(path)).text
    await turned(house, days=1)
    page = await house.cleo.open(thread)
    for words in ("a medical claim nobody checked", NOTE, "books.example", "Hello back."):
        assert words in page.text, words
    assert f"{house.node.clock().day} " in page.text  # dated
    assert 'rel="nofollow noopener noreferrer ugc">books.example' in page.html
    assert NOTE in open_words(page)
    assert not re.search(r"/labels/(vote|agree|like)", page.html)  # nobody piles on
    off = await house.ana.send("POST", f"{path}/off", {"label": MEDICAL})
    assert off.status == 303
    assert NOTE not in (await house.cleo.open(thread)).text


async def test_mod_H8_a_stale_label_keeps_nothing_hidden(house: House) -> None:
    thread = f"/t/{house.thread.id}"
    await label(house.ana, house.thread, "outdated-helpline", effect="fold", days="30")
    house.node.clock.forward(days=29)
    dora = await person(house.node, "dora")  # sessions have ended meanwhile
    assert "Hello all of you." not in open_words(await dora.open(thread))
    house.node.clock.forward(days=1)
    assert "Hello all of you." in open_words(await house.visitor.open(thread))
    async with house.node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(post_labels)) == 1
    await turned(house)
    async with house.node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(post_labels)) == 0
        assert (
            await conn.scalar(sa.select(posts.c.given).where(posts.c.id == house.thread.id)) == ""
        )


async def test_mod_5_18_what_is_gone_has_no_labels(house: House) -> None:
    await label(house.ana, house.answer, "grief", reason="It tells of a loss.")
    await house.ben.fill(f"/p/{house.answer.id}/delete", "/delete")
    assert (await stored(house, house.answer)).given == ""
    async with house.node.engine.connect() as conn:
        assert not await conn.scalar(sa.select(post_labels.c.why))
    await turned(house)
    async with house.node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(post_labels)) == 0
    again = await house.node.reply(house.ben.speaker, house.thread.uri, "Once more.")
    await label(house.ana, again, "grief")
    removed = await house.ana.fill(f"/p/{again.id}/remove", "/remove", reason="Thank you.")
    assert removed.status == 303
    assert (await stored(house, again)).given == ""
    assert (await house.ana.open(f"/p/{again.id}/labels")).status == 404


async def test_mod_5_18_only_moderators_label_and_each_as_what_they_are(house: House) -> None:
    path = f"/p/{house.thread.id}/labels"
    for who, status in ((house.visitor, 403), (house.cleo, 404), (house.ben, 404)):
        assert (await who.open(path)).status == (303 if who is house.visitor else status)
        assert (await who.send("POST", path, {"label": "grief"})).status == status
    keeper = await person(house.node, "kim", roles=frozenset({MODERATOR}))
    assert (await label(keeper, house.thread, "clinically-reviewed")).status == 303
    page = await house.visitor.open(f"/t/{house.thread.id}")
    assert "The moderators of this place say: checked by a clinician." in page.text
    assert "Hello all of you." in open_words(page)
    for name in ("clinically-reviewed", "csam", "canary", "nonsense"):
        answer = await house.ana.send("POST", path, {"label": name})
        assert answer.status == 400, name
    off = await house.ana.send("POST", f"{path}/off", {"label": "clinically-reviewed"})
    assert off.status == 404  # the others said it


async def of_peer(
    house: House, post: Post, *, host: str = "elm.test", label: str = "method-detail"
) -> None:
    """Another server's label that may hold the post, about the words that it has."""
    today = house.node.clock().date()
    saying = Saying(
        label=label,
        giver=Giver.PEER,
        effect=Effect.HOLD,
        starts=today,
        ends=today + timedelta(days=30),
        host=host,
        signal=f"https://{host}/signals/1",
        version=labels_of_groups.words_of(post),
    )
    async with house.node.engine.begin() as conn:
        await labelling.give(conn, post.id, saying)


async def taken_back(house: House, post: Post, *, host: str = "elm.test") -> None:
    async with house.node.engine.begin() as conn:
        await label_trust.take_back(conn, host, [post.id])


async def worked(house: House, post: Post) -> PostState:
    """How the post stands once all that labels ask for is done."""
    while await labels_of_groups.hold_one(house.node.engine, house.node.here):
        pass
    return (await stored(house, post)).state


async def test_mod_5_2_what_else_holds_a_post_does_so_when_a_peers_label_goes(house: House) -> None:
    """An edit of somebody whose posts are read first waits on, whatever a peer says and unsays."""
    async with house.node.engine.begin() as conn:
        today = house.node.clock().date()
        await standing.limit(conn, house.answer.group_id, house.answer.author_id, today)
    await house.node.edit(house.ben.speaker, house.answer.uri, "", "Nobody has read this.")
    await of_peer(house, await stored(house, house.answer))
    assert await worked(house, house.answer) is PostState.HELD
    async with house.node.engine.begin() as conn:
        await standing.end_limit(conn, house.answer.group_id, house.answer.author_id)
    await taken_back(house, house.answer)
    assert await worked(house, house.answer) is PostState.HELD


async def test_mod_5_2_words_that_came_while_a_peers_label_held_are_read_first(
    house: House,
) -> None:
    await of_peer(house, house.answer)
    assert await worked(house, house.answer) is PostState.HELD
    await house.node.edit(house.ben.speaker, house.answer.uri, "", "Nobody has read this.")
    await taken_back(house, house.answer)
    assert await worked(house, house.answer) is PostState.HELD


async def test_mod_5_2_a_late_label_holds_no_new_words(house: House) -> None:
    house.node.clock.forward(minutes=10)
    await house.node.edit(house.ben.speaker, house.answer.uri, "", "These are other words.")
    await of_peer(house, house.answer)
    assert await worked(house, house.answer) is PostState.SHOWN
    await of_peer(house, await stored(house, house.answer))
    assert await worked(house, house.answer) is PostState.HELD
    house.node.clock.forward(minutes=10)
    await house.node.edit(house.ben.speaker, house.answer.uri, "", "Nobody has read this.")
    assert await worked(house, house.answer) is PostState.HELD  # a moderator does


async def test_mod_5_2_the_last_of_several_labels_lets_go(house: House) -> None:
    """But for what is by somebody whose posts are read first by now."""
    for host in ("elm.test", "oak.test"):
        await of_peer(house, house.answer, host=host)
        assert await worked(house, house.answer) is PostState.HELD
    await taken_back(house, house.answer)
    await of_peer(house, house.answer, host="yew.test")  # before the first is undone
    assert await worked(house, house.answer) is PostState.HELD
    await taken_back(house, house.answer, host="oak.test")
    assert await worked(house, house.answer) is PostState.HELD
    await taken_back(house, house.answer, host="yew.test")
    assert await worked(house, house.answer) is PostState.SHOWN
    await of_peer(house, house.answer)
    assert await worked(house, house.answer) is PostState.HELD
    async with house.node.engine.begin() as conn:
        today = house.node.clock().date()
        await standing.limit(conn, house.answer.group_id, house.answer.author_id, today)
    await taken_back(house, house.answer)
    assert await worked(house, house.answer) is PostState.HELD


async def test_mod_5_18_who_changes_labels_holds_the_post_first(house: House) -> None:
    """As its author's delete does, which comes to the labels next: nobody waits for each other."""
    node, post = house.node, house.answer
    await label(house.ana, post, "grief")
    for host in ("elm.test", "oak.test", "yew.test"):
        await of_peer(house, post, host=host)
    await label(house.ana, post, "outdated-helpline")
    today = node.clock().date() + timedelta(days=30)
    changes: list[Callable[[AsyncConnection], Awaitable[object]]] = [
        lambda conn: label_trust.trust(conn, "elm.test", trusted=False),
        lambda conn: label_trust.take_back(conn, "elm.test", [post.id]),
        lambda conn: label_trust.drop_host(conn, "oak.test"),
        lambda conn: label_trust.keep_only(conn, "yew.test", post.id, ()),
        lambda conn: labelling.take_off(conn, post.id, "grief", Giver.GROUP),
        lambda conn: labelling.turn_the_day(conn, post.id, today),
        lambda conn: label_holds.let_go(conn, post.id),
    ]

    async def change(how: Callable[[AsyncConnection], Awaitable[object]]) -> None:
        async with node.engine.begin() as conn:
            await how(conn)

    for how in changes:
        async with node.engine.connect() as deleting:
            await deleting.execute(sa.update(posts).where(posts.c.id == post.id).values(given=""))
            coming = asyncio.create_task(change(how))
            await until_it_waits(node, coming)
            await labelling.forget(deleting, [post.id])
            await deleting.rollback()  # it was one of many tries
        await coming
    await of_peer(house, post)
    async with node.engine.begin() as deleting:
        await deleting.execute(sa.update(posts).where(posts.c.id == post.id).values(given=""))
        for work in (labels_of_groups.hold_one, labels_of_groups.turn_one):  # later
            assert not await asyncio.wait_for(work(node.engine, node.here), 20)
        await labelling.forget(deleting, [post.id])


def test_mod_5_18_the_vocabulary_says_who_what_and_how_long() -> None:
    assert " ".join(each.id for each in VOCABULARY) == (
        "self-harm-discussion suicide-discussion method-detail encouragement-of-harm "
        "eating-disorder-numbers trauma-detail grief substance-use medical-claim-unreviewed "
        "outdated-helpline clinically-reviewed lived-experience spam harassment predatory-contact "
        "impersonation doxxing hate-speech csam slow-replies canary"
    )
    assert not any(each.blames for each in VOCABULARY[:12])  # not a sanction
    assert all(1 <= each.days <= 365 for each in VOCABULARY)
    assert all(each.by for each in VOCABULARY)
    assert labels.BY_ID["csam"].by == frozenset({Giver.PEER})
    assert not labels.BY_ID["csam"].for_readers
    assert set(labels.FOR_AUTHORS) < set(labels.FOR_READERS)


_MANY = tuple(f"https://b{number}.example/" for number in range(6))


@pytest.mark.parametrize(
    "wrong",
    [
        {"effect": "vanish"},
        {"days": 366},
        {"days": 0},
        {"why": "x" * 501},
        {"sources": _MANY},
        {"sources": ("no address",)},
        {"sources": ("https://a.example/" + "x" * 300,)},
    ],
)
def test_mod_5_18_what_cannot_be_said_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Saying.here("grief", Giver.GROUP, today=date(2026, 11, 26), **wrong)
    Saying.here("grief", Giver.GROUP, today=date(2026, 11, 26))


async def test_mod_5_2_what_this_place_says_of_a_page_stands_under_posts_that_link_there(
    house: House,
) -> None:
    link, today = "https://help.example/line", house.node.clock().date()
    post = await house.node.reply(house.ben.speaker, house.thread.uri, f"Try [this]({link}/).")
    thread = f"/t/{house.thread.id}"
    assert "out of date" not in (await house.visitor.open(thread)).text
    saying = Saying.here("outdated-helpline", Giver.NODE, today=today, why="It moved.")
    async with house.node.engine.begin() as conn:
        await labelled.tell_link(conn, house.node.here, link, saying)
    forget_site(house.node.app[MEMORY])  # the command's words are seen within five seconds
    page = await house.visitor.open(thread)
    words = "The moderators of this place say that this page is out of date: help.example"
    assert words in page.text
    assert "It moved." in page.text
    assert f'href="{link}/"' in page.html, "the link stays a link"
    assert "out of date" in (await house.ana.open(f"/p/{post.id}/labels")).text
    async with house.node.engine.begin() as conn:
        found = await links.told_of(conn, [link], saying.ends)
        assert found == {}, "it ends by itself (MOD-H8)"
        await labelled.take_back_link(conn, house.node.here, link)
    assert "out of date" not in (await house.visitor.open(thread)).text
