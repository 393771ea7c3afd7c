"""What moderators do with a case: one at a time, and nothing twice (MOD-5.2).

Words and copies go when a case is closed; where something was taken away from somebody, 30 days
later, for as long as they may ask about it. What came of a case stays a year, without words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times, tombstone_log
from kernel.errors import Conflict, Malformed
from kernel.here import Here
from kernel.rows import constant
from kernel.said import noted, said
from kernel.schema.cases import CaseState, Outcome
from kernel.schema.tables import case_notes, cases, reports
from kernel.tombstone_log import Act
from moderation import alerting, desks
from moderation import sealed as sealing
from moderation.cases import LABEL, PASSED_ON, WAITS, About, Case, gather, get, holder_of, press
from moderation.directed import answering

MAX_NOTE: Final = 1_000  # letters
MAX_NOTES: Final = 50

_APPEALED: Final = (Outcome.REMOVED, Outcome.AWAY, Outcome.STOPPED)

DECIDED: Final = noted("Somebody has decided this already. Nothing was done twice.")
TAKEN: Final = noted("Somebody else looks at this now. Nothing was changed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a moderator wrote for the others; nobody is named."""

    words: str = field(repr=False)
    day: date


async def take(
    conn: AsyncConnection, here: Here, group_id: UUID | None, case_id: UUID, root: bytes
) -> Case:
    """The case, held until the end of this transaction, for somebody who may decide about it.

    Raises NotFound: it is another desk's. Raises Conflict: it is decided, or somebody else looks.
    """
    case = await get(conn, here, group_id, case_id, lock=True)
    if case.state is CaseState.CLOSED:
        raise Conflict(DECIDED)
    if case.is_taken(root, here.now().date()):
        raise Conflict(TAKEN)
    return case


async def claim(conn: AsyncConnection, here: Here, case: Case, root: bytes) -> None:
    """The member with this root key looks at it from now on."""
    await _set(
        conn,
        case.id,
        state=CaseState.CLAIMED,
        holder=holder_of(root, case.id),
        held_on=here.now().date(),
    )
    await answering.case_taken(conn, here, case.id)


async def give_back(conn: AsyncConnection, case: Case) -> None:
    """Nobody looks at it: somebody else can take it."""
    await _set(conn, case.id, state=CaseState.OPEN, holder=None, held_on=None)


async def hand_over(conn: AsyncConnection, case: Case) -> None:
    """Nobody looks at it any more, and the others are called."""
    await give_back(conn, case)
    await desks.call(conn, case.group_id)


async def ask_another(conn: AsyncConnection, case: Case) -> None:
    """Another moderator is asked what they think."""
    await _set(conn, case.id, state=CaseState.SECOND, holder=None, held_on=None)
    await desks.call(conn, case.group_id)


async def write(conn: AsyncConnection, here: Here, case: Case, words: str) -> None:
    """A note for the other moderators. Raises Malformed: empty, too long, or one too many."""
    words = words.strip()
    if not words:
        raise Malformed("Please write a few words for the others.")
    if len(words) > MAX_NOTE:
        raise Malformed(said("Please write up to {limit} letters.", limit=MAX_NOTE))
    count = sa.select(sa.func.count()).where(case_notes.c.case_id == case.id)
    place = await conn.scalar(count) or 0
    if place >= MAX_NOTES:
        raise Malformed("There are many notes here already. It may be time to decide.")
    value = {"words": words, "day": here.now().date().isoformat()}
    await conn.execute(
        case_notes.insert().values(
            case_id=case.id,
            place=place,
            sealed=sealing.put(here, LABEL, f"note {case.id} {place}", value),
        )
    )


async def close(conn: AsyncConnection, here: Here, case: Case, outcome: Outcome) -> None:
    """Somebody has decided: what was said goes, at once or with the time to ask about it.

    A member may report the same thing again, so the mark of who did goes in any case.
    """
    if outcome is not Outcome.PASSED:  # a backup does not know the desk it was passed to
        tombstone_log.note(conn, Act.CASE_CLOSED, str(case.id))
        await answering.case_closed(conn, here, case.id, outcome)
    await _set(
        conn,
        case.id,
        state=CaseState.CLOSED,
        outcome=outcome,
        closed_on=here.now().date(),
        holder=None,
        held_on=None,
    )
    mine = reports.c.case_id == case.id
    if outcome in _APPEALED:
        await conn.execute(sa.update(reports).where(mine).values(bearer=None))
    else:
        await conn.execute(sa.delete(reports).where(mine))
        await conn.execute(sa.delete(case_notes).where(case_notes.c.case_id == case.id))


async def close_again(conn: AsyncConnection, ids: Iterable[str]) -> None:
    """What was decided after a backup does not wait again: it goes, with all that was said."""
    decided = cases.c.id.in_([UUID(each) for each in ids])
    await conn.execute(sa.delete(cases).where(decided, WAITS))


async def pass_on(
    conn: AsyncConnection, here: Here, case: Case, group_id: UUID | None, about: About, reason: str
) -> UUID:
    """Another desk decides, with all that was said; `reason` is a note for it.

    Raises Malformed: there is no reason.
    """
    if not reason.strip():
        raise Malformed("Please say in a few words why the others should look at it.")
    other_id = await gather(conn, here, group_id, about, case.why)
    await press(conn, other_id, case.why)
    await conn.execute(
        sa.update(cases)
        .where(cases.c.id == other_id)
        .values(since=sa.func.least(cases.c.since, case.since))
    )
    await conn.execute(
        sa.update(reports).where(reports.c.case_id == case.id).values(case_id=other_id)
    )
    await answering.case_moved(conn, case.id, other_id)
    await write(conn, here, await get(conn, here, group_id, other_id), reason)
    await close(conn, here, case, Outcome.PASSED)
    await desks.call(conn, group_id)
    return other_id


async def mark_told(conn: AsyncConnection, case: Case) -> None:
    """The moderators of another server are told of it."""
    await _set(conn, case.id, told=True)


async def _set(conn: AsyncConnection, case_id: UUID, **values: object) -> None:
    await conn.execute(sa.update(cases).where(cases.c.id == case_id).values(**values))


async def drop_if_empty(conn: AsyncConnection, case_ids: Sequence[UUID]) -> None:
    """Whoever reported took it back: a case goes that nobody else asked for or looked at.

    It is held first: only then a statement sees what somebody reported at the same moment.
    """
    await conn.execute(
        sa.select(cases.c.id).where(cases.c.id.in_(case_ids)).order_by(cases.c.id).with_for_update()
    )
    await conn.execute(
        sa.delete(cases).where(
            cases.c.id.in_(case_ids),
            cases.c.state == constant(CaseState.OPEN),
            ~sa.exists().where(reports.c.case_id == cases.c.id).correlate(cases),
            ~sa.exists().where(case_notes.c.case_id == cases.c.id).correlate(cases),
        )
    )


async def sweep(conn: AsyncConnection, today: date, before: date) -> None:
    """What was said goes 30 days after a case was closed, with whom it was about.

    What came of it goes after a year. The node's desk hears of what a group left waiting.
    `before` is the day of the last such sweep, so that no day is left out where the node rested.
    """
    late = sa.exists().where(
        WAITS,
        cases.c.group_id.is_not(None),
        cases.c.since > before - PASSED_ON,
        cases.c.since <= today - PASSED_ON,
    )
    if await conn.scalar(sa.select(late)):
        await alerting.call(conn, None)
    await conn.execute(sa.delete(cases).where(cases.c.closed_on < today - keep_times.CASE))
    old = sa.select(cases.c.id).where(cases.c.closed_on < today - keep_times.CASE_WORDS)
    decided = reports.c.bearer.is_(None)
    await conn.execute(sa.delete(reports).where(decided, reports.c.case_id.in_(old)))
    await conn.execute(sa.delete(case_notes).where(case_notes.c.case_id.in_(old)))
    await conn.execute(
        sa.update(cases)
        .where(
            cases.c.closed_on < today - keep_times.CASE_WORDS,
            cases.c.closed_on.is_not(None),
            cases.c.sealed.is_not(None),
        )
        .values(sealed=None)
    )


async def notes(conn: AsyncConnection, here: Here, case_id: UUID) -> Sequence[Note]:
    """What moderators wrote about it, oldest first."""
    rows = await conn.execute(
        sa.select(case_notes.c.place, case_notes.c.sealed)
        .where(case_notes.c.case_id == case_id)
        .order_by(case_notes.c.place)
        .limit(MAX_NOTES)
    )
    found = [sealing.get(here, LABEL, f"note {case_id} {row.place}", row.sealed) for row in rows]
    return [Note(words=each["words"], day=date.fromisoformat(each["day"])) for each in found]
