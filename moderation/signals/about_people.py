"""What this node advises its peers about people elsewhere: to each by a hash of its own (MOD-5.3).

It begins with a case. Each peer that takes such advice has a dataset that only it can read. What is
said there is brought into line with what stands here by `tell`, as often as anybody likes: to a
peer that came later, and again after it was taken back.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.vocab import Document
from kernel.arrays import any_of
from kernel.clock import iso
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import noted, said
from kernel.schema.actors import ActorKind
from kernel.schema.pacts import PactState
from kernel.schema.tables import actors, pacts, people_advice, people_advice_said
from moderation import audit, labels
from moderation.pact_terms import Flow, midnight
from moderation.pacts import MAX_PACTS, Pact
from moderation.signals import hashing, people, published
from moderation.signals.published import OWN_CASES
from moderation.signals.scoring import HARSH, TWO_PEOPLE
from moderation.signals.vocabulary import FILTERS_OF, LONGEST, MAX_SUMMARY, Change, Policy

PAGE: Final = 50
MOST: Final = 1_000  # people whom anything is said about at once
STEP: Final = MAX_PACTS  # lines in one round: what is said of one person goes to every peer
_ACTOR_HASH: Final = "actorHash"
_NAMES: Final = re.compile(r"[@/]")  # what the words of somebody's address have in them
_KINDS: Final = (ActorKind.PERSON, ActorKind.SERVICE)
_a: Final = people_advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a moderator advises about somebody, and until which day it holds."""

    policy: Policy
    until: date
    labels: tuple[str, ...] = ()
    summary: str = ""
    confidence: float = 0.8

    def check(self, today: date) -> None:
        """Raises Malformed: it cannot be said so, or would name somebody."""
        longest = LONGEST[Change.RECOMMENDATION].days
        if not 1 <= (self.until - today).days <= longest:
            raise Malformed(
                said("Please choose a last day within {number} days from today.", number=longest)
            )
        if len(self.summary) > MAX_SUMMARY:
            raise Malformed(said("That can have up to {limit} letters.", limit=MAX_SUMMARY))
        if _NAMES.search(self.summary):
            raise Malformed(noted("Please write no name and no address. Say what happened."))
        if unknown := [each for each in self.labels if each not in labels.BY_ID]:
            raise Malformed(said("There is no label called {name}.", name=unknown[0][:50]))
        if not 0 <= self.confidence <= 1:
            raise Malformed(noted("How sure you are is a number from 0 to 1."))


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is advised about somebody, and whether it is told yet."""

    actor_id: UUID
    name: str
    handle: str
    host: str
    case_id: UUID | None
    policy: Policy
    labels: Sequence[str]
    summary: str
    confidence: float
    until: date
    approvals: int
    first_yes: int
    day: date

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        return cls(**{**row._mapping, "policy": Policy(row.policy)})

    @property
    def told(self) -> bool:
        """Whether as many people agreed as it takes."""
        return self.approvals >= _needed(self.policy)

    @property
    def words(self) -> Words:
        return Words(
            policy=self.policy,
            until=self.until,
            labels=tuple(self.labels),
            summary=self.summary,
            confidence=self.confidence,
        )


def _needed(policy: Policy) -> int:
    """People who have to agree: two to what is harsh (MOD-5.10)."""
    return TWO_PEOPLE if policy in HARSH else 1


def _select() -> sa.Select[Any]:
    mine = {*_a.c.keys()}
    return sa.select(
        *(_a.c[name] for name in About.__slots__ if name in mine),
        *(actors.c[name] for name in About.__slots__ if name not in mine),
    ).join(actors, actors.c.id == _a.c.actor_id)


async def one(conn: AsyncConnection, actor_id: UUID) -> About | None:
    """What is advised about somebody; None: nothing."""
    row = (await conn.execute(_select().where(_a.c.actor_id == actor_id))).first()
    return About.of(row) if row else None


async def listed(
    conn: AsyncConnection, *, after: UUID | None = None, limit: int = PAGE
) -> Sequence[About]:
    """All that is advised about people, in an order that says nothing, a page at a time."""
    query = _select().order_by(_a.c.actor_id).limit(at_most(limit))
    if after is not None:
        query = query.where(_a.c.actor_id > after)
    return [About.of(row) for row in await conn.execute(query)]


async def peers(conn: AsyncConnection, here: Here) -> Sequence[Pact]:
    """Those that take advice about people from us, and can read who is meant."""
    rows = await conn.execute(
        sa.select(pacts)
        .where(pacts.c.state == PactState.MADE, ~pacts.c.unsafe, ~pacts.c.frozen_there)
        .order_by(pacts.c.host)
    )
    desk = f"{here.origin}/desk/node"
    return [
        pact
        for pact in (Pact.of(row) for row in rows)
        if pact.paper is not None
        and Flow.PEOPLE in pact.paper.flows(desk)
        and hashing.key_with(here, pact.host, pact.paper) is not None
    ]


async def advise(
    conn: AsyncConnection, here: Here, actor: Actor, words: Words, case_id: UUID | None = None
) -> bool:
    """Advise peers about somebody elsewhere. False: it is harsh, and takes one more person.

    Who says the same of them, once somebody else has, is that person.
    Raises Malformed: as `Words.check`. Raises NotAllowed: it is about nobody elsewhere, or a desk.
    Raises Conflict: the same person said so before, or so much is said as may be.
    """
    today = here.now().date()
    words.check(today)
    desk = await conn.scalar(sa.select(sa.exists().where(pacts.c.desk_uri == actor.uri)))
    if actor.local or desk or actor.kind not in _KINDS:
        raise NotAllowed(noted("Peers can be told about people of other places only."))
    await published.lock(conn, here)
    before = await one(conn, actor.id)
    agrees = before is not None and before.words == words and not before.told
    if before is not None and agrees:
        if here.decider is None or await audit.decided_it(conn, here, before.first_yes):
            raise Conflict(noted("You said yes already. It takes one more person."))
    elif before is None:
        count = await conn.scalar(sa.select(sa.func.count()).select_from(_a)) or 0
        if count >= MOST:
            raise Conflict(noted("So much is advised about people already. Take something back."))
    verb = f"advise peers {words.policy}"
    line = await audit.note(
        conn, here, verb=verb, about=people.place(here, actor.id), until=words.until
    )
    values: dict[str, Any] = {
        "case_id": case_id,
        "policy": words.policy,
        "labels": list(words.labels),
        "summary": " ".join(words.summary.split()),
        "confidence": words.confidence,
        "until": words.until,
        "approvals": before.approvals + 1 if before is not None and agrees else 1,
        "first_yes": before.first_yes if before is not None and agrees else line,
        "day": today,
    }
    await conn.execute(
        insert(_a)
        .values(actor_id=actor.id, **values)
        .on_conflict_do_update(index_elements=["actor_id"], set_=values)
    )
    if not agrees:  # what was said of them before is not said any more
        await _forget_said(conn, people_advice_said.c.actor_id == actor.id)
    await tell(conn, here)
    return int(values["approvals"]) >= _needed(words.policy)


async def take_back(conn: AsyncConnection, here: Here, actor_id: UUID) -> None:
    """Nothing is advised about somebody any more. Raises NotFound: nothing was."""
    await published.lock(conn, here)
    gone = await conn.execute(sa.delete(_a).where(_a.c.actor_id == actor_id))
    if not gone.rowcount:
        raise NotFound
    await audit.note(conn, here, verb="take advice back", about=people.place(here, actor_id))
    await tell(conn, here)


async def _forget_said(conn: AsyncConnection, which: sa.ColumnElement[bool]) -> None:
    """What was said so stands for nobody now: `tell` takes it back."""
    await conn.execute(sa.update(people_advice_said).where(which).values(actor_id=None))


async def tell(conn: AsyncConnection, here: Here) -> bool:
    """Bring what each peer is told into line with what stands here; whether more is left to do.

    What ended by itself is forgotten; what was taken back is retracted; what a peer has not heard,
    it is told, by a hash of today's key. Of each at most `STEP` in one round, what is new first.
    """
    await published.lock(conn, here)
    await _forget_ended(conn, here.now().date())
    those = {pact.host: pact for pact in await peers(conn, here)}
    retracted = await _retract(conn, here, those)
    told = await _tell_the_rest(conn, here, those)
    for host in sorted({*retracted, *told}):
        await published.nudge(conn, here, those[host])
    return STEP in (len(retracted), len(told))


async def tell_some(engine: AsyncEngine, here: Here) -> bool:
    """A round of `tell` in a transaction of its own; whether more is left to do."""
    async with engine.begin() as conn:
        return await tell(conn, here)


async def _tell_the_rest(
    conn: AsyncConnection, here: Here, those: Mapping[str, Pact]
) -> Sequence[str]:
    """Tell peers what they have not heard; the host that each line was for."""
    today = here.now().date()
    rows = await conn.execute(_select().order_by(_a.c.day.desc(), _a.c.actor_id).limit(MOST))
    said_to = {
        (row.actor_id, row.host)
        for row in await conn.execute(
            sa.select(people_advice_said.c.actor_id, people_advice_said.c.host)
        )
    }
    about = [each for each in map(About.of, rows) if each.told]
    waits = ((each, host) for each in about for host in those)
    due = list(islice((it for it in waits if (it[0].actor_id, it[1]) not in said_to), STEP))
    uris = await actor_store.several(conn, [each.actor_id for each, _ in due])
    keys = {host: _key_with(here, those[host]) for host in {host for _, host in due}}
    for each, host in due:
        name = hashing.hash_of(keys[host], here.host, today, uris[each.actor_id].uri)
        entry = await published.add(
            conn, here, Change.RECOMMENDATION, name, _says(here, each, name),
            ends=each.until, to=those[host],
        )  # fmt: skip
        await conn.execute(
            people_advice_said.insert().values(
                change_id=entry.id, actor_id=each.actor_id, host=host, day=today
            )
        )
    return [host for _, host in due]


def _key_with(here: Here, pact: Pact) -> bytes:
    key = hashing.key_with(here, pact.host, pact.paper) if pact.paper is not None else None
    assert key is not None  # or it is none of the `peers`
    return key


async def _forget_ended(conn: AsyncConnection, today: date) -> None:
    over = sa.select(_a.c.actor_id).where(_a.c.until < today)
    await conn.execute(sa.delete(people_advice_said).where(people_advice_said.c.actor_id.in_(over)))
    await conn.execute(sa.delete(_a).where(_a.c.until < today))


async def _retract(conn: AsyncConnection, here: Here, those: Mapping[str, Pact]) -> Sequence[str]:
    """Take back what stands for nobody any more, where somebody reads it; each line's host.

    Where nobody does it waits, perhaps for a new pact.
    """
    rows = await conn.execute(
        sa.select(people_advice_said.c.change_id, people_advice_said.c.host)
        .where(people_advice_said.c.actor_id.is_(None), any_of(people_advice_said.c.host, "hosts"))
        .order_by(people_advice_said.c.change_id)
        .limit(STEP),
        {"hosts": list(those)},
    )
    due = rows.all()
    for change_id, host in due:
        entry = await published.one(conn, change_id, host)
        says: Document = {
            "entityKind": _ACTOR_HASH,
            "entityKey": entry.entity_key,
            "labels": [],
            "retracts": str(entry.body.get("id") or ""),
        }
        await published.add(
            conn, here, Change.RETRACTION, entry.entity_key, says, ends=None, to=those[host]
        )
    await conn.execute(
        sa.delete(people_advice_said).where(any_of(people_advice_said.c.change_id, "ids")),
        {"ids": [row.change_id for row in due]},
    )
    return [row.host for row in due]


def _says(here: Here, about: About, name: str) -> Document:
    filters = FILTERS_OF.get(about.policy, ())
    return {
        "entityKind": _ACTOR_HASH,
        "entityKey": name,
        "labels": [f"{here.origin}/labels/{label}" for label in about.labels],
        "recommendedPolicy": about.policy.value,
        **({"recommendedFilters": list[Json](filters)} if filters else {}),
        "endTime": iso(midnight(about.until)),
        "confidence": about.confidence,
        "basis": OWN_CASES,
        "derivedFrom": [],
        "approvals": about.approvals,
        **({"summary": about.summary} if about.summary else {}),
        "appealTo": f"{here.origin}/desk/node",
    }
