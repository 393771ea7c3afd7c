"""Telling the moderators of another server: one hop, in a moderator's own words (MOD-5.13).

A desk speaks, some time between five minutes and an hour later, so that neither a name nor the
moment says who reported. Nothing that came as a report is passed on by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import flags as wire
from activitypub import outbox
from activitypub.actors import Actor
from activitypub.vocab import Document
from kernel import chance
from kernel.errors import Conflict, NotAllowed
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.cases import Subject
from kernel.schema.directed import Category, Urgency
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, flags, follows, moderators, posts
from moderation import casework, domains, reports, sealed
from moderation.cases import Case
from moderation.directed import asking, route, sent, tokens, wording
from moderation.directed.terms import Action, Refused, Request

CROWD: Final = 5  # fewer people here than this could be guessed from what is sent

_LABEL: Final = "flags"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What their moderators are to be told. `group`: of another server, where the post is in it.

    What stands below `with_post` reaches pact peers alone.
    """

    case: Case
    signer: Actor
    person: Actor
    group: Actor | None
    words: str = field(repr=False)
    with_post: bool
    category: Category = Category.REPORT
    action: Action = Action.REVIEW
    urgency: Urgency = Urgency.ROUTINE
    rule: str = ""

    @property
    def readers(self) -> Sequence[Actor]:
        """The person's server, and that of the group: one of each."""
        found = {self.person.host: self.person}
        if self.group is not None:
            found.setdefault(self.group.host, self.group)
        return list(found.values())

    @property
    def post_uri(self) -> str:
        """The post's address, where it goes along."""
        about = self.case.about
        is_post = self.with_post and self.case.subject is Subject.POST
        return about.uri if is_post and about is not None else ""


async def is_small(conn: AsyncConnection, group_id: UUID | None) -> bool:
    """Whether so few people here could see something in that group, or anywhere, that they show.

    Where only its members read a group, here or in a circle elsewhere, those of this node count;
    else everybody who is here does.
    """
    members_only = await conn.scalar(
        sa.select(actors.c.members_only).where(actors.c.id == group_id)
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

    A desk that knows nothing of what is left of it is told nothing, where another one is. Raises
    Malformed: no words, too many, or they name somebody here. Raises Conflict: they are told
    already. Raises NotAllowed: that server is blocked. Raises Refused: nobody could be told.
    """
    words = await wording.check(conn, here, letter.words)
    if letter.case.told:
        raise Conflict("Their moderators are told already.")
    if await domains.is_blocked(conn, letter.person.host):
        raise NotAllowed("This place does not talk with that server.")
    left_out: list[Refused] = []
    for reader in letter.readers:
        if await _over_pact(conn, here, reader.host, letter):
            try:
                await _ask(conn, here, reader.host, letter)
            except Refused as refusal:
                left_out.append(refusal)
            continue
        flag_id = chance.new_uuid()
        value = {"words": words, "person": letter.person.id.hex}
        await conn.execute(
            flags.insert().values(
                id=flag_id,
                signer_id=letter.signer.id,
                to_id=reader.id,
                post_id=letter.case.post_id if letter.with_post else None,
                due=wording.due(here),
                sealed=sealed.put(here, _LABEL, f"flag {flag_id}", value),
            )
        )
    if len(left_out) == len(letter.readers):
        raise left_out[0]
    await casework.mark_told(conn, letter.case)


async def _over_pact(conn: AsyncConnection, here: Here, host: str, letter: Letter) -> bool:
    """Whether that desk is asked over a pact; else its server gets a plain report."""
    try:
        await route.route(conn, here, host, letter.category)
    except Refused:
        return False
    return True


async def _ask(conn: AsyncConnection, here: Here, host: str, letter: Letter) -> None:
    reporter = await reports.reporter(conn, here, letter.case.id)
    await asking.send(
        conn,
        here,
        host,
        category=letter.category,
        object_uri=letter.post_uri,
        person_uri=letter.person.uri,
        words=letter.words,
        rule=letter.rule,
        action=letter.action,
        urgency=letter.urgency,
        token=tokens.token_of(here, reporter, host),
        case_id=letter.case.id,
    )


async def preview(
    conn: AsyncConnection, here: Here, letter: Letter
) -> Sequence[tuple[str, Document | Refused]]:
    """What each server would be sent, but for the id, and the proof that a pact peer gets; or why
    nothing is sent there.

    Raises Malformed, Refused: as `plan`.
    """
    words = await wording.check(conn, here, letter.words)
    found: list[tuple[str, Document | Refused]] = []
    left_out: list[Refused] = []
    objects = tuple(each for each in (letter.post_uri, letter.person.uri) if each)
    for reader in letter.readers:
        uri = sent.flag_uri(here, UUID(int=0))
        if await _over_pact(conn, here, reader.host, letter):
            pact = await route.route(conn, here, reader.host, letter.category)
            reporter = await reports.reporter(conn, here, letter.case.id)
            request = Request(
                category=letter.category,
                objects=objects,
                urgency=letter.urgency,
                action=letter.action,
                rule=letter.rule,
                words=words,
                token=tokens.token_of(here, reporter, reader.host),
            )
            try:
                request = await asking.prepare(conn, here, reader.host, request)
            except Refused as refusal:
                left_out.append(refusal)
                found.append((reader.host, refusal))
                continue
            document = request.document(uri, f"{here.origin}/desk/node", pact.desk_uri)
        else:
            document = _document(uri, letter.signer, reader, objects, words)
        found.append((reader.host, document))
    if len(left_out) == len(found):
        raise left_out[0]
    return found


async def looks_after(conn: AsyncConnection, person: Actor, group: Actor | None) -> bool:
    """Whether whoever it is about moderates where it goes, as far as that is known (MOD-5.13)."""
    if group is None:
        return False
    found = sa.select(moderators.c.actor_id).where(
        moderators.c.group_id == group.id, moderators.c.actor_id == person.id
    )
    return await conn.scalar(found) is not None


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
    document = _document(here.new_activity_uri(), signer, reader, objects, words)
    await outbox.publish(conn, here, document, signer=signer, to=[reader.uri])


def _document(
    uri: str, signer: Actor, reader: Actor, objects: Sequence[str], words: str
) -> Document:
    in_group = reader.kind is ActorKind.GROUP
    return wire.document(
        uri,
        signer.uri,
        to=reader.uri,
        audience=reader.uri if in_group else None,
        objects=objects,
        words=words,
    )


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
