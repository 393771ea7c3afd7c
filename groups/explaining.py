"""Somebody on another server is told what a group of ours decided about them (DOM-D18, MOD-5.12).

The desk writes to them alone, in the words that people here read, and names nobody. An answer to
that note asks for a second look (`inbox.second_look`).
"""

from collections.abc import Sequence
from html import escape
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import documents
from activitypub.actors import Actor
from groups.groups import Group
from kernel.clock import iso, to_minute
from kernel.here import Here
from kernel.rows import constant
from kernel.schema.posts import PostState
from kernel.schema.tables import audit, follows, groups, posts
from kernel.sealing import mac
from members import letters
from members import node as node_store
from moderation import audit as audit_log
from moderation.audit import Decision

MOST_A_DAY: Final = 3  # notes to one person; a fourth decision goes without

_MAC: Final = 16  # bytes
_PATH: Final = "/decided/"

_DID: Final = {
    "remove": "Thank you for writing. A post of yours was taken out by {who}: {about}",
    "ban": "Thank you for having been part of {group}. "
    "Its moderators ask you to stay away{until}. What you wrote stays.",
    "limit": "For a while, a moderator of {group} reads what you post before it is shown{until}. "
    "Everything else stays as it was.",
    "warn": "A word from the moderators of {group}. Nothing else changes for you.",
    "hold": "Thank you for writing. A moderator of {group} reads a post of yours in peace, and "
    "until then nobody else sees it there: {about} You did nothing wrong.",
    "suspend": "Thank you for the time you spent here. The people who look after {group} ask you "
    "to rest: for now it listens to nothing that you write{until}. What you wrote stays.",
}
_WAITS: Final = (
    "Thank you for writing. A moderator of {group} reads your post before others see it: {about} "
    "You did nothing wrong, and there is nothing you have to do."
)
_BY: Final = "This was decided by {who}, not by a program. "
_BY_ITSELF: Final = "It follows from what {said} said of it, by a rule of {here}. "
_ASK: Final = (
    "You can ask for a second look until {last}: answer this message, once, "
    "and another moderator reads it. "
)
_ASK_BY_MAIL: Final = "You can ask for a second look: write to {contact}. "
_LATER: Final = "The same was decided again later, and that is a decision of its own."
_HELP: Final = "If things are hard right now: {help}"


async def tell(
    conn: AsyncConnection, here: Here, group: Group, decision_id: int, *, by: Actor | None = None
) -> None:
    """Write to whom a decision is about, where they live elsewhere and have to do with the group.

    Nothing is written to whom the decision was `by`, to somebody who never posted in the group nor
    follows it, or more than three times a day. Where a rule decided, it was `by` nobody.
    """
    if group.settings is None or not group.federates or group.desk_id is None:
        return
    decision = await audit_log.decision(conn, decision_id)
    person = await actor_store.get(conn, decision.person_id)
    own = by is not None and person.id == by.id
    if person.local or own or not await _may_be_told(conn, group, decision):
        return
    desk = await actor_store.get(conn, group.desk_id)
    note = documents.letter(
        uri_of(here, decision),
        desk,
        person,
        _words(here, group, decision),
        published=iso(to_minute(here.now())),
    )
    await letters.write(conn, here, desk, person, note)


async def tell_held(
    conn: AsyncConnection, here: Here, group: Group, person: Actor, uri: str
) -> None:
    """Write to somebody elsewhere that a moderator reads their post before it is shown.

    Only of the first one that waits in the group: whoever sends many gets one letter.
    """
    if group.settings is None or not group.federates or group.desk_id is None or person.local:
        return
    waits = sa.select(posts.c.id).where(
        posts.c.author_id == person.id,
        posts.c.group_id == group.id,
        posts.c.state == constant(PostState.HELD),
    )
    if len(list(await conn.scalars(waits.limit(2)))) > 1:
        return
    desk = await actor_store.get(conn, group.desk_id)
    said = _WAITS.format(group=escape(group.actor.name), about=escape(uri))
    note = documents.letter(
        here.new_activity_uri(),
        desk,
        person,
        _paragraphs([said, _help(here)]),
        published=iso(to_minute(here.now())),
    )
    await letters.write(conn, here, desk, person, note)


async def tell_of_node(conn: AsyncConnection, here: Here, desk: Actor, decision_id: int) -> None:
    """As `tell`, of what the node itself decided about somebody; `desk` is its own.

    An answer to it is not listened to, so it says where else they can ask for a second look.
    """
    decision = await audit_log.decision(conn, decision_id)
    person = await actor_store.get(conn, decision.person_id)
    if person.local or not await _wrote_here(conn, person.id):
        return
    contact = escape((await node_store.read(conn)).contact)
    who = f"the people who look after {here.host}"
    ask = _ASK_BY_MAIL.format(contact=contact) if contact else ""
    lines = [*_said(here, here.host, who, decision), _BY.format(who=who) + ask + _help(here)]
    note = documents.letter(
        uri_of(here, decision),
        desk,
        person,
        _paragraphs(lines),
        published=iso(to_minute(here.now())),
    )
    await letters.write(conn, here, desk, person, note)


async def _wrote_here(conn: AsyncConnection, person_id: UUID) -> bool:
    """Whether somebody wrote in a group of ours; no stranger gets letters."""
    ours = sa.select(posts.c.id).join(groups, groups.c.actor_id == posts.c.group_id)
    found = await conn.scalar(ours.where(posts.c.author_id == person_id).limit(1))
    return found is not None


async def _may_be_told(conn: AsyncConnection, group: Group, decision: Decision) -> bool:
    person_id = decision.person_id
    wrote = sa.exists().where(posts.c.author_id == person_id, posts.c.group_id == group.id)
    follows_it = sa.exists().where(
        follows.c.follower_id == person_id, follows.c.followed_id == group.id
    )
    today = (
        sa.select(sa.func.count())
        .select_from(audit)
        .where(
            audit.c.person_id == person_id,
            audit.c.day == decision.day,
            audit.c.verb.in_(sorted(_DID)),
        )
        .scalar_subquery()
    )
    row = (
        await conn.execute(
            sa.select(sa.or_(wrote, follows_it).label("near"), today.label("number"))
        )
    ).one()
    return bool(row.near) and row.number <= MOST_A_DAY


def _words(here: Here, group: Group, decision: Decision) -> str:
    name = escape(group.actor.name)
    who = f"the moderators of {name if decision.by_group else here.host}"
    ask = _ASK.format(last=decision.appeal_until().isoformat()) if decision.appealable else ""
    how = _BY.format(who=who)
    if decision.by_itself:
        how = _BY_ITSELF.format(said=", ".join(decision.issuers), here=here.host)
    return _paragraphs([*_said(here, name, who, decision), how + ask + _help(here)])


def _said(here: Here, name: str, who: str, decision: Decision) -> list[str]:
    until = f" until {decision.until.isoformat()}" if decision.until else ""
    did = _DID[decision.verb].format(group=name, about=escape(decision.about), until=until, who=who)
    lines = [did]
    if decision.reason:
        lines.append(f"They wrote: “{escape(decision.reason)}”")
    if decision.rule:
        lines.append(f"It is about this guideline: “{escape(decision.rule)}”")
    return lines


def _help(here: Here) -> str:
    return _HELP.format(help=f"{here.origin}/help")


def _paragraphs(lines: Sequence[str]) -> str:
    return "".join(f"<p>{line}</p>" for line in lines)


async def tell_answer(
    conn: AsyncConnection,
    here: Here,
    desk: Actor,
    decision: Decision,
    words: str,
    *,
    changed: bool,
    later: bool,
) -> None:
    """Tell whoever asked from another server what came of the second look.

    `later`: the same was decided again later, which this did not change.
    """
    person = await actor_store.get(conn, decision.person_id)
    if person.local:
        return
    came = "What was decided is changed." if changed else "It stays as it was decided."
    if changed and later:
        came = f"{came} {_LATER}"
    said = f"<p>Somebody else looked at it again. {came}</p><p>They wrote: “{escape(words)}”</p>"
    note = documents.letter(
        here.new_activity_uri(), desk, person, said, published=iso(to_minute(here.now()))
    )
    await letters.write(conn, here, desk, person, note)


def uri_of(here: Here, decision: Decision) -> str:
    """The id of the note about a decision: nobody else can guess it, and nothing is stored."""
    return f"{here.origin}{_PATH}{decision.id}-{_token(here, decision.id)}"


def decision_in(here: Here, uri: str | None) -> int | None:
    """The decision that a note of ours is about, by the note's id; None: it is no such id."""
    number, _, token = (uri or "").removeprefix(f"{here.origin}{_PATH}").partition("-")
    if not number.isdecimal() or len(number) > 18 or token != _token(here, int(number)):
        return None
    return int(number)


def _token(here: Here, decision_id: int) -> str:
    made = mac(here.node_key.derive("decided"), "note", str(decision_id).encode())
    return made[:_MAC].hex()
