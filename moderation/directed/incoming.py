"""Requests of other desks come in: each once, in any order, within a budget (MOD-5.4, SEC-L3).

Who asks has proven it by the key that the pact pins, before anything here is called.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.errors import NotFound, TooMany
from kernel.here import Here
from kernel.schema.directed import AskState, Category, Urgency
from kernel.schema.tables import asks_in, cases, signal_changes
from kernel.sealing import mac
from moderation import audit, budgets, desks, domains, pacts, reports
from moderation.care import incoming as care
from moderation.care import peers as care_peers
from moderation.cases import About, Priority
from moderation.directed import answering, sent, wording
from moderation.directed.answering import Received
from moderation.directed.terms import FLOWS, Answer, Reason, Request
from moderation.pacts import Pact
from moderation.signals import rules
from moderation.signals.rules import Kind, Mode

Place = tuple[UUID | None, About]

A_DAY: Final = 50  # that one peer may ask
OF_ONE_A_DAY: Final = 10  # that stand for one reporter there

_PRIORITIES: Final = {
    Urgency.NOW: Priority.NOW,
    Urgency.TODAY: Priority.TODAY,
    Urgency.ROUTINE: Priority.ROUTINE,
}


async def came(
    conn: AsyncConnection,
    here: Here,
    *,
    pact: Pact,
    uri: str,
    request: Request,
    places: Sequence[Place],
    version: int = 0,
) -> UUID | None:
    """Another desk asks for something; `places` are what of ours it is about, and whose desk.

    What was taken back, or came before, changes nothing, but for what says more than it did. None:
    nothing is asked that was not asked before.
    """
    await _one_at_a_time(conn, uri)
    if await pacts.is_over(conn, uri):
        return None
    known = await _known(conn, here, uri)
    if known is not None:
        await _renew(conn, here, known, request, version)
        return None
    if not await _spend(conn, here, pact.host, request):
        return None
    ask_id = chance.new_uuid()
    await conn.execute(
        insert(asks_in).values(
            id=ask_id,
            host=pact.host,
            uri=uri,
            category=request.category,
            urgency=request.urgency,
            state=AskState.SENT,
            change=request.objects[0] if request.category is Category.APPEAL else "",
            answer_id=chance.new_uuid(),
            day=here.now().date(),
            version=version,
            sealed=answering.seal(here, ask_id, request),
        )
    )
    reason = await _take(conn, here, pact, ask_id, uri, request, places)
    if reason is not None:
        await answering.answer(conn, here, ask_id, Answer.REFUSED, reason=reason)
    verb = "peer refused" if reason is not None else "peer asked"
    await sent.log(conn, here, request.category, f"{verb} {request.category.value}", pact.host)
    return ask_id


async def _one_at_a_time(conn: AsyncConnection, uri: str) -> None:
    """A request and what takes it back do not pass each other."""
    await conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(uri, 0))))


async def _known(conn: AsyncConnection, here: Here, uri: str) -> Received | None:
    query = sa.select(*answering.COLUMNS).where(asks_in.c.uri == uri).with_for_update()
    row = (await conn.execute(query)).first()
    return Received.of(here, row) if row else None


async def _spend(conn: AsyncConnection, here: Here, host: str, request: Request) -> bool:
    """Count it. False: that peer, or one reporter there, asked as much today as is read.

    The day on which a peer begins to ask too much has one line in the log.
    """
    care = request.category is Category.CARE
    limit = await care_peers.budget(conn, host) if care else A_DAY
    taken = await budgets.count(conn, here, f"{host} {'care' if care else 'asks'}")
    if taken == limit + 1:
        await audit.note(conn, here, verb="peer asked too often", about=host)
    if taken > limit:
        return False
    if not request.token:
        return True
    mark = mac(here.node_key.derive(answering.LABEL), "token", request.token.encode()).hex()
    return await budgets.count(conn, here, f"{host} {mark}") <= OF_ONE_A_DAY


async def _take(
    conn: AsyncConnection,
    here: Here,
    pact: Pact,
    ask_id: UUID,
    uri: str,
    request: Request,
    places: Sequence[Place],
) -> Reason | None:
    """Do what it asks for. A reason: nothing is done."""
    paper = pact.paper
    if paper is None or not pact.listens:
        return Reason.POLICY
    if FLOWS[request.category] not in paper.flows(pact.desk_uri):
        return Reason.POLICY
    rule = await rules.of(conn, pact.host, Kind(request.category.value))
    if rule.mode is Mode.IGNORE:
        return Reason.POLICY
    if request.category is Category.APPEAL:
        return await _appeal(conn, here, ask_id, request)
    if not places:
        return Reason.NOT_OURS
    if request.category is Category.CARE:
        return await _care(conn, here, pact, ask_id, request)
    if not await domains.takes_reports(conn, pact.host):
        return Reason.POLICY
    if not request.words:
        return Reason.INSUFFICIENT
    return await _report(conn, here, pact, ask_id, uri, request, places)


async def _report(
    conn: AsyncConnection,
    here: Here,
    pact: Pact,
    ask_id: UUID,
    uri: str,
    request: Request,
    places: Sequence[Place],
) -> Reason | None:
    """A case for each thing; what is answered is about the first."""
    found = [
        await reports.take_in(
            conn, here, flag=uri, about=about, words=request.words, group_id=group_id
        )
        for group_id, about in places
    ]
    if await _is_asked(conn, pact.host, request.category, found[0]):
        return Reason.DUPLICATE
    await answering.change(conn, here, ask_id, case_id=found[0])
    await _press(conn, found[0], request.urgency)
    takedown = request.category is Category.TAKEDOWN
    await answering.answer(conn, here, ask_id, Answer.HELD if takedown else Answer.SEEN)
    return None


async def _is_asked(conn: AsyncConnection, host: str, category: Category, case_id: UUID) -> bool:
    """Whether that peer asked the same about the same case, which is still open."""
    same = sa.select(asks_in.c.id).where(
        asks_in.c.host == host,
        asks_in.c.category == category,
        asks_in.c.case_id == case_id,
        asks_in.c.state.in_(answering.OPEN),
    )
    return await conn.scalar(same.limit(1)) is not None


async def _press(conn: AsyncConnection, case_id: UUID, urgency: Urgency) -> None:
    priority = _PRIORITIES[urgency]
    await conn.execute(
        sa.update(cases)
        .where(cases.c.id == case_id, cases.c.priority > priority)
        .values(priority=priority)
    )


async def _care(
    conn: AsyncConnection,
    here: Here,
    pact: Pact,
    ask_id: UUID,
    request: Request,
) -> Reason | None:
    """Somebody may need looking after: nothing is held against anybody for it (MOD-5.14).

    That somebody looks, and that it is over, is answered where that is said (`node.care`).
    """
    try:
        await care.came(
            conn,
            here,
            host=pact.host,
            object_uri=request.objects[0],
            urgency=request.urgency.value,
            language=request.language,
            request_id=ask_id,
        )
    except NotFound:
        return Reason.NOT_OURS
    except TooMany:
        return Reason.POLICY
    return None


async def _appeal(
    conn: AsyncConnection, here: Here, ask_id: UUID, request: Request
) -> Reason | None:
    """Only what we have said ourselves can be asked about here (MOD-5.12)."""
    if not request.words:
        return Reason.INSUFFICIENT
    last = request.objects[0].rpartition("/")[2]
    try:
        change_id = UUID(last)
    except ValueError:
        return Reason.NOT_OURS
    ours = sa.select(signal_changes.c.seq).where(signal_changes.c.id == change_id)
    if not here.is_local(request.objects[0]) or await conn.scalar(ours) is None:
        return Reason.NOT_OURS
    await answering.answer(conn, here, ask_id, Answer.SEEN)
    await desks.call(conn, None)
    return None


async def _renew(
    conn: AsyncConnection, here: Here, known: Received, request: Request, version: int
) -> None:
    """The same request in other words, or with more haste; of care somebody is called again."""
    if version <= known.version or not known.open or request.category is not known.category:
        return
    await answering.change(
        conn,
        here,
        known.id,
        version=version,
        urgency=request.urgency,
        sealed=answering.seal(here, known.id, request),
    )
    if known.case_id is not None:
        await _press(conn, known.case_id, request.urgency)
    if known.category is Category.CARE and known.state is AskState.SENT:
        await care.sooner(conn, here, known.id, request.urgency.value)


async def taken_back(conn: AsyncConnection, here: Here, uri: str) -> bool:
    """They no longer ask for it, perhaps before it came. False: nothing of it is here.

    What was held for it is let go. Somebody who may need looking after is looked after all the
    same.
    """
    await _one_at_a_time(conn, uri)
    known = await _known(conn, here, uri)
    await pacts.over(conn, here, uri)
    if known is None or not known.open:
        return False
    due = wording.this_minute(here) if known.due is not None else None
    await answering.change(conn, here, known.id, state=AskState.TAKEN_BACK, due=due)
    if known.category is not Category.CARE:
        await reports.take_back(conn, here, uri)
    return True
