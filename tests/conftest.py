"""Real parts: one embedded PostgreSQL per run, a database per node from a migrated template."""

import asyncio
import os
import subprocess
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.ext.asyncio import AsyncEngine

import activitypub.keys
import tests.nodes
import tests.peer
from activitypub.keys import KeyPair, generate
from kernel import db
from kernel.clock import utcnow
from kernel.here import Here
from kernel.postgres import Server, running
from kernel.sealing import NodeKey
from tests.nodes import Node, NodeFactory, Nodes
from tests.peer import Peer, PeerFactory

# A busy machine makes documents slowly; that says nothing about what reads them.
settings.register_profile("steady", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("steady")

TEMPLATE = "hearthold_template"
SLOW = (  # places whose tests start servers and wait for them: a second each, and there are many
    "faults/",
    "framing/",
    "groups/test_care",
    "groups/test_waiting",
    "fuzzing/",
    "hostile/",
    "interop/",
    "kernel/test_sealed_file",
    "media/",
    "operations/",
    "pages/",
    "privacy/test_seen_from_outside",
    "test_three_nodes",
    "wire/",
)
QUICK = (  # among them
    "pages/test_account",
    "pages/test_catalogues",
    "pages/test_doors",
    "pages/test_every_page",
    "pages/test_forms",
    "pages/test_help",
    "pages/test_look",
    "pages/test_markers",
    "pages/test_problems",
    "pages/test_words_in_templates",
    "wire/test_documents",
    "wire/test_federation_md",
    "wire/test_lemmy_shapes",
)
ALONE = (  # they stop processes and databases in the middle, fill disks, or look at the clock
    "bench/",
    "faults/test_database_away",
    "faults/test_disk_full",
    "faults/test_release",
    "faults/test_two_processes",
    "framing/test_floods",
    "framing/test_patience",
    "fuzzing/",
    "node/test_demo",
    "node/test_killed",
    "node/test_optimised",
    "node/test_serve",
    "operations/test_backup.py",
    "operations/test_circles_of_processes",
    "operations/test_processes",
    "operations/test_watching",
)
"""Places whose slow tests need the machine; those elsewhere run side by side."""
KEY_PAIRS = 24


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what takes long out of the quick tests, and apart what needs the machine."""
    here = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(here).as_posix()
        if place.startswith(SLOW) and not place.startswith(QUICK):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow") and place.startswith(ALONE):
            item.add_marker(pytest.mark.alone)


async def migrated(server: Server) -> None:
    """Make the template that databases of nodes are copied from."""
    await server.create_database(TEMPLATE)
    engine = db.connect(server.url(TEMPLATE))
    await db.migrate(engine)
    await engine.dispose()


@pytest.fixture(scope="session", autouse=True)
def one_compiler() -> Iterator[None]:
    """What SQLAlchemy makes of a statement is made once a run, and not once for every node."""
    plain, first = db.connect, list[AsyncEngine]()

    def connect(url: str, *, pool_size: int = 10) -> AsyncEngine:
        made = plain(url, pool_size=pool_size)
        if not first:
            first.append(made)
        made.sync_engine.dialect = first[0].sync_engine.dialect
        made.sync_engine._compiled_cache = first[0].sync_engine._compiled_cache
        return made

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(db, "connect", connect)
        yield


def _take_away(directory: str) -> None:
    """A thousand databases of tests are many files: a program takes them away, and nobody waits."""
    subprocess.run(["sh", "-c", 'rm -rf -- "$1" &', "sh", directory], check=True)


@contextmanager
def own_server(*, durable: bool) -> Iterator[Server]:
    """A server with a migrated template, in a loop of its own so that tests may have fresh ones."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start(stack: AsyncExitStack) -> Server:
        directory = tempfile.mkdtemp(prefix="hearthold-tests-")
        stack.callback(_take_away, directory)
        # Under root the database has a user of its own, who must be able to pass through.
        os.chmod(directory, 0o711)
        server = await stack.enter_async_context(running(Path(directory), durable=durable))
        await migrated(server)
        return server

    stack = AsyncExitStack()
    try:
        yield asyncio.run_coroutine_threadsafe(start(stack), loop).result(120)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(300)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The run's own server."""
    with own_server(durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def kept() -> dict[str, Any]:
    """What takes long to make and is copied for each test, by its name."""
    return {}


@pytest.fixture
async def database_url(postgres: Server) -> str:
    """A fresh, migrated database."""
    name = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(name, template=TEMPLATE)
    return postgres.url(name)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a fresh, migrated database."""
    made = db.connect(database_url)
    yield made
    await made.dispose()


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """A node called alder.test with a key of its own."""
    return Here(
        origin="http://alder.test", node_key=NodeKey.load(tmp_path / "node.key"), clock=utcnow
    )


@pytest.fixture(scope="session")
def key_pairs() -> list[KeyPair]:
    """Real keys, made once: no test of nodes needs keys that no other test ever saw."""
    return [generate() for _ in range(KEY_PAIRS)]


@pytest.fixture
def quick_keys(key_pairs: list[KeyPair], monkeypatch: pytest.MonkeyPatch) -> None:
    """The pools of nodes share four pairs; every other actor of a test has one of its own."""
    monkeypatch.setattr(activitypub.keys, "generate", _taking(key_pairs[:4]))
    people = _taking(key_pairs[4:])
    monkeypatch.setattr(tests.nodes, "generate", people)
    monkeypatch.setattr(tests.peer, "generate", people)


def _taking(pairs: list[KeyPair]) -> Callable[[], KeyPair]:
    around = cycle(pairs)
    return lambda: next(around)


@pytest.fixture
async def node(postgres: Server, tmp_path: Path, quick_keys: None) -> AsyncIterator[NodeFactory]:
    """Starts real nodes under names of their own: `await node("alder.test")`."""
    nodes = Nodes(postgres, TEMPLATE, tmp_path)
    yield nodes.start
    await nodes.stop()


@pytest.fixture
async def peer(node: NodeFactory) -> AsyncIterator[PeerFactory]:
    """Starts other servers on the nodes' own DNS: `await peer("good.test", alder)`."""
    started: list[Peer] = []

    async def start(name: str, beside: Node, software: str = "mastodon") -> Peer:
        made = await Peer(name, beside.names, software).start()
        started.append(made)
        return made

    yield start
    for each in started:
        await each.stop()
