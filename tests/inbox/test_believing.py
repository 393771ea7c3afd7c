"""Who is believed, about what (SECURITY 1): forged, stale and borrowed words change nothing."""

import json
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from activitypub import remote
from groups import desk
from kernel.errors import Malformed
from kernel.schema.actors import ActorState
from kernel.schema.federation import Scheme
from kernel.schema.tables import actors, domain_blocks, posts, received
from moderation import domains
from moderation.impact import Seen
from node import commands
from tests.nodes import Node, NodeFactory, block, settle
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person


async def _count(node: Node, table: sa.Table) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def _states(node: Node) -> list[tuple[str, str]]:
    async with node.engine.connect() as conn:
        rows = await conn.execute(sa.select(received.c.state, received.c.reason))
        return [(state, reason) for state, reason in rows]


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


@pytest.fixture
async def good(peer: PeerFactory, alder: Node) -> Peer:
    made: Peer = await peer("good.test", alder)
    return made


@pytest.fixture
async def evil(peer: PeerFactory, alder: Node) -> Peer:
    made: Peer = await peer("evil.test", alder)
    return made


async def test_sec_S1_an_activity_signed_by_somebody_else_is_refused_before_any_handler(
    alder: Node, good: Peer, evil: Peer
) -> None:
    """WIRE-S6."""
    ann, mallory = good.person("ann"), evil.person("mallory")
    group = await alder.group("sleep")
    follow = good.activity("Follow", ann, group.actor.uri)

    assert await evil.send(alder, follow, mallory) == 401
    assert await _count(alder, received) == 0
    assert await good.send(alder, follow, ann) == 202  # the same, signed by its actor


async def test_sec_S9_an_unsigned_activity_that_looks_like_a_genuine_one_is_dropped(
    alder: Node, good: Peer, evil: Peer
) -> None:
    """Nothing is fetched to put it right: neither what came nor what is there has an effect."""
    ann, mallory = good.person("ann"), evil.person("mallory")
    group = await alder.group("sleep")
    note = good.note(ann, "what Ann wrote", to=[PUBLIC, group.actor.uri])
    genuine = good.show(good.create(ann, note))
    good.fetched.clear()
    bent = {**genuine, "object": {**note, "content": "<p>bent</p>"}}

    assert await good.send(alder, bent, None) == 401
    assert await evil.send(alder, bent, mallory) == 401
    assert await evil.send(alder, bent, mallory, key_id=ann.key_id) == 401
    await settle(alder)
    assert await _count(alder, received) == 0
    assert await alder.post(note["id"]) is None
    assert genuine["id"].removeprefix(good.origin) not in good.fetched
    assert note["id"].removeprefix(good.origin) not in good.fetched


@pytest.mark.slow
async def test_sec_S9_what_a_group_passes_on_by_id_is_read_and_nothing_else(
    alder: Node, good: Peer, evil: Peer
) -> None:
    """Only the copy from its own server acts, whatever came along with the id."""
    ann = good.person("ann")
    group = evil.person("club", kind="Group", path="c")
    kay = await alder.persona("kay")
    await alder.join(kay, group.uri)
    await settle(alder)
    await evil.send(alder, evil.activity("Accept", group, evil.got("Follow")[0]), group)
    note = good.note(ann, "what Ann wrote", to=[PUBLIC, group.uri])
    genuine = good.show(good.create(ann, note))
    bent = {**genuine, "object": {**note, "content": "<p>bent</p>", "name": "bent"}}

    await evil.send(alder, evil.activity("Announce", group, bent), group)
    await settle(alder)
    post = await alder.post(note["id"])
    assert post is not None
    assert "what Ann wrote" in post.content
    assert await alder.mentions("bent") == []


async def test_sec_S5_an_update_from_another_server_changes_nothing(
    alder: Node, good: Peer, evil: Peer
) -> None:
    ann, mallory = good.person("ann"), evil.person("mallory")
    root = await _thread(alder, good, ann)
    forged = {**root, "content": "<p>forged</p>", "updated": "2030-01-01T00:00:00Z"}

    update = evil.activity("Update", mallory, forged)
    assert await evil.send(alder, update, mallory) == 202
    await settle(alder)

    post = await alder.post(root["id"])
    assert post is not None
    assert "forged" not in post.content


@pytest.mark.parametrize(
    "owner", ["other", "both", "object", "two ids", "object of two ids", "neighbour"]
)
async def test_sec_S7_a_post_has_one_owner_on_its_own_server(
    alder: Node, good: Peer, evil: Peer, owner: str
) -> None:
    ann, mallory = good.person("ann"), evil.person("mallory")
    group = await alder.group("sleep")
    await evil.follow(alder, mallory, group.actor.uri)
    await settle(alder)
    claims: dict[str, object] = {
        "other": ann.uri,
        "both": [mallory.uri, ann.uri],
        "object": [{"type": "Person", "id": ann.uri}],
        "two ids": [mallory.uri, {"id": mallory.uri + "2"}],
        "object of two ids": {"id": [mallory.uri, ann.uri]},
        "neighbour": evil.person("neighbour").uri,
    }
    note = evil.note(mallory, "hello", to=[PUBLIC, group.actor.uri])
    note["attributedTo"] = claims[owner]

    assert await evil.send(alder, evil.create(mallory, note), mallory) == 202
    await settle(alder)

    assert await _count(alder, posts) == 0


async def test_sec_S7_a_post_that_names_no_owner_is_its_senders_and_on_their_server(
    alder: Node, good: Peer, evil: Peer
) -> None:
    mallory = evil.person("mallory")
    group = await alder.group("sleep")
    await evil.follow(alder, mallory, group.actor.uri)
    note = evil.note(mallory, "hello", to=[PUBLIC, group.actor.uri])
    del note["attributedTo"]
    borrowed = {**note, "id": f"{good.origin}/notes/1"}
    for sent in (borrowed, note):
        assert await evil.send(alder, evil.create(mallory, sent), mallory) == 202
        await settle(alder)
    assert await alder.post(borrowed["id"]) is None
    post = await alder.post(note["id"])
    assert post is not None
    assert post.author_uri == mallory.uri


async def test_sec_S15_the_same_request_twice_has_one_effect(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    group = await alder.group("sleep")
    await good.follow(alder, ann, group.actor.uri)
    create = good.create(ann, good.note(ann, "once", to=[PUBLIC, group.actor.uri]))
    now = alder.clock()

    assert await good.send(alder, create, ann, date=now) == 202
    assert await good.send(alder, create, ann, date=now) == 202
    await settle(alder)
    assert await _count(alder, posts) == 1

    alder.clock.forward(minutes=70)
    assert await good.send(alder, create, ann, date=now) == 401


async def test_sec_S13_stale_and_future_requests_are_refused(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    like = good.activity("Like", ann, f"{alder.origin}/p/1")
    for minutes, status in ((-70, 401), (70, 401), (-55, 202), (55, 202)):
        date = alder.clock() + timedelta(minutes=minutes)
        assert await good.send(alder, like, ann, date=date) == status, minutes


async def test_sec_S14_a_changed_body_is_refused(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    like = json.dumps(good.activity("Like", ann, f"{alder.origin}/p/1")).encode()
    wrong = {"Digest": "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}

    assert await good.send(alder, like, ann, headers=wrong) == 401
    assert await good.send(alder, like, ann) == 202


@pytest.mark.parametrize("name", ["inbox", "u/kay/inbox", "g/sleep/inbox", "desk/sleep/inbox"])
async def test_sec_S11_an_unsigned_post_is_refused_at_every_inbox(
    alder: Node, good: Peer, name: str
) -> None:
    ann = good.person("ann")
    like = good.activity("Like", ann, f"{alder.origin}/p/1")
    assert await good.send(alder, like, None, path=f"/{name}") == 401


async def test_sec_S12_a_request_signed_for_another_server_is_refused(
    alder: Node, node: NodeFactory, good: Peer
) -> None:
    birch = await node("birch.test")
    ann = good.person("ann")
    like = good.activity("Like", ann, f"{alder.origin}/p/1")

    assert await good.send(alder, like, ann, headers={"Host": "birch.test"}) == 401
    assert await good.send(birch, like, ann) == 202


async def test_sec_S19_nobody_elsewhere_can_pass_as_one_of_ours(alder: Node, evil: Peer) -> None:
    kay = await alder.persona("kay")
    mallory = evil.person("mallory")
    before = await _actor_row(alder, kay.actor.uri)
    for host in ("ALDER.test", "alder.test:80", "alder.test.", "alder%2etest", "x@alder.test"):
        like = evil.activity("Like", mallory, f"{alder.origin}/p/1")
        like["actor"] = f"http://{host}/u/kay"
        status = await evil.send(alder, like, mallory, key_id=f"http://{host}/u/kay#main-key")
        assert status in (400, 401), host
    assert await _actor_row(alder, kay.actor.uri) == before


async def test_sec_S6_an_actor_cannot_take_a_name_of_ours_over(alder: Node, evil: Peer) -> None:
    kay = await alder.persona("kay")
    mallory = evil.person("mallory")
    document = mallory.document()
    document["publicKey"] |= {"id": kay.actor.key_id}
    evil.show(document)
    before = await _actor_row(alder, kay.actor.uri)

    update = evil.activity("Update", mallory, document)
    assert await evil.send(alder, update, mallory) == 401
    assert await _actor_row(alder, kay.actor.uri) == before


async def _actor_row(node: Node, uri: str) -> tuple[object, ...]:
    async with node.engine.connect() as conn:
        return tuple((await conn.execute(sa.select(actors).where(actors.c.uri == uri))).one())


async def test_sec_S20_a_blocked_domain_is_refused_before_its_body_is_read(
    alder: Node, evil: Peer
) -> None:
    mallory = evil.person("mallory")
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "evil.test", "harassment")

    fetched = len(evil.fetched)
    assert await evil.send(alder, b"this is not even JSON", mallory) == 403
    assert len(evil.fetched) == fetched
    async with alder.engine.begin() as conn:
        await domains.forget(conn, alder.here, "evil.test")
    assert await evil.send(alder, b"this is not even JSON", mallory) == 400
    assert await _count(alder, domain_blocks) == 0


@pytest.mark.parametrize("state", [ActorState.SUSPENDED, ActorState.CLOSED])
async def test_sec_S20_somebody_suspended_or_gone_is_refused_whatever_is_remembered(
    alder: Node, good: Peer, state: ActorState
) -> None:
    """Their key was good a moment ago, in memory too; their neighbours are heard as before."""
    ann, bob = good.person("ann"), good.person("bob")
    await alder.group("sleep")
    for person in (ann, bob):
        like = good.activity("Like", person, f"{alder.origin}/p/1")
        for scheme in (Scheme.CAVAGE, Scheme.RFC9421):
            like["id"] += "/again"
            assert await good.send(alder, like, person, scheme=scheme) == 202
    before = await _count(alder, received)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(actors).where(actors.c.uri == ann.uri).values(state=state))
    good.shown["/u/ann"] = 410
    for path in ("/inbox", "/g/sleep/inbox"):
        for kind in ("Like", "Follow", "Create"):
            refused = good.activity(kind, ann, f"{alder.origin}/g/sleep")
            assert await good.send(alder, refused, ann, path=path) in (401, 403)
    assert await _count(alder, received) == before
    heard = good.activity("Like", bob, f"{alder.origin}/p/1")
    assert await good.send(alder, heard, bob) == 202


async def test_sec_S20_who_deleted_their_account_is_heard_again_once_it_is_there_again(
    alder: Node, good: Peer
) -> None:
    ann = good.person("ann")
    delete = good.activity("Delete", ann, ann.uri)
    like = good.activity("Like", ann, f"{alder.origin}/p/1")
    assert await good.send(alder, like, ann) == 202
    assert await good.send(alder, delete, ann) == 202
    await settle(alder)
    good.shown["/u/ann"] = 410
    asked = len(good.fetched)
    for _ in range(5):
        assert await good.send(alder, {**like, "id": f"{like['id']}/2"}, ann) == 401
    assert len(good.fetched) == asked + 1  # its server is not asked each time
    assert await good.send(alder, {**delete, "id": f"{delete['id']}/2"}, ann) == 202
    assert await _count(alder, received) == 2
    good.show(ann.document())
    alder.clock.forward(minutes=11)
    assert await good.send(alder, {**like, "id": f"{like['id']}/3"}, ann) == 202
    assert (await alder.meet(ann.uri)).state is ActorState.ACTIVE


async def test_sec_S20_a_suspension_outlasts_a_pause_of_its_server(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    known = await alder.meet(ann.uri)
    async with alder.engine.begin() as conn:
        of_ann = sa.update(actors).where(actors.c.uri == ann.uri)
        await conn.execute(of_ann.values(state=ActorState.SUSPENDED))
        await remote.close(conn, known.id)
    assert await good.send(alder, good.activity("Like", ann, "http://x.test/1"), ann) == 403


async def test_sec_S16_a_key_that_its_owner_does_not_list_is_refused(
    alder: Node, good: Peer, evil: Peer
) -> None:
    """WIRE-S21, WIRE-S23."""
    ann, mallory = good.person("ann"), evil.person("mallory")
    document = mallory.document()
    document["publicKey"]["owner"] = ann.uri
    evil.show(document)
    like = evil.activity("Like", mallory, f"{alder.origin}/p/1")

    assert await evil.send(alder, like, mallory) == 401
    assert await _count(alder, received) == 0


async def test_sec_S2_a_document_may_not_speak_for_another_server(
    alder: Node, good: Peer, evil: Peer
) -> None:
    ann = good.person("ann")
    await alder.meet(ann.uri)
    before = await _actor_row(alder, ann.uri)
    evil.shown["/u/ann"] = {**ann.document(), "inbox": f"{evil.origin}/inbox"}

    with pytest.raises(Malformed):
        await alder.meet(f"{evil.origin}/u/ann")
    assert await _actor_row(alder, ann.uri) == before


async def test_sec_S26_T8_a_group_cannot_put_words_into_somebodys_mouth(
    alder: Node, good: Peer, evil: Peer
) -> None:
    """WIRE-T8."""
    ann = good.person("ann")
    group = evil.person("club", kind="Group", path="c")
    kay = await alder.persona("kay")
    await alder.join(kay, group.uri)
    await settle(alder)
    follow = evil.got("Follow")[0]
    await evil.send(alder, evil.activity("Accept", group, follow), group)
    invented: Document = {
        "id": f"{good.origin}/notes/never",
        "type": "Note",
        "attributedTo": ann.uri,
        "to": [PUBLIC],
        "content": "<p>invented</p>",
    }
    real = good.note(ann, "what Ann wrote", to=[PUBLIC, group.uri])
    bent = {**real, "content": "<p>bent</p>"}
    for note in (invented, bent):
        inner = good.create(ann, note)
        announce = evil.activity("Announce", group, inner)
        assert await evil.send(alder, announce, group) == 202
    await settle(alder)

    assert await alder.post(invented["id"]) is None
    post = await alder.post(real["id"])
    assert post is not None
    assert "what Ann wrote" in post.content

    for kind, obj in (
        ("Update", {**real, "content": "<p>bent</p>", "updated": "2030-01-01T00:00:00Z"}),
        ("Delete", real["id"]),
    ):
        inner = good.activity(kind, ann, obj)
        await evil.send(alder, evil.activity("Announce", group, inner), group)
        await settle(alder)
    post = await alder.post(real["id"])
    assert post is not None
    assert "what Ann wrote" in post.content


async def test_sec_S25_an_authors_own_delete_passed_on_by_a_group_counts(
    alder: Node, good: Peer, evil: Peer
) -> None:
    ann = good.person("ann")
    group = evil.person("club", kind="Group", path="c")
    kay = await alder.persona("kay")
    await alder.join(kay, group.uri)
    await settle(alder)
    await evil.send(alder, evil.activity("Accept", group, evil.got("Follow")[0]), group)
    note = good.note(ann, "soon gone", to=[PUBLIC, group.uri])
    await evil.send(alder, evil.activity("Announce", group, good.create(ann, note)), group)
    await settle(alder)
    good.shown[note["id"].removeprefix(good.origin)] = 410

    inner = good.activity("Delete", ann, note["id"])
    await evil.send(alder, evil.activity("Announce", group, inner), group)
    await settle(alder)

    assert await alder.mentions("soon gone") == []


async def test_wire_S16_a_delete_of_an_actor_nobody_knows_is_taken_and_dropped(
    alder: Node, good: Peer
) -> None:
    ann = good.person("ann")
    good.shown["/u/ann"] = 410
    delete = good.activity("Delete", ann, ann.uri)
    assert await good.send(alder, delete, ann) == 202
    assert await _count(alder, received) == 0


async def test_wire_S17_a_key_server_that_is_down_makes_the_sender_try_again(
    alder: Node, good: Peer
) -> None:
    ann = good.person("ann")
    good.shown["/u/ann"] = 503
    assert await good.send(alder, good.activity("Like", ann, "http://x.test/1"), ann) == 503


async def _thread(alder: Node, good: Peer, ann: Person) -> Document:
    group = await alder.group("sleep")
    await good.follow(alder, ann, group.actor.uri)
    note = good.note(ann, "hello", to=[PUBLIC, group.actor.uri])
    await good.send(alder, good.create(ann, note), ann)
    await settle(alder)
    return note


async def test_sec_L12_somebody_banned_cannot_speak_through_an_old_post(
    alder: Node, good: Peer
) -> None:
    ann = good.person("ann")
    moderator = await alder.persona("mod")
    group = await alder.group("sleep", moderator)
    await good.follow(alder, ann, group.actor.uri)
    note = good.note(ann, "hello", to=[PUBLIC, group.actor.uri])
    await good.send(alder, good.create(ann, note), ann)
    await settle(alder)
    person = await alder.meet(ann.uri)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, group, moderator)
        await desk.ban(conn, alder.here, group, acting, person, "")

    changed = {**note, "content": "<p>still here</p>", "updated": "2030-01-01T00:00:00Z"}
    await good.send(alder, good.activity("Update", ann, changed), ann)
    await settle(alder)

    post = await alder.post(note["id"])
    assert post is not None
    assert "hello" in post.content


async def test_sec_L14_counts_and_lists_are_what_a_reader_may_open(alder: Node, good: Peer) -> None:
    """In documents and in the lists of pages; blocked, heard again, and after that."""
    ann = good.person("ann")
    moderator = await alder.persona("mod")
    group = await alder.group("sleep", moderator)
    root = await alder.start(moderator, group.actor.uri, "A title", "Words.")
    await good.follow(alder, ann, group.actor.uri)
    notes = [
        good.note(ann, f"answer {number}", to=[PUBLIC, group.actor.uri], inReplyTo=root.uri)
        for number in range(3)
    ]
    for note in notes:
        await good.send(alder, good.create(ann, note), ann)
    await settle(alder)
    await alder.reply(moderator, root.uri, "One more.")
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, group, moderator)
        removed = await alder.post(notes[0]["id"])
        assert removed is not None
        await desk.remove(conn, alder.here, group, acting, removed, "a reason")

    async def counted() -> list[int]:
        """As the replies, the context and the group's page have it; as there are on the page."""
        replies = json.loads(await (await alder.get(f"/p/{root.id}/replies")).text())
        context = json.loads(await (await alder.get(f"/t/{root.id}")).text())
        listed = await (await alder.get("/g/sleep", accept="text/html")).text()
        page = await (await alder.get(f"/t/{root.id}", accept="text/html")).text()
        (answers,) = re.findall(r"(\d+) answer", listed)
        readable = page.count("answer 1") + page.count("answer 2") + page.count("One more.")
        assert notes[0]["id"] not in str((replies, context))
        return [replies["totalItems"], context["totalItems"] - 1, int(answers), readable]

    assert await counted() == [3] * 4
    said = await commands.block_domain(alder, domain="good.test", reason="")  # type: ignore[arg-type]
    seen = " ".join(said).partition("--seen ")[2].split()[0]
    assert await counted() == [3] * 4  # what it cuts is shown first
    shown = Seen(seen, looked=True)
    await commands.block_domain(alder, domain="good.test", reason="", seen=shown)  # type: ignore[arg-type]
    assert await counted() == [1] * 4
    await alder.reply(moderator, root.uri, "One more.")
    assert await counted() == [2] * 4
    await commands.unblock_domain(alder, domain="good.test", seen=Seen())  # type: ignore[arg-type]
    assert await counted() == [4] * 4
