"""Cases: what was reported about one thing, for one desk, until somebody has decided (MOD-5.2).

A desk is a group's, or with None the node's own, and sees its own cases alone (SEC-L8). What waits
in a group that has no two moderators here, or has waited for days, the node's desk sees too: so no
report is read by nobody else than whom it is about, whichever of their names that is. Who looks at
a case is a mark made of their root key and of the case: they know it again, and nobody else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import IntEnum
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.arrays import any_of
from kernel.errors import NotFound
from kernel.here import Here
from kernel.rows import AnyRow, AnySelect, at_most, constant
from kernel.schema.cases import CaseState, Outcome, Subject
from kernel.schema.messages import Why
from kernel.schema.tables import cases, reports
from kernel.sealing import digest, mac
from moderation import sealed as sealing
from moderation.desks import has_few

PAGE: Final = 50
EARLIER: Final = 20
PASSED_ON: Final = timedelta(days=3)  # then those who look after the node see it too
CLAIM_LASTS: Final = timedelta(days=1)  # the day it was taken and the next one

_MANY: Final = 5  # so many reports are as many as more
LABEL: Final = "cases"
WAITS: Final = cases.c.state != constant(CaseState.CLOSED)


class Priority(IntEnum):
    NOW = 0
    TODAY = 1
    ROUTINE = 2


PRIORITIES: Final[Mapping[Why, Priority]] = {
    Why.WORRIED: Priority.NOW,
    Why.ENCOURAGING: Priority.TODAY,
    Why.PRESSURE: Priority.TODAY,
    Why.CONTACT: Priority.TODAY,
    Why.UNKIND: Priority.ROUTINE,
    Why.ELSE: Priority.ROUTINE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is reported: its address, and whoever wrote it or is it."""

    subject: Subject
    uri: str
    actor_id: UUID
    name: str
    address: str
    post_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case. `about` is None for what was reported before there were cases."""

    id: UUID
    group_id: UUID | None
    subject: Subject
    post_id: int | None
    why: Why
    priority: Priority
    state: CaseState
    holder: bytes | None = field(repr=False)
    held_on: date | None
    since: date
    outcome: Outcome | None
    closed_on: date | None
    told: bool
    many: int  # reports, up to five
    about: About | None = field(repr=False)

    @property
    def how_many(self) -> str:
        """In steps: an exact number could say who in a small group reported (SEC-U18)."""
        return "one" if self.many <= 1 else "few" if self.many < _MANY else "many"

    def is_mine(self, root: bytes) -> bool:
        """Whether the member with this root key looks at it."""
        return self.holder is not None and self.holder == holder_of(root, self.id)

    def is_taken(self, root: bytes, today: date) -> bool:
        """Whether somebody else looks at it; who took it two days ago may have forgotten it."""
        lapsed = self.held_on is not None and self.held_on + CLAIM_LASTS < today
        return self.state is CaseState.CLAIMED and not lapsed and not self.is_mine(root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What came of another case about the same persona at the same desk, and in which month."""

    id: UUID
    subject: Subject
    why: Why
    outcome: Outcome | None
    month: date


def holder_of(root: bytes, case_id: UUID) -> bytes:
    return mac(root, "case", case_id.bytes)


def _mark(here: Here, group_id: UUID | None, about: About) -> bytes:
    """The same for all reports about one thing at one desk, as migration 0029 made it for posts."""
    desk = str(group_id or "node")
    if about.subject is Subject.POST:
        return digest(f"{desk} post {about.post_id}".encode())
    return mac(here.node_key.derive(LABEL), "mark", f"{desk} {about.uri}".encode())


def _whose(here: Here, group_id: UUID | None, actor_id: UUID) -> bytes:
    return mac(here.node_key.derive(LABEL), "whose", f"{group_id or 'node'} {actor_id}".encode())


# ---- Gathering


async def gather(
    conn: AsyncConnection, here: Here, group_id: UUID | None, about: About, why: Why
) -> UUID:
    """The case that is under way about this at a desk, or a new one; it is held until the end."""
    mark = _mark(here, group_id, about)
    case_id = chance.new_uuid()
    await conn.execute(
        insert(cases)
        .values(
            id=case_id,
            group_id=group_id,
            subject=about.subject,
            post_id=about.post_id,
            mark=mark,
            whose=_whose(here, group_id, about.actor_id),
            why=why,
            priority=PRIORITIES[why],
            state=CaseState.OPEN,
            since=here.now().date(),
            sealed=_seal(here, case_id, about),
        )
        .on_conflict_do_nothing(index_elements=["mark"], index_where=WAITS)
    )
    held = sa.select(cases.c.id).where(cases.c.mark == mark, WAITS).with_for_update()
    found: UUID | None = await conn.scalar(held)
    if found is None:  # it was closed between the two
        return await gather(conn, here, group_id, about, why)
    return found


async def press(conn: AsyncConnection, case_id: UUID, why: Why) -> None:
    """One more reason; the most pressing one counts."""
    await conn.execute(
        sa.update(cases)
        .where(cases.c.id == case_id, cases.c.priority > PRIORITIES[why])
        .values(why=why, priority=PRIORITIES[why])
    )


def _seal(here: Here, case_id: UUID, about: About) -> bytes:
    value = {
        "uri": about.uri,
        "actor": about.actor_id.hex,
        "name": about.name,
        "address": about.address,
    }
    return sealing.put(here, LABEL, f"case {case_id}", value)


# ---- Reading


_COLUMNS: Final = (
    cases.c.id, cases.c.group_id, cases.c.subject, cases.c.post_id, cases.c.why, cases.c.priority,
    cases.c.state, cases.c.holder, cases.c.held_on, cases.c.since, cases.c.outcome,
    cases.c.closed_on, cases.c.told, cases.c.sealed,
)  # fmt: skip
_SOME: Final[AnySelect] = (
    sa.select(sa.literal_column("1"))
    .where(reports.c.case_id == cases.c.id)
    .correlate(cases)
    .limit(at_most(_MANY))
)
_MANY_OF: Final = sa.select(sa.func.count()).select_from(_SOME.lateral()).scalar_subquery()


def _read(here: Here, row: AnyRow) -> Case:
    values: dict[str, Any] = dict(row._mapping)
    sealed = values.pop("sealed")
    subject, post_id = Subject(values["subject"]), values["post_id"]
    outcome = values["outcome"]
    return Case(
        **{
            **values,
            "subject": subject,
            "why": Why(values["why"]),
            "priority": Priority(values["priority"]),
            "state": CaseState(values["state"]),
            "outcome": Outcome(outcome) if outcome else None,
            "about": _about(here, values["id"], subject, post_id, sealed) if sealed else None,
        }
    )


def _about(
    here: Here, case_id: UUID, subject: Subject, post_id: int | None, sealed: bytes
) -> About:
    value = sealing.get(here, LABEL, f"case {case_id}", sealed)
    return About(
        subject=subject,
        uri=value["uri"],
        actor_id=UUID(hex=value["actor"]),
        name=value["name"],
        address=value["address"],
        post_id=post_id,
    )


def _of_desk(whole: bool) -> sa.ColumnElement[bool]:
    """SQL: the node's own, or a group's."""
    if whole:
        return cases.c.group_id.is_(None)
    return cases.c.group_id == sa.bindparam("group_id", type_=sa.Uuid)


def _desk(group_id: UUID | None) -> dict[str, object]:
    return {} if group_id is None else {"group_id": group_id}


def _seen_by(of_node: bool) -> sa.ColumnElement[bool]:
    """SQL: what a desk may decide: its own, and that of the node what waits in vain elsewhere.

    Nothing in it asks whose names somebody has, so that nothing tells (DESIGN-V2).
    """
    if not of_node:
        return _of_desk(of_node)
    long_ago = cases.c.since <= sa.bindparam("long_ago", type_=sa.Date)
    in_vain = sa.and_(WAITS, sa.or_(long_ago, has_few(cases.c.group_id)))
    return sa.or_(_of_desk(of_node), in_vain)


def _seer(here: Here, group_id: UUID | None) -> dict[str, object]:
    if group_id is not None:
        return _desk(group_id)
    return {"long_ago": here.now().date() - PASSED_ON}


@cache
def _by_id(of_node: bool, lock: bool) -> AnySelect:
    asked = sa.select(*_COLUMNS, _MANY_OF.label("many")).where(
        cases.c.id == sa.bindparam("case_id", type_=sa.Uuid), _seen_by(of_node)
    )
    return asked.with_for_update(of=cases) if lock else asked


async def get(
    conn: AsyncConnection, here: Here, group_id: UUID | None, case_id: UUID, *, lock: bool = False
) -> Case:
    """A case of that desk. Raises NotFound: there is none, or it is another desk's (SEC-L8)."""
    values = {"case_id": case_id, **_seer(here, group_id)}
    row = (await conn.execute(_by_id(group_id is None, lock), values)).first()
    if row is None:
        raise NotFound
    return _read(here, row)


async def of_node(conn: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these the node's own desk has."""
    own = sa.select(cases.c.id).where(cases.c.id.in_(ids), cases.c.group_id.is_(None))
    return set(await conn.scalars(own))


Place = tuple[int, date, UUID]  # where a queue goes on
START: Final[Place] = (-1, date.min, UUID(int=0))


def place_of(case: Case) -> Place:
    """Where the queue goes on after `case`."""
    return int(case.priority), case.since, case.id


async def waiting(
    conn: AsyncConnection,
    here: Here,
    group_id: UUID | None,
    *,
    state: CaseState | None = None,
    after: Place = START,
    limit: int = PAGE,
) -> Sequence[Case]:
    """A page of what is not closed, in one `state` or in any: the most pressing, oldest first."""
    priority, since, last = after
    values = {"priority": priority, "since": since, "last": last, "state": state or ""}
    rows = await conn.execute(_queue(group_id is None, limit), {**values, **_seer(here, group_id)})
    return [_read(here, row) for row in rows]


@cache
def _queue(of_node: bool, limit: int) -> AnySelect:
    wanted = sa.bindparam("state", type_=sa.Text)
    after = sa.tuple_(
        sa.bindparam("priority", type_=sa.SmallInteger),
        sa.bindparam("since", type_=sa.Date),
        sa.bindparam("last", type_=sa.Uuid),
    )
    return (
        sa.select(*_COLUMNS, _MANY_OF.label("many"))
        .where(
            _seen_by(of_node),
            WAITS,
            sa.or_(wanted == sa.literal_column("''"), cases.c.state == wanted),
            sa.tuple_(cases.c.priority, cases.c.since, cases.c.id) > after,
        )
        .order_by(cases.c.priority, cases.c.since, cases.c.id)
        .limit(at_most(limit))
    )


async def closed(
    conn: AsyncConnection,
    here: Here,
    group_id: UUID | None,
    *,
    before: tuple[date, UUID] = (date.max, UUID(int=2**128 - 1)),
) -> Sequence[Case]:
    """A page of what was decided, newest first."""
    values = {"day": before[0], "last": before[1], **_desk(group_id)}
    return [_read(here, row) for row in await conn.execute(_closed(group_id is None), values)]


@cache
def _closed(of_node: bool) -> AnySelect:
    before = sa.tuple_(
        sa.bindparam("day", type_=sa.Date),
        sa.bindparam("last", type_=sa.Uuid),
    )
    return (
        sa.select(*_COLUMNS, sa.literal_column("0").label("many"))
        .where(
            _of_desk(of_node),
            cases.c.state == constant(CaseState.CLOSED),
            sa.tuple_(cases.c.closed_on, cases.c.id) < before,
        )
        .order_by(cases.c.closed_on.desc(), cases.c.id.desc())
        .limit(at_most(PAGE))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of a case, for whoever gave it to others."""

    id: UUID
    why: Why
    outcome: Outcome


async def ended(conn: AsyncConnection, case_ids: Sequence[UUID]) -> Sequence[Ended]:
    """Those of the cases that are decided; what was passed on is decided elsewhere."""
    rows = await conn.execute(_ENDED, {"case_ids": list(case_ids)}) if case_ids else ()
    return [Ended(id=row.id, why=Why(row.why), outcome=Outcome(row.outcome)) for row in rows]


_ENDED: Final[AnySelect] = (
    sa.select(cases.c.id, cases.c.why, cases.c.outcome)
    .where(any_of(cases.c.id, "case_ids"), cases.c.state == constant(CaseState.CLOSED))
    .order_by(cases.c.id)
)


async def earlier(conn: AsyncConnection, here: Here, case: Case) -> Sequence[Earlier]:
    """Other cases about the same persona at the same desk; never of a sibling (DESIGN-V3)."""
    if case.about is None:
        return []
    whose = _whose(here, case.group_id, case.about.actor_id)
    rows = await conn.execute(_EARLIER, {"whose": whose, "case_id": case.id})
    return [
        Earlier(
            id=row.id,
            subject=Subject(row.subject),
            why=Why(row.why),
            outcome=Outcome(row.outcome) if row.outcome else None,
            month=(row.closed_on or row.since).replace(day=1),
        )
        for row in rows
    ]


_EARLIER: Final[AnySelect] = (
    sa.select(
        cases.c.id,
        cases.c.subject,
        cases.c.why,
        cases.c.outcome,
        cases.c.closed_on,
        cases.c.since,
    )
    .where(
        cases.c.whose == sa.bindparam("whose", type_=sa.LargeBinary),
        cases.c.id != sa.bindparam("case_id", type_=sa.Uuid),
    )
    .order_by(cases.c.closed_on.desc(), cases.c.id)
    .limit(at_most(EARLIER))
)
