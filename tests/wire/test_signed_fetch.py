"""Where documents are shown to servers that sign, and keys to everybody (WIRE-S24, S25, A21)."""

import pytest
import sqlalchemy as sa

from activitypub import schemes
from activitypub.keys import KeyPair
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.schema.actors import ActorState
from kernel.schema.federation import Scheme
from kernel.schema.groups import Posts
from kernel.schema.moderation import Level
from kernel.schema.tables import actors
from moderation.policy import Policy
from moderation.standing import Speaker
from node import keeping_away
from tests.nodes import Node, NodeFactory, block, settle
from tests.peer import Peer, PeerFactory, Person
from tests.wire.world import Reply, ask

BOTH = [Scheme.CAVAGE, Scheme.RFC9421, Scheme.ED25519]


@pytest.fixture
async def locked(node: NodeFactory) -> Node:
    return await node("locked.test", signed_fetch=True)


@pytest.fixture
async def bea(locked: Node) -> Speaker:
    return await locked.persona("bea")


@pytest.fixture
async def quiet(locked: Node, bea: Speaker) -> Group:
    return await locked.group("quiet", bea, settings=GroupSettings(posts=Posts.ANYONE))


@pytest.fixture
async def root(locked: Node, bea: Speaker, quiet: Group) -> Post:
    return await locked.start(bea, quiet.actor.uri, "A title", "Some words.")


@pytest.fixture
async def reader(peer: PeerFactory, locked: Node) -> Peer:
    return await peer("reader.test", locked)


async def asked_by(
    node: Node,
    path: str,
    person: Person,
    scheme: Scheme = Scheme.CAVAGE,
    keys: KeyPair | None = None,
) -> Reply:
    """GET, signed as a server signs."""
    sign = schemes.signer(scheme, keys or person.keys, person.uri, node.clock)
    return await ask(node, path, **sign("GET", f"{node.origin}{path}", None))


def documents(root: Post) -> list[str]:
    return [
        f"/p/{root.id}",
        f"/p/{root.id}/replies",
        f"/t/{root.id}",
        "/g/quiet/outbox",
        "/g/quiet/followers",
        "/g/quiet/moderators",
        "/g/quiet/featured",
        "/u/bea/outbox",
        "/u/bea/followers",
        "/outbox",
        "/followers",
    ]


async def test_wire_S25_who_does_not_sign_reads_no_document(
    locked: Node, root: Post, reader: Peer
) -> None:
    answers = [await ask(locked, path) for path in [*documents(root), "/p/999", "/a/none"]]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1  # what is there and what is not: the same
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Signature" in answer.headers["Vary"]


@pytest.mark.parametrize("scheme", BOTH)
async def test_wire_S25_who_signs_reads_them(
    locked: Node, root: Post, reader: Peer, scheme: Scheme
) -> None:
    ann = reader.person("ann", assertionMethod=[])
    reader.show({**ann.document(), "assertionMethod": [ann.multikey()]})
    for path in documents(root):
        answer = await asked_by(locked, path, ann, scheme)
        assert answer.status == 200, path
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "Signature" in answer.headers["Vary"]
    assert (await asked_by(locked, "/p/999", ann, scheme)).status == 404
    assert len(reader.fetched) == 1


async def test_wire_S25_a_signature_that_does_not_hold_opens_nothing(
    locked: Node, root: Post, reader: Peer
) -> None:
    ann, bo = reader.person("ann"), reader.person("bo")
    path = f"/p/{root.id}"
    assert (await asked_by(locked, path, ann, keys=bo.keys)).status == 401
    elsewhere = schemes.signer(Scheme.RFC9421, bo.keys, bo.uri, locked.clock)
    headers = elsewhere("GET", f"http://other.test{path}", None)
    assert (await ask(locked, path, **headers)).status == 401
    headers = elsewhere("GET", f"{locked.origin}/p/1", None)
    assert (await ask(locked, path, **headers)).status == 401
    lost = Person("http://gone.test/u/x", "x", ann.keys)
    assert (await asked_by(locked, path, lost)).status == 503


async def test_sec_S20_S25_who_is_blocked_reads_nothing_and_is_not_asked_for_a_key(
    locked: Node, root: Post, reader: Peer
) -> None:
    ann = reader.person("ann")
    async with locked.engine.begin() as conn:
        await block(conn, locked.here, "reader.test")
    paths = [*documents(root), "/p/999", "/u/bea", "/g/quiet", "/desk/node"]
    answers = [await asked_by(locked, path, ann) for path in paths]
    assert {answer.status for answer in answers} == {403}
    assert len({answer.body for answer in answers}) == 1
    assert reader.fetched == []


async def test_mod_3_10_who_is_dropped_is_not_told_so(
    locked: Node, root: Post, reader: Peer
) -> None:
    """They read nothing, and the answer is that of a key which names nobody."""
    ann = reader.person("ann")
    nobody = Person("urn:nobody", "x", ann.keys)
    dropped = Policy(Level.DROP)
    await keeping_away.decide(locked.engine, locked.here, "reader.test", dropped)
    for path in documents(root):
        told, unknown = [await asked_by(locked, path, each) for each in (ann, nobody)]
        assert (told.status, told.body) == (unknown.status, unknown.body)
        assert told.status == 401
    assert reader.fetched == []


async def test_sec_S20_somebody_suspended_reads_nothing(
    locked: Node, root: Post, reader: Peer
) -> None:
    ann = reader.person("ann")
    path = f"/p/{root.id}"
    assert (await asked_by(locked, path, ann)).status == 200
    async with locked.engine.begin() as conn:
        await conn.execute(
            sa.update(actors).where(actors.c.uri == ann.uri).values(state=ActorState.SUSPENDED)
        )
    assert (await asked_by(locked, path, ann)).status == 403


@pytest.mark.parametrize("path", ["/u/bea", "/g/quiet", "/desk/node"])
async def test_wire_A21_everybody_reads_a_key(
    locked: Node, quiet: Group, reader: Peer, path: str
) -> None:
    ann = reader.person("ann")
    response = await locked.get(path)
    stub = await response.json(content_type=None)
    assert response.status == 200
    assert set(stub) == {
        "@context", "id", "type", "preferredUsername", "inbox", "endpoints", "publicKey",
        "assertionMethod",
    }  # fmt: skip
    assert response.headers["Cache-Control"] == "private, no-store"
    whole = await asked_by(locked, path, ann)
    assert b'"outbox"' in whole.body
    nobody = Person("http://gone.test/u/x", "x", ann.keys)
    assert b'"outbox"' not in (await asked_by(locked, path, nobody)).body


async def test_wire_S24_the_node_itself_is_read_by_everybody_and_asks_nobody(
    locked: Node, reader: Peer
) -> None:
    ann = reader.person("ann")
    for answer in (await ask(locked, "/"), await asked_by(locked, "/", ann)):
        assert answer.status == 200
        assert b'"outbox"' in answer.body
        assert answer.headers["Cache-Control"].startswith("public")
    assert reader.fetched == []


async def test_pages_for_people_stay_as_they_are(locked: Node, root: Post) -> None:
    page = await locked.get(f"/t/{root.id}", accept="text/html")
    assert page.status == 200
    assert "Some words." in await page.text()
    assert (await locked.get("/.well-known/webfinger?resource=acct:bea@locked.test")).status == 200
    assert (await locked.get("/nodeinfo/2.1")).status == 200


async def test_wire_T14_S24_two_locked_nodes_meet(
    locked: Node, bea: Speaker, quiet: Group, node: NodeFactory
) -> None:
    """Each asks for the other's signature, and neither has seen the other's key yet."""
    other = await node("other.test", signed_fetch=True)
    cal = await other.persona("cal")
    await other.join(cal, quiet.actor.uri)
    await settle(locked, other)
    root = await locked.start(bea, quiet.actor.uri, "A title", "Some words.")
    await settle(locked, other)
    reply = await other.reply(cal, root.uri, "You are not alone.")
    await settle(locked, other)
    page = await locked.thread(root.uri)
    assert [post.uri for post in page.posts] == [root.uri, reply.uri]
    met = await locked.meet(cal.actor.uri)
    assert met.followers_uri == cal.actor.followers_uri  # the whole of it, not the key alone


async def test_wire_A21_a_key_that_was_read_alone_is_no_whole_actor(
    locked: Node, quiet: Group, peer: PeerFactory
) -> None:
    """Whoever shows a stub to those it cannot check is asked again later."""
    shy = await peer("shy.test", locked)
    ann = shy.person("ann", name="Ann Whole")
    whole = ann.document()
    stub = {name: whole[name] for name in ("@context", "id", "type", "inbox", "publicKey")}
    shy.show(stub)
    shy.shows_to = {""}
    like = shy.activity("Like", ann, f"{locked.origin}/p/1")
    assert await shy.send(locked, like, ann) == 202
    shy.shows_to = None
    shy.show(whole)
    assert (await locked.meet(ann.uri)).name == "Ann Whole"

    shy.show(stub)
    locked.clock.forward(days=2)
    assert (await locked.meet(ann.uri)).name == "Ann Whole"  # what was known stays
