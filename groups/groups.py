"""Support groups: making one, settling it, finding it (DESIGN, "Groups")."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.keys import KeyPair
from activitypub.vocab import PUBLIC
from kernel import text
from kernel.arrays import any_of
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, AnySelect
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.groups import Joining, Posts, Premoderation, Sees
from kernel.schema.tables import actors, follows, groups, guidelines, moderators, threads
from members.order import stir
from moderation.standing import Speaker
from moderation.visibility import Viewer, host_is_welcome, is_member, may_see_group

MAX_GUIDELINES = 10_000
MAX_ABOUT = 5_000
MAX_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """What a group's moderators decide. The defaults are the careful choices."""

    sees: Sees = Sees.EVERYONE
    posts: Posts = Posts.MEMBERS
    joining: Joining = Joining.OPEN
    premoderation: Premoderation = Premoderation.NONE
    one_voice: bool = False
    one_time: bool = True
    notes_required: bool = False
    slow_minutes: int = 0
    languages: tuple[str, ...] = ("en",)

    @property
    def federates(self) -> bool:
        """Only what everyone may see leaves the node until there are pacts."""
        return self.sees is Sees.EVERYONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group; `settings` is None where it lives on another node."""

    actor: Actor
    desk_id: UUID | None
    settings: GroupSettings | None
    guidelines_version: int
    accept_from: int

    @property
    def id(self) -> UUID:
        return self.actor.id

    @property
    def federates(self) -> bool:
        return self.settings is None or self.settings.federates

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        settings = None
        if row.desk_id is not None:
            settings = GroupSettings(
                sees=Sees(row.sees),
                posts=Posts(row.posts),
                joining=Joining(row.joining),
                premoderation=Premoderation(row.premoderation),
                one_voice=row.one_voice,
                one_time=row.one_time,
                notes_required=row.notes_required,
                slow_minutes=row.slow_minutes,
                languages=tuple(row.languages),
            )
        return cls(
            actor=Actor.of(row),
            desk_id=row.desk_id,
            settings=settings,
            guidelines_version=row.guidelines or 0,
            accept_from=row.accept_from or 0,
        )


_SETTINGS = [column for column in groups.columns if column.name != "actor_id"]


def _select() -> AnySelect:
    return (
        sa.select(*actor_store.columns(), *_SETTINGS)
        .select_from(actors.outerjoin(groups, groups.c.actor_id == actors.c.id))
        .where(actors.c.kind == ActorKind.GROUP, actors.c.state == ActorState.ACTIVE)
    )


async def get(conn: AsyncConnection, group_id: UUID, viewer: Viewer | None = None) -> Group:
    """Raises NotFound: there is no such group, or the viewer may not see it."""
    query = _select().where(actors.c.id == group_id)
    if viewer is not None:
        query = query.where(may_see_group(viewer, actors.c.id))
    row = (await conn.execute(query)).first()
    if row is None:
        raise NotFound
    return Group.of(row)


async def several(conn: AsyncConnection, group_ids: Sequence[UUID]) -> dict[UUID, Group]:
    """Those of the groups that are open, by id."""
    rows = await conn.execute(_SEVERAL, {"ids": group_ids})
    return {row.id: Group.of(row) for row in rows}


_SEVERAL = _select().where(any_of(actors.c.id, "ids"))


async def by_name(conn: AsyncConnection, name: str, viewer: Viewer) -> Group:
    """The group `name` here, or `name@host` elsewhere. Raises NotFound: as `get`."""
    handle, _, host = name.lower().partition("@")
    where = actors.c.host == host if host else actors.c.local
    row = (
        await conn.execute(
            _select().where(
                sa.func.lower(actors.c.handle) == handle,
                where,
                may_see_group(viewer, actors.c.id),
                host_is_welcome(actors.c.host),
            )
        )
    ).first()
    if row is None:
        raise NotFound
    return Group.of(row)


async def behind_desk(conn: AsyncConnection, desk_id: UUID) -> Group | None:
    """The group that a desk speaks for; None for the node's own."""
    row = (await conn.execute(_select().where(groups.c.desk_id == desk_id))).first()
    return Group.of(row) if row else None


def _check_words(name: str, about: str, rules: str) -> None:
    if not name.strip():
        raise Malformed("Please give the group a name.")
    for words, limit, what in (
        (name, MAX_NAME, "The name"),
        (about, MAX_ABOUT, "The description"),
        (rules, MAX_GUIDELINES, "The guidelines"),
    ):
        if len(words) > limit:
            raise Malformed(f"{what} can have up to {limit} letters. Yours has {len(words)}.")


async def create(
    conn: AsyncConnection,
    here: Here,
    *,
    handle: str,
    name: str,
    about: str,
    rules: str,
    settings: GroupSettings,
    founder: Actor | None,
    keys: KeyPair,
    desk_keys: KeyPair,
) -> Group:
    """A new group with its desk; the founder, where there is one, becomes its first moderator.

    Raises Malformed, Conflict: as `actors.create_local`, or words are missing or too long.
    """
    _check_words(name, about, rules)
    desk = await actor_store.create_local(
        conn,
        here,
        kind=ActorKind.SERVICE,
        handle=f"{handle[:25]}_desk",
        name=f"{name}: moderators",
        keys=desk_keys,
        uri=f"{here.origin}/desk/{handle}",
    )
    actor = await actor_store.create_local(
        conn,
        here,
        kind=ActorKind.GROUP,
        handle=handle,
        name=name.strip(),
        source=about,
        summary=text.render(about),
        keys=keys,
        locked=settings.joining is not Joining.OPEN,
    )
    version = 1 if rules.strip() else 0
    await conn.execute(
        groups.insert().values(
            actor_id=actor.id,
            desk_id=desk.id,
            guidelines=version,
            accept_from=version,
            **_row(settings),
        )
    )
    if version:
        await conn.execute(
            guidelines.insert().values(group_id=actor.id, version=version, source=rules)
        )
    await conn.execute(moderators.insert().values(group_id=actor.id, actor_id=desk.id))
    if founder is not None:
        await add_moderator(conn, here, actor, founder, version)
    return await get(conn, actor.id)


async def add_moderator(
    conn: AsyncConnection, here: Here, group: Actor, persona: Actor, version: int
) -> None:
    """Make a persona a member and a moderator; the desk speaks for it on the wire."""
    await conn.execute(moderators.insert().values(group_id=group.id, actor_id=persona.id))
    await conn.execute(
        follows.insert().values(
            follower_id=persona.id,
            followed_id=group.id,
            state=FollowState.ACCEPTED,
            uri=here.new_activity_uri(),
            guidelines=version,
            approved=True,
        )
    )
    await stir(conn, moderators)
    await stir(conn, follows)


def _row(settings: GroupSettings) -> dict[str, object]:
    return {**asdict(settings), "languages": list(settings.languages)}


async def update(
    conn: AsyncConnection,
    here: Here,
    group: Group,
    *,
    name: str,
    about: str,
    settings: GroupSettings,
) -> Group:
    """Change a group's words and settings, and tell its followers (WIRE-A23, WIRE-G26)."""
    _check_words(name, about, "")
    if group.settings is None:
        raise NotAllowed("That group lives on another node.")
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == group.id)
        .values(
            name=name.strip(),
            source=about,
            summary=text.render(about),
            locked=settings.joining is not Joining.OPEN,
        )
    )
    await conn.execute(
        sa.update(groups).where(groups.c.actor_id == group.id).values(**_row(settings))
    )
    changed = await get(conn, group.id)
    if changed.federates:
        await _tell_update(conn, here, changed)
    return changed


async def _tell_update(conn: AsyncConnection, here: Here, group: Group) -> None:
    document = documents.activity(
        here.new_activity_uri(),
        "Update",
        group.actor.uri,
        documents.actor(group.actor),
        to=[PUBLIC],
        cc=[group.actor.followers_uri or group.actor.uri],
        audience=group.actor.uri,
    )
    await outbox.publish_to_followers(conn, here, document, signer=group.actor)


async def guidelines_text(conn: AsyncConnection, group: Group) -> str:
    """The newest guidelines as Markdown; empty where there are none."""
    return (
        await conn.scalar(
            sa.select(guidelines.c.source).where(
                guidelines.c.group_id == group.id,
                guidelines.c.version == group.guidelines_version,
            )
        )
        or ""
    )


async def set_guidelines(
    conn: AsyncConnection, group: Group, rules: str, *, material: bool
) -> Group:
    """Publish a new version; a material one is accepted anew before the next post."""
    if group.settings is None:
        raise NotAllowed("That group lives on another node.")
    _check_words(group.actor.name, "", rules)
    version = group.guidelines_version + 1
    await conn.execute(guidelines.insert().values(group_id=group.id, version=version, source=rules))
    accept_from = version if material or not group.accept_from else group.accept_from
    await conn.execute(
        sa.update(groups)
        .where(groups.c.actor_id == group.id)
        .values(guidelines=version, accept_from=accept_from)
    )
    return replace(group, guidelines_version=version, accept_from=accept_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """A group in a list. `latest_id` is its newest post's id: 0 where nothing was said yet."""

    id: UUID
    name: str
    address: str
    local: bool
    about: str  # HTML, to be cleaned
    latest_id: int
    mine: bool


async def directory(
    conn: AsyncConnection,
    viewer: Viewer,
    *,
    after: tuple[str, UUID] | None = None,
    limit: int = 20,
    mine: bool = False,
) -> Sequence[GroupLine]:
    """The groups the viewer may see, in alphabetical order; `mine`: those they belong to."""
    latest = (
        sa.select(sa.func.max(threads.c.latest_id))
        .where(threads.c.group_id == actors.c.id, threads.c.shown)
        .scalar_subquery()
    )
    name = sa.func.lower(actors.c.name)
    member = is_member(viewer, actors.c.id)
    query = (
        sa.select(
            actors.c.id,
            actors.c.name,
            actors.c.handle,
            actors.c.host,
            actors.c.local,
            actors.c.summary,
            sa.func.coalesce(latest, 0).label("latest_id"),
            member.label("mine"),
        )
        .where(
            actors.c.kind == ActorKind.GROUP,
            actors.c.state == ActorState.ACTIVE,
            may_see_group(viewer, actors.c.id),
            host_is_welcome(actors.c.host),
        )
        .order_by(name, actors.c.id)
        .limit(limit)
    )
    if mine:
        query = query.where(member)
    if after is not None:
        query = query.where(sa.tuple_(name, actors.c.id) > sa.tuple_(after[0], after[1]))
    return [
        GroupLine(
            id=row.id,
            name=row.name,
            address=row.handle if row.local else f"{row.handle}@{row.host}",
            local=row.local,
            about=row.summary,
            latest_id=row.latest_id,
            mine=row.mine,
        )
        for row in await conn.execute(query)
    ]


async def is_moderator(conn: AsyncConnection, group_id: UUID, actor_ids: Sequence[UUID]) -> bool:
    """Whether one of the actors is listed as a moderator of the group (WIRE-G35)."""
    found = await conn.scalar(
        sa.select(moderators.c.actor_id)
        .where(moderators.c.group_id == group_id, moderators.c.actor_id.in_(actor_ids))
        .limit(1)
    )
    return found is not None


async def moderator_uris(conn: AsyncConnection, group: Group) -> list[str]:
    """Who is named on the wire: desk and moderators elsewhere, no persona of ours (WIRE-T15)."""
    rows = await conn.execute(
        sa.select(actors.c.uri)
        .join(moderators, moderators.c.actor_id == actors.c.id)
        .where(
            moderators.c.group_id == group.id,
            sa.or_(~actors.c.local, actors.c.kind == ActorKind.SERVICE),
        )
        .order_by(actors.c.uri)
    )
    return [uri for (uri,) in rows]


def require_moderator_of(speaker: Speaker, moderating: bool) -> None:
    """Raises NotAllowed: only moderators may do this."""
    if not moderating:
        raise NotAllowed("Only this group's moderators can do that.")
