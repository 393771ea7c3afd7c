"""Somebody here is worried about somebody: a care case, with what they said (MOD-5.14)."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import text
from kernel.here import Here
from kernel.schema.care import Level
from moderation.care import cases, notes
from moderation.cases import About

_EXCERPT: Final = 900  # letters of a message that somebody is worried about


async def raise_(
    conn: AsyncConnection,
    here: Here,
    bearer: bytes,
    about: About,
    group_id: UUID | None,
    *,
    words: str,
    content: str = "",
    soon: bool = False,
) -> None:
    """Open a care case at a desk, or join the one that is open.

    A second time changes nothing, but that it may be about today now.

    `bearer` is the member's mark of what they are worried about; `content` the message, if it is
    about one (HTML). Raises Malformed: long words.
    """
    said_before = await notes.has_said(conn, bearer)
    if said_before and not soon:
        return
    level = Level.NOW if soon else Level.HIGH
    host = about.address.rpartition("@")[2]
    case_id = await cases.open_case(
        conn, here, about=about, host=host, level=level, group_id=group_id
    )
    if said_before:
        return
    await notes.add_words(conn, here, case_id, bearer, words)
    if content:  # a message is read by nobody else: without its words nobody could help
        copy = text.plain(content, _EXCERPT)
        await notes.add_words(conn, here, case_id, None, copy)
