"""Threads made whole: what this node missed is read from where it lives (WIRE-G44 to WIRE-G46).

A thread in a group of another server holds what the group's own `context` lists: that list is the
group's word, as its Announces are. Where a group has none, and in groups of ours, the answers that
each post's own server lists are looked through. Whatever is found is read from its author's
server, hangs where its `inReplyTo` says, and is told to nobody.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import outbox
from activitypub.client import Unchanged, Unreachable
from activitypub.notes import Note
from activitypub.remote import Remote
from activitypub.vocab import PUBLIC
from groups import desk, threads
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from inbox import burials, refreshes, said
from inbox.arrival import Gathered
from inbox.gather import Chain, Gatherer
from inbox.listing import MAX_LISTED, Lister
from inbox.refreshes import Claim
from inbox.together import one_at_a_time
from kernel.arrays import any_of
from kernel.db import describe, is_away
from kernel.errors import Gone, NotAllowed, NotFound, Problem, TooMany
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.schema.tables import posts, tombstones
from kernel.urls import same_origin
from moderation import circles, domains

log = logging.getLogger(__name__)

MAX_POSTS = 40  # that are read elsewhere, in one reading
MAX_ANSWERS = 20  # of these, that only the posts' own servers name (SEC-D6)
MAX_NAMED = 3  # actors that a post names, asked whether they are its group
SECONDS = 120  # then the reading is given up


async def refresh_one(engine: AsyncEngine, here: Here, remote: Remote) -> bool:
    """Read the thread that is due. False: none is."""
    claimed = await refreshes.claim(engine, here)
    if claimed is None:
        return False
    try:
        await _deal_with(engine, here, remote, claimed)
    except Exception as error:
        if is_away(error):
            raise
        log.error("thread=%s attempt=%s %s", claimed.thread_id, claimed.attempts, describe(error))
        await refreshes.try_again(engine, here, claimed)
    return True


async def _deal_with(engine: AsyncEngine, here: Here, remote: Remote, claimed: Claim) -> None:
    if claimed.attempts > refreshes.TRIES:  # it ended whoever read it
        await refreshes.try_again(engine, here, claimed)
        return
    try:
        async with asyncio.timeout(SECONDS):
            whole = await refresh(engine, here, remote, claimed.thread_id)
    except (Unreachable, TooMany, TimeoutError):
        await refreshes.try_again(engine, here, claimed)
    except Problem:
        await refreshes.finish(engine, here, claimed)
    else:
        await (refreshes.finish if whole else refreshes.go_on)(engine, here, claimed)


async def refresh(engine: AsyncEngine, here: Here, remote: Remote, thread_id: int) -> bool:
    """Read a thread where it lives, and keep what was missing. False: there is more to read.

    At most 20 pages and 40 posts are asked for. Raises NotFound: there is no such thread, or its
    group's server is blocked. Raises Problem, Unreachable, TooMany: it could not be read.
    """
    async with engine.connect() as conn:
        root = await post_store.get(conn, thread_id)
        group = await group_store.get(conn, root.group_id)
        circle = group.settings is None and await circles.stands(conn, group.shared_with)
        if not (group.federates or circle) or await domains.is_blocked(conn, group.actor.host):
            raise NotFound
    it = Gatherer(engine, here, remote.for_refresh())
    reading = Reading(it, root, group, Lister(it.remote))
    listed = group.settings is None and same_origin(root.thread_uri, group.actor.uri)
    await (reading.by_list(root.thread_uri) if listed else reading.by_answers())
    return reading.ended


async def bring(
    engine: AsyncEngine, here: Here, remote: Remote, group: Group, uri: str, context: str | None
) -> Post:
    """Keep a post that a group elsewhere carries, with its ancestors; the rest of its thread later.

    The caller knows that the group carries it, and the `context` that the group gave its thread.
    The post is read from its own server. Raises Problem, Unreachable: it could not be had, or
    belongs nowhere in the group.
    """
    it = Gatherer(engine, here, remote)
    chain = await it.chain(await it.note(uri))
    found = Gathered(notes=chain.notes, people=it.people, ancestor=chain.known, lost=chain.lost)
    return await _begin(it, group, found, context)


async def open_thread(engine: AsyncEngine, here: Here, remote: Remote, note: Note) -> Post:
    """Keep the thread of a post that somebody asked for, as far as its group carries it.

    What else is in the thread is read at once, but later than this. The lowest post that could be
    kept comes back. Raises NotFound: it is in no group, its group does not show it, or that group
    is ours. Raises Problem, Unreachable: as `Remote.document`.
    """
    it = Gatherer(engine, here, remote)
    await it.person(note.author)
    chain = await it.chain(note)
    group = await _group_of(it, chain)
    notes = await _carried(it, group, chain)
    if not notes:
        raise NotFound
    found = Gathered(notes=notes, people=it.people, ancestor=chain.known)
    return await _begin(it, group, found, None)


async def _begin(it: Gatherer, group: Group, found: Gathered, context: str | None) -> Post:
    kept = await _keep(it, group, found, context)
    async with it.engine.begin() as conn:
        await refreshes.ask(conn, it.here, kept.thread_id)
    return kept


async def _group_of(it: Gatherer, chain: Chain) -> Group:
    """The group elsewhere that a thread says it is in. Raises NotFound: none."""
    top = chain.notes[0]
    async with it.engine.connect() as conn:
        if chain.known is not None and (known := await post_store.by_uri(conn, chain.known)):
            group = await group_store.get(conn, known.group_id)
            if group.settings is not None:
                raise NotFound
            return group
    if top.parent is not None:
        raise NotFound
    for uri in [uri for uri in (*top.recipients, *top.mentions) if uri != PUBLIC][:MAX_NAMED]:
        with suppress(Problem, Unreachable):
            actor = await it.person(uri)
            if actor.kind is ActorKind.GROUP and not actor.local:
                async with it.engine.connect() as conn:
                    return await group_store.get(conn, actor.id)
    raise NotFound


async def _carried(it: Gatherer, group: Group, chain: Chain) -> tuple[Note, ...]:
    """Of the posts from the top, those that the group's own server shows as part of a thread.

    Its list of the thread says so; where it has none, being on that server does.
    """
    context, home = chain.notes[0].context, group.actor.uri
    if context is None or not same_origin(context, home):
        return tuple(takewhile(lambda note: same_origin(note.id, home), chain.notes))
    lister = Lister(it.remote, pages=3)
    listed = await lister.members(await it.remote.document(context))
    return tuple(takewhile(lambda note: note.id in listed, chain.notes))


async def _keep(it: Gatherer, group: Group, found: Gathered, context: str | None) -> Post:
    async with it.engine.begin() as conn:
        await one_at_a_time(conn, [note.id for note in found.notes])
        kept = await said.mirror(conn, it.here, group, found, context)
        if context is not None and context != kept.thread_uri:
            await threads.settle_context(conn, kept.thread_id, context)
            kept = await post_store.get(conn, kept.id)
        return kept


@dataclass(slots=True)
class Reading:
    """One reading of a thread, within its numbers."""

    it: Gatherer
    root: Post
    group: Group
    lister: Lister
    posts: int = 0
    kept: int = 0  # posts that were missing here
    notes: dict[str, Note] = field(default_factory=dict)  # that were read, by id
    gone: set[str] = field(default_factory=set)  # that their own servers do not show
    left_out: bool = False  # something could not be read this time

    @property
    def cut(self) -> bool:
        """Whether something was left for another time."""
        return self.left_out or self.lister.cut

    @property
    def spent(self) -> bool:
        """Whether no further post can be read this time."""
        return self.posts >= MAX_POSTS or self.it.remote.budget.spent

    @property
    def ended(self) -> bool:
        """Whether another reading would bring no more than this one."""
        return not self.cut or not self.kept

    # A thread by the list of its group (WIRE-G42, WIRE-G43)

    async def by_list(self, context: str) -> None:
        """Keep what the group lists and this node has not, and let go what it lists no more."""
        async with self.it.engine.connect() as conn:
            _, digest = await threads.sum_up(conn, self.root.thread_id)
            mine = await threads.shown_uris(conn, self.root.thread_id, limit=MAX_LISTED)
        try:
            document = await self.it.remote.document(context, digest=digest)
        except Unchanged:
            return
        listed = await self.lister.members(document)
        complete = not self.cut and document.get("totalItems") == len(listed)
        wanted = await self._unknown(listed)
        for uri in wanted:
            await self._read(uri)
        for uri in wanted:
            if uri in self.notes:
                await self._place(uri, listed)
        if complete:
            await self._let_go([uri for _, uri in mine if uri not in listed])

    async def _unknown(self, uris: Iterable[str]) -> Sequence[str]:
        """Those that are elsewhere, and neither here nor taken back."""
        elsewhere = [uri for uri in uris if not self.it.here.is_local(uri)]
        async with self.it.engine.connect() as conn:
            known = set(await conn.scalars(_KNOWN, {"uris": elsewhere}))
        return [uri for uri in elsewhere if uri not in known]

    async def _read(self, uri: str) -> Note | None:
        """A post from its own server; None where there is none for us, or the numbers are spent."""
        if uri in self.notes:
            return self.notes[uri]
        if self.spent:
            self.left_out = True
            return None
        self.posts += 1
        try:
            self.notes[uri] = await self.it.note(uri)
        except (Unreachable, TooMany):
            self.left_out = True
        except (Gone, NotFound):
            self.gone.add(uri)
        except Problem:
            log.info("thread=%s a post cannot be read", self.root.thread_id)
        return self.notes.get(uri)

    async def _place(self, uri: str, listed: Container[str]) -> None:
        """Keep one that was read, below its parent, with those above it that were read too."""
        above = await self._above(uri)
        top = above[0].parent
        if top is None:
            return  # the beginning of another thread
        known = await self.it.is_known(top)
        lost = top in self.gone or (top not in listed and not self.cut)
        if not known and not lost:
            return  # it hangs on something that could not be read this time, or on itself
        found = Gathered(
            notes=tuple(above),
            people=self.it.people,
            ancestor=top if known else None,
            lost=None if known else top,
        )
        with suppress(Problem):
            await _keep(self.it, self.group, found, self.root.thread_uri)
            self.kept += 1

    async def _above(self, uri: str) -> Sequence[Note]:
        """The post and its ancestors among those that were read, topmost first, in no circle."""
        chain, seen = [self.notes[uri]], {uri}
        while (parent := chain[-1].parent) in self.notes and parent not in seen:
            if await self.it.is_known(parent):
                break
            seen.add(parent)
            chain.append(self.notes[parent])
        return chain[::-1]

    async def _let_go(self, uris: Sequence[str]) -> None:
        """What the group lists no more: taken back by its author, or else out of the group.

        Posts of ours stay: the group may not have come to them yet.
        """
        for uri in uris:
            if self.it.here.is_local(uri) or self.spent:
                continue
            self.posts += 1
            try:
                gone = await self.it.remote.is_gone(uri)
            except Problem:
                continue
            async with self.it.engine.begin() as conn:
                await one_at_a_time(conn, [uri])
                post = await post_store.by_uri(conn, uri)
                if post is None or not post.shown or post.group_id != self.group.id:
                    continue
                if gone:
                    await threads.erase(conn, post)
                    await outbox.forget(conn, uri)
                    await burials.keep(conn, self.it.here, uri)
                else:
                    await desk.remove(conn, self.it.here, self.group, self.group.actor, post, "")
            self.kept += 1

    # A thread by the answers that its posts' servers list (WIRE-G40)

    async def by_answers(self) -> None:
        """Keep the answers to posts from elsewhere that their servers list and nobody sent here."""
        async with self.it.engine.connect() as conn:
            shown = await threads.shown_uris(conn, self.root.thread_id, limit=MAX_LISTED)
        first, *others = [uri for _, uri in shown] or [self.root.uri]
        newest_first = [first, *reversed(others)]
        line = deque(uri for uri in newest_first if not self.it.here.is_local(uri))
        left = MAX_ANSWERS
        while line:
            note = await self._read(line.popleft())
            if note is None or note.replies is None:
                continue
            for uri in await self._answers(note.replies):
                if left <= 0:
                    self.left_out = True
                    return
                left -= 1
                answer = await self._read(uri)
                if answer is not None and await self._attach(answer, note):
                    line.append(uri)

    async def _answers(self, collection: str) -> Sequence[str]:
        """The unknown ones that a collection lists; none where it cannot be read."""
        try:
            return await self._unknown(
                await self.lister.members(await self.it.remote.document(collection))
            )
        except (Unreachable, TooMany):
            self.left_out = True
        except Problem:
            pass
        return ()

    async def _attach(self, answer: Note, parent: Note) -> bool:
        """Keep an answer where it may be: in a group of ours, or in one elsewhere that it names.

        Both have to say so: the list that it answers, and the answer what it answers.
        """
        if answer.parent != parent.id:
            return False
        with suppress(Problem):
            if self.group.settings is None:
                self._check_named(answer)
                found = Gathered(notes=(answer,), people=self.it.people, ancestor=parent.id)
                await _keep(self.it, self.group, found, None)
            else:
                await self._let_in(answer, parent.id)
            self.kept += 1
            return True
        return False

    def _check_named(self, answer: Note) -> None:
        """Raises NotAllowed: the answer neither names its group nor is on the group's server."""
        group = self.group.actor.uri
        if group not in (*answer.recipients, *answer.mentions) and not same_origin(
            answer.id, group
        ):
            raise NotAllowed("It does not say that it belongs to the group.")

    async def _let_in(self, answer: Note, parent_uri: str) -> None:
        async with self.it.engine.begin() as conn:
            await one_at_a_time(conn, [answer.id])
            parent = await post_store.by_uri(conn, parent_uri)
            author = self.it.people[answer.author]
            await said.let_in(conn, self.it.here, self.group, author, answer, parent)


_KNOWN = sa.union_all(
    sa.select(posts.c.uri).where(any_of(posts.c.uri, "uris")),
    sa.select(tombstones.c.uri).where(any_of(tombstones.c.uri, "uris")),
)
