"""What deletes ask before they are queued, and what is asked of other servers' queues."""

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import pace, precedence, synchronisation
from activitypub.queue import Queue
from bench.statements import Statements
from inbox import due
from kernel.ids import random_uuid
from moderation import peers
from tests.nodes import Node
from tests.plans.conftest import LARGE, Asking, Seeded
from tests.plans.test_delivery_plans import PEERS, ROWS, _plan, long_queue

__all__ = ["long_queue"]


async def test_what_is_brought_along_is_found_by_what_it_is_about(asking: Asking) -> None:
    (plan,) = await asking.plans(lambda conn: precedence.bring_along(conn, ["http://a.test/1"]))
    assert not plan.scanned & LARGE
    assert {"ix_activities_object_uri", "pk_activities"} <= plan.indexes


async def test_offers_are_made_of_the_followers_of_the_groups_alone(asking: Asking) -> None:
    group = random_uuid()
    (plan,) = await asking.plans(lambda conn: synchronisation.offers(conn, [group], ["b.test"]))
    assert not plan.scanned & LARGE
    (plan,) = await asking.plans(lambda conn: synchronisation.followers_at(conn, group, "b.test"))
    assert not plan.scanned & LARGE


async def test_whether_a_server_is_known_here_is_asked_of_one_actor_after_the_other(
    asking: Asking,
) -> None:
    (plan,) = await asking.plans(lambda conn: conn.scalar(pace._KNOWN, {"host": "b.test"}))
    assert plan.scanned <= {"actors"}  # all of this town live on one server
    assert {"pk_follows", "ix_follows_followed_id", "ix_moderators_actor_id"} <= plan.indexes


async def test_an_errand_is_claimed_without_a_look_at_every_actor(
    reading: AsyncEngine, seeded: Seeded, asking: Asking
) -> None:
    async def claim(_: AsyncConnection) -> None:
        await due.claim(reading, seeded.here)

    plans = await asking.plans(claim)
    assert not any(plan.scanned & (LARGE - {"errands"}) for plan in plans)


async def test_a_page_of_servers_counts_along_the_index_and_only_so_far(
    long_queue: tuple[Node, Queue, Statements],
) -> None:
    alder, queue, seen = long_queue
    async with queue._at_once.connect() as conn:
        found = await peers.listed(conn)
    assert len(found) == peers.PAGE
    assert {peer.waiting for peer in found} <= {ROWS // PEERS, ROWS // PEERS + 1}
    steps, milliseconds = await _plan(alder, seen, "queue.waiting")
    assert ("Seq Scan", "deliveries") not in steps
    assert milliseconds < 1_000
