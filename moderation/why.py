"""Why something was decided: the rule, what it rests on, what was seen before, and who (MOD-5.17).

Who decided is a role, and never a name. What was noted about somebody who has left is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.arrays import any_of
from kernel.errors import NotFound
from kernel.rows import AnyRow, constant
from kernel.schema.moderation import Role
from kernel.schema.tables import audit, signal_effects, signal_sources, signals
from moderation.impact import Impact

MOST: Final = 100  # signals that are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """A signal that it rests on; where it is not here any more, only its address is."""

    uri: str
    host: str = ""
    policy: str = ""
    summary: str = ""
    confidence: float | None = None
    state: str = "gone"
    ends: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the log about the same thing."""

    id: int
    verb: str
    day: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A decision, and the chain that led to it."""

    id: int
    verb: str
    about: str
    role: Role
    day: date
    rule: str
    reason: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    impact: Mapping[str, Any] | None
    basis: Sequence[Basis]
    steps: Sequence[Step]
    effect: int | None  # that is about it, if there is one

    @property
    def seen(self) -> Impact | None:
        """What was seen before, where these are numbers of an impact."""
        return Impact.of_numbers(self.impact) if self.impact else None

    def as_json(self) -> dict[str, Any]:
        """For tools."""
        return {
            "id": self.id,
            "verb": self.verb,
            "about": self.about,
            "role": self.role.value,
            "day": self.day.isoformat(),
            "rule": self.rule,
            "reason": self.reason,
            "before": self.before,
            "after": self.after,
            "impact": self.impact,
            "basis": [
                {
                    "id": it.uri,
                    "peer": it.host,
                    "policy": it.policy,
                    "summary": it.summary,
                    "confidence": it.confidence,
                    "state": it.state,
                    "ends": it.ends.isoformat() if it.ends else None,
                }
                for it in self.basis
            ],
            "steps": [
                {"id": it.id, "verb": it.verb, "day": it.day.isoformat(), "reason": it.reason}
                for it in self.steps
            ],
        }


async def of(conn: AsyncConnection, decision_id: int) -> Why:
    """Why a decision about servers or peers was made. Raises NotFound: there is no such one.

    Decisions of groups, and those about people, are explained to whom they concern elsewhere.
    """
    row = (
        await conn.execute(
            sa.select(audit).where(
                audit.c.id == decision_id,
                audit.c.person_id.is_(None),
                audit.c.role != constant(Role.GROUP),
            )
        )
    ).first()
    if row is None:
        raise NotFound
    effect = await conn.scalar(
        sa.select(signal_effects.c.id)
        .where(signal_effects.c.domain == row.object_uri)
        .order_by(signal_effects.c.id.desc())
        .limit(1)
    )
    return Why(
        id=row.id,
        verb=row.verb,
        about=row.object_uri,
        role=Role(row.role),
        day=row.day,
        rule=row.rule,
        reason=row.reason,
        before=row.before,
        after=row.after,
        impact=row.impact,
        basis=await basis_of(conn, row.basis[:MOST]),
        steps=await _steps(conn, row) if row.basis else (),
        effect=effect,
    )


async def basis_of(conn: AsyncConnection, uris: Sequence[str]) -> Sequence[Basis]:
    """The signals at these addresses, in this order."""
    names = ("uri", "policy", "summary", "confidence", "state", "ends")
    rows = await conn.execute(
        sa.select(*(signals.c[name] for name in names), signal_sources.c.host)
        .join(signal_sources, signal_sources.c.id == signals.c.source_id)
        .where(any_of(signals.c.uri, "uris")),
        {"uris": list(uris)},
    )
    found = {row.uri: Basis(**row._mapping) for row in rows}
    return [found.get(uri) or Basis(uri=uri) for uri in uris]


async def _steps(conn: AsyncConnection, row: AnyRow) -> Sequence[Step]:
    """What else the log says of the same, that rests on any of the same signals."""
    rows = await conn.execute(
        sa.select(audit.c.id, audit.c.verb, audit.c.day, audit.c.reason)
        .where(
            sa.text("basis <> '{}'"),
            audit.c.object_uri == row.object_uri,
            audit.c.basis.overlap(row.basis),
        )
        .order_by(audit.c.id)
        .limit(MOST)
    )
    return [Step(**each._mapping) for each in rows]
