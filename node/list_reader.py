"""Lists of domains at addresses: read once a day, at a moment of their own (MOD-3.3, MOD-5.10)."""

import asyncio
import logging
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.client import Answer, Client, Unreachable
from kernel import chance
from kernel.clock import to_minute
from kernel.errors import Problem
from kernel.here import Here
from kernel.said import noted, said
from kernel.schema.tables import domain_lists
from moderation import alerting, policy
from moderation.lists import reading, sources, taking
from moderation.lists.entry import MAX_BYTES, Listed
from moderation.lists.sources import Source
from node import keeping_away

ACCEPT: Final = "text/csv, application/json, text/plain;q=0.9, */*;q=0.1"
PAUSE: Final = timedelta(hours=24)
JITTER: Final = timedelta(hours=3)  # so that not everybody comes at once
LEASE: Final = timedelta(minutes=10)

_AWAY: Final = noted("Its server could not be reached.")
_UNREAD: Final = noted("It cannot be read.")
_AHEAD: Final = noted("Its server says it was changed at a time that is still to come.")

log = logging.getLogger(__name__)


async def refresh_one(engine: AsyncEngine, here: Here, client: Client) -> bool:
    """Read a list that is due. False: there is none."""
    async with engine.begin() as conn:
        list_id = await conn.scalar(_CLAIM, {"now": here.now(), "until": here.now() + LEASE})
    if list_id is None:
        return False
    try:
        await refresh(engine, here, client, list_id)
    except Exception as error:  # whatever is wrong with one list holds up no other
        log.error("a list was not read", extra={"why": type(error).__name__})
        await _looked_at(engine, here, list_id, _UNREAD)
    return True


async def refresh(
    engine: AsyncEngine, here: Here, client: Client, list_id: str, *, whatever: bool = False
) -> str:
    """Read a list again, and take of it what may be taken: what is wrong with it, or nothing.

    `whatever`: a person says that it is right although it changed a lot.
    Raises NotFound: there is no such list.
    """
    async with engine.connect() as conn:
        source = await sources.one(conn, list_id)
    if source.url is None:
        return ""
    try:
        answer = await client.get(
            source.url, accept=ACCEPT, limit=MAX_BYTES, unless={} if whatever else _unless(source)
        )
        if answer.status == 304:
            return await _looked_at(engine, here, list_id, source.trouble)
        if answer.status != 200:
            return await _looked_at(
                engine, here, list_id, said("Its server answered {status}.", status=answer.status)
            )
        if _is_ahead(here, answer):
            return await _looked_at(engine, here, list_id, _AHEAD)
        listed = await asyncio.to_thread(reading.read, answer.body)
    except Unreachable:
        return await _looked_at(engine, here, list_id, _AWAY)
    except Problem as error:
        return await _looked_at(engine, here, list_id, error.detail)
    trouble = await _take(engine, here, list_id, listed, answer, whatever=whatever)
    return await _looked_at(engine, here, list_id, trouble) if trouble else ""


async def _take(
    engine: AsyncEngine, here: Here, list_id: str, listed: Listed, answer: Answer, *, whatever: bool
) -> str:
    """Why nothing is taken; or nothing. The list may have been changed or ended while it was read.

    Raises NotFound: it was ended.
    """
    async with engine.begin() as conn:
        source = await sources.one(conn, list_id, to_change=True)
        before, waited = await policy.in_force(conn), await sources.count_waiting(conn)
        if not whatever and (trouble := taking.trouble_with(source, listed)):
            return trouble
        found = await taking.compare(conn, here, source, listed)
        if not whatever and (trouble := taking.takes_back_a_lot(source, found)):
            return trouble
        await taking.take(conn, here, source, found, agreed=False)
        await conn.execute(
            sa.update(domain_lists)
            .where(domain_lists.c.id == source.id)
            .values(
                etag=_header(answer, "ETag"),
                modified=_header(answer, "Last-Modified"),
                due=_next(here),
            )
        )
        await keeping_away.settled(conn, here, before)
        waits = await sources.count_waiting(conn)
        if any(count > waited.get(each, 0) for each, count in waits.items()):
            await alerting.call(conn, None)
    await keeping_away.follow_up(engine)
    return ""


async def _looked_at(engine: AsyncEngine, here: Here, list_id: str, trouble: str) -> str:
    """Nothing is taken; what was taken before stays (as GoToSocial does).

    Whoever decides about lists is called once: not again as long as something is wrong with it.
    """
    async with engine.begin() as conn:
        was = await conn.scalar(
            sa.select(domain_lists.c.trouble).where(domain_lists.c.id == list_id).with_for_update()
        )
        if trouble and was == "":
            await alerting.call(conn, None)
        await conn.execute(
            sa.update(domain_lists)
            .where(domain_lists.c.id == list_id)
            .values(trouble=trouble, due=_next(here))
        )
    return trouble


def _next(here: Here) -> object:
    return to_minute(here.now() + PAUSE + JITTER * chance.share())


def _unless(source: Source) -> dict[str, str]:
    """Conditions under which a server need not send the list again (RFC 9110 §13.1)."""
    asked = {"If-None-Match": source.etag, "If-Modified-Since": source.modified}
    return {name: value for name, value in asked.items() if value}


def _header(answer: Answer, name: str) -> str:
    value = answer.headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= 200 else ""


def _is_ahead(here: Here, answer: Answer) -> bool:
    try:
        changed = parsedate_to_datetime(_header(answer, "Last-Modified"))
    except (ValueError, OverflowError):
        return False
    return changed.tzinfo is not None and changed > here.now() + LEASE


_due = (
    sa.select(domain_lists.c.id)
    .where(domain_lists.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(domain_lists.c.due)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_CLAIM: Final = (
    sa.update(domain_lists)
    .where(domain_lists.c.id == _due)
    .values(due=sa.bindparam("until", type_=sa.DateTime(timezone=True)))
    .returning(domain_lists.c.id)
)
