"""What was decided about messages after a backup holds after its restore, and ties nobody."""

from collections.abc import Awaitable, Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from activitypub.state import SETTINGS
from kernel import tombstone_log
from kernel.schema.messages import Standing
from kernel.schema.tables import correspondents, message_boxes, messages
from kernel.tombstone_log import Line
from members import correspondents as circle
from members import requests
from moderation.standing import Speaker
from node.safekeeping.replay import replay
from tests.nodes import Node, settle
from tests.peer import Peer, Person
from tests.wire.messaging import accepts_back, counted, direct, read, stands, takes, write
from tests.wire.world import said


def decided(node: Node) -> list[Line]:
    """The lines of the node's log that a restore reads."""
    return tombstone_log.read(node.app[SETTINGS].tombstones.read_text())


async def accepted_both(node: Node, one: Actor, other: Actor) -> None:
    """As in a backup: no line says so."""
    async with node.engine.begin() as conn:
        rows = [
            {"owner_id": mine.id, "other_id": theirs.id, "state": Standing.ACCEPTED, "until": None}
            for mine, theirs in ((one, other), (other, one))
        ]
        await conn.execute(sa.delete(correspondents))
        await conn.execute(correspondents.insert(), rows)


async def replayed(node: Node, lines: Sequence[Line]) -> None:
    async with node.engine.begin() as conn:
        await replay(conn, node.here, lines)


async def test_a_restore_brings_back_neither_deleted_words_nor_who_was_blocked(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    note = direct(good, cat, "Deleted since", kay)
    await said(alder, good, cat, note)
    async with alder.engine.begin() as conn:
        await circle.block(conn, alder.here, kay.id, friend.id)
    await accepted_both(alder, kay.actor, friend)
    before = decided(alder)
    await replayed(alder, [("deleted", note["id"]), *before])
    assert await read(alder, kay) == []
    assert await stands(alder, kay, friend) == Standing.BLOCKED
    async with alder.engine.connect() as conn:
        assert not await circle.may_write(conn, alder.here, kay.id, friend.id)
    sealed = [line for line in decided(alder) if line[0] == "messages"]
    assert sealed == [line for line in before if line[0] == "messages"]  # it adds none


async def test_design_V1_the_log_of_what_was_decided_ties_no_two_names(
    alder: Node, kay: Speaker, friend: Actor
) -> None:
    lea = await alder.persona("lea")
    before = len(decided(alder))
    for mine in (kay, lea):
        async with alder.engine.begin() as conn:
            await circle.block(conn, alder.here, mine.id, friend.id)
    async with alder.engine.begin() as conn:
        await circle.unblock(conn, alder.here, kay.id, friend.id)
        await circle.accept(conn, alder.here, kay.id, friend.id)
        await circle.stop(conn, alder.here, kay.id, friend.id)
        await circle.turn_off(conn, alder.here, kay.id)
    lines = decided(alder)[before:]
    assert [line[0] for line in lines] == ["messages"] * 6
    assert len({len(line[1]) for line in lines}) == 1
    assert len(set(lines)) == 6
    text = str(lines)
    for who in (kay.actor, lea.actor, friend):
        for name in (who.uri, who.handle, who.host, str(who.id), who.id.hex):
            assert name not in text


async def test_a_restore_follows_what_two_decided_last(
    alder: Node, kay: Speaker, ana: Speaker
) -> None:
    lea = await alder.persona("lea")
    await takes(alder, lea)
    await has_been_here(alder, lea, ana)
    here = alder.here

    async def after(*acts: Callable[[AsyncConnection], Awaitable[None]]) -> list[str | None]:
        """How the two stand when a backup, in which both said yes, meets the acts since."""
        await accepted_both(alder, kay.actor, lea.actor)
        before = len(decided(alder))
        for act in acts:
            async with alder.engine.begin() as conn:
                await act(conn)
        lines = decided(alder)[before:]
        await accepted_both(alder, kay.actor, lea.actor)
        await replayed(alder, lines)
        return [await stands(alder, kay, lea.actor), await stands(alder, lea, kay.actor)]

    def block(conn: AsyncConnection) -> Awaitable[None]:
        return circle.block(conn, here, kay.id, lea.id)

    def unblock(conn: AsyncConnection) -> Awaitable[None]:
        return circle.unblock(conn, here, kay.id, lea.id)

    def stop(conn: AsyncConnection) -> Awaitable[None]:
        return circle.stop(conn, here, lea.id, kay.id)

    def ask(conn: AsyncConnection) -> Awaitable[None]:
        return requests.ask(conn, here, lea, kay.actor)

    def yes(conn: AsyncConnection) -> Awaitable[None]:
        return requests.say_yes(conn, here, kay, lea.actor)

    assert await after() == ["accepted", "accepted"]
    assert await after(block) == ["blocked", None]
    assert await after(block, unblock) == [None, None]
    assert await after(stop) == [None, None]
    assert await after(stop, ask) == [None, "accepted"]
    assert await after(stop, ask, yes) == ["accepted", "accepted"]
    assert await after(block, unblock, ask, yes) == ["accepted", "accepted"]
    assert await after(block, unblock, ask, yes, stop) == [None, None]


async def test_who_asks_somebody_they_blocked_talks_with_them_after_a_restore_too(
    alder: Node, kay: Speaker, ana: Speaker
) -> None:
    lea = await alder.persona("lea")
    await takes(alder, lea)
    await has_been_here(alder, lea, ana)
    async with alder.engine.begin() as conn:
        await circle.block(conn, alder.here, lea.id, kay.id)
    async with alder.engine.begin() as conn:
        await requests.ask(conn, alder.here, lea, kay.actor)
    async with alder.engine.begin() as conn:
        await requests.say_yes(conn, alder.here, kay, lea.actor)
    await replayed(alder, decided(alder))
    assert await stands(alder, kay, lea.actor) == Standing.ACCEPTED
    assert await stands(alder, lea, kay.actor) == Standing.ACCEPTED


async def test_a_restore_lifts_a_block_that_was_lifted_and_blocks_nobody_who_is_closed(
    alder: Node, kay: Speaker, friend: Actor
) -> None:
    async with alder.engine.begin() as conn:
        await circle.block(conn, alder.here, kay.id, friend.id)
    blocked = decided(alder)
    async with alder.engine.begin() as conn:
        await circle.unblock(conn, alder.here, kay.id, friend.id)
    lifted = decided(alder)
    await replayed(alder, blocked)
    assert await stands(alder, kay, friend) == Standing.BLOCKED
    await replayed(alder, lifted)
    assert await stands(alder, kay, friend) is None
    await replayed(alder, [*blocked, ("closed", kay.actor.uri)])
    assert await counted(alder, correspondents) == 0


async def test_a_restore_turns_messages_off_where_they_were(alder: Node, kay: Speaker) -> None:
    async with alder.engine.begin() as conn:
        await circle.turn_off(conn, alder.here, kay.id)
    await takes(alder, kay)
    await replayed(alder, decided(alder))
    assert await counted(alder, message_boxes) == 0


async def has_been_here(node: Node, persona: Speaker, founder: Speaker) -> None:
    """The persona may ask others: it has a post, and is no newcomer."""
    group = await node.group("talking", founder)
    await node.join(persona, group.actor.uri)
    await node.start(persona, group.actor.uri, "Hello", "Some words.")
    node.clock.forward(days=40)


async def test_a_restore_takes_back_what_was_deleted_since_and_did_not_leave_yet(
    alder: Node, kay: Speaker, friend: Actor, good: Peer
) -> None:
    await accepts_back(alder, kay, friend)
    await write(alder, kay, friend, "Deleted since")
    async with alder.engine.begin() as conn:
        uri = await conn.scalar(sa.select(messages.c.uri))
        await replay(conn, alder.here, [("deleted", uri or "")])
    assert await alder.mentions("Deleted since") == []
    await settle(alder)
    assert good.got("Create") == []
    assert [each["object"]["id"] for each in good.got("Delete")] == [uri]
