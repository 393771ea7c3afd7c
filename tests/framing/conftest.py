"""A node and the two ways to it."""

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.framing import nginx
from tests.framing.raw import Way
from tests.nodes import Node, NodeFactory


@pytest.fixture
async def alder(node: NodeFactory, caplog: pytest.LogCaptureFixture) -> Node:
    caplog.set_level(logging.INFO, "node.requests")  # read by each connection as it opens
    return await node("alder.test")


@pytest.fixture
def direct(alder: Node) -> Way:
    """Straight to the node."""
    return Way(alder.port)


@pytest.fixture
async def proxied(alder: Node, tmp_path: Path) -> AsyncIterator[Way]:
    """Through nginx as the pages set it up."""
    nginx.program()
    at = tmp_path / "nginx"
    at.mkdir()
    async with nginx.before(alder.port, at) as way:
        yield way


@pytest.fixture(params=["direct", "proxied"])
def way(request: pytest.FixtureRequest) -> Way:
    """Either way."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Way)
    return found


@pytest.fixture
def answered(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The routes that the node answered so far: each is a request that it took for one."""

    def routes() -> list[str]:
        return [
            str(vars(record)["route"])
            for record in caplog.records
            if record.name == "node.requests"
        ]

    return routes
