"""Dozens of random histories of three nodes, each repeatable by its seed, all end in agreement."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel import chance, faults
from kernel.postgres import Server
from tests.conftest import TEMPLATE
from tests.faults.simulator import Simulation
from tests.nodes import Nodes

SEEDS = 24
STEPS = 60


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    chance.install()
    faults.install()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_random_history_ends_in_agreement(
    postgres: Server,
    tmp_path: Path,
    quick_keys: None,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes = Nodes(postgres, TEMPLATE, tmp_path)
    simulation = await Simulation.of(nodes, seed, monkeypatch)
    try:
        assert await simulation.run(STEPS)
    except BaseException:
        print(*simulation.trace, sep="\n")
        raise
    finally:
        await simulation.world.stop()


@pytest.mark.slow
async def test_the_same_seed_is_the_same_history(
    postgres: Server, tmp_path: Path, quick_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A history that went wrong can be looked at again."""
    traces = []
    for attempt in ("first", "again"):
        (tmp_path / attempt).mkdir()
        nodes = Nodes(postgres, TEMPLATE, tmp_path / attempt)
        with monkeypatch.context() as patch:
            simulation = await Simulation.of(nodes, 5, patch)
            try:
                view = await simulation.run(STEPS)
            finally:
                await simulation.world.stop()
            traces.append((simulation.trace, view))
    assert traces[0] == traces[1]
