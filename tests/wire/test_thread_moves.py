"""Threads move between two groups of ours, and say so (FEP-f15d, WIRE-G36, SEC-S23, SEC-S24)."""

import asyncio
import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from groups import browsing, desk, hashtags, moving, pins
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.clock import iso
from kernel.errors import NotAllowed, NotFound
from kernel.schema.groups import Joining, Posts, Sees
from kernel.schema.tables import actors, groups, posts
from moderation.standing import Speaker
from moderation.visibility import VISITOR, Viewer
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person
from tests.wire import lemmy as lemmy_reader
from tests.wire import strict
from tests.wire.world import Follower, ask, last_received, said

OPEN = GroupSettings(posts=Posts.ANYONE)
MEMBER = Viewer(signed_in=True)


@pytest.fixture
async def night(alder: Node, ana: Speaker) -> Group:
    """Another open group that Ana looks after."""
    return await alder.group("night", ana, settings=OPEN)


@pytest.fixture
async def root(alder: Node, ana: Speaker, sleep: Group) -> Post:
    return await alder.start(ana, sleep.actor.uri, "A title", "Some words, #awake.")


@pytest.fixture
async def owl(peer: PeerFactory, alder: Node, night: Group) -> Follower:
    """Somebody at a server that reads FEP-1b12 follows the other group."""
    host = await peer("owl.test", alder, "piefed")
    person = host.person("owl")
    await host.follow(alder, person, night.actor.uri)
    await settle(alder)
    host.inbox.clear()
    return Follower(host, person)


async def move(
    alder: Node, ana: Speaker, origin: Group, target: Group, root: Post, reason: str = ""
) -> Post:
    """The desk moves the thread as it is now."""
    now = await alder.post(root.uri)
    assert now is not None
    async with alder.engine.begin() as conn:
        actor = await moving.require_both(conn, origin, target, [ana])
        await moving.move(conn, alder.here, actor, origin, target, now, reason)
    await settle(alder)
    moved = await alder.post(root.uri)
    assert moved is not None
    return moved


async def titles(alder: Node, group: Group) -> list[str]:
    async with alder.engine.connect() as conn:
        return [line.title for line in await browsing.latest(conn, MEMBER, group_id=group.id)]


async def log(alder: Node, group: Group) -> list[tuple[str, str, str]]:
    async with alder.engine.connect() as conn:
        lines = await desk.log(conn, group)
    return [(line.verb, line.object_uri, line.reason) for line in lines]


def clear(*followers: Follower) -> None:
    for each in followers:
        each.peer.inbox.clear()


async def test_wire_G36_a_thread_moves_with_all_that_is_in_it(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post
) -> None:
    ben = await alder.persona("ben")
    answer = await alder.reply(ben, root.uri, "An answer.")
    gone = await alder.reply(ben, root.uri, "Taken back.")
    await alder.delete(ben, gone.uri)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await pins.pin(conn, alder.here, sleep, actor, root)
    before = await alder.thread(root.uri)
    moved = await move(alder, ana, sleep, night, root, "It is about nights.")

    after = await alder.thread(root.uri)
    assert [post.uri for post in after.posts] == [post.uri for post in before.posts]
    assert [post.author_uri for post in after.posts] == [post.author_uri for post in before.posts]
    assert {post.group_id for post in after.posts} == {night.id}
    assert (moved.thread_uri, moved.thread_id) == (root.thread_uri, root.thread_id)
    assert not moved.pinned
    assert (await titles(alder, sleep), await titles(alder, night)) == ([], ["A title"])
    async with alder.engine.connect() as conn:
        (line,) = await browsing.latest(conn, MEMBER, group_id=night.id)
        assert line.replies == 1
        (tagged,) = await hashtags.tagged(conn, "awake", VISITOR, before=None, limit=5)
        assert tagged.group_name == "Night"
    assert await log(alder, night) == [("take in", root.uri, "It is about nights.")]
    assert (await log(alder, sleep))[0] == ("move", root.uri, "It is about nights.")
    later = await alder.reply(ben, answer.uri, "A later answer.")
    assert later.group_id == night.id
    back = await move(alder, ana, night, sleep, root)
    assert back.group_id == sleep.id


async def test_an_answer_that_is_written_during_a_move_goes_along(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post
) -> None:
    ben = await alder.persona("ben")
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    waits += " AND wait_event_type = 'Lock'"
    async with alder.engine.begin() as conn, asyncio.timeout(30):
        await moving.carry_over(conn, root, night.id)
        answering = asyncio.create_task(alder.reply(ben, root.uri, "An answer."))
        async with alder.engine.connect() as watching:
            while not await watching.scalar(sa.text(waits)):
                await watching.rollback()
                await asyncio.sleep(0.01)
    answer = await answering
    kept = await alder.post(answer.uri)
    assert kept is not None
    assert (kept.group_id, answer.group_id) == (night.id, night.id)


async def test_wire_G36_both_groups_say_so_and_no_moderator_is_named(
    alder: Node,
    ana: Speaker,
    sleep: Group,
    night: Group,
    lemmy: Follower,
    owl: Follower,
    mastodon: Follower,
) -> None:
    """WIRE-T15. The old group's boost goes, the new one's first comes (WIRE-G13, WIRE-G20)."""
    ben = await alder.persona("ben")
    root = await alder.start(ben, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    (boost,) = mastodon.peer.got("Announce")
    clear(lemmy, owl, mastodon)
    await move(alder, ana, sleep, night, root, "It is about nights.")

    for follower, group in ((lemmy, sleep), (owl, night)):
        (announce,) = follower.peer.got("Announce", "Move")
        strict.check(announce)
        assert strict.unmapped(announce) == set()
        assert announce["actor"] == group.actor.uri
        told = announce["object"]
        assert told["actor"] == f"{alder.origin}/desk/sleep"
        assert told["object"] == root.thread_uri
        assert (told["origin"], told["target"]) == (sleep.actor.uri, night.actor.uri)
        assert (told["to"], told["cc"]) == ([PUBLIC], [sleep.actor.uri, night.actor.uri])
        assert told["summary"] == "It is about nights."
        assert ana.actor.uri not in json.dumps(follower.peer.inbox)
        with pytest.raises(lemmy_reader.Unreadable):
            lemmy_reader.check(announce)
    (undo,) = mastodon.peer.inbox
    assert (undo["type"], undo["object"]["id"]) == ("Undo", boost["id"])
    assert [each["object"] for each in owl.peer.got("Announce", "")] == [root.uri]
    (created,) = owl.peer.got("Announce", "Create")
    assert created["context"] == root.thread_uri
    shown = json.loads((await ask(alder, root.uri.removeprefix(alder.origin))).body)
    assert shown["audience"] == night.actor.uri
    thread = json.loads((await ask(alder, root.thread_uri.removeprefix(alder.origin))).body)
    assert (thread["attributedTo"], thread["audience"]) == (night.actor.uri, night.actor.uri)
    listed = {
        name: json.loads((await ask(alder, f"/g/{name}/outbox")).body)["orderedItems"]
        for name in ("sleep", "night")
    }
    assert listed["sleep"] == []
    assert [each["actor"] for each in listed["night"]] == [night.actor.uri]
    clear(lemmy, owl, mastodon)
    await alder.reply(ben, root.uri, "An answer.")
    await settle(alder)
    assert owl.peer.got("Announce", "Create")
    assert not lemmy.peer.inbox
    assert not mastodon.peer.inbox


async def test_wire_G36_nodebb_hears_it_from_the_desk_itself(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post, peer: PeerFactory
) -> None:
    """It drops a Move inside an Announce, and wants all of it on one server."""
    host = await peer("forum.test", alder, "nodebb")
    for group in (sleep, night):
        await host.follow(alder, host.person(group.actor.handle), group.actor.uri)
    await settle(alder)
    host.inbox.clear()
    await move(alder, ana, sleep, night, root)
    (bare,) = host.got("Move")
    strict.check(bare)
    assert bare == host.got("Announce", "Move")[0]["object"]
    desk_key = f'keyId="{alder.origin}/desk/sleep#main-key"'
    (sent,) = [each for each in host.posted if json.loads(each.body)["id"] == bare["id"]]
    assert desk_key in dict(sent.headers)["Signature"]


async def test_a_removal_after_a_move_leaves_no_boost_behind(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post, mastodon: Follower
) -> None:
    await settle(alder)
    mastodon.peer.inbox.clear()
    moved = await move(alder, ana, sleep, night, root)
    assert [each["type"] for each in mastodon.peer.inbox] == ["Undo"]
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, night, ana)
        await desk.remove(conn, alder.here, night, actor, moved, "a reason")
    await settle(alder)
    outbox = json.loads((await ask(alder, "/g/night/outbox")).body)
    assert outbox["orderedItems"] == []


async def test_wire_G36_who_had_it_hears_of_changes_and_deletes(
    alder: Node, ana: Speaker, sleep: Group, night: Group, lemmy: Follower, mastodon: Follower
) -> None:
    """The old group's followers: of what was there when it moved, of nothing that came later."""
    ben = await alder.persona("ben")
    root = await alder.start(ben, sleep.actor.uri, "A title", "Some words.")
    answer = await alder.reply(ben, root.uri, "An answer.")
    await move(alder, ana, sleep, night, root)
    later = await alder.reply(ben, root.uri, "A later answer.")
    await settle(alder)
    clear(lemmy, mastodon)
    await alder.edit(ben, root.uri, "A title", "Other words.")
    await alder.edit(ben, later.uri, "", "Other words.")
    await settle(alder)
    (update,) = lemmy.peer.inbox
    assert (update["actor"], update["type"]) == (sleep.actor.uri, "Announce")
    assert (update["object"]["type"], update["object"]["object"]["id"]) == ("Update", root.uri)
    assert mastodon.peer.inbox == []  # the old group boosts it no more
    lemmy.peer.inbox.clear()
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, night, ana)
        removed = await alder.post(answer.uri)
        assert removed is not None
        await desk.remove(conn, alder.here, night, actor, removed, "a reason")
    await alder.delete(ben, later.uri)
    await alder.delete(ben, root.uri)
    await settle(alder)
    deletes = [each["object"] for each in lemmy.peer.got("Announce", "Delete")]
    gone = [
        each["object"]["id"] if isinstance(each["object"], dict) else each["object"]
        for each in deletes
    ]
    assert gone == [answer.uri, root.uri]
    assert await alder.mentions("Other words.") == []
    outbox = json.loads((await ask(alder, "/g/sleep/outbox")).body)
    assert outbox["orderedItems"] == []


async def test_sec_S24_new_words_in_a_circle_reach_nobody_who_had_the_thread_before(
    alder: Node, ana: Speaker, sleep: Group, night: Group, lemmy: Follower, good: Peer
) -> None:
    """The group it moved to is for members alone since: they read the change, others that it is
    gone (WIRE-G36, MOD-5.6)."""
    ben, ann = await alder.persona("ben"), good.person("ann")
    root = await alder.start(ben, sleep.actor.uri, "A title", "Some words.")
    theirs = good.note(ann, "Me too.", to=[PUBLIC, sleep.actor.uri], inReplyTo=root.uri)
    await said(alder, good, ann, theirs)
    await move(alder, ana, sleep, night, root)
    async with alder.engine.begin() as conn:
        await conn.execute(
            sa.update(groups)
            .where(groups.c.actor_id == night.id)
            .values(sees=Sees.MEMBERS, circle="birch.test")
        )
        await conn.execute(
            sa.update(actors).where(actors.c.id == night.id).values(members_only=True)
        )
    clear(lemmy)
    await alder.edit(ben, root.uri, "A title", "Words for the circle.")
    changed = {**theirs, "content": "<p>Words for it too.</p>", "updated": iso(alder.clock())}
    assert await good.send(alder, good.activity("Update", ann, changed), ann) == 202
    await settle(alder)
    kept = await alder.post(theirs["id"])
    assert kept is not None
    assert "Words for it too." in kept.content
    assert lemmy.peer.inbox == []
    await alder.delete(ben, root.uri)
    assert await good.send(alder, good.activity("Delete", ann, theirs["id"]), ann) == 202
    await settle(alder)
    assert [each["actor"] for each in lemmy.peer.got("Announce", "Delete")] == [sleep.actor.uri] * 2


async def test_wire_G36_who_had_it_hears_that_it_is_gone_from_a_group_that_closed_since(
    alder: Node,
    ana: Speaker,
    sleep: Group,
    night: Group,
    lemmy: Follower,
    mastodon: Follower,
    good: Peer,
) -> None:
    """The group that a thread went to is for its members here alone by now, and says nothing.

    The old group's followers hear what is gone, and no more than that (SEC-S24, WIRE-T12).
    """
    ben, ann = await alder.persona("ben"), good.person("ann")
    root = await alder.start(ben, sleep.actor.uri, "A title", "Some words.")
    answer = await alder.reply(ben, root.uri, "An answer.")
    removed = await alder.reply(ben, root.uri, "Another answer.")
    theirs = good.note(ann, "Me too.", to=[PUBLIC, sleep.actor.uri], inReplyTo=root.uri)
    await said(alder, good, ann, theirs)
    await move(alder, ana, sleep, night, root)
    async with alder.engine.begin() as conn:
        members = GroupSettings(sees=Sees.MEMBERS)
        await group_store.update(
            conn, alder.here, night, name="Night", about="A group.", settings=members
        )
    later = await alder.reply(ana, root.uri, "Among us.")
    await settle(alder)
    clear(lemmy, mastodon)
    await alder.edit(ben, root.uri, "A title", "Other words.")
    await settle(alder)
    assert lemmy.peer.inbox == []

    async with alder.engine.begin() as conn:
        closed = await group_store.get(conn, night.id)
        actor = await desk.require(conn, closed, ana)
        taken = await alder.post(removed.uri)
        assert taken is not None
        await desk.remove(conn, alder.here, closed, actor, taken, "a reason")
    await alder.delete(ben, answer.uri)
    await alder.delete(ana, later.uri)
    assert await good.send(alder, good.activity("Delete", ann, theirs["id"]), ann) == 202
    await settle(alder)
    await alder.delete(ben, root.uri)
    await settle(alder)
    told = lemmy.peer.got("Announce", "Delete")
    assert {each["actor"] for each in told} == {sleep.actor.uri}
    gone = {
        each["object"]["object"]["id"]
        if isinstance(each["object"]["object"], dict)
        else each["object"]["object"]
        for each in told
    }
    assert gone == {root.uri, answer.uri, removed.uri, theirs["id"]}
    for secret in (night.actor.uri, later.uri, "a reason", "Other words."):
        assert secret not in json.dumps([*lemmy.peer.inbox, *mastodon.peer.inbox])
    assert await alder.mentions("Other words.") == []


async def test_wire_G36_an_answer_that_names_the_old_group_finds_its_thread(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post, good: Peer
) -> None:
    await move(alder, ana, sleep, night, root)
    ann = good.person("ann")
    note = good.note(
        ann, "Me too.", to=[PUBLIC, sleep.actor.uri], audience=sleep.actor.uri, inReplyTo=root.uri
    )
    await said(alder, good, ann, note)
    answer = await alder.post(note["id"])
    assert answer is not None
    assert (answer.thread_id, answer.group_id) == (root.thread_id, night.id)


async def _moderator(alder: Node, peer: Peer, name: str, *looked_after: Group) -> Person:
    person = peer.person(name)
    actor = await alder.meet(person.uri)
    async with alder.engine.begin() as conn:
        for group in looked_after:
            await group_store.add_moderator(conn, alder.here, group.actor, actor, 0)
    return person


def told(peer: Peer, who: Person, obj: str, origin: Group, target: Group) -> Document:
    return peer.activity(
        "Move", who, obj, origin=origin.actor.uri, target=target.actor.uri, summary="nights"
    )


async def test_wire_in_7_a_moderator_elsewhere_of_both_groups_moves_a_thread(
    alder: Node,
    ana: Speaker,
    sleep: Group,
    night: Group,
    root: Post,
    good: Peer,
    lemmy: Follower,
    owl: Follower,
) -> None:
    mo = await _moderator(alder, good, "mo", sleep, night)
    document = told(good, mo, root.thread_uri, sleep, night)
    assert await good.send(alder, document, mo) == 202
    await settle(alder)
    assert (await last_received(alder))[0] == "done"
    moved = await alder.post(root.uri)
    assert moved is not None
    assert moved.group_id == night.id
    for follower in (lemmy, owl):
        (announce,) = follower.peer.got("Announce", "Move")
        assert announce["object"] == document  # as it came (WIRE-G10)
    assert (await log(alder, night))[0] == ("take in", root.uri, "nights")
    again = told(good, mo, root.uri, sleep, night)  # by the first post's id, as PieFed says it
    assert await good.send(alder, again, mo) == 202
    await settle(alder)
    assert (await last_received(alder))[0] == "done"  # it is there already
    assert len(lemmy.peer.got("Announce", "Move")) == 1


async def test_sec_S23_nobody_moves_a_thread_who_does_not_moderate_both_groups(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post, good: Peer, lemmy: Follower
) -> None:
    closed = await alder.group("closed", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    only_here = await _moderator(alder, good, "here", sleep)
    only_there = await _moderator(alder, good, "there", night)
    everywhere = await _moderator(alder, good, "everywhere", sleep, night, closed)
    stranger = good.person("stranger")
    far = good.person("far", kind="Group")
    await alder.meet(far.uri)
    for who, obj, origin, target in (
        (only_here, root.thread_uri, sleep, night),
        (only_there, root.thread_uri, sleep, night),
        (stranger, root.uri, sleep, night),
        (everywhere, root.thread_uri, sleep, closed),  # nobody elsewhere would hear of deletes
        (everywhere, root.thread_uri, closed, night),  # it is not there
    ):
        document = told(good, who, obj, origin, target)
        assert await good.send(alder, document, who) == 202
        await settle(alder)
        assert (await last_received(alder))[0] == "refused", (who.uri, target.actor.uri)
    away = good.activity(
        "Move", everywhere, root.uri, origin=sleep.actor.uri, target=far.uri, audience=far.uri
    )
    assert await good.send(alder, away, everywhere) == 202
    await settle(alder)
    assert (await last_received(alder))[0] == "refused"
    kept = await alder.post(root.uri)
    assert kept is not None
    assert kept.group_id == sleep.id
    assert lemmy.peer.got("Announce", "Move") == []


async def test_sec_S23_one_name_looks_after_both_groups(
    alder: Node, ana: Speaker, sleep: Group, root: Post
) -> None:
    """Two names of one member would be seen to belong together (DESIGN-V2)."""
    bea = await alder.persona("bea")
    theirs = await alder.group("theirs", bea, settings=OPEN)
    both = Speaker(actor=ana.actor, voices=(ana.id, bea.id))
    async with alder.engine.begin() as conn:
        assert await moving.places(conn, sleep, both.voices) == []
        with pytest.raises(NotAllowed, match="under one name"):
            await moving.require_both(conn, sleep, theirs, [both])


NODE = GroupSettings(sees=Sees.NODE)
ASKED, INVITED, FREE = (
    GroupSettings(sees=Sees.MEMBERS, joining=joining)
    for joining in (Joining.APPROVAL, Joining.INVITATION, Joining.OPEN)
)


@pytest.mark.parametrize(
    ("origin", "target", "may"),
    [
        (OPEN, OPEN, True),
        (OPEN, NODE, False),
        (OPEN, INVITED, False),
        (NODE, OPEN, False),
        (NODE, NODE, True),
        (NODE, INVITED, True),
        (INVITED, OPEN, False),
        (INVITED, NODE, False),
        (INVITED, ASKED, False),
        (ASKED, FREE, False),
        (FREE, ASKED, True),
        (ASKED, INVITED, True),
        (INVITED, INVITED, True),
    ],
)
def test_sec_S24_no_move_gives_a_thread_new_readers(
    origin: GroupSettings, target: GroupSettings, may: bool
) -> None:
    refusal = moving.why_not(origin, target)
    assert (refusal is None) == may
    assert may or str(refusal).lower().endswith("so the thread stays.")


def test_sec_S24_nothing_moves_into_a_circle_or_out_of_one() -> None:
    """Not even between two of one peer, which hears of no Move there (MOD-5.6)."""
    birch, cedar = (replace(FREE, circle=host) for host in ("birch.test", "cedar.test"))
    for origin, target in ((birch, birch), (birch, cedar), (birch, FREE), (FREE, birch)):
        assert "shared with another place" in str(moving.why_not(origin, target))


@pytest.mark.parametrize(("sees", "wider"), [(Sees.MEMBERS, Sees.NODE), (Sees.NODE, Sees.EVERYONE)])
async def test_sec_S24_a_refused_move_changes_nothing(
    alder: Node, ana: Speaker, sees: Sees, wider: Sees
) -> None:
    here = await alder.group("here", ana, settings=GroupSettings(sees=sees))
    there = await alder.group("there", ana, settings=GroupSettings(sees=wider))
    root = await alder.start(ana, here.actor.uri, "A title", "Some words.")
    with pytest.raises(NotAllowed, match="so the thread stays"):
        await move(alder, ana, here, there, root)
    kept = await alder.post(root.uri)
    assert kept is not None
    assert kept.group_id == here.id
    assert (await log(alder, here), await log(alder, there)) == ([], [])


async def test_wire_2_4_nothing_moves_into_a_group_that_goes_on_elsewhere(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post
) -> None:
    async with alder.engine.begin() as conn:
        assert [it.group.id for it in await moving.places(conn, sleep, [ana.id])] == [night.id]
        await conn.execute(
            sa.update(actors).where(actors.c.id == night.id).values(moved_to="https://far.test/g/x")
        )
        gone = await group_store.get(conn, night.id)
        assert await moving.places(conn, sleep, [ana.id]) == []
    with pytest.raises(NotAllowed, match="another place"):
        await move(alder, ana, sleep, gone, root)
    kept = await alder.post(root.uri)
    assert kept is not None
    assert kept.group_id == sleep.id


async def test_a_thread_of_a_closed_group_moves_and_nobody_elsewhere_hears_of_it(
    alder: Node, ana: Speaker, lemmy: Follower
) -> None:
    here, there = [
        await alder.group(name, ana, settings=GroupSettings(sees=Sees.MEMBERS))
        for name in ("here", "there")
    ]
    root = await alder.start(ana, here.actor.uri, "A title", "Some words.")
    await move(alder, ana, here, there, root)
    assert lemmy.peer.inbox == []
    assert (await ask(alder, root.uri.removeprefix(alder.origin))).status == 404
    assert await alder.mentions('"Move"') == []


async def test_what_is_no_shown_thread_of_the_group_does_not_move(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post
) -> None:
    answer = await alder.reply(ana, root.uri, "An answer.")
    with pytest.raises(NotFound):
        await move(alder, ana, sleep, night, answer)
    with pytest.raises(NotFound):
        await move(alder, ana, night, sleep, root)
    with pytest.raises(NotAllowed, match="already"):
        await move(alder, ana, sleep, sleep, root)
    await alder.delete(ana, root.uri)
    with pytest.raises(NotFound):
        await move(alder, ana, sleep, night, root)


async def test_what_waits_for_a_moderator_waits_in_the_other_group(
    alder: Node, ana: Speaker, sleep: Group, night: Group, root: Post
) -> None:
    answer = await alder.reply(ana, root.uri, "An answer.")
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(posts).where(posts.c.id == answer.id).values(state="held"))
    await move(alder, ana, sleep, night, root)
    async with alder.engine.connect() as conn:
        assert await desk.held(conn, sleep) == []
        assert [post.uri for post in await desk.held(conn, night)] == [answer.uri]
