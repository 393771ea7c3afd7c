"""Pictures of other servers: read once, as the node, a while after they came (SEC-P10, SEC-R14).

Nobody's browser asks another server for anything, and whether somebody looks changes nothing: a
picture is read by a worker soon after its post came, or never. What the cache had no room for any
more is not read again; the page has its description and a link.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Executable, Insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub.client import Answer, Client, Unreachable
from activitypub.remote import Remote
from kernel.arrays import any_of
from kernel.errors import Busy, Malformed, NotAllowed, Problem, TooMany
from kernel.here import Here
from kernel.rows import constant
from kernel.schema.posts import AttachmentKind
from kernel.schema.tables import actors, attachments, copies_wanted, media, posts
from kernel.urls import parse, same_origin
from media import pictures
from media.store import Store
from media.studio import MAX_FILE, MEDIA_TYPE, Studio
from moderation import policy

ACCEPT: Final = "image/webp, image/png, image/jpeg, image/gif"
MAX_OF_POST: Final = 8
MAX_COPIES: Final = 1024**3  # bytes of all copies
DELAY: Final = timedelta(seconds=60)  # within which each picture is read, at a moment of its own
ATTEMPTS: Final = 3
AGAIN: Final = timedelta(minutes=10)  # and twice as long each time

_TYPES: Final = frozenset(ACCEPT.split(", "))
_LEASE: Final = timedelta(minutes=2)
_STEP: Final = 100

log = logging.getLogger(__name__)


def wanting(added: Insert) -> Executable:
    """SQL: an INSERT of attachments that also has their pictures read soon; `now` is a parameter.

    The moment of each is its own, within a minute.
    """
    new = added.returning(
        attachments.c.post_id,
        attachments.c.position,
        attachments.c.kind,
        attachments.c.remote_url,
    ).cte("added")
    soon = sa.func.random() * sa.text(f"interval '{DELAY.seconds} seconds'")
    due = sa.bindparam("now", type_=sa.DateTime(timezone=True)) + soon
    wanted = sa.select(new.c.post_id, new.c.position, due).where(
        new.c.kind == constant(AttachmentKind.IMAGE),
        new.c.position < MAX_OF_POST,
        new.c.remote_url.is_not(None),
    )
    return copies_wanted.insert().from_select(["post_id", "position", "due"], wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    post_id: int
    position: int
    attempts: int
    due: datetime
    url: str

    @property
    def key(self) -> sa.ColumnElement[bool]:
        """SQL: it, unless somebody else has taken it over meanwhile."""
        return sa.and_(
            copies_wanted.c.post_id == self.post_id,
            copies_wanted.c.position == self.position,
            copies_wanted.c.due == self.due,
        )


@dataclass(slots=True)
class Copier:
    """Reads pictures from other servers, one after the other, and draws them anew."""

    engine: AsyncEngine
    here: Here
    client: Client
    remote: Remote
    store: Store
    studio: Studio
    scratch: Path  # where there is room for a picture that is being read

    async def copy_one(self) -> bool:
        """Read the picture that is due. False: there is none."""
        wanted = await self._claim()
        if wanted is None:
            return False
        if wanted.attempts > ATTEMPTS:  # a process died with it each time
            await self._finish(wanted, None)
            return True
        try:
            await self._copy(wanted)
        except (Unreachable, TooMany, Busy):
            await self._later(wanted)
        except Problem as error:  # it stays a link for good
            log.info("a picture was not copied", extra={"why": type(error).__name__})
            await self._finish(wanted, None)
        return True

    async def _claim(self) -> _Wanted | None:
        """One that is due, for two minutes; the attempt is counted before the work."""
        now = self.here.now()
        due = (
            sa.select(copies_wanted.c.post_id, copies_wanted.c.position)
            .where(copies_wanted.c.due <= now)
            .order_by(copies_wanted.c.due)
            .limit(1)
            .with_for_update(skip_locked=True)
            .subquery()
        )
        claimed = (
            sa.update(copies_wanted)
            .where(
                copies_wanted.c.post_id == due.c.post_id,
                copies_wanted.c.position == due.c.position,
                attachments.c.post_id == due.c.post_id,
                attachments.c.position == due.c.position,
            )
            .values(attempts=copies_wanted.c.attempts + 1, due=now + _LEASE)
            .returning(
                copies_wanted.c.post_id,
                copies_wanted.c.position,
                copies_wanted.c.attempts,
                copies_wanted.c.due,
                attachments.c.remote_url,
            )
        )
        async with self.engine.begin() as conn:
            row = (await conn.execute(claimed)).first()
        return _Wanted(*row) if row is not None else None

    async def _copy(self, wanted: _Wanted) -> None:
        """Raises Problem, Unreachable: it cannot be had, or is no picture."""
        if self.here.is_ours(wanted.url):
            raise Malformed("That picture would be our own.")  # SEC-R7
        async with self.engine.connect() as conn:
            if not await _takes_pictures(conn, wanted):
                raise NotAllowed("This node does not talk with that domain.")
        answer = await self._read(wanted)
        if answer.status >= 500 or answer.status == 429:
            raise Unreachable(f"status {answer.status}", status=answer.status)
        kind = answer.content_type.partition(";")[0].strip().lower()
        if answer.status != 200 or kind not in _TYPES or self.here.is_ours(answer.url):
            raise Malformed("There is no picture at that address.")
        with tempfile.TemporaryFile(dir=self.scratch) as file:
            file.write(answer.body)
            picture = await self.studio.draw(file)
        kept = await pictures.keep(self.engine, self.here, self.store, picture, copied=True)
        await self._finish(wanted, kept)

    async def _read(self, wanted: _Wanted) -> Answer:
        """What lies there now. In a circle the node signs, and asks the author's server alone."""
        async with self.engine.connect() as conn:
            home = await conn.scalar(_IN_CIRCLE, {"of_post": wanted.post_id})
        if home is None:
            budget = self.remote.budget.for_activity()
            return await self.client.get(wanted.url, accept=ACCEPT, limit=MAX_FILE, budget=budget)
        if not same_origin(home, wanted.url):
            raise NotAllowed  # what is in a circle lies where its author lives
        return await self.remote.for_activity().answer(wanted.url, accept=ACCEPT, limit=MAX_FILE)

    async def _finish(self, wanted: _Wanted, kept: pictures.Kept | None) -> None:
        """Nothing more is to be done; the post has the copy, if it is still there and the same."""
        async with self.engine.begin() as conn:
            await conn.execute(sa.delete(copies_wanted).where(wanted.key))
            if kept is None:
                return
            if not await _takes_pictures(conn, wanted):  # decided while it was read
                await pictures.let_go(conn, [kept.id])
                return
            placed = await conn.execute(
                sa.update(attachments)
                .where(
                    attachments.c.post_id == wanted.post_id,
                    attachments.c.position == wanted.position,
                    attachments.c.remote_url == wanted.url,
                    attachments.c.media_id.is_(None),
                )
                .values(
                    media_id=kept.id, media_type=MEDIA_TYPE, width=kept.width, height=kept.height
                )
            )
            if placed.rowcount:
                await pictures.take(conn, [kept.id])
            else:
                await pictures.let_go(conn, [kept.id])

    async def _later(self, wanted: _Wanted) -> None:
        if wanted.attempts >= ATTEMPTS:
            await self._finish(wanted, None)
            return
        pause = AGAIN * 2 ** (wanted.attempts - 1)
        async with self.engine.begin() as conn:
            await conn.execute(
                sa.update(copies_wanted).where(wanted.key).values(due=self.here.now() + pause)
            )


_group: Final = actors.alias("of_group")
_IN_CIRCLE: Final = (
    sa.select(posts.c.uri)
    .join(_group, _group.c.id == posts.c.group_id)
    .where(posts.c.id == sa.bindparam("of_post", type_=sa.BigInteger), _group.c.members_only)
)
"""Where a post lives that only the members of its group read."""


def _host_of(url: str) -> str:
    return parse(url, allow_http=True, allow_fragment=True).netloc


async def _takes_pictures(conn: AsyncConnection, wanted: _Wanted) -> bool:
    """Whether pictures are copied from where it lies, and from whose post it is of (MOD-3.10)."""
    author = sa.select(actors.c.host).join(posts, posts.c.author_id == actors.c.id)
    hosts = {_host_of(wanted.url), await conn.scalar(author.where(posts.c.id == wanted.post_id))}
    return all([(await policy.of_host(conn, host or "")).takes_media for host in hosts])


async def forget_of(engine: AsyncEngine, host: str) -> None:
    """Let go of all copies of pictures that lie at a server, or that its people posted.

    They are links again.
    """
    while True:
        async with engine.begin() as conn:
            found = (await conn.execute(_OF_HOST, {"host": host})).all()
            if not found:
                return
            ids = {"ids": [row.media_id for row in found]}
            gone = any_of(attachments.c.media_id, "ids")
            await conn.execute(sa.update(attachments).where(gone).values(media_id=None), ids)
            await pictures.let_go(conn, ids["ids"])


async def hosts(conn: AsyncConnection) -> Sequence[str]:
    """The servers at which pictures lie that we have copies of."""
    return list(await conn.scalars(_HOSTS))


_HOST: Final = sa.bindparam("host", type_=sa.Text)
_LIES_AT: Final = sa.func.lower(sa.func.split_part(attachments.c.remote_url, "/", 3))
_COPIES: Final = attachments.join(media, media.c.id == attachments.c.media_id)
_HOSTS: Final = (
    sa.select(_LIES_AT)
    .select_from(_COPIES)
    .where(media.c.used.is_not(None), attachments.c.remote_url.is_not(None))
    .distinct()
)
_OF_HOST: Final = (
    sa.select(attachments.c.media_id)
    .select_from(
        _COPIES.join(posts, posts.c.id == attachments.c.post_id).join(
            actors, actors.c.id == posts.c.author_id
        )
    )
    .where(
        sa.or_(actors.c.host == _HOST, _LIES_AT == _HOST),
        ~actors.c.local,
        media.c.used.is_not(None),
    )
    .limit(_STEP)
)


async def looked_at(conn: AsyncConnection, here: Here, media_id: UUID) -> None:
    """Somebody looked at a copy on this day, so it is not the next to go."""
    today = here.now().date()
    await conn.execute(
        sa.update(media).where(media.c.id == media_id, media.c.used < today).values(used=today)
    )


async def make_room(engine: AsyncEngine) -> None:
    """Let the copies go that nobody looked at for longest, until the others have room."""
    is_copy = sa.and_(media.c.used.is_not(None), ~media.c.gone)
    while True:
        async with engine.begin() as conn:
            held = await conn.scalar(sa.select(sa.func.sum(media.c.bytes)).where(is_copy)) or 0
            if held <= MAX_COPIES:
                return
            oldest = await conn.execute(
                sa.select(media.c.id, media.c.bytes)
                .where(is_copy)
                .order_by(media.c.used, media.c.id)
                .limit(_STEP)
            )
            ids = []
            for row in oldest:
                if held > MAX_COPIES:
                    ids.append(row.id)
                    held -= row.bytes
            await conn.execute(
                sa.update(attachments)
                .where(any_of(attachments.c.media_id, "ids"))
                .values(media_id=None),
                {"ids": ids},
            )
            await pictures.let_go(conn, ids)
