"""What other desks were asked, as it is kept: sealed, with a state that only moves on (MOD-5.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.errors import NotFound
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.schema.directed import AskState, Category, Urgency
from kernel.schema.tables import asks_out, signal_sources, signals
from kernel.sealing import mac
from moderation import alerting, audit, sealed
from moderation.care import cases as care_cases
from moderation.directed.terms import (
    Action,
    Request,
)

PAGE: Final = 50
STANDS: Final = timedelta(days=30)  # that a request stands, and an answer may take
LABEL: Final = "asks"
OPEN: Final = (AskState.WAITING, AskState.SENT, AskState.UNSEEN, AskState.HELD, AskState.SEEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What another desk was asked, and how that stands; `answer`: what it wrote, of an appeal."""

    id: UUID
    host: str
    category: Category
    urgency: Urgency
    state: AskState
    case_id: UUID | None
    change: str
    reason: str
    outcome: str
    day: date
    due: datetime | None
    version: int
    request: Request = field(repr=False)
    answer: str = field(default="", repr=False)

    @classmethod
    def of(cls, here: Here, row: AnyRow) -> Self:
        return cls.read(here, dict(row._mapping))

    @classmethod
    def read(cls, here: Here, values: dict[str, Any]) -> Self:
        kept = sealed.get(here, LABEL, f"out {values['id']}", values["sealed"])
        words = {"category": Category, "urgency": Urgency, "state": AskState}
        found: dict[str, Any] = {
            name: words[name](value) if name in words else value
            for name, value in values.items()
            if name != "sealed"
        }
        return cls(**found, request=_request(kept), answer=kept["answer"])

    @property
    def open(self) -> bool:
        return self.state in OPEN


COLUMNS: Final = tuple(
    asks_out.c[name]
    for name in (
        "id", "host", "category", "urgency", "state", "case_id", "change", "reason", "outcome",
        "day", "due", "version", "sealed",
    )
)  # fmt: skip


async def of_case(conn: AsyncConnection, here: Here, case_id: UUID) -> Sequence[Asked]:
    """What other desks were asked about a case, newest first."""
    query = sa.select(*COLUMNS).where(asks_out.c.case_id == case_id)
    return await _read(conn, here, query.order_by(asks_out.c.day.desc(), asks_out.c.id).limit(PAGE))


async def about_signals(
    conn: AsyncConnection, here: Here, ids: Sequence[int]
) -> Mapping[int, Asked]:
    """The last appeal about each of these lines of advice; who issued one may not have answered."""
    query = (
        sa.select(*COLUMNS, signals.c.id.label("signal_id"))
        .join(signals, signals.c.uri == asks_out.c.change)
        .where(signals.c.id.in_(ids), asks_out.c.change != sa.literal_column("''"))
        .order_by(asks_out.c.day, asks_out.c.id)
        .limit(1_000)
    )
    found = {}
    for row in await conn.execute(query):
        values = dict(row._mapping)
        signal_id = values.pop("signal_id")
        found[signal_id] = Asked.read(here, values)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a pact peer's advice that may be asked about."""

    id: int
    uri: str
    host: str
    about: str
    summary: str
    unanswered: bool


async def advice(conn: AsyncConnection, signal_id: int) -> Line:
    """Raises NotFound: there is no such line, or nobody could be asked about it."""
    query = (
        sa.select(
            signals.c.id,
            signals.c.uri,
            signal_sources.c.host,
            signals.c.entity_key.label("about"),
            signals.c.summary,
            signals.c.appeal_unanswered.label("unanswered"),
        )
        .join(signal_sources, signal_sources.c.id == signals.c.source_id)
        .where(signals.c.id == signal_id, signal_sources.c.pact)
    )
    row = (await conn.execute(query)).first()
    if row is None:
        raise NotFound
    return Line(**row._mapping)


async def advice_of(conn: AsyncConnection, changes: Sequence[str]) -> Sequence[Line]:
    """The lines that a decision rests on, as far as pact peers say them."""
    ids = await conn.scalars(
        sa.select(signals.c.id)
        .join(signal_sources, signal_sources.c.id == signals.c.source_id)
        .where(signals.c.uri.in_(changes), signal_sources.c.pact)
        .order_by(signals.c.id)
        .limit(20)
    )
    return [await advice(conn, each) for each in ids]


async def listed(
    conn: AsyncConnection, here: Here, *, before: tuple[date, UUID] | None = None
) -> Sequence[Asked]:
    """A page of what was asked, newest first."""
    return await _read(conn, here, newest(sa.select(*COLUMNS), asks_out, before))


def newest(
    query: sa.Select[Any], asks: sa.Table, before: tuple[date, UUID] | None
) -> sa.Select[Any]:
    """SQL: a page of `asks`, newest first, of those `before` the last one of another page."""
    day, last = before or (date.max, UUID(int=2**128 - 1))
    return (
        query.where(sa.tuple_(asks.c.day, asks.c.id) < (day, last))
        .order_by(asks.c.day.desc(), asks.c.id.desc())
        .limit(PAGE)
    )


async def _read(conn: AsyncConnection, here: Here, query: sa.Select[Any]) -> Sequence[Asked]:
    return [Asked.of(here, row) for row in await conn.execute(query)]


async def log(
    conn: AsyncConnection,
    here: Here,
    category: Category,
    verb: str,
    host: str,
    actor_id: UUID | None = None,
) -> None:
    """A line of the log; care has none, since it is held against nobody and counted nowhere."""
    if category is not Category.CARE:
        await audit.note(conn, here, verb=verb, about=host, actor_id=actor_id)


async def call(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """Whoever asked has to do something: the node's desk hears of it.

    Of care, whoever is on duty at the desk of the case does as well, and at once (MOD-5.14).
    """
    if asked.category is Category.CARE:
        await care_cases.call_about(conn, here, asked.request.objects[0])
    else:
        await alerting.call(conn, None)


def care_mark(here: Here, uri: str) -> str:
    """What requests for care about one post share; it says nothing to whoever lacks the node key.

    A request has no key to a care case, and no care case one to a request (MOD-5.14).
    """
    return mac(here.node_key.derive(LABEL), "care", uri.encode()).hex()


async def last_care(conn: AsyncConnection, here: Here, host: str, uri: str) -> Asked | None:
    """What that desk was last asked about whoever wrote this post, if it was."""
    query = (
        sa.select(*COLUMNS)
        .where(
            asks_out.c.change == care_mark(here, uri),
            asks_out.c.change != sa.literal_column("''"),
            asks_out.c.host == host,
        )
        .order_by(asks_out.c.day.desc(), asks_out.c.state.in_(OPEN).desc())
        .limit(1)
    )
    found = await _read(conn, here, query)
    return found[0] if found else None


def flag_uri(here: Here, ask_id: UUID) -> str:
    """The id of the Flag that asks."""
    return f"{here.origin}/flags/{ask_id}"


def id_in(here: Here, uri: str) -> UUID | None:
    """Which request of ours a Flag's id stands for."""
    start = f"{here.origin}/flags/"
    try:
        return UUID(uri.removeprefix(start)) if uri.startswith(start) else None
    except ValueError:
        return None


async def mark(conn: AsyncConnection, change: str, *, unanswered: bool) -> None:
    await conn.execute(
        sa.update(signals).where(signals.c.uri == change).values(appeal_unanswered=unanswered)
    )


async def change(conn: AsyncConnection, here: Here, ask_id: UUID, **values: object) -> None:
    values["day"] = here.now().date()
    await conn.execute(sa.update(asks_out).where(asks_out.c.id == ask_id).values(**values))


def seal(here: Here, ask_id: UUID, request: Request, answer: str = "") -> bytes:
    value = {
        "category": request.category.value,
        "objects": list(request.objects),
        "urgency": request.urgency.value,
        "action": request.action.value,
        "rule": request.rule,
        "language": request.language,
        "until": request.until.isoformat() if request.until else "",
        "words": request.words,
        "token": request.token,
        "answer": answer,
    }
    return sealed.put(here, LABEL, f"out {ask_id}", value)


def _request(kept: dict[str, Any]) -> Request:
    return Request(
        category=Category(kept["category"]),
        objects=tuple(kept["objects"]),
        urgency=Urgency(kept["urgency"]),
        action=Action(kept["action"]),
        rule=kept["rule"],
        language=kept["language"],
        until=date.fromisoformat(kept["until"]) if kept["until"] else None,
        words=kept["words"],
        token=kept["token"],
    )


async def sweep(conn: AsyncConnection, today: date) -> None:
    """What is over goes with the words that stood in it, and so does what nobody answers."""
    columns = asks_out.c
    await conn.execute(
        sa.delete(asks_out).where(
            columns.day < today - keep_times.ASKED_PEER,
            sa.or_(
                columns.state.not_in(OPEN), columns.day < today - keep_times.ASKED_PEER - STANDS
            ),
        )
    )
