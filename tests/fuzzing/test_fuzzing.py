"""Documents that nobody would send, sent: the node answers, goes on and asks little (SEC-J7).

`make fuzz` does the same for ten minutes, with other documents each time. What it finds belongs
into `seeds/`, one file for each, and is tried ever after.
"""

import asyncio
import json
import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from groups.groups import Group
from tests.fuzzing.documents import Trial, dialects, trials
from tests.fuzzing.node import Watched, watched
from tests.nodes import Node
from tests.peer import Peer

pytestmark = pytest.mark.slow

SEEDS = Path(__file__).parent / "seeds"
EXAMPLES = 250  # about half a minute
ROUND = 200
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))


@pytest.fixture
async def node_under_fire(
    alder: Node, sleep: Group, good: Peer, caplog: pytest.LogCaptureFixture
) -> Watched:
    caplog.set_level(logging.INFO)
    return await watched(alder, sleep, good, caplog.records)


def _examples(watched: Watched, loop: asyncio.AbstractEventLoop, first: int | None) -> None:
    """Rounds of documents until the time is over; one round that is always the same without."""

    @settings(
        max_examples=EXAMPLES if first is None else ROUND,
        derandomize=first is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(trials)
    def one_after_another(trial: Trial) -> None:
        asyncio.run_coroutine_threadsafe(watched.take(trial), loop).result(120)

    run: Callable[[], None] = one_after_another if first is None else seed(first)(one_after_another)
    run()


@pytest.mark.skipif(MINUTES > 0, reason="`make fuzz` runs the long way")
async def test_sec_J7_no_document_hurts_the_node(node_under_fire: Watched) -> None:
    await asyncio.to_thread(_examples, node_under_fire, asyncio.get_running_loop(), None)
    assert node_under_fire.count >= EXAMPLES
    assert node_under_fire.answers[202] > EXAMPLES / 4  # much of it is read, and dealt with
    assert node_under_fire.answers[400] > EXAMPLES / 10


@pytest.mark.skipif(MINUTES == 0, reason="takes FUZZ_MINUTES; see `make fuzz`")
async def test_sec_J7_no_document_hurts_the_node_for_minutes(node_under_fire: Watched) -> None:
    until, first = time.monotonic() + 60 * MINUTES, random.randrange(2**32)
    while time.monotonic() < until:
        await asyncio.to_thread(_examples, node_under_fire, asyncio.get_running_loop(), first)
        first += 1
    print(f"{node_under_fire.count} documents, the last round from seed {first - 1}")
    print(f"answers: {dict(node_under_fire.answers)}")


async def test_sec_J7_what_was_found_once_stays_mended(node_under_fire: Watched) -> None:
    """Seeds, and every document of the conformance kit as it is."""
    for file in sorted(SEEDS.glob("*.json")):
        found = json.loads(file.read_text())
        await node_under_fire.take(Trial(found["sent"], found["shown"]))
    for document in dialects():
        await node_under_fire.take(Trial(document, []))
