"""Requests that end half-way leave nothing behind for the next one (SEC-D16)."""

import asyncio
from collections import Counter
from contextlib import suppress
from random import Random

import pytest
import sqlalchemy as sa

from groups.groups import GroupSettings
from kernel.schema.groups import Posts
from kernel.schema.tables import posts
from tests.nodes import Node, NodeFactory
from tests.pages.people import Answer, Person, person, settle

CANCELLED = 2_000  # ten thousand take some minutes and found no more
AT_ONCE = 24
LONGEST = 0.06  # seconds until a request is cancelled: from before it is read to after its answer


def _marker(number: int) -> str:
    return f"only{number}told"


@pytest.mark.slow
async def test_sec_D16_no_answer_carries_what_is_anothers_however_many_requests_were_cancelled(
    node: NodeFactory,
) -> None:
    """Handlers are cancelled with their request: harder than `serve`, which lets them finish."""
    alder = await node("alder.test", cancels=True)
    await settle(alder)
    people = [await person(alder, _marker(number)) for number in range(8)]
    group = await alder.group("open", people[0].speaker, settings=GroupSettings(posts=Posts.ANYONE))
    seen: Counter[str] = Counter()
    rng = Random(16)

    async def ask(who: Person, number: int) -> None:
        """One request, cancelled or not; what comes back is the asker's own."""
        words = f"{_marker(number)} {'w' * 40}"
        request = asyncio.ensure_future(
            who.open("/personas")
            if rng.random() < 0.5
            else who.send("POST", f"/g/{group.actor.handle}/new", {"title": "", "text": words})
        )
        if rng.random() < 0.75:
            await asyncio.sleep(rng.uniform(0, LONGEST))
            seen["cancelled"] += request.cancel()
            with suppress(asyncio.CancelledError):
                check(await request, number)
        else:
            check(await request, number)
            seen["answered"] += 1

    def check(answer: Answer, number: int) -> None:
        assert answer.status in (200, 400, 403), (answer.status, answer.text)
        assert _marker(number) in answer.html
        others = [other for other in range(len(people)) if other != number]
        assert not any(_marker(other) in answer.html for other in others)

    async def one_after_another(number: int) -> None:
        while seen["cancelled"] < CANCELLED:
            await ask(people[number % len(people)], number % len(people))
            alder.clock.forward(seconds=5)  # nobody posts too often

    async with asyncio.TaskGroup() as crowd:
        for number in range(AT_ONCE):
            crowd.create_task(one_after_another(number))
    assert seen["answered"] > CANCELLED / 10

    for number, who in enumerate(people):
        check(await who.open("/personas"), number)
    await _nothing_is_held(alder)


async def _nothing_is_held(node: Node) -> None:
    """Every connection is back, and none of them is inside a transaction."""
    async with node.engine.connect() as conn:
        held = await conn.scalar(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
            )
        )
        assert held == 0
        assert await conn.scalar(sa.select(sa.func.count()).select_from(posts)) == 0
    pool = node.engine.pool
    assert isinstance(pool, sa.pool.QueuePool)
    assert pool.checkedout() == 0
