"""Words reach those they are for and nobody else (SEC-S24, SEC-L1, SEC-L10, SEC-L12, SEC-L15)."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub.client import Answer, Client
from activitypub.state import CLIENT
from groups import browsing, desk, membership, pins, reactions
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel.errors import NotAllowed, NotFound
from kernel.schema.actors import FollowState
from kernel.schema.groups import Joining, Posts, Sees
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import deliveries
from kernel.urls import Url
from moderation.standing import Speaker
from moderation.visibility import Viewer
from tests.nodes import Node, block, settle
from tests.peer import PUBLIC, Peer, Person
from tests.wire.world import Club, Follower, ask, last_received, reacted, said


async def test_sec_S24_a_second_create_gives_a_post_no_new_readers(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    other = await alder.group("other", ana, settings=GroupSettings(posts=Posts.ANYONE))
    ann, mallory = good.person("ann"), good.person("mallory")
    await good.follow(alder, mallory, other.actor.uri)
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    private = await alder.group("private", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    secret = await alder.start(ana, private.actor.uri, "A title", "Among us.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    good.inbox.clear()

    wider = {**note, "to": [PUBLIC, other.actor.uri, mallory.uri], "content": "<p>bent</p>"}
    await said(alder, good, ann, wider)
    stolen = {**wider, "attributedTo": mallory.uri}
    await said(alder, good, mallory, stolen)
    ours = {**wider, "id": secret.uri, "attributedTo": mallory.uri}
    await said(alder, good, mallory, ours)
    ours = {**ours, "attributedTo": ana.actor.uri}
    await said(alder, good, mallory, ours)

    post = await alder.post(note["id"])
    assert post is not None
    assert (post.group_id, post.author_uri) == (sleep.id, ann.uri)
    assert "hello" in post.content
    kept = await alder.post(secret.uri)
    assert kept is not None
    assert (kept.group_id, kept.author_id) == (private.id, ana.id)
    assert "Among us." in kept.content
    assert lemmy.peer.inbox == good.inbox == []
    assert (await ask(alder, f"/p/{secret.id}")).status == 404


async def _lines(alder: Node, group: Group, *voices: Speaker) -> Sequence[str]:
    viewer = Viewer(tuple(voice.id for voice in voices), signed_in=True)
    async with alder.engine.connect() as conn:
        return [line.title for line in await browsing.latest(conn, viewer, group_id=group.id)]


async def test_sec_L1_asking_to_join_opens_nothing_to_anybody(alder: Node, ana: Speaker) -> None:
    settings = GroupSettings(sees=Sees.MEMBERS, joining=Joining.APPROVAL)
    group = await alder.group("members", ana, settings=settings)
    root = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    kay, lea = await alder.persona("kay"), await alder.persona("lea")
    for each in (kay, lea):
        async with alder.engine.begin() as conn:
            state = await membership.join(conn, alder.here, each, group)
        assert state is FollowState.PENDING
    async with alder.engine.begin() as conn:
        await membership.admit(conn, alder.here, group, lea.actor)
    assert await _lines(alder, group, lea) == ["A title"]
    assert await _lines(alder, group, kay) == []
    with pytest.raises(NotFound):
        await alder.thread(root.uri, kay.id)
    assert len((await alder.thread(root.uri, lea.id)).posts) == 1


async def test_sec_L1_what_a_group_elsewhere_shows_its_followers_alone_is_kept_for_nobody(
    alder: Node, club: Club, good: Peer
) -> None:
    ann = good.person("ann")
    followers = f"{club.group.uri}/followers"
    for audience in ([followers], [club.member.actor.uri], []):
        note = good.note(ann, "a secret", to=audience)
        await club.announce(alder, good.create(ann, note))
        assert await alder.post(note["id"]) is None
        await said(alder, good, ann, note)
        assert await alder.post(note["id"]) is None
    assert await alder.mentions("a secret") == []


async def test_sec_L10_a_blocked_domains_words_come_back_by_no_way(
    alder: Node, ana: Speaker, sleep: Group, club: Club, good: Peer, lemmy: Follower
) -> None:
    eve, ann = lemmy.person, good.person("ann")
    in_club = await club.thread(alder, lemmy.peer, eve, "from a blocked place")
    in_sleep = lemmy.peer.note(eve, "here, too", to=[PUBLIC, sleep.actor.uri], name="Pinned")
    await said(alder, lemmy.peer, eve, in_sleep)
    root = await alder.post(in_sleep["id"])
    assert root is not None
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await pins.pin(conn, alder.here, sleep, actor, root)
        await block(conn, alder.here, "lemmy.test")
    await settle(alder)
    good.inbox.clear()

    changed = {**in_club, "content": "<p>late words</p>", "updated": "2030-01-01T00:00:00Z"}
    lemmy.peer.show(changed)
    new = lemmy.peer.note(eve, "late words", to=[PUBLIC, club.group.uri])
    answer = good.note(ann, "an answer", to=[PUBLIC, club.group.uri], inReplyTo=new["id"])
    for inner in (
        lemmy.peer.activity("Update", eve, changed),
        lemmy.peer.create(eve, new),
        new["id"],
        in_club["id"],
        good.create(ann, answer),
    ):
        await club.announce(alder, inner)
    assert await good.send(alder, good.activity("Announce", ann, new["id"]), ann) == 202
    assert await lemmy.peer.send(alder, lemmy.peer.create(eve, new), eve) == 403
    await settle(alder)
    assert await alder.mentions("late words") == []
    group = await _group_of(alder, club)
    assert await _lines(alder, group, club.member) == []
    assert await _lines(alder, sleep, ana) == []
    assert json.loads((await ask(alder, "/g/sleep/featured")).body)["orderedItems"] == []


async def _group_of(alder: Node, club: Club) -> Group:
    actor = await alder.meet(club.group.uri)
    async with alder.engine.connect() as conn:
        return await group_store.get(conn, actor.id)


async def test_sec_L12_a_member_of_ours_who_is_banned_changes_no_old_post(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    kay = await alder.persona("kay")
    await alder.join(kay, sleep.actor.uri)
    root = await alder.start(kay, sleep.actor.uri, "A title", "Some words.")
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.ban(conn, alder.here, sleep, actor, kay.actor, "a reason")
    await settle(alder)
    lemmy.peer.inbox.clear()
    alder.clock.forward(minutes=2)
    with pytest.raises(NotAllowed):
        await alder.edit(kay, root.uri, "A title", "Other words.")
    await settle(alder)
    assert lemmy.peer.inbox == []
    await alder.delete(kay, root.uri)  # taking words back stays possible
    await settle(alder)
    assert {each["object"]["type"] for each in lemmy.peer.got("Announce")} == {"Delete"}


@pytest.fixture
def outbound(alder: Node, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each request that the node makes, by method and host: every one passes this one place."""
    made: list[tuple[str, str]] = []
    ask_ = Client._ask

    async def watched(self: Client, method: str, url: Url, *rest: Any) -> Answer:
        if self is alder.app[CLIENT]:
            made.append((method, url.netloc))
        return await ask_(self, method, url, *rest)

    monkeypatch.setattr(Client, "_ask", watched)
    return made


async def test_sec_L15_each_thing_goes_to_the_servers_it_is_for(
    alder: Node,
    ana: Speaker,
    sleep: Group,
    lemmy: Follower,
    mastodon: Follower,
    good: Peer,
    outbound: list[tuple[str, str]],
) -> None:
    """`good` is known, and follows nothing; ann, who lives there, is answered.

    All that leaves is looked at: what is queued, what is sent, and what is asked on the way.
    """

    async def _queued(node: Node) -> set[str]:
        async with node.engine.connect() as conn:
            found = set(await conn.scalars(sa.select(deliveries.c.host)))
        outbound.clear()
        await settle(node)
        assert {host for method, host in outbound if method == "POST"} == found
        assert {host for _, host in outbound} == found
        return found

    ann = good.person("ann")
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    await _queued(alder)
    both = {"lemmy.test", "mastodon.test"}

    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    assert await _queued(alder) == both
    await alder.reply(ana, root.uri, "And more.")
    assert await _queued(alder) == {"lemmy.test"}
    reply = await alder.reply(ana, note["id"], "You are not alone.")
    assert await _queued(alder) == {"good.test", "lemmy.test"}
    async with alder.engine.begin() as conn:
        theirs = await alder.post(note["id"])
        assert theirs is not None
        await reactions.like(conn, alder.here, ana, theirs)
    assert await _queued(alder) == {"good.test", "lemmy.test"}
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await pins.pin(conn, alder.here, sleep, actor, root)
    assert await _queued(alder) == {"lemmy.test"}
    await alder.delete(ana, reply.uri)
    assert await _queued(alder) == {"good.test", "lemmy.test"}
    async with alder.engine.begin() as conn:
        await group_store.update(
            conn, alder.here, sleep, name="Sleep", about="Words.",
            settings=GroupSettings(posts=Posts.ANYONE),
        )  # fmt: skip
    assert await _queued(alder) == both
    for sees in (Sees.MEMBERS, Sees.NODE):
        hidden = await alder.group(f"hidden_{sees}", ana, settings=GroupSettings(sees=sees))
        secret = await alder.start(ana, hidden.actor.uri, "A title", "Among us.")
        async with alder.engine.begin() as conn:
            actor = await desk.require(conn, hidden, ana)
            await pins.pin(conn, alder.here, hidden, actor, secret)
            await desk.remove(conn, alder.here, hidden, actor, secret, "a reason")
        assert await _queued(alder) == set()
    raw = b"".join((*good.raw, *lemmy.peer.raw, *mastodon.peer.raw))
    assert b"Among us." not in raw
    assert b"hidden_" not in raw


async def test_wire_G38_T12_a_server_may_ask_about_its_own_people_if_it_signs(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    ann, stranger = lemmy.person, lemmy.peer.person("stranger")
    node = lemmy.peer.person("node", kind="Application")
    hidden = await alder.group("hidden", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    path = f"/g/sleep/followers?is_follower={ann.uri}"
    unknown = await ask(alder, f"/g/nobody/followers?is_follower={ann.uri}")
    assert unknown.status == 404

    async def asked(who: Person, peer: Peer, uri: str, group: str = "sleep") -> int:
        asked_path = f"/g/{group}/followers?is_follower={uri}"
        headers = peer.signed_get(alder, who, asked_path)
        return (await ask(alder, asked_path, **headers)).status

    assert await ask(alder, path) == unknown  # nobody says who asks
    assert await asked(node, lemmy.peer, ann.uri) == 200
    assert await asked(node, lemmy.peer, stranger.uri) == 404
    assert await asked(node, lemmy.peer, f"{alder.origin}/u/ana") == 404
    assert await asked(good.person("bob"), good, ann.uri) == 404
    assert await asked(node, lemmy.peer, ann.uri, "hidden") == 404
    assert hidden.settings is not None
    wrong = lemmy.peer.signed_get(alder, node, "/g/sleep/followers?is_follower=x")
    assert (await ask(alder, path, **{**wrong, "Date": "Thu, 01 Jan 1970 00:00:00 GMT"})) == unknown
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "lemmy.test")
    assert await asked(node, lemmy.peer, ann.uri) == 404


async def test_wire_G30_an_answer_to_a_closed_thread_is_sent_back(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.lock(conn, alder.here, sleep, actor, root, "")
    await settle(alder)
    lemmy.peer.inbox.clear()
    ann = good.person("ann")
    note = good.note(ann, "one more thing", inReplyTo=root.uri)
    await said(alder, good, ann, note)
    assert await alder.post(note["id"]) is None
    assert (await last_received(alder))[0] == "done"
    (reject,) = good.inbox
    assert (reject["type"], reject["actor"]) == ("Reject", sleep.actor.uri)
    assert (reject["object"], reject["to"]) == (note["id"], [ann.uri])
    assert lemmy.peer.inbox == []


async def test_wire_G18_a_group_that_nobody_follows_boosts_posts_of_ours_only(
    alder: Node, ana: Speaker, sleep: Group, club: Club, good: Peer
) -> None:
    ours = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    theirs = await club.thread(alder, good, good.person("ann"), "hello")
    stranger = good.person("stranger", kind="Group", path="c")
    for uri in (ours.uri, theirs["id"]):
        announce = good.activity("Announce", stranger, uri)
        assert await good.send(alder, announce, stranger) == 202
    await settle(alder)
    assert await reacted(alder, ours.uri, ReactionKind.SHARE) == 1
    assert await reacted(alder, theirs["id"], ReactionKind.SHARE) == 0


async def test_wire_G16_a_group_likes_nothing_in_the_name_of_somebody_here(
    alder: Node, club: Club, good: Peer
) -> None:
    note = await club.thread(alder, good, good.person("ann"), "hello")
    actor = club.member.actor.uri
    like = {"id": f"{alder.origin}/a/1", "type": "Like", "actor": actor, "object": note["id"]}
    await club.announce(alder, like)
    assert await reacted(alder, note["id"], ReactionKind.LIKE) == 0
