"""Keys of others: where they are found, whose they are, how often they are asked for (WIRE 4.5)."""

from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from activitypub.client import FETCHES_PER_ORIGIN, Unreachable
from activitypub.keys import generate, multibase
from activitypub.lately import Lately
from activitypub.remote import KEY_LONGEST, KEY_RETRY
from activitypub.state import REMOTE
from kernel.clock import utcnow
from kernel.errors import TooMany, Unproven
from kernel.schema.federation import Scheme
from kernel.schema.tables import actors, received
from tests.nodes import Node, block
from tests.peer import Document, Peer, PeerFactory, Person

SECURITY = "https://w3id.org/security/v1"
MULTIKEY = "https://w3id.org/security/multikey/v1"


@pytest.fixture
async def evil(peer: PeerFactory, alder: Node) -> Peer:
    return await peer("evil.test", alder)


async def like(
    alder: Node, peer: Peer, person: Person, key_id: str, scheme: Scheme = Scheme.CAVAGE
) -> int:
    """Send something harmless, signed under a key id; the status."""
    activity = peer.activity("Like", person, f"{alder.origin}/p/1")
    return await peer.send(alder, activity, person, key_id=key_id, scheme=scheme)


def listing(person: Person, key_id: str) -> Document:
    """The actor, with its RSA key under another id."""
    document = person.document()
    document["publicKey"] |= {"id": key_id}
    return document


def bare(person: Person, key_id: str, **bent: str) -> Document:
    """The RSA key alone, as some servers show it."""
    return {
        "@context": SECURITY,
        "id": key_id,
        "type": "CryptographicKey",
        "owner": person.uri,
        "publicKeyPem": person.keys.public_pem,
        **bent,
    }


async def count(node: Node, table: sa.Table) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def test_wire_S18_a_key_of_its_own_address_that_shows_the_actor(
    alder: Node, good: Peer
) -> None:
    """As GoToSocial does: the address of the key shows a stub of its actor."""
    ann = good.person("ann")
    key_id = f"{ann.uri}/main-key"
    good.show(listing(ann, key_id))
    stub = listing(ann, key_id)
    for name in ("outbox", "followers", "endpoints", "name"):
        del stub[name]
    good.shown["/u/ann/main-key"] = stub
    assert await like(alder, good, ann, key_id) == 202
    assert (await alder.meet(ann.uri)).followers_uri == f"{ann.uri}/followers"


async def test_wire_S18_a_key_that_is_asked_for_in_a_query(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    key_id = f"{ann.uri}?get=key"
    good.show(listing(ann, key_id))
    assert await like(alder, good, ann, key_id) == 202


async def test_wire_S18_a_bare_key_whose_owner_lists_it(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    key_id = f"{good.origin}/keys/1"
    good.show(listing(ann, key_id))
    good.show(bare(ann, key_id))
    assert await like(alder, good, ann, key_id) == 202
    assert await like(alder, good, ann, key_id) == 202
    assert good.fetched.count("/keys/1") == 1


async def test_wire_S18_a_bare_multikey_whose_controller_lists_it(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    key_id = f"{good.origin}/keys/ed"
    multikey = ann.multikey(key_id)
    good.show({**ann.document(), "assertionMethod": [multikey]})
    good.show({"@context": MULTIKEY, **multikey})
    assert await like(alder, good, ann, key_id, Scheme.ED25519) == 202


@pytest.mark.parametrize("key_id", ["acct:ann@good.test", "ann", "https://[x]/", "data:,x#y"])
async def test_wire_S18_a_key_id_that_is_no_address(alder: Node, good: Peer, key_id: str) -> None:
    assert await like(alder, good, good.person("ann"), key_id) == 401
    assert good.fetched == []


async def test_an_ed25519_key_that_its_actor_lists_signs_as_well(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    good.show({**ann.document(), "assertionMethod": [ann.multikey()]})
    key_id = f"{ann.uri}#ed25519-key"
    for _ in range(2):
        assert await like(alder, good, ann, key_id, Scheme.ED25519) == 202
        assert await like(alder, good, ann, ann.key_id) == 202
    assert good.fetched == ["/u/ann"]
    assert await count(alder, received) == 4

    alder.app[REMOTE].forget_owner(await alder.meet(ann.uri))
    assert await like(alder, good, ann, key_id, Scheme.ED25519) == 202
    assert good.fetched == ["/u/ann"]
    assert await like(alder, good, ann, f"{ann.uri}#other-key", Scheme.ED25519) == 401


async def test_an_ed25519_key_that_has_changed_is_read_anew(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    good.show({**ann.document(), "assertionMethod": [ann.multikey()]})
    key_id = f"{ann.uri}#ed25519-key"
    assert await like(alder, good, ann, key_id, Scheme.ED25519) == 202
    ann.keys = generate()
    assert await like(alder, good, ann, key_id, Scheme.ED25519) == 401
    alder.clock.forward(minutes=11)
    good.show({**ann.document(), "assertionMethod": [ann.multikey()]})
    assert await like(alder, good, ann, key_id, Scheme.ED25519) == 202


def _by_another(ann: Person, bo: Person) -> list[Document]:
    return [{**ann.document(), "assertionMethod": [{**ann.multikey(), "controller": bo.uri}]}]


def _elsewhere(ann: Person, bo: Person) -> list[Document]:
    elsewhere = ann.multikey("http://evil.test/keys/ed")
    return [{**ann.document(), "assertionMethod": [elsewhere]}]


def _weak(ann: Person, bo: Person) -> list[Document]:
    in_print = Ed25519PublicKey.from_public_bytes(
        urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")  # RFC 9421 B.1.4
    )
    key = {**ann.multikey(), "publicKeyMultibase": multibase(in_print)}
    return [{**ann.document(), "assertionMethod": [key]}]


@pytest.mark.parametrize("bent", [_by_another, _elsewhere, _weak])
async def test_sec_S16_S42_an_ed25519_key_that_is_not_its_actors_is_not_believed(
    alder: Node, good: Peer, bent: Callable[[Person, Person], list[Document]]
) -> None:
    ann, bo = good.person("ann"), good.person("bo")
    for document in bent(ann, bo):
        good.show(document)
    assert await like(alder, good, ann, f"{ann.uri}#ed25519-key", Scheme.ED25519) == 401
    assert await count(alder, received) == 0


async def test_sec_S16_nobody_takes_a_neighbours_key_id(alder: Node, good: Peer) -> None:
    ann, bo = good.person("ann"), good.person("bo")
    good.show({**ann.document(), "assertionMethod": [ann.multikey()]})
    await alder.meet(ann.uri)
    taken = {**bo.multikey(f"{ann.uri}#ed25519-key")}
    good.show({**bo.document(), "assertionMethod": [taken]})
    assert await like(alder, good, bo, bo.key_id) == 401
    assert await like(alder, good, ann, f"{ann.uri}#ed25519-key", Scheme.ED25519) == 202


async def test_sec_S16_a_bare_key_of_another_servers_actor_is_kept_for_nobody(
    alder: Node, good: Peer, evil: Peer
) -> None:
    ann, mallory = good.person("ann"), evil.person("mallory")
    key_id = f"{evil.origin}/keys/1"
    evil.show(bare(mallory, key_id, owner=ann.uri))
    assert await like(alder, evil, mallory, key_id) == 401
    assert good.fetched == []  # and nobody else is asked because of it
    assert await count(alder, actors) == 2  # the node and its desk


async def test_sec_S16_an_owner_that_does_not_list_the_key(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    key_id = f"{good.origin}/keys/1"
    good.show(bare(ann, key_id))
    assert await like(alder, good, ann, key_id) == 401
    assert await like(alder, good, ann, ann.key_id) == 202


async def test_sec_S17_a_key_that_names_another_key_is_remembered_under_what_was_asked(
    alder: Node, good: Peer
) -> None:
    ann = good.person("ann")
    first, second = f"{good.origin}/keys/1", f"{good.origin}/keys/2"
    good.show(listing(ann, second))
    good.show(bare(ann, second))
    good.shown["/keys/1"] = bare(ann, second)

    assert await like(alder, good, ann, first) == 401
    asked = len(good.fetched)
    assert await like(alder, good, ann, first) == 401
    assert len(good.fetched) == asked  # not asked again
    assert await like(alder, good, ann, second) == 202


async def test_sec_S20_a_blocked_domains_ed25519_key_opens_nothing(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    good.show({**ann.document(), "assertionMethod": [ann.multikey()]})
    key_id = f"{ann.uri}#ed25519-key"
    assert await like(alder, good, ann, key_id, Scheme.ED25519) == 202
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "good.test")
    for scheme in (Scheme.ED25519, Scheme.RFC9421, Scheme.CAVAGE):
        used = key_id if scheme is Scheme.ED25519 else ann.key_id
        assert await like(alder, good, ann, used, scheme) == 403
    assert await count(alder, received) == 1


async def test_wire_S20_S29_a_key_that_is_not_there_is_asked_for_ever_more_rarely(
    alder: Node, good: Peer
) -> None:
    remote = alder.app[REMOTE]
    key_id = f"{good.origin}/u/nobody#main-key"
    for rest in (10, 20, 40):
        before = len(good.fetched)
        for minutes in (0, rest - 1):
            alder.clock.forward(minutes=minutes)
            with pytest.raises(Unproven):
                await remote.key_owner(key_id)
        assert len(good.fetched) == before + 1, rest
        alder.clock.forward(minutes=1)


async def test_sec_S29_a_flood_of_invented_keys_asks_their_server_so_often_and_no_oftener(
    alder: Node, good: Peer
) -> None:
    remote = alder.app[REMOTE]
    good.shows_to = set()  # each is asked for in three ways
    for number in range(150):
        with pytest.raises((Unproven, TooMany, Unreachable)):
            await remote.key_owner(f"{good.origin}/u/{number}#main-key")
    assert 297 <= len(good.fetched) <= FETCHES_PER_ORIGIN
    assert not remote._flights


def test_sec_S29_rests_grow_and_end_and_are_remembered_in_bounded_memory() -> None:
    now, lately = utcnow(), Lately(KEY_RETRY, KEY_LONGEST, capacity=100)
    rest = KEY_RETRY
    for _ in range(12):
        lately.note("key", now)
        assert lately.rests("key", now + rest - timedelta(seconds=1))
        assert not lately.rests("key", now + rest)
        now += rest
        rest = min(2 * rest, KEY_LONGEST)
    lately.note("key", now + 3 * KEY_LONGEST)  # long after: all is forgiven
    assert not lately.rests("key", now + 3 * KEY_LONGEST + KEY_RETRY)
    lately.forget("key")
    assert not lately.rests("key", now)
    for number in range(1_000):
        lately.note(f"{number}", now)
    assert len(lately) == 100
    assert lately.rests("999", now)
    assert not lately.rests("0", now)
