"""Somebody's first requests: their server is asked for their key once (WIRE-S20)."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.state import REMOTE
from tests.nodes import Node
from tests.peer import Peer


@pytest.fixture
async def late(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The first look for a key's owner comes back, with what it found, only once this is set."""
    by_key_id, go_on, looks = actor_store.by_key_id, asyncio.Event(), iter(range(1_000))

    async def slow(conn: AsyncConnection, key_id: str) -> Actor | None:
        found = await by_key_id(conn, key_id)
        if next(looks) == 0:
            await go_on.wait()
        return found

    monkeypatch.setattr(actor_store, "by_key_id", slow)
    return go_on


async def test_a_key_is_fetched_once_by_all_who_looked_before_it_came(
    alder: Node, good: Peer, late: asyncio.Event
) -> None:
    ann, remote = good.person("ann"), alder.app[REMOTE]
    first = asyncio.create_task(remote.key_owner(ann.key_id))
    await asyncio.sleep(0)
    assert (await remote.key_owner(ann.key_id)).uri == ann.uri
    late.set()
    assert (await first).uri == ann.uri
    assert good.fetched.count("/u/ann") == 1
