"""Many answers at once: what pours in most takes a fixed number of statements for all of them.

An answer to a post of this node, from somebody known on a server known, needs nothing from
elsewhere. The rules are those of `said` and `groups.admission`; what needs more than is here goes
one by one (`process`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import jsontext
from activitypub.actors import Actor
from activitypub.audience import blocks_host
from activitypub.notes import Note
from activitypub.vocab import Activity
from groups import admission
from groups import groups as group_store
from groups import posts as post_store
from groups.admission import Facts, NotAMember
from groups.groups import Group
from groups.posts import Post
from groups.writing import New
from inbox import authenticity, claim, direct, said, wording
from inbox.claim import Lost, Row
from inbox.said import Entering
from kernel.arrays import any_of
from kernel.db import describe
from kernel.errors import NotFound, Problem
from kernel.faults import Point, reached
from kernel.here import Here
from kernel.schema.federation import ReceivedState
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, domain_blocks, peers, tombstones
from moderation.signals import people
from moderation.standing import Speaker

log = logging.getLogger(__name__)

MOST = 200  # answers in one transaction


class Alone(Exception):
    """This one needs more than is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One claimed row, read."""

    row: Row
    activity: Activity
    note: Note

    @classmethod
    def read(cls, row: Row) -> "Answer":
        """Raises Problem: it cannot be read, or is not its author's."""
        activity = Activity.parse(jsontext.read(row.body))
        if activity.embedded is None or activity.actor != row.signer_uri:
            raise NotFound  # what others forward is proven one by one
        return cls(row=row, activity=activity, note=authenticity.own_note(activity))


@dataclass(slots=True)
class Known:
    """What is on record about everything that some answers name."""

    people: dict[str, Actor] = field(default_factory=dict)  # on servers whose dialect is known
    posts: dict[str, Post] = field(default_factory=dict)
    buried: frozenset[str] = frozenset()
    groups: dict[UUID, Group] = field(default_factory=dict)
    facts: dict[tuple[UUID, UUID], Facts] = field(default_factory=dict)


async def process_many(engine: AsyncEngine, here: Here) -> int:
    """Deal with the answers that are due, up to `MOST`; how many there were."""
    rows = await claim.claim(engine, here, plain=True, limit=MOST)
    if not (count := len(rows)):
        return 0
    broken = [row for row in rows if row.broken]  # one of them may have ended its worker
    rows = [row for row in rows if not row.broken]
    try:
        if broken:
            async with engine.begin() as conn:
                await claim.give_back(conn, here, broken)
        if rows:
            async with engine.begin() as conn:
                await _process(conn, here, rows)
    except Lost:
        log.warning("received: a claim of %s ran out", len(rows))
    except Exception as error:  # whichever row it is, it stops only itself
        log.error("received: %s together, %s", len(rows), describe(error))
        async with engine.begin() as conn:
            await claim.give_back(conn, here, rows)
    return count


async def _process(conn: AsyncConnection, here: Here, rows: Sequence[Row]) -> None:
    answers, refused, alone = [], dict[str, list[Row]](), list[Row]()
    for row in rows:
        try:
            answers.append(Answer.read(row))
        except Problem as error:
            refused.setdefault(type(error).__name__, []).append(row)
    await one_at_a_time(conn, [answer.note.id for answer in answers])
    known = await _look_up(conn, here, answers)
    entering: list[Entering] = []
    done, begun = list[Row](), set[str]()
    for answer in answers:
        try:
            if answer.note.id in begun:
                raise Alone
            new = _enter(here, known, answer)
        except Alone:
            alone.append(answer.row)
        except Problem as error:
            refused.setdefault(type(error).__name__, []).append(answer.row)
        else:
            done.append(answer.row)
            if new is not None:
                begun.add(answer.note.id)
                text = answer.row.body.decode()
                entering.append(Entering(new=new, activity=answer.activity, body=text))
    if entering:
        await said.enter(conn, here, entering)
    await claim.mark(conn, done, ReceivedState.DONE)
    reached(Point.BEFORE_COMMIT)
    for reason, several in refused.items():
        await claim.mark(conn, several, ReceivedState.REFUSED, reason)
    await claim.give_back(conn, here, alone)


def _enter(here: Here, known: Known, answer: Answer) -> New | None:
    """The post to be written; None where it is here already.

    Raises Alone. Raises Problem: it may not enter.
    """
    note = answer.note
    if direct.is_for_one(here, answer.activity, note, answer.activity.embedded):
        raise Alone  # a message
    author = known.people.get(note.author)
    parent = known.posts.get(note.parent or "")
    if author is None or parent is None or note.id in known.buried:
        raise Alone
    if people.is_new(author, answer.row.people_round):
        raise Alone  # peers may advise something about them
    if note.id in known.posts:
        return None
    if said.is_vote(note, parent):
        raise Alone  # it counts wherever the poll is
    group = known.groups.get(parent.group_id)
    if group is None or group.settings is None or not group.tells:
        raise NotFound
    if group.actor.members_only:
        raise Alone  # the pact is asked about
    if group.settings.slow_minutes:
        raise Alone  # what enters beside it counts
    if parent.locked or parent.no_replies:
        raise Alone  # its author's server is told
    if parent.is_slow(here.now()):
        raise Alone  # a moderator reads it first
    if parent.state is PostState.ASKED:
        raise Alone  # it waits for the word that allows its parent
    said.check_open(answer.activity, note, parent, group)
    facts = known.facts[author.id, group.id]
    words = said.words_of(here, note, root=False)
    try:
        state = admission.decide(
            Speaker.alone(author),
            group,
            facts,
            note=note.summary,
            guidelines=0,
            reads=partial(said.reads, note, words),
            memorial=parent.memorial,
        )
    except NotAMember as error:
        raise Alone from error  # the Follow may be on its way
    return New(
        author=author,
        group=group,
        parent=parent,
        words=words,
        state=state,
        uri=note.id,
        parts=wording.parts_of(note),
        named=note.mentions,
    )


async def _look_up(conn: AsyncConnection, here: Here, answers: Sequence[Answer]) -> Known:
    known = Known()
    authors = list({answer.note.author for answer in answers})
    for row in await conn.execute(_PEOPLE, {"uris": authors}):
        known.people[row.uri] = Actor.of(row)
    notes = {answer.note.id for answer in answers}
    parents = {answer.note.parent for answer in answers if answer.note.parent}
    known.posts = await post_store.by_uris(conn, list(notes | parents))
    known.buried = frozenset(await conn.scalars(_BURIED, {"uris": list(notes)}))
    known.groups = await group_store.several(
        conn, list({post.group_id for post in known.posts.values()})
    )
    asked = {
        (author.id, group.id): (Speaker.alone(author), group)
        for answer in answers
        if (author := known.people.get(answer.note.author))
        and (parent := known.posts.get(answer.note.parent or ""))
        and (group := known.groups.get(parent.group_id))
    }
    found = await admission.facts(conn, here, list(asked.values()))
    known.facts = dict(zip(asked, found, strict=True))
    return known


_BLOCKED = sa.exists().where(blocks_host(actors.c.host)).correlate_except(domain_blocks)
_PEOPLE = (
    sa.select(*actor_store.columns())
    .join(peers, peers.c.host == actors.c.host)
    .where(any_of(actors.c.uri, "uris"), peers.c.wrapped.is_not(None), ~_BLOCKED)
)
_BURIED = sa.select(tombstones.c.uri).where(any_of(tombstones.c.uri, "uris"))


async def one_at_a_time(conn: AsyncConnection, uris: Sequence[str]) -> None:
    """Hold back whatever else is about these, such as a Delete, until this commits."""
    await conn.execute(_LOCK, {"uris": sorted(uris)})


_URI = sa.func.unnest(sa.bindparam("uris", type_=sa.ARRAY(sa.Text))).column_valued("uri")
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(_URI, 0)))
