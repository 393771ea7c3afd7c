"""What somebody would like moderators to look at: stored without who said so, or when (SEC-U18).

A member has one report about one thing at a time. The mark that this takes is made of their root
key and of what it is about, so that it ties no two reports of theirs. A copy of a message goes with
its report: deleting a message is no way around a report of it. Both go when somebody is done.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.errors import Malformed, NotFound
from kernel.here import Here
from kernel.rows import AnySelect, at_most
from kernel.said import noted, said
from kernel.schema.messages import Why
from kernel.schema.tables import reports
from kernel.sealing import mac, seal, unseal
from moderation import alerting

MAX_WORDS: Final = 1_000
PAGE: Final = 50

_TOO_LONG: Final = said("Please write up to {limit} letters.", limit=MAX_WORDS)

_SIZES: Final = tuple(4096 * 4**step for step in range(4))  # a sealed value has one of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a report says: words of whoever reports, and of a message a copy and its author."""

    words: str = field(default="", repr=False)
    author: str = ""
    address: str = ""
    content: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, for whom it concerns."""

    id: UUID
    why: Why
    post_id: int | None
    said: Said

    @classmethod
    def of(cls, here: Here, id: UUID, why: str, post_id: int | None, sealed: bytes) -> Self:
        """From the parts of a row."""
        plain = json.loads(unseal(_key(here), sealed, f"report {id}"))
        return cls(id=id, why=Why(why), post_id=post_id, said=Said(**plain))


async def make(
    conn: AsyncConnection,
    here: Here,
    *,
    root: bytes,
    about: str,
    why: str,
    said: Said,
    group_id: UUID | None = None,
    post_id: int | None = None,
) -> None:
    """Report something with the address `about`; a second time changes nothing.

    `group_id`: whose desk reads it; else the people who run the node do. Raises Malformed: no
    reason was chosen, or the words are too long.
    """
    if why not in set(Why):
        raise Malformed(noted("Please choose what it is about."))
    if len(said.words) > MAX_WORDS:
        raise Malformed(_TOO_LONG)
    report_id = chance.new_uuid()
    plain = json.dumps(
        {
            "words": said.words,
            "author": said.author,
            "address": said.address,
            "content": said.content,
        },
        ensure_ascii=False,
    ).encode()
    size = next(each for each in _SIZES if len(plain) + 4 <= each)
    made = await conn.execute(
        insert(reports)
        .values(
            id=report_id,
            bearer=mac(root, "report", about.encode()),
            group_id=group_id,
            post_id=post_id,
            why=why,
            sealed=seal(_key(here), plain, f"report {report_id}", padded_to=size),
        )
        .on_conflict_do_nothing()
    )
    if made.rowcount:
        await alerting.call(conn, group_id)


def _key(here: Here) -> bytes:
    return here.node_key.derive("reports")


async def waiting(
    conn: AsyncConnection, here: Here, group_id: UUID | None, *, after: UUID | None = None
) -> Sequence[Report]:
    """A page of reports that a desk, or the people who run the node, are to read; in no order."""
    values: dict[str, object] = {"after": after or UUID(int=0)}
    if group_id is not None:
        values["group_id"] = group_id
    rows = await conn.execute(_OF_NODE if group_id is None else _OF_GROUP, values)
    return [Report.of(here, *row) for row in rows]


async def done(conn: AsyncConnection, group_id: UUID | None, report_id: UUID) -> None:
    """Somebody has looked at it: it goes. Raises NotFound: it is not theirs."""
    gone = await conn.execute(
        sa.delete(reports).where(
            reports.c.id == report_id, reports.c.group_id.is_not_distinct_from(group_id)
        )
    )
    if not gone.rowcount:
        raise NotFound
    await alerting.seen(conn, group_id)


def _waiting(whose: sa.ColumnElement[bool]) -> AnySelect:
    return (
        sa.select(reports.c.id, reports.c.why, reports.c.post_id, reports.c.sealed)
        .where(whose, reports.c.id > sa.bindparam("after", type_=sa.Uuid))
        .order_by(reports.c.id)
        .limit(at_most(PAGE))
    )


_OF_GROUP: Final = _waiting(reports.c.group_id == sa.bindparam("group_id", type_=sa.Uuid))
_OF_NODE: Final = _waiting(reports.c.group_id.is_(None))
