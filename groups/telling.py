"""What a group and its people tell other servers about a post (WIRE 3.5).

Every function writes in the caller's transaction: what happened and what must be told commit
together. A group that does not federate tells nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import announcing, documents, jsontext, outbox, precedence
from activitypub.actors import Actor
from activitypub.announcing import Announcement
from activitypub.attest import attested
from activitypub.documents import NoteSource
from activitypub.jsontext import Json
from activitypub.outbox import Kept
from activitypub.vocab import Activity, Document
from groups import groups as group_store
from groups.groups import Group
from groups.posts import Post, note_source
from kernel.clock import iso
from kernel.here import Here
from kernel.schema.tables import activities, moved_threads

MAX_VOTERS = 1000  # who answered a poll and is told the counts


async def created(conn: AsyncConnection, here: Here, group: Group, post: Post) -> None:
    """A post of ours is out: its Create, and the Announces of a group of ours (WIRE-G20)."""
    await _by_author(conn, here, group, post, "Create", iso(post.published))


async def edited(conn: AsyncConnection, here: Here, group: Group, post: Post) -> None:
    """A post of ours changed (WIRE-G22)."""
    await _by_author(conn, here, group, post, "Update", iso(post.edited or post.published))


async def counted(
    conn: AsyncConnection, here: Here, group: Group, post: Post, voters: Sequence[str]
) -> None:
    """A poll of ours has new counts: an Update, in place of unsent ones, voters' servers too.

    Of a poll in a circle only the circle hears, whoever voted while the group was for everybody.
    `updated` stays as it was, so that nobody shows the post as changed (WIRE 8.4).
    """
    await outbox.supersede(conn, post.uri)
    now = iso(group.moment(here.now()))
    await _by_author(conn, here, group, post, "Update", now, also=voters)


async def _by_author(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    post: Post,
    kind: str,
    when: str,
    *,
    also: Sequence[str] = (),
) -> None:
    if not group.tells:
        return
    source = await note_source(conn, here, post)
    document = documents.activity(
        here.new_activity_uri(),
        kind,
        source.author.uri,
        documents.note(source),
        to=_readers(group, post),
        cc=_copies(group, source),
        audience=group.actor.uri,
        published=when,
    )
    if _proves(here, group):
        document = await attested(conn, here, source.author, document, group.moment(here.now()))
    await _publish(conn, here, group, post, source, document, also=also)
    if group.settings is not None:
        await carried(conn, here, group, post, document, jsontext.dump(document).decode())


async def _publish(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    post: Post,
    source: NoteSource,
    document: Document,
    *,
    also: Sequence[str] = (),
) -> None:
    """Send what an author of ours did to those who hear it from the author's own server.

    What a group says itself goes to all its followers: those who read wrapped Announces get one.
    """
    if post.by_group:
        await outbox.publish_to_followers(
            conn,
            here,
            document,
            signer=group.actor,
            also=source.addressed,
            thread_id=post.thread_id,
            plain_only=True,
        )
        return
    await outbox.publish(
        conn,
        here,
        document,
        signer=source.author,
        to=_direct(group, source) if group.actor.members_only else [*_direct(group, source), *also],
        thread_id=post.thread_id,
    )


def _readers(group: Group, post: Post) -> list[str]:
    everybody = group.actor.everybody
    return [everybody] if post.by_group else [everybody, group.actor.uri]


def _proves(here: Here, group: Group) -> bool:
    """Whether posts of ours carry proofs there: not where only servers that sign may read."""
    return group.proves and not here.signed_fetch


def _copies(group: Group, source: NoteSource) -> list[str]:
    """Whom an activity about a post of ours names in `cc`; in a circle nobody beside it."""
    if group.actor.members_only:
        return []
    return [uri for uri in (group.actor.followers_uri, *source.addressed) if uri]


def _direct(group: Group, source: NoteSource) -> list[str]:
    """Who gets it from the author's own server: people it names, a group elsewhere (WIRE-G21).

    What is said in a circle goes to the circle alone, whomever it names.
    """
    if group.actor.members_only:
        return [group.actor.uri] if group.settings is None else []
    named = source.addressed
    return named if group.settings is not None else [*named, group.actor.uri]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """An activity that a group of ours passes on verbatim, `body` its exact text.

    It is about a `post`, or about a `person` (an actor's URI), whose own server hears it as well.
    What was `forwarded` to us is not forwarded by us (WIRE 4.9, rule 6). `left`: the post's thread
    moved to another group since, so this one boosts and lists nothing of it any more.
    """

    group: Group
    post: Post | None
    inner: Activity
    body: str
    person: str | None = None
    forwarded: bool = False
    left: bool = False

    @property
    def changes_words(self) -> bool:
        """Whether who has the post has something else, or nothing, afterwards."""
        if self.inner.kind == "Undo":
            return self.inner.inner_kind == "Delete"
        return self.inner.kind in ("Update", "Delete")

    @property
    def proves_itself(self) -> bool:
        """Whether its author's proof is on it, and so others may believe it from the group.

        A new thread needs none: everybody hears of that by the plain Announce (WIRE-G20).
        """
        if self.post is None or self.inner.actor != self.post.author_uri or not self.inner.public:
            return False
        if self.inner.kind == "Create" and self.post.is_root:
            return False
        return self.inner.is_attested and self.inner.kind in ("Create", "Update", "Delete")


async def carried(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    post: Post | None,
    inner: Document,
    body: str,
    *,
    person: str | None = None,
    forwarded: bool = False,
    left: bool = False,
) -> None:
    """A group of ours passes an activity on (WIRE-G10 to WIRE-G13); see `Passed`."""
    passed = Passed(
        group=group,
        post=post,
        inner=Activity.parse(inner),
        body=body,
        person=person,
        forwarded=forwarded,
        left=left,
    )
    several = [passed]
    if post is not None and passed.changes_words and _is_for_those_before(passed):
        before = await _groups_before(conn, group, post)
        several += [replace(passed, group=each, left=True) for each in before]
    await pass_on(conn, here, several)


def _is_for_those_before(passed: Passed) -> bool:
    """Whether whom the post reached before it moved hears of it: of new words only where anybody
    may read them, else that it is gone (WIRE-G36, SEC-S24)."""
    return passed.group.federates or passed.inner.kind == "Delete"


async def _teller(conn: AsyncConnection, group: Group, post: Post) -> Group | None:
    """The group of ours whose followers hear that a post is gone: its own, if that tells anybody.

    Else one that it was in before: its followers have the words, and the post's own group was
    closed since (WIRE-G36, SEC-S24). None: no other server was told of it by any of them.
    """
    if group.tells:
        return group
    before = await _groups_before(conn, group, post)
    return next((each for each in before if each.tells), None)


async def _groups_before(conn: AsyncConnection, group: Group, post: Post) -> list[Group]:
    """The other groups of ours that the post was in, whose followers have it (WIRE-G36)."""
    where = {"thread_id": post.thread_id, "post_id": post.id, "group_id": group.id}
    ids = (await conn.scalars(_BEFORE, where)).all()
    return list((await group_store.several(conn, ids)).values()) if ids else []


_BEFORE: Final = sa.select(moved_threads.c.group_id).where(
    moved_threads.c.thread_id == sa.bindparam("thread_id", type_=sa.BigInteger),
    moved_threads.c.last_id >= sa.bindparam("post_id", type_=sa.BigInteger),
    moved_threads.c.group_id != sa.bindparam("group_id", type_=sa.Uuid),
)


async def pass_on(conn: AsyncConnection, here: Here, several: Sequence[Passed]) -> None:
    """Groups of ours pass activities on, in this order (WIRE-G10 to WIRE-G13).

    A thread's root goes to everyone once as a plain Announce; the activity itself, wrapped, to
    servers that read FEP-1b12, and as it is to those that believe the proof on it (WIRE-G21).
    """
    federating = [each for each in several if each.group.tells]
    await outbox.keep(
        conn,
        here,
        [
            Kept(
                activity=each.inner,
                thread_id=each.post.thread_id if each.post else None,
                body=each.body,
            )
            for each in federating
        ],
    )
    await announcing.announce(
        conn, here, [announcement for each in federating for announcement in _announcements(each)]
    )


def _announcements(passed: Passed) -> Iterator[Announcement]:
    post, boosted = passed.post, passed.inner.kind in ("Create", "Update")
    circle = passed.group.actor.members_only
    boosted = boosted and not passed.left and not circle
    if post is not None and post.is_root and boosted and not post.by_group:
        yield _boost(passed.group, post)
    yield Announcement(
        group=passed.group.actor,
        inner=passed.inner.id,
        wrapped=True,
        thread_id=post.thread_id if post else None,
        context=post.thread_uri if post else None,
        author_uri=None if circle else (post.author_uri if post else passed.person),
        body=passed.body,
        listed=post is not None and post.is_root and not passed.left and not circle,
        rank=precedence.rank_of(passed.inner),
    )
    if post is not None and passed.proves_itself and not passed.forwarded:
        yield Announcement(
            group=passed.group.actor,
            inner=passed.inner.id,
            wrapped=False,
            bare=True,
            thread_id=post.thread_id,
            but_host=post.author_host,
        )


async def deleted(conn: AsyncConnection, here: Here, group: Group, post: Post) -> None:
    """An author of ours deleted a post: Delete, and the boost of a root is undone (WIRE-G23)."""
    await outbox.forget(conn, post.uri)
    teller = await _teller(conn, group, post)
    if teller is None:
        return
    left, group = teller.id != group.id, teller
    if post.waits:
        await _withdrawn(conn, here, post)
        return
    proves = _proves(here, group) or (
        group.settings is not None and await outbox.was_proven(conn, post.uri)
    )  # whoever was told with a proof believes nothing less
    source = await note_source(conn, here, post)
    document = documents.activity(
        here.new_activity_uri(),
        "Delete",
        source.author.uri,
        documents.tombstone(post.uri),
        to=_readers(group, post),
        cc=_copies(group, source),
        audience=group.actor.uri,
    )
    if proves:
        document = await attested(conn, here, source.author, document, group.moment(here.now()))
    await _publish(conn, here, group, post, source, document)
    if group.settings is not None:
        body = jsontext.dump(document).decode()
        await _retracted(conn, here, group, post, document, body, left=left)


async def _withdrawn(conn: AsyncConnection, here: Here, post: Post) -> None:
    """An answer that its author elsewhere did not allow is gone: only they knew of it."""
    source = await note_source(conn, here, post)
    if source.parent_author is None:
        return
    to, gone = [source.parent_author.uri], documents.tombstone(post.uri)
    document = documents.activity(here.new_activity_uri(), "Delete", source.author.uri, gone, to=to)
    await outbox.publish(
        conn, here, document, signer=source.author, to=to, thread_id=post.thread_id
    )


async def retracted(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    post: Post,
    inner: Document,
    body: str,
    *,
    forwarded: bool = False,
) -> None:
    """A group of ours passes a Delete on and undoes its boost of a root (WIRE-G23, WIRE-G24).

    Where it tells nobody by now, one does that the post was in before.
    """
    teller = await _teller(conn, group, post)
    if teller is not None:
        left = teller.id != group.id
        await _retracted(conn, here, teller, post, inner, body, forwarded=forwarded, left=left)


async def _retracted(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    post: Post,
    inner: Document,
    body: str,
    *,
    forwarded: bool = False,
    left: bool = False,
) -> None:
    await carried(conn, here, group, post, inner, body, forwarded=forwarded, left=left)
    if post.is_root:
        await unboost(conn, here, group, post)


async def unboost(conn: AsyncConnection, here: Here, group: Group, post: Post) -> None:
    """A group takes its boost of a first post back, if it boosted it (WIRE-G13)."""
    announce = await outbox.sent_as(conn, group.actor, "Announce", post.uri)
    if announce is None:
        return
    document = documents.activity(
        here.new_activity_uri(),
        "Undo",
        group.actor.uri,
        {
            "id": announce,
            "type": "Announce",
            "actor": group.actor.uri,
            "object": post.uri,
        },
        to=[group.actor.everybody],
        cc=[group.actor.followers_uri] if group.actor.followers_uri else [],
    )
    await outbox.publish_to_followers(
        conn, here, document, signer=group.actor, also=[post.author_uri], thread_id=post.thread_id
    )
    await outbox.blank(conn, announce)


async def shown_again(conn: AsyncConnection, here: Here, group: Group, post: Post) -> None:
    """A removed post is back, for servers that know no Undo of a Delete (WIRE-G34).

    They are sent what they would see of it had it just changed.
    """
    if not group.tells or group.settings is None:
        return
    if post.author_local:
        await edited(conn, here, group, post)
    elif post.is_root:
        await boosted(conn, here, group, post)


async def boosted(conn: AsyncConnection, here: Here, group: Group, root: Post) -> None:
    """A group of ours shows everybody a first post, as it does with new ones (WIRE-G20)."""
    if group.federates and group.settings is not None:
        await announcing.announce(conn, here, [_boost(group, root)])


def _boost(group: Group, root: Post) -> Announcement:
    return Announcement(
        group=group.actor,
        inner=root.uri,
        wrapped=False,
        thread_id=root.thread_id,
        context=root.thread_uri,
        author_uri=root.author_uri,
        listed=True,
    )


async def by_desk(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    desk: Actor,
    kind: str,
    obj: str | Document,
    *,
    post: Post | None = None,
    person: str | None = None,
    **extra: Json,
) -> None:
    """The desk acts; its group passes it on wrapped, as others misread it (WIRE-G24, WIRE-G26).

    The moderator behind the desk is named nowhere (WIRE-T15). `extra` members (summary, target,
    endTime) come along.
    """
    if not group.tells:
        if kind == "Delete" and post is not None:
            await _gone_from_closed(conn, here, group, post)
        return
    document = documents.activity(
        here.new_activity_uri(),
        kind,
        desk.uri,
        obj,
        to=[group.actor.everybody],
        cc=[group.actor.uri],
        audience=group.actor.uri,
        **extra,
    )
    body = jsontext.dump(document).decode()
    await carried(conn, here, group, post, document, body, person=person)
    if kind == "Delete" and post is not None and post.is_root:
        await unboost(conn, here, group, post)


async def _gone_from_closed(conn: AsyncConnection, here: Here, group: Group, post: Post) -> None:
    """A desk removed a post of a group that others may not know by now.

    The desk of the group that the post was in before says so, and nothing of who or why.
    """
    teller = await _teller(conn, group, post)
    if teller is None or teller.desk_id is None:
        return
    document = documents.activity(
        here.new_activity_uri(),
        "Delete",
        (await actor_store.get(conn, teller.desk_id)).uri,
        post.uri,
        to=[teller.actor.everybody],
        cc=[teller.actor.uri],
        audience=teller.actor.uri,
    )
    body = jsontext.dump(document).decode()
    await _retracted(conn, here, teller, post, document, body, left=True)


async def featured(
    conn: AsyncConnection, here: Here, group: Group, desk: Actor, kind: str, root: Post
) -> None:
    """The desk pins a thread (`Add`) or lets it go (`Remove`); see WIRE-G26, WIRE-G32.

    Mastodon shows what an actor pinned of its own words, so of these it hears from the group.
    """
    target = group.actor.featured_uri
    await by_desk(conn, here, group, desk, kind, root.uri, post=root, target=target)
    if not group.federates or not root.by_group:
        return
    document = documents.activity(
        here.new_activity_uri(),
        kind,
        group.actor.uri,
        root.uri,
        to=[group.actor.everybody],
        cc=[group.actor.followers_uri] if group.actor.followers_uri else [],
        target=target,
    )
    await outbox.publish_to_followers(
        conn, here, document, signer=group.actor, thread_id=root.thread_id, plain_only=True
    )


async def undone_by_desk(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    desk: Actor,
    kind: str,
    object_uri: str,
    *,
    post: Post | None = None,
    person: str | None = None,
    **extra: Json,
) -> None:
    """The desk takes a decision back: the Undo holds it whole, under its own id (WIRE 3.6)."""
    sent = await outbox.sent_as(conn, desk, kind, object_uri)
    inner = documents.activity(
        sent or here.new_activity_uri(),
        kind,
        desk.uri,
        object_uri,
        to=[group.actor.everybody],
        cc=[group.actor.uri],
        audience=group.actor.uri,
        **extra,
    )
    await by_desk(conn, here, group, desk, "Undo", inner, post=post, person=person)
    if sent is not None:
        await outbox.blank(conn, sent)


async def refused(
    conn: AsyncConnection, here: Here, group: Group, reply: str, author: Actor
) -> None:
    """A group does not take an answer that came: its author's server is told (WIRE-G30)."""
    document = documents.activity(
        here.new_activity_uri(), "Reject", group.actor.uri, reply, to=[author.uri]
    )
    await outbox.publish(conn, here, document, signer=group.actor, to=[author.uri])


async def as_created(
    conn: AsyncConnection, post: Post, *, or_changed: bool = False
) -> tuple[Document, str] | None:
    """The Create of a post as it came or went out, with its exact text, if that is kept.

    After a change of words that text is gone; the Update may do `or_changed`.
    """
    body = await conn.scalar(
        sa.select(activities.c.body)
        .where(
            activities.c.object_uri == post.uri,
            activities.c.kind.in_(["Create", "Update"] if or_changed else ["Create"]),
            activities.c.actor_uri == post.author_uri,
            activities.c.body != "",
        )
        .order_by(activities.c.kind)
        .limit(1)
    )
    return (jsontext.read(body.encode()), body) if body else None
