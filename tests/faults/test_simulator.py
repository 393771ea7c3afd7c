"""Dozens of random histories of three nodes, each repeatable by its seed, all end in agreement."""

from collections.abc import Iterator

import pytest

from kernel import chance, faults
from tests.faults.simulator import Simulation
from tests.faults.world import World

STEPS = 60


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    chance.install()
    faults.install()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
async def test_a_random_history_ends_in_agreement(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = Simulation.of(world, seed, monkeypatch)
    try:
        assert await simulation.run(STEPS)
    except BaseException:
        print(*simulation.trace, sep="\n")
        raise
