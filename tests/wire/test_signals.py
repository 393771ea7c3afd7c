"""Advice from servers that are odd, or hostile: nothing is lost, and nothing false is believed."""

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub import keys, proofs
from kernel.errors import Conflict, NotAllowed
from kernel.ids import random_uuid
from kernel.schema.moderation import Level
from kernel.schema.pacts import PactState, Tier
from kernel.schema.tables import actors as actor_table
from kernel.schema.tables import alert_channels, signal_sources
from kernel.schema.tables import pacts as pact_table
from moderation import alerting
from moderation.lists import reading
from moderation.lists.entry import Format
from moderation.pact_terms import CONTEXT
from moderation.policy import Policy as Treated
from moderation.signals import chain, datasets, documents, heads, published, sources, vocabulary
from moderation.signals.published import Advice
from moderation.signals.vocabulary import Policy
from node.doctor import _pacts
from tests.nodes import settle
from tests.peer import Document, PeerFactory
from tests.wire.desks import Other


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

    alder = other.alder
    async with alder.engine.begin() as conn:
        await conn.execute(
            alert_channels.insert().values(
                id=random_uuid(), way="webhook", sealed=b"", pace=60, confirmed=True,
                next_attempt=alder.clock() + timedelta(days=99), 
            )
        )  # fmt: skip

    async def called() -> bool:
        """Whether the node's desk was called since it was asked last."""
        async with alder.engine.begin() as conn:
            await alerting.take_in(conn, alder.here)
            waits = await conn.scalar(sa.select(alert_channels.c.waits))
            later = alder.clock() + timedelta(days=99)
            await conn.execute(
                sa.update(alert_channels).values(waits=False, failures=0, next_attempt=later)
            )
            return bool(waits)

    async def lies(reason: str, *, more: bool = False, **shown: Any) -> None:
        """The lie is seen and has no effect; then all is as if it had never been told."""
        await called()
        if more:
            other.say("innocent.example")
        other.show(**shown)
        assert await other.read() == everything, reason
        assert await other.aside() == reason
        assert await called(), reason
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
    await called()
    await other.read()
    assert await called()
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


async def test_mod_5_3_ours_is_shown_to_peers_and_holds_together(
    other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    alder = other.alder
    async with alder.engine.begin() as conn:
        dataset = await datasets.ours(conn, alder.here)
        until = alder.clock().date() + timedelta(days=30)
        for number in range(published.PAGE + 5):
            advised = Policy.FILTER if number % 2 else Policy.REJECT
            said = Advice(domain=f"bad{number}.example", policy=advised, until=until)
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
    assert all(not {"@context", "proof"} & item.keys() for item in snapshot["orderedItems"])
    assert snapshot["orderedItems"][0].items() <= items[0].items()
    listed = reading.read(json.dumps(snapshot).encode())  # as anybody else's list of FIRES
    assert (listed.format, listed.refused, listed.canaries) == (Format.FIRES, [], 0)
    assert {name: entry.policy for name, entry in listed.entries.items()} == {
        f"bad{number}.example": Treated(Level.FILTER if number % 2 else Level.REJECT)
        for number in range(published.PAGE + 5)
        if number != 3
    }
    monkeypatch.setattr(documents, "MAX_SNAPSHOT", 9)
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


async def test_mod_5_5_an_issuer_that_shows_others_something_else_is_put_aside(
    other: Other, peer: PeerFactory
) -> None:
    alder = other.alder
    await other.agree()
    witness = Other(await peer("cedar.test", alder, "hearthold"), alder)
    await witness.agree()
    other.say("bad.example")
    other.show()
    await other.read()
    asked = f"/datasets/heads?of={heads.digest(other.url)}"

    async def compared(shown: Document | None) -> str:
        """A day later, the witness shows this as what it was shown."""
        if shown is not None:
            witness.peer.shown[asked] = shown
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(signal_sources).values(compared=None))
        await settle(alder)
        async with alder.engine.connect() as conn:
            found = {it.host: it.quarantined for it in await sources.listed(conn)}
        return found["birch.test"]

    def head(by: Other, link: str, seq: int = 1) -> Document:
        document = {
            "@context": vocabulary.CONTEXT, "id": other.url, "type": "Dataset",
            "head": {"seq": seq, "link": link},
        }  # fmt: skip
        return by.prove(document)

    assert await compared(None) == "", "who reads nothing of it has nothing to show"
    assert "/datasets/heads" in witness.peer.fetched
    assert await compared(head(other, other.head().link)) == ""
    assert await compared(head(witness, "sha-256:lie")) == "", "only the issuer can prove it"
    assert await compared(head(other, "sha-256:other", seq=7)) == "", "that is not read yet"
    assert await compared({"head": 7}) == ""
    # whoever asks us is shown what the issuer signed; strangers find nothing
    signed = witness.peer.signed_get(alder, witness.desk, asked)
    answer = await alder.get(asked, headers=signed)
    assert (await answer.json(content_type=None))["head"]["link"] == other.head().link
    unknown = "/datasets/heads?of=" + "0" * 64
    for where, headers in (
        (asked, None),
        (asked, witness.peer.signed_get(alder, witness.peer.person("eve"), asked)),
        (unknown, witness.peer.signed_get(alder, witness.desk, unknown)),
    ):
        assert (await alder.get(where, headers=headers)).status == 404
    assert await compared(head(other, "sha-256:other")) == "two views"
