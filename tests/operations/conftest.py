"""A factory of nodes that may also start one where it lives already."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernel.postgres import Server
from tests.conftest import TEMPLATE
from tests.nodes import Nodes


@pytest.fixture
async def nodes(postgres: Server, tmp_path: Path, quick_keys: None) -> AsyncIterator[Nodes]:
    made = Nodes(postgres, TEMPLATE, tmp_path)
    yield made
    await made.stop()
