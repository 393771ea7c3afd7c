"""Several processes on one database share the work, and lose none when one dies (SEC-I9)."""

from collections.abc import Sequence
from functools import partial
from random import Random

import pytest

from kernel.faults import Point
from tests.faults.victim import Victim, victim
from tests.faults.world import World, rest

ROUNDS = 60  # of talk; a process that had nothing to do all that time does not share


async def _talk_until_dead(world: World, rng: Random, *processes: Victim) -> None:
    """People talk on three nodes until each of the processes has done enough to die of it."""
    others = world.birch, world.cedar
    for _ in range(ROUNDS):
        alive = [process for process in processes if process.alive]
        if not alive:
            return
        if not processes[0].alive:
            await world.front.lead_to(alive[0].port)
        await world.talk(rng, rng.choice(["ana", "ben", "cleo"]))
        await world.work_until(partial(_any_dead, alive), *others)
        if rng.random() < 0.2:
            world.nodes.clock.forward(minutes=2)  # peers that lost an answer try again
    await processes[-1].end()


def _any_dead(processes: Sequence[Victim]) -> bool:
    return not all(process.alive for process in processes)


@pytest.mark.slow
async def test_sec_I9_two_whole_processes_share_the_work_and_both_die(world: World) -> None:
    """Each dies of work that it did itself, at another point; a third one finds what they left."""
    rng = Random(2)
    async with (
        victim(world.alder, Point.AFTER_ACCEPTED, front=world.front, times=3) as one,
        victim(world.alder, Point.BEFORE_COMMIT, times=5) as other,
    ):
        await _talk_until_dead(world, rng, one, other)
        assert one.died_by_itself
        assert other.died_by_itself
    await _nothing_lost(world)


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["web", "worker"])
async def test_sec_I9_a_web_and_a_worker_process_of_which_one_dies(world: World, dies: str) -> None:
    """What the web process took is done by the other one, which never answers a request."""
    rng = Random(dies)
    point = Point.AFTER_COMMIT if dies == "web" else Point.AFTER_ACCEPTED
    web_point, worker_point = (point, None) if dies == "web" else (None, point)
    async with (
        victim(world.alder, web_point, front=world.front, times=3, works=False) as web,
        victim(world.alder, worker_point, times=3) as worker,
    ):
        await _talk_until_dead(world, rng, web if dies == "web" else worker)
        assert (web if dies == "web" else worker).died_by_itself
        assert (worker if dies == "web" else web).alive
    await _nothing_lost(world)


async def _nothing_lost(world: World) -> None:
    world.nodes.clock.forward(minutes=3)
    await rest(*world.all)
    await world.check()
    await world.check_words(3)
