"""What somebody would like moderators to look at: stored without who said so, or when (SEC-U18).

A member has one report about one thing at a time. The mark that this takes is made of their root
key and of what it is about, so that it ties no two reports of theirs. What came from another server
has only that server's name: whoever said so there is dropped where it is read (WIRE-M3). A copy of
a message goes with its report: deleting a message is no way around a report of it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.errors import Malformed
from kernel.here import Here
from kernel.rows import AnySelect, at_most
from kernel.said import noted, said
from kernel.schema.messages import Why
from kernel.schema.tables import flag_budgets, reports
from kernel.sealing import mac
from kernel.urls import host_of
from moderation import budgets, cases, casework, desks, load, sealed
from moderation.care import raising
from moderation.cases import About
from moderation.directed import tokens

MAX_WORDS: Final = 1_000
PAGE: Final = 20
FLAGS_A_DAY: Final = 100  # that one server may bring
MAX_OF_ONE: Final = 5  # reports of one server in one case; more tell nothing new

_TOO_LONG: Final = said("Please write up to {limit} letters.", limit=MAX_WORDS)
_LABEL: Final = "reports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a report says: words of whoever reports, and of a message a copy and its author."""

    words: str = field(default="", repr=False)
    author: str = ""
    address: str = ""
    content: str = field(default="", repr=False)
    reporter: str = field(default="", repr=False)  # see `tokens.reporter_of`; shown to nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, for whom it concerns. `origin`: the server it came from, where not from here."""

    id: UUID
    why: Why
    origin: str | None
    said: Said


async def make(
    conn: AsyncConnection,
    here: Here,
    *,
    root: bytes,
    about: About,
    why: str,
    said: Said,
    group_id: UUID | None = None,
    soon: bool = False,
) -> None:
    """Report something; a second time changes nothing.

    `group_id`: whose desk reads it; else the moderators of the node do. Who is worried about
    somebody opens a care case and no other one (MOD-5.14), `soon` if it may be about today.
    Raises Malformed: no reason was chosen, or the words are too long.
    """
    if why not in set(Why):
        raise Malformed(noted("Please choose what it is about."))
    if len(said.words) > MAX_WORDS:
        raise Malformed(_TOO_LONG)
    bearer = mac(root, "report", about.uri.encode())
    if why == Why.WORRIED:
        words, content = said.words, said.content
        await raising.raise_(
            conn, here, bearer, about, group_id, words=words, content=content, soon=soon
        )
        return
    if await conn.scalar(sa.select(reports.c.id).where(reports.c.bearer == bearer)):
        return
    case_id = await cases.gather(conn, here, group_id, about, Why(why))
    said = replace(said, reporter=tokens.reporter_of(here, root))
    await _keep(conn, here, case_id, bearer, Why(why), said)
    await desks.call(conn, group_id)
    await load.call_if_heavy(conn, here, group_id)


async def take_in(
    conn: AsyncConnection,
    here: Here,
    *,
    flag: str,
    about: About,
    words: str,
    group_id: UUID | None = None,
) -> UUID:
    """What moderators of another server ask us to look at, by the id of their Flag (WIRE-M4).

    The case that it is in.
    """
    origin = host_of(flag)
    bearer = _flag_mark(here, flag, about)
    known: UUID | None = await conn.scalar(
        sa.select(reports.c.case_id).where(reports.c.bearer == bearer)
    )
    if known is not None:
        return known
    case_id = await cases.gather(conn, here, group_id, about, Why.ELSE)
    theirs = sa.select(sa.func.count()).where(
        reports.c.case_id == case_id, reports.c.origin == origin
    )
    if (await conn.scalar(theirs) or 0) < MAX_OF_ONE:
        told = Said(words=words)
        await _keep(conn, here, case_id, bearer, Why.ELSE, told, origin)
        await desks.call(conn, group_id)
        await load.call_if_heavy(conn, here, group_id)
    return case_id


def _flag_mark(here: Here, flag: str, about: About | None = None) -> bytes:
    """The first half stands for the Flag, the other one for what it is about."""
    key = here.node_key.derive(_LABEL)
    first = mac(key, "flag", flag.encode())[:16]
    return first + (mac(key, "flagged", about.uri.encode())[:16] if about else b"")


async def take_back(conn: AsyncConnection, here: Here, flag: str) -> bool:
    """Another server no longer asks for it (`Undo{Flag}`). False: nothing of that Flag is here."""
    first = _flag_mark(here, flag)
    gone = await conn.scalars(
        sa.delete(reports)
        .where(reports.c.bearer >= first + bytes(16), reports.c.bearer <= first + b"\xff" * 16)
        .returning(reports.c.case_id)
    )
    case_ids = list(gone)
    await casework.drop_if_empty(conn, case_ids)
    return bool(case_ids)


async def spend(conn: AsyncConnection, here: Here, host: str) -> bool:
    """Count one more Flag of a server. False: it has brought as many today as are read."""
    return await budgets.count(conn, here, host) <= FLAGS_A_DAY


async def _keep(
    conn: AsyncConnection,
    here: Here,
    case_id: UUID,
    bearer: bytes,
    why: Why,
    said: Said,
    origin: str | None = None,
) -> None:
    report_id = chance.new_uuid()
    await conn.execute(
        insert(reports)
        .values(
            id=report_id,
            bearer=bearer,
            case_id=case_id,
            why=why,
            origin=origin,
            sealed=sealed.put(here, _LABEL, f"report {report_id}", asdict(said)),
        )
        .on_conflict_do_nothing()
    )
    await cases.press(conn, case_id, why)


async def of_case(
    conn: AsyncConnection, here: Here, case_id: UUID, *, after: UUID | None = None
) -> Sequence[Report]:
    """A page of what was said about a case; in no order."""
    values = {"case_id": case_id, "after": after or UUID(int=0)}
    return [
        Report(
            id=row.id,
            why=Why(row.why),
            origin=row.origin,
            said=Said(**sealed.get(here, _LABEL, f"report {row.id}", row.sealed)),
        )
        for row in await conn.execute(_OF_CASE, values)
    ]


_OF_CASE: Final[AnySelect] = (
    sa.select(reports.c.id, reports.c.why, reports.c.origin, reports.c.sealed)
    .where(
        reports.c.case_id == sa.bindparam("case_id", type_=sa.Uuid),
        reports.c.id > sa.bindparam("after", type_=sa.Uuid),
    )
    .order_by(reports.c.id)
    .limit(at_most(PAGE))
)


async def reporter(conn: AsyncConnection, here: Here, case_id: UUID) -> str:
    """What stands for one of those here who reported it; empty where nobody here did."""
    mine = sa.select(reports.c.id, reports.c.sealed).where(
        reports.c.case_id == case_id, reports.c.origin.is_(None)
    )
    row = (await conn.execute(mine.order_by(reports.c.id).limit(1))).first()
    if row is None:
        return ""
    found: str = sealed.get(here, _LABEL, f"report {row.id}", row.sealed).get("reporter", "")
    return found


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """How much servers brought is forgotten with the day."""
    await conn.execute(sa.delete(flag_budgets).where(flag_budgets.c.day < here.now().date()))
