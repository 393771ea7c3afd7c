"""Actors: everyone who speaks, ours and those met elsewhere."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import keys
from activitypub.keys import KeyPair, PublicKey, ed25519_id
from activitypub.vocab import PUBLIC
from kernel.arrays import any_of
from kernel.clock import to_month
from kernel.errors import Conflict, Malformed, NotFound, Unproven
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.rows import AnyRow
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import actor_keys, actors
from kernel.sealing import seal, unseal

HANDLE = re.compile(r"[a-z0-9_]{1,30}")

_PATHS = {ActorKind.PERSON: "u", ActorKind.GROUP: "g", ActorKind.SERVICE: "desk"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One actor as stored. Every URI is absolute; `summary` is HTML to be sanitised when shown."""

    id: UUID
    uri: str
    kind: ActorKind
    local: bool
    handle: str
    host: str
    name: str
    summary: str
    source: str
    url: str | None
    inbox: str
    shared_inbox: str | None
    followers_uri: str | None
    moderators_uri: str | None
    featured_uri: str | None
    locked: bool
    key_id: str
    public_key: str
    ed25519: str | None
    ed25519_id: str | None
    state: ActorState
    since: date | None
    closes_on: date | None
    opens_on: date | None
    open: bool
    fetched_at: datetime | None
    members_only: bool = False  # of a group: nobody else reads what is said there
    moved_to: str | None = None  # of one elsewhere, or a group of ours: who they are now
    filtered: bool = False  # kept off public lists, and asked before it comes into a group
    advice_round: int = 0  # how much advice about people there was when it was looked for

    @property
    def everybody(self) -> str:
        """Whom what is said in a group of this actor is for (WIRE-G12)."""
        return (self.followers_uri or self.uri) if self.members_only else PUBLIC

    @property
    def address(self) -> str:
        """`@name@host`."""
        return f"@{self.handle}@{self.host}"

    @property
    def delivery_inbox(self) -> str:
        """Where public things go: the shared inbox where there is one (WIRE-Q1)."""
        return self.shared_inbox or self.inbox

    def key(self, key_id: str) -> PublicKey:
        """The public key that the actor lists under an id. Raises Unproven: none that is safe."""
        try:
            if key_id == self.key_id:
                return keys.load_public_key(self.public_key)
            if self.ed25519 is not None and key_id == self.ed25519_id:
                return keys.load_multibase(self.ed25519)
        except Malformed as error:
            raise Unproven("That key is not one to believe.") from error
        raise Unproven("The actor does not list that key.")

    @property
    def key_ids(self) -> Sequence[str]:
        """The ids that the actor lists its keys under."""
        return [each for each in (self.key_id, self.ed25519_id) if each is not None]

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row that selected `columns()`."""
        values = {name: getattr(row, name) for name in cls.__slots__}
        values["kind"], values["state"] = ActorKind(values["kind"]), ActorState(values["state"])
        return cls(**values)


def columns(alias: sa.FromClause = actors) -> list[sa.ColumnElement[object]]:
    """The columns `Actor.of` reads."""
    return [alias.c[name] for name in Actor.__slots__]


async def _first(conn: AsyncConnection, condition: sa.ColumnElement[bool]) -> Actor | None:
    row = (await conn.execute(sa.select(*columns()).where(condition).limit(1))).first()
    return Actor.of(row) if row else None


async def get(conn: AsyncConnection, actor_id: UUID) -> Actor:
    """Raises NotFound: no such actor."""
    if (actor := await _first(conn, actors.c.id == actor_id)) is None:
        raise NotFound
    return actor


async def several(conn: AsyncConnection, actor_ids: Sequence[UUID]) -> dict[UUID, Actor]:
    """Those of the actors that are on record, by id."""
    rows = await conn.execute(_SEVERAL, {"actor_ids": actor_ids})
    return {row.id: Actor.of(row) for row in rows}


_SEVERAL = sa.select(*columns()).where(any_of(actors.c.id, "actor_ids"))


async def by_uri(conn: AsyncConnection, uri: str) -> Actor | None:
    """The actor with exactly this id."""
    return await _first(conn, actors.c.uri == uri)


async def by_key_id(conn: AsyncConnection, key_id: str) -> Actor | None:
    """The actor who lists a key under this id, of either kind."""
    return await _first(conn, sa.or_(actors.c.key_id == key_id, actors.c.ed25519_id == key_id))


async def behind_inbox(conn: AsyncConnection, inbox: str, *, limit: int) -> Sequence[Actor]:
    """Actors elsewhere that are reached by an inbox; whom we asked for longest ago comes first."""
    rows = await conn.execute(
        sa.select(*columns())
        .where(
            sa.func.coalesce(actors.c.shared_inbox, actors.c.inbox) == inbox,
            ~actors.c.local,
            actors.c.state != ActorState.CLOSED,
        )
        .order_by(actors.c.fetched_at.nulls_first(), actors.c.id)
        .limit(limit)
    )
    return [Actor.of(row) for row in rows]


async def by_handle(
    conn: AsyncConnection, handle: str, *, kind: ActorKind | None = None
) -> Actor | None:
    """An actor of ours by name; names are unique across kinds (WIRE-A2)."""
    condition = actors.c.local & (sa.func.lower(actors.c.handle) == handle.lower())
    if kind is not None:
        condition &= actors.c.kind == kind
    return await _first(conn, condition)


async def create_local(
    conn: AsyncConnection,
    here: Here,
    *,
    kind: ActorKind,
    handle: str,
    name: str,
    keys: KeyPair,
    actor_id: UUID | None = None,
    uri: str | None = None,
    source: str = "",
    summary: str = "",
    locked: bool = False,
    members_only: bool = False,
) -> Actor:
    """Make an actor of ours and seal its private keys under the node key.

    Raises Malformed: the handle is not `[a-z0-9_]{1,30}` (WIRE-A1). Raises Conflict: it is taken.
    """
    if uri is None and not HANDLE.fullmatch(handle):
        raise Malformed("A name can have small letters a-z, digits and _, up to 30 of them.")
    taken = Conflict("Somebody uses that name already. Please try another one.")
    if await by_handle(conn, handle) is not None:
        raise taken
    base = uri or f"{here.origin}/{_PATHS[kind]}/{handle}"
    root = base.rstrip("/")
    row = {
        "id": actor_id or random_uuid(),
        "uri": base,
        "kind": kind,
        "local": True,
        "handle": handle,
        "host": here.host,
        "name": name,
        "summary": summary,
        "source": source,
        "url": base,
        "inbox": f"{root}/inbox",
        "shared_inbox": f"{here.origin}/inbox",
        "followers_uri": f"{root}/followers",
        "moderators_uri": f"{root}/moderators" if kind is ActorKind.GROUP else None,
        "featured_uri": f"{root}/featured" if kind is ActorKind.GROUP else None,
        "locked": locked,
        "members_only": members_only,
        "key_id": f"{base}#main-key",
        "public_key": keys.public_pem,
        "ed25519": keys.ed25519_multibase,
        "ed25519_id": ed25519_id(base),
        "since": to_month(here.now()),
    }
    made = (
        await conn.execute(
            insert(actors).values(row).on_conflict_do_nothing().returning(*columns())
        )
    ).first()
    if made is None:
        raise taken
    actor = Actor.of(made)
    await conn.execute(
        actor_keys.insert().values(
            actor_id=actor.id,
            sealed=seal_keys(here, actor.id, keys),
        )
    )
    return actor


def seal_keys(here: Here, actor_id: UUID, pair: KeyPair) -> bytes:
    """Private keys as they are stored: readable with the node key only, and for this actor."""
    return seal(here.node_key.derive("actor keys"), pair.to_bytes(), f"actor key {actor_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """What an actor of ours signs with: what it signs now, and `earlier` up to a delivery `until`.

    `multibase` is the public half of its present Ed25519 key, by which one knows that they changed.
    """

    now: KeyPair
    multibase: str
    earlier: KeyPair | None = None
    until: int | None = None

    def told_with(self, delivery: int) -> KeyPair:
        """The keys that others know when they get this delivery (WIRE-S22)."""
        if self.earlier is not None and self.until is not None and delivery <= self.until:
            return self.earlier
        return self.now


async def signing_keys(conn: AsyncConnection, here: Here, actor_id: UUID) -> KeyPair:
    """The private keys of an actor of ours. Raises NotFound: it has none."""
    found = await several_signing_keys(conn, here, [actor_id])
    if not found:
        raise NotFound
    return found[actor_id].now


async def several_signing_keys(
    conn: AsyncConnection, here: Here, actor_ids: Collection[UUID]
) -> dict[UUID, SigningKeys]:
    """The private keys of those of `actor_ids` that have some."""
    rows = await conn.execute(
        sa.select(
            actor_keys.c.actor_id, actor_keys.c.sealed, actor_keys.c.earlier, actor_keys.c.until
        ).where(
            actor_keys.c.actor_id == sa.any_(sa.bindparam("ids", list(actor_ids), ARRAY(sa.Uuid)))
        )
    )
    key = here.node_key.derive("actor keys")
    found = {}
    for actor_id, sealed, earlier, until in rows:
        context = f"actor key {actor_id}"
        now = KeyPair.from_bytes(unseal(key, sealed, context))
        found[actor_id] = SigningKeys(
            now=now,
            multibase=now.ed25519_multibase,
            earlier=KeyPair.from_bytes(unseal(key, earlier, context)) if earlier else None,
            until=until,
        )
    return found
