"""May this be posted here? One set of rules for pages, apps and the inbox."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.parts import Poll
from groups import tending
from groups.groups import Group, is_moderator
from groups.pictures import NO_CHANGES, Changes, Chosen
from groups.pictures import check as check_pictures
from kernel import text
from kernel.arrays import Rows
from kernel.clock import COARSE
from kernel.errors import Conflict, Malformed, NotAllowed
from kernel.here import Here
from kernel.said import noted, said
from kernel.schema.actors import FollowState
from kernel.schema.groups import Posts, Premoderation
from kernel.schema.posts import PostState, Wish
from kernel.schema.tables import actors, bans, follows, limits, moderators, posts
from moderation import contacts, harm, labels, standing
from moderation.contacts import ContactDetails, Found
from moderation.standing import Speaker

MAX_POST = 5_000
MAX_TITLE = 200
MAX_NOTE = 200
LASTING: Final = (1, 7, 30, 90, 182, 365)  # days that a post may be there


class GuidelinesChanged(Conflict):
    """The guidelines have a version that this persona has not read yet."""

    title = noted("Please read the guidelines first")


class NotAMember(NotAllowed):
    """Only members may post here, and this is none, or none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a member of ours wants to say. `source` is Markdown; `language` BCP 47.

    `people` are the actors' URIs by the names that the text may mention, as `mentions.resolve`
    found them; a `poll` is asked along with the words. Numbers of help, `help_lines`, may always
    be shared; other contact details only where the author saw the question (`contacts_stay`).
    """

    source: str
    title: str = ""
    note: str = ""  # in the author's own words, beside the `labels` that they picked
    labels: Sequence[str] = ()
    wish: Wish | None = None  # what would help; of a thread
    language: str = ""
    guidelines: int = field(default=0)  # the version ticked in the composer
    people: Mapping[str, str] = field(default_factory=dict)
    poll: Poll | None = None
    pictures: Sequence[Chosen] = ()
    changes: Changes = NO_CHANGES  # about the pictures that a post has
    help_lines: Collection[str] = ()
    contacts_stay: bool = False
    days: int = 0  # after which it is deleted; 0: it stays

    @property
    def whole_note(self) -> str:
        """The content note that readers see: the names of its labels, then its own words."""
        return labels.note_of(labels.picked(self.labels), self.note)

    def contacts(self) -> list[Found]:
        """What of it may say how to reach somebody."""
        words = [self.title, self.source, self.note, *self._beside()]
        return contacts.find("\n".join(words), self.help_lines)

    def reads(self) -> list[str]:
        """All that people will read of it, in plain words."""
        words = text.words_of(text.render(self.source))
        return [self.title, words, self.whole_note, *self._beside()]

    def _beside(self) -> list[str]:
        options = self.poll.options if self.poll else ()
        return [
            *(each.name for each in options),
            *(each.alt for each in self.pictures),
            *self.changes.alts.values(),
        ]

    def check(self, *, root: bool) -> None:
        """Raises Malformed: something is missing or too long, with what to do about it."""
        if root and not self.title.strip():
            raise Malformed("Please give your thread a title. One short line is enough.")
        if not self.source.strip():
            raise Malformed("There are no words yet. Write something, then send it.")
        for words, limit, what in (
            (self.source, MAX_POST, said("Your post")),
            (self.title, MAX_TITLE, said("The title")),
            (self.note, MAX_NOTE, said("The content note")),
        ):
            if len(words) > limit:
                raise Malformed(
                    said(
                        "{what} has {found} letters. It can have up to {limit}. Nothing is lost: "
                        "you can make it shorter, or send it in two parts.",
                        what=what,
                        found=len(words),
                        limit=limit,
                    )
                )
        check_pictures(self.pictures, self.changes)
        if self.days and self.days not in LASTING:
            raise Malformed("Please choose how long your words stay.")


async def admit(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    group: Group,
    *,
    note: str,
    guidelines: int,
    reads: Callable[[], Sequence[str]],
    memorial: bool = False,
) -> PostState:
    """How a post by `speaker` enters the group: shown, or held for a moderator.

    Raises as `decide`.
    """
    (known,) = await facts(conn, here, [(speaker, group)])
    return decide(
        speaker, group, known, note=note, guidelines=guidelines, reads=reads, memorial=memorial
    )


async def admit_draft(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    group: Group,
    draft: Draft,
    *,
    memorial: bool = False,
) -> PostState:
    """As `admit`, for what a member of ours wants to say.

    In a group without contact details a moderator reads first what its author says is none.
    Raises ContactDetails: they were not asked yet.
    """
    (known,) = await facts(conn, here, [(speaker, group)])
    state = decide(
        speaker,
        group,
        known,
        note=draft.whole_note,
        guidelines=draft.guidelines,
        reads=draft.reads,
        memorial=memorial,
    )
    if known.moderates:
        await tending.note(conn, here, group)
    found = draft.contacts()
    if not found:
        return state
    held = not (group.settings is None or group.settings.contacts or known.moderates)
    if not draft.contacts_stay:
        raise ContactDetails(found, _HELD if held else _ASKED, may_stay=True)
    return PostState.HELD if held else state


async def check_edit(
    conn: AsyncConnection, speaker: Speaker, group: Group, before: Sequence[str], draft: Draft
) -> None:
    """Raises ContactDetails: an edit brings in what `before`, the old words, did not say."""
    said = "\n".join(" ".join(words.split()) for words in before)
    new = [each for each in draft.contacts() if each.words not in said]
    if not new:
        return
    may_stay = group.settings is None or group.settings.contacts
    may_stay = may_stay or await is_moderator(conn, group.id, [speaker.id])
    if not (may_stay and draft.contacts_stay):
        raise ContactDetails(new, _ASKED if may_stay else _REFUSED, may_stay=may_stay)


_ASKED: Final = noted(
    "Everybody who can read it could then find you, or somebody else, outside of here. "
    "You can take it out, or tick below that it should stay."
)
_HELD: Final = noted(
    "In this group people stay safe because nobody can find them outside. Please take it out. "
    "If it is none of that, tick below: a moderator reads it first, and then it is shown."
)
_REFUSED: Final = noted(
    "In this group people stay safe because nobody can find them outside. Please take it out. "
    "If it is none of that, say it in a new answer: a moderator reads it first."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is on record about a speaker in a group; all that `decide` goes by."""

    suspended: bool
    ban: str | None  # the moderators' reason
    moderates: bool
    member: bool
    approved: bool
    guidelines: int  # the version accepted
    lately: bool  # posted within the group's slow minutes
    earlier: bool  # has a post shown in the group
    limited: bool  # for a while a moderator reads its posts first
    rests: bool  # nobody looks after the group


async def facts(
    conn: AsyncConnection, here: Here, asked: Sequence[tuple[Speaker, Group]]
) -> list[Facts]:
    """The facts about each speaker in each group, in the order asked, with one query for all.

    Bans, suspensions and pace count for every voice of a member; the rest for the persona alone,
    since a sibling's posts would show (DESIGN-V2, DESIGN-V3).
    """
    pairs, voices = [], []
    for number, (speaker, group) in enumerate(asked):
        pause = _pause(group)
        pairs.append(
            {
                "number": number,
                "speaker_id": speaker.id,
                "group_id": group.id,
                "since": here.now() - pause if pause else None,
            }
        )
        voices += [{"of": number, "voice_id": voice} for voice in speaker.voices]
    values = {**_PAIR.values(pairs), **_VOICE.values(voices), "today": here.now().date()}
    rows = await conn.execute(_FACTS, values)
    return [
        Facts(**row._mapping, rests=tending.rests(here, group))
        for row, (_, group) in zip(rows, asked, strict=True)
    ]


def _pause(group: Group) -> timedelta:
    """Between two posts of a member; where times are coarse it lasts that much longer, never less.

    None at all: zero.
    """
    if group.settings is None or not group.settings.slow_minutes:
        return timedelta(0)
    return timedelta(minutes=group.settings.slow_minutes) + (
        COARSE if group.coarse else timedelta(0)
    )


_PAIR = Rows(
    "pair",
    number=sa.Integer,
    speaker_id=sa.Uuid,
    group_id=sa.Uuid,
    since=sa.DateTime(timezone=True),
)
_VOICE = Rows("voice", of=sa.Integer, voice_id=sa.Uuid)


def _facts() -> sa.Executable:
    mine = _VOICE.c.of == _PAIR.c.number
    of_group = posts.c.group_id == _PAIR.c.group_id
    ban = (
        sa.select(bans.c.reason)
        .select_from(bans.join(_VOICE.table, bans.c.actor_id == _VOICE.c.voice_id))
        .where(
            mine,
            bans.c.group_id == _PAIR.c.group_id,
            sa.or_(bans.c.until.is_(None), bans.c.until >= sa.bindparam("today", type_=sa.Date)),
        )
        .limit(1)
        .correlate(_PAIR.table)
        .scalar_subquery()
    )
    suspended = (
        sa.select(sa.literal(1))
        .select_from(actors.join(_VOICE.table, actors.c.id == _VOICE.c.voice_id))
        .where(mine, standing.is_stopped())
        .correlate(_PAIR.table)
    )
    lately = (
        sa.select(sa.literal(1))
        .select_from(posts.join(_VOICE.table, posts.c.author_id == _VOICE.c.voice_id))
        .where(mine, of_group, posts.c.published > _PAIR.c.since)
        .correlate(_PAIR.table)
    )
    limited = (
        sa.select(sa.literal(1))
        .where(
            limits.c.group_id == _PAIR.c.group_id,
            limits.c.actor_id == _PAIR.c.speaker_id,
            limits.c.until >= sa.bindparam("today", type_=sa.Date),
        )
        .correlate(_PAIR.table)
    )
    return (
        sa.select(
            suspended.exists().label("suspended"),
            ban.label("ban"),
            sa.exists()
            .where(
                moderators.c.group_id == _PAIR.c.group_id,
                moderators.c.actor_id == _PAIR.c.speaker_id,
            )
            .label("moderates"),
            follows.c.follower_id.is_not(None).label("member"),
            sa.func.coalesce(follows.c.approved, sa.false()).label("approved"),
            sa.func.coalesce(follows.c.guidelines, 0).label("guidelines"),
            sa.and_(_PAIR.c.since.is_not(None), lately.exists()).label("lately"),
            sa.exists()
            .where(
                posts.c.author_id == _PAIR.c.speaker_id,
                of_group,
                posts.c.state == PostState.SHOWN,
            )
            .label("earlier"),
            limited.exists().label("limited"),
        )
        .select_from(
            _PAIR.table.outerjoin(
                follows,
                sa.and_(
                    follows.c.follower_id == _PAIR.c.speaker_id,
                    follows.c.followed_id == _PAIR.c.group_id,
                    follows.c.state == FollowState.ACCEPTED,
                ),
            )
        )
        .order_by(_PAIR.c.number)
    )


_FACTS = _facts()
_TAKES_NOTHING: Final = noted("This group takes nothing from that server.")


def decide(
    speaker: Speaker,
    group: Group,
    known: Facts,
    *,
    note: str,
    guidelines: int,
    reads: Callable[[], Sequence[str]],
    memorial: bool = False,
) -> PostState:
    """How a post by `speaker` enters the group: shown, or held for a moderator.

    In a memorial, whoever is new in the group is read first (DOM-B14). So is what tells how harm
    is done (DOM-A11): all that people will read of the post, from `reads`, if it comes to that;
    and whoever writes from a server that the group keeps at a distance (MOD-5.7).

    Raises NotAllowed, GuidelinesChanged, Malformed: it does not enter, and why. Members of ours
    have read the guidelines; people from elsewhere read their own server's.
    """
    standing.refuse(suspended=known.suspended, ban=known.ban)
    settings = group.settings
    if settings is None or known.moderates:
        return PostState.SHOWN
    host = speaker.actor.host
    if group.takes_nothing_from(host):
        raise NotAllowed(_TAKES_NOTHING)
    if known.rests:
        raise NotAllowed(tending.RESTS)
    if not known.member and settings.posts is not Posts.ANYONE:
        raise NotAMember("Only members can post in this group. You can join it first.")
    if settings.posts is Posts.APPROVED and not known.approved:
        raise NotAllowed("In this group a moderator says who may post. They have not said so yet.")
    if speaker.one_time and not settings.one_time:
        raise NotAllowed("This group asks people to post with a name they keep.")
    if settings.notes_required and not note.strip() and speaker.actor.local:
        raise Malformed("This group asks for a content note, such as “sleep, low mood”.")
    if speaker.actor.local and max(guidelines, known.guidelines) < group.accept_from:
        raise GuidelinesChanged("Please read this group's guidelines and tick that you did.")
    if known.lately:
        raise NotAllowed(
            said(
                "This group goes slowly: one post every {minutes} minutes. Your words are kept "
                "here. Please send them a little later.",
                minutes=settings.slow_minutes,
            )
        )
    read_first = known.limited or group.reads_first_from(host)
    if read_first or settings.premoderation is Premoderation.ALL:
        return PostState.HELD
    careful = memorial or settings.premoderation is Premoderation.FIRST
    if careful and not known.earlier:
        return PostState.HELD  # by persona, never by member
    if settings.details_held and harm.describes_harm(*reads()):
        return PostState.HELD
    return PostState.SHOWN
