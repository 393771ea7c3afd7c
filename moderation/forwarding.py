"""Telling the moderators of another server: one hop, in a moderator's own words (MOD-5.13).

A desk speaks, some time between five minutes and an hour later, so that neither a name nor the
moment says who reported. Nothing that came as a report is passed on by itself.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import flags as wire
from activitypub import outbox
from activitypub.actors import Actor
from kernel import chance
from kernel.errors import Conflict, Malformed, NotAllowed
from kernel.here import Here
from kernel.rows import at_most
from kernel.said import said
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.groups import Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, flags, follows, groups, posts
from moderation import casework, domains, sealed
from moderation.cases import Case

MAX_WORDS: Final = 1_000
SOONEST: Final = 5  # minutes
LATEST: Final = 60
CROWD: Final = 5  # fewer people here than this could be guessed from what is sent

_LABEL: Final = "flags"
_NAMED: Final = re.compile(r"@([\w.-]{1,64})(?:@([\w.:-]{1,255}))?")
_MAX_NAMED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What their moderators are to be told. `group`: of another server, where the post is in it."""

    case: Case
    signer: Actor
    person: Actor
    group: Actor | None
    words: str = field(repr=False)
    with_post: bool


async def is_small(conn: AsyncConnection, group_id: UUID | None) -> bool:
    """Whether so few people here could see something in that group, or anywhere, that they show.

    Of a group here its members count, where only they read it; else everybody who is here does.
    """
    members_only = await conn.scalar(
        sa.select(groups.c.sees == Sees.MEMBERS).where(groups.c.actor_id == group_id)
    )
    here = sa.select(actors.c.id).where(
        actors.c.local, actors.c.kind == ActorKind.PERSON, actors.c.state == ActorState.ACTIVE
    )
    if members_only:
        mine = sa.select(follows.c.follower_id).where(follows.c.followed_id == group_id)
        here = here.where(actors.c.id.in_(mine))
    some = here.limit(CROWD).subquery()
    return (await conn.scalar(sa.select(sa.func.count()).select_from(some)) or 0) < CROWD


async def plan(conn: AsyncConnection, here: Here, letter: Letter) -> None:
    """Tell the author's server, and that of the group elsewhere, once and later.

    Raises Malformed: no words, too many, or they name somebody here. Raises Conflict: they are
    told already. Raises NotAllowed: that server is blocked.
    """
    words = letter.words.strip()
    if not words:
        raise Malformed("Please say in your own words what they should know.")
    if len(words) > MAX_WORDS:
        raise Malformed(said("Please write up to {limit} letters.", limit=MAX_WORDS))
    await _check_names(conn, here, words)
    if letter.case.told:
        raise Conflict("Their moderators are told already.")
    if await domains.is_blocked(conn, letter.person.host):
        raise NotAllowed("This place does not talk with that server.")
    readers = {letter.person.host: letter.person}
    if letter.group is not None:
        readers.setdefault(letter.group.host, letter.group)
    for reader in readers.values():
        flag_id = chance.new_uuid()
        value = {"words": words, "person": letter.person.id.hex}
        await conn.execute(
            flags.insert().values(
                id=flag_id,
                signer_id=letter.signer.id,
                to_id=reader.id,
                post_id=letter.case.post_id if letter.with_post else None,
                due=_due(here),
                sealed=sealed.put(here, _LABEL, f"flag {flag_id}", value),
            )
        )
    await casework.mark_told(conn, letter.case)


async def _check_names(conn: AsyncConnection, here: Here, words: str) -> None:
    """Raises Malformed: the words name somebody who lives here (MOD-5.13, SEC-U18)."""
    named = _NAMED.findall(words)[:_MAX_NAMED]
    handles = [name.lower() for name, host in named if host in ("", here.host)]
    known = sa.select(actors.c.id).where(
        actors.c.local,
        actors.c.kind == ActorKind.PERSON,
        sa.func.lower(actors.c.handle).in_(handles),
    )
    linked = any(each in words for each in (f"{here.origin}/u/", f"{here.host}/u/"))
    if linked or len(_NAMED.findall(words)) > _MAX_NAMED or await conn.scalar(known.limit(1)):
        raise Malformed("That names somebody who lives here. Please leave every name out.")


def _due(here: Here) -> datetime:
    """A whole minute, drawn; tests and the demo do not wait either where nothing else does."""
    minutes = math.ceil(here.now().timestamp() / 60)
    if here.release_delay:
        minutes += SOONEST + int(chance.share() * (LATEST - SOONEST + 1))
    return datetime.fromtimestamp(minutes * 60, UTC)


async def send_one(engine: AsyncEngine, here: Here) -> bool:
    """Send one whose time has come. False: there is none.

    What its author deleted meanwhile is not named any more.
    """
    async with engine.begin() as conn:
        row = (await conn.execute(_DUE, {"now": here.now()})).first()
        if row is None:
            return False
        await conn.execute(sa.delete(flags).where(flags.c.id == row.id))
        value = sealed.get(here, _LABEL, f"flag {row.id}", row.sealed)
        people = await actor_store.several(
            conn, [row.signer_id, row.to_id, UUID(hex=value["person"])]
        )
        signer, reader = people[row.signer_id], people[row.to_id]
        person = people.get(UUID(hex=value["person"]))
        objects = [each for each in (row.uri, person.uri if person else None) if each]
        if objects:
            await _tell(conn, here, signer, reader, objects, value["words"])
    return True


async def _tell(
    conn: AsyncConnection,
    here: Here,
    signer: Actor,
    reader: Actor,
    objects: Sequence[str],
    words: str,
) -> None:
    in_group = reader.kind is ActorKind.GROUP
    document = wire.document(
        here.new_activity_uri(),
        signer.uri,
        to=reader.uri,
        audience=reader.uri if in_group else None,
        objects=objects,
        words=words,
    )
    await outbox.publish(conn, here, document, signer=signer, to=[reader.uri])


_DUE: Final = (
    sa.select(flags.c.id, flags.c.signer_id, flags.c.to_id, flags.c.sealed, posts.c.uri)
    .outerjoin(
        posts,
        sa.and_(
            posts.c.id == flags.c.post_id,
            posts.c.state.in_([PostState.SHOWN, PostState.HELD, PostState.REMOVED]),
        ),
    )
    .where(flags.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(flags.c.due, flags.c.id)
    .limit(at_most(1))
    .with_for_update(of=flags, skip_locked=True)
)
