"""Posts that wait to go out: for their author alone until then, and in no list (DESIGN, SEC-U6).

A row here is a draft and a time. When that has come, the post is written as if it was said just
then: its id and its time are those of its release, and whoever may not post there any more does
not. What did not go out, and what its author took back, stays for a month for them to look at.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from groups import draft_text, noticing, threads
from groups import groups as group_store
from groups import posts as post_store
from groups.admission import Draft
from groups.groups import Group, is_moderator
from groups.pictures import NOT_KEPT
from groups.posts import Post
from kernel import chance, keep_times
from kernel.arrays import Type, any_of
from kernel.errors import Malformed, NotAllowed, NotFound, Problem
from kernel.faults import Point, reached
from kernel.here import Here
from kernel.release import Timing, due
from kernel.rows import AnyRow, at_most
from kernel.said import noted, said
from kernel.schema.tables import actors, posts, waiting
from media import pictures as media_store
from members import notices
from moderation.standing import Speaker

MAX_WAITING: Final = 50  # of one persona
PAGE: Final = 100
KEPT: Final = keep_times.UNSENT
ATTEMPTS: Final = 5

_BROKE: Final = noted("Something broke here when it should go out. Your words are still here.")
_FULL: Final = said(
    "{limit} posts under this name wait already. Your words are still here: "
    "please send or delete some of those first.",
    limit=MAX_WAITING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A post that is not out. `due`: when it will be; None: its author has it back.

    `reason` says why it did not go out, where that was not its author's wish.
    """

    id: UUID
    author_id: UUID
    author_name: str
    author_address: str
    group_id: UUID
    group_name: str
    group_address: str
    parent_id: int | None
    thread_id: int | None
    draft: Draft
    due: datetime | None
    reason: str
    keep_until: date

    @property
    def place(self) -> str:
        """The page that it belongs on, once it is out."""
        return f"/p/{self.parent_id}" if self.parent_id is not None else f"/g/{self.group_address}"


async def send(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    group: Group,
    parent: Post | None,
    draft: Draft,
    timing: Timing,
) -> Post | UUID:
    """Say something: the post, or the id under which it waits to go out.

    Raises as `threads.start` or, for an answer to `parent`, as `threads.reply`. Raises NotAllowed:
    too many wait already.
    """
    when = due(here, timing)
    if when is None:
        if parent is None:
            return await threads.start(conn, here, speaker, group, draft)
        return await threads.reply(conn, here, speaker, parent, draft)
    if parent is None:
        await threads.may_start(conn, here, speaker, group, draft)
    else:
        await threads.may_reply(conn, here, speaker, parent, draft)
    slow = group.settings is not None and group.settings.slow_minutes > 0
    if slow and not await is_moderator(conn, group.id, [speaker.id]):
        await _refuse_second(conn, speaker, group)
    return await _keep(conn, here, speaker, group, parent, draft, when)


async def _refuse_second(conn: AsyncConnection, speaker: Speaker, group: Group) -> None:
    """In a group that goes slowly one post of a member waits at a time, under whatever name."""
    values = {"group_id": group.id, "authors": speaker.voices}
    if await conn.scalar(_ONE_WAITS, values):
        raise NotAllowed(
            "This group goes slowly, and a post of yours waits to go out. "
            "Your words are kept here. Please send them a little later."
        )


async def _keep(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    group: Group,
    parent: Post | None,
    draft: Draft,
    when: datetime,
) -> UUID:
    waiting_id, until = chance.new_uuid(), here.now().date() + KEPT
    await _hold_pictures(conn, draft, until)
    kept = await conn.execute(
        _KEEP,
        {
            "id": waiting_id,
            "author_id": speaker.id,
            "group_id": group.id,
            "parent_id": parent.id if parent is not None else None,
            "said": draft_text.dump(draft, here.now()),
            "due": when,
            "keep_until": until,
        },
    )
    if not kept.rowcount:
        raise NotAllowed(_FULL)
    return waiting_id


async def _hold_pictures(conn: AsyncConnection, draft: Draft, until: date) -> None:
    """Pictures in forms go after a day; these stay as long as their words may."""
    ids = [each.id for each in draft.pictures]
    if ids and await media_store.keep_drafts(conn, ids, until) < len(set(ids)):
        raise Malformed(NOT_KEPT)


async def mine(conn: AsyncConnection, here: Here, voices: Collection[UUID]) -> Sequence[Waiting]:
    """What of these personas is not out, a hundred of it: what goes out soonest comes first."""
    rows = await conn.execute(_MINE, {"authors": list(voices)})
    return [_read(row, here.now()) for row in rows]


async def get(
    conn: AsyncConnection, here: Here, waiting_id: UUID, voices: Collection[UUID]
) -> Waiting:
    """Raises NotFound: it is out, or gone, or of none of these personas."""
    values = {"waiting_id": waiting_id, "authors": list(voices)}
    row = (await conn.execute(_ONE, values)).first()
    if row is None:
        raise NotFound
    return _read(row, here.now())


async def take_back(conn: AsyncConnection, waiting_id: UUID, author_id: UUID) -> None:
    """It does not go out; its author has the words back. Raises NotFound: it is out already."""
    values = {"waiting_id": waiting_id, "by": author_id}
    if not (await conn.execute(_TAKE_BACK, values)).rowcount:
        raise NotFound


async def drop(conn: AsyncConnection, waiting_id: UUID, author_id: UUID) -> None:
    """The words are gone, and nobody is told: nobody knew. Raises NotFound: it is out already."""
    values = {"waiting_id": waiting_id, "by": author_id}
    row = (await conn.execute(_DROP, values)).first()
    if row is None:
        raise NotFound
    await notices.forget_unsent(conn, [(author_id, row.group_id)])
    await media_store.let_go(conn, draft_text.pictures_in(row.said))


async def forget_of(conn: AsyncConnection, author_id: UUID) -> None:
    """A persona closes: what it did not say yet goes too."""
    gone = await conn.execute(
        sa.delete(waiting).where(waiting.c.author_id == author_id).returning(waiting.c.said)
    )
    await media_store.let_go(
        conn, [each for row in gone for each in draft_text.pictures_in(row.said)]
    )


async def send_again(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    found: Waiting,
    draft: Draft,
    timing: Timing,
) -> Post | UUID:
    """Send what was taken back, as it is now: it waits anew. Raises as `send`, and NotFound."""
    gone = await conn.execute(_DROP, {"waiting_id": found.id, "by": speaker.id})
    if gone.first() is None:
        raise NotFound
    await notices.forget_unsent(conn, [(speaker.id, found.group_id)])
    left = {each.id for each in draft.pictures}
    dropped = [each.id for each in found.draft.pictures if each.id not in left]
    await media_store.let_go(conn, dropped)
    group = await group_store.get(conn, found.group_id)
    parent = await _parent(conn, found.parent_id)
    return await send(conn, here, speaker, group, parent, draft, timing)


async def _parent(conn: AsyncConnection, parent_id: int | None) -> Post | None:
    return await post_store.get(conn, parent_id) if parent_id is not None else None


async def release_one(engine: AsyncEngine, here: Here, *, help_lines: Collection[str]) -> bool:
    """Let one post go out whose time has come. False: there is none.

    Each in a transaction of its own, which holds the row: whoever is killed in it leaves the post
    to the next sweep, and no other worker has it meanwhile. `help_lines`: see `Draft`.
    """
    broken: UUID | None = None
    try:
        async with engine.begin() as conn:
            row = (await conn.execute(_DUE, {"now": here.now()})).first()
            if row is None:
                return False
            broken = row.id
            try:
                async with conn.begin_nested():
                    await _release(conn, here, row, help_lines)
            except Problem as problem:
                reason = problem.detail or problem.title
                await conn.execute(_REFUSE, {"waiting_id": row.id, "why": reason})
                await noticing.unsent(conn, here, [(row.author_id, row.group_id)])
            reached(Point.BEFORE_COMMIT)
        reached(Point.AFTER_COMMIT)
    except Exception:
        if broken is not None:
            await _note_failure(engine, here, broken)
        raise
    return True


async def _release(
    conn: AsyncConnection, here: Here, row: AnyRow, help_lines: Collection[str]
) -> None:
    """Raises what `threads.start` and `threads.reply` raise: it may not be said any more."""
    author = await actor_store.get(conn, row.author_id)
    await conn.execute(sa.delete(waiting).where(waiting.c.id == row.id))
    draft = replace(
        draft_text.load(row.said, here.now()),
        help_lines=help_lines,
        contacts_stay=True,  # its author was asked when they wrote it
    )
    speaker = Speaker.alone(author)
    parent = await _parent(conn, row.parent_id)
    if parent is None:
        group = await group_store.get(conn, row.group_id)
        await threads.start(conn, here, speaker, group, draft)
    else:
        await threads.reply(conn, here, speaker, parent, draft)


async def _note_failure(engine: AsyncEngine, here: Here, waiting_id: UUID) -> None:
    """Try it again in a minute; after five times its author has it back."""
    async with engine.begin() as conn:
        later = here.now() + timedelta(minutes=1)
        values = {"waiting_id": waiting_id, "later": later}
        row = (await conn.execute(_FAILED, values)).first()
        if row is not None and row.due is None:
            await noticing.unsent(conn, here, [(row.author_id, row.group_id)])


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """Forget what its author left lying for a month."""
    rows = await conn.execute(
        sa.delete(waiting)
        .where(waiting.c.keep_until < here.now().date(), waiting.c.due.is_(None))
        .returning(waiting.c.said, waiting.c.author_id, waiting.c.group_id)
    )
    gone = rows.all()
    await notices.forget_unsent(conn, {(row.author_id, row.group_id) for row in gone})
    await media_store.let_go(
        conn, [each for row in gone for each in draft_text.pictures_in(row.said)]
    )


async def stop_all(conn: AsyncConnection, here: Here, reason: str) -> int:
    """Nothing that waits goes out; its authors are told to look at it. How much there was."""
    rows = await conn.execute(
        sa.update(waiting)
        .where(waiting.c.due.is_not(None))
        .values(due=None, reason=reason)
        .returning(waiting.c.author_id, waiting.c.group_id)
    )
    held = rows.all()
    await noticing.unsent(conn, here, {(row.author_id, row.group_id) for row in held})
    return len(held)


def _read(row: AnyRow, now: datetime) -> Waiting:
    values = dict(row._mapping)
    return Waiting(draft=draft_text.load(values.pop("said"), now), **values)


_author, _group, _parent_post = actors.alias("author"), actors.alias("home"), posts.alias("parent")
_SELECT: Final = sa.select(
    waiting.c.id,
    waiting.c.author_id,
    _author.c.name.label("author_name"),
    sa.literal("@")
    .concat(_author.c.handle)
    .concat("@")
    .concat(_author.c.host)
    .label("author_address"),
    waiting.c.group_id,
    _group.c.name.label("group_name"),
    sa.case(
        (_group.c.local, _group.c.handle), else_=_group.c.handle.concat("@").concat(_group.c.host)
    ).label("group_address"),
    waiting.c.parent_id,
    _parent_post.c.thread_id,
    waiting.c.said,
    waiting.c.due,
    waiting.c.reason,
    waiting.c.keep_until,
).select_from(
    waiting.join(_author, _author.c.id == waiting.c.author_id)
    .join(_group, _group.c.id == waiting.c.group_id)
    .outerjoin(_parent_post, _parent_post.c.id == waiting.c.parent_id)
)
_IS_THEIRS: Final = any_of(waiting.c.author_id, "authors")
_IS_ONE: Final = waiting.c.id == sa.bindparam("waiting_id", type_=sa.Uuid)
_IS_OF: Final = sa.and_(_IS_ONE, waiting.c.author_id == sa.bindparam("by", type_=sa.Uuid))
_ONE: Final = _SELECT.where(_IS_ONE, _IS_THEIRS)
_MINE: Final = (
    _SELECT.where(_IS_THEIRS)
    .order_by(waiting.c.due.asc().nulls_last(), waiting.c.id)
    .limit(at_most(PAGE))
)
_ONE_WAITS: Final = (
    sa.select(sa.literal(1))
    .select_from(waiting)
    .where(
        _IS_THEIRS,
        waiting.c.group_id == sa.bindparam("group_id", type_=sa.Uuid),
        waiting.c.due.is_not(None),
    )
    .limit(1)
)
_TAKE_BACK: Final = sa.update(waiting).where(_IS_OF).values(due=None, reason="")
_DROP: Final = sa.delete(waiting).where(_IS_OF).returning(waiting.c.said, waiting.c.group_id)

_NEW: Final[Mapping[str, Type]] = {
    "id": sa.Uuid,
    "author_id": sa.Uuid,
    "group_id": sa.Uuid,
    "parent_id": sa.BigInteger,
    "said": sa.Text,
    "due": sa.DateTime(timezone=True),
    "keep_until": sa.Date,
}
_of_author = waiting.alias("of_author")
_KEEP: Final = waiting.insert().from_select(
    list(_NEW),
    sa.select(*(sa.bindparam(name, type_=kind) for name, kind in _NEW.items())).where(
        sa.select(sa.func.count())
        .select_from(_of_author)
        .where(_of_author.c.author_id == sa.bindparam("author_id", type_=sa.Uuid))
        .scalar_subquery()
        < MAX_WAITING
    ),
)
"""One more, where its author has room for it."""

_DUE: Final = (
    sa.select(
        waiting.c.id, waiting.c.author_id, waiting.c.group_id, waiting.c.parent_id, waiting.c.said
    )
    .where(waiting.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(waiting.c.due, waiting.c.id)
    .limit(at_most(1))
    .with_for_update(skip_locked=True)
)
_REFUSE: Final = (
    sa.update(waiting).where(_IS_ONE).values(due=None, reason=sa.bindparam("why", type_=sa.Text))
)
_GIVE_UP: Final = waiting.c.attempts + 1 >= ATTEMPTS
_FAILED: Final = (
    sa.update(waiting)
    .where(_IS_ONE, waiting.c.due.is_not(None))  # its author may have taken it back meanwhile
    .values(
        attempts=waiting.c.attempts + 1,
        due=sa.case(
            (_GIVE_UP, sa.null()), else_=sa.bindparam("later", type_=sa.DateTime(timezone=True))
        ),
        reason=sa.case((_GIVE_UP, _BROKE), else_=""),
    )
    .returning(waiting.c.due, waiting.c.author_id, waiting.c.group_id)
)
