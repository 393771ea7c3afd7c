"""Before a handler runs: read what it will need, with no transaction open (STYLE, step 2)."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import actors as actor_store
from activitypub import nodeinfo, proofs
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.notes import Note
from activitypub.remote import Remote
from activitypub.vocab import Activity, ActivityKind, id_of, kind_of, uris_of
from groups import groups as group_store
from groups import posts as post_store
from groups import threads
from groups.groups import Group
from inbox import approval, authenticity, direct, directed, relocation
from inbox.arrival import Gathered
from inbox.authenticity import own_note
from inbox.listing import Lister
from kernel.errors import Gone, NotAllowed, NotFound, Problem, TooMany
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.urls import host_of, same_origin
from moderation import domains

MAX_CLIMB = 50  # WIRE-G45

_AT_ONCE = timedelta(0)
_ACTORS = {kind.value for kind in ActorKind}
_DECISIONS = frozenset(
    {ActivityKind.ADD, ActivityKind.BLOCK, ActivityKind.LOCK, ActivityKind.REMOVE}
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A post and those of its ancestors that were read, oldest first, and what is above them."""

    notes: tuple[Note, ...]
    known: str | None = None  # an ancestor that is here
    lost: str | None = None  # or one that its own server no longer has

    @property
    def is_circle(self) -> bool:
        """Whether the topmost answers one below it."""
        return self.notes[0].parent in {note.id for note in self.notes}


@dataclass(slots=True)
class Gatherer:
    """Reads for one activity; `remote` has its budget."""

    engine: AsyncEngine
    here: Here
    remote: Remote
    people: dict[str, Actor] = field(default_factory=dict)

    async def person(self, uri: str) -> Actor:
        """An actor, fetched where unknown. Raises NotAllowed: its domain is blocked."""
        if uri not in self.people:
            async with self.engine.connect() as conn:
                if await domains.is_blocked(conn, host_of(uri)):
                    raise NotAllowed("This node does not talk with that domain.")
                known = await actor_store.by_uri(conn, uri)
            if known is None:
                if self.here.is_local(uri):
                    raise NotFound
                known = await self.remote.actor(uri)
            self.people[uri] = known
        return self.people[uri]

    async def note(self, uri: str) -> Note:
        """A post from its own server, its author proven by that (WIRE-G14)."""
        if self.here.is_local(uri):
            raise NotFound
        async with self.engine.connect() as conn:
            if await domains.is_blocked(conn, host_of(uri)):
                raise NotAllowed("This node does not talk with that domain.")
        note = await self.remote.note(uri)
        await self.person(note.author)
        return note

    async def is_proven(self, activity: Activity, *, whole: bool = False) -> bool:
        """Whether its author's own proof is on it, the first rung of the ladder (WIRE-G14).

        That is on the activity, or unless the `whole` is asked for, on the post inside: then what
        is said is proven, and not to whom the activity was sent.
        """
        parts = [(activity.document, "actor")]
        if activity.embedded is not None and not whole and activity.kind != ActivityKind.DELETE:
            parts.append((activity.embedded, "attributedTo"))
        for document, owner in parts:
            if proofs.carries_one(document) and id_of(document.get(owner)) == activity.actor:
                author = await self.person(activity.actor)
                if await authenticity.is_proven(self.remote, document, author):
                    return True
        return False

    async def is_known(self, uri: str) -> bool:
        async with self.engine.connect() as conn:
            return await post_store.by_uri(conn, uri) is not None

    async def is_missing(self, uri: str) -> bool:
        """Whether a post is not here, or only its place."""
        async with self.engine.connect() as conn:
            post = await post_store.by_uri(conn, uri)
        return post is None or post.stands_in

    async def chain(self, note: Note) -> Chain:
        """`note` and its ancestors up to one that is known here, or lost.

        Safe against cycles and endless chains (WIRE-G45, SEC-D5).
        """
        notes, seen = [note], {note.id}
        parent = note.parent
        while parent is not None and len(notes) <= MAX_CLIMB and parent not in seen:
            if await self.is_known(parent):
                return Chain(tuple(reversed(notes)), known=parent)
            seen.add(parent)
            try:
                found = await self.note(parent)
            except (Gone, NotFound):
                return Chain(tuple(reversed(notes)), lost=parent)
            notes.append(found)
            parent = found.parent
        return Chain(tuple(reversed(notes)))

    async def beginning(self, context: str) -> Note | None:
        """The first post of a thread elsewhere that is new here, as its group lists it.

        None: the thread is known, or that post cannot be read.
        """
        async with self.engine.connect() as conn:
            if await threads.is_known(conn, context):
                return None
        with suppress(Problem, Unreachable):
            listed = await Lister(self.remote, pages=1).members(await self.remote.document(context))
            for uri in list(listed)[:1]:
                note = await self.note(uri)
                return note if note.parent is None else None
        return None

    async def moderates(self, actor_uri: str, group: Group) -> bool:
        """Whether a group elsewhere lists the actor, or the actor is on its server (WIRE-G17)."""
        if same_origin(actor_uri, group.actor.uri):
            return True
        if group.actor.moderators_uri is None:
            return False
        document = await self.remote.document(group.actor.moderators_uri)
        return actor_uri in uris_of(document.get("orderedItems"))

    async def above(self, note: Note) -> tuple[Chain, bool]:
        """`note` and its ancestors up to one known here, and whether one between is coming here.

        That is one that says that it is for somebody of ours, or whose server does not answer.
        Other unreadable ancestors end the climb. Raises NotAllowed: they are a circle.
        """
        try:
            chain = await self.chain(note)
        except (Unreachable, TooMany):
            return Chain((note,)), True
        except Problem:
            return Chain((note,)), False
        if chain.is_circle:
            raise NotAllowed("It hangs on posts in a circle.")
        between = chain.notes[:-1]
        return chain, any(self.here.is_local(uri) for n in between for uri in n.recipients)


async def gather(
    engine: AsyncEngine,
    here: Here,
    remote: Remote,
    activity: Activity,
    group: Group | None,
    note: Note | None = None,
    context: str | None = None,
    author: Actor | None = None,
) -> Gathered:
    """Everything the handler of `activity` needs from other servers.

    With a `group` the activity came inside its Announce: nothing in it is believed that its author
    did not prove, and posts are read from their own server (WIRE-G14, WIRE-G17; SEC-S26), unless
    `note` was read there already. `context` is what the group calls the thread. The `author` of
    what somebody else forwarded is known already.
    Raises Problem, Unreachable: it could not be had.
    """
    it = Gatherer(engine, here, remote)
    if author is not None:
        it.people[author.uri] = author
    kind = activity.kind
    if group is None and kind in (ActivityKind.FOLLOW, ActivityKind.CREATE):
        await nodeinfo.learn(engine, here, remote, host_of(activity.actor))
    if group is None and directed.is_between_desks(here, activity.document):
        return Gathered()
    if kind in (ActivityKind.CREATE, ActivityKind.UPDATE):
        return await _gather_said(it, activity, note, context, by_group=group is not None)
    if kind == ActivityKind.ACCEPT and group is None:
        return Gathered(approval=await approval.read(engine, here, remote, activity))
    if kind == ActivityKind.MOVE and activity.object == activity.actor:
        return await _gather_move(it, activity) if group is None else Gathered()
    if kind == ActivityKind.MOVE:
        return await _gather_relocation(it, activity, group)
    is_ban = kind == ActivityKind.BLOCK and (activity.target or group is not None)
    if is_ban and activity.object and not here.is_local(activity.object):
        await it.person(activity.object)
    if group is None:
        return Gathered(people=it.people)
    gone = kind == ActivityKind.DELETE and (
        await it.is_proven(activity) or await authenticity.is_gone(remote, activity)
    )
    moderates = _decides(activity) and await it.moderates(activity.actor, group)
    return Gathered(people=it.people, gone=gone, moderates=moderates)


def _decides(activity: Activity) -> bool:
    """Whether only a moderator may do that; a Delete by one says why, if in no words (WIRE-G34)."""
    if activity.kind == ActivityKind.UNDO:
        return activity.inner_kind == ActivityKind.DELETE or activity.inner_kind in _DECISIONS
    if activity.kind == ActivityKind.DELETE:
        return "summary" in activity.document
    return activity.kind in _DECISIONS


async def _gather_said(
    it: Gatherer,
    activity: Activity,
    note: Note | None,
    context: str | None,
    *,
    by_group: bool,
) -> Gathered:
    uri = activity.object_uri
    if activity.embedded is not None and kind_of(activity.embedded) in _ACTORS:
        it.people[uri] = await _renewed(it, uri)
        return Gathered(people=it.people)
    if it.here.is_local(uri):
        return Gathered(people=it.people)
    if note is not None:
        await it.person(note.author)
    elif not by_group and activity.embedded is not None:
        note = own_note(activity)
    elif by_group and activity.kind == ActivityKind.CREATE and not await it.is_missing(uri):
        return Gathered(people=it.people)
    elif by_group and activity.embedded is not None and await it.is_proven(activity):
        note = own_note(activity)
    else:
        note = await it.note(uri)
        authenticity.check_author(activity.actor, note.author)
    if not by_group and direct.is_for_one(it.here, activity, note, activity.embedded):
        return Gathered(notes=(note,), people=it.people)  # what it answers is nobody's matter
    if by_group:
        chain = await it.chain(note)
        return Gathered(
            notes=chain.notes,
            people=it.people,
            ancestor=chain.known,
            lost=chain.lost,
            beginning=await it.beginning(context) if chain.lost and context else None,
        )
    chain, coming = await it.above(note) if note.parent else (Chain((note,)), False)
    return Gathered(notes=chain.notes, people=it.people, ancestor=chain.known, coming=coming)


async def _gather_move(it: Gatherer, activity: Activity) -> Gathered:
    """The new address, as its own server shows it now: an older copy proves nothing (SEC-S27)."""
    target = activity.target
    if target is None:
        raise NotAllowed("That leads nowhere.")
    if it.here.is_local(target):
        return await _gather_move_here(it, activity, target)
    async with it.engine.connect() as conn:
        if await domains.is_blocked(conn, host_of(target)):
            raise NotAllowed("This node does not talk with that domain.")
    found, also_known_as = await it.remote.actor_now(target)
    it.people[target] = found
    return Gathered(people=it.people, moved=activity.actor in also_known_as)


async def _gather_move_here(it: Gatherer, activity: Activity, target: str) -> Gathered:
    """A group of ours, whose founders say which group it was (`groups/new_host.py`)."""
    async with it.engine.connect() as conn:
        found = await actor_store.by_uri(conn, target)
        if found is None or found.kind is not ActorKind.GROUP:
            raise NotAllowed("Nobody moves to this server but groups.")
        group = await group_store.get(conn, found.id)
    it.people[target] = found
    return Gathered(people=it.people, moved=bool(group.was) and group.was == activity.actor)


async def _gather_relocation(it: Gatherer, activity: Activity, group: Group | None) -> Gathered:
    """Where a thread of a group elsewhere goes, and who says so (FEP-f15d, WIRE-G36).

    A `group` that passes the Move on is asked whether the actor may; the thread's author may as
    well. Without one, the thread's own server has to show it under its new group: nobody but that
    server is believed about two groups of it (FEP-fe34).
    """
    target = activity.target
    async with it.engine.connect() as conn:
        root = await relocation.find(conn, activity.object_uri)
        if root is None or target is None:
            return Gathered()
        home = await group_store.get(conn, root.group_id)
        within = await relocation.is_within(conn, root, target)
    if home.settings is not None or it.here.is_local(target):
        return Gathered()
    if within:
        its_own = group is not None and group.id == home.id
        return Gathered(moderates=its_own and await it.moderates(activity.actor, home))
    shown = False
    if group is None:
        on_one = (home.actor.uri, target, root.thread_uri)
        if not all(same_origin(activity.actor, uri) for uri in on_one):
            return Gathered()
        document = await it.remote.document(root.thread_uri)
        owners = [uris_of(document.get(name)) for name in ("audience", "attributedTo")]
        moderates = shown = any(target in uris for uris in owners)
    else:
        moderates = activity.actor == root.author_uri or await it.moderates(activity.actor, home)
    await it.person(target)
    return Gathered(people=it.people, moved=shown, moderates=moderates)


async def _renewed(it: Gatherer, uri: str) -> Actor:
    """An actor's own new document, from its own server (SEC-S18)."""
    if it.here.is_local(uri):
        raise NotAllowed("That actor lives here.")
    return await it.remote.actor(uri, max_age=_AT_ONCE)
