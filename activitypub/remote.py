"""Actors of other servers: reading their documents, keeping them, finding their keys (WIRE 4.5).

The fetching functions open short connections of their own and never one around the network.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import keys, signatures
from activitypub.actors import Actor, columns
from activitypub.client import Budget, Client, Signer, Unreachable
from activitypub.keys import KeyPair
from activitypub.signatures import Replays
from activitypub.vocab import ActorDocument, Document, Note
from kernel.errors import Gone, Malformed, NotFound, TooMany, Unproven
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.tables import actors, follows, peers
from kernel.urls import host_of

FRESH = timedelta(days=1)
KEY_RETRY = timedelta(minutes=10)
KEY_SECONDS = 4
_REMEMBERED = 10_000
_OWNERS = 2_000  # about 2 KiB each
_ASKED_AGAIN = 5

log = logging.getLogger(__name__)


def instance_signer(here: Here, uri: str, pair: KeyPair) -> Signer:
    """Signs fetches as the node itself (WIRE-S24)."""

    def sign(method: str, url: str, body: bytes | None) -> dict[str, str]:
        return signatures.sign(pair.rsa, f"{uri}#main-key", method, url, here.now(), body)

    return sign


@dataclass(slots=True)
class Remote:
    """Reads other servers' documents, signed by the instance actor, within budgets."""

    client: Client
    engine: AsyncEngine
    here: Here
    budget: Budget
    replays: Replays = field(default_factory=Replays)
    _signer: list[Signer] = field(default_factory=list)  # one, once it is known
    _flights: dict[str, asyncio.Task[Actor]] = field(default_factory=dict)
    _failed: dict[str, datetime] = field(default_factory=dict)
    _owners: OrderedDict[str, Actor] = field(default_factory=OrderedDict)

    async def document(self, uri: str) -> Document:
        """The document at `uri`, believed because its own server gave it (WIRE 4.9).

        Raises Gone, NotFound, Malformed, Unreachable, TooMany.
        """
        signer = await self._sign()
        return await self.client.fetch_document(uri, signer=signer, budget=self.budget)

    def for_activity(self) -> Self:
        """The same, with what one activity may cause to be fetched; all it knows is shared."""
        return replace(self, budget=self.budget.for_activity())

    async def _sign(self) -> Signer:
        if not self._signer:
            async with self.engine.connect() as conn:
                node = await actor_store.by_uri(conn, f"{self.here.origin}/")
                if node is None:
                    raise NotFound
                pair = await actor_store.signing_keys(conn, self.here, node.id)
            self._signer.append(instance_signer(self.here, node.uri, pair))
        return self._signer[0]

    async def actor(self, uri: str, *, max_age: timedelta = FRESH) -> Actor:
        """The actor `uri`, fetched where unknown or older than `max_age`; one fetch at a time.

        A known actor whose server is away is served from what we have. Raises: as `document`.
        """
        known = await self._known(uri)
        if known is not None and (known.local or self._is_fresh(known, max_age)):
            return known
        try:
            return await self._single_flight(uri, lambda: self._fetch_actor(uri, max_age))
        except (Unreachable, TooMany):
            if known is None:
                raise
            return known

    async def _known(self, uri: str) -> Actor | None:
        async with self.engine.connect() as conn:
            return await actor_store.by_uri(conn, uri)

    def _is_fresh(self, actor: Actor, max_age: timedelta) -> bool:
        return actor.fetched_at is not None and self.here.now() - actor.fetched_at < max_age

    async def _single_flight(self, key: str, fetch: Callable[[], Awaitable[Actor]]) -> Actor:
        """One `fetch` at a time of the same. It looks again at what is known before it asks:
        whoever looked earlier may come here only after another's flight has landed."""
        task = self._flights.get(key)
        if task is None:
            task = asyncio.ensure_future(fetch())
            self._flights[key] = task
            task.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(task)

    async def _fetch_actor(self, uri: str, max_age: timedelta) -> Actor:
        known = await self._known(uri)
        if known is not None and self._is_fresh(known, max_age):
            return known
        found = ActorDocument.parse(await self.document(uri))
        if found.id != uri:
            raise Malformed("That address shows another actor.")
        keys.load_public_key(found.public_key)
        async with self.engine.begin() as conn:
            return await store(conn, self.here, found)

    def remembered_owner(self, key_id: str) -> Actor | None:
        """Whom the key belonged to when it was last looked up here.

        It may have changed since: whoever acts on it must hold it against the database as it does.
        """
        return self._owners.get(key_id)

    def remember_owner(self, owner: Actor) -> None:
        """Spare the next look-up of this actor's key."""
        self._owners[owner.key_id] = owner
        while len(self._owners) > _OWNERS:
            self._owners.popitem(last=False)

    def forget_owner(self, owner: Actor) -> None:
        """It is not so any more."""
        self._owners.pop(owner.key_id, None)

    async def key_owner(self, key_id: str, *, refresh: bool = False) -> Actor:
        """The owner of `key_id`, who lists it (WIRE-S18, WIRE-S20, WIRE-S21; SEC-S16, SEC-S17).

        Raises Unproven: nobody shows that key. Raises Gone: its owner is gone.
        Raises Unreachable: the key's server does not answer; a while later it may.
        """
        known = await self._known_owner(key_id)
        if known is not None and not refresh:
            return known
        if self._failed_lately(key_id):
            if known is not None:
                return known
            raise Unproven("That key could not be found a moment ago.")
        if refresh:
            self._remember_failure(key_id)
        try:
            async with asyncio.timeout(KEY_SECONDS):
                return await self._single_flight(key_id, lambda: self._fetch_key(key_id, refresh))
        except TimeoutError as error:
            raise Unreachable("timeout") from error
        except (Malformed, NotFound, Unproven) as error:
            self._remember_failure(key_id)
            raise Unproven("Nobody shows that key as their own.") from error

    async def _known_owner(self, key_id: str) -> Actor | None:
        async with self.engine.connect() as conn:
            return await actor_store.by_key_id(conn, key_id)

    async def _fetch_key(self, key_id: str, refresh: bool) -> Actor:
        known = None if refresh else await self._known_owner(key_id)
        if known is not None:
            return known
        owner_uri = key_id.partition("#")[0]
        document = await self.document(owner_uri)
        owner = document.get("owner")
        if isinstance(owner, str) and "publicKeyPem" in document:  # a bare key document
            if document.get("id") != key_id:
                raise Unproven("That address shows another key.")
            document = await self.document(owner)
        found = ActorDocument.parse(document)
        if found.key_id != key_id:
            raise Unproven("The owner does not list that key.")
        keys.load_public_key(found.public_key)
        async with self.engine.begin() as conn:
            return await store(conn, self.here, found)

    def _failed_lately(self, key_id: str) -> bool:
        failed = self._failed.get(key_id)
        return failed is not None and self.here.now() - failed < KEY_RETRY

    def _remember_failure(self, key_id: str) -> None:
        while len(self._failed) >= _REMEMBERED:
            self._failed.pop(next(iter(self._failed)))
        self._failed[key_id] = self.here.now()

    async def new_inbox(self, inbox: str) -> str | None:
        """Where to send now what an inbox does not take any more, or None (WIRE-Q10).

        Asks for the actors behind it, a few at a time: who is gone is closed, and nobody else.
        """
        async with self.engine.connect() as conn:
            behind = await actor_store.behind_inbox(conn, inbox, limit=_ASKED_AGAIN)
        moved: str | None = None
        for actor in behind:
            try:
                found = await self.actor(actor.uri, max_age=timedelta(0))
            except Gone:
                async with self.engine.begin() as conn:
                    await close(conn, actor.id)
            except (Malformed, NotFound):
                log.info("actor=%s shows nothing we can read", actor.id)
            else:
                if found.delivery_inbox != inbox:
                    moved = found.delivery_inbox
        return moved

    async def note(self, uri: str) -> Note:
        """The post at `uri`. Raises: as `document`."""
        note = Note.parse(await self.document(uri))
        if note.id != uri:
            raise Malformed("That address shows another post.")
        return note

    async def is_gone(self, uri: str) -> bool:
        """Whether the post's own server says that it is deleted (WIRE-G17).

        Raises Unreachable: it does not answer, so nothing is known.
        """
        try:
            document = await self.document(uri)
        except (Gone, NotFound):
            return True
        return document.get("type") == "Tombstone"


async def store(conn: AsyncConnection, here: Here, found: ActorDocument) -> Actor:
    """Keep what an actor's own server says about it.

    Raises Malformed: it claims to be one of ours (SEC-S6, SEC-S19), or its key id is another's.
    """
    if here.is_local(found.id) or here.is_local(found.key_id):
        raise Malformed("That actor claims to live here.")
    values = {
        "uri": found.id,
        "kind": found.kind,
        "local": False,
        "handle": found.handle,
        "host": host_of(found.id),
        "name": found.name,
        "summary": found.summary,
        "url": found.url,
        "inbox": found.inbox,
        "shared_inbox": found.shared_inbox,
        "followers_uri": found.followers,
        "moderators_uri": found.moderators,
        "locked": found.locked,
        "key_id": found.key_id,
        "public_key": found.public_key,
        "ed25519": found.ed25519,
        "fetched_at": here.now(),
    }
    other = await actor_store.by_key_id(conn, found.key_id)
    if other is not None and other.uri != found.id:
        raise Malformed("That key belongs to somebody else.")
    row = (
        await conn.execute(
            insert(actors)
            .values(id=random_uuid(), **values)
            .on_conflict_do_update(index_elements=["uri"], set_=values, where=~actors.c.local)
            .returning(*columns())
        )
    ).first()
    if row is None:
        raise Malformed("That actor claims to live here.")
    await conn.execute(
        insert(peers)
        .values(
            host=values["host"], next_attempt=here.now(), wrapped=True if found.wrapped else None
        )
        .on_conflict_do_update(
            index_elements=["host"],
            set_={
                "wrapped": sa.func.coalesce(
                    sa.literal(True if found.wrapped else None, sa.Boolean), peers.c.wrapped
                )
            },
        )
    )
    return Actor.of(row)


async def close(conn: AsyncConnection, actor_id: UUID) -> None:
    """An actor elsewhere is gone: it follows nobody, and its name stays beside what it said."""
    await conn.execute(
        sa.delete(follows).where(
            sa.or_(follows.c.follower_id == actor_id, follows.c.followed_id == actor_id)
        )
    )
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == actor_id, ~actors.c.local)
        .values(state=ActorState.CLOSED, summary="", source="")
    )


async def speaks_wrapped(conn: AsyncConnection, host: str) -> None:
    """A host sent a wrapped Announce, or its follower is a group: it reads them too (WIRE 3.5)."""
    await conn.execute(sa.update(peers).where(peers.c.host == host).values(wrapped=True))


def is_group_like(actor: Actor) -> bool:
    """Followers that are groups or relays read FEP-1b12 (WIRE-G4)."""
    return actor.kind in (ActorKind.GROUP, ActorKind.APPLICATION)
