"""A group that not everyone may see is not there for other servers (WIRE-T12, SEC-L2, SEC-L6)."""

import json

import pytest
import sqlalchemy as sa

from groups import groups as group_store
from groups import reactions
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.schema.groups import Posts, Sees
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import activities, actors, deliveries, groups
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer
from tests.wire.world import Follower, ask, followers, reacted


@pytest.fixture
async def hidden(alder: Node, ana: Speaker) -> Group:
    settings = GroupSettings(sees=Sees.NODE, posts=Posts.ANYONE)
    return await alder.group("hidden", ana, settings=settings)


async def test_wire_A7_a_count_says_nothing_of_groups_that_not_everybody_sees(
    alder: Node, ana: Speaker, sleep: Group, hidden: Group
) -> None:
    """Here or elsewhere (SEC-L2, MOD-5.6)."""
    for group in (sleep, hidden):
        await alder.start(ana, group.actor.uri, "A title", "Some words.")

    async def shown() -> object:
        path = ana.actor.uri.removeprefix(alder.origin)
        return json.loads((await ask(alder, f"{path}/outbox")).body)["totalItems"]

    assert await shown() == 1
    async with alder.engine.begin() as conn:  # as a circle of another server is known here
        await conn.execute(sa.delete(groups).where(groups.c.actor_id == hidden.id))
        circle = sa.update(actors).where(actors.c.id == hidden.id)
        await conn.execute(circle.values(members_only=True, local=False))
    assert await shown() == 1


def _addresses(name: str, post: int) -> list[str]:
    finger = "/.well-known/webfinger?resource="
    return [
        f"/g/{name}",
        *(f"/g/{name}/{part}" for part in ("followers", "following", "outbox", "featured")),
        f"/g/{name}/moderators",
        f"/desk/{name}",
        f"/desk/{name}/outbox",
        f"/desk/{name}/followers",
        f"{finger}acct:{name}@alder.test",
        f"{finger}acct:{name}_desk@alder.test",
        f"{finger}http://alder.test/g/{name}",
        f"{finger}http://alder.test/desk/{name}",
        f"/p/{post}",
        f"/p/{post}/replies",
        f"/p/{post}/replies?after=0",
        f"/t/{post}",
        f"/t/{post}?after=0",
    ]


async def test_wire_T12_a_closed_group_answers_as_one_that_never_was(
    alder: Node, ana: Speaker, hidden: Group
) -> None:
    members = await alder.group("members", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    for group in (hidden, members):
        root = await alder.start(ana, group.actor.uri, "A title", "Some words.")
        gone = await alder.start(ana, group.actor.uri, "A title", "Some words.")
        await alder.delete(ana, gone.uri)
        for post in (root, gone):
            for real, unknown in zip(
                _addresses(group.actor.handle, post.id), _addresses("nobody", 7), strict=True
            ):
                answer = await ask(alder, real)
                assert answer.status == 404, real
                assert answer == await ask(alder, unknown), real


async def test_wire_T12_nothing_of_a_closed_group_leaves(
    alder: Node, ana: Speaker, hidden: Group, good: Peer
) -> None:
    ann = good.person("ann")
    await good.follow(alder, ann, hidden.actor.uri)
    root = await alder.start(ana, hidden.actor.uri, "A title", "Some words.")
    reply = await alder.reply(ana, root.uri, "And another thing.")
    alder.clock.forward(minutes=2)
    await alder.edit(ana, reply.uri, "", "Better words.")
    await _like(alder, ana, root)
    await alder.delete(ana, reply.uri)
    await settle(alder)
    assert good.inbox == []
    assert await followers(alder, hidden.actor.uri) == {ana.actor.uri}
    async with alder.engine.connect() as conn:
        for table in (activities, deliveries):
            assert await conn.scalar(sa.select(sa.func.count()).select_from(table)) == 0


async def _like(alder: Node, ana: Speaker, root: Post) -> None:
    async with alder.engine.begin() as conn:
        await reactions.like(conn, alder.here, ana, root)


async def test_wire_T12_nothing_from_elsewhere_enters_a_closed_group(
    alder: Node, ana: Speaker, hidden: Group, good: Peer
) -> None:
    root = await alder.start(ana, hidden.actor.uri, "A title", "Some words.")
    ann = good.person("ann")
    notes = [
        good.note(ann, "hello", inReplyTo=root.uri),
        good.note(ann, "hello", to=[PUBLIC, hidden.actor.uri]),
    ]
    sent = [
        *(good.create(ann, note) for note in notes),
        good.activity("Like", ann, root.uri),
        good.activity("Announce", ann, root.uri),
    ]
    for document in sent:
        assert await good.send(alder, document, ann, path="/g/hidden/inbox") == 202
        assert await good.send(alder, document, ann, path="/g/nobody/inbox") == 202
    await settle(alder)
    assert [await alder.post(note["id"]) for note in notes] == [None, None]
    for kind in ReactionKind:
        assert await reacted(alder, root.uri, kind) == 0


async def test_wire_T12_what_an_open_group_said_is_not_served_once_it_closes(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    announce = lemmy.peer.got("Announce", "Create")[0]
    paths = [
        uri.removeprefix(alder.origin)
        for uri in (announce["id"], announce["object"]["id"], root.uri, sleep.actor.uri)
    ]
    assert [(await ask(alder, path)).status for path in paths] == [200] * 4
    async with alder.engine.begin() as conn:
        await group_store.update(
            conn,
            alder.here,
            sleep,
            name="Sleep",
            about="A group.",
            settings=GroupSettings(sees=Sees.MEMBERS),
        )
    unknown = await ask(alder, "/a/00000000-0000-4000-8000-000000000000")
    for path in paths:
        assert await ask(alder, path) == unknown
