"""Advice from servers that are odd, or hostile: nothing is lost, and nothing false is believed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import keys, proofs
from activitypub.actors import Actor
from activitypub.state import SETTINGS
from kernel import tombstone_log
from kernel.clock import to_minute
from kernel.errors import Conflict, NotAllowed
from kernel.schema.pacts import Afterwards, PactState, SignalState, Tier
from kernel.schema.tables import actors as actor_table
from kernel.schema.tables import pacts as pact_table
from kernel.schema.tables import received as received_table
from kernel.schema.tables import signal_sources, signals
from moderation import domains, pact_mail, pacts
from moderation.pact_terms import CONTEXT, Flow, Paper, Party, Wishes, midnight
from moderation.pacts import Pact
from moderation.signals import chain, datasets, published, received, sources, vocabulary
from moderation.signals.published import Advice
from moderation.signals.vocabulary import Policy
from node.doctor import _pacts
from node.safekeeping.replay import replay
from tests.nodes import Node, NodeFactory, settle
from tests.peer import Document, Peer, PeerFactory, Person

ADVICE = frozenset({Flow.ADVICE})
WISHES = Wishes(sends=ADVICE, takes=ADVICE)


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


class Other:
    """Another program with a desk: it makes pacts and gives out a dataset, well or badly."""

    def __init__(self, peer: Peer, alder: Node) -> None:
        self.peer, self.alder = peer, alder
        self.desk: Person = peer.person("node", kind="Service", path="desk")
        self.desk.extra = {"assertionMethod": [self.desk.multikey()]}
        peer.show(self.desk.document())
        self.url = f"{peer.origin}/datasets/1"
        self.said: list[Document] = []

    async def our_desk(self) -> Actor:
        async with self.alder.engine.connect() as conn:
            return await pacts.our_desk(conn, self.alder.here)

    def prove(self, document: Document, pair: keys.KeyPair | None = None) -> Document:
        method = keys.ed25519_id(self.desk.uri)
        key = (pair or self.desk.keys).ed25519
        return proofs.add(document, key, method, midnight(self.alder.clock().date()))

    def second_desk(self) -> Person:
        """Another actor there that says it is a desk, with a key of its own."""
        found = self.peer.person("second", kind="Service", path="desk")
        found.extra = {"assertionMethod": [found.multikey()]}
        self.peer.show(found.document())
        return found

    async def paper(self, number: int = 1, *, by: Person | None = None, **changes: Any) -> Paper:
        """A pact that it offers."""
        desk, signer = await self.our_desk(), by or self.desk
        theirs = Party(
            desk=signer.uri,
            key=signer.keys.ed25519_multibase,
            sends=ADVICE,
            takes=ADVICE,
            dataset=self.url,
        )
        values: dict[str, Any] = {
            "uri": f"{self.peer.origin}/pacts/{number}",
            "nonce": "0" * 32,
            "parties": (theirs, Party(desk=desk.uri, key=desk.ed25519 or "")),
            "offered": self.alder.clock().date(),
            **changes,
        }
        return Paper(**values)

    async def offer(
        self, paper: Paper, *, by: Person | None = None, pair: keys.KeyPair | None = None
    ) -> None:
        signer = by or self.desk
        document = paper.signed(
            (pair or signer.keys).ed25519,
            keys.ed25519_id(signer.uri),
            signer.uri,
            self.alder.clock().date(),
        )
        await self.tell("Offer", document, by=signer)

    async def tell(self, kind: str, about: Any, *, by: Person | None = None, **extra: Any) -> None:
        to = f"{self.alder.origin}/desk/node"
        signer = by or self.desk
        activity = self.peer.activity(
            kind, signer, about, **{"@context": CONTEXT, "to": [to], **extra}
        )
        assert await self.peer.send(self.alder, activity, signer) == 202
        await settle(self.alder)

    async def pact(self) -> Pact:
        async with self.alder.engine.connect() as conn:
            return await pacts.one(conn, self.peer.name)

    async def agree(self) -> None:
        await self.offer(await self.paper())
        async with self.alder.engine.begin() as conn:
            await self.say_yes(conn)
        self.show()
        await settle(self.alder)
        assert (await self.pact()).made

    async def say_yes(self, conn: AsyncConnection) -> None:
        """Our administrator, to the offer that waits."""
        pact = await pacts.one(conn, self.peer.name)
        assert pact.theirs is not None
        await pacts.accept(conn, self.alder.here, self.peer.name, WISHES, pact.theirs.uri)

    def say(self, key: str, **members: Any) -> Document:
        """One more change, chained to the last one."""
        at = self.head()
        change = {
            "@context": vocabulary.CONTEXT,
            "id": f"{self.url}/changes/0198c200-0000-7000-8000-{at.seq + 1:012}",
            "type": "Recommendation",
            "entityKind": "domain",
            "entityKey": key,
            "recommendedPolicy": "filter",
            "endTime": (self.alder.clock() + timedelta(days=20)).strftime("%Y-%m-%dT00:00:00Z"),
            "prev": at.link,
            "seq": at.seq + 1,
            **members,
        }
        self.said.append(self.prove(change))
        return self.said[-1]

    def head(self) -> chain.Head:
        at = chain.genesis(self.url)
        for change in self.said:
            at = chain.Head(at.seq + 1, chain.link(at.link, chain.body_hash(change)))
        return at

    def show(self, *, head: chain.Head | None = None, items: list[Document] | None = None) -> None:
        """Let the dataset be what was said, or something that is not."""
        at = head or self.head()
        self.peer.show(
            self.prove(
                {
                    "@context": vocabulary.CONTEXT,
                    "id": self.url,
                    "type": "Dataset",
                    "head": {"seq": at.seq, "link": at.link},
                }
            )
        )
        found = self.said if items is None else items
        for since, first in [
            ("00000000-0000-7000-a000-000000000000", 0),
            *((change["id"].rpartition("/")[2], number + 1) for number, change in enumerate(found)),
        ]:
            path = f"/datasets/1/changes?since={since}"
            self.peer.shown[path] = {
                "@context": vocabulary.CONTEXT,
                "type": "OrderedCollectionPage",
                "orderedItems": found[first : first + 100],
            }

    async def read(self) -> list[str]:
        """What is held here once it was read again."""
        async with self.alder.engine.begin() as conn:
            await conn.execute(
                sa.update(signal_sources).values(due=to_minute(self.alder.clock()), attempts=0)
            )
        await settle(self.alder)
        async with self.alder.engine.connect() as conn:
            return sorted(it.entity_key for it in await received.listed(conn))

    async def aside(self) -> str:
        async with self.alder.engine.connect() as conn:
            (source,) = await sources.listed(conn)
            return source.quarantined

    async def refusals(self) -> list[str]:
        async with self.alder.engine.connect() as conn:
            found = await conn.scalars(
                sa.select(received_table.c.reason)
                .where(received_table.c.state == "refused")
                .order_by(received_table.c.id)
            )
            return list(found)


@pytest.fixture
async def other(alder: Node, peer: PeerFactory) -> Other:
    return Other(await peer("birch.test", alder, "hearthold"), alder)


async def test_mod_5_6_a_pact_is_believed_only_from_the_desks_that_it_names(
    other: Other, peer: PeerFactory
) -> None:
    alder, paper = other.alder, await other.paper()
    stranger = other.peer.person("mallory")
    us = paper.parties[1]
    wrong: list[Callable[[], Any]] = [
        lambda: other.offer(paper, by=stranger),  # not a desk
        lambda: other.offer(paper, pair=stranger.keys),  # proven by another key
        lambda: other.tell("Offer", "http://birch.test/pacts/1"),  # brings nothing
        lambda: other.tell("Offer", {"type": "Pact"}),
    ]
    for parties in (
        (paper.parties[0], Party(desk=us.desk, key=stranger.keys.ed25519_multibase)),
        (paper.parties[0], Party(desk="http://cedar.test/desk/node", key=us.key)),
        (Party(desk=paper.parties[0].desk, key=stranger.keys.ed25519_multibase), us),
    ):
        odd = await other.paper(parties=parties)
        wrong.append(lambda odd=odd: other.offer(odd))  # type: ignore[misc]
    old = await other.paper(offered=alder.clock().date() - timedelta(days=90))
    wrong.append(lambda: other.offer(old))
    for number, attempt in enumerate(wrong, 1):
        await attempt()
        assert len(await other.refusals()) == number
        async with alder.engine.connect() as conn:
            assert await pacts.listed(conn) == []

    # what was taken back before it came stays away; an answer to nothing changes nothing
    await other.tell("Leave", f"{other.peer.origin}/pacts/9")
    await other.offer(await other.paper(9))
    await other.tell("Reject", f"{alder.origin}/pacts/7/offer")
    await other.tell("Freeze", f"{other.peer.origin}/pacts/9")
    async with alder.engine.connect() as conn:
        assert [it.words for it in await pacts.listed(conn)] in ([], ["There is no pact."])

    for number in range(1, pact_mail.OFFERS_A_DAY + 3):  # one waits, the newest of a few a day
        await other.offer(await other.paper(number))
    waiting = (await other.pact()).theirs
    assert waiting is not None
    assert waiting.uri.endswith(f"/pacts/{pact_mail.OFFERS_A_DAY}")
    await other.offer(await other.paper(pact_mail.OFFERS_A_DAY))
    async with alder.engine.begin() as conn:
        assert len(await pacts.listed(conn)) == 1
        await pacts.refuse(conn, alder.here, "birch.test")
    await settle(alder)
    assert [each["object"] for each in other.peer.got("Reject")][-1].startswith(other.peer.origin)
    await other.offer(await other.paper(pact_mail.OFFERS_A_DAY))
    async with alder.engine.connect() as conn:
        assert await pacts.listed(conn) == []
        await conn.rollback()
    async with alder.engine.begin() as conn:
        await domains.block(conn, alder.here, "birch.test", "")
        desk = await alder.meet(other.desk.uri)
        with pytest.raises(NotAllowed):
            await pacts.offer(conn, alder.here, desk, WISHES)
    activity = other.peer.activity("Offer", other.desk, {"type": "Pact"})
    assert await other.peer.send(alder, activity, other.desk) == 403


async def test_mod_5_10_one_domain_with_many_names_does_not_fill_the_room_for_offers(
    other: Other,
) -> None:
    alder, today = other.alder, other.alder.clock().date()
    async with alder.engine.begin() as conn:
        for number in range(pact_mail.MAX_OF_DOMAIN):
            await conn.execute(pact_table.insert().values(host=f"{number}.birch.test", day=today))
    await other.offer(await other.paper())
    assert len(await other.refusals()) == 1
    async with alder.engine.begin() as conn:
        await pacts.forget_offers(conn, alder.here)
        assert len(await pacts.listed(conn)) == pact_mail.MAX_OF_DOMAIN
    alder.clock.forward(days=1)  # what was taken back is forgotten
    async with alder.engine.begin() as conn:
        await pacts.forget_offers(conn, alder.here)
        assert await pacts.listed(conn) == []
    await other.offer(await other.paper(2))
    assert (await other.pact()).theirs is not None


async def test_mod_5_6_yes_is_said_to_the_offer_that_was_seen_and_to_no_other(
    other: Other,
) -> None:
    alder, second = other.alder, other.second_desk()
    await other.offer(await other.paper(5))
    await other.offer(await other.paper(1, by=second), by=second)  # while that of a desk waits
    assert len(await other.refusals()) == 1
    seen = (await other.pact()).theirs
    assert seen is not None
    assert seen.parties[0].desk == other.desk.uri
    await other.offer(await other.paper(6))  # a newer one of the same desk is another one
    async with alder.engine.begin() as conn:
        with pytest.raises(Conflict):
            await pacts.accept(conn, alder.here, "birch.test", WISHES, seen.uri)
    await other.offer(await other.paper(5))  # and the earlier one does not come back
    waiting = (await other.pact()).theirs
    assert waiting is not None
    assert waiting.uri != seen.uri


async def test_mod_5_6_offers_that_cross_meet_only_between_the_same_desks(
    alder: Node, peer: PeerFactory
) -> None:
    other = Other(await peer("acorn.test", alder, "hearthold"), alder)  # its ids come first
    second = other.second_desk()
    desk = await alder.meet(other.desk.uri)
    async with alder.engine.begin() as conn:
        await pacts.offer(conn, alder.here, desk, WISHES)
    await other.offer(await other.paper(by=second), by=second)
    pact = await other.pact()
    assert not pact.made
    assert pact.ours is not None
    assert pact.theirs is not None
    async with alder.engine.begin() as conn:  # an administrator decides, as about any other
        await other.say_yes(conn)
    assert (await other.pact()).desk_uri == second.uri


async def test_mod_5_6_answers_come_in_any_order_and_any_number(other: Other) -> None:
    alder, me = other.alder, other.desk
    desk = await alder.meet(me.uri)
    async with alder.engine.begin() as conn:
        await pacts.offer(conn, alder.here, desk, WISHES)
    await settle(alder)
    (sent,) = other.peer.got("Offer")
    offered = Paper.read(sent["object"])
    assert await pact_mail.proves(sent["object"], offered.parties[0].key, offered.parties[0].desk)
    mine = Party(desk=me.uri, key=me.keys.ed25519_multibase, sends=ADVICE, dataset=other.url)

    async def say_yes(
        party: Party = mine, *, pair: keys.KeyPair | None = None, **changes: Any
    ) -> None:
        values = {name: getattr(offered, name) for name in Paper.__slots__}
        values |= {"accepted": alder.clock().date(), **changes}
        agreed = Paper(**values).with_party(party)
        result = agreed.signed(
            (pair or me.keys).ed25519, keys.ed25519_id(me.uri), me.uri, alder.clock().date()
        )
        await other.tell("Accept", sent["id"], result=result)

    stranger = other.peer.person("mallory")
    await say_yes(pair=stranger.keys)
    await say_yes(nonce="1" * 32)
    await say_yes(Party(desk=me.uri, key=stranger.keys.ed25519_multibase))
    await other.tell("Accept", sent["id"])
    assert not (await other.pact()).made
    assert len(await other.refusals()) == 4
    other.show()
    for _ in range(2):
        await say_yes()
        assert (await other.pact()).made
    await other.tell("Leave", offered.uri, by=stranger)  # anybody else there ends nothing
    await other.tell("Reject", sent["id"], by=stranger)
    assert (await other.pact()).made
    # both want to go, and an old yes comes once more: it is over, and they are told
    async with alder.engine.begin() as conn:
        await pacts.end(conn, alder.here, "birch.test", Afterwards.KEEP)
    await other.tell("Leave", offered.uri)
    await say_yes()
    assert (await other.pact()).state is PactState.ENDED
    assert [each["object"] for each in other.peer.got("Leave")] == [offered.uri]
    alder.clock.forward(days=1)
    for _ in range(3):  # to a desk, once a day, whatever its host says yes to
        await say_yes(uri=f"{alder.origin}/pacts/never")
    second = other.second_desk()
    await other.tell("Accept", sent["id"], by=second, result=sent["object"])
    assert [each["object"] for each in other.peer.got("Leave")] == [
        offered.uri,
        f"{alder.origin}/pacts/never",
    ]
    assert "ended here" in (await other.pact()).reason
    # a restore of an older backup does not bring it back (SEC-L16)
    lines = tombstone_log.read(alder.app[SETTINGS].tombstones.read_text())
    assert lines[-1] == ("pact over", offered.uri)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(pact_table).values(state=PactState.MADE))
        await replay(conn, alder.here, lines)
    assert (await other.pact()).state is PactState.ENDED


async def test_mod_5_5_a_peer_that_changes_its_past_is_put_aside(other: Other) -> None:
    await other.agree()
    for number in range(3):
        other.say(f"bad{number}.example")
    other.show()
    everything = ["bad0.example", "bad1.example", "bad2.example"]
    assert await other.read() == everything
    assert await other.read() == everything
    assert await other.aside() == ""
    good, read = list(other.said), other.head()
    stranger = other.peer.person("mallory")

    async def lies(reason: str, *, more: bool = False, **shown: Any) -> None:
        """The lie is seen and has no effect; then all is as if it had never been told."""
        if more:
            other.say("innocent.example")
        other.show(**shown)
        assert await other.read() == everything, reason
        assert await other.aside() == reason
        async with other.alder.engine.begin() as conn:
            says = [finding.says async for finding in _pacts(conn)]
            assert len(says) == 1
            assert "birch.test" in says[0]
            await conn.execute(sa.update(signal_sources).values(quarantined=""))
        other.said = list(good)

    await lies("went back", head=chain.Head(2, read.link))
    await lies("fork", head=chain.Head(3, "sha-256:x"))
    await lies("gap", head=chain.Head(9, "sha-256:x"))
    other.said = [*good[:2]]
    other.say("innocent.example")
    other.say("innocent.example")
    await lies("fork")  # another third change than the one that was read
    other.say("innocent.example")
    forged = other.prove({k: v for k, v in other.said[3].items() if k != "proof"}, stranger.keys)
    await lies("bad signature", items=[*good, forged])
    other.say("innocent.example")
    bare = {name: value for name, value in other.said[3].items() if name != "proof"}
    await lies("bad signature", items=[*good, bare])
    other.say("innocent.example", id="http://evil.test/changes/4")
    await lies("wrong place")
    other.say("innocent.example")
    await lies("fork", head=chain.Head(4, "sha-256:x"))  # a page that its signed head denies
    other.show()
    shown = other.peer.shown["/datasets/1"]
    assert isinstance(shown, dict)
    shown = {**shown}
    shown["head"] = {"seq": 3, "link": read.link, "x": 1}
    other.peer.shown["/datasets/1"] = shown
    assert await other.read() == everything
    assert await other.aside() == "bad signature"
    # a new pact begins anew, from the beginning of what they say now
    other.show()
    await other.offer(await other.paper(2))
    async with other.alder.engine.begin() as conn:
        await other.say_yes(conn)
    assert await other.read() == everything
    # and another key, which the old one does not vouch for, breaks it
    other.desk.extra = {
        "assertionMethod": [
            {**other.desk.multikey(), "publicKeyMultibase": stranger.keys.ed25519_multibase}
        ]
    }
    other.peer.show(other.desk.document())
    other.alder.clock.forward(days=1, minutes=1)
    await other.read()
    broken = await other.pact()
    assert (broken.state, broken.reason) == (PactState.BROKEN, "key")
    # the old key's word comes late, and heals it
    change = other.prove(
        {
            "@context": CONTEXT,
            "id": f"{other.peer.origin}/activities/key",
            "type": "KeyChange",
            "actor": other.desk.uri,
            "to": [],
            "object": broken.uri,
            "from": other.desk.keys.ed25519_multibase,
            "publicKeyMultibase": stranger.keys.ed25519_multibase,
        }
    )
    assert await other.peer.send(other.alder, change, other.desk) == 202
    await settle(other.alder)
    healed = await other.pact()
    assert healed.made
    assert healed.their_key == stranger.keys.ed25519_multibase


async def test_sec_l16_a_restore_brings_no_trust_back(other: Other) -> None:
    await other.agree()
    alder, first = other.alder, (await other.pact()).uri
    await other.tell("Freeze", f"{other.peer.origin}/pacts/7")  # one that a restore has lost
    async with alder.engine.begin() as conn:
        await pacts.freeze(conn, alder.here, "birch.test", frozen=True)
    log = alder.app[SETTINGS].tombstones

    async def restored(**values: Any) -> Pact:
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(pact_table).values(**values))
            await replay(conn, alder.here, tombstone_log.read(log.read_text()))
        return await other.pact()

    pact = await restored(frozen=False, frozen_there=False)
    assert (pact.frozen, pact.frozen_there) == (True, True)
    async with alder.engine.begin() as conn:
        await pacts.freeze(conn, alder.here, "birch.test", frozen=False)
    pact = await restored(frozen=True, frozen_there=False)
    assert (pact.frozen, pact.frozen_there) == (False, True)
    # a new pact takes the place of the one before, which is over then
    await other.offer(await other.paper(2))
    async with alder.engine.begin() as conn:
        await other.say_yes(conn)
    await other.tell("Freeze", first)
    assert (await other.pact()).listens
    for state in (PactState.MADE, PactState.BROKEN):
        assert (await restored(uri=first, state=state)).state is PactState.ENDED


async def test_mod_5_5_a_past_that_is_not_shown_any_more_is_put_aside(other: Other) -> None:
    await other.agree()
    last = other.say("bad0.example")["id"].rpartition("/")[2]
    other.show()
    assert await other.read() == ["bad0.example"]
    other.say("bad1.example")
    other.show()
    shown, page = dict(other.peer.shown), f"/datasets/1/changes?since={last}"
    other.peer.shown.clear()
    await other.read()
    assert await other.aside() == ""  # nothing is there at all: that may pass
    async with other.alder.engine.begin() as conn:
        assert [finding async for finding in _pacts(conn)] == []
        await conn.execute(sa.update(signal_sources).values(attempts=9))
        assert ["birch.test" in finding.says async for finding in _pacts(conn)] == [True]
    other.peer.shown.update(shown)
    del other.peer.shown[page]
    await other.read()
    assert await other.aside() == "gap"


async def test_mod_5_5_only_a_key_that_is_shown_now_breaks_a_pact(other: Other) -> None:
    await other.agree()
    alder, pinned = other.alder, (await other.pact()).their_key
    stranger = other.peer.person("mallory").keys.ed25519_multibase
    async with alder.engine.begin() as conn:
        stale = sa.update(actor_table).where(actor_table.c.uri == other.desk.uri)
        await conn.execute(stale.values(ed25519=stranger))
    port, alder.names.ports["birch.test"] = alder.names.ports["birch.test"], 1
    await other.read()
    assert (await other.pact()).made  # what we remember of them is no word of theirs
    alder.names.ports["birch.test"] = port
    async with alder.engine.begin() as conn:
        desk = replace(await alder.meet(other.desk.uri), ed25519=stranger)
        await pact_mail.check_key(conn, alder.here, desk, stranger)  # the pin has moved since
        assert (await pacts.one(conn, "birch.test")).made
        await pact_mail.check_key(conn, alder.here, desk, pinned)
        assert (await pacts.one(conn, "birch.test")).state is PactState.BROKEN
    # the change that pinned this key comes once more
    change: dict[str, Any] = {"from": stranger, "publicKeyMultibase": pinned}
    await other.tell("KeyChange", (await other.pact()).uri, **change)
    assert (await other.pact()).made


async def test_mod_5_6_ending_ends_the_pact_and_the_offer_of_a_new_one(other: Other) -> None:
    await other.agree()
    alder, made = other.alder, (await other.pact()).uri
    async with alder.engine.begin() as conn:
        await pacts.offer(conn, alder.here, await alder.meet(other.desk.uri), WISHES)
        await conn.execute(sa.update(pact_table).values(state=PactState.BROKEN))
        assert await pacts.freeze_ourselves(conn, alder.here) == 1
        ours = (await pacts.one(conn, "birch.test")).ours
        assert ours is not None
        await pacts.end(conn, alder.here, "birch.test", Afterwards.REVIEW)
    await settle(alder)
    over = await other.pact()
    assert (over.state, over.ours, over.afterwards) == (PactState.ENDED, None, Afterwards.REVIEW)
    assert {each["object"] for each in other.peer.got("Leave")} == {made, ours.uri}
    assert len(other.peer.got("Freeze")) == 1


async def test_mod_5_3_ours_is_shown_to_peers_and_holds_together(
    other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    alder = other.alder
    async with alder.engine.begin() as conn:
        dataset = await datasets.ours(conn, alder.here)
        until = alder.clock().date() + timedelta(days=30)
        for number in range(published.PAGE + 5):
            said = Advice(domain=f"bad{number}.example", policy=Policy.REJECT, until=until)
            await published.advise(conn, alder.here, said)
        erased = (await published.latest(conn, "bad3.example")).id
        with pytest.raises(Conflict):
            await published.erase(conn, alder.here, erased)
        await published.retract(conn, alder.here, "bad3.example", "We were wrong")
        back = await published.one(conn, (await published.after(conn, erased, 200))[-1].id)
        with pytest.raises(Conflict, match="erase what it takes back"):  # or that would count again
            await published.erase(conn, alder.here, back.id)
        await published.renew(conn, alder.here, "bad4.example", until + timedelta(days=9))
        await published.erase(conn, alder.here, erased)
        own = Advice(domain="alder.test", policy=Policy.DROP, until=until)
        with pytest.raises(NotAllowed):
            await published.advise(conn, alder.here, own)
    path = dataset.url.removeprefix(alder.origin)
    # to others it is as if it were not there, whatever they ask for (SEC-I4)
    nothing = await alder.get("/datasets/nothing")
    paths = ("/datasets", path, f"{path}/changes", f"{path}/snapshot", f"{path}/changes/{erased}")
    signed = [other.peer.signed_get(alder, other.desk, each) for each in paths]
    for each, headers in zip(paths, signed, strict=True):
        for sent in (None, headers):
            answer = await alder.get(each, headers=sent)
            assert (answer.status, await answer.read()) == (404, await nothing.read()), each
    await other.agree()

    async def get(where: str) -> Document:
        headers = other.peer.signed_get(alder, other.desk, where)
        answer = await alder.get(where, headers=headers)
        assert answer.status == 200, where
        assert "private" in answer.headers["Cache-Control"]
        document: Document = await answer.json(content_type=None)
        return document

    desk = await other.our_desk()
    assert desk.ed25519 is not None
    key, items, since = keys.load_multibase(desk.ed25519), [], str(published.FIRST)
    while True:
        page = await get(f"{path}/changes?since={since}")
        assert proofs.read(page).holds(key)
        items += page["orderedItems"]
        if "next" not in page:
            break
        since = items[-1]["id"].rpartition("/")[2]
        assert page["next"] == f"{dataset.url}/changes?since={since}"
    assert len(items) == published.PAGE + 7 == page["totalItems"]
    head = chain.follow(
        chain.genesis(dataset.url), items, dataset=dataset.url,
        is_theirs=lambda item: proofs.read(item).holds(key),
    )  # fmt: skip
    document = await get(path)
    assert proofs.read(document).holds(key)
    assert document["head"] == {"seq": head.seq, "link": head.link}
    assert [item["type"] for item in items if item["seq"] == 4] == ["Tombstone"]
    assert "bad3.example" not in str(items[3])
    assert await get(f"{path}/changes/{erased}") == items[3]
    snapshot = await get(f"{path}/snapshot")
    assert snapshot["totalItems"] == published.PAGE + 5
    assert proofs.read(snapshot).holds(key)
    assert snapshot["changes"].endswith(f"?since={items[-1]['id'].rpartition('/')[2]}")
    monkeypatch.setattr(published, "MAX_SNAPSHOT", 9)
    cut = await get(f"{path}/snapshot")  # whoever goes on from there begins anew
    assert len(cut["orderedItems"]) == 9
    assert cut["changes"].endswith(f"?since={published.FIRST}")
    # nobody else of that server reads it, nor does the desk under another key than the pinned one
    stranger = other.peer.person("mallory")
    as_stranger = other.peer.signed_get(alder, stranger, path)
    assert (await alder.get(path, headers=as_stranger)).status == 404
    for table, value in (
        (actor_table, {"ed25519": stranger.keys.ed25519_multibase}),
        (pact_table, {"frozen_there": True}),
    ):
        mine = actor_table.c.uri == other.desk.uri if table is actor_table else sa.true()
        column = table.c[next(iter(value))]
        async with alder.engine.begin() as conn:
            before = await conn.scalar(sa.select(column).where(mine))
            await conn.execute(sa.update(table).where(mine).values(value))
        as_desk = other.peer.signed_get(alder, other.desk, path)
        assert (await alder.get(path, headers=as_desk)).status == 404
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(table).where(mine).values({column: before}))
    collection = await get(f"{path}/changes")
    assert {"first", "last", "totalItems"} <= collection.keys()
    assert (await get((await get("/datasets"))["items"][0].removeprefix(alder.origin))) == document
    labels = await (await alder.get("/labels")).json(content_type=None)
    first = labels["orderedItems"][0]["id"].removeprefix(alder.origin)
    assert (await (await alder.get(first)).json(content_type=None))["type"] == "Label"
    assert (await alder.get("/labels/nope")).status == 404
    about = await (await alder.get("/nodeinfo/2.1")).json(content_type=None)
    assert about["metadata"]["moderationActor"] == desk.uri
    for tier, status in (("public", 200), ("nobody", 404)):
        async with alder.engine.begin() as conn:
            await datasets.set_tier(conn, alder.here, Tier(tier))
        assert (await alder.get(path)).status == status


class Fires:
    """A FIRES server as its reference code is: its `next` loses a change at every page border."""

    def __init__(self, count: int) -> None:
        self.items: list[Document] = []
        self.snapshot: list[Document] = []
        self.asked: list[str] = []
        for number in range(1, count + 1):
            self.add(number)

    def add(self, number: int, **members: Any) -> None:
        self.items.append(
            {
                "id": f"http://lists.test/datasets/1/changes/{self.uuid(number)}",
                "type": "Recommendation",
                "published": "2026-11-01T00:00:00Z",
                "entityKind": "Domain" if number % 2 else "domain",
                "entityKey": f"bad{number}.example",
                "labels": ["http://lists.test/labels/spam"],
                "recommendedPolicy": "reject",
                **members,
            }
        )

    @staticmethod
    def uuid(number: int) -> str:
        return f"0198c200-{number:04x}-7000-a000-000000000000"

    async def answer(self, request: web.Request) -> web.Response:
        base = "http://lists.test/datasets/1"
        if request.path.endswith("/changes"):
            since = request.query["since"]
            self.asked.append(since)
            after = [each for each in self.items if each["id"].rpartition("/")[2] > since]
            page, rest = after[:100], after[100:]
            lost = (
                {"next": f"{base}/changes?since={rest[0]['id'].rpartition('/')[2]}"} if rest else {}
            )
            return web.json_response(
                {"type": "OrderedCollectionPage", "orderedItems": page, **lost}
            )
        if request.path.endswith("/snapshot"):
            return web.json_response(
                {"type": "Collection", "orderedItems": [*self.items, *self.snapshot]}
            )
        ends = {"changes": f"{base}/changes", "snapshot": f"{base}/snapshot"}
        return web.json_response({"id": base, "type": "Dataset", "endpoints": ends})


async def test_mod_3_6_a_plain_list_is_read_whole_from_a_server_that_loses_changes(
    alder: Node,
) -> None:
    lists = Fires(250)
    app = web.Application()
    app.router.add_get("/{path:.*}", lists.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    alder.names.ports["lists.test"] = runner.addresses[0][1]
    try:
        async with alder.engine.begin() as conn:
            await sources.add_list(conn, alder.here, "http://lists.test/datasets/1")
        await settle(alder)
        assert await _states(alder) == {"held": 250}
        assert lists.uuid(100) in lists.asked
        assert lists.uuid(101) not in lists.asked
        lists.add(251, type="Retraction", entityKey="bad7.example", recommendedPolicy=None)
        lists.add(252, type="Retraction", entityKind=None, entityKey=None, comment="Sorry")
        lists.add(253, type="Tombstone", entityKind=None, entityKey=None)
        lists.add(254, type="Advisory", recommendedPolicy=None, entityKey="bad8.example")
        lists.add(255, recommendedPolicy="annihilate")
        lists.snapshot = [{**lists.items[0], "id": f"{lists.items[0]['id'][:-1]}9"}]
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(signal_sources).values(due=to_minute(alder.clock())))
        await settle(alder)
        assert await _states(alder) == {"held": 249, "retracted": 1, "replaced": 2, "noted": 3}
        many = Fires(0)  # of more keys than any other document may have
        for number in range(1_000, 2_500):
            many.add(number)
        lists.snapshot = many.items
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(signal_sources).values(due=to_minute(alder.clock())))
        await settle(alder)
        assert (await _states(alder))["held"] == 249 + 1_500
        before = lists.items
        lists.items = [{"nothing": "here"}]
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(signal_sources).values(due=to_minute(alder.clock())))
        del before[0]["id"]
        await settle(alder)
        assert (await _states(alder))["held"] == 249 + 1_500  # what was read stays
    finally:
        await runner.cleanup()


async def _states(node: Node) -> dict[str, int]:
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(signals.c.state, sa.func.count()).group_by(signals.c.state)
        )
        return {SignalState(state).value: count for state, count in rows}
