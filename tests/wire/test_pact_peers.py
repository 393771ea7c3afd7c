"""Pacts with servers that are odd, or hostile: nothing is agreed that nobody wanted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub import keys
from activitypub.state import SETTINGS
from kernel import tombstone_log
from kernel.errors import Conflict, NotAllowed
from kernel.schema.pacts import Afterwards, PactState
from kernel.schema.tables import actors as actor_table
from kernel.schema.tables import audit as audit_table
from kernel.schema.tables import pacts as pact_table
from moderation import pact_mail, pact_making, pacts
from moderation.pact_terms import Paper, Party
from moderation.pacts import Pact
from node.safekeeping.replay import replay
from tests.nodes import Node, block, settle
from tests.peer import PeerFactory
from tests.wire.desks import ADVICE, WISHES, Other


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
        await pact_making.refuse(conn, alder.here, "birch.test")
    await settle(alder)
    assert [each["object"] for each in other.peer.got("Reject")][-1].startswith(other.peer.origin)
    await other.offer(await other.paper(pact_mail.OFFERS_A_DAY))
    async with alder.engine.connect() as conn:
        assert await pacts.listed(conn) == []
        await conn.rollback()
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "birch.test")
        desk = await alder.meet(other.desk.uri)
        with pytest.raises(NotAllowed):
            await pact_making.offer(conn, alder.here, desk, WISHES)
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
            await pact_making.accept(conn, alder.here, "birch.test", WISHES, seen.uri)
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
        await pact_making.offer(conn, alder.here, desk, WISHES)
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
        await pact_making.offer(conn, alder.here, desk, WISHES)
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
        await pact_making.end(conn, alder.here, "birch.test", Afterwards.KEEP)
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
    async with alder.engine.begin() as conn:
        assert await pacts.freeze_ourselves(conn, alder.here) == 1
    assert (await restored(unsafe=False)).unsafe
    # a new pact takes the place of the one before, which is over then
    await other.offer(await other.paper(2))
    async with alder.engine.begin() as conn:
        await other.say_yes(conn)
    await other.tell("Freeze", first)
    assert (await other.pact()).listens
    for state in (PactState.MADE, PactState.BROKEN):
        assert (await restored(uri=first, state=state)).state is PactState.ENDED
    async with alder.engine.connect() as conn:  # what their desk did, nobody here decided
        rows = await conn.execute(sa.select(audit_table.c.verb, audit_table.c.role))
    roles = {row.verb: row.role for row in rows}
    assert {role for verb, role in roles.items() if verb.startswith("they ")} == {"peer"}
    assert roles["make pact"] == roles["freeze peer"] == "administrator"


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
        await pact_making.offer(conn, alder.here, await alder.meet(other.desk.uri), WISHES)
        await conn.execute(sa.update(pact_table).values(state=PactState.BROKEN))
        assert await pacts.freeze_ourselves(conn, alder.here) == 1
        ours = (await pacts.one(conn, "birch.test")).ours
        assert ours is not None
        await pact_making.end(conn, alder.here, "birch.test", Afterwards.REVIEW)
    await settle(alder)
    over = await other.pact()
    assert (over.state, over.ours, over.afterwards) == (PactState.ENDED, None, Afterwards.REVIEW)
    assert {each["object"] for each in other.peer.got("Leave")} == {made, ours.uri}
    assert len(other.peer.got("Freeze")) == 1
