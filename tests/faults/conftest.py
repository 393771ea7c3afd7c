"""Nodes on a database server that keeps what it acknowledged, as an operator's does."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kernel.postgres import Server
from tests.conftest import TEMPLATE, own_server
from tests.faults.world import World
from tests.nodes import Nodes


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database server's user can pass through, whatever else runs here."""
    with tempfile.TemporaryDirectory(prefix="hearthold-tests-") as made:
        os.chmod(made, 0o711)
        yield Path(made)


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[Server]:
    with own_server(durable=True) as server:
        yield server


@pytest.fixture
async def world(durable_postgres: Server, tmp_path: Path, quick_keys: None) -> AsyncIterator[World]:
    """Alder with a group, birch and cedar with a member of it each."""
    made = await World.make(Nodes(durable_postgres, TEMPLATE, tmp_path))
    yield made
    await made.stop()
