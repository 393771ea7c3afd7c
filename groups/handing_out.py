"""Guidelines travel: who joins from another server is sent them by the group (DOM-B1).

It is a note to that person alone. Servers that read FEP-1b12 show a group's own page to their
people and take no such notes from groups, so they get none.
"""

from html import escape

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import documents, outbox
from activitypub.actors import Actor
from groups import groups as group_store
from groups.groups import Group
from kernel import text
from kernel.clock import iso, to_minute
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.schema.tables import peers


async def hand_out(conn: AsyncConnection, here: Here, group: Group, person: Actor) -> None:
    """Send the newest guidelines to somebody elsewhere who was just let in, if there are any."""
    if person.local or person.kind is not ActorKind.PERSON:
        return
    if not group.guidelines_version or group.settings is None or not group.federates:
        return
    reads_groups = sa.select(peers.c.host).where(peers.c.host == person.host, peers.c.wrapped)
    if await conn.scalar(reads_groups) is not None:
        return
    rules = await group_store.guidelines_text(conn, group)
    note = documents.letter(
        here.new_activity_uri(),
        group.actor,
        person,
        _hello(here, group) + text.render(rules),
        published=iso(to_minute(here.now())),
    )
    create = documents.activity(
        here.new_activity_uri(), "Create", group.actor.uri, note, to=[person.uri]
    )
    await outbox.publish(conn, here, create, signer=group.actor, to=[person.uri])


def _hello(here: Here, group: Group) -> str:
    page = f"{here.origin}/g/{group.actor.handle}/guidelines"
    return (
        f"<p>Welcome to {escape(group.actor.name)}. What you post there, everybody can read. "
        f'These are the <a href="{page}">guidelines</a> of the group:</p>'
    )
