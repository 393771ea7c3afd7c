"""Which name speaks: chosen in the form itself, never remembered by a session (DESIGN)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiohttp import web
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.keys import KeyPair
from activitypub.state import HERE, KEYS
from groups import membership
from groups.groups import Group, Membership
from kernel.errors import Malformed, NotAllowed, NotFound, TooMany
from kernel.here import Here
from kernel.said import noted
from kernel.schema.actors import FollowState
from kernel.schema.groups import Joining, Posts
from kernel.sealing import derive
from members import faces, personas
from members.personas import Persona
from members.sessions import Session
from moderation.standing import Speaker
from node.pages import session
from node.pages.forms import Form
from node.pages.memory import MEMORY

FIELD: Final = "as"
NEW_NAME: Final = "once"
_CHOOSE: Final = noted("Please choose the name you want to speak with. Your words are still here.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One name in a form; `token` is sealed for this session and this form."""

    token: str
    name: str
    address: str
    one_time: bool
    chosen: bool
    face: Markup
    label: str  # the member's own, for nobody else


def choices(
    request: web.Request,
    speakers: Sequence[Persona],
    purpose: str,
    form: Form,
    *,
    usual: UUID | None = None,
) -> list[Choice]:
    """The names to pick from; the one picked before a refusal stays picked, else `usual` is."""
    current = session.of(request)
    before = _opened(current, form, purpose) or usual
    return [
        Choice(
            token=personas.seal_choice(current, each.actor.id, purpose),
            name=each.actor.name,
            address=each.actor.address,
            one_time=each.one_time,
            chosen=each.actor.id == before or len(speakers) == 1,
            face=face(request.app[HERE], each.actor.id),
            label=current.preferences.labels.get(each.actor.id, ""),
        )
        for each in speakers
    ]


def face(here: Here, persona_id: UUID) -> Markup:
    """A persona's picture as part of a page."""
    return Markup(faces.svg_of(here.node_key, persona_id))  # noqa: S704  (our own drawing)


def chosen(request: web.Request, form: Form, purpose: str) -> UUID | None:
    """The name that a form was sent with; None: none, or one that is to be made."""
    return _opened(session.of(request), form, purpose)


def _opened(current: Session, form: Form, purpose: str) -> UUID | None:
    try:
        return personas.open_choice(current, form.text(FIELD), purpose)
    except Malformed:
        return None


async def speaker(conn: AsyncConnection, request: web.Request, form: Form, purpose: str) -> Speaker:
    """The name the form was sent with. Raises SignedOut, Malformed: none was chosen."""
    current = session.of(request)
    persona_id = _opened(current, form, purpose)
    if persona_id is None:
        raise Malformed(_CHOOSE)
    try:
        return await personas.speaker(conn, current.member, persona_id)
    except NotFound:
        raise Malformed(_CHOOSE) from None


async def keys_if_new(request: web.Request, form: Form) -> KeyPair | None:
    """Keys for a name that is made for this thread; fetched before any transaction."""
    return await request.app[KEYS].take() if form.text(FIELD) == NEW_NAME else None


async def speaker_or_new(
    conn: AsyncConnection,
    request: web.Request,
    form: Form,
    purpose: str,
    group: Group,
    keys: KeyPair | None,
) -> Speaker:
    """As `speaker`, or a name made for this thread alone, which joins an open group on its way."""
    if keys is None:
        return await speaker(conn, request, form, purpose)
    if not may_be_new(group):
        raise Malformed(_CHOOSE)
    here, member = request.app[HERE], session.of(request).member
    actor = await personas.create_one_time(
        conn,
        here,
        member,
        keys=keys,
        throttle=request.app[MEMORY].one_time,
    )
    made = await personas.speaker(conn, member, actor.id)
    if group.settings is not None and group.settings.posts is Posts.MEMBERS:
        state = await membership.join(conn, here, made, group, guidelines=accepted(form))
        if state is not FollowState.ACCEPTED:
            raise NotAllowed(
                "This group is full right now. Your words are kept here. "
                "You can ask to join with a name you keep, and write once there is room."
            )
    return made


def accepted(form: Form) -> int:
    """The version of the guidelines that was ticked; a new name has what another one accepted."""
    before = form.number("accepted") if form.text(FIELD) == NEW_NAME else 0
    return max(form.number("guidelines"), before)


def may_be_new(group: Group) -> bool:
    """Whether somebody may post here under a name made for one thread."""
    settings = group.settings
    if settings is None or not settings.one_time:
        return False
    return settings.posts is Posts.ANYONE or (
        settings.posts is Posts.MEMBERS and settings.joining is Joining.OPEN
    )


async def mine(conn: AsyncConnection, request: web.Request) -> Sequence[Persona]:
    """The open names of whoever is signed in; nobody has none."""
    return (await session.voices(conn, request)).mine


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How a member stands in a group, by each of their names."""

    speakers: Sequence[Persona]
    memberships: Sequence[Membership]

    @property
    def members(self) -> list[Persona]:
        """Names that belong to the group."""
        return self._in({m.persona_id for m in self.memberships if m.state is FollowState.ACCEPTED})

    @property
    def waiting(self) -> list[Persona]:
        """Names that asked to join."""
        return self._in({m.persona_id for m in self.memberships if m.state is FollowState.PENDING})

    @property
    def queued(self) -> list[Persona]:
        """Names that wait because the group is full."""
        return self._in({m.persona_id for m in self.memberships if m.turn is not None})

    @property
    def outside(self) -> list[Persona]:
        """Names that could join."""
        known = {m.persona_id for m in self.memberships}
        return [p for p in self.speakers if p.actor.id not in known and not p.one_time]

    @property
    def moderators(self) -> list[Persona]:
        """Names that look after the group."""
        return self._in({m.persona_id for m in self.memberships if m.moderator})

    def may_post(self, group: Group, used: Collection[UUID] = ()) -> list[Persona]:
        """Names that the group lets speak; one-time ones only where they are `used` already."""
        anyone = group.settings is not None and group.settings.posts is Posts.ANYONE
        allowed = self.speakers if anyone else self.members
        return [p for p in allowed if not p.one_time or p.actor.id in used]

    def read_guidelines(self, group: Group) -> bool:
        """Whether each of the member's names here has accepted what the group asks for now."""
        belong = [m for m in self.memberships if m.state is FollowState.ACCEPTED]
        return bool(belong) and all(m.guidelines >= group.accept_from for m in belong)

    def _in(self, wanted: Collection[UUID]) -> list[Persona]:
        return [p for p in self.speakers if p.actor.id in wanted]


async def place(conn: AsyncConnection, request: web.Request, group: Group) -> Place:
    """How whoever is signed in stands in the group, by each of their open names."""
    speakers = await mine(conn, request)
    ids = [p.actor.id for p in speakers]
    found = group.memberships
    if found is None:  # read for nobody: somebody who was invited sees it before they belong
        found = await membership.of(conn, group, ids)
    return Place(speakers=speakers, memberships=[m for m in found if m.persona_id in ids])


def pace(request: web.Request) -> None:
    """Raises TooMany: the member sent a great deal within ten minutes."""
    key = derive(session.of(request).member.root, "posting throttle")
    try:
        request.app[MEMORY].posts.check(key)
    except TooMany as problem:
        raise TooMany(
            "You sent a lot within a few minutes. Your words are still here: "
            "please wait a little, then send them.",
            retry_after=problem.retry_after,
        ) from None
