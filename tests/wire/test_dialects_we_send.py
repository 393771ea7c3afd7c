"""Who gets what: boosts for some servers, wrapped activities for others (WIRE 3.4, 3.5)."""

from typing import Any

from groups import desk, reactions
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer
from tests.wire.world import Follower, followers, said


async def _moderate(alder: Node, ana: Speaker, group: Group, verb: str, uri: str) -> None:
    """What a moderator does on the pages of the node."""
    act: Any = getattr(desk, verb)
    reason = ["a reason"] if verb in ("ban", "lock", "remove") else []
    person = await alder.meet(uri) if verb in ("ban", "unban") else None
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        about = person or await post_store.by_uri(conn, uri)
        await act(conn, alder.here, group, actor, about, *reason)
    await settle(alder)


def _kinds(peer: Peer) -> list[str]:
    """What arrived, in order: `Announce` for a plain one, `Announce(Create)` for a wrapped one."""
    return [_kind(each) for each in peer.inbox]


def _kind(document: Document) -> str:
    inner = document["object"]
    if document["type"] == "Announce" and isinstance(inner, dict):
        return f"Announce({inner['type']})"
    kind: str = document["type"]
    return kind


async def test_wire_G20_T9_a_micro_server_gets_one_boost_for_each_thread_and_nothing_else(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    """A Mastodon would boost every comment, and take a group's Block for a personal one."""
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    (boost,) = mastodon.peer.inbox
    assert boost["object"] == root.uri
    assert boost["actor"] == sleep.actor.uri
    assert boost["to"] == [PUBLIC]

    reply = await alder.reply(ana, root.uri, "And another thing.")
    alder.clock.forward(minutes=2)
    await alder.edit(ana, root.uri, "A title", "Better words.")
    ann = good.person("ann")
    note = good.note(ann, "me too", inReplyTo=root.uri)
    await said(alder, good, ann, note)
    await good.send(alder, good.activity("Like", ann, root.uri), ann)
    async with alder.engine.begin() as conn:
        post = await post_store.by_uri(conn, root.uri)
        assert post is not None
        await reactions.like(conn, alder.here, ana, post)
    await alder.delete(ana, reply.uri)
    for verb, uri in (
        ("lock", root.uri),
        ("unlock", root.uri),
        ("ban", ann.uri),
        ("unban", ann.uri),
        ("remove", note["id"]),
    ):
        await _moderate(alder, ana, sleep, verb, uri)
    assert mastodon.peer.inbox == [boost]


async def test_wire_G23_G24_a_boost_is_undone_by_the_id_it_had(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    roots = [await alder.start(ana, sleep.actor.uri, "A title", "Some words.") for _ in range(2)]
    await settle(alder)
    boosts = {each["object"]: each["id"] for each in mastodon.peer.inbox}
    mastodon.peer.inbox.clear()

    await alder.delete(ana, roots[0].uri)
    await settle(alder)
    await _moderate(alder, ana, sleep, "remove", roots[1].uri)
    for undo, root in zip(mastodon.peer.inbox, roots, strict=True):
        assert undo["type"] == "Undo"
        assert undo["actor"] == sleep.actor.uri
        assert undo["object"]["type"] == "Announce"
        assert undo["object"]["id"] == boosts[root.uri]


async def test_wire_G23_the_boost_of_somebody_elses_post_is_undone_at_its_own_server_too(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    ann = good.person("ann")  # follows nobody
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    (boost,) = good.inbox
    await _moderate(alder, ana, sleep, "remove", note["id"])
    assert _kinds(good)[2:] == ["Create"]  # their author is told kindly, by the desk
    for peer in (good, mastodon.peer):
        assert _kinds(peer)[:2] == ["Announce", "Undo"]
        assert peer.inbox[1]["object"]["id"] == boost["id"]


async def test_wire_G20_G21_G22_a_1b12_server_gets_the_boost_and_then_everything_wrapped_in_order(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    assert _kinds(lemmy.peer) == ["Announce", "Announce(Create)"]
    plain, wrapped = lemmy.peer.inbox
    assert plain["object"] == root.uri
    assert wrapped["object"]["object"]["id"] == root.uri
    assert wrapped["object"]["cc"] == [sleep.actor.followers_uri]

    reply = await alder.reply(ana, root.uri, "And another thing.")
    await settle(alder)
    alder.clock.forward(minutes=2)
    await alder.edit(ana, reply.uri, "", "Better words.")
    await settle(alder)
    await alder.delete(ana, reply.uri)
    await settle(alder)
    await _moderate(alder, ana, sleep, "lock", root.uri)
    await _moderate(alder, ana, sleep, "unlock", root.uri)
    await _moderate(alder, ana, sleep, "remove", root.uri)
    assert _kinds(lemmy.peer)[2:] == [
        "Announce(Create)",
        "Announce(Update)",
        "Announce(Delete)",
        "Announce(Lock)",
        "Announce(Undo)",
        "Announce(Delete)",
        "Undo",
    ]
    by_author, lock, unlock, removal = [each["object"] for each in lemmy.peer.inbox[4:8]]
    assert "summary" not in by_author
    assert by_author["object"]["type"] == "Tombstone"
    desk_uri = f"{alder.origin}/desk/sleep"
    for each in (lock, unlock, removal):
        assert each["actor"] == desk_uri
        assert each["to"] == [PUBLIC]
        assert each["cc"] == [each["audience"]] == [sleep.actor.uri]
    assert removal["summary"] == lock["summary"] == "a reason"
    assert lock["object"] == removal["object"] == root.uri
    assert unlock["object"]["id"] == lock["id"]
    assert unlock["object"]["object"] == root.uri


async def test_wire_G33_a_ban_names_the_group_and_why(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    ann = good.person("ann")
    await good.follow(alder, ann, sleep.actor.uri)
    await settle(alder)
    lemmy.peer.inbox.clear()
    await _moderate(alder, ana, sleep, "ban", ann.uri)
    await _moderate(alder, ana, sleep, "unban", ann.uri)
    assert ann.uri not in await followers(alder, sleep.actor.uri)
    block, undo = [each["object"] for each in lemmy.peer.inbox]
    assert block["type"] == "Block"
    assert block["object"] == ann.uri
    assert block["target"] == sleep.actor.uri
    assert block["summary"] == "a reason"
    assert block["removeData"] is False
    assert (block["to"], block["cc"]) == ([PUBLIC], [sleep.actor.uri])
    assert undo["object"]["id"] == block["id"]
    assert {"to", "cc", "target", "object", "actor"} <= set(undo["object"])
    assert _kinds(good) == ["Accept", "Reject", "Create"]
    assert good.inbox[-1]["to"] == [ann.uri]  # they are told that they are out, kindly, by the desk


async def test_wire_G26_what_a_moderator_elsewhere_decides_is_passed_on(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    """WIRE-in-7."""
    mo = good.person("mo")
    actor = await alder.meet(mo.uri)
    async with alder.engine.begin() as conn:
        await group_store.add_moderator(conn, alder.here, sleep.actor, actor, 0)
    roots = [await alder.start(ana, sleep.actor.uri, "A title", "Some words.") for _ in range(2)]
    await settle(alder)
    lemmy.peer.inbox.clear()
    eve = lemmy.peer.person("eve")
    block = good.activity("Block", mo, eve.uri, target=sleep.actor.uri)
    sent = [
        good.activity("Lock", mo, roots[0].uri),
        block,
        good.activity("Undo", mo, block),
        good.activity("Delete", mo, roots[0].uri, summary="a reason"),
        good.activity("Remove", mo, roots[1].uri, target=f"{sleep.actor.uri}/outbox"),
    ]
    for document in sent:
        assert await good.send(alder, document, mo) == 202
        await settle(alder)
    assert [each["object"] for each in lemmy.peer.got("Announce")] == sent
    for root in roots:
        post = await alder.post(root.uri)
        assert post is not None
        assert not post.shown


async def test_wire_G35_being_on_the_same_server_makes_nobody_a_moderator(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    mo, ann = good.person("mo"), good.person("ann")
    note = good.note(ann, "me too", inReplyTo=root.uri)
    await said(alder, good, ann, note)
    for document in (
        good.activity("Delete", mo, note["id"], summary="a reason"),
        good.activity("Lock", mo, root.uri),
        good.activity("Remove", mo, note["id"], target=sleep.actor.uri),
        good.activity("Block", mo, ann.uri, target=sleep.actor.uri),
    ):
        await good.send(alder, document, mo)
    await settle(alder)
    page = await alder.thread(root.uri)
    assert [post.shown for post in page.posts] == [True, True]
    assert not page.root.locked


async def test_wire_G21_who_is_answered_hears_it_from_the_authors_own_server(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    note = mastodon.peer.note(mastodon.person, "hello", to=[PUBLIC, sleep.actor.uri])
    await said(alder, mastodon.peer, mastodon.person, note)
    mastodon.peer.inbox.clear()
    reply = await alder.reply(ana, note["id"], "You are not alone.")
    await settle(alder)
    (create,) = mastodon.peer.inbox
    assert (create["type"], create["actor"]) == ("Create", ana.actor.uri)
    assert create["object"]["inReplyTo"] == note["id"]
    tagged = {each["href"] for each in create["object"]["tag"]}
    assert tagged == {sleep.actor.uri, mastodon.person.uri}  # WIRE-P8, P9

    await alder.delete(ana, reply.uri)
    await settle(alder)
    delete = mastodon.peer.inbox[-1]
    assert (delete["type"], delete["actor"]) == ("Delete", ana.actor.uri)
    assert delete["object"]["id"] == reply.uri


async def test_wire_G4_a_group_that_follows_is_told_in_its_own_dialect(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    """NodeInfo is a hint; who follows, and what they send, says more (WIRE 3.5)."""
    category = good.person("category", kind="Group", path="c")
    await good.follow(alder, category, sleep.actor.uri)
    await settle(alder)
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    assert _kinds(good) == ["Accept", "Announce", "Announce(Create)"]
