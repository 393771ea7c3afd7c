"""What is said of pages that posts link to, here and by peers: that help there is old (MOD-5.2).

It is shown beside the post and changes nothing of it. What a peer says is shown where the rule
about its labels of pages shows them, or a person did, and while its last day is not over (MOD-H8).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urldefrag

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.rows import AnyRow
from kernel.schema.pacts import PactState, SignalState
from kernel.schema.tables import signal_changes, signal_sources, signals
from moderation.saying import is_link
from moderation.signals import rules
from moderation.signals.vocabulary import RESOURCE, SAYS

MAX_LINKS: Final = 100  # of the posts of one page
OUTDATED: Final = "outdated-helpline"
UNSAFE: Final = "unsafe"
REVIEWED: Final = "clinically-reviewed"
LABELS: Final = (UNSAFE, OUTDATED, REVIEWED)  # any other says nothing of a page that we would show


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing that is said of a page. `host` is the server that says so; "" is this one."""

    link: str
    label: str
    host: str
    why: str
    sources: Sequence[str]
    since: date


async def told_of(
    conn: AsyncConnection, links: Collection[str], today: date
) -> Mapping[str, Sequence[Told]]:
    """What is said of these pages, by the links as they were written; one statement for all.

    A page is the same with or without a `/` at its end, or a place in it that is named.
    """
    spelled: dict[str, list[str]] = {}
    for link in list(dict.fromkeys(links))[:MAX_LINKS]:
        for spelling in _spellings(link):
            spelled.setdefault(spelling, []).append(link)
    found: dict[str, list[Told]] = {}
    if not spelled:
        return found
    for row in await conn.execute(_SAID, {"links": list(spelled), "today": today}):
        for link in spelled[row.link]:
            for told in _told(link, row, today):
                found.setdefault(link, []).append(told)
    return {link: sorted(each, key=_order) for link, each in found.items()}


def _spellings(link: str) -> Iterable[str]:
    bare = urldefrag(link).url.rstrip("/")
    return dict.fromkeys((link, bare, f"{bare}/"))


def _order(told: Told) -> tuple[int, str]:
    return LABELS.index(told.label), told.host


def _told(link: str, row: AnyRow, today: date) -> Iterable[Told]:
    said = {"labels": row.labels, "summary": row.summary, "sources": row.sources}
    if row.kind is not None:  # our own newest word about it
        over = row.kind not in SAYS or row.ends is None or row.ends <= today
        said = {} if over or not row.body else json.loads(row.body)
    for label in dict.fromkeys(rules.short(each) for each in said.get("labels", ())):
        if label in LABELS:
            yield Told(
                link=link,
                label=label,
                host=row.host,
                why=said.get("summary", ""),
                sources=tuple(each for each in said.get("sources", ()) if is_link(each)),
                since=row.day,
            )


_SAID: Final = sa.text(
    f"""
    SELECT given.link, said.* FROM unnest(:links) AS given (link) CROSS JOIN LATERAL (
        SELECT signal_sources.host, signals.labels, signals.summary, signals.sources,
            coalesce(signals.published, signals.day) AS day, signals.ends,
            CAST(NULL AS text) AS kind, '' AS body
        FROM signal_sources
        JOIN signals ON signals.source_id = signal_sources.id
            AND signals.entity_kind = '{RESOURCE}' AND signals.entity_key = given.link
        WHERE signals.state = '{SignalState.SHOWN.value}' AND signals.ends > :today
            AND signal_sources.quarantined = ''
            AND (NOT signal_sources.pact OR EXISTS (
                SELECT FROM pacts WHERE pacts.host = signal_sources.host
                    AND pacts.state = '{PactState.MADE.value}'
                    AND NOT pacts.frozen AND NOT pacts.frozen_there))
        UNION ALL (
            SELECT '', '{{}}', '', '{{}}', changes.day, changes.ends, changes.kind, changes.body
            FROM signal_changes AS changes
            WHERE changes.host = '' AND changes.entity_kind = '{RESOURCE}'
                AND changes.entity_key = given.link
            ORDER BY changes.seq DESC LIMIT 1
        )
    ) AS said
    """  # noqa: S608  (words of our own)
).bindparams(sa.bindparam("links", type_=sa.ARRAY(sa.Text)), sa.bindparam("today", type_=sa.Date))

SAID_OF_ANY: Final = sa.or_(
    sa.select(signals.c.id)
    .join(signal_sources, signal_sources.c.id == signals.c.source_id)
    .where(signals.c.entity_kind == RESOURCE)
    .exists(),
    sa.exists().where(signal_changes.c.host == "", signal_changes.c.entity_kind == RESOURCE),
)
"""SQL: whether anything was ever said of any page; where not, no page asks."""
