"""Requests leave when their time has come; what is not answered is not forgotten (MOD-5.14)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub.vocab import ActivityKind, Document
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.directed import AskState, Category, Urgency
from kernel.schema.posts import PostState
from kernel.schema.tables import asks_out, posts
from moderation import pacts
from moderation.directed import wording
from moderation.directed.route import route
from moderation.directed.sent import COLUMNS, STANDS, Asked, call, change, flag_uri, log, mark
from moderation.directed.terms import (
    CONTEXT,
    Refused,
    Request,
)
from moderation.pacts import Pact

WAITS: Final[Mapping[Urgency, timedelta]] = {  # for somebody there to see a request for care
    Urgency.NOW: timedelta(minutes=10),
    Urgency.TODAY: timedelta(hours=4),
    Urgency.ROUTINE: timedelta(hours=24),
}


async def work_one(engine: AsyncEngine, here: Here) -> bool:
    """Send one request whose time has come, or say that nobody saw it. False: there is none."""
    async with engine.begin() as conn:
        row = (await conn.execute(_DUE, {"now": here.now()})).first()
        if row is None:
            return False
        asked = Asked.of(here, row)
        if asked.state is AskState.WAITING:
            await _send(conn, here, asked)
        else:
            await _missed(conn, here, asked)
    return True


_DUE: Final = (
    sa.select(*COLUMNS)
    .where(asks_out.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(asks_out.c.due, asks_out.c.id)
    .limit(at_most(1))
    .with_for_update(skip_locked=True)
)


async def _send(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """What its author took back meanwhile is not named, and where the pact is over nothing goes."""
    try:
        pact = await route(conn, here, asked.host, asked.category)
    except Refused:
        await _refuse(conn, here, asked, "no-route")
        return
    request = await _still_there(conn, asked.request)
    if request is None:
        await _refuse(conn, here, asked, "gone")
        return
    await _tell(conn, here, pact, asked, request)
    await change(conn, here, asked.id, state=AskState.SENT, due=_answer_by(here, asked))


async def _refuse(conn: AsyncConnection, here: Here, asked: Asked, reason: str) -> None:
    await change(conn, here, asked.id, state=AskState.REFUSED, reason=reason, due=None)
    await call(conn, here, asked)


async def _still_there(conn: AsyncConnection, request: Request) -> Request | None:
    """Without what its author deleted. None: nothing is left to ask about."""
    gone = set(
        await conn.scalars(
            sa.select(posts.c.uri).where(
                posts.c.uri.in_(request.objects), posts.c.state == PostState.DELETED
            )
        )
    )
    left = tuple(each for each in request.objects if each not in gone)
    return replace(request, objects=left) if left else None


async def _tell(
    conn: AsyncConnection, here: Here, pact: Pact, asked: Asked, request: Request
) -> None:
    desk = f"{here.origin}/desk/node"
    document = request.document(
        flag_uri(here, asked.id), desk, pact.desk_uri, version=asked.version
    )
    about = document.pop("object")
    kind = str(document.pop("type"))
    uri = str(document.pop("id"))
    for name in ("actor", "to"):
        del document[name]
    await pacts.tell(conn, here, kind, about, pact.desk_uri, uri=uri, proven=True, **document)


def _answer_by(here: Here, asked: Asked) -> datetime | None:
    """When an answer is missed: of care soon, of an appeal at its own last day, of others never."""
    if asked.category is Category.CARE:
        return wording.this_minute(here) + timedelta(minutes=1) + WAITS[asked.urgency]
    if asked.category is Category.APPEAL:
        return wording.this_minute(here) + STANDS
    return None


async def _missed(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """Nobody there answered in time (MOD-5.12, MOD-5.14).

    A request for care goes to their second contact first, which is the people at our desks reading
    whom to call; then it is not seen. A signal whose issuer does not answer is marked.
    """
    if asked.category is Category.APPEAL:
        await change(conn, here, asked.id, state=AskState.UNSEEN, due=None)
        await mark(conn, asked.change, unanswered=True)
        await log(conn, here, asked.category, "appeal unanswered", asked.host)
        return
    first = asked.state is AskState.SENT
    due = asked.due + WAITS[asked.urgency] if first and asked.due is not None else None
    await change(conn, here, asked.id, state=AskState.UNSEEN, due=due)
    if first:
        await _again(conn, here, asked)
    await call(conn, here, asked)


async def _again(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """The same request once more, in case it was lost; whoever has it already does nothing new."""
    try:
        pact = await route(conn, here, asked.host, asked.category)
    except Refused:
        return
    version = asked.version + 1
    await change(conn, here, asked.id, version=version)
    await update(conn, here, pact, replace(asked, version=version), asked.request)


async def update(
    conn: AsyncConnection, here: Here, pact: Pact, asked: Asked, request: Request
) -> None:
    ours = f"{here.origin}/desk/node"
    flag = request.document(flag_uri(here, asked.id), ours, pact.desk_uri, version=asked.version)
    del flag["@context"]
    more: Document = {"@context": CONTEXT}
    desk = pact.desk_uri
    await pacts.tell(conn, here, ActivityKind.UPDATE, flag, desk, uri="", proven=True, **more)
