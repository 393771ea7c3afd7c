"""The chain of decisions: whoever changes one afterwards is found out (MOD-5.12).

A line of `audit_chain` says which decision it is, its verb, its day and the role of who decided,
and holds a SHA-256 of a random salt and of all else that was noted. Its own hash is over the hash
before it and over its JCS bytes (RFC 8785). So what was noted may go, as it does when somebody
closes a name, and the chain still holds. The database writes the lines itself as decisions commit,
and refuses to change one.

The last line is noted once a day in the log beside the database (`kernel.tombstone_log`), so that
a tail which was cut off is missed.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import rfc8785
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import tombstone_log
from kernel.rows import AnyRow, at_most
from kernel.schema.tables import audit, audit_chain
from kernel.tombstone_log import Act, Line

FIRST: Final = bytes(32)  # what stands before the first line
STEP: Final = 1_000


@dataclass(frozen=True, slots=True)
class Head:
    """A line by its number and its hash, which stands for every line before it too."""

    seq: int = 0
    hash: bytes = FIRST


@dataclass(slots=True)
class Verdict:
    """What came of reading the chain. `broken`: what is wrong, in a sentence; "": nothing."""

    lines: int = 0
    forgotten: int = 0  # lines of which nothing else is kept any more
    broken: str = ""
    gone: Sequence[str] = field(default_factory=list)  # what went with the restore of a backup


def details_of(salt: bytes, said: Mapping[str, Any]) -> bytes:
    """What stands in the chain for all that was noted of a decision."""
    return hashlib.sha256(salt + rfc8785.dumps(dict(said))).digest()


def next_hash(earlier: bytes, line: Mapping[str, Any]) -> bytes:
    """The hash of a line, which holds all lines before it."""
    return hashlib.sha256(earlier + rfc8785.dumps(dict(line))).digest()


def said_of(row: AnyRow) -> dict[str, Any]:
    """All that a row of `audit` says, as `details_of` takes it."""
    return {
        "about": row.object_uri,
        "actor": str(row.actor_id),
        "after": row.after,
        "basis": list(row.basis),
        "before": row.before,
        "impact": row.impact,
        "reason": row.reason,
        "rule": row.rule,
        "undo": row.undo,
        "until": row.until.isoformat() if row.until else "",
    }


def _line_of(row: AnyRow) -> dict[str, Any]:
    return {
        "day": row.day.isoformat(),
        "details": row.details.hex(),
        "group": str(row.group_id or ""),
        "id": row.id,
        "role": row.role,
        "seq": row.seq,
        "verb": row.verb,
    }


async def head(conn: AsyncConnection) -> Head:
    """The last line."""
    row = (await conn.execute(_HEAD)).first()
    return Head(row.seq, row.hash) if row else Head()


_HEAD: Final = (
    sa.select(audit_chain.c.seq, audit_chain.c.hash)
    .order_by(audit_chain.c.seq.desc())
    .limit(at_most(1))
)


async def note_head(conn: AsyncConnection) -> None:
    """Once a day: note the last line beside the database."""
    last = await head(conn)
    if last.seq:
        tombstone_log.note(conn, Act.HEAD, str(last.seq), last.hash.hex())


@dataclass(frozen=True, slots=True)
class Expected:
    """Which lines were noted beside the database, and what restores took away since."""

    heads: Mapping[int, str]
    gone: Sequence[str]

    @classmethod
    def of(cls, lines: Sequence[Line]) -> "Expected":
        """From a tombstone log. After a restore nothing later than what it brought is expected."""
        heads: dict[int, str] = {}
        gone = []
        for act, *ids in lines:
            if act not in (Act.HEAD, Act.REWOUND) or not ids[0].isdecimal():
                continue
            seq = int(ids[0])
            if act == Act.REWOUND and (later := [each for each in heads if each > seq]):
                gone.append(
                    f"A backup was restored that ended at line {seq}; lines up to {max(later)} "
                    "are gone with what came after it."
                )
                heads = {each: digest for each, digest in heads.items() if each <= seq}
            heads[seq] = ids[1]
        return cls(heads, gone)


async def verify(
    conn: AsyncConnection,
    log: Sequence[Line],
    seen: Callable[[int, int], None] = lambda _done, _all: None,
) -> Verdict:
    """Walk the whole chain, a thousand lines at a time, up to the first that is not as it was.

    `seen` is told how many lines were read, of how many. Read in one snapshot.
    """
    expected = Expected.of(log)
    verdict = Verdict(gone=expected.gone)
    last, end = Head(), await head(conn)
    while not verdict.broken:
        rows = (await conn.execute(_LINES, {"after": last.seq})).all()
        for row in rows:
            verdict.broken = _what_is_wrong(last, row, expected)
            if verdict.broken:
                return verdict
            last = Head(row.seq, row.hash)
            verdict.lines += 1
            verdict.forgotten += row.salt is None
        seen(verdict.lines, end.seq)
        if len(rows) < STEP:
            break
    verdict.broken = await _missing(conn, last, expected)
    return verdict


def _what_is_wrong(last: Head, row: AnyRow, expected: Expected) -> str:
    """Of one line: "" where it is as it was written."""
    if row.seq != last.seq + 1:
        return f"Line {last.seq + 1} is missing."
    if next_hash(last.hash, _line_of(row)) != row.hash:
        return f"Line {row.seq} was changed, or one before it."
    if expected.heads.get(row.seq, row.hash.hex()) != row.hash.hex():
        return (
            f"Line {row.seq} is not the one that was noted beside the database: it was rewritten."
        )
    if row.salt is None:
        return ""
    same = (row.said_verb, row.said_day, row.said_role) == (row.verb, row.day, row.role)
    if not same or details_of(row.salt, said_of(row)) != row.details:
        return f"What line {row.seq} says was changed."
    return ""


async def _missing(conn: AsyncConnection, last: Head, expected: Expected) -> str:
    """What is not there though it was noted, or there without a line."""
    furthest = max(expected.heads, default=0)
    if furthest > last.seq:
        return f"The chain ends at line {last.seq}, and line {furthest} was noted: the end is cut."
    if loose := await conn.scalar(_LOOSE):
        return f"Decision {loose} has no line in the chain."
    return ""


_LINES: Final = (
    sa.select(
        audit_chain,
        audit.c.verb.label("said_verb"),
        audit.c.day.label("said_day"),
        audit.c.role.label("said_role"),
        *(
            audit.c[name]
            for name in (
                "actor_id", "object_uri", "reason", "rule", "until", "basis", "impact", "before",
                "after", "undo", "salt",
            )
        ),
    )
    .select_from(audit_chain.outerjoin(audit, audit.c.id == audit_chain.c.id))
    .where(audit_chain.c.seq > sa.bindparam("after", type_=sa.BigInteger))
    .order_by(audit_chain.c.seq)
    .limit(at_most(STEP))
)  # fmt: skip
_LOOSE: Final = (
    sa.select(audit.c.id)
    .select_from(audit.outerjoin(audit_chain, audit_chain.c.id == audit.c.id))
    .where(audit_chain.c.id.is_(None))
    .order_by(audit.c.id)
    .limit(at_most(1))
)


async def look(conn: AsyncConnection, log: Sequence[Line]) -> str:
    """Whether the end is as it was noted, without reading the whole chain; "": it is."""
    expected = Expected.of(log)
    if not expected.heads:
        return ""
    furthest = max(expected.heads)
    found = await conn.scalar(sa.select(audit_chain.c.hash).where(audit_chain.c.seq == furthest))
    if found is None:
        last = await head(conn)
        return f"The chain ends at line {last.seq}, and line {furthest} was noted: the end is cut."
    if found.hex() != expected.heads[furthest]:
        return f"Line {furthest} is not the one that was noted beside the database."
    return ""
