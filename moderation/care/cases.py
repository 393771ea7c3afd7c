"""Care cases: opened, looked at, handed over, ended, and after a week a number (MOD-5.14).

Whoever opens one asks people here to look sooner, and for nothing else. Nothing in this package
writes to what is decided about people, to the log, to statistics or to advice for peers; nothing
there reads it, but for the two questions of `moderation.care`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance, tombstone_log
from kernel.arrays import any_of
from kernel.errors import Conflict, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, AnySelect, at_most, constant
from kernel.said import noted
from kernel.schema.care import Author, CareState, Ending, Level
from kernel.schema.cases import Subject
from kernel.schema.tables import (
    actors,
    care_cases,
    care_handovers,
    care_words,
    posts,
)
from kernel.sealing import mac
from kernel.tombstone_log import Act
from moderation import alerting, budgets, desks
from moderation import sealed as sealing
from moderation.care import clocks, notes, peers
from moderation.care.notes import LABEL
from moderation.cases import About

PAGE: Final = 50
OPEN: Final = care_cases.c.state != constant(CareState.CLOSED)

TAKEN: Final = noted("Somebody else looks at this now. Nothing was changed.")
OVER: Final = noted("This is over already. Nothing was changed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """Which desks somebody sits at. The node's sees what waits in vain at a group's, too."""

    node: bool
    groups: tuple[UUID, ...] = ()

    @property
    def any(self) -> bool:
        return self.node or bool(self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class CareCase:
    """One care case. `due`: until when somebody should look (rounded down, UTC)."""

    id: UUID
    group_id: UUID | None
    post_id: int | None
    host: str
    level: Level
    state: CareState
    holder: bytes | None = field(repr=False)
    author: Author
    since: date
    due: datetime | None
    missed: int
    ending: Ending | None
    closed_on: date | None
    about: About | None = field(repr=False)

    def is_mine(self, root: bytes) -> bool:
        """Whether the member with this root key looks at it."""
        return self.holder is not None and self.holder == holder_of(root, self.id)


def holder_of(root: bytes, case_id: UUID) -> bytes:
    return mac(root, "care", case_id.bytes)


def _mark(here: Here, uri: str) -> bytes:
    return mac(here.node_key.derive(LABEL), "mark", uri.encode())


# ---- Opening


async def open_case(
    conn: AsyncConnection,
    here: Here,
    *,
    about: About,
    host: str,
    level: Level,
    group_id: UUID | None = None,
) -> UUID:
    """The open case about this person's words, or a new one; the desk is alerted.

    `host` is where the person lives. Where it is open already the sooner clock counts, and
    everybody is alerted again only if that makes it sooner.
    """
    case_id, mark, now = chance.new_uuid(), _mark(here, about.uri), here.now()
    made = await conn.scalar(
        insert(care_cases)
        .values(
            id=case_id,
            group_id=group_id,
            post_id=about.post_id,
            host=host,
            mark=mark,
            level=level,
            state=CareState.OPEN,
            author=Author.NOTHING,
            since=now.date(),
            due=clocks.due(level, now),
            sealed=_seal(here, case_id, about),
        )
        .on_conflict_do_nothing(index_elements=["mark"], index_where=OPEN)
        .returning(care_cases.c.id)
    )
    if made is not None:
        await _call(conn, group_id, level)
        return case_id
    held = (
        await conn.execute(select().where(care_cases.c.mark == mark, OPEN).with_for_update())
    ).first()
    if held is None:  # it ended between the two
        return await open_case(conn, here, about=about, host=host, level=level, group_id=group_id)
    case = read(here, held)
    if level < case.level:
        await set_level(conn, here, case, level)
    return case.id


async def _call(conn: AsyncConnection, group_id: UUID | None, level: Level) -> None:
    await desks.call(conn, group_id, urgent=level in clocks.URGENT)


def _seal(here: Here, case_id: UUID, about: About) -> bytes:
    value = {
        "subject": about.subject.value,
        "uri": about.uri,
        "actor": about.actor_id.hex,
        "name": about.name,
        "address": about.address,
    }
    return sealing.put(here, LABEL, f"care {case_id}", value)


# ---- Reading


_COLUMNS: Final = (
    care_cases.c.id, care_cases.c.group_id, care_cases.c.post_id, care_cases.c.host,
    care_cases.c.level, care_cases.c.state, care_cases.c.holder, care_cases.c.author,
    care_cases.c.since, care_cases.c.due, care_cases.c.missed, care_cases.c.ending,
    care_cases.c.closed_on, care_cases.c.sealed,
)  # fmt: skip


def select() -> AnySelect:
    """The columns that `read` reads."""
    return sa.select(*_COLUMNS)


def read(here: Here, row: AnyRow) -> CareCase:
    """From a row of `select()`."""
    values: dict[str, Any] = dict(row._mapping)
    sealed = values.pop("sealed")
    return CareCase(
        **{
            **values,
            "level": Level(values["level"]),
            "state": CareState(values["state"]),
            "author": Author(values["author"]),
            "ending": Ending(values["ending"]) if values["ending"] else None,
            "about": _about(here, values["id"], values["post_id"], sealed) if sealed else None,
        }
    )


def _about(here: Here, case_id: UUID, post_id: int | None, sealed: bytes) -> About:
    value = sealing.get(here, LABEL, f"care {case_id}", sealed)
    return About(
        subject=Subject(value["subject"]),
        uri=value["uri"],
        actor_id=UUID(hex=value["actor"]),
        name=value["name"],
        address=value["address"],
        post_id=post_id,
    )


def _seen_by() -> sa.ColumnElement[bool]:
    """SQL: a case of one of the desks; for the node's, also what nobody looked at in time.

    And where help outside is asked for: they are asked to agree, and to see to it (DOM-D15).
    """
    asked = (
        sa.select(sa.true())
        .where(care_handovers.c.case_id == care_cases.c.id)
        .correlate(care_cases)
        .scalar_subquery()
    )
    in_vain = sa.or_(
        care_cases.c.group_id.is_(None),
        care_cases.c.missed > 0,
        desks.has_few(care_cases.c.group_id),
        asked,
    )
    return sa.or_(
        any_of(care_cases.c.group_id, "groups"),
        sa.and_(sa.bindparam("node", type_=sa.Boolean), in_vain),
    )


def _seer(seen_by: Desks) -> dict[str, object]:
    return {"groups": list(seen_by.groups), "node": seen_by.node}


_BY_ID: Final = select().where(
    care_cases.c.id == sa.bindparam("case_id", type_=sa.Uuid), _seen_by()
)
_BY_ID_LOCKED: Final = _BY_ID.with_for_update(of=care_cases)


async def get(
    conn: AsyncConnection, here: Here, seen_by: Desks, case_id: UUID, *, lock: bool = False
) -> CareCase:
    """Raises NotFound: there is none, or it is another desk's (SEC-L8)."""
    query = _BY_ID_LOCKED if lock else _BY_ID
    row = (await conn.execute(query, {"case_id": case_id, **_seer(seen_by)})).first()
    if row is None:
        raise NotFound
    return read(here, row)


Place = tuple[int, datetime, UUID]


def place_of(case: CareCase) -> Place:
    """Where the queue goes on after `case`."""
    assert case.due is not None
    return int(case.level), case.due, case.id


def _queue() -> AnySelect:
    after = sa.tuple_(
        sa.bindparam("level", type_=sa.SmallInteger),
        sa.bindparam("due", type_=sa.DateTime(timezone=True)),
        sa.bindparam("last", type_=sa.Uuid),
    )
    place = (care_cases.c.level, care_cases.c.due, care_cases.c.id)
    first = sa.bindparam("first", type_=sa.Boolean)
    return (
        select()
        .where(OPEN, _seen_by(), sa.or_(first, sa.tuple_(*place) > after))
        .order_by(*place)
        .limit(at_most(PAGE + 1))
    )


_QUEUE: Final = _queue()


async def waiting(
    conn: AsyncConnection, here: Here, seen_by: Desks, *, after: Place | None = None
) -> Sequence[CareCase]:
    """A page of what is open, and one more where there is more: the soonest first."""
    level, due, last = after or (0, here.now(), UUID(int=0))
    values = {"level": level, "due": due, "last": last, "first": after is None}
    rows = await conn.execute(_QUEUE, {**values, **_seer(seen_by)})
    return [read(here, row) for row in rows]


_MANY: Final = sa.select(sa.func.count()).select_from(
    sa.select(sa.literal_column("1"))
    .select_from(care_cases)
    .where(OPEN, _seen_by())
    .limit(at_most(PAGE))
    .subquery("some")
)


async def count(conn: AsyncConnection, seen_by: Desks) -> int:
    """How many are open for these desks, up to a page of them."""
    return await conn.scalar(_MANY, _seer(seen_by)) or 0


async def is_open_near(conn: AsyncConnection, here: Here, post_id: int) -> bool:
    """Whether a care case is open about a post's author, a post of theirs, or one of its thread."""
    author = await conn.scalar(_AUTHOR, {"post_id": post_id})
    if author is None:
        return False
    values = {"post_id": post_id, "mark": _mark(here, author)}
    return bool(await conn.scalar(_NEAR, values))


def _near() -> sa.Select[bool]:
    """Open cases are few: each is looked up from there, not each post of an author."""
    other, this = posts.alias("other"), posts.alias("this")
    about_post = (
        sa.exists()
        .where(
            OPEN,
            other.c.id == care_cases.c.post_id,
            this.c.id == sa.bindparam("post_id", type_=sa.BigInteger),
            sa.or_(other.c.author_id == this.c.author_id, other.c.thread_id == this.c.thread_id),
        )
        .select_from(care_cases, other, this)
    )
    mark = care_cases.c.mark == sa.bindparam("mark", type_=sa.LargeBinary)
    return sa.select(sa.or_(sa.exists().where(mark, OPEN), about_post))


_NEAR: Final = _near()
_AUTHOR: Final = (
    sa.select(actors.c.uri)
    .join(posts, posts.c.author_id == actors.c.id)
    .where(posts.c.id == sa.bindparam("post_id", type_=sa.BigInteger))
)


# ---- Working on one


async def take(
    conn: AsyncConnection, here: Here, seen_by: Desks, case_id: UUID, root: bytes
) -> CareCase:
    """The case, held until the end of this transaction.

    Raises NotFound: it is another desk's. Raises Conflict: it is over, or somebody else looks.
    """
    case = await get(conn, here, seen_by, case_id, lock=True)
    if case.state is CareState.CLOSED:
        raise Conflict(OVER)
    if case.state is CareState.HELD and not case.is_mine(root):
        raise Conflict(TAKEN)
    return case


async def claim(conn: AsyncConnection, here: Here, case: CareCase, root: bytes) -> None:
    """The member with this root key looks; after a while they are asked whether they still do.

    Claiming again says that they do. What was not told of it yet need not be; what is urgent about
    somebody else is told all the same.
    """
    alone = (
        case.state is CareState.OPEN
        and case.level in clocks.URGENT
        and not await conn.scalar(_others_call(case))
    )
    await put(
        conn,
        case.id,
        state=CareState.HELD,
        holder=holder_of(root, case.id),
        due=clocks.due_of_holder(case.level, here.now()),
    )
    await alerting.seen(conn, case.group_id, urgent=alone)


def _others_call(case: CareCase) -> sa.Select[bool]:
    """SQL: whether another case of that desk is urgent, or a second person is asked for there."""
    at = care_cases.c.group_id
    asked = sa.exists().where(
        care_handovers.c.case_id == care_cases.c.id, care_handovers.c.agreed.is_(None)
    )
    urgent = sa.and_(
        care_cases.c.state == constant(CareState.OPEN), care_cases.c.level.in_(clocks.URGENT)
    )
    other = sa.exists().where(
        OPEN,
        at.is_(None) if case.group_id is None else at == case.group_id,
        sa.or_(sa.and_(urgent, care_cases.c.id != case.id), asked),
    )
    return sa.select(other)


async def hand_over(conn: AsyncConnection, here: Here, case: CareCase, words: str) -> None:
    """Somebody else looks from now on: the clock starts again, and the desk hears of it.

    Raises Malformed: no word for whoever comes next.
    """
    await notes.write(conn, here, case.id, words)
    await put(
        conn,
        case.id,
        state=CareState.OPEN,
        holder=None,
        due=clocks.due(case.level, here.now()),
    )
    await _call(conn, case.group_id, case.level)


async def call_again(conn: AsyncConnection, group_id: UUID | None) -> None:
    """Somebody else is needed: whoever is on duty at that desk, or at the node's, hears of it."""
    for desk in {group_id, None}:
        await alerting.call(conn, desk, urgent=True)


async def call_about(conn: AsyncConnection, here: Here, uri: str) -> None:
    """As `call_again`, of the open case about these words; without one, the node's desk alone."""
    await call_again(conn, await conn.scalar(_DESK, {"mark": _mark(here, uri)}))


_DESK: Final = sa.select(care_cases.c.group_id).where(
    care_cases.c.mark == sa.bindparam("mark", type_=sa.LargeBinary), OPEN
)


async def set_level(conn: AsyncConnection, here: Here, case: CareCase, level: Level) -> None:
    """How soon somebody looks. A sooner clock starts now, and a later one replaces it.

    Everybody on duty hears of a sooner one: whoever said that they look may have gone.
    """
    due = clocks.due_of_holder if case.state is CareState.HELD else clocks.due
    await put(conn, case.id, level=level, due=due(level, here.now()))
    if level < case.level:
        await _call(conn, case.group_id, level)


async def close(conn: AsyncConnection, here: Here, case: CareCase, ending: Ending) -> None:
    """It is over: what was said about it goes at once, and after a week all but a number.

    Of help that was asked for outside stays that two agreed, until the person was told (DOM-D15).
    """
    tombstone_log.note(conn, Act.CASE_CLOSED, str(case.id))
    await put(
        conn,
        case.id,
        state=CareState.CLOSED,
        ending=ending,
        closed_on=here.now().date(),
        holder=None,
        due=None,
    )
    for host in await peers.closed(conn, case.id, needed=ending is not Ending.NOT_NEEDED):
        if ending is Ending.NOT_NEEDED:  # it costs as much again of what they may ask today
            await budgets.count(conn, here, f"{host} care")
    await conn.execute(sa.delete(care_words).where(care_words.c.case_id == case.id))
    asked = care_handovers.c.case_id == case.id
    done = sa.or_(care_handovers.c.agreed.is_(None), care_handovers.c.told)
    await conn.execute(sa.delete(care_handovers).where(asked, done))
    nothing = sealing.put(here, LABEL, f"handover {case.id}", {"said": ""})
    await conn.execute(sa.update(care_handovers).where(asked).values(sealed=nothing))


async def put(conn: AsyncConnection, case_id: UUID, **values: object) -> None:
    """Write these columns of a case."""
    await conn.execute(sa.update(care_cases).where(care_cases.c.id == case_id).values(**values))
