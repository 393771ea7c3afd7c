"""Asking for a second look: one appeal for each decision, answered by somebody else (MOD-5.12).

What is written is sealed under the node key and padded, so that a stolen database shows neither
the words nor how many there are. A month after the answer all of it goes; that there was an answer
stays in the log of decisions.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times, tombstone_log
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, AnySelect, at_most, constant
from kernel.said import noted, said
from kernel.schema.moderation import AppealState
from kernel.schema.tables import appeals
from kernel.sealing import seal, unseal
from kernel.tombstone_log import Act
from moderation import alerting, desks
from moderation.audit import Decision

MAX_WORDS: Final = 2_000  # letters
PASSED_ON: Final = timedelta(days=14)  # then those who run the node answer too

_IN_ARCHIVE: Final = 1_000
_PADDED: Final = 4 * MAX_WORDS + 64  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """What somebody wrote about a decision, and what they were answered."""

    decision_id: int
    group_id: UUID | None
    person_id: UUID
    state: AppealState
    day: date
    words: str = field(repr=False)
    answer: str = field(repr=False)

    @property
    def open(self) -> bool:
        return self.state is AppealState.OPEN

    def is_late(self, today: date) -> bool:
        """Whether it waits longer than it should: perhaps nobody else is there to answer."""
        return self.open and self.day <= today - PASSED_ON

    @classmethod
    def of(cls, here: Here, row: AnyRow) -> Self:
        values = dict(row._mapping)
        values["state"] = AppealState(values["state"])
        for name in ("words", "answer"):
            values[name] = _unsealed(here, row.decision_id, name, values[name])
        return cls(**values)


def check_words(words: str) -> str:
    """The words as they are kept. Raises Malformed: there are none, or too many."""
    words = words.strip()
    if not words:
        raise Malformed(noted("There are no words yet. Write something, then send it."))
    if len(words) > MAX_WORDS:
        raise Malformed(
            said(
                "Your words have {found} letters. There can be up to {limit}. Nothing is lost: "
                "you can make them shorter.",
                found=len(words),
                limit=MAX_WORDS,
            )
        )
    return words


async def ask(
    conn: AsyncConnection, here: Here, decision: Decision, words: str, *, uri: str | None = None
) -> None:
    """Ask for a second look at a decision about oneself; `uri` is the note that asked elsewhere.

    Raises Malformed: no words, or too many. Raises NotAllowed: it was decided elsewhere, or is
    nothing that was done to somebody, or too long ago. Raises Conflict: that was asked before.
    """
    words = check_words(words)
    today = here.now().date()
    group_id = decision.group_id if decision.by_group else None  # whoever decided answers
    if not decision.appealable:
        raise NotAllowed(noted("This was not decided here, so nobody here can change it."))
    if today > decision.appeal_until():
        raise NotAllowed(noted("This was decided too long ago for a second look."))
    made = await conn.execute(
        insert(appeals)
        .values(
            decision_id=decision.id,
            group_id=group_id,
            person_id=decision.person_id,
            state=AppealState.OPEN,
            words=_sealed(here, decision.id, "words", words),
            answer=_sealed(here, decision.id, "answer", ""),
            day=today,
            uri=uri,
        )
        .on_conflict_do_nothing()
    )
    if not made.rowcount:
        raise Conflict(noted("You have asked for a second look already."))
    await desks.call(conn, group_id)


def _sealed(here: Here, decision_id: int, name: str, words: str) -> bytes:
    return seal(_key(here), words.encode(), f"appeal {decision_id} {name}", padded_to=_PADDED)


def _unsealed(here: Here, decision_id: int, name: str, value: bytes) -> str:
    return unseal(_key(here), value, f"appeal {decision_id} {name}").decode()


def _key(here: Here) -> bytes:
    return here.node_key.derive("appeals")


_APPEAL: Final = sa.select(
    *(
        appeals.c[name]
        for name in ("decision_id", "group_id", "person_id", "state", "day", "words", "answer")
    )
)


async def of(conn: AsyncConnection, here: Here, decision_id: int) -> Appeal | None:
    """The appeal against a decision, if there is one."""
    row = (await conn.execute(_APPEAL.where(appeals.c.decision_id == decision_id))).first()
    return Appeal.of(here, row) if row else None


async def of_person(conn: AsyncConnection, here: Here, person_id: UUID) -> Sequence[Appeal]:
    """What a persona asked and was answered, up to a thousand: for its own archive."""
    query = _APPEAL.where(appeals.c.person_id == person_id).order_by(appeals.c.decision_id)
    rows = await conn.execute(query.limit(at_most(_IN_ARCHIVE)))
    return [Appeal.of(here, row) for row in rows]


async def of_group(
    conn: AsyncConnection, here: Here, group_id: UUID, *, after: int = 0, limit: int = 20
) -> Sequence[Appeal]:
    """What waits for an answer of a group's moderators, oldest first."""
    rows = await conn.execute(_of_group(limit), {"group_id": group_id, "after": after})
    return [Appeal.of(here, row) for row in rows]


async def of_node(
    conn: AsyncConnection, here: Here, *, after: int = 0, limit: int = 20
) -> Sequence[Appeal]:
    """What waits for those who look after the whole node, oldest first.

    That is what they decided themselves, and what no other moderator of a group can answer, or
    none did within two weeks.
    """
    values = {"after": after, "long_ago": here.now().date() - PASSED_ON}
    rows = await conn.execute(_of_node(limit), values)
    return [Appeal.of(here, row) for row in rows]


def _waiting(limit: int) -> AnySelect:
    return (
        _APPEAL.where(
            appeals.c.state == constant(AppealState.OPEN),
            appeals.c.decision_id > sa.bindparam("after", type_=sa.BigInteger),
        )
        .order_by(appeals.c.decision_id)
        .limit(at_most(limit))
    )


@cache
def _of_group(limit: int) -> AnySelect:
    return _waiting(limit).where(appeals.c.group_id == sa.bindparam("group_id", type_=sa.Uuid))


@cache
def _of_node(limit: int) -> AnySelect:
    return _waiting(limit).where(
        sa.or_(
            appeals.c.group_id.is_(None),
            appeals.c.day <= sa.bindparam("long_ago", type_=sa.Date),
            desks.has_few(appeals.c.group_id),
        )
    )


async def long_unanswered(conn: AsyncConnection, today: date) -> int:
    """How many wait longer than they should, at any desk."""
    late = sa.and_(
        appeals.c.state == constant(AppealState.OPEN),
        appeals.c.day <= today - PASSED_ON,
    )
    count = await conn.scalar(sa.select(sa.func.count()).select_from(appeals).where(late))
    return count or 0


async def is_for_node(conn: AsyncConnection, here: Here, appeal: Appeal) -> bool:
    """Whether those who look after the whole node may answer this one."""
    if appeal.group_id is None or appeal.day <= here.now().date() - PASSED_ON:
        return True
    return await desks.few_moderators(conn, appeal.group_id)


async def answer(
    conn: AsyncConnection, here: Here, decision_id: int, state: AppealState, words: str
) -> None:
    """Answer an appeal. Raises NotFound: it is not open. Raises Malformed: no words, too many."""
    done = await conn.scalars(
        sa.update(appeals)
        .where(appeals.c.decision_id == decision_id, appeals.c.state == AppealState.OPEN)
        .values(
            state=state,
            answer=_sealed(here, decision_id, "answer", check_words(words)),
            day=here.now().date(),
        )
        .returning(appeals.c.words)
    )
    _note_over(conn, done)


def _note_over(conn: AsyncConnection, gone: Iterable[bytes]) -> None:
    """What was answered or taken back does not wait again after a restore. Raises NotFound: none.

    A decision's number may be another one's then, so sealed words are known by their hash.
    """
    marks = [hashlib.sha256(words).hexdigest() for words in gone]
    for mark in marks:
        tombstone_log.note(conn, Act.APPEAL_OVER, mark)
    if not marks:
        raise NotFound


async def end_again(conn: AsyncConnection, marks: Iterable[str]) -> None:
    """What was answered or taken back after a backup goes, with its words."""
    mark = sa.func.encode(sa.func.sha256(appeals.c.words), "hex")
    is_open = appeals.c.state == AppealState.OPEN
    await conn.execute(sa.delete(appeals).where(is_open, mark.in_(list(marks))))


async def take_back(conn: AsyncConnection, decision_id: int) -> None:
    """Whoever asked would rather not have: their words go. Raises NotFound: none is open."""
    gone = await conn.scalars(
        sa.delete(appeals)
        .where(appeals.c.decision_id == decision_id, appeals.c.state == AppealState.OPEN)
        .returning(appeals.c.words)
    )
    _note_over(conn, gone)


async def erase(conn: AsyncConnection, person_id: UUID, uri: str) -> bool:
    """Its author deleted the note that asked, on their own server. False: it asked for nothing."""
    gone = await conn.scalars(
        sa.delete(appeals)
        .where(appeals.c.uri == uri, appeals.c.person_id == person_id)
        .returning(appeals.c.words)
    )
    try:
        _note_over(conn, gone)
    except NotFound:
        return False
    return True


async def sweep(conn: AsyncConnection, today: date, before: date) -> None:
    """What was answered a month ago goes, and what nobody answered in half a year.

    The node's desk hears once more of what nobody answered in two weeks: that something waits.
    `before` is the day of the last such sweep, so that no day is left out where the node rested.
    """
    is_open = appeals.c.state == AppealState.OPEN
    days = appeals.c.day > before - PASSED_ON, appeals.c.day <= today - PASSED_ON
    late = sa.exists().where(is_open, *days)
    if await conn.scalar(sa.select(late)):
        await alerting.call(conn, None)
    await conn.execute(
        sa.delete(appeals).where(
            sa.or_(
                sa.and_(~is_open, appeals.c.day < today - keep_times.APPEAL),
                sa.and_(is_open, appeals.c.day < today - keep_times.UNANSWERED_APPEAL),
            )
        )
    )


async def forget_person(conn: AsyncConnection, person_id: UUID, *, but: int | None = None) -> None:
    """A person is gone, and their words with them; `but` those about one decision."""
    gone = sa.and_(appeals.c.person_id == person_id, appeals.c.decision_id.is_distinct_from(but))
    await conn.execute(sa.delete(appeals).where(gone))
