"""What open pages hear of: that something changed, never what (`node/live.py`).

A word goes out with the transaction that it is about, by NOTIFY; it is stored nowhere. It names a
thread, a persona or a session, and whoever hears it asks anew for what they may see.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL: Final = "hearthold_live"
_LETTERS: Final = 32


def of_thread(thread_id: int) -> str:
    """The word that a thread changed."""
    return f"t{thread_id}"


def of_persona(persona_id: UUID) -> str:
    """The word that there is news for a persona."""
    return f"p{persona_id}"


def of_session(session_id: bytes) -> str:
    """The word that a session ended; the id cannot be read out of it."""
    return f"s{sha256(b'live ' + session_id).hexdigest()[:_LETTERS]}"


async def sessions_ended(conn: AsyncConnection, session_ids: Iterable[bytes]) -> None:
    """`of_session` goes out for each (SEC-L9)."""
    words = sorted(of_session(each) for each in session_ids)
    await conn.execute(_SAY, {"words": words})


_SAY: Final = sa.select(
    sa.func.pg_notify(
        sa.literal_column(f"'{CHANNEL}'", sa.Text),
        sa.func.unnest(sa.bindparam("words", type_=sa.ARRAY(sa.Text))),
    )
)


def thread_changed(thread_id: sa.ColumnElement[int]) -> sa.ColumnElement[None]:
    """SQL, for the RETURNING of what changed it: `of_thread` goes out."""
    return _notify("t", thread_id)


def persona_told(persona_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[None]:
    """SQL: `of_persona` goes out."""
    return _notify("p", persona_id)


def _notify(letter: str, key: sa.ColumnElement[Any]) -> sa.ColumnElement[None]:
    word = sa.literal_column(f"'{letter}'", sa.Text).concat(sa.cast(key, sa.Text))
    return sa.func.pg_notify(sa.literal_column(f"'{CHANNEL}'", sa.Text), word)
