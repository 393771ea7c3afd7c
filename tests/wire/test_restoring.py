"""A removed post is shown again (WIRE-G34, WIRE-G36)."""

from groups import desk, hiding
from groups import groups as group_store
from groups.groups import Group
from kernel.schema.posts import PostState
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire import strict
from tests.wire.world import Club, Follower, last_received, said


async def _decide(alder: Node, ana: Speaker, group: Group, uri: str, *, shown: bool) -> None:
    post = await alder.post(uri)
    assert post is not None
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        if shown:
            await desk.restore(conn, alder.here, group, actor, post)
        else:
            await desk.remove(conn, alder.here, group, actor, post, "a reason")
    await settle(alder)


async def _state(alder: Node, uri: str) -> PostState:
    post = await alder.post(uri)
    assert post is not None
    return post.state


async def _send(alder: Node, peer: Peer, document: Document, actor: Person) -> str:
    assert await peer.send(alder, document, actor) == 202
    await settle(alder)
    return (await last_received(alder))[0]


async def _moderator(alder: Node, group: Group, peer: Peer) -> Person:
    person = peer.person("mo")
    actor = await alder.meet(person.uri)
    async with alder.engine.begin() as conn:
        await group_store.add_moderator(conn, alder.here, group.actor, actor, 0)
    return person


async def test_wire_G34_a_removal_is_undone_in_each_dialect(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    reply = await alder.reply(ana, root.uri, "And more.")
    await settle(alder)
    (boost,) = mastodon.peer.got("Announce")
    for uri in (root.uri, reply.uri):
        await _decide(alder, ana, sleep, uri, shown=False)
    (delete,) = [
        each["object"]
        for each in lemmy.peer.got("Announce", "Delete")
        if each["object"]["object"] == root.uri
    ]
    lemmy.peer.inbox.clear()
    mastodon.peer.inbox.clear()
    for uri in (root.uri, reply.uri):
        await _decide(alder, ana, sleep, uri, shown=True)

    undo = lemmy.peer.got("Announce", "Undo")[0]["object"]
    assert undo["actor"] == f"{alder.origin}/desk/sleep"
    assert undo["object"]["id"] == delete["id"]
    assert undo["object"]["summary"] == delete["summary"] == "a reason"
    updates = [each["object"]["object"]["id"] for each in lemmy.peer.got("Announce", "Update")]
    assert updates == [root.uri, reply.uri]
    (again,) = mastodon.peer.inbox
    assert (again["type"], again["object"]) == ("Announce", root.uri)
    assert again["id"] != boost["id"]
    for document in lemmy.peer.inbox:
        strict.check(document)
        assert strict.unmapped(document) == set()
    page = await alder.thread(root.uri)
    assert [post.shown for post in page.posts] == [True, True]


async def test_wire_G34_a_moderator_elsewhere_shows_a_post_again(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    mo, ann = await _moderator(alder, sleep, good), good.person("ann")
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri], name="Hello")
    await said(alder, good, ann, note)
    delete = good.activity("Delete", mo, note["id"], summary="a reason")
    assert await _send(alder, good, delete, mo) == "done"
    assert await _state(alder, note["id"]) is PostState.REMOVED
    theft = good.activity("Undo", ann, {**delete, "actor": ann.uri})
    assert await _send(alder, good, theft, ann) == "refused"
    assert await _state(alder, note["id"]) is PostState.REMOVED
    lemmy.peer.inbox.clear()
    undo = good.activity("Undo", mo, delete)
    assert await _send(alder, good, undo, mo) == "done"
    assert await _state(alder, note["id"]) is PostState.SHOWN
    announced = [each["object"] for each in lemmy.peer.got("Announce")]
    assert len(announced) == 2
    assert note["id"] in announced
    assert undo in announced


async def test_wire_G34_what_its_author_took_back_stays_away(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    mo, ann = await _moderator(alder, sleep, good), good.person("ann")
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    own = good.activity("Delete", ann, note["id"])
    assert await _send(alder, good, own, ann) == "done"
    delete = good.activity("Delete", mo, note["id"], summary="a reason")
    for actor, what in ((ann, own), (mo, delete)):
        undo = good.activity("Undo", actor, what)
        assert await _send(alder, good, undo, actor) == "refused"
    assert await _state(alder, note["id"]) is PostState.DELETED


async def test_wire_Q3_a_removal_that_comes_after_its_undo_is_void(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    mo = await _moderator(alder, sleep, good)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    delete = good.activity("Delete", mo, root.uri, summary="a reason")
    await _send(alder, good, good.activity("Undo", mo, delete), mo)
    await _send(alder, good, delete, mo)
    assert await _state(alder, root.uri) is PostState.SHOWN


async def test_wire_G34_a_followed_group_shows_its_post_again(
    alder: Node, club: Club, good: Peer
) -> None:
    note = await club.thread(alder, good, good.person("ann"), "hello")
    mo, mallory = club.peer.person("mo"), good.person("mallory")
    delete = club.peer.activity("Delete", mo, note["id"], summary="a reason")
    await club.announce(alder, delete)
    assert await _state(alder, note["id"]) is PostState.REMOVED
    await club.announce(alder, good.activity("Undo", mallory, {**delete, "actor": mallory.uri}))
    assert await _state(alder, note["id"]) is PostState.REMOVED
    await club.announce(alder, club.peer.activity("Undo", mo, delete))
    assert await _state(alder, note["id"]) is PostState.SHOWN


async def test_wire_G34_what_this_node_hid_no_group_elsewhere_shows_again(
    alder: Node, club: Club, good: Peer
) -> None:
    note = await club.thread(alder, good, good.person("ann"), "hello")
    post = await alder.post(note["id"])
    assert post is not None
    async with alder.engine.begin() as conn:
        await hiding.hide(conn, alder.here, post, "Unkind")
    mo = club.peer.person("mo")
    delete = club.peer.activity("Delete", mo, note["id"], summary="a reason")
    await club.announce(alder, delete)
    await club.announce(alder, club.peer.activity("Undo", mo, delete))
    assert (await last_received(alder))[0] == "done"  # their part of it is over, ours is not
    assert await _state(alder, note["id"]) is PostState.REMOVED


async def test_wire_G36_a_removal_may_name_the_whole_thread(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    mo = await _moderator(alder, sleep, good)
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    other = good.person("other")
    for actor, ends in ((other, "refused"), (mo, "done")):
        document = good.activity("Remove", actor, root.thread_uri, target=sleep.actor.uri)
        assert await _send(alder, good, document, actor) == ends
    assert await _state(alder, root.uri) is PostState.REMOVED
