"""What moderators said of posts, sealed in the tombstone log for a restore (MOD-5.18, SEC-P4).

A label says something of a person's health or conduct, so no line may be read without the node key.
Every line is as long. Why somebody said it, and what they point at, are words: they are not in it.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import tombstone_log
from kernel.here import Here
from kernel.schema.labels import Effect, Giver
from kernel.sealing import Unsealable, seal, unseal
from kernel.tombstone_log import Act
from moderation import labelling
from moderation.saying import Saying

_BYTES: Final = 192
_CONTEXT: Final = "labels 1"

About = tuple[int, str, Giver]
"""A post, a label, and who gave it."""


def note(conn: AsyncConnection, here: Here, post_id: int, saying: Saying) -> None:
    """Let a restored backup know what is said of a post."""
    days = [saying.effect.value, saying.starts.isoformat(), saying.ends.isoformat()]
    _write(conn, here, (post_id, saying.label, saying.giver), days)


def note_off(conn: AsyncConnection, here: Here, post_id: int, label: str, giver: Giver) -> None:
    """Let it know that this is said no more."""
    _write(conn, here, (post_id, label, giver), [])


async def note_all_off(conn: AsyncConnection, here: Here, post_id: int) -> None:
    """Before a post loses its labels: what was said of it here is said no more."""
    for row in await labelling.of_posts(conn, [post_id]):
        if not row.host:
            note_off(conn, here, post_id, row.label, row.giver)


def _write(conn: AsyncConnection, here: Here, about: About, said: list[str]) -> None:
    plain = json.dumps([*about, *said]).encode()
    sealed = seal(_key(here), plain, _CONTEXT, padded_to=_BYTES)
    tombstone_log.note(conn, Act.LABELLED, base64.b64encode(sealed).decode())


def last(here: Here, lines: Iterable[str]) -> Mapping[About, Saying | None]:
    """What was said in the end of each post; None: that was taken back."""
    found: dict[About, Saying | None] = {}
    for line in lines:
        try:
            about, saying = _read(here, line)
        except (Unsealable, ValueError):
            continue  # of another node key, or no whole line
        found[about] = saying
    return found


def _read(here: Here, line: str) -> tuple[About, Saying | None]:
    plain = unseal(_key(here), base64.b64decode(line), _CONTEXT)
    post_id, label, giver, *said = json.loads(plain)
    about = int(post_id), str(label), Giver(giver)
    if not said:
        return about, None
    effect, starts, ends = said
    return about, Saying(
        label=about[1],
        giver=about[2],
        effect=Effect(effect),
        starts=date.fromisoformat(starts),
        ends=date.fromisoformat(ends),
    )


def _key(here: Here) -> bytes:
    return here.node_key.derive("labels in the log")
