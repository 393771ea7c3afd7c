"""What `/about/kept` says is what happens: every table is in it, and every timer ends in time."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from activitypub.keys import generate
from groups import closing, desk
from groups import waiting as waiting_store
from groups.admission import Draft
from groups.groups import GroupSettings
from inbox.burials import BURIED
from kernel.clock import to_month
from kernel.ids import random_uuid
from kernel.release import AT_ONCE, Timing
from kernel.schema.actors import ActorKind
from kernel.schema.federation import ReceivedState
from kernel.schema.groups import Posts
from kernel.schema.moderation import AppealState
from kernel.schema.posts import Mood
from kernel.schema.tables import (
    activities,
    actors,
    appeals,
    asks_out,
    audit_marks,
    bans,
    check_ins,
    deliveries,
    departures,
    drawers,
    list_taken_rows,
    media,
    message_boxes,
    messages,
    metadata,
    notices,
    post_edits,
    receipts,
    received,
    sessions,
    severed_follows,
    signals,
    tombstones,
    waiting,
)
from members import correspondents
from members import departures as departure_store
from members import drawers as drawer_store
from members import messages as message_store
from members import sessions as session_store
from moderation import appeals as appeal_store
from moderation import audit
from moderation.lists import reading, taking
from moderation.lists import sources as list_sources
from moderation.signals import received as received_signals
from moderation.signals import sources
from moderation.signals.lines import Line
from node import data_map, pictures, strangers, tidy
from node.strangers import Walk
from tests.members.people import sign_up
from tests.nodes import Node, NodeFactory
from tests.pages.people import Browser
from tests.privacy.world import meet

Planter = Callable[[Node], Awaitable[sa.Select[int]]]
"""Puts something into a table, and gives the count of it."""

_count = sa.func.count()


async def _session(node: Node) -> sa.Select[int]:
    member = (await sign_up(node.engine, node.here)).member
    await session_store.open(node.engine, node.here, member)
    return sa.select(_count).select_from(sessions)


async def _departure(node: Node) -> sa.Select[int]:
    leaving = await node.persona("leaves")
    async with node.engine.begin() as conn:
        await departure_store.schedule(conn, node.here, leaving.id)
    return sa.select(_count).select_from(departures)


async def _receipt(node: Node) -> sa.Select[int]:
    await _known(node)
    closes = await node.persona("closes")
    async with node.engine.begin() as conn:
        await closing.close(conn, node.here, closes.actor)
    return sa.select(_count).select_from(receipts).where(receipts.c.persona_id == closes.id)


async def _known(node: Node) -> None:
    async with node.engine.begin() as conn:
        uri = f"https://birch.example/u/{random_uuid()}"
        friend = await meet(conn, node.here, uri, ActorKind.PERSON, generate())
        await conn.execute(
            sa.update(actors).where(actors.c.id == friend.id).values(fetched_at=None)
        )


async def _delivery(node: Node) -> sa.Select[int]:
    await _known(node)
    closes = await node.persona("says_goodbye")
    async with node.engine.begin() as conn:
        await closing.close(conn, node.here, closes.actor)
    return sa.select(_count).select_from(deliveries).where(deliveries.c.signer_id == closes.id)


async def _edit(node: Node) -> sa.Select[int]:
    ana = await node.persona("ana")
    group = await node.group("sleep", ana)
    post = await node.start(ana, group.actor.uri, "First", "What it said.")
    await node.edit(ana, post.uri, "First", "What it says.")
    return sa.select(_count).select_from(post_edits)


async def _check_in(node: Node) -> sa.Select[int]:
    bea = await node.persona("bea")
    group = await node.group("weekly", bea)
    thread = await node.start(bea, group.actor.uri, "This week", "How is it?")
    row = {"thread_id": thread.id, "persona_id": bea.id, "mood": Mood.FINE}
    async with node.engine.begin() as conn:
        await conn.execute(check_ins.insert().values(row))
    return sa.select(_count).select_from(check_ins)


async def _notice(node: Node) -> sa.Select[int]:
    one, two = await node.persona("cat"), await node.persona("dan")
    group = await node.group("answers", one, settings=GroupSettings(posts=Posts.ANYONE))
    root = await node.start(one, group.actor.uri, "First", "Words.")
    await node.reply(two, root.uri, "An answer.")
    return sa.select(_count).select_from(notices)


async def _draft(node: Node) -> sa.Select[int]:
    row = {"id": random_uuid(), "width": 1, "height": 1, "bytes": 1}
    async with node.engine.begin() as conn:
        await conn.execute(media.insert().values(**row, drafted=node.here.now().date()))
    return sa.select(_count).select_from(media).where(~media.c.gone)


async def _activity(node: Node) -> sa.Select[int]:
    uri = f"{node.origin}/a/1"
    async with node.engine.begin() as conn:
        await conn.execute(
            activities.insert().values(
                uri=uri, actor_uri=f"{node.origin}/u/ana", kind="Announce", object_uri="",
                body="{}", public=True, month=to_month(node.here.now()),
            )
        )  # fmt: skip
    return sa.select(_count).select_from(activities).where(activities.c.uri == uri)


async def _arrival(node: Node) -> sa.Select[int]:
    async with node.engine.begin() as conn:
        await conn.execute(
            received.insert().values(
                origin="https://birch.example", activity_uri="https://birch.example/a/1",
                signer_uri="https://birch.example/u/ben", state=ReceivedState.DONE, plain=False,
                next_attempt=node.here.now(), day=node.here.now().date(),
            )
        )  # fmt: skip
    return sa.select(_count).select_from(received)


async def _burial(node: Node) -> sa.Select[int]:
    async with node.engine.begin() as conn:
        await conn.execute(
            tombstones.insert().values(
                uri="https://birch.example/p/1", until=node.here.now().date() + BURIED
            )
        )
    return sa.select(_count).select_from(tombstones)


async def _stranger(node: Node) -> sa.Select[int]:
    async with node.engine.begin() as conn:
        uri = "https://oak.example/u/zoe"
        await meet(conn, node.here, uri, ActorKind.PERSON, generate())
        await conn.execute(
            sa.update(actors).where(actors.c.uri == uri).values(fetched_at=node.here.now())
        )
    return sa.select(_count).select_from(actors).where(actors.c.uri == uri)


async def _unsent(node: Node) -> sa.Select[int]:
    eve = await node.persona("eve")
    group = await node.group("later", eve)
    timing = Timing(undo=10)
    async with node.engine.begin() as conn:
        draft = Draft(title="Later", source="Words.", language="en")
        kept = await waiting_store.send(conn, node.here, eve, group, None, draft, timing)
        assert isinstance(kept, UUID)
        await waiting_store.take_back(conn, kept, eve.id)
    return sa.select(_count).select_from(waiting)


async def _message(node: Node) -> sa.Select[int]:
    one, two = await node.persona("fay"), await node.persona("gus")
    async with node.engine.begin() as conn:
        for each, other in ((one, two), (two, one)):
            await conn.execute(message_boxes.insert().values(persona_id=each.id))
            await correspondents.accept(conn, node.here, each.id, other.id)
        await message_store.send(
            conn, node.here, one, two.actor, "Hello.", language="en", help_lines=(), timing=AT_ONCE
        )
    return sa.select(_count).select_from(messages)


async def _drawer(node: Node) -> sa.Select[int]:
    member = (await sign_up(node.engine, node.here, "keeps-drafts")).member
    async with node.engine.begin() as conn:
        await drawer_store.keep(conn, node.here, member, "/g/sleep/new", {"text": ["Words."]})
    return sa.select(_count).select_from(drawers)


async def _mark(node: Node) -> sa.Select[int]:
    async with node.engine.begin() as conn:
        await audit.note(conn, node.here.deciding(b"s" * 32), verb="x", about="x")
    return sa.select(_count).select_from(audit_marks)


async def _appeal(node: Node) -> sa.Select[int]:
    hal, ivy = await node.persona("hal"), await node.persona("ivy")
    group = await node.group("second", hal)
    await node.join(ivy, group.actor.uri)
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, group, hal)
        await desk.warn(conn, node.here, group, acting, ivy.actor, "Softly, please.")
        (decision,) = await audit.of_person(conn, ivy.id, limit=1)
        await appeal_store.ask(conn, node.here, decision, "Why?")
        await appeal_store.answer(conn, node.here, decision.id, AppealState.UPHELD, "So.")
    return sa.select(_count).select_from(appeals)


async def _signal(node: Node) -> sa.Select[int]:
    today = node.here.now().date()
    async with node.engine.begin() as conn:
        await sources.add_list(conn, node.here, "http://lists.test/datasets/1")
        (source,) = await sources.listed(conn)
        line = Line.read(
            {
                "id": "http://lists.test/changes/1",
                "type": "Advisory",
                "entityKind": "domain",
                "entityKey": "bad.example",
                "endTime": f"{today}T00:00:00Z",
            },
            source.url,
            today,
        )
        await received_signals.take_in(conn, node.here, source, [line])
    return sa.select(_count).select_from(signals)


async def _asked(node: Node) -> sa.Select[int]:
    today = node.here.now().date()
    async with node.engine.begin() as conn:
        await conn.execute(
            asks_out.insert().values(
                id=random_uuid(),
                host="elm.example",
                category="report",
                urgency="today",
                state="closed",
                day=today,
                sealed=b"",
            )
        )
    return sa.select(_count).select_from(asks_out)


async def _severed(node: Node) -> sa.Select[int]:
    mia = await node.persona("mia")
    async with node.engine.begin() as conn:
        uri = f"https://elm.example/u/{random_uuid()}"
        friend = await meet(conn, node.here, uri, ActorKind.PERSON, generate())
        await conn.execute(
            severed_follows.insert().values(
                follower_id=mia.id,
                followed_id=friend.id,
                state="accepted",
                uri=node.here.new_activity_uri(),
                guidelines=0,
                approved=False,
                day=node.here.now().date(),
            )
        )
    return sa.select(_count).select_from(severed_follows)


async def _taken(node: Node) -> sa.Select[int]:
    async with node.engine.begin() as conn:
        source = await list_sources.add(conn, node.here, name="A list")
        listed = reading.read(b"bad.example\n")
        found = await taking.compare(conn, node.here, source, listed)
        await taking.take(conn, node.here, source, found, agreed=True)
    return sa.select(_count).select_from(list_taken_rows)


PLANTED: Final[Mapping[str, Planter]] = {
    "sessions": _session,
    "departures": _departure,
    "receipts": _receipt,
    "severed_follows": _severed,
    "list_taken_rows": _taken,
    "waiting": _unsent,
    "messages": _message,
    "drawers": _drawer,
    "post_edits": _edit,
    "media": _draft,
    "check_ins": _check_in,
    "notices": _notice,
    "activities": _activity,
    "deliveries": _delivery,
    "received": _arrival,
    "tombstones": _burial,
    "actors": _stranger,
    "audit_marks": _mark,
    "appeals": _appeal,
    "signals": _signal,
    "asks_out": _asked,
}
SOONER: Final = {"activities": 31, "departures": 14, "media": 2}  # days before its time it may go


async def _round(node: Node) -> None:
    await tidy.tidy(node.engine, node.here)
    await strangers.forget(node.engine, node.here, Walk())
    await pictures.sweep(node.app)


async def test_dom_I5_what_has_a_timer_is_gone_after_its_time_and_not_long_before(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    timed = {row.tables[0]: row.after for row in data_map.rows() if row.after is not None}
    assert timed.keys() == PLANTED.keys(), "a row with a timer needs something planted for it"
    counts = {name: await plant(alder) for name, plant in PLANTED.items()}
    begun = alder.clock.now

    async def there(name: str) -> int:
        async with alder.engine.connect() as conn:
            return await conn.scalar(counts[name]) or 0

    await _round(alder)
    assert all([await there(name) for name in counts])
    moments = sorted(
        {(after - timedelta(days=SOONER.get(name, 1)), name, True) for name, after in timed.items()}
        | {(after + timedelta(days=1, minutes=1), name, False) for name, after in timed.items()}
    )
    for after, name, expected in moments:
        alder.clock.now = max(begun, begun + after)
        await _round(alder)
        assert bool(await there(name)) is expected, (name, after)


async def test_dom_I5_a_ban_that_ended_goes_with_its_reason(node: NodeFactory) -> None:
    alder = await node("alder.test")
    ana, ben, cleo = [await alder.persona(name) for name in ("ana", "ben", "cleo")]
    group = await alder.group("sleep", ana)
    last = alder.here.now().date() + timedelta(days=1)
    async with alder.engine.begin() as conn:
        await desk.ban(conn, alder.here, group, ana.actor, ben.actor, "said too much", last)
        await desk.ban(conn, alder.here, group, ana.actor, cleo.actor, "for good")
    for day, left in ((1, 2), (2, 1), (400, 1)):
        alder.clock.now = datetime.combine(last, time(12), UTC) + timedelta(days=day - 1)
        await _round(alder)
        async with alder.engine.connect() as conn:
            reasons = list(await conn.scalars(sa.select(bans.c.reason)))
        assert len(reasons) == left, day
    assert reasons == ["for good"]


def test_dom_I1_every_table_is_in_the_data_map_and_nothing_else_is() -> None:
    named = {table for row in data_map.rows() for table in row.tables}
    assert named == metadata.tables.keys()


async def test_the_page_says_what_is_kept_and_for_how_long(node: NodeFactory) -> None:
    alder = await node("alder.test")
    page = await Browser(alder).open("/about/kept")
    shown = " ".join(page.text.split())
    for row in data_map.rows():
        for part in (row.what, row.until, row.why, row.who):
            assert part in shown
        assert row.after is None or data_map.span(row.after) in row.until


def test_times_read_as_people_say_them() -> None:
    assert data_map.span(timedelta(days=1)) == "1 day"
    assert data_map.span(timedelta(weeks=3)) == "3 weeks"
    assert data_map.span(timedelta(days=30)) == "30 days"
