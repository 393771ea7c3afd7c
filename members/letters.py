"""Notes from one actor to another, for nobody else, as they go to other servers (WIRE-Q1)."""

from html import escape
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.vocab import Document
from kernel.clock import iso, to_minute
from kernel.here import Here
from members import blocks

ASKS: Final = (
    "{name} would like to write to you from {place}. "
    "If you answer this message, they can. If you do not, that is fine."
)
AGREES: Final = (
    "{name} on {place} said yes: what you write to them from now on is shown to them. "
    "Nothing that you wrote before was kept."
)


def uri_of(here: Here, message_id: UUID) -> str:
    """The address of a message that was written here; its reader's server can fetch it."""
    return f"{here.origin}/m/{message_id}"


async def write(
    conn: AsyncConnection, here: Here, author: Actor, reader: Actor, note: Document
) -> None:
    """Send a note to a reader elsewhere; whoever blocks its author hears nothing (WIRE-M10)."""
    await _send(conn, here, author, reader, "Create", note)


async def take_back(
    conn: AsyncConnection, here: Here, author: Actor, reader: Actor, uri: str
) -> None:
    """Ask a reader's server elsewhere to delete a note."""
    await _send(conn, here, author, reader, "Delete", documents.tombstone(uri))


async def write_fixed(
    conn: AsyncConnection, here: Here, author: Actor, reader: Actor, words: str
) -> None:
    """Tell somebody elsewhere something in words of ours; who lives here reads it on a page."""
    if reader.local:
        return
    said = words.format(name=escape(author.name), place=escape(here.host))
    note = documents.letter(
        here.new_activity_uri(),
        author,
        reader,
        f"<p>{said}</p>",
        published=iso(to_minute(here.now())),
    )
    await write(conn, here, author, reader, note)


async def _send(
    conn: AsyncConnection, here: Here, author: Actor, reader: Actor, kind: str, said: Document
) -> None:
    if reader.local or await blocks.who_block(conn, author.id, [reader.uri]):
        return
    document = documents.activity(here.new_activity_uri(), kind, author.uri, said, to=[reader.uri])
    await outbox.publish(conn, here, document, signer=author, to=[reader.uri], direct=True)
