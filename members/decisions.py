"""What personas decided about messages, sealed in the tombstone log, so that a restore heeds it.

Every line is as long and of one kind: it tells nobody without the node key who decided, about whom,
or what. Addresses would tie two names of a member who blocks somebody under both (DESIGN-V1).
"""

import base64
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import tombstone_log
from kernel.here import Here
from kernel.sealing import Unsealable, seal, unseal
from kernel.tombstone_log import Act

_UUID: Final = 16
_CONTEXT: Final = "messages 1"


class Decision(IntEnum):
    """What a persona decided; the numbers stand in logs for ever."""

    BLOCKED = 1
    UNBLOCKED = 2
    STOPPED = 3  # for both
    ACCEPTED = 4  # the other one may write to it
    OFF = 5  # it takes no messages
    ON = 6


_STOPPED_AFTER: Final = {  # that one of two stops lifts no block, and gives no yes back
    Decision.BLOCKED: Decision.BLOCKED,
    Decision.ACCEPTED: Decision.UNBLOCKED,
    Decision.UNBLOCKED: Decision.UNBLOCKED,
}


def note(
    conn: AsyncConnection, here: Here, decision: Decision, persona: UUID, other: UUID | None = None
) -> None:
    """Let a restored backup know what the persona decided, about `other` or about itself."""
    plain = bytes([decision]) + persona.bytes + (other or persona).bytes
    sealed = seal(_key(here), plain, _CONTEXT)
    tombstone_log.note(conn, Act.MESSAGES, base64.b64encode(sealed).decode())


def last(here: Here, lines: Iterable[str]) -> Mapping[tuple[UUID, UUID], Decision]:
    """What holds in the end, of each persona and another one; of a persona alone, it is both.

    `STOPPED` is only what is not known to have been anything but a yes before.
    """
    found: dict[tuple[UUID, UUID], Decision] = {}
    for line in lines:
        try:
            decision, persona, other = _read(here, line)
        except (Unsealable, ValueError):
            continue  # of another node key, or no whole line
        if decision in (Decision.STOPPED, Decision.BLOCKED):
            for pair in ((persona, other), (other, persona)):
                before = found.get(pair, Decision.STOPPED)
                found[pair] = _STOPPED_AFTER.get(before, Decision.STOPPED)
        if decision is not Decision.STOPPED:
            found[persona, other] = decision
    return found


def _read(here: Here, line: str) -> tuple[Decision, UUID, UUID]:
    plain = unseal(_key(here), base64.b64decode(line), _CONTEXT)
    persona, other = plain[1 : 1 + _UUID], plain[1 + _UUID :]
    return Decision(plain[0]), UUID(bytes=persona), UUID(bytes=other)


def _key(here: Here) -> bytes:
    return here.node_key.derive("messages in the log")
