"""Whom the words of a post name: found before it is written, with no transaction open (WIRE-P8)."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import webfinger
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.remote import Remote
from kernel import text
from kernel.arrays import Rows
from kernel.errors import Problem
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import actors
from moderation import domains
from moderation.visibility import host_is_welcome

LOOKING: Final = 10  # seconds for all names that are asked for


async def resolve(
    engine: AsyncEngine, here: Here, remote: Remote, source: str
) -> Mapping[str, str]:
    """The actors' URIs by the names written in `source`; who is not found is left out.

    Known people are looked up here; of at most 20 names that are not known, each is asked for once
    at its own server, one after the other and within the budget of one activity.
    """
    if "@" not in source:
        return {}
    marks = text.Marks("")
    text.render(source, marks)
    names = list(marks.asked)
    async with engine.connect() as conn:
        found = await _known(conn, here, names)
    remote = remote.for_activity()
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOKING):
            for name in names:
                if name not in found and _is_elsewhere(here, name):
                    actor = await _ask(engine, here, remote, name)
                    if actor is not None:
                        found[name] = actor.uri
    return found


def _is_elsewhere(here: Here, name: str) -> bool:
    host = name.partition("@")[2]
    return bool(host) and host != here.host


async def _known(conn: AsyncConnection, here: Here, names: Sequence[str]) -> dict[str, str]:
    """Who is on record: people of ours by their bare name as well."""
    if not names:
        return {}
    pairs = {name: (*name.split("@"), here.host)[:2] for name in names}
    rows = await conn.execute(
        _BY_NAME, _NAMED.values({"handle": handle, "host": host} for handle, host in pairs.values())
    )
    people = {(row.handle.lower(), row.host): row.uri for row in rows}
    return {name: people[pair] for name, pair in pairs.items() if pair in people}


_NAMED = Rows("named", handle=sa.Text, host=sa.Text)
_BY_NAME = (
    sa.select(actors.c.handle, actors.c.host, actors.c.uri)
    .join(
        _NAMED.table,
        sa.and_(actors.c.host == _NAMED.c.host, sa.func.lower(actors.c.handle) == _NAMED.c.handle),
    )
    .where(
        actors.c.kind == ActorKind.PERSON,
        actors.c.state == ActorState.ACTIVE,
        host_is_welcome(actors),
    )
)


async def _ask(engine: AsyncEngine, here: Here, remote: Remote, name: str) -> Actor | None:
    """Somebody elsewhere, by WebFinger; None where nobody is found or no answer comes."""
    async with engine.connect() as conn:
        if await domains.is_blocked(conn, name.partition("@")[2]):
            return None
    try:
        actor = await webfinger.find(here, remote, f"@{name}")
    except (Problem, Unreachable):
        return None
    return actor if actor.kind is ActorKind.PERSON else None
