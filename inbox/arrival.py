"""What a handler gets: a proven activity, what it needs, and an open transaction; no client."""

from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from activitypub.notes import Note
from activitypub.permissions import Approval
from activitypub.vocab import Activity
from groups.groups import Group
from kernel.here import Here


class NotYet(Exception):
    """Something this depends on has not come yet; try again later (WIRE-Q3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was read for one activity before its transaction, each from its own server.

    `notes` are the post in question and, before it, ancestors that were missing: oldest first.
    `people` are the actors named, by URI. `gone` says that the object's server no longer has it, or
    that its author's proof says so.
    """

    notes: tuple[Note, ...] = ()
    people: dict[str, Actor] = field(default_factory=dict)
    gone: bool = False
    moved: bool = False  # the actor's new address says that it was this actor (WIRE-A15)
    moderates: bool = False  # the actor moderates the group that passed the activity on
    ancestor: str | None = None  # nearest ancestor that is known here
    coming: bool = False  # an ancestor between that one and the post is on its way here
    lost: str | None = None  # or an ancestor that its own server no longer has
    approval: Approval | None = None  # that an Accept speaks of
    beginning: Note | None = None  # and then the thread's first post, where the group names it


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One activity, its author, and the connection of the transaction it is handled in.

    `group` is set where a group of another server passed the activity on; `body` is the exact text.
    `forwarded`: somebody else than the actor sent it, so it was proven in another way.
    """

    conn: AsyncConnection
    here: Here
    activity: Activity
    actor: Actor
    gathered: Gathered
    body: str
    forwarded: bool = False
    group: Group | None = None
    context: str | None = None
    patient: bool = False  # it came just now: what it depends on may be on its way
    last: bool = False  # after this attempt it is given up


class Handler(Protocol):
    """Acts on an arrival in its transaction, or raises a Problem that says why not."""

    async def __call__(self, arrival: Arrival, /) -> None: ...
