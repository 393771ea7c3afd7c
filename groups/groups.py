"""Support groups: making one, settling it, finding it (DESIGN, "Groups")."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents
from activitypub.actors import Actor
from activitypub.documents import Attached
from activitypub.keys import KeyPair
from activitypub.vocab import Document
from groups import changes
from kernel import text, tombstone_log
from kernel.arrays import any_of
from kernel.clock import to_five_minutes, to_minute
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.rows import AnyRow, AnySelect, constant
from kernel.said import said
from kernel.schema.actors import ActorKind, ActorState, FollowState
from kernel.schema.groups import Joining, Posts, Premoderation, Sees
from kernel.schema.labels import Effect
from kernel.schema.moderation import Level
from kernel.schema.tables import actors, follows, group_domains, groups, guidelines, moderators
from kernel.tombstone_log import Act
from media.studio import MEDIA_TYPE
from members.order import stir
from moderation import circles
from moderation.policy import Policies, Policy
from moderation.standing import Speaker
from moderation.visibility import Viewer, host_is_welcome, is_mine, may_see_group

MAX_GUIDELINES = 10_000
MAX_ABOUT = 5_000
MAX_NAME = 100
READERS: Final = (Sees.EVERYONE, Sees.NODE, Sees.MEMBERS)  # each closes more than those before it
NO_RULES: Final = Policies()
MAX_CAP = 1000  # members of a group that counts them; one without a limit may have more


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
    contacts: bool = False
    slow_minutes: int = 0
    languages: tuple[str, ...] = ("en",)
    proofs: bool = False
    cap: int = 0  # most members; 0: no limit
    check_in: int | None = None  # the day of the week it asks how people are; 0: Monday
    stories: bool = False
    coarse: bool = False  # times of its posts are to five minutes
    details_held: bool = True  # a moderator reads first what tells how harm is done
    circle: str = ""  # the one peer whose people may join where only members see

    @property
    def federates(self) -> bool:
        """Only what everyone may see is there for every server."""
        return self.sees is Sees.EVERYONE

    @property
    def spans(self) -> bool:
        """Whether members of one trusted peer belong to it as well (MOD-5.6)."""
        return self.sees is Sees.MEMBERS and bool(self.circle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How one persona stands in a group."""

    persona_id: UUID
    state: FollowState
    approved: bool
    moderator: bool
    guidelines: int
    turn: int | None = None  # place among those who wait for room

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row that selected `membership_columns()`."""
        return cls(
            persona_id=row.member_id,
            state=FollowState(row.member_state),
            approved=row.member_approved,
            moderator=row.member_moderates,
            guidelines=row.member_guidelines,
            turn=row.member_turn,
        )


@dataclass(frozen=True, slots=True)
class Icon:
    """The picture of a group; `alt` says in plain text what it shows."""

    media_id: UUID
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group; `settings` is None where it lives on another node.

    `memberships` are those of whoever it was read for; None where that was nobody. `servers` are
    what it decided about other servers for itself, `effects` what labels do in it (MOD-5.7).
    """

    actor: Actor
    desk_id: UUID | None
    settings: GroupSettings | None
    guidelines_version: int
    accept_from: int
    icon: Icon | None = None
    tended: date | None = None  # the last day that one of its moderators did something
    answer_minutes: int | None = None  # half of new threads had an answer within so many
    was: str = ""  # its address on another server, before it moved here
    memberships: Sequence[Membership] | None = None
    servers: Policies = NO_RULES
    effects: Mapping[str, Effect] = field(default_factory=dict)

    def takes_nothing_from(self, host: str) -> bool:
        """Whether nobody on that server (`name` or `name:port`) takes part in it."""
        return self.servers.of_host(host).blocks

    @property
    def keeps_some_away(self) -> bool:
        """Whether any server is treated with more care than others."""
        return any(each.unlists for each in self.servers.by_domain.values())

    def reads_first_from(self, host: str) -> bool:
        """Whether a moderator reads what comes from that server before others do."""
        return self.servers.of_host(host).level is Level.FILTER

    @property
    def id(self) -> UUID:
        return self.actor.id

    @property
    def federates(self) -> bool:
        """Whether every server may know what is said there."""
        if self.settings is None:
            return not self.actor.members_only
        return self.settings.federates

    @property
    def tells(self) -> bool:
        """Whether any other server is told; in a circle the one that shares it (MOD-5.6)."""
        if self.settings is None:
            return True
        return self.settings.federates or self.settings.spans

    @property
    def shared_with(self) -> str:
        """The one other server whose people belong to a circle; empty: it is none (MOD-5.6)."""
        if self.settings is None:
            return self.actor.host if self.actor.members_only else ""
        return self.settings.circle if self.settings.spans else ""

    @property
    def has_moved(self) -> bool:
        """Whether it goes on at another place: no thread begins here any more (WIRE 2.4)."""
        return self.actor.moved_to is not None

    @property
    def proves(self) -> bool:
        """Whether what our people say in it carries proof of who said it (WIRE-S26).

        Never where not everyone may read, whatever was ticked.
        """
        return self.settings is not None and self.settings.proofs and self.settings.federates

    @property
    def reads_first(self) -> bool:
        """Whether a moderator reads what tells how harm is done before others do (DOM-A11)."""
        return self.settings is not None and self.settings.details_held

    @property
    def coarse(self) -> bool:
        """Whether nobody is told the minute in which something was said there (SEC-U24)."""
        return self.settings is not None and self.settings.coarse

    def moment(self, now: datetime) -> datetime:
        """`now`, as fine as the time of a post there may be known."""
        return to_five_minutes(now) if self.coarse else to_minute(now)

    def changed(self, now: datetime, before: datetime | None) -> datetime:
        """The time of a change of a post that last changed at `before`.

        Each is later than the one before, or other servers would take it for the same change; the
        second that is added counts changes and says nothing of their time.
        """
        moment = self.moment(now)
        return moment if before is None else max(moment, before + timedelta(seconds=1))

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
                contacts=row.contacts,
                slow_minutes=row.slow_minutes,
                languages=tuple(row.languages),
                proofs=row.proofs,
                cap=row.cap,
                check_in=row.check_in,
                stories=row.stories,
                coarse=row.coarse,
                details_held=row.details_held,
                circle=row.circle,
            )
        return cls(
            actor=Actor.of(row),
            desk_id=row.desk_id,
            settings=settings,
            guidelines_version=row.guidelines or 0,
            accept_from=row.accept_from or 0,
            icon=Icon(row.icon, row.icon_alt) if row.icon is not None else None,
            tended=row.tended,
            answer_minutes=row.answer_minutes,
            was=row.was or "",
            servers=_servers(row.servers) if row.servers else NO_RULES,
            effects=_effects(row.label_effects or ()),
        )


def _servers(rules: Sequence[str]) -> Policies:
    """From "level domain" each."""
    parts = (rule.partition(" ") for rule in rules)
    return Policies.of({domain: Policy(Level(level)) for level, _, domain in parts})


def _effects(chosen: Sequence[str]) -> Mapping[str, Effect]:
    """From "label effect" each."""
    parts = (each.partition(" ") for each in chosen)
    return {label: Effect(effect) for label, _, effect in parts}


_SETTINGS = [column for column in groups.columns if column.name != "actor_id"]


def membership_columns() -> list[sa.ColumnElement[Any]]:
    """The columns of `follows` that `Membership.of` reads."""
    moderates = sa.exists().where(
        moderators.c.group_id == follows.c.followed_id,
        moderators.c.actor_id == follows.c.follower_id,
    )
    return [
        follows.c.follower_id.label("member_id"),
        follows.c.state.label("member_state"),
        follows.c.approved.label("member_approved"),
        follows.c.guidelines.label("member_guidelines"),
        follows.c.turn.label("member_turn"),
        moderates.label("member_moderates"),
    ]


_ALIVE: Final = sa.and_(
    actors.c.kind == constant(ActorKind.GROUP), actors.c.state == constant(ActorState.ACTIVE)
)
_GROUP: Final = actors.outerjoin(groups, groups.c.actor_id == actors.c.id)
_SERVERS: Final = (
    sa.select(sa.func.array_agg(group_domains.c.level.concat(" ").concat(group_domains.c.domain)))
    .where(group_domains.c.group_id == actors.c.id)
    .correlate(actors)
    .scalar_subquery()
    .label("servers")
)
_SELECT: Final[AnySelect] = (
    sa.select(*actor_store.columns(), *_SETTINGS, _SERVERS).select_from(_GROUP).where(_ALIVE)
)
_READ: Final[AnySelect] = (
    sa.select(*actor_store.columns(), *_SETTINGS, _SERVERS, *membership_columns())
    .select_from(
        _GROUP.outerjoin(
            follows,
            sa.and_(follows.c.followed_id == actors.c.id, is_mine(follows.c.follower_id)),
        )
    )
    .where(_ALIVE, may_see_group(actors.c.id), host_is_welcome(actors))
)
"""A group with what its reader is in it: a row for each of their memberships, or one with none."""

_THIS: Final = actors.c.id == sa.bindparam("group_id", type_=sa.Uuid)
_BY_ID: Final = _SELECT.where(_THIS)
_SEVERAL: Final = _SELECT.where(any_of(actors.c.id, "ids"))
_BY_ID_READ: Final = _READ.where(_THIS)
_BY_NAME: Final = _READ.where(
    sa.func.lower(actors.c.handle) == sa.bindparam("handle", type_=sa.Text)
)
_BY_NAME_HERE: Final = _BY_NAME.where(actors.c.local)
_BY_NAME_THERE: Final = _BY_NAME.where(actors.c.host == sa.bindparam("host", type_=sa.Text))
_BEHIND_DESK: Final = _SELECT.where(groups.c.desk_id == sa.bindparam("desk_id", type_=sa.Uuid))


async def get(conn: AsyncConnection, group_id: UUID, viewer: Viewer | None = None) -> Group:
    """Raises NotFound: there is no such group, or the viewer may not see it."""
    if viewer is not None:
        return _read(await conn.execute(_BY_ID_READ, {"group_id": group_id, **viewer.values}))
    row = (await conn.execute(_BY_ID, {"group_id": group_id})).first()
    if row is None:
        raise NotFound
    return Group.of(row)


def _read(found: sa.CursorResult[Any]) -> Group:
    """The one group of some rows of `_READ`. Raises NotFound: there are none."""
    rows = found.all()
    if not rows:
        raise NotFound
    mine = [Membership.of(row) for row in rows if row.member_id is not None]
    return replace(Group.of(rows[0]), memberships=mine)


async def several(conn: AsyncConnection, group_ids: Sequence[UUID]) -> dict[UUID, Group]:
    """Those of the groups that are open, by id."""
    rows = await conn.execute(_SEVERAL, {"ids": group_ids})
    return {row.id: Group.of(row) for row in rows}


async def by_name(conn: AsyncConnection, name: str, viewer: Viewer) -> Group:
    """The group `name` here, or `name@host` elsewhere. Raises NotFound: as `get`."""
    handle, _, host = name.lower().partition("@")
    if host:
        found = await conn.execute(
            _BY_NAME_THERE, {"handle": handle, "host": host, **viewer.values}
        )
    else:
        found = await conn.execute(_BY_NAME_HERE, {"handle": handle, **viewer.values})
    return _read(found)


async def circle_elsewhere(conn: AsyncConnection, name: str) -> Group:
    """The group `name@host` elsewhere that only its members see, for somebody who wants to ask.

    Raises NotFound: none is known by that name.
    """
    handle, _, host = name.lower().partition("@")
    row = (await conn.execute(_CIRCLE, {"handle": handle, "host": host})).first()
    if row is None:
        raise NotFound
    return Group.of(row)


_CIRCLE: Final = _SELECT.where(
    actors.c.members_only,
    ~actors.c.local,
    sa.func.lower(actors.c.handle) == sa.bindparam("handle", type_=sa.Text),
    actors.c.host == sa.bindparam("host", type_=sa.Text),
    host_is_welcome(actors),
)


async def hears(conn: AsyncConnection, group: Group, host: str) -> bool:
    """Whether what comes from there may enter a group of ours: of a circle's peer, in a circle."""
    if group.settings is None or group.federates:
        return group.settings is not None
    shared = group.settings.spans and group.settings.circle == host
    return shared and await circles.stands(conn, host)


async def behind_desk(conn: AsyncConnection, desk_id: UUID) -> Group | None:
    """The group that a desk speaks for; None for the node's own."""
    row = (await conn.execute(_BEHIND_DESK, {"desk_id": desk_id})).first()
    return Group.of(row) if row else None


def _check_words(name: str, about: str, rules: str) -> None:
    if not name.strip():
        raise Malformed("Please give the group a name.")
    for words, limit, what in (
        (name, MAX_NAME, said("The name")),
        (about, MAX_ABOUT, said("The description")),
        (rules, MAX_GUIDELINES, said("The guidelines")),
    ):
        if len(words) > limit:
            raise Malformed(
                said(
                    "{what} can have up to {limit} letters. Yours has {found}.",
                    what=what,
                    limit=limit,
                    found=len(words),
                )
            )


async def _check_circle(conn: AsyncConnection, settings: GroupSettings) -> None:
    """Raises Malformed: it cannot be a circle with that peer."""
    if not settings.circle:
        return
    if settings.sees is not Sees.MEMBERS:
        raise Malformed(
            "Only a group that its members alone can read is shared with one other place."
        )
    if not await circles.stands(conn, settings.circle):
        raise Malformed(
            "There is no pact with that place, or it is on hold. Please choose another."
        )


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
    await _check_circle(conn, settings)
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
        members_only=settings.sees is Sees.MEMBERS,
    )
    version = 1 if rules.strip() else 0
    await conn.execute(
        groups.insert().values(
            actor_id=actor.id,
            desk_id=desk.id,
            guidelines=version,
            accept_from=version,
            tended=here.now().date(),
            **_row(settings),
        )
    )
    if version:
        await conn.execute(
            guidelines.insert().values(group_id=actor.id, version=version, source=rules)
        )
    await conn.execute(moderators.insert().values(group_id=actor.id, actor_id=desk.id))
    if founder is not None:
        await add_moderator(conn, here, actor, founder, version, founder=True)
    return await get(conn, actor.id)


async def add_moderator(
    conn: AsyncConnection,
    here: Here,
    group: Actor,
    persona: Actor,
    version: int,
    *,
    founder: bool = False,
) -> None:
    """Make a persona a member and a moderator; the desk speaks for it on the wire."""
    await conn.execute(
        moderators.insert().values(group_id=group.id, actor_id=persona.id, founder=founder)
    )
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
    await _check_circle(conn, settings)
    await conn.execute(
        sa.update(actors)
        .where(actors.c.id == group.id)
        .values(
            name=name.strip(),
            source=about,
            summary=text.render(about),
            locked=settings.joining is not Joining.OPEN,
            members_only=settings.sees is Sees.MEMBERS,
        )
    )
    await conn.execute(
        sa.update(groups).where(groups.c.actor_id == group.id).values(**_row(settings))
    )
    if settings.sees is not group.settings.sees:
        tombstone_log.note(conn, Act.SEES, group.actor.uri, settings.sees)
    before, after = group.shared_with, settings.circle if settings.spans else ""
    if before and before != after:
        await circles.part(conn, here, before, group.id)
    if after and before != after:
        await circles.share(conn, here, after, group.id)
    changed = await tell(conn, here, group.id)
    if not changed.federates:
        await changes.follow_nobody(conn, here, changed.actor)
    return changed


async def close_again(conn: AsyncConnection, here: Here, uri: str, sees: Sees) -> bool:
    """Fewer may read a group, as it was before a restore. False: no more than those do already.

    Nor does anything change where the group is none of ours, or is closed.
    """
    actor = await actor_store.by_uri(conn, uri)
    if actor is None or actor.kind is not ActorKind.GROUP or not actor.local:
        return False
    if actor.state is not ActorState.ACTIVE:
        return False
    group = await get(conn, actor.id)
    if group.settings is None or READERS.index(sees) <= READERS.index(group.settings.sees):
        return False
    settings = replace(group.settings, sees=sees, circle="")
    await update(conn, here, group, name=actor.name, about=actor.source, settings=settings)
    return True


async def tell(conn: AsyncConnection, here: Here, group_id: UUID) -> Group:
    """Other servers get a group of ours as it is now, where they may know of it (WIRE-A23)."""
    group = await get(conn, group_id)
    if group.tells and group.desk_id is not None:
        desk = await actor_store.get(conn, group.desk_id)
        await changes.tell(conn, here, group.actor, desk, document(here, group))
    return group


def document(here: Here, group: Group) -> Document:
    """What other servers read of a group of ours (WIRE 2.1). Raises NotAllowed: it is not ours."""
    if group.settings is None:
        raise NotAllowed("That group lives on another node.")
    return documents.actor(
        group.actor,
        desk_closed_posting=group.settings.posts is Posts.APPROVED or group.has_moved,
        languages=group.settings.languages,
        icon=_attached(here, group.icon) if group.icon else None,
        was=group.was,
    )


def _attached(here: Here, icon: Icon) -> Attached:
    return Attached(url=here.media_uri(icon.media_id), media_type=MEDIA_TYPE, alt=icon.alt)


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
