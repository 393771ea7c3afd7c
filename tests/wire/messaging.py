"""What the tests of messages do and look at."""

from typing import Any

import sqlalchemy as sa

from activitypub.actors import Actor
from kernel.release import AT_ONCE, Timing
from kernel.schema.tables import correspondents, message_boxes
from members import conversations
from members import correspondents as circle
from members import messages as store
from moderation.standing import Speaker
from tests.nodes import Node
from tests.peer import Document, Peer, Person


async def takes(node: Node, persona: Speaker) -> None:
    """The persona takes messages, as if it had been here for long."""
    async with node.engine.begin() as conn:
        await conn.execute(message_boxes.insert().values(persona_id=persona.id))


async def accepts(node: Node, persona: Speaker, other: Actor) -> None:
    async with node.engine.begin() as conn:
        await circle.accept(conn, node.here, persona.id, other.id)


async def stands(node: Node, persona: Speaker, other: Actor) -> str | None:
    """How somebody stands with a persona."""
    async with node.engine.connect() as conn:
        found: str | None = await conn.scalar(
            sa.select(correspondents.c.state).where(
                correspondents.c.owner_id == persona.id, correspondents.c.other_id == other.id
            )
        )
    return found


async def read(node: Node, persona: Speaker) -> list[str]:
    """What a persona reads in all of its conversations, newest first."""
    found = []
    async with node.engine.connect() as conn:
        for each in await conversations.of(conn, persona.id):
            page = await conversations.page(conn, node.here, persona.id, each.id)
            found += [message.content for message in page]
    return found


async def counted(node: Node, table: sa.Table) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def direct(peer: Peer, author: Person, words: str, reader: Speaker, **extra: Any) -> Document:
    """A direct message as Mastodon sends it."""
    tag = {"type": "Mention", "href": reader.actor.uri, "name": reader.actor.address}
    return peer.note(author, words, **{"to": [reader.actor.uri], "tag": [tag], **extra})


async def write(
    node: Node, speaker: Speaker, reader: Actor, words: str, timing: Timing = AT_ONCE
) -> None:
    async with node.engine.begin() as conn:
        await store.send(
            conn, node.here, speaker, reader, words, language="en", help_lines=(), timing=timing
        )


async def accepts_back(node: Node, persona: Speaker, other: Actor) -> None:
    """Somebody elsewhere wants to hear from a persona."""
    async with node.engine.begin() as conn:
        await circle.accept(conn, node.here, other.id, persona.id)
