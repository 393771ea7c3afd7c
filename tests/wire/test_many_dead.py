"""A node that knows many servers that are gone, and one that takes its time (SECURITY P2, P6)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from activitypub import remote
from activitypub.state import DELIVERER
from activitypub.vocab import ActorDocument
from groups.groups import Group
from kernel.schema.actors import FollowState
from kernel.schema.tables import follows
from moderation.standing import Speaker
from tests.hostile import server as hostile
from tests.hostile.server import Server
from tests.nodes import Node
from tests.peer import Peer
from tests.wire.queues import fill
from tests.wire.test_slow_peers import until, working
from tests.wire.world import Follower, waiting

DEAD = 500
PROMISE = 60.0  # seconds until a healthy server has what was said
NOWHERE = 9  # a port of this computer where nothing listens

pytestmark = pytest.mark.slow


async def _silent(_: str) -> AsyncIterator[bytes]:
    """Takes a connection, and never answers."""
    await asyncio.Event().wait()
    yield b""


async def _dead(node: Node, like: Peer, group: Group, silent: Server) -> None:
    """Somebody on each of many servers that are gone follows the group.

    One half refuses at once, the other keeps everybody waiting until the node gives up.
    """
    ann = like.person("model")
    rows = []
    async with node.engine.begin() as conn:
        for number in range(DEAD):
            origin = f"http://dead{number}.test"
            node.names.ports[f"dead{number}.test"] = silent.port if number % 2 else NOWHERE
            text = json.dumps(ann.document()).replace(like.origin, origin)
            actor = await remote.store(conn, node.here, ActorDocument.parse(json.loads(text)))
            rows.append(
                {
                    "follower_id": actor.id,
                    "followed_id": group.actor.id,
                    "state": FollowState.ACCEPTED,
                    "uri": f"{origin}/follow",
                }
            )
        await conn.execute(follows.insert(), rows)


async def test_wire_Q4_dead_servers_and_a_slow_one_delay_nobody_else(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower, good: Peer
) -> None:
    await fill(alder, "lemmy.test", sleep.actor, 10_000)

    async def take_time() -> None:
        await asyncio.sleep(0.5)

    lemmy.peer.at_post = take_time
    took = []
    async with hostile.serve(_silent) as silent:
        await _dead(alder, good, sleep, silent)
        async with working(alder.app):
            for number in range(3):
                begun = time.monotonic()
                await alder.start(ana, sleep.actor.uri, f"Thread {number}", "Hello.")

                async def heard(so_many: int = number + 1) -> bool:
                    return len(mastodon.peer.inbox) >= so_many

                await until(heard)
                took.append(time.monotonic() - begun)
                alder.clock.forward(minutes=5)  # all who failed are due again
        assert silent.connections >= DEAD / 2
    assert max(took) < PROMISE
    assert await waiting(alder, "lemmy.test") > 9_000  # it had its turn, and no more
    assert lemmy.peer.inbox
    assert alder.app[DELIVERER].queue._held == 0
