"""Asking the desk of a pact peer, changing what is asked, and taking it back (MOD-5.4).

Nothing here knows who reported.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.vocab import ActivityKind, Document
from kernel import chance
from kernel.errors import Conflict, NotFound
from kernel.here import Here
from kernel.said import noted
from kernel.schema.directed import AskState, Category, Urgency
from kernel.schema.tables import actors, asks_out, posts
from kernel.urls import host_of
from moderation import pacts
from moderation.directed import wording
from moderation.directed.route import route
from moderation.directed.sending import update
from moderation.directed.sent import (
    COLUMNS,
    OPEN,
    STANDS,
    Asked,
    care_mark,
    change,
    flag_uri,
    log,
    seal,
)
from moderation.directed.terms import (
    Action,
    Refused,
    Request,
)

A_DAY: Final = 50  # that one peer is asked


async def send(
    conn: AsyncConnection,
    here: Here,
    host: str,
    *,
    category: Category,
    object_uri: str,
    urgency: Urgency = Urgency.ROUTINE,
    language: str = "",
    words: str = "",
    rule: str = "",
    person_uri: str = "",
    action: Action = Action.REVIEW,
    token: str = "",
    case_id: UUID | None = None,
) -> UUID:
    """Ask the desk of a pact peer; it goes out between 5 and 60 minutes later, for care at once.

    Raises Refused: there is no safe way. Raises Malformed: the words name somebody here, or there
    are none. Raises Conflict: that was asked already, or that peer was asked enough today.
    """
    await route(conn, here, host, category)
    request = await prepare(
        conn,
        here,
        host,
        Request(
            category=category,
            objects=tuple(each for each in (object_uri, person_uri) if each),
            urgency=urgency,
            action=action,
            rule=rule,
            language=language,
            words=words,
            token=token,
        ),
    )
    await _check_room(conn, here, host, request, case_id)
    ask_id, care = chance.new_uuid(), category is Category.CARE
    await conn.execute(
        asks_out.insert().values(
            id=ask_id,
            host=host,
            category=category,
            urgency=urgency,
            state=AskState.WAITING,
            case_id=case_id,
            change=_about(here, request),
            day=here.now().date(),
            due=wording.this_minute(here) if care else wording.due(here),
            sealed=seal(here, ask_id, request),
        )
    )
    await log(conn, here, category, f"ask peer {category.value}", host)
    return ask_id


async def prepare(conn: AsyncConnection, here: Here, host: str, request: Request) -> Request:
    """The request as it goes out, for a preview too. Raises Malformed, Refused: as `send`."""
    first = request.objects[:1]
    if not first or not await _may_know(conn, host, first[0]):
        raise Refused(noted("That server does not know this post, so nothing is sent."))
    until = here.now().date() + STANDS
    if request.category is Category.CARE:
        return Request(
            category=request.category,
            objects=first,
            urgency=request.urgency,
            language=request.language[:20],
            until=here.now().date() + timedelta(days=3),
        )
    words = await wording.check(conn, here, request.words)
    rule = " ".join(request.rule.split())[:500]
    return replace(request, words=words, rule=rule, until=until)


async def _may_know(conn: AsyncConnection, host: str, uri: str) -> bool:
    """Whether what is named is on that server, or in a group of it (MOD-5.13)."""
    if host_of(uri) == host:
        return True
    group = actors.alias("group_actor")
    return bool(
        await conn.scalar(
            sa.select(posts.c.id)
            .join(group, group.c.id == posts.c.group_id)
            .where(posts.c.uri == uri, group.c.host == host)
        )
    )


def _about(here: Here, request: Request) -> str:
    if request.category is Category.CARE:
        return care_mark(here, request.objects[0])
    return request.objects[0] if request.category is Category.APPEAL else ""


async def _check_room(
    conn: AsyncConnection, here: Here, host: str, request: Request, case_id: UUID | None
) -> None:
    today = sa.select(sa.func.count()).where(
        asks_out.c.host == host, asks_out.c.day == here.now().date()
    )
    if (await conn.scalar(today) or 0) >= A_DAY:
        raise Conflict(noted("That server was asked a lot today. Please write to them yourself."))
    same = sa.and_(
        asks_out.c.host == host,
        asks_out.c.category == request.category,
        asks_out.c.state.in_(OPEN),
    )
    if request.category in (Category.APPEAL, Category.CARE):
        same = sa.and_(same, asks_out.c.change == _about(here, request))
    elif case_id is not None:
        same = sa.and_(same, asks_out.c.case_id == case_id)
    else:
        return
    if await conn.scalar(sa.select(asks_out.c.id).where(same).limit(1)):
        raise Conflict(noted("They were asked this already."))


async def revise(
    conn: AsyncConnection, here: Here, ask_id: UUID, *, words: str, urgency: Urgency
) -> None:
    """Say it in other words, or with more haste. Raises NotFound, Malformed, Refused: as `send`."""
    asked = await _open(conn, here, ask_id)
    request = replace(asked.request, urgency=urgency)
    if asked.category is not Category.CARE:
        request = replace(request, words=await wording.check(conn, here, words))
    version = asked.version + 1
    await change(
        conn,
        here,
        ask_id,
        urgency=urgency,
        version=version,
        sealed=seal(here, ask_id, request),
    )
    if asked.state is not AskState.WAITING:
        pact = await route(conn, here, asked.host, asked.category)
        await update(conn, here, pact, replace(asked, version=version), request)
    await log(conn, here, asked.category, "change what a peer is asked", asked.host)


async def take_back(conn: AsyncConnection, here: Here, ask_id: UUID) -> None:
    """It is not asked any more. Raises NotFound: there is none that could be taken back."""
    asked = await _open(conn, here, ask_id)
    await change(conn, here, ask_id, state=AskState.TAKEN_BACK, due=None)
    pact = await pacts.with_host(conn, asked.host)
    if asked.state is not AskState.WAITING and pact is not None:
        flag: Document = {
            "id": flag_uri(here, ask_id),
            "type": "Flag",
            "actor": f"{here.origin}/desk/node",
        }
        await pacts.tell(conn, here, ActivityKind.UNDO, flag, pact.desk_uri, proven=True)
    await log(conn, here, asked.category, "take back what a peer is asked", asked.host)


async def _open(conn: AsyncConnection, here: Here, ask_id: UUID) -> Asked:
    query = sa.select(*COLUMNS).where(asks_out.c.id == ask_id).with_for_update()
    row = (await conn.execute(query)).first()
    if row is None or not (asked := Asked.of(here, row)).open:
        raise NotFound
    return asked
