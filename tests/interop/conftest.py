"""A node at an address of its own that other programs can reach: `http://localhost:port`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from groups.groups import Group, GroupSettings
from kernel.postgres import Server
from kernel.schema.groups import Posts
from moderation.standing import Speaker
from tests.conftest import TEMPLATE
from tests.interop.programs import Loopback, free_port
from tests.nodes import Node, Nodes


@pytest.fixture
async def alder(postgres: Server, tmp_path: Path, quick_keys: None) -> AsyncIterator[Node]:
    nodes = Nodes(postgres, TEMPLATE, tmp_path)
    nodes.names = Loopback()
    port = free_port()
    yield await nodes.start(f"localhost:{port}", port=port)
    await nodes.stop()


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    """Who made the group and moderates it."""
    return await alder.persona("ana")


@pytest.fixture
async def sleep(alder: Node, ana: Speaker) -> Group:
    """An open group where anyone may post."""
    return await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))
