"""Signs and full groups over the wire (DOM-A13, DOM-B3)."""

import pytest
import sqlalchemy as sa

from activitypub.vocab import Document
from groups import groups as group_store
from groups import reactions, room
from groups.groups import Group
from kernel.schema.posts import Feeling
from kernel.schema.tables import groups
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, settle
from tests.peer import Peer
from tests.wire.world import Club, Follower


async def _signs(node: Node, uri: str) -> list[tuple[str, Feeling | None]]:
    post = await node.post(uri)
    assert post is not None
    async with node.engine.connect() as conn:
        return [(sign.name, sign.feeling) for sign in await reactions.signs_for(conn, post)]


async def test_wire_G25_a_sign_travels_as_a_like_with_an_emoji_and_back_again(
    node: NodeFactory, alder: Node, ana: Speaker, sleep: Group
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder, birch)
    there = await birch.post(root.uri)
    assert there is not None
    for feeling in (Feeling.THINKING, Feeling.SAME_HERE):
        async with birch.engine.begin() as conn:
            await reactions.like(conn, birch.here, ben, there, feeling)
        await settle(alder, birch)
        assert await _signs(alder, root.uri) == [("Ben", feeling)]
    async with birch.engine.begin() as conn:
        await reactions.unlike(conn, birch.here, ben, there)
    await settle(alder, birch)
    assert await _signs(alder, root.uri) == []


def _like(peer: Peer, kind: str, who: Follower, uri: str, **extra: str) -> Document:
    return peer.activity(kind, who.person, uri, **extra)


@pytest.mark.parametrize(
    ("kind", "content", "feeling"),
    [
        ("Like", None, None),
        ("Like", "🙏🏽", Feeling.THANK_YOU),
        ("EmojiReact", "🫂", Feeling.WITH_YOU),
        ("EmojiReact", "🦄", None),
    ],
)
async def test_wire_in_5_reactions_of_other_servers_are_read_for_the_author(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower,
    kind: str, content: str | None, feeling: Feeling | None,
) -> None:  # fmt: skip
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    extra = {"content": content} if content else {}
    sign = _like(mastodon.peer, kind, mastodon, root.uri, **extra)
    assert await mastodon.peer.send(alder, sign, mastodon.person) == 202
    await settle(alder)
    assert [each for _, each in await _signs(alder, root.uri)] == [feeling]


async def test_wire_G16_a_sign_that_a_group_passed_on_names_nobody(
    alder: Node, club: Club, good: Peer
) -> None:
    post = await alder.start(club.member, club.group.uri, "A title", "Some words.")
    await settle(alder)
    ann = good.person("ann")
    like = good.activity("Like", ann, post.uri, content="🙏")
    await club.announce(alder, like)
    found = await alder.post(post.uri)
    assert found is not None
    assert found.likes == 1
    assert await _signs(alder, post.uri) == []
    assert await good.send(alder, like, ann) == 202  # her own server says so as well
    await settle(alder)
    assert [feeling for _, feeling in await _signs(alder, post.uri)] == [Feeling.THANK_YOU]


async def test_wire_G1_a_follow_of_a_full_group_waits_for_its_accept(
    alder: Node, sleep: Group, good: Peer
) -> None:
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(groups).where(groups.c.actor_id == sleep.id).values(cap=1))
    first, second = good.person("first"), good.person("second")
    reader = good.person("reader", kind="Service")
    for who in (first, second, reader):
        await good.follow(alder, who, sleep.actor.uri)
    await settle(alder)

    def accepted() -> list[str]:
        return [each["object"]["actor"] for each in good.got("Accept")]

    assert accepted() == [reader.uri]  # its founder fills it; a server's reader is nobody
    assert not await room.let_in(alder.engine, alder.here)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(groups).where(groups.c.actor_id == sleep.id).values(cap=2))
    assert await room.let_in(alder.engine, alder.here)
    await settle(alder)
    assert accepted() == [reader.uri, first.uri]
    async with alder.engine.connect() as conn:
        group = await group_store.get(conn, sleep.id)
        assert [each.uri for _, each in await room.waiting(conn, group)] == [second.uri]


async def test_who_joins_from_elsewhere_is_sent_the_guidelines_once(
    alder: Node, ana: Speaker, good: Peer, lemmy: Follower
) -> None:
    group = await alder.group("rules", ana, rules="Be *kind*.")
    bo = good.person("bo")
    for _ in range(2):
        await good.follow(alder, bo, group.actor.uri)
        await settle(alder)
    (create,) = good.got("Create")
    note = create["object"]
    assert (create["actor"], note["attributedTo"]) == (group.actor.uri, group.actor.uri)
    assert create["to"] == note["to"] == [bo.uri]
    assert create["cc"] == note["cc"] == []
    assert note["tag"] == [{"type": "Mention", "href": bo.uri, "name": "@bo@good.test"}]
    assert "Be <em>kind</em>." in note["content"]
    assert f"{alder.origin}/g/rules/guidelines" in note["content"]
    await lemmy.peer.follow(alder, lemmy.person, group.actor.uri)
    await settle(alder)
    assert not lemmy.peer.got("Create")  # its server shows its people the group's own page
    await good.follow(alder, good.person("robot", kind="Service"), group.actor.uri)
    await settle(alder)
    assert len(good.got("Create")) == 1
