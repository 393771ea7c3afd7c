"""What this node advises others: a FIRES dataset, chained (MOD-5.3). `documents` shows it.

Advice is an administrator's decision. Nothing that was said is changed: what is newer about the
same counts, and what is taken back is said to be. Bodies are kept without their proofs, so after
a change of keys everything is shown under the new one, and the chain stays as it was.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.jsontext import Json, dump
from activitypub.vocab import ActivityKind, Document
from kernel import chance
from kernel.clock import iso
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import noted, said
from kernel.schema.pacts import Tier
from kernel.schema.tables import datasets as dataset_table
from kernel.schema.tables import signal_changes
from moderation import audit, labels, pacts
from moderation.domains import read_domain
from moderation.pact_terms import Flow, midnight
from moderation.pacts import Pact
from moderation.signals import chain, datasets
from moderation.signals.chain import Head
from moderation.signals.datasets import Dataset
from moderation.signals.scoring import HARSH, TWO_PEOPLE
from moderation.signals.vocabulary import (
    CONTEXT,
    DOMAIN,
    FILTERS_OF,
    LABELLED,
    LONGEST,
    MAX_SUMMARY,
    SAYS,
    Change,
    Policy,
)

PAGE: Final = 100  # changes in one answer, as FIRES has it
FIRST: Final = UUID("00000000-0000-7000-a000-000000000000")  # what comes before every change
OWN_CASES: Final = "own-cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What an administrator says about a domain, and until when it holds. No policy: a note."""

    domain: str
    policy: Policy | None
    until: date
    labels: tuple[str, ...] = ()
    summary: str = ""
    confidence: float | None = None
    cases: int | None = None
    first_seen: date | None = None

    @property
    def kind(self) -> Change:
        return Change.RECOMMENDATION if self.policy else Change.ADVISORY

    def check(self, here: Here, today: date) -> str:
        """Its domain as it is spelled. Raises Malformed: it cannot be said so.

        Raises NotAllowed: about ourselves.
        """
        if "*" in self.domain:
            raise Malformed("Please write a domain such as example.org.")
        domain = read_domain(self.domain)
        own = here.host.partition(":")[0]
        if own == domain or own.endswith("." + domain):
            raise NotAllowed("That is this node's own domain.")
        longest = LONGEST[self.kind].days
        if not 1 <= (self.until - today).days <= longest:
            raise Malformed(
                said("Please choose a last day within {number} days from today.", number=longest)
            )
        if len(self.summary) > MAX_SUMMARY:
            raise Malformed(said("That can have up to {limit} letters.", limit=MAX_SUMMARY))
        if unknown := [each for each in self.labels if each not in labels.BY_ID]:
            raise Malformed(said("There is no label called {name}.", name=unknown[0][:50]))
        if not self.policy and not self.labels:
            raise Malformed("Please choose what you advise, or at least a label.")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise Malformed("How sure you are is a number from 0 to 1.")
        return domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A change of ours as it is kept. `body` is empty once it was erased."""

    seq: int
    id: UUID
    kind: Change
    entity_kind: str
    entity_key: str
    body: Document = field(repr=False)
    body_hash: str
    prev: str
    link: str
    ends: date | None
    day: date

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        values = dict(row._mapping)
        values["kind"] = Change(row.kind)
        values["body"] = json.loads(row.body) if row.body else {}
        return cls(**values)

    @property
    def policy(self) -> str:
        """What it recommends."""
        return str(self.body.get("recommendedPolicy") or "")

    @property
    def asks(self) -> bool:
        """Whether it takes one more person: until then it counts for a filter elsewhere."""
        return self.policy in HARSH and self.body.get("approvals") != TWO_PEOPLE

    @property
    def summary(self) -> str:
        """Why, in words."""
        return str(self.body.get("summary") or "")

    @property
    def label_names(self) -> Sequence[str]:
        """The labels it gives."""
        named = self.body.get("labels")
        return [str(each).rpartition("/")[2] for each in named] if isinstance(named, list) else []


_COLUMNS: Final = tuple(signal_changes.c[name] for name in Entry.__slots__)


async def advise(conn: AsyncConnection, here: Here, advice: Advice) -> Entry:
    """Say it to those who may read it, and nudge peers. What is harsh waits for `agree` (MOD-5.10).

    Raises Malformed, NotAllowed.
    """
    today = here.now().date()
    domain = advice.check(here, today)
    filters = FILTERS_OF.get(advice.policy, ()) if advice.policy else ()
    says: Document = {
        "entityKind": DOMAIN,
        "entityKey": domain,
        "labels": [f"{here.origin}/labels/{label}" for label in advice.labels],
        **({"recommendedPolicy": advice.policy.value} if advice.policy else {}),
        **({"recommendedFilters": list[Json](filters)} if filters else {}),
        "endTime": iso(midnight(advice.until)),
        **({"confidence": advice.confidence} if advice.confidence is not None else {}),
        "basis": OWN_CASES,
        **({"caseCount": advice.cases} if advice.cases is not None else {}),
        **({"firstSeen": advice.first_seen.isoformat()} if advice.first_seen else {}),
        "derivedFrom": [],
        "approvals": 1,
        **({"summary": summary} if (summary := " ".join(advice.summary.split())) else {}),
        "appealTo": f"{here.origin}/desk/node",
    }
    entry = await add(conn, here, advice.kind, domain, says, ends=advice.until)
    verb = f"advise {advice.policy}" if advice.policy else "advise"
    await audit.note(conn, here, verb=verb, about=domain, reason=advice.summary)
    return entry


async def renew(conn: AsyncConnection, here: Here, domain: str, until: date) -> Entry:
    """What is advised about a domain still holds, until another day.

    Raises NotFound: nothing is. Raises Malformed: the day is too far away, or over.
    """
    last, today = await latest(conn, domain), here.now().date()
    if not 1 <= (until - today).days <= LONGEST[last.kind].days:
        longest = LONGEST[last.kind].days
        raise Malformed(
            said("Please choose a last day within {number} days from today.", number=longest)
        )
    says = {**_said(last), "endTime": iso(midnight(until))}
    entry = await add(conn, here, last.kind, last.entity_key, says, ends=until)
    await audit.note(conn, here, verb="renew advice", about=last.entity_key)
    return entry


async def agree(conn: AsyncConnection, here: Here, domain: str, change_id: UUID) -> Entry:
    """Somebody else says the same harsh thing: from now on it may count for what it is (MOD-5.10).

    Raises NotFound: nothing is advised about it. Raises Conflict: by now something else is, it
    takes nobody more, or the same person said it.
    """
    await lock(conn, here)
    last = await latest(conn, domain)
    if last.id != change_id or not last.asks:
        raise Conflict(noted("That is over already."))
    verb = f"advise {last.policy}"
    first = await audit.newest(conn, verb=verb, about=last.entity_key)
    if here.decider is None or (first is not None and await audit.decided_it(conn, here, first)):
        raise Conflict(noted("You said yes already. It takes one more person."))
    says = {**_said(last), "approvals": TWO_PEOPLE}
    entry = await add(conn, here, last.kind, last.entity_key, says, ends=last.ends)
    await audit.note(conn, here, verb=verb, about=last.entity_key, reason=last.summary)
    return entry


def _said(entry: Entry) -> Document:
    """What a change says, without its place in the chain."""
    return {name: value for name, value in entry.body.items() if name not in _OF_ITS_PLACE}


_OF_ITS_PLACE: Final = frozenset(
    {"@context", "id", "type", "published", "attributedTo", "prev", "seq"}
)


async def retract(conn: AsyncConnection, here: Here, domain: str, comment: str = "") -> Entry:
    """Take back what is advised about a domain. Raises NotFound: nothing is."""
    if len(comment) > MAX_SUMMARY:
        raise Malformed(said("That can have up to {limit} letters.", limit=MAX_SUMMARY))
    last = await latest(conn, domain)
    dataset = await datasets.ours(conn, here)
    says: Document = {
        "entityKind": last.entity_kind,
        "entityKey": last.entity_key,
        "labels": [],
        "retracts": change_url(dataset, last.id),
        **({"comment": words} if (words := " ".join(comment.split())) else {}),
    }
    entry = await add(conn, here, Change.RETRACTION, last.entity_key, says, ends=None)
    await audit.note(conn, here, verb="take advice back", about=last.entity_key, reason=comment)
    return entry


async def erase(conn: AsyncConnection, here: Here, change_id: UUID) -> None:
    """Take the words of a change out, as a court may order: its hash stays, and so the chain holds.

    What still counts has to be taken back first, so that whoever read it hears of it; and what
    took it back stays as long as its words do, or they would count again.
    Raises NotFound. Raises Conflict: it still counts, or it takes back what is still there.
    """
    entry = await one(conn, change_id)
    if entry.kind in SAYS:
        newest = await newest_about(conn, entry.entity_key, entry.entity_kind)
        if newest is not None and newest.seq == entry.seq:
            raise Conflict("Please take that advice back first.")
    elif entry.kind is Change.RETRACTION and await _says_before(conn, entry):
        raise Conflict("Please erase what it takes back first.")
    await conn.execute(
        sa.update(signal_changes)
        .where(signal_changes.c.id == entry.id)
        .values(body="", kind=Change.TOMBSTONE, entity_kind="", entity_key="", ends=None)
    )
    await audit.note(conn, here, verb="erase advice", about=str(change_id))


async def lock(conn: AsyncConnection, here: Here) -> Dataset:
    """Nobody else says anything until this commits; the dataset for everybody."""
    everybody = await datasets.ours(conn, here)
    await conn.execute(sa.select(dataset_table.c.id).with_for_update())
    return everybody


async def add(
    conn: AsyncConnection,
    here: Here,
    kind: Change,
    key: str,
    says: Document,
    *,
    ends: date | None,
    to: Pact | None = None,
) -> Entry:
    """One more change, bound to the last one; peers that take such things are nudged.

    `to`: in the dataset that this peer alone reads; once all is said, `nudge` it.
    """
    everybody = await lock(conn, here)
    dataset = datasets.for_peer(here, to.host, everybody.tier) if to is not None else everybody
    before, today = await head(conn, dataset), here.now().date()
    number = before.seq + 1
    change_id = _new_id(today, number)
    body: Document = {
        "@context": CONTEXT,
        "id": change_url(dataset, change_id),
        "type": kind.value,
        "published": iso(midnight(today)),
        "attributedTo": f"{here.origin}/desk/node",
        **says,
        "prev": before.link,
        "seq": number,
    }
    hashed = chain.body_hash(body)
    row = (
        await conn.execute(
            signal_changes.insert()
            .values(
                host=dataset.host,
                seq=number,
                id=change_id,
                kind=kind,
                entity_kind=says["entityKind"],
                entity_key=key,
                body=dump(body).decode(),
                body_hash=hashed,
                prev=before.link,
                link=chain.link(before.link, hashed),
                ends=ends,
                day=today,
            )
            .returning(*_COLUMNS)
        )
    ).one()
    if to is None and dataset.tier is not Tier.NOBODY:
        flow = Flow.LABELS if says["entityKind"] in LABELLED else Flow.ADVICE
        await pacts.tell_peers(conn, here, flow, ActivityKind.NUDGE, dataset.url)
    return Entry.of(row)


async def nudge(conn: AsyncConnection, here: Here, to: Pact) -> None:
    """There is more in the dataset that this peer alone reads: it hears so."""
    tier = (await datasets.ours(conn, here)).tier
    if tier is not Tier.NOBODY:
        url = datasets.for_peer(here, to.host, tier).url
        await pacts.tell(conn, here, ActivityKind.NUDGE, url, to.desk_uri)


def _new_id(day: date, number: int) -> UUID:
    """A time-ordered id (RFC 9562 §5.7) that tells the day and the place, and no time."""
    milliseconds = int(midnight(day).timestamp() * 1000)
    high, low = number >> 28 & 0xFFF, number & 0xFFFFFFF
    return UUID(
        int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 34 | chance.bits(34)
    )


def change_url(dataset: Dataset, change_id: UUID) -> str:
    """Where a change of ours is."""
    return f"{dataset.url}/changes/{change_id}"


async def head(conn: AsyncConnection, dataset: Dataset) -> Head:
    """How far our chain goes."""
    row = (
        await conn.execute(
            sa.select(signal_changes.c.seq, signal_changes.c.link)
            .where(signal_changes.c.host == dataset.host)
            .order_by(signal_changes.c.seq.desc())
            .limit(at_most(1))
        )
    ).first()
    return Head(row.seq, row.link) if row else chain.genesis(dataset.url)


async def newest_about(conn: AsyncConnection, key: str, entity_kind: str = DOMAIN) -> Entry | None:
    """The newest change about something, if there is one."""
    row = (
        await conn.execute(
            sa.select(*_COLUMNS)
            .where(
                signal_changes.c.host == "",
                signal_changes.c.entity_kind == entity_kind,
                signal_changes.c.entity_key == key,
            )
            .order_by(signal_changes.c.seq.desc())
            .limit(at_most(1))
        )
    ).first()
    return Entry.of(row) if row else None


async def _says_before(conn: AsyncConnection, entry: Entry) -> bool:
    """Whether something is still said about the same in an earlier change."""
    found = await conn.scalar(
        sa.select(signal_changes.c.seq)
        .where(
            signal_changes.c.host == "",
            signal_changes.c.entity_kind == entry.entity_kind,
            signal_changes.c.entity_key == entry.entity_key,
            signal_changes.c.seq < entry.seq,
            signal_changes.c.kind.in_([kind.value for kind in SAYS]),
        )
        .limit(at_most(1))
    )
    return found is not None


async def latest(conn: AsyncConnection, domain: str) -> Entry:
    """What is advised about a domain now. Raises NotFound: nothing, or it was taken back."""
    found = await newest_about(conn, read_domain(domain))
    if found is None or found.kind not in SAYS:
        raise NotFound("This node advises nothing about that domain.")
    return found


async def one(conn: AsyncConnection, change_id: UUID, host: str = "") -> Entry:
    """A change of ours, or of what only a host reads. Raises NotFound."""
    mine = sa.and_(signal_changes.c.id == change_id, signal_changes.c.host == host)
    row = (await conn.execute(sa.select(*_COLUMNS).where(mine))).first()
    if row is None:
        raise NotFound
    return Entry.of(row)


async def after(
    conn: AsyncConnection, change_id: UUID, limit: int = PAGE, host: str = ""
) -> Sequence[Entry]:
    """Changes that came after one, oldest first. Raises NotFound: there is no such change."""
    seq = 0 if change_id == FIRST else (await one(conn, change_id, host)).seq
    rows = await conn.execute(
        sa.select(*_COLUMNS)
        .where(signal_changes.c.host == host, signal_changes.c.seq > seq)
        .order_by(signal_changes.c.seq)
        .limit(at_most(limit))
    )
    return [Entry.of(row) for row in rows]


async def current(
    conn: AsyncConnection, *, after_key: str = "", limit: int = PAGE, taken_back: bool
) -> Sequence[Entry]:
    """The newest change about each domain, in their order; also those `taken_back`, if wanted."""
    query = NEWEST.where(
        signal_changes.c.host == "",
        signal_changes.c.entity_kind == DOMAIN,
        signal_changes.c.entity_key > after_key,
    ).limit(at_most(limit))
    if not taken_back:
        query = query.where(signal_changes.c.kind.in_([kind.value for kind in SAYS]))
    return [Entry.of(row) for row in await conn.execute(query)]


def _newest() -> sa.Select[Any]:
    """SQL: the newest change about each thing, of whatever kind."""
    newer = signal_changes.alias("newer")
    newest = (
        sa.select(newer.c.seq)
        .where(
            newer.c.host == signal_changes.c.host,
            newer.c.entity_kind == signal_changes.c.entity_kind,
            newer.c.entity_key == signal_changes.c.entity_key,
        )
        .order_by(newer.c.seq.desc())
        .limit(at_most(1))
        .correlate(signal_changes)
        .scalar_subquery()
    )
    return (
        sa.select(*_COLUMNS)
        .where(signal_changes.c.seq == newest)  # of the same dataset
        .order_by(signal_changes.c.entity_kind, signal_changes.c.entity_key)
    )


NEWEST: Final = _newest()
