"""Actors of other servers: reading their documents, keeping them, finding their keys (WIRE 4.5).

The fetching functions open short connections of their own and never one around the network.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Self, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import keys, schemes
from activitypub.actors import Actor, columns
from activitypub.client import (
    KEY_CONTEXTS,
    MAX_DOCUMENT,
    Answer,
    Budget,
    Client,
    Signer,
    Unreachable,
    has_context,
)
from activitypub.keys import KeyPair
from activitypub.lately import Lately
from activitypub.notes import Note
from activitypub.pace import Pace
from activitypub.schemes import Schemes
from activitypub.signatures import Replays
from activitypub.vocab import AS2, ActorDocument, Document
from kernel.errors import Gone, Malformed, NotFound, TooMany, Unproven
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.federation import Scheme
from kernel.schema.tables import (
    actors,
    follows,
    moderators,
    peers,
    severed_follows,
    severed_moderators,
    stops,
)
from kernel.urls import host_of, parse, parse_id, same_origin

FRESH = timedelta(days=1)
KEY_RETRY = timedelta(minutes=10)
KEY_LONGEST = timedelta(days=1)
KEY_SECONDS = 4
OWN_KEYS = timedelta(minutes=1)
_OF_STUBS = ("inbox", "shared_inbox", "key_id", "public_key", "ed25519", "ed25519_id")
_OWNERS = 4_000  # key ids, of two for most; about 2 KiB for each of their owners
_ASKED_AGAIN = 5

log = logging.getLogger(__name__)

_Found = TypeVar("_Found")


@dataclass(slots=True)
class Remote:
    """Reads other servers' documents, signed by the instance actor, within budgets."""

    client: Client
    engine: AsyncEngine
    here: Here
    budget: Budget
    pace: Pace
    payer: str | None = None  # the server whose activity makes us read this
    replays: Replays = field(default_factory=Replays)
    schemes: Schemes = field(default_factory=Schemes)
    _own_keys: list[tuple[datetime, KeyPair]] = field(default_factory=list)  # one, once known
    unfound: Lately = field(default_factory=partial(Lately, KEY_RETRY, KEY_RETRY))  # names
    _flights: dict[str, asyncio.Task[Actor]] = field(default_factory=dict)
    _failed: Lately = field(default_factory=partial(Lately, KEY_RETRY, KEY_LONGEST))
    _renewed: Lately = field(default_factory=partial(Lately, KEY_RETRY, KEY_RETRY))
    _owners: OrderedDict[str, Actor] = field(default_factory=OrderedDict)

    async def document(self, uri: str, *, digest: str = "") -> Document:
        """The document at `uri`, believed because its own server gave it (WIRE 4.9).

        Raises Gone, NotFound, Malformed, Unreachable, TooMany. Raises Unchanged: it is a collection
        that still has the members of `digest`.
        """
        return await self._document(uri, (AS2,), digest)

    async def answer(self, url: str, *, accept: str, limit: int = MAX_DOCUMENT) -> Answer:
        """Whatever is at `url`, asked for as `document` asks. Raises Malformed, Unreachable."""

        async def ask(signer: Signer) -> Answer:
            found = await self.client.get(
                url, accept=accept, signer=signer, budget=self.budget, limit=limit
            )
            if found.status in schemes.REFUSED:
                raise Unreachable(f"status {found.status}", status=found.status)
            return found

        return await self._knock(url, ask)

    async def confirmed(self, uri: str, answer: Answer) -> Document:
        """The document that came as `answer`. Raises: as `document`."""
        return await self._knock(
            uri,
            lambda signer: self.client.confirmed(uri, answer, signer=signer, budget=self.budget),
        )

    async def _document(self, uri: str, contexts: Collection[str], digest: str = "") -> Document:
        return await self._knock(
            uri,
            lambda signer: self.client.fetch_document(
                uri, signer=signer, budget=self.budget, contexts=contexts, digest=digest
            ),
        )

    async def _knock(self, uri: str, ask: Callable[[Signer], Awaitable[_Found]]) -> _Found:
        """Signed by the node itself (WIRE-S24); where that is refused, in the other way once more.

        Raises: as `document`.
        """
        host = parse(uri, allow_http=True, allow_fragment=True).netloc
        today = self.here.now().date()
        first = self.schemes.of(host, today) or Scheme.CAVAGE
        try:
            return await ask(await self._signer(first))
        except Unreachable as error:
            if error.status not in schemes.REFUSED:
                raise
            self._own_keys.clear()  # they may have changed
            refused = error
        try:
            found = await ask(await self._signer(schemes.other(first)))
        except Unreachable as error:
            if error.status not in schemes.REFUSED:
                raise
            self.schemes.forget(host)
            raise refused from error
        self.schemes.note(host, schemes.other(first), today)
        return found

    async def _signer(self, scheme: Scheme) -> Signer:
        return schemes.signer(scheme, await self._keys(), f"{self.here.origin}/", self.here.now)

    async def _key_document(self, uri: str, contexts: Collection[str]) -> Document:
        """As `document`; where no signature is taken, once without (WIRE-S20).

        Servers that ask for signatures show their keys to everybody, or two of them could never
        meet (WIRE-A21).
        """
        try:
            return await self._document(uri, contexts)
        except Unreachable as error:
            if error.status != 401:
                raise
        return await self.client.fetch_document(uri, budget=self.budget, contexts=contexts)

    def for_activity(self, payer: str | None = None) -> Self:
        """The same, with what one activity may cause to be fetched; all it knows is shared.

        Whoever is met because of it counts as introduced by the host that signed it, the `payer`.
        """
        return replace(self, budget=self.budget.for_activity(), payer=payer)

    def for_refresh(self) -> Self:
        """The same, with what reading a thread anew may cause to be fetched."""
        return replace(self, budget=self.budget.for_refresh())

    async def _keys(self) -> KeyPair:
        """The node's own keys, read again every minute: they may be changed beside us."""
        now = self.here.now()
        if not self._own_keys or now - self._own_keys[0][0] > OWN_KEYS:
            async with self.engine.connect() as conn:
                node = await actor_store.by_uri(conn, f"{self.here.origin}/")
                if node is None:
                    raise NotFound
                pair = await actor_store.signing_keys(conn, self.here, node.id)
            self._own_keys[:] = [(now, pair)]
        return self._own_keys[0][1]

    async def actor(self, uri: str, *, max_age: timedelta = FRESH) -> Actor:
        """The actor `uri`, fetched where unknown or older than `max_age`; one fetch at a time.

        A known actor whose server is away is served from what we have. Raises: as `document`.
        """
        parse_id(uri)
        known = await self._known(uri)
        if known is not None and (known.local or self._is_fresh(known, max_age)):
            return known
        try:
            return await self._single_flight(uri, lambda: self._fetch_actor(uri, max_age))
        except (Unreachable, TooMany):
            if known is None:
                raise
            return known

    async def actor_now(self, uri: str) -> tuple[Actor, tuple[str, ...]]:
        """The actor as its own server shows it at this moment, and whom it says it also is.

        Raises: as `document`; what is known already does not help (SEC-S27).
        """
        async with self._meeting(await self._known(uri)):
            found = await self._actor_document(uri)
            keys.load_public_key(found.public_key)
            async with self.engine.begin() as conn:
                return await store(conn, self.here, found), found.also_known_as

    async def back_again(self, actor: Actor) -> Actor:
        """Somebody who was gone signs: they are back if their own server shows them (SEC-S20).

        Who was stopped here before is stopped still.
        Raises Gone: it does not, or did not lately. Raises Unreachable, TooMany: it cannot be told.
        """
        now = self.here.now()
        if self._renewed.rests(actor.uri, now):
            raise Gone
        try:
            async with asyncio.timeout(KEY_SECONDS):
                found, _ = await self.actor_now(actor.uri)
        except TimeoutError as error:
            raise Unreachable("timeout") from error
        except (Gone, Malformed, NotFound) as error:
            self._renewed.note(actor.uri, now)
            raise Gone from error
        async with self.engine.begin() as conn:
            stopped = sa.exists().where(stops.c.actor_id == actors.c.id)
            await conn.execute(
                sa.update(actors)
                .where(actors.c.id == found.id, actors.c.state == ActorState.CLOSED)
                .values(state=sa.case((stopped, ActorState.SUSPENDED), else_=ActorState.ACTIVE))
            )
            return await actor_store.get(conn, found.id)

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
        async with self._meeting(known):
            return await self.keep(await self._actor_document(uri))

    def _meeting(self, known: Actor | None) -> AbstractAsyncContextManager[None]:
        """Whoever is new counts as introduced by the payer, if there is one. Raises TooMany."""
        if known is None and self.payer is not None:
            return self.pace.introducing(self.payer)
        return nullcontext()

    async def _actor_document(self, uri: str) -> ActorDocument:
        found = ActorDocument.parse(await self.document(uri))
        if found.id != uri:
            raise Malformed("That address shows another actor.")
        return found

    async def keep(self, found: ActorDocument) -> Actor:
        """Store an actor whose RSA key can be believed (SEC-S28), and what its server reads.

        Its document came from its own server. Raises Malformed: as `store`.
        """
        keys.load_public_key(found.public_key)
        if found.reads is not None:
            self._hint(host_of(found.id), found.reads)
        async with self.engine.begin() as conn:
            return await store(conn, self.here, found)

    async def reads_rfc9421(self, host: str) -> None:
        """A host has signed something that way, so it may be answered that way (WIRE-S32)."""
        if self._hint(host, Scheme.RFC9421):
            today = self.here.now().date()
            async with self.engine.begin() as conn:
                await conn.execute(
                    sa.update(peers)
                    .where(peers.c.host == host, _open_to_hints(Scheme.RFC9421, today))
                    .values(scheme=Scheme.RFC9421, scheme_day=today)
                )

    def _hint(self, host: str, scheme: Scheme) -> bool:
        """Remember what a host reads, where nothing was known of it."""
        today = self.here.now().date()
        if self.schemes.of(host, today) is not None:
            return False
        self.schemes.note(host, scheme, today)
        return True

    def remembered_owner(self, key_id: str) -> Actor | None:
        """Whom the key belonged to when it was last looked up here.

        It may have changed since: whoever acts on it must hold it against the database as it does.
        """
        return self._owners.get(key_id)

    def remember_owner(self, owner: Actor) -> None:
        """Spare the next look-up of this actor's keys, once they count as introduced."""
        if self.pace.awaits_proof(owner.uri):
            return
        self._owners.update(dict.fromkeys(owner.key_ids, owner))
        while len(self._owners) > _OWNERS:
            self._owners.popitem(last=False)

    def forget_owner(self, owner: Actor) -> None:
        """It is not so any more."""
        for key_id in owner.key_ids:
            self._owners.pop(key_id, None)

    async def key_owner(self, key_id: str, *, refresh: bool = False, urgent: bool = False) -> Actor:
        """The owner of `key_id`, who lists it (WIRE-S18, WIRE-S20, WIRE-S21; SEC-S16, SEC-S17).

        Raises Unproven: nobody shows that key. Raises Gone: its owner is gone.
        Raises Unreachable: the key's server does not answer; a while later it may.
        Raises TooMany, unless it is `urgent`: its server has introduced as many actors as it may.
        """
        known = await self._known_owner(key_id)
        if known is not None and not refresh:
            return known
        now = self.here.now()
        if known is not None and self._renewed.rests(key_id, now):
            return known
        if known is None and self._failed.rests(key_id, now):
            raise Unproven("That key could not be found a moment ago.")
        if known is None and not urgent:
            await self.pace.check_introducing(host_of(key_id))
        if refresh:
            self._renewed.note(key_id, now)
        try:
            async with asyncio.timeout(KEY_SECONDS):
                owner = await self._single_flight(key_id, lambda: self._fetch_key(key_id, refresh))
        except TimeoutError as error:
            raise Unreachable("timeout") from error
        except (Malformed, NotFound, Unproven) as error:
            self._remember_failure(key_id)
            raise Unproven("Nobody shows that key as their own.") from error
        self._failed.forget(key_id)
        return owner

    async def _known_owner(self, key_id: str) -> Actor | None:
        async with self.engine.connect() as conn:
            return await actor_store.by_key_id(conn, key_id)

    async def _fetch_key(self, key_id: str, refresh: bool) -> Actor:
        known = None if refresh else await self._known_owner(key_id)
        if known is not None:
            return known
        document = await self._key_document(key_id.partition("#")[0], KEY_CONTEXTS)
        if (owner := _owner_of_bare_key(document, key_id)) is not None:
            document = await self._key_document(owner, (AS2,))
        elif not has_context(document, (AS2,)):
            raise Malformed("That document has no context we know.")
        found = ActorDocument.parse(document)
        if key_id not in (found.key_id, found.ed25519_id):
            raise Unproven("The owner does not list that key.")
        if await self._known(found.id) is None:
            self.pace.await_proof(found.id)
        return await self.keep(found)

    def _remember_failure(self, key_id: str) -> None:
        self._failed.note(key_id, self.here.now())

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


def _owner_of_bare_key(document: Document, key_id: str) -> str | None:
    """Whose a key says that it is, where the document is a key and no actor (WIRE-S18).

    Raises Unproven: it is another key than the one that was asked for (SEC-S17), or somebody's on
    another server.
    """
    for owner_name, key_name in (("owner", "publicKeyPem"), ("controller", "publicKeyMultibase")):
        owner = document.get(owner_name)
        if isinstance(owner, str) and key_name in document:
            if document.get("id") != key_id or not same_origin(owner, key_id):
                raise Unproven("That address shows another key.")
            return owner
    return None


def _open_to_hints(scheme: Scheme, today: date) -> sa.ColumnElement[bool]:
    """SQL: of a peer nothing else is known that it took itself, and lately (WIRE-S32)."""
    return sa.or_(
        peers.c.scheme.is_(None),
        peers.c.scheme == scheme,
        peers.c.scheme_day < today - schemes.KEPT,
    )


async def store(conn: AsyncConnection, here: Here, found: ActorDocument) -> Actor:
    """Keep what an actor's own server says about it; of a stub, the key (WIRE-A21).

    Raises Malformed: it claims to be one of ours (SEC-S6, SEC-S19), or its key id is another's.
    """
    ids = [found.id, found.key_id, *([found.ed25519_id] if found.ed25519_id else [])]
    if any(here.is_local(each) for each in ids):
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
        "featured_uri": found.featured,
        "locked": found.locked,
        "members_only": found.members_only,
        "key_id": found.key_id,
        "public_key": found.public_key,
        "ed25519": found.ed25519,
        "ed25519_id": found.ed25519_id,
        "fetched_at": here.now() if found.whole else None,
    }
    changes = values if found.whole else {name: values[name] for name in _OF_STUBS}
    for key_id in ids[1:]:
        other = await actor_store.by_key_id(conn, key_id)
        if other is not None and other.uri != found.id:
            raise Malformed("That key belongs to somebody else.")
    row = (
        await conn.execute(
            insert(actors)
            .values(id=random_uuid(), **values)
            .on_conflict_do_update(index_elements=["uri"], set_=changes, where=~actors.c.local)
            .returning(*columns())
        )
    ).first()
    if row is None:
        raise Malformed("That actor claims to live here.")
    await _note_peer(conn, here, found)
    return Actor.of(row)


async def _note_peer(conn: AsyncConnection, here: Here, found: ActorDocument) -> None:
    """What an actor says that its server reads: wrapped Announces, signatures (FEP-844e)."""
    today = here.now().date()
    wrapped = sa.literal(True if found.wrapped else None, sa.Boolean)
    changes: dict[str, object] = {"wrapped": sa.func.coalesce(wrapped, peers.c.wrapped)}
    if found.reads is not None:
        hinted = _open_to_hints(found.reads, today)
        changes["scheme"] = sa.case((hinted, found.reads), else_=peers.c.scheme)
        changes["scheme_day"] = sa.case((hinted, today), else_=peers.c.scheme_day)
    await conn.execute(
        insert(peers)
        .values(
            host=host_of(found.id),
            next_attempt=here.now(),
            wrapped=True if found.wrapped else None,
            scheme=found.reads,
            scheme_day=today if found.reads else None,
        )
        .on_conflict_do_update(index_elements=["host"], set_=changes)
    )


async def close(conn: AsyncConnection, actor_id: UUID) -> None:
    """An actor elsewhere is gone: it follows nobody and looks after no group.

    Its name stays beside what it said, and so does that it is stopped, should it ever come back.
    """
    await conn.execute(
        sa.delete(follows).where(
            sa.or_(follows.c.follower_id == actor_id, follows.c.followed_id == actor_id)
        )
    )
    await conn.execute(sa.delete(moderators).where(moderators.c.actor_id == actor_id))
    await conn.execute(
        sa.delete(severed_follows).where(
            sa.or_(
                severed_follows.c.follower_id == actor_id,
                severed_follows.c.followed_id == actor_id,
            )
        )
    )
    await conn.execute(
        sa.delete(severed_moderators).where(severed_moderators.c.actor_id == actor_id)
    )
    stopped = sa.select(actors.c.id).where(
        actors.c.id == actor_id, ~actors.c.local, actors.c.state == ActorState.SUSPENDED
    )
    await conn.execute(insert(stops).from_select(["actor_id"], stopped).on_conflict_do_nothing())
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
