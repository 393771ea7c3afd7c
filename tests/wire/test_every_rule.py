"""Rules that are small enough to be seen at one glance, each by its name (WIRE 1, 2, 3, 6, 8)."""

import json
from collections.abc import Awaitable, Callable

import pytest
import sqlalchemy as sa
from aiohttp import web

from activitypub import actors as actor_store
from activitypub.keys import generate
from groups import desk, reactions
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel.errors import Problem
from kernel.schema.actors import ActorKind
from kernel.schema.federation import ReceivedState
from kernel.schema.groups import Posts
from kernel.schema.tables import actors
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer, PeerFactory
from tests.wire.world import Follower, ask, followers, last_received, said


async def test_wire_A1_A2_a_name_is_plain_and_belongs_to_one_actor(
    alder: Node, sleep: Group
) -> None:
    for handle in ("sleep", "Sleep well", "é", "a" * 31, "", "a.b"):
        with pytest.raises(Problem):
            async with alder.engine.begin() as conn:
                await actor_store.create_local(
                    conn,
                    alder.here,
                    kind=ActorKind.PERSON,
                    handle=handle,
                    name="Somebody",
                    keys=generate(),
                )


async def test_wire_A12_A13_A21_an_actor_states_its_name_and_asks_not_to_be_indexed(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    for path, handle, listed in (("/u/ana", "ana", False), ("/g/sleep", "sleep", True)):
        answer = await ask(alder, path)  # no signature
        document = json.loads(answer.body)
        assert document["webfinger"] == f"{handle}@{alder.name}"
        assert document["discoverable"] is listed
        assert document["indexable"] is False
        assert document["publicKey"]["publicKeyPem"]


async def test_wire_A22_a_page_on_another_server_is_not_linked(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann", url="http://elsewhere.test/ann")
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri], url="http://elsewhere.test/1")
    await said(alder, good, ann, note)
    kept = await alder.post(note["id"])
    assert kept is not None
    assert kept.url != "http://elsewhere.test/1"
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(actors.c.url).where(actors.c.uri == ann.uri)) is None


async def test_wire_A23_a_group_that_changes_tells_every_followers_server(
    alder: Node, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    async with alder.engine.begin() as conn:
        await group_store.update(
            conn,
            alder.here,
            sleep,
            name="Sleep well",
            about="*A* group.",
            settings=GroupSettings(posts=Posts.ANYONE),
        )
    await settle(alder)
    for follower in (lemmy, mastodon):
        (update,) = follower.peer.got("Update")
        assert update["object"]["name"] == "Sleep well"


async def test_wire_B13_a_refusal_is_a_problem_document(alder: Node, good: Peer) -> None:
    answer = await ask(alder, "/p/1")
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert json.loads(answer.body)["status"] == 404


async def test_wire_B15_every_request_of_ours_says_who_asks(
    alder: Node, ana: Speaker, sleep: Group, peer: PeerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents: list[str] = []

    def watched(
        method: Callable[[Peer, web.Request], Awaitable[web.Response]],
    ) -> Callable[[Peer, web.Request], Awaitable[web.Response]]:
        async def watch(self: Peer, request: web.Request) -> web.Response:
            agents.append(f"{request.method} {request.headers['User-Agent']}")
            return await method(self, request)

        return watch

    monkeypatch.setattr(Peer, "_show", watched(Peer._show))
    monkeypatch.setattr(Peer, "_take", watched(Peer._take))
    birch = await peer("birch.test", alder)
    await birch.follow(alder, birch.person("ben"), sleep.actor.uri)
    await settle(alder)
    assert {agent.partition(" ")[0] for agent in agents} == {"GET", "POST"}
    for agent in agents:
        assert agent.partition(" ")[2].startswith("Hearthold/")
        assert f"(+{alder.origin}/)" in agent


async def test_wire_G25_G34_likes_and_removals_take_the_shapes_that_lemmy_reads(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    own = await alder.start(ana, sleep.actor.uri, "Another", "Some words.")
    async with alder.engine.begin() as conn:
        await reactions.like(conn, alder.here, ana, root)
    await settle(alder)
    (like,) = lemmy.peer.got("Announce", "Like")
    assert like["object"]["object"] == root.uri
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.remove(conn, alder.here, sleep, actor, root, "a reason")
    await alder.delete(ana, own.uri)
    await settle(alder)
    removed, deleted = (
        next(
            each["object"]
            for each in lemmy.peer.got("Announce", "Delete")
            if post.uri in json.dumps(each["object"])
        )
        for post in (root, own)
    )
    assert removed["summary"] == "a reason"
    assert "summary" not in deleted


async def test_wire_G30_a_locked_thread_says_so_and_takes_no_answer(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    path = root.uri.removeprefix(alder.origin)
    assert json.loads((await ask(alder, path)).body)["commentsEnabled"] is True
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.lock(conn, alder.here, sleep, actor, root, "a reason")
    assert json.loads((await ask(alder, path)).body)["commentsEnabled"] is False
    ann = good.person("ann")
    late = good.note(ann, "too late", inReplyTo=root.uri)
    await said(alder, good, ann, late)
    assert await alder.post(late["id"]) is None


async def test_wire_P5_a_reply_has_no_title_and_a_title_is_one_line(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    root = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri], name="two\n lines" + "x" * 300)
    await said(alder, good, ann, root)
    kept = await alder.post(root["id"])
    assert kept is not None
    assert kept.title.startswith("two lines")
    assert len(kept.title) <= 200
    reply = await alder.reply(ana, root["id"], "Hello.")
    answer = await ask(alder, reply.uri.removeprefix(alder.origin))
    assert "name" not in json.loads(answer.body)


async def test_wire_P9_every_post_mentions_its_group(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    reply = await alder.reply(ana, root.uri, "And more.")
    for post in (root, reply):
        document = json.loads((await ask(alder, post.uri.removeprefix(alder.origin))).body)
        mentioned = {tag["href"] for tag in document["tag"] if tag["type"] == "Mention"}
        assert sleep.actor.uri in mentioned


async def test_wire_Q1_one_server_hears_once_however_many_follow(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    for handle in ("bea", "cay"):
        await lemmy.peer.follow(alder, lemmy.peer.person(handle), sleep.actor.uri)
    await settle(alder)
    assert len(await followers(alder, sleep.actor.uri)) >= 3
    lemmy.peer.inbox.clear()
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    assert len(lemmy.peer.got("Announce", "")) == 1
    assert len(lemmy.peer.got("Announce", "Create")) == 1


async def test_wire_Q2_what_came_is_known_for_a_month(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    create = await said(alder, good, ann, note)
    alder.clock.forward(days=29)
    assert await good.send(alder, create, ann) == 202
    assert (await last_received(alder))[0] == ReceivedState.DONE


async def test_wire_Q11_Q12_what_is_gone_answers_410_and_its_inbox_never_does(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await alder.delete(ana, root.uri)
    answer = await ask(alder, root.uri.removeprefix(alder.origin))
    assert answer.status == 410
    tombstone = json.loads(answer.body)
    assert tombstone["type"] == "Tombstone"
    assert not {"attributedTo", "context", "audience"} & tombstone.keys()
    ann = good.person("ann")
    for path in ("/inbox", "/u/ana/inbox", "/u/nobody/inbox", "/g/nothing/inbox"):
        like = good.activity("Like", ann, root.uri)
        assert await good.send(alder, like, ann, path=path) not in (410, 418), path
