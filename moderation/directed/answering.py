"""What another desk asks us, and what we answer, each step once (MOD-5.4, MOD-5.14).

An answer says how far it is, and at the end a word for what came of it; of care it says neither
more nor less than "seen" and "closed".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.vocab import ActivityKind, Document
from kernel import keep_times
from kernel.errors import NotFound
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.schema.cases import Outcome
from kernel.schema.directed import AskState, Category, Urgency
from kernel.schema.tables import asks_in
from moderation import audit, pacts, sealed
from moderation.directed import wording
from moderation.directed.sent import PAGE, newest
from moderation.directed.terms import (
    CONTEXT,
    KINDS,
    ORDER,
    STATES,
    Action,
    Answer,
    Reason,
    Request,
    Result,
)

LABEL: Final = "asks"
OPEN: Final = (AskState.SENT, AskState.HELD, AskState.SEEN)

_RESULTS: Final[Mapping[Outcome, Result]] = {
    Outcome.NOTHING: Result.NO_ACTION,
    Outcome.SUPPORTED: Result.SUPPORTED,
    Outcome.REMOVED: Result.REMOVED,
    Outcome.AWAY: Result.REMOVED,
}
_LET_GO: Final = (Outcome.NOTHING, Outcome.SUPPORTED)
_STAYS_OUT: Final = (Outcome.REMOVED, Outcome.AWAY, Outcome.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What another desk asked here, and how that stands. `post_id`: what was held for it."""

    id: UUID
    host: str
    uri: str
    category: Category
    urgency: Urgency
    state: AskState
    case_id: UUID | None
    change: str
    reason: str
    outcome: str
    answer_id: UUID
    day: date
    due: datetime | None
    version: int
    post_id: int | None
    request: Request = field(repr=False)

    @classmethod
    def of(cls, here: Here, row: AnyRow) -> Self:
        values = dict(row._mapping)
        kept = sealed.get(here, LABEL, f"in {row.id}", values.pop("sealed"))
        values["category"], values["urgency"] = Category(row.category), Urgency(row.urgency)
        values["state"] = AskState(row.state)
        request = Request(
            category=values["category"],
            objects=tuple(kept["objects"]),
            urgency=values["urgency"],
            action=Action(kept["action"]),
            rule=kept["rule"],
            language=kept["language"],
            words=kept["words"],
        )
        return cls(**values, request=request)

    @property
    def open(self) -> bool:
        return self.state in OPEN


COLUMNS: Final = tuple(
    asks_in.c[name]
    for name in (
        "id", "host", "uri", "category", "urgency", "state", "case_id", "change", "reason",
        "outcome", "answer_id", "day", "due", "version", "post_id", "sealed",
    )
)  # fmt: skip


def seal(here: Here, ask_id: UUID, request: Request) -> bytes:
    """What is kept of a request: who reported is in none, so not even the token is."""
    value = {
        "objects": list(request.objects),
        "action": request.action.value,
        "rule": request.rule,
        "language": request.language,
        "words": request.words,
    }
    return sealed.put(here, LABEL, f"in {ask_id}", value)


async def answer(
    conn: AsyncConnection,
    here: Here,
    request_id: UUID,
    answer: Answer,
    *,
    reason: Reason = Reason.POLICY,
    outcome: Result = Result.WITHHELD,
    words: str = "",
) -> None:
    """Tell the desk that asked how far it is; what says no more than was said is not sent again.

    `words` are for an appeal alone. Raises NotFound: nobody asked that.
    """
    asked = await one(conn, here, request_id, lock=True)
    state, care = STATES[answer], asked.category is Category.CARE
    if ORDER.index(state) <= ORDER.index(asked.state) or asked.state is AskState.REFUSED:
        return
    if care and answer is Answer.HELD:
        answer, state = Answer.SEEN, AskState.SEEN
    values: dict[str, object] = {"state": state}
    if answer is Answer.REFUSED:
        values["reason"] = reason.value
    if answer is Answer.CLOSED:
        values["outcome"] = (Result.CLOSED if care else outcome).value
    await change(conn, here, asked.id, **values)
    await _tell(conn, here, asked, answer, values, "" if care else words)


async def _tell(
    conn: AsyncConnection,
    here: Here,
    asked: Received,
    answer: Answer,
    values: Mapping[str, object],
    words: str,
) -> None:
    """Nobody is told where the pact is over, or they asked not to be trusted."""
    pact = await pacts.with_host(conn, asked.host)
    if pact is None or pact.frozen_there:
        return
    uri = f"{here.origin}/answers/{asked.answer_id}"
    more: Document = {"@context": CONTEXT}
    if answer is Answer.CLOSED:
        said: Document = {
            "id": uri,
            "type": KINDS[Answer.SEEN],
            "actor": f"{here.origin}/desk/node",
            "object": asked.uri,
            "outcome": str(values["outcome"]),
        }
        if words:
            said["content"] = words
        await pacts.tell(
            conn, here, ActivityKind.UPDATE, said, pact.desk_uri, uri="", proven=True, **more
        )
        return
    if answer is Answer.REFUSED:
        more["reason"] = str(values["reason"])
    uri += f"#{answer.value}"
    await pacts.tell(
        conn, here, KINDS[answer], asked.uri, pact.desk_uri, uri=uri, proven=True, **more
    )


async def case_taken(conn: AsyncConnection, here: Here, case_id: UUID) -> None:
    """Somebody looks at the case: whoever asked for it hears that."""
    for ask_id in await _of(conn, case_id):
        await answer(conn, here, ask_id, Answer.SEEN)


async def case_closed(conn: AsyncConnection, here: Here, case_id: UUID, outcome: Outcome) -> None:
    """The case is decided: whoever asked for it hears a word for what came of it.

    A post that waits for a takedown is let go at once where nothing is wrong with it. It stays out
    of sight where that was decided. Any other decision leaves it its day.
    """
    if outcome in _LET_GO or outcome in _STAYS_OUT:
        due = wording.this_minute(here) if outcome in _LET_GO else None
        held = sa.and_(asks_in.c.case_id == case_id, asks_in.c.due.is_not(None))
        await conn.execute(sa.update(asks_in).where(held).values(due=due))
    for ask_id in await _of(conn, case_id):
        result = _RESULTS.get(outcome, Result.WITHHELD)
        await answer(conn, here, ask_id, Answer.CLOSED, outcome=result)


async def case_moved(conn: AsyncConnection, case_id: UUID, to: UUID) -> None:
    """Another desk decides."""
    await conn.execute(sa.update(asks_in).where(asks_in.c.case_id == case_id).values(case_id=to))


async def _of(conn: AsyncConnection, case_id: UUID) -> Sequence[UUID]:
    """Ids in order, so that nobody waits for each other; of one case there are few."""
    query = sa.select(asks_in.c.id).where(asks_in.c.case_id == case_id, asks_in.c.state.in_(OPEN))
    return list(await conn.scalars(query.order_by(asks_in.c.id).limit(100)))


async def one(conn: AsyncConnection, here: Here, ask_id: UUID, *, lock: bool = False) -> Received:
    """Raises NotFound: nobody asked that."""
    query = sa.select(*COLUMNS).where(asks_in.c.id == ask_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        raise NotFound
    return Received.of(here, row)


async def of_case(conn: AsyncConnection, here: Here, case_id: UUID) -> Sequence[Received]:
    """What other desks asked about a case, up to a page."""
    query = sa.select(*COLUMNS).where(asks_in.c.case_id == case_id)
    return await _read(conn, here, query.order_by(asks_in.c.day, asks_in.c.id).limit(PAGE))


async def listed(
    conn: AsyncConnection, here: Here, *, before: tuple[date, UUID] | None = None
) -> Sequence[Received]:
    """A page of what was asked here, newest first."""
    return await _read(conn, here, newest(sa.select(*COLUMNS), asks_in, before))


async def _read(conn: AsyncConnection, here: Here, query: sa.Select[Any]) -> Sequence[Received]:
    return [Received.of(here, row) for row in await conn.execute(query)]


async def decide_appeal(
    conn: AsyncConnection, here: Here, ask_id: UUID, *, outcome: Result, words: str
) -> None:
    """What we say to an appeal about our advice. Raises NotFound: there is none that is open."""
    asked = await one(conn, here, ask_id, lock=True)
    if asked.category is not Category.APPEAL or not asked.open:
        raise NotFound
    await answer(conn, here, ask_id, Answer.CLOSED, outcome=outcome, words=words)
    await audit.note(conn, here, verb="answer a peer's appeal", about=asked.host)


async def change(conn: AsyncConnection, here: Here, ask_id: UUID, **values: object) -> None:
    """Write what is new of a request."""
    values["day"] = here.now().date()
    await conn.execute(sa.update(asks_in).where(asks_in.c.id == ask_id).values(**values))


async def sweep(conn: AsyncConnection, today: date) -> None:
    """What is over goes; what nobody decided is kept as long as its case may be."""
    columns = asks_in.c
    await conn.execute(
        sa.delete(asks_in).where(
            columns.day < today - keep_times.ASKED_PEER,
            sa.or_(columns.state.not_in(OPEN), columns.day < today - keep_times.CASE),
        )
    )
