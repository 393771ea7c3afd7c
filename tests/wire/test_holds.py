"""What tells how harm is done is held before a group passes it on, whoever said it (DOM-A11)."""

from typing import Any

import pytest
import sqlalchemy as sa

from groups import desk, waiting
from groups import groups as group_store
from groups.admission import Draft
from groups.groups import Group
from groups.posts import Post
from kernel.errors import Conflict, NotFound
from kernel.release import Timing
from kernel.schema.posts import PostState
from kernel.schema.tables import activities, audit, deliveries, notices
from moderation import peers, standing
from moderation.standing import Speaker
from node import worker
from tests.moderation.harm_lines import DISTRESS, HARMFUL
from tests.nodes import Node, NodeFactory, settle
from tests.peer import PUBLIC, Document, Peer
from tests.wire.world import Follower, said

DETAIL = HARMFUL[1]
DETAIL_HTML = f"<p>{DETAIL.replace('thirty', '<b>thi</b>r<span>ty</span>')}</p>"


def _updated(peer: Peer, author: Any, note: Document, words: str, minute: int) -> Document:
    changed = {**note, "content": words, "updated": f"2026-06-01T12:{minute:02}:00Z"}
    return peer.activity("Update", author, peer.show(changed), to=note["to"])


async def _decide(node: Node, group: Group, ana: Speaker, post: Post, verb: str) -> None:
    async with node.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        if verb == "release":
            await desk.release(conn, node.here, group, actor, post)
        else:
            await desk.remove(conn, node.here, group, actor, post, "")
    await settle(node)


async def _post(node: Node, uri: str) -> Post:
    found = await node.post(uri)
    assert found is not None
    return found


async def _bodies(node: Node) -> str:
    """All that the node could still pass on."""
    async with node.engine.connect() as conn:
        return "\n".join(await conn.scalars(sa.select(activities.c.body)))


async def test_dom_A11_a_post_from_elsewhere_waits_and_so_does_a_change(
    alder: Node, sleep: Group, ana: Speaker, lemmy: Follower, good: Peer
) -> None:
    kay = good.person("kay")
    note = good.note(kay, DETAIL_HTML, name="Nights", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, kay, note)
    held = await _post(alder, note["id"])
    assert held.state is PostState.HELD
    assert lemmy.peer.got("Announce") == []

    plain = _updated(good, kay, note, f"<p>{DISTRESS[0]}</p>", 1)
    assert await good.send(alder, plain, kay) == 202
    await settle(alder)
    held = await _post(alder, note["id"])
    assert held.state is PostState.HELD  # a moderator sees the newest words
    assert "florbel" not in await _bodies(alder)
    await _decide(alder, sleep, ana, held, "release")
    assert "florbel" not in str(lemmy.peer.got("Announce"))
    assert DISTRESS[0] in str(lemmy.peer.got("Announce"))

    lemmy.peer.inbox.clear()
    again = _updated(good, kay, note, DETAIL_HTML, 2)
    assert await good.send(alder, again, kay) == 202
    await settle(alder)
    held = await _post(alder, note["id"])
    assert (held.state, held.was_shown) == (PostState.HELD, True)
    assert lemmy.peer.got("Announce") == []
    await _decide(alder, sleep, ana, held, "remove")
    assert len(lemmy.peer.got("Announce", "Delete")) == 1  # others have the earlier words


async def test_dom_A11_a_change_of_ours_goes_out_once_it_was_read(
    alder: Node, sleep: Group, ana: Speaker, lemmy: Follower
) -> None:
    ben = await alder.persona("ben")
    root = await alder.start(ben, sleep.actor.uri, "Nights", DISTRESS[0])
    answer = await alder.reply(ben, root.uri, "I am still here.")
    await settle(alder)
    lemmy.peer.inbox.clear()
    changed = await alder.edit(ben, root.uri, "Nights", DETAIL)
    await settle(alder)
    assert (changed.state, changed.was_shown) == (PostState.HELD, True)
    assert lemmy.peer.inbox == []
    there = (await alder.thread(answer.uri)).posts
    assert [(each.id, each.state) for each in there] == [
        (root.id, PostState.HELD),
        (answer.id, PostState.SHOWN),
    ]

    await _decide(alder, sleep, ana, changed, "release")
    assert "florbel" in str(lemmy.peer.got("Announce", "Update"))
    assert lemmy.peer.got("Announce", "Create") == []
    assert (await _post(alder, root.uri)).was_shown is False


async def test_dom_A11_what_waited_to_go_out_is_looked_at_as_well(node: NodeFactory) -> None:
    alder = await node("alder.test", release_delay=True)
    ana, ben = await alder.persona("ana"), await alder.persona("ben")
    made = await alder.group("sleep", ana)
    await alder.join(ben, made.actor.uri)
    draft = Draft(title="Nights", source=DETAIL, language="en", guidelines=1)
    async with alder.engine.begin() as conn:
        group = await group_store.get(conn, made.id)
        await waiting.send(conn, alder.here, ben, group, None, draft, Timing(undo=10))
    alder.clock.forward(minutes=11)
    await worker.release(alder.app)
    async with alder.engine.connect() as conn:
        (held,) = await desk.held(conn, group)
        told = (await conn.execute(sa.select(notices.c.kind, notices.c.post_id))).all()
    assert held.source == DETAIL
    assert [tuple(each) for each in told] == [("held", held.id)]


async def test_mod_5_12_a_limit_holds_for_a_change_from_elsewhere_too(
    alder: Node, sleep: Group, ana: Speaker, good: Peer
) -> None:
    kay = good.person("kay")
    note = good.note(kay, "<p>Kind.</p>", name="Nights", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, kay, note)
    shown = await _post(alder, note["id"])
    async with alder.engine.begin() as conn:
        until = alder.here.now().date()
        await standing.limit(conn, sleep.id, shown.author_id, until)
    for minute, words, state in (
        (1, "<p>Kind.</p>", PostState.SHOWN), (2, "<p>Unkind.</p>", PostState.HELD),
    ):  # fmt: skip
        assert await good.send(alder, _updated(good, kay, note, words, minute), kay) == 202
        await settle(alder)
        assert (await _post(alder, note["id"])).state is state
    await _decide(alder, sleep, ana, await _post(alder, note["id"]), "release")
    assert "Unkind." in (await _post(alder, note["id"])).content


async def test_mod_5_12_what_its_author_deleted_meanwhile_stays_deleted(
    alder: Node, sleep: Group, ana: Speaker
) -> None:
    """Whoever looks after the group decides about a page that was drawn before."""
    ben = await alder.persona("ben")
    shown = await alder.start(ben, sleep.actor.uri, "Nights", DISTRESS[0])
    second = await alder.start(ben, sleep.actor.uri, "Days", DISTRESS[0])
    held = await alder.edit(ben, second.uri, "Days", DETAIL)
    assert held.state is PostState.HELD
    for each in (shown, held):
        await alder.delete(ben, each.uri)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, sleep, ana)
        with pytest.raises(Conflict):
            await desk.hold(conn, alder.here, sleep, acting, shown, "")
        with pytest.raises(NotFound):
            await desk.release(conn, alder.here, sleep, acting, held)
        for each in (shown, held):
            await desk.remove(conn, alder.here, sleep, acting, each, "a reason")
        verbs = await conn.scalars(sa.select(audit.c.verb).where(audit.c.group_id == sleep.id))
        assert not {"hold", "release", "remove"} & set(verbs)
    for each in (shown, held):
        assert (await _post(alder, each.uri)).state is PostState.DELETED


async def test_wire_A7_a_thread_that_was_changed_or_shown_again_stands_in_the_outbox_once(
    alder: Node, sleep: Group, ana: Speaker
) -> None:
    async def listed() -> list[tuple[str, str]]:
        document = await (await alder.get("/g/sleep/outbox")).json()
        inner = [each["object"] for each in document["orderedItems"]]
        said = [each["object"]["content"].rpartition("<p>")[2] for each in inner]
        return [(each["type"], words[:-4]) for each, words in zip(inner, said, strict=True)]

    ben = await alder.persona("ben")
    root = await alder.start(ben, sleep.actor.uri, "Nights", "It was long.")
    await alder.start(ben, sleep.actor.uri, "Days", "They are short.")
    created = [("Create", "They are short."), ("Create", "It was long.")]
    assert await listed() == created
    await alder.edit(ben, root.uri, "Nights", "It was very long.")
    again = ("Update", "It was very long.")
    assert await listed() == [created[0], again]
    await _decide(alder, sleep, ana, await _post(alder, root.uri), "remove")
    assert await listed() == created[:1]
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.restore(conn, alder.here, sleep, actor, await _post(alder, root.uri))
    assert await listed() == [created[0], again]


async def _aside(node: Node) -> int:
    async with node.engine.connect() as conn:
        waiting = sa.select(sa.func.count()).where(deliveries.c.parked.is_not(None))
        return await conn.scalar(waiting) or 0


async def _hold(node: Node, group: Group, ana: Speaker, uri: str) -> None:
    async with node.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        await desk.hold(conn, node.here, group, actor, await _post(node, uri), "")
    await _later(node)


async def _later(node: Node) -> None:
    """Servers that did not answer are tried again."""
    node.clock.forward(hours=12)
    await settle(node)


@pytest.mark.parametrize("local", [True, False])
async def test_mod_H12_what_has_not_left_yet_does_not_leave_while_it_is_held(
    alder: Node,
    sleep: Group,
    ana: Speaker,
    lemmy: Follower,
    mastodon: Follower,
    good: Peer,
    local: bool,
) -> None:
    """Nothing of it is lost: once a moderator shows it, whoever did not have it is told."""
    ben, kay = await alder.persona("ben"), good.person("kay")
    for follower in (lemmy, mastodon):
        follower.peer.inbox.clear()
        follower.peer.answers = [503]
    if local:
        root = await alder.start(ben, sleep.actor.uri, "Nights", "It was long.")
        uri = root.uri
    else:
        note = good.note(kay, "<p>It was long.</p>", name="Nights", to=[PUBLIC, sleep.actor.uri])
        await said(alder, good, kay, note)
        uri = note["id"]
    await settle(alder)
    await _hold(alder, sleep, ana, uri)
    for follower in (lemmy, mastodon):
        assert uri not in str(follower.peer.inbox), follower.peer.name
    assert await _aside(alder) > 0
    async with alder.engine.connect() as conn:
        waiting = await peers.listed(conn)
        assert [each.parked for each in waiting if each.parked] == [], "nothing broke the sender"
    await _decide(alder, sleep, ana, await _post(alder, uri), "release")
    await _later(alder)
    (created,) = lemmy.peer.got("Announce", "Create")
    assert "It was long." in str(created)
    assert [each["object"] for each in mastodon.peer.got("Announce", "")] == [uri]
    assert await _aside(alder) == 0


@pytest.mark.parametrize("verb", ["release", "remove"])
async def test_mod_H12_of_what_waited_only_the_newest_words_leave_if_any_do(
    alder: Node, sleep: Group, ana: Speaker, lemmy: Follower, mastodon: Follower, verb: str
) -> None:
    ben = await alder.persona("ben")
    for follower in (lemmy, mastodon):
        follower.peer.inbox.clear()
        follower.peer.answers = [503]
    root = await alder.start(ben, sleep.actor.uri, "Nights", "It was long.")
    await settle(alder)
    await _hold(alder, sleep, ana, root.uri)
    await alder.edit(ben, root.uri, "Nights", "It is over.")
    await _decide(alder, sleep, ana, await _post(alder, root.uri), verb)
    await _later(alder)
    told = str([lemmy.peer.inbox, mastodon.peer.inbox])
    assert "It was long." not in told
    assert ("It is over." in told) is (verb == "release")
    assert len(lemmy.peer.got("Announce", "Create")) == (verb == "release")
    assert len(mastodon.peer.got("Announce", "")) == (verb == "release")
    assert await _aside(alder) == 0
