"""`kill -9` where it hurts most: nothing acknowledged is lost, nothing is done twice (SEC-I9).

`make kills` does it a hundred times at each point.
"""

import os
from random import Random

import pytest

from kernel.faults import Point
from tests.faults.victim import victim
from tests.faults.world import World, rest

RUNS = int(os.environ.get("KILLS", "25"))  # at each point
OFTEN = 3  # it dies the first, second or third time it gets there
PATIENCE = 40  # things said before a point that is never reached is a mistake


@pytest.mark.slow
@pytest.mark.parametrize("point", Point, ids=lambda point: point.name.lower())
async def test_sec_I9_killed_again_and_again_at_a_point_the_node_loses_nothing(
    world: World, point: Point
) -> None:
    for run in range(RUNS):
        await _killed_once(world, point, Random(f"{point} {run}"))
    everything = await world.check()
    await world.check_words(10)
    assert sum(len(thread) for thread in everything.values()) > RUNS


async def test_sec_I9_killed_before_it_could_answer_the_node_loses_nothing(world: World) -> None:
    await _killed_once(world, Point.AFTER_COMMIT, Random(1))


async def _killed_once(world: World, point: Point, rng: Random) -> None:
    """A process of alder's dies while three people talk; another one takes over."""
    others = world.birch, world.cedar
    times = rng.randint(1, OFTEN)
    async with victim(world.alder, point, front=world.front, times=times) as process:
        for _ in range(PATIENCE):
            await world.talk(rng, rng.choice(["ana", "ben", "ben", "cleo", "cleo"]))
            if rng.random() < 0.8:
                await world.work_until(lambda: not process.alive, *others)
            if not process.alive:
                break
        await world.work_until(lambda: not process.alive, *others)
        await process.end()
        assert process.died_by_itself
    world.nodes.clock.forward(minutes=3)  # the dead one's leases end
    await rest(*world.all)
    await world.check(newest=3)
