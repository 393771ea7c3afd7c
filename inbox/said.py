"""Create and Update: somebody elsewhere said something, or changed it (WIRE 3.2, 8.5)."""

from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import outbox
from activitypub.actors import Actor
from activitypub.notes import Note
from activitypub.outbox import Kept
from activitypub.permissions import Permission
from activitypub.vocab import Activity
from groups import explaining, holding, moving, noticing, polls, slowing, telling, threads
from groups import groups as group_store
from groups import posts as post_store
from groups.admission import MAX_NOTE, NotAMember, admit
from groups.groups import Group
from groups.noticing import Said
from groups.parts import NO_PARTS
from groups.posts import Post
from groups.telling import Passed
from groups.writing import New, Words, insert
from inbox import authenticity, burials, direct, refreshes, wording
from inbox.arrival import Arrival, Gathered, NotYet
from kernel import text
from kernel.clock import to_minute
from kernel.errors import NotAllowed, NotFound, Problem
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.schema.posts import PostState
from kernel.schema.tables import actors
from kernel.schema.tables import threads as thread_table
from kernel.urls import same_origin
from members import messages
from moderation import circles, labels, standing
from moderation.standing import Speaker

YOUNG = timedelta(minutes=10)  # so old, a thread was heard from its start
_ANSWERED = frozenset({PostState.SHOWN, PostState.DELETED})  # a Delete and an answer may cross


async def receive_create(arrival: Arrival) -> None:
    """A post for a group of ours, or one that a group elsewhere passed on.

    Raises NotFound: it is for no group here. Raises NotAllowed: it may not enter.
    """
    if not arrival.gathered.notes:
        if arrival.group is None:
            raise NotFound
        await _confirm(arrival)
        return
    if arrival.group is not None:
        await _mirror(arrival, arrival.group)
        return
    note = arrival.gathered.notes[-1]
    if await post_store.by_uri(arrival.conn, note.id) is not None:
        return
    if direct.is_for_one(arrival.here, arrival.activity, note, arrival.activity.embedded):
        await direct.receive(arrival, note)
        return
    parent = await _parent(arrival, note)
    if parent is not None and is_vote(note, parent):
        await polls.receive(
            arrival.conn, arrival.here, parent, arrival.actor.uri, arrival.actor, note.title
        )
        return
    if note.parent is not None and (parent is None or parent.uri != note.parent):
        if arrival.gathered.coming and not arrival.last:
            raise NotYet
        if parent is None and arrival.patient:
            raise NotYet
    group = await _group_for(arrival, note, parent)
    closed = parent is not None and await post_store.is_closed_to(
        arrival.conn, parent, arrival.actor.id
    )
    if closed and note.public:
        await telling.refused(arrival.conn, arrival.here, group, note.id, arrival.actor)
        return
    parent = await _bring_in(arrival, group, parent)
    if parent is not None and parent.state is PostState.ASKED and not arrival.last:
        raise NotYet  # its author answers what they are about to allow
    check_open(arrival.activity, note, parent, group)
    words = words_of(arrival.here, note, root=parent is None)
    new = New(
        author=arrival.actor,
        group=group,
        parent=parent,
        words=words,
        state=await _admit(arrival, group, note, words, parent),
        uri=note.id,
        parts=wording.parts_of(note),
        named=note.mentions,
    )
    if await burials.is_buried(arrival.conn, note.id):
        await insert(arrival.conn, arrival.here, [_emptied(new)])
        return
    entering = Entering(
        new=new, activity=arrival.activity, body=arrival.body, forwarded=arrival.forwarded
    )
    await enter(arrival.conn, arrival.here, [entering])
    if new.state is PostState.HELD and arrival.group is None:
        await explaining.tell_held(arrival.conn, arrival.here, group, arrival.actor, note.id)


def is_vote(note: Note, parent: Post) -> bool:
    """Whether it chooses an answer of the poll that it names, and is no post (WIRE 8.4)."""
    return parent.poll and parent.uri == note.parent and note.may_be_vote


def check_open(activity: Activity, note: Note, parent: Post | None, group: Group) -> None:
    """Raises NotAllowed: it is not for the same eyes as the group, or what it answers is closed."""
    if group.actor.members_only:
        if not (is_for_circle(group, note) and not activity.public):
            raise NotAllowed("It is for others than the members of this group.")
    elif not note.public or not activity.public:
        raise NotAllowed("It is not public, so a public group cannot carry it.")
    if parent is not None and (parent.locked or parent.state not in _ANSWERED):
        raise NotAllowed("That thread is closed.")


def is_for_circle(group: Group, note: Note) -> bool:
    """Whether a post is for the members of a group and for nobody beside them (MOD-5.6)."""
    allowed = {group.actor.uri, group.actor.everybody}
    return bool(note.recipients) and allowed.issuperset(note.recipients)


def is_read_by_all_of(group: Group, note: Note) -> bool:
    """Whether those who read the group may read the post: everybody, or its members alone."""
    return is_for_circle(group, note) if group.actor.members_only else note.public


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """A post from elsewhere with its Create, whose exact text is `body`."""

    new: New
    activity: Activity
    body: str = field(repr=False)
    forwarded: bool = False


async def enter(conn: AsyncConnection, here: Here, several: Sequence[Entering]) -> None:
    """Posts from elsewhere enter groups of ours with their Creates, and are passed on if shown."""
    made = await insert(conn, here, [each.new for each in several])
    held, shown = [], []
    for each, post in zip(several, made, strict=True):
        if each.new.shown:
            passed = Passed(
                group=each.new.group,
                post=post,
                inner=each.activity,
                body=each.body,
                forwarded=each.forwarded,
            )
            shown.append(passed)
        else:
            held.append(Kept(activity=each.activity, thread_id=post.thread_id, body=each.body))
    await outbox.keep(conn, here, held)
    await telling.pass_on(conn, here, shown)
    said = [
        Said(
            post=post,
            parent=each.new.parent,
            named=each.new.named,
            coarse=each.new.group.coarse,
        )
        for each, post in zip(several, made, strict=True)
    ]
    await noticing.posted(conn, here, said)


async def _parent(arrival: Arrival, note: Note) -> Post | None:
    """The post it answers, or the nearest ancestor of it that is here."""
    if note.parent is None:
        return None
    uri = arrival.gathered.ancestor or note.parent
    parent = await post_store.by_uri(arrival.conn, uri)
    if parent is None and arrival.here.is_local(note.parent):
        raise NotFound
    return parent


async def _bring_in(arrival: Arrival, group: Group, parent: Post | None) -> Post | None:
    """Let the posts between `parent` and what arrived in, as far as they may; the lowest of them.

    They were read from their own servers. Without a `parent` they begin with a thread of the
    group's own. Nobody is told of them (WIRE-G46), and what they lack is looked for later.
    """
    between = arrival.gathered.notes[:-1]
    if not between or (parent is None and not _begins(between[0], group)):
        return parent
    with suppress(Problem):
        for note in between:
            author = arrival.gathered.people[note.author]
            parent = await let_in(arrival.conn, arrival.here, group, author, note, parent)
    if parent is not None:
        await refreshes.ask(arrival.conn, arrival.here, parent.thread_id, after=refreshes.LATER)
    return parent


def _begins(note: Note, group: Group) -> bool:
    """Whether a post begins a thread in the group, by what it says itself."""
    return note.parent is None and group.actor.uri in (*note.recipients, *note.mentions)


async def let_in(
    conn: AsyncConnection, here: Here, group: Group, author: Actor, note: Note, parent: Post | None
) -> Post:
    """A post that was read elsewhere enters a group of ours under the rules of one that comes.

    Raises NotAllowed: it may not, or a moderator would have to read it first.
    """
    if (known := await post_store.by_uri(conn, note.id)) is not None:
        return known
    closed = parent is not None and (
        parent.state not in _ANSWERED or await post_store.is_closed_to(conn, parent, author.id)
    )
    if parent is None:
        threads.check_begins(group)
    if closed or not is_read_by_all_of(group, note) or await burials.is_buried(conn, note.id):
        raise NotAllowed("It cannot be part of that thread.")
    words = words_of(here, note, root=parent is None)
    state = await admit(
        conn,
        here,
        Speaker.alone(author),
        group,
        note=note.summary,
        guidelines=0,
        reads=partial(reads, note, words),
        memorial=parent is not None and parent.memorial,
    )
    state = await slowing.entering(conn, here, parent, author.id, state)
    if state is PostState.HELD:
        raise NotAllowed("A moderator reads posts there first.")
    return await _insert(conn, here, group, author, note, parent)


async def _insert(
    conn: AsyncConnection, here: Here, group: Group, author: Actor, note: Note, parent: Post | None
) -> Post:
    new = New(
        author=author,
        group=group,
        parent=parent,
        words=words_of(here, note, root=parent is None),
        state=PostState.SHOWN,
        uri=note.id,
        parts=wording.parts_of(note),
    )
    if await burials.is_buried(conn, note.id):
        new = _emptied(new)
    (post,) = await insert(conn, here, [new])
    return post


async def _group_for(arrival: Arrival, note: Note, parent: Post | None) -> Group:
    """A group of ours, by the parent or else by who is addressed (WIRE-in-1, WIRE-in-2)."""
    if parent is not None:
        group = await group_store.get(arrival.conn, parent.group_id)
        if group.settings is None or not await _hears(arrival, group):
            raise NotFound  # its own group decides, and passes it on to us
        return group
    found = await arrival.conn.scalar(
        sa.select(actors.c.id)
        .where(
            actors.c.uri.in_((*note.recipients, *note.mentions)),
            actors.c.local,
            actors.c.kind == ActorKind.GROUP,
        )
        .order_by(actors.c.uri)
        .limit(1)
    )
    if found is None:
        raise NotFound
    group = await group_store.get(arrival.conn, found)
    if not await _hears(arrival, group):
        raise NotFound
    return group


async def _hears(arrival: Arrival, group: Group) -> bool:
    """Whether what comes from there may enter a group of ours: of a circle's peer, in a circle."""
    return await group_store.hears(arrival.conn, group, arrival.actor.host)


async def _admit(
    arrival: Arrival, group: Group, note: Note, words: Words, parent: Post | None
) -> PostState:
    """Raises NotYet: its author's Follow may be on its way. Raises NotAllowed."""
    if parent is None:
        threads.check_begins(group)
    try:
        state = await admit(
            arrival.conn,
            arrival.here,
            Speaker.alone(arrival.actor),
            group,
            note=note.summary,
            guidelines=0,
            reads=partial(reads, note, words),
            memorial=parent is not None and parent.memorial,
        )
    except NotAMember:
        if arrival.patient:
            raise NotYet from None
        raise
    return await slowing.entering(arrival.conn, arrival.here, parent, arrival.actor.id, state)


def _emptied(new: New) -> New:
    """A Delete that came first wins (WIRE-Q3); answers to what is gone still find their place."""
    words = replace(
        new.words,
        title="",
        content="",
        note="",
        sensitive=False,
        url=None,
        edited=None,
        answers_closed=False,
        likes_closed=False,
        answers_by="",
        likes_by="",
        labels="",
        wish=None,
    )
    return replace(new, words=words, state=PostState.DELETED, parts=NO_PARTS)


def words_of(here: Here, note: Note, *, root: bool) -> Words:
    """What goes into the row of a post from elsewhere; a root has a title (WIRE-in-1)."""
    now = to_minute(here.now())
    published = to_minute(note.published) if note.published else now
    if not now - timedelta(days=365 * 30) <= published <= now:
        published = now
    summary = text.plain(note.summary, MAX_NOTE)
    if note.sensitive and not summary:
        summary = "sensitive"  # WIRE-P4
    title = wording.title_of(note, summary) if root else ""
    return Words(
        title=title,
        source="",
        content=wording.content_of(note, title),
        note=summary,
        sensitive=note.sensitive,
        language=note.language,
        published=published,
        edited=note.updated,
        url=note.url,
        answers_closed=_closed(note.answers, note),
        likes_closed=_closed(note.likes, note),
        answers_by=note.answers.line if note.answers is not None else "",
        likes_by=note.likes.line if note.likes is not None else "",
        labels=" ".join(labels.picked(note.labels)),
        wish=note.wish if root else None,
    )


def reads(note: Note, words: Words) -> list[str]:
    """All that people will read of a post from elsewhere, in plain words."""
    options = note.poll.options if note.poll else ()
    beside = [*(each.name for each in options), *(each.alt for each in note.attachments)]
    return [*holding.reads(words), *beside]


def _closed(permission: Permission | None, note: Note) -> bool:
    return permission is not None and permission.excludes_all_but(note.author)


async def _mirror(arrival: Arrival, group: Group) -> None:
    """Keep what a followed group passed on; what else its thread holds is read later."""
    conn, here, found = arrival.conn, arrival.here, arrival.gathered
    kept = await mirror(conn, here, group, found, arrival.context, news=True)
    await _confirm(arrival)
    gaps = len(arrival.gathered.notes) > 1 or arrival.gathered.lost is not None
    old = arrival.here.now() - kept.published > YOUNG
    if gaps or (kept.is_root and old):
        await refreshes.ask(arrival.conn, arrival.here, kept.thread_id, after=refreshes.LATER)


async def mirror(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    found: Gathered,
    context: str | None,
    *,
    news: bool = False,
) -> Post:
    """Keep posts of a group elsewhere, ancestors first, so that the thread is whole; the last one.

    `context` is the name that the group gave the thread. With `news` those whom the last one
    answers or names are told (WIRE-G46). Of somebody who is stopped on this node only a place is
    kept, below which others answer (MOD-H12). Raises NotAllowed: they belong nowhere there, are not
    public, or the last one is of somebody who is stopped.
    """
    above = found.ancestor or found.lost
    if found.notes[0].parent is not None and above is None:
        raise NotAllowed("It hangs on posts in a circle, or on too many of them.")  # WIRE-G45
    stopped = await standing.stopped_of(conn, [each.id for each in found.people.values()])
    if found.people[found.notes[-1].author].id in stopped:
        raise NotAllowed("This node does not listen to that actor.")
    parent = await post_store.by_uri(conn, above) if above else None
    if (first := found.beginning) is not None and await post_store.by_uri(conn, first.id) is None:
        author = found.people[first.author]
        kept = await _keep_mirrored(conn, here, group, author, first, None, stopped)
        if context is not None:
            await threads.settle_context(conn, kept.thread_id, context)
    if parent is None and found.lost is not None:
        parent = await _stand_in(conn, here, group, found, context)
    if parent is not None:
        await moving.take_in(conn, group, parent)
    for note in found.notes:
        known = await post_store.by_uri(conn, note.id)
        author = found.people[note.author]
        if known is None:
            known = await _keep_mirrored(conn, here, group, author, note, parent, stopped)
            if news and note is found.notes[-1]:
                said = Said(post=known, parent=parent, named=note.mentions)
                await noticing.posted(conn, here, [said])
        elif known.stands_in and author.id not in stopped:
            known = await _fill_in(conn, here, known, author, note)
        parent = known
    assert parent is not None
    return parent


async def _stand_in(
    conn: AsyncConnection, here: Here, group: Group, found: Gathered, context: str | None
) -> Post:
    """A place for a post that is gone, under the thread's name, so that its answers can be shown.

    Nobody says any more who wrote it; nothing of it is ever shown.
    """
    root = await conn.scalar(
        sa.select(thread_table.c.id).where(
            thread_table.c.uri == context, thread_table.c.group_id == group.id
        )
    )
    parent = await post_store.get(conn, root) if root is not None else None
    kept = await _keep_place(conn, here, group, found.lost, found.notes[0], parent)
    if parent is None and context is not None:
        await threads.settle_context(conn, kept.thread_id, context)
    return kept


async def _keep_place(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    uri: str | None,
    note: Note,
    parent: Post | None,
) -> Post:
    """An empty place of the group's, as old as the note."""
    new = New(
        author=group.actor,
        group=group,
        parent=parent,
        words=words_of(here, note, root=False),
        state=PostState.DELETED,
        uri=uri,
    )
    (kept,) = await insert(conn, here, [_emptied(new)])
    return kept


async def _keep_mirrored(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    author: Actor,
    note: Note,
    parent: Post | None,
    stopped: Set[UUID],
) -> Post:
    if not is_read_by_all_of(group, note):
        raise NotAllowed("It is for others than those who read the group.")
    if group.actor.members_only and not await circles.stands(conn, group.actor.host):
        raise NotAllowed("There is no pact with that server.")
    if author.id in stopped:
        post = await _keep_place(conn, here, group, note.id, note, parent)
    else:
        post = await _insert(conn, here, group, author, note, parent)
    context = note.context
    if parent is None and context is not None and same_origin(context, group.actor.uri):
        await threads.settle_context(conn, post.thread_id, context)
    return post


async def _fill_in(
    conn: AsyncConnection, here: Here, stand_in: Post, author: Actor, note: Note
) -> Post:
    """What a place was kept for is there after all."""
    group = await group_store.get(conn, stand_in.group_id)
    if not is_read_by_all_of(group, note) or await burials.is_buried(conn, note.id):
        return stand_in
    words = words_of(here, note, root=stand_in.is_root)
    await threads.fill_in(conn, here, stand_in, author.id, words, wording.parts_of(note))
    return await post_store.get(conn, stand_in.id)


async def _confirm(arrival: Arrival) -> None:
    """The group carries a thread we know: take its name for it (WIRE-G41)."""
    if arrival.context is None or arrival.group is None:
        return
    post = await post_store.by_uri(arrival.conn, arrival.activity.object_uri)
    if post is None or post.group_id != arrival.group.id or post.thread_uri == arrival.context:
        return
    await threads.settle_context(arrival.conn, post.thread_id, arrival.context)


async def receive_update(arrival: Arrival) -> None:
    """New words for a post that is here, from its author; older ones change nothing (WIRE 4.9).

    An Update of an actor was dealt with when its new document was read. Where the post never came,
    its new words do. Raises NotYet: it may still come.
    """
    if not arrival.gathered.notes:
        return
    note = arrival.gathered.notes[-1]
    post = await post_store.by_uri(arrival.conn, note.id)
    if post is None:
        if arrival.group is None and (known := await messages.by_uri(arrival.conn, note.id)):
            await direct.change(arrival, note, known)
            return
        if arrival.group is None and arrival.patient:
            raise NotYet
        await receive_create(arrival)
        return
    authenticity.check_author(note.author, post.author_uri)  # SEC-S5
    if post.state not in (PostState.SHOWN, PostState.HELD):
        return
    if post.poll != (note.poll is not None):
        raise NotAllowed("A post and a poll do not become each other.")  # WIRE 8.5
    words = words_of(arrival.here, note, root=post.is_root)
    if note.poll is not None and _only_counts(post, note, words):
        await polls.refresh(arrival.conn, post, note.poll)
        await _pass_on(arrival, await group_store.get(arrival.conn, post.group_id), post)
        return
    if arrival.group is not None and note.updated is None and _same_words(post, words):
        return  # a group says that it changed, and its own server shows that it did not
    group = await group_store.get(arrival.conn, post.group_id)
    edited = note.updated or group.changed(arrival.here.now(), post.edited)
    if authenticity.is_older(edited, post.edited):
        return
    if group.settings is not None:  # SEC-L12: somebody banned does not speak through an old post
        author = Speaker.alone(arrival.actor)
        await standing.check(arrival.conn, arrival.here, author, group.id)
        if group.takes_nothing_from(post.author_host):
            raise NotAllowed("That group takes nothing from there.")  # MOD-5.7
    elif await standing.stopped_among(arrival.conn, [post.author_id]):
        raise NotAllowed("This node does not listen to that actor.")
    parts = wording.parts_of(note)
    await threads.rewrite(arrival.conn, arrival.here, post, words, parts, edited)
    if arrival.group is not None or group.settings is None:
        return
    before, after = holding.reads(post), reads(note, words)
    if await holding.is_change_held(arrival.conn, arrival.here, group, post, before, after):
        post = await holding.hold(arrival.conn, post)
    await outbox.forget(arrival.conn, post.uri)
    if post.shown:
        await _pass_on(arrival, group, await post_store.get(arrival.conn, post.id))
    else:  # the newest words are what a moderator may let go on
        kept = Kept(activity=arrival.activity, thread_id=post.thread_id, body=arrival.body)
        await outbox.keep(arrival.conn, arrival.here, [kept])


def _only_counts(post: Post, note: Note, words: Words) -> bool:
    """Whether an Update of a poll brings nothing but how many chose what (WIRE 8.4)."""
    return _same_words(post, words) and note.updated in (None, post.edited)


def _same_words(post: Post, words: Words) -> bool:
    same = (words.title, words.content, words.note) == (post.title, post.content, post.note)
    wish = words.wish if post.is_root else post.wish
    return same and (words.labels, wish) == (post.labels, post.wish)


async def _pass_on(arrival: Arrival, group: Group, post: Post) -> None:
    """An author's change travels on to those who read it, if it came from the author."""
    if arrival.group is None and group.settings is not None and post.shown:
        await telling.carried(
            arrival.conn,
            arrival.here,
            group,
            post,
            arrival.activity.document,
            arrival.body,
            forwarded=arrival.forwarded,
        )
