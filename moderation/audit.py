"""The log of what moderators and administrators decide: each decision has a line (SEC-S23).

Who decided is kept nowhere, only as what they did: see `Role`. Each line becomes a link of a chain
that the database writes (`moderation.chain`).
"""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.arrays import any_of
from kernel.errors import NotFound
from kernel.here import Here
from kernel.ids import LAST_ID
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.actors import ActorKind
from kernel.schema.moderation import Role
from kernel.schema.tables import actors, audit, audit_chain, audit_marks, posts
from kernel.urls import host_of
from moderation.chain import details_of

MAX_REASON = 500  # letters
APPEAL_WITHIN: Final = timedelta(days=20)  # MOD-5.12
_MARKED: Final = keep_times.DECIDED
_SALT: Final = 32


async def note(
    conn: AsyncConnection,
    here: Here,
    *,
    verb: str,
    about: str,
    reason: str = "",
    group_id: UUID | None = None,
    actor_id: UUID | None = None,
    role: Role | None = None,
    rule: str = "",
    until: date | None = None,
    basis: Sequence[str] = (),
    impact: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    undo: str = "",
) -> int:
    """Write a line: `verb` was done to `about`, an address or a domain; the id of the line.

    `actor_id`: the desk or the moderating actor elsewhere; None is the desk of the node. Which of
    its people it was is not kept; `role` is as what they acted, of a group by default where there
    is one. `rule` names the guideline, `basis` the signals it rests on, `impact` the numbers that
    were looked at before; `undo` is for whoever can take it back.
    """
    if actor_id is None:
        actor_id = await _desk_of_node(conn, here)
    said: dict[str, Any] = {
        "about": about,
        "actor": str(actor_id),
        "after": dict(after) if after is not None else None,
        "basis": list(basis),
        "before": dict(before) if before is not None else None,
        "impact": dict(impact) if impact is not None else None,
        "reason": reason.strip()[:MAX_REASON],
        "rule": rule.strip()[:MAX_REASON],
        "undo": undo,
        "until": until.isoformat() if until else "",
    }
    salt, today = secrets.token_bytes(_SALT), here.now().date()
    values = {name: said[name] for name in said.keys() - {"about", "actor", "until"}}
    made = await conn.execute(
        audit.insert()
        .values(
            **values,
            group_id=group_id,
            actor_id=actor_id,
            role=(role or (Role.GROUP if group_id else Role.ADMINISTRATOR)).value,
            verb=verb,
            object_uri=about,
            person_id=_whose(about),
            until=until,
            day=today,
            salt=salt,
            details=details_of(salt, said),
        )
        .returning(audit.c.id)
    )
    decision_id = int(made.scalar_one())
    if here.decider is not None:
        mark = _mark(here.decider, salt)
        await conn.execute(
            audit_marks.insert().values(decision_id=decision_id, mark=mark, until=today + _MARKED)
        )
    return decision_id


async def _desk_of_node(conn: AsyncConnection, here: Here) -> UUID:
    """Raises NotFound: the node was not settled yet."""
    found: UUID | None = await conn.scalar(
        sa.select(actors.c.id).where(actors.c.uri == f"{here.origin}/desk/node")
    )
    if found is None:
        raise NotFound
    return found


def _whose(about: str) -> sa.ColumnElement[UUID]:
    """SQL: whoever `about` is, a program too but no group, or whose post it is."""
    person = sa.select(actors.c.id).where(
        actors.c.uri == about, actors.c.kind != constant(ActorKind.GROUP)
    )
    author = sa.select(posts.c.author_id).where(posts.c.uri == about)
    return sa.func.coalesce(person.scalar_subquery(), author.scalar_subquery())


def _mark(secret: bytes, salt: bytes) -> bytes:
    """What shows the member who decided that it was they, and nothing to anybody else."""
    return hmac.digest(secret, b"decided" + salt, "sha256")


async def decided_it(conn: AsyncConnection, here: Here, decision_id: int) -> bool:
    """Whether the member `here` decides for decided this one, under any of their names.

    Of decisions made elsewhere, or by a command, nobody is known to have.
    """
    return bool(await decided_among(conn, here, [decision_id]))


async def decided_among(conn: AsyncConnection, here: Here, ids: Sequence[int]) -> set[int]:
    """As `decided_it`, of several: those that they decided."""
    if here.decider is None or not ids:
        return set()
    rows = await conn.execute(
        sa.select(audit.c.id, audit.c.salt, audit_marks.c.mark)
        .join(audit_marks, audit_marks.c.decision_id == audit.c.id)
        .where(audit.c.id.in_(ids))
    )
    return {row.id for row in rows if hmac.compare_digest(row.mark, _mark(here.decider, row.salt))}


async def newest(conn: AsyncConnection, *, verb: str, about: str) -> int | None:
    """The id of the last line that says that `verb` was done to `about`."""
    found: int | None = await conn.scalar(
        sa.select(sa.func.max(audit.c.id)).where(audit.c.object_uri == about, audit.c.verb == verb)
    )
    return found


async def removed_by(conn: AsyncConnection, author_id: UUID, uri: str) -> frozenset[bool]:
    """Who took this author's post out and did not show it again: True is its group, False the node.

    None of them, where nothing of it is known any more.
    """
    of_group = audit.c.role == Role.GROUP.value
    taken, given = (sa.func.max(audit.c.id).filter(audit.c.verb == verb) for verb in _OUT_AND_BACK)
    rows = await conn.execute(
        sa.select(of_group.label("of_group"))
        .where(
            audit.c.person_id == author_id,
            audit.c.object_uri == uri,
            audit.c.verb.in_(_OUT_AND_BACK),
        )
        .group_by(of_group)
        .having(taken > sa.func.coalesce(given, 0))
    )
    return frozenset(row.of_group for row in rows)


_OUT_AND_BACK: Final = ("remove", "restore")


async def was_released(conn: AsyncConnection, author_id: UUID, uri: str) -> bool:
    """Whether moderators of its group read this author's post while it was held, and showed it."""
    found = sa.select(audit.c.id).where(
        audit.c.person_id == author_id,
        audit.c.object_uri == uri,
        audit.c.verb == "release",
        audit.c.role == Role.GROUP.value,
    )
    return await conn.scalar(found.limit(1)) is not None


async def sweep(conn: AsyncConnection, today: date) -> None:
    """Marks that no appeal needs any more go."""
    await conn.execute(sa.delete(audit_marks).where(audit_marks.c.until < today))


async def forget_about(conn: AsyncConnection, person_id: UUID, *, but: int | None = None) -> None:
    """A person is gone: what was noted about them and their posts goes; the chain still holds.

    `but`: one decision that goes on holding.
    """
    gone = sa.and_(audit.c.person_id == person_id, audit.c.id.is_distinct_from(but))
    await conn.execute(sa.delete(audit).where(gone))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log. Where what was noted is gone, `object_uri` and `reason` are empty."""

    seq: int
    id: int
    verb: str
    role: str
    day: date
    object_uri: str
    reason: str
    rule: str
    until: date | None

    @property
    def gone(self) -> bool:
        """Whether whom it was about has left since."""
        return not self.object_uri


async def of_group(
    conn: AsyncConnection,
    group_id: UUID,
    *,
    verb: str = "",
    before: int | None = None,
    limit: int = 50,
) -> Sequence[Entry]:
    """What was decided in a group, newest first; with `verb` only that."""
    values = {"group_id": group_id, "before": LAST_ID if before is None else before, "verb": verb}
    rows = await conn.execute(_of_group(limit, bool(verb)), values)
    return [Entry(**row._mapping) for row in rows]


async def of_node(
    conn: AsyncConnection, *, verbs: Sequence[str] = (), before: int | None = None, limit: int = 50
) -> Sequence[Entry]:
    """What those who look after the node decided, newest first; with `verbs` only those."""
    values = {"before": LAST_ID if before is None else before, "verbs": list(verbs)}
    rows = await conn.execute(_of_node(limit, bool(verbs)), values)
    return [Entry(**row._mapping) for row in rows]


_ENTRY: Final = sa.select(
    audit_chain.c.seq,
    audit_chain.c.id,
    audit_chain.c.verb,
    audit_chain.c.role,
    audit_chain.c.day,
    *(sa.func.coalesce(audit.c[name], "").label(name) for name in ("object_uri", "reason", "rule")),
    audit.c.until,
).select_from(audit_chain.outerjoin(audit, audit.c.id == audit_chain.c.id))


def _page(query: AnySelect, limit: int) -> AnySelect:
    return (
        query.where(audit_chain.c.seq < sa.bindparam("before", type_=sa.BigInteger))
        .order_by(audit_chain.c.seq.desc())
        .limit(at_most(limit))
    )


@cache
def _of_group(limit: int, with_verb: bool) -> AnySelect:
    group_id = sa.bindparam("group_id", type_=sa.Uuid)
    query = _ENTRY.where(audit_chain.c.group_id == group_id)
    if with_verb:
        query = query.where(audit_chain.c.verb == sa.bindparam("verb", type_=sa.Text))
    return _page(query, limit)


@cache
def _of_node(limit: int, some: bool) -> AnySelect:
    query = _ENTRY.where(audit_chain.c.role != constant(Role.GROUP))
    return _page(query.where(any_of(audit_chain.c.verb, "verbs")) if some else query, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a person or a post of theirs, as they themselves may read it."""

    id: int
    verb: str
    role: str
    day: date
    about: str
    reason: str
    rule: str
    until: date | None
    basis: Sequence[str]
    person_id: UUID
    group_id: UUID | None
    group_uri: str
    group_name: str
    group_handle: str
    group_local: bool

    @property
    def appealable(self) -> bool:
        """Whether there is something that can be looked at again, and it was decided here."""
        return self.verb in ACTIONS and (self.group_local or self.group_id is None)

    @property
    def issuers(self) -> Sequence[str]:
        """The servers whose words it rests on (MOD-5.12)."""
        return sorted({host_of(each) for each in self.basis})

    @property
    def by_itself(self) -> bool:
        """Whether it followed from a rule of this place, and no person looked first."""
        return self.verb in ("limit for a peer", "hold over") or (
            self.verb == "hold" and bool(self.basis)
        )

    @property
    def by_group(self) -> bool:
        """Whether moderators of a group decided it; else those who look after the whole node."""
        return self.role == Role.GROUP

    def appeal_until(self) -> date:
        """The last day on which somebody can ask for that."""
        return self.day + APPEAL_WITHIN


ACTIONS: Final = frozenset({"remove", "ban", "limit", "warn", "suspend"})
"""What is done to somebody or to their words."""

TOLD: Final = ACTIONS | {
    "appoint", "change after appeal", "dismiss", "end limit", "end suspend", "hold", "hold over",
    "label", "limit for a peer", "lock", "release", "restore", "take label off", "unban", "unlock",
    "uphold after appeal",
}  # fmt: skip
"""What somebody reads of what was decided about them: not how a report or a care case went."""

_place = actors.alias("place")
_DECISION: Final = sa.select(
    audit.c.id,
    audit.c.verb,
    audit.c.role,
    audit.c.day,
    audit.c.object_uri.label("about"),
    audit.c.reason,
    audit.c.rule,
    audit.c.until,
    audit.c.basis,
    audit.c.person_id,
    audit.c.group_id,
    sa.func.coalesce(_place.c.uri, "").label("group_uri"),
    sa.func.coalesce(_place.c.name, "").label("group_name"),
    sa.func.coalesce(_place.c.handle, "").label("group_handle"),
    sa.func.coalesce(_place.c.local, sa.false()).label("group_local"),
).select_from(audit.outerjoin(_place, _place.c.id == audit.c.group_id))


async def decision(conn: AsyncConnection, decision_id: int) -> Decision:
    """One decision about somebody. Raises NotFound: there is none, or they are not told of it."""
    row = (
        await conn.execute(
            _DECISION.where(
                audit.c.id == decision_id, audit.c.person_id.is_not(None), audit.c.verb.in_(TOLD)
            )
        )
    ).first()
    if row is None:
        raise NotFound
    return Decision(**row._mapping)


async def decisions(conn: AsyncConnection, ids: Sequence[int]) -> Mapping[int, Decision]:
    """Several of them by their ids; those that are gone are left out."""
    rows = await conn.execute(_DECISION.where(audit.c.id.in_(ids))) if ids else ()
    return {row.id: Decision(**row._mapping) for row in rows}


async def followed(conn: AsyncConnection, ids: Sequence[int]) -> Mapping[int, int]:
    """Decisions about people that a later one of the same kind about the same came after.

    To their ids, that of the newest one, which is a decision of its own.
    """
    later = audit.alias("later")
    same = [later.c[name] == audit.c[name] for name in ("person_id", "verb", "object_uri")]
    place = later.c.group_id.is_not_distinct_from(audit.c.group_id)
    query = (
        sa.select(audit.c.id, sa.func.max(later.c.id).label("newest"))
        .join(later, sa.and_(*same, place, later.c.id > audit.c.id))
        .where(audit.c.id.in_(ids))
        .group_by(audit.c.id)
    )
    return {row.id: row.newest for row in await conn.execute(query)} if ids else {}


async def of_person(
    conn: AsyncConnection, person_id: UUID, *, before: int | None = None, limit: int
) -> Sequence[Decision]:
    """What was decided about a person and their posts, newest first: for themselves alone."""
    values = {"person_id": person_id, "before": LAST_ID if before is None else before}
    rows = await conn.execute(_of_person(limit), values)
    return [Decision(**row._mapping) for row in rows]


@cache
def _of_person(limit: int) -> AnySelect:
    return (
        _DECISION.where(
            audit.c.person_id == sa.bindparam("person_id", type_=sa.Uuid),
            audit.c.verb.in_(sorted(TOLD)),
            audit.c.id < sa.bindparam("before", type_=sa.BigInteger),
        )
        .order_by(audit.c.id.desc())
        .limit(at_most(limit))
    )
