"""What others sign and we read, what we sign and others read, as it crosses the wire (T3, T4).

Every part of a signature is bent in the tests of `tests/activitypub`; here the same is asked of a
node that knows nobody and answers over HTTP. A refusal leaves nothing behind (SECURITY 1).
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from multidict import CIMultiDict

from activitypub import claims
from activitypub.client import FETCHES_PER_ORIGIN
from activitypub.keys import KeyPair
from groups.groups import Group
from kernel.schema.tables import actors, received
from moderation.standing import Speaker
from tests.activitypub import quirks
from tests.activitypub.signing import SIGNED, WHOLE, Cavage, Rfc9421, digest_of
from tests.hostile import server as hostile
from tests.nodes import Node, NodeFactory, settle
from tests.peer import AP, Peer, Person, Posted
from tests.wire.world import Follower

Signed = Cavage | Rfc9421


@dataclass
class Handed:
    """A signed request that somebody else hands on, with a Host of their choice."""

    request: Signed
    host: str
    path: str = "/inbox"

    def headers(self) -> list[tuple[str, str]]:
        kept = [each for each in self.request.headers() if each[0].lower() != "host"]
        return [("Host", self.host), *kept]


@dataclass
class Door:
    """Ann, whom a node has never heard of, and what she sends it."""

    node: Node
    good: Peer
    ann: Person
    body: bytes

    def cavage(self, *, minutes: float = 0, **bent: Any) -> Cavage:
        """Her POST under draft-cavage; `bent` says what is otherwise."""
        sent = self.node.clock() + timedelta(minutes=minutes)
        usual: dict[str, Any] = {
            "body": self.body,
            "host": self.node.name,
            "date": format_datetime(sent, usegmt=True),
            "digest": digest_of(self.body),
            "key_id": self.ann.key_id,
            "pair": self.ann.keys,
        }
        return Cavage(**{**usual, **bent})

    def rfc9421(self, *, minutes: float = 0, more: str = "", **bent: Any) -> Rfc9421:
        """Her POST under RFC 9421; `more` are further parameters."""
        created = int(self.node.clock().timestamp() + 60 * minutes)
        digest = claims.content_digest_of(self.body)
        usual: dict[str, Any] = {
            "parameters": f';created={created};keyid="{self.ann.key_id}"{more}',
            "signed_as": self.node.origin,
            "fields": (("Host", self.node.name), ("Content-Digest", digest)),
            "pair": self.ann.keys,
        }
        return Rfc9421(**{**usual, **bent})

    async def knock(
        self, request: Signed | Handed, *, body: bytes | None = None, path: str | None = None
    ) -> int:
        """Send it; the status that came back."""
        headers = CIMultiDict([("Content-Type", AP), *request.headers()])
        path = path or request.path
        async with self.node.session.post(
            f"http://127.0.0.1:{self.node.port}{path}",
            data=self.body if body is None else body,
            headers=headers,
        ) as answer:
            await answer.read()
            return answer.status

    async def kept(self) -> int:
        """How many activities are on the node's disk."""
        async with self.node.engine.connect() as conn:
            return await conn.scalar(sa.select(sa.func.count()).select_from(received)) or 0


@pytest.fixture
async def door(alder: Node, good: Peer) -> Door:
    ann = good.person("ann")
    like = good.activity("Like", ann, f"{alder.origin}/p/1")
    return Door(alder, good, ann, json.dumps(like).encode())


Make = Callable[..., Signed]
KINDS: list[Callable[[Door], Make]] = [lambda door: door.cavage, lambda door: door.rfc9421]
both = pytest.mark.parametrize("kind", KINDS, ids=["cavage", "rfc9421"])


@both
async def test_wire_T4_sec_S13_the_clock_may_be_an_hour_off(
    door: Door, kind: Callable[[Door], Make]
) -> None:
    for minutes, status in ((-70, 401), (70, 401), (-55, 202), (55, 202)):
        assert await door.knock(kind(door)(minutes=minutes)) == status, minutes
        assert await door.kept() == (status == 202)


async def test_wire_T4_sec_S13_what_a_signature_says_of_its_time(door: Door) -> None:
    now = int(door.node.clock().timestamp())
    for parameters, status in (
        (f';keyid="{door.ann.key_id}"', 401),  # when is not said
        (f';created={now};keyid="{door.ann.key_id}";expires={now - 1}', 401),
        (f';created={now - 3300};keyid="{door.ann.key_id}";expires={now + 5}', 202),
    ):
        assert await door.knock(door.rfc9421(parameters=parameters)) == status, parameters
    old = 'keyId="{key_id}",algorithm="hs2019",%sheaders="{names}",signature="{sig}"'
    names = ("(request-target)", "(created)", "host", "digest")
    for given, status in (
        ("", 401),
        (f"created={now - 4200},", 401),
        (f"created={now},expires={now - 1},", 401),
        (f"created={now},", 202),
    ):
        when = given.partition("=")[2].partition(",")[0]
        request = door.cavage(
            date=None, names=names, parameters=old % given, values=(("(created)", when),)
        )
        assert await door.knock(request) == status, given


async def test_wire_T4_the_query_may_be_signed_or_not(door: Door) -> None:
    """WIRE-S12."""
    asked = door.cavage(path="/inbox?page=1")
    assert await door.knock(asked) == 202
    assert await door.knock(replace(asked, signed_path="/inbox")) == 202
    assert await door.knock(replace(asked, signed_path="/inbox?page=2")) == 401
    assert await door.knock(door.cavage(), path="/inbox?page=1") == 202
    assert await door.knock(door.rfc9421(path="/inbox?page=1")) == 202
    assert await door.knock(door.rfc9421(), path="/inbox?page=1") == 401


async def test_wire_T4_sec_S14_digests(door: Door) -> None:
    """In either case of its name, in one case of its value, and every one of several is right."""
    right, wrong = digest_of(door.body), digest_of(b"other")
    sha512 = base64.b64encode(hashlib.sha512(door.body).digest()).decode()
    for digest, status in (
        (right.replace("SHA-256", "sha-256"), 202),
        (f"{right},SHA-512={sha512}", 202),
        ("SHA-256=" + right[8:].swapcase(), 401),
        (f"{right},SHA-512={sha512[:-4]}AAA=", 401),
        (f"{right},{wrong}", 401),
        (f"{wrong},{right}", 401),
        (f"SHA-512={sha512}", 401),
        (wrong, 401),
        (None, 401),
    ):
        assert await door.knock(door.cavage(digest=digest)) == status, digest
    assert await door.knock(door.cavage(more=(("digest", right),))) == 401
    assert await door.knock(door.cavage(names=SIGNED[:3])) == 401


@both
async def test_sec_S14_a_body_that_was_changed_by_one_byte(
    door: Door, kind: Callable[[Door], Make]
) -> None:
    changed = door.body.replace(b"Like", b"LikE")
    for body in (changed, door.body + b" ", b" " + door.body):
        assert await door.knock(kind(door)(), body=body) == 401
    assert await door.knock(kind(door)(), body=door.body[:-1]) == 400  # no JSON any more
    assert await door.kept() == 0
    assert await door.knock(kind(door)()) == 202


async def test_wire_T4_a_missing_algorithm_means_the_keys_own(door: Door) -> None:
    """WIRE-S10."""
    bare = 'keyId="{key_id}",headers="{names}",signature="{sig}"'
    assert await door.knock(door.cavage(parameters=bare)) == 202
    assert await door.knock(door.cavage(parameters=bare, by="rsa-sha512")) == 202
    assert await door.knock(door.cavage(parameters=bare, by="ed25519")) == 401


@both
async def test_wire_T4_sec_S15_a_replay_has_no_second_effect(
    door: Door, kind: Callable[[Door], Make]
) -> None:
    request = kind(door)()
    for _ in range(3):
        assert await door.knock(request) == 202
    assert await door.kept() == 1
    door.node.clock.forward(minutes=70)
    assert await door.knock(request) == 401


@pytest.mark.parametrize("says", ["its own", "ours"])
async def test_sec_S12_what_was_signed_for_another_server_is_not_for_us(
    door: Door, node: NodeFactory, says: str
) -> None:
    """Whoever got a signed request cannot hand it on, whatever host they say it is for."""
    birch = await node("birch.test")
    host = birch.name if says == "its own" else door.node.name
    digest = ("Content-Digest", claims.content_digest_of(door.body))
    signed: list[Signed] = [
        door.cavage(host=birch.name),
        door.rfc9421(signed_as=birch.origin, fields=(("Host", birch.name), digest)),
        door.rfc9421(
            signed_as=birch.origin,
            names=("@method", "@path", "@authority", "content-digest"),
            fields=(("Host", birch.name), digest),
        ),
        door.rfc9421(
            signed_as=birch.origin,
            names=("@method", "@path", "host", "content-digest"),
            fields=(("Host", birch.name), digest),
        ),
    ]
    there = replace(door, node=birch)
    for request in signed:
        assert await there.knock(request) == 202  # it is good, where it is meant for
        assert await door.knock(Handed(request, host)) == 401
    assert await door.kept() == 0


PARTS = 'keyId="{key_id}",algorithm="%s",headers="%s",signature="%s"'


async def test_sec_S11_there_is_no_way_around_a_signature(door: Door) -> None:
    """The whole row, one by one, over the wire."""
    good = door.cavage()
    signature = dict(good.headers())["Signature"]
    none = replace(good, names=())
    odd: list[Signed] = [
        replace(good, parameters=""),
        replace(good, more=(("Signature", signature),)),
        replace(good, parameters=PARTS % ("rsa-sha1", "{names}", "{sig}")),
        replace(good, parameters=PARTS % ("hmac-sha256", "{names}", "{sig}")),
        replace(good, parameters=PARTS % ("unheard-of", "{names}", "{sig}")),
        replace(none, parameters=PARTS % ("rsa-sha256", "", "{sig}")),
        replace(good, parameters=PARTS % ("hs2019", "{names}", "{sig}"), by="ed25519"),
        replace(good, parameters=PARTS % ("rsa-sha256", "{names}", "%%%%")),
        replace(good, parameters=PARTS % ("rsa-sha256", "{names}", "AAAA")),
        *(replace(good, names=[n for n in SIGNED if n != missing]) for missing in SIGNED),
        *(door.rfc9421(names=[n for n in WHOLE if n != missing]) for missing in WHOLE),
        door.rfc9421(names=()),
        door.rfc9421(more=';alg="hmac-sha256"'),
        door.rfc9421(more=';alg="ed25519"'),
        replace(good, more=(("Signature-Input", 'sig1=("@method")'),)),
    ]
    for request in odd:
        assert await door.knock(request) == 401, request
    bare = [(name, value) for name, value in good.headers() if name != "Signature"]
    headers = CIMultiDict([("Content-Type", AP), *bare])
    url = f"http://127.0.0.1:{door.node.port}/inbox"
    async with door.node.session.post(url, data=door.body, headers=headers) as answer:
        assert answer.status == 401
    assert await door.kept() == 0
    assert await door.knock(good) == 202


async def test_sec_S28_a_weak_key_signs_nothing(door: Door) -> None:
    for exponent, bits in ((65537, 1024), (3, 2048)):
        weak = rsa.generate_private_key(exponent, bits)
        mallory = door.good.person(f"mallory{bits}")
        mallory.keys = KeyPair(rsa=weak, ed25519=mallory.keys.ed25519)
        door.good.show(mallory.document())
        like = door.good.activity("Like", mallory, f"{door.node.origin}/p/1")
        assert await door.good.send(door.node, like, mallory) == 401
    assert await door.kept() == 0


@pytest.mark.slow
async def test_sec_S29_invented_keys_of_a_dead_server_are_asked_for_so_often_and_no_oftener(
    door: Door,
) -> None:
    """A thousand key ids on a server that hangs up: its hour is used up, nothing is kept."""
    async with hostile.serve(lambda _: None) as dead:
        door.node.names.ports["dead.test"] = dead.port
        async with door.node.engine.connect() as conn:
            before = await conn.scalar(sa.select(sa.func.count()).select_from(actors))
        statuses = set()
        for number in range(1000):
            actor = f"http://dead.test/u/{number}"
            like = {"id": f"{actor}/like", "type": "Like", "actor": actor, "object": "x"}
            body = json.dumps(like).encode()
            request = door.cavage(body=body, digest=digest_of(body), key_id=f"{actor}#main-key")
            statuses.add(await door.knock(request, body=body))
        assert statuses <= {401, 429, 503}
        assert 1 <= len(dead.heard) <= FETCHES_PER_ORIGIN
        async with door.node.engine.connect() as conn:
            after = await conn.scalar(sa.select(sa.func.count()).select_from(actors))
    assert after == before
    assert await door.kept() == 0
    assert await door.knock(door.cavage()) == 202  # other servers' keys are read as before


# What we send, read by eight peers as it came


def _as_read(posted: Posted, node: Node) -> quirks.Request:
    """A POST as the quirks read it: under https, where Mbin wants the key to be."""
    headers = {name.lower(): value for name, value in posted.headers}
    headers["signature"] = headers["signature"].replace('keyId="http:', 'keyId="https:')
    return quirks.Request(
        method="POST", path=posted.path, headers=headers, body=posted.body, now=node.clock()
    )


@pytest.mark.parametrize("reader", quirks.PEERS, ids=lambda reader: reader.__name__)
async def test_wire_T3_eight_peers_take_what_really_comes(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, reader: quirks.Peer
) -> None:
    """The group's Announces, and the fetches of the node's actor, byte for byte as sent.

    Lemmy looks at who fetches in its private communities alone, and then wants a digest.
    """
    lemmy.peer.posted.clear()
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    assert len(lemmy.peer.posted) == 2
    for posted in lemmy.peer.posted:
        request = _as_read(posted, alder)
        assert reader(request, sleep.actor.public_key)
        assert not reader(request, ana.actor.public_key)
        assert not reader(replace(request, body=posted.body + b" "), sleep.actor.public_key)
    lemmy.peer.heard.clear()
    await alder.meet(lemmy.peer.person("new").uri)
    (heard,) = lemmy.peer.heard
    headers = {name.lower(): value for name, value in heard.items()}
    headers["signature"] = headers["signature"].replace('keyId="http:', 'keyId="https:')
    request = quirks.Request(
        method="GET", path="/u/new", headers=headers, body=b"", now=alder.clock()
    )
    async with alder.engine.connect() as conn:
        own = sa.select(actors.c.public_key).where(actors.c.uri == f"{alder.origin}/")
        pem = str(await conn.scalar(own))
    assert reader(request, pem) is not (reader is quirks.lemmy)
    assert not reader(replace(request, path="/u/other"), pem)


async def test_wire_T3_mastodon_takes_the_other_kind_as_it_comes(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    mastodon.peer.reads = {"rfc9421"}
    mastodon.peer.posted.clear()
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder)
    posted = mastodon.peer.posted[-1]
    assert posted.kind == "rfc9421"
    url = f"{mastodon.peer.origin}{posted.path}"
    request = replace(_as_read(posted, alder), path=url)
    assert quirks.mastodon_rfc9421(request, sleep.actor.public_key)
    assert not quirks.mastodon_rfc9421(replace(request, body=b"x"), sleep.actor.public_key)
