"""Who of ours is told of what came from another server, and what it costs when nobody is."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from groups import polls
from groups.groups import Group
from groups.posts import Post
from kernel.clock import iso
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import actors, notices, posts
from members import notices as notice_store
from moderation.standing import Speaker
from moderation.visibility import Viewer
from tests.nodes import Node, block, settle
from tests.pages.people import person
from tests.pages.people import settle as describe
from tests.peer import PUBLIC, Peer, PeerFactory
from tests.privacy.recorder import Recorder
from tests.wire.world import Club, said


@pytest.fixture
async def root(alder: Node, ana: Speaker, sleep: Group) -> Post:
    return await alder.start(ana, sleep.actor.uri, "A title", "Some words.")


def ago(node: Node, **steps: int) -> str:
    """A time so long before the node's, as documents spell it."""
    return iso(node.clock() - timedelta(**steps))


async def told(node: Node) -> list[tuple[str, str]]:
    """(handle, kind) of every notice."""
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(actors.c.handle, notices.c.kind)
            .join(actors, actors.c.id == notices.c.persona_id)
            .order_by(actors.c.handle, notices.c.kind)
        )
        return [(handle, kind) for handle, kind in rows]


async def test_answers_mentions_and_signs_from_elsewhere_are_told(
    alder: Node, sleep: Group, root: Post, good: Peer
) -> None:
    await alder.persona("kay")
    cat = good.person("cat")
    mention = {"type": "Mention", "href": f"{alder.origin}/u/kay", "name": "@kay@alder.test"}
    to = [PUBLIC, sleep.actor.uri]
    asked = {"inReplyTo": root.uri, "tag": [mention], "published": ago(alder)}
    note = good.note(cat, "hello", to=to, **asked)
    await said(alder, good, cat, note)
    assert await told(alder) == [("ana", "answer"), ("kay", "mention")]
    like = good.activity("Like", cat, root.uri)
    assert await good.send(alder, like, cat) == 202
    await settle(alder)
    assert await told(alder) == [("ana", "answer"), ("ana", "heard"), ("kay", "mention")]

    assert await good.send(alder, good.activity("Undo", cat, like), cat) == 202
    assert await good.send(alder, good.activity("Delete", cat, note["id"]), cat) == 202
    await settle(alder)
    assert await told(alder) == []


async def test_wire_G46_nobody_is_told_of_what_is_old_or_was_read_later(
    alder: Node, sleep: Group, root: Post, good: Peer, club: Club
) -> None:
    cat = good.person("cat")
    about = {"inReplyTo": root.uri, "published": ago(alder, days=3)}
    await said(alder, good, cat, good.note(cat, "late", to=[PUBLIC, sleep.actor.uri], **about))
    assert await told(alder) == []

    mine = await alder.start(club.member, club.group.uri, "In the club", "Mine.")
    about = {"inReplyTo": mine.uri, "published": ago(alder)}
    answer = good.note(cat, "in the club", to=[PUBLIC, club.group.uri], **about)
    await club.announce(alder, good.create(cat, answer))
    assert await told(alder) == [("kay", "answer")]


async def test_wire_M10_who_blocks_a_name_tells_it_nothing_either(
    alder: Node, ana: Speaker, sleep: Group, root: Post, good: Peer
) -> None:
    cat = good.person("cat")
    block = good.activity("Block", cat, ana.actor.uri)
    assert await good.send(alder, block, cat) == 202
    await settle(alder)
    about = {"inReplyTo": root.uri, "published": ago(alder)}
    note = good.note(cat, "hello", to=[PUBLIC, sleep.actor.uri], **about)
    await said(alder, good, cat, note)
    assert await alder.post(note["id"]) is not None
    assert await told(alder) == []


async def test_an_answer_that_is_about_nobody_of_ours_asks_nothing_about_notices(
    alder: Node, sleep: Group, root: Post, good: Peer, peer: PeerFactory
) -> None:
    far = await peer("far.test", alder)
    cat, dan = good.person("cat"), far.person("dan")
    first = good.note(cat, "first", to=[PUBLIC, sleep.actor.uri], inReplyTo=root.uri)
    await said(alder, good, cat, first)
    with Recorder.listening(alder.engine) as recorder:
        about = {"inReplyTo": first["id"], "published": ago(alder)}
        second = far.note(dan, "second", to=[PUBLIC, sleep.actor.uri], **about)
        await said(alder, far, dan, second)
    assert await alder.post(second["id"]) is not None
    named = [s.tables for each in recorder.transactions for s in each.statements]
    assert any("posts" in tables for tables in named)
    assert not any("notices" in tables for tables in named)


async def test_sec_L10_of_a_blocked_domain_nothing_is_told_any_more(
    alder: Node, ana: Speaker, sleep: Group, root: Post, good: Peer
) -> None:
    cat = good.person("cat")
    about = {"inReplyTo": root.uri, "published": ago(alder)}
    note = good.note(cat, "hello", to=[PUBLIC, sleep.actor.uri], **about)
    await said(alder, good, cat, note)
    assert await good.send(alder, good.activity("Like", cat, root.uri), cat) == 202
    await settle(alder)
    viewer = Viewer((ana.id,), signed_in=True)
    async with alder.engine.begin() as conn:
        assert len(await notice_store.page(conn, viewer, limit=20)) == 2
        assert await notice_store.hearers(conn, [root.id])
        await block(conn, alder.here, "good.test")
        (heard,) = await notice_store.page(conn, viewer, limit=20)
        assert heard.kind == "heard"
        assert not await notice_store.hearers(conn, [root.id])  # so the page leaves it out


async def test_sec_L10_of_a_group_of_a_blocked_server_ours_see_and_hear_nothing_more(
    alder: Node, club: Club
) -> None:
    await describe(alder)
    ben, mine = await person(alder, "ben"), await person(alder, "mine")
    for each in (ben, mine):
        await alder.join(each.speaker, club.group.uri)
    await settle(alder)
    for follow in club.peer.got("Follow"):
        accept = club.peer.activity("Accept", club.group, follow)
        assert await club.peer.send(alder, accept, club.group) == 202
    await settle(alder)
    asked = polls.draft(alder.here, ["Tea", "Coffee"], several=False, days=1)
    root = await alder.start(mine.speaker, club.group.uri, "In the club", "Mine.")
    await alder.reply(ben.speaker, root.uri, "Which?", poll=asked)
    alder.clock.forward(days=2)
    viewer = Viewer((mine.actor.id,), signed_in=True)

    async def heard_of() -> list[str]:
        async with alder.engine.connect() as conn:
            ids = (await conn.scalars(sa.select(posts.c.id))).all()
            over = await polls.over_among(conn, viewer, alder.here.now(), ids)
            found = await notice_store.page(conn, viewer, limit=20)
        return [each.kind for each in found] + ["over" for _ in over]

    about = notice_store.Telling(uri=mine.actor.uri, kind=NoticeKind.JOINED, group_id=root.group_id)
    async with alder.engine.begin() as conn:
        await notice_store.tell(conn, alder.here, [about])
    assert sorted(await heard_of()) == ["answer", "joined", "over"]
    for path in (f"/t/{root.id}", f"/p/{root.id}/reply"):
        assert "In the club" in (await mine.open(path)).text
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "club.test")
    assert await heard_of() == []
    for path in (f"/t/{root.id}", f"/p/{root.id}", f"/p/{root.id}/reply", f"/p/{root.id}/edit"):
        assert (await mine.open(path)).status == 404, path
    assert (await ben.open(f"/p/{root.id}/delete")).status == 404
    gone = await mine.fill(f"/p/{root.id}/delete", f"/p/{root.id}/delete")
    assert gone.status == 303
    assert not await alder.mentions("In the club")


async def test_wire_G16_whose_sign_it_is_is_said_of_proven_ones_alone(
    alder: Node, good: Peer, club: Club
) -> None:
    mine = await alder.start(club.member, club.group.uri, "In the club", "Mine.")
    dan = good.person("dan")
    like = good.activity("Like", dan, mine.uri)
    await club.announce(alder, like)
    async with alder.engine.connect() as conn:
        assert not await notice_store.hearers(conn, [mine.id])
    assert await good.send(alder, like, dan) == 202
    await settle(alder)
    async with alder.engine.connect() as conn:
        found = await notice_store.hearers(conn, [mine.id])
    assert [each.name for each in found.get(mine.id, ())] == ["Dan"]
