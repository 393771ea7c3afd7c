"""What the people here made of what a host said, and what it counts for that (MOD-5.8)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from moderation.signals import scoring
from moderation.signals.rules import short

FEW: Final = 10  # answers about one label, below which those about all of them count
LOOKED_AT: Final = 1_000  # newest answered lines of a host


@dataclass(frozen=True, slots=True)
class Record:
    """Of the last lines that were answered: how many, and how many of them were upheld."""

    upheld: int = 0
    answered: int = 0

    def slowly(self, ceiling: float) -> float:
        """What the host counts for it, never above the administrator's `ceiling`."""
        return scoring.slowly(ceiling, self.upheld, self.answered)


@dataclass(frozen=True, slots=True)
class Records:
    """Those of one host: about all it said, and by label."""

    of_all: Record = Record()
    by_label: Mapping[str, Record] = field(default_factory=dict)

    @classmethod
    async def read(cls, conn: AsyncConnection, hosts: Sequence[str]) -> Mapping[str, Self]:
        """Of each of these hosts, in one statement."""
        of_all: dict[str, Record] = {}
        by_label: dict[str, dict[str, Record]] = {host: {} for host in hosts}
        for row in await conn.execute(_ANSWERS, {"hosts": list(hosts)}):
            record = Record(row.upheld, row.answered)
            if row.label is None:
                of_all[row.host] = record
            else:
                by_label[row.host][row.label] = record
        return {host: cls(of_all.get(host, Record()), by_label[host]) for host in hosts}

    def weight(self, ceiling: float, labels: Iterable[str]) -> float:
        """What a line with these labels counts: of several, as the worst of them.

        A label that few lines were answered about counts as all that the host said.
        """
        named = (self.by_label.get(short(label), Record()) for label in labels if label)
        known = [record for record in named if record.answered >= FEW]
        return min((each.slowly(ceiling) for each in known), default=self.of_all.slowly(ceiling))


# The newest answers of a host, each once for all of them and once for each label it has. A label
# is the last part of its address, as `rules.short` has it.
_ANSWERS: Final = sa.text(
    f"""
    WITH last AS (
        SELECT given.host, it.* FROM unnest(:hosts) AS given (host), LATERAL (
            SELECT signals.id, signals.answer, signals.labels FROM signal_sources
            JOIN signals ON signals.source_id = signal_sources.id
            WHERE signal_sources.host = given.host AND signals.answer IS NOT NULL
            ORDER BY signals.id DESC LIMIT {LOOKED_AT}
        ) AS it
    ), each AS (
        SELECT host, id, answer, NULL AS label FROM last
        UNION ALL
        SELECT DISTINCT host, id, answer, lower(substring(rtrim(named, '/') FROM '[^/]*$'))
        FROM last, unnest(labels) AS named
    ), newest AS (
        SELECT *, row_number() OVER (PARTITION BY host, label ORDER BY id DESC) AS place FROM each
    )
    SELECT host, label, count(*) FILTER (WHERE answer = 'shown') AS upheld, count(*) AS answered
    FROM newest WHERE place <= {scoring.WINDOW} GROUP BY host, label
    """  # noqa: S608  (numbers of our own)
).bindparams(sa.bindparam("hosts", type_=sa.ARRAY(sa.Text)))
