"""What must stay so after an older backup is restored: an append-only file beside the database.

A line is a JSON list, an act and the addresses it is about, with the names that stand in these;
never words, and no time but the last day of a ban or the like. Lines of a
transaction reach the disk just before it commits. Should the commit itself then break, a line too
many is there; a restore that acts on it errs towards what somebody asked for.

    ["deleted", post]  ["removed", post]  ["restored", post]  ["closed", actor]  ["left", sealed]
    ["banned", group, actor, last day or ""]  ["unbanned", group, actor]
    ["limited", group, actor, last day]  ["unlimited", group, actor]
    ["suspended", actor, last day or ""]  ["unsuspended", actor]
    ["policy", domain, list's id or "", level or "", flags]
    ["list over", list's id]
    ["blocked", domain]  ["unblocked", domain]    as earlier versions wrote it
    ["held", post]  ["shown", post]  ["sees", group, who]
    ["messages", sealed]  ["labelled", sealed]
    ["head", line, hash]  ["rewound", line, hash]
    ["pact over", pact]  ["pact frozen", pact]  ["pact heard", pact]  ["pact frozen there", pact]
    ["pact unsafe", pact]
    ["case closed", its random id]  ["appeal over", hash of its sealed words]
    ["node closes", the node's origin]
    ["group moved", group, the group that it is now, or "" where it came back]

What "left" seals under the node key is an account and its personas, "messages" what a persona
decided about messages (`members.decisions`), and "labelled" what moderators said of a post
(`moderation.label_lines`): all lines of each kind are as long.
A "head" is where the chain of decisions ended on some day, and "rewound" where it ended after a
restore (`moderation.chain`).
"""

import asyncio
import errno
import json
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import await_only

from kernel.errors import Misconfigured

FILE: Final = "tombstones.log"

_LINES: Final = "tombstone log lines"
_SAVED: Final = "tombstone log savepoints"

Line = tuple[str, ...]


class Act(StrEnum):
    """What was decided; the last line about the same ids counts."""

    DELETED = "deleted"
    REMOVED = "removed"
    RESTORED = "restored"
    HELD = "held"  # a post was taken out of sight until somebody reads it
    SHOWN = "shown"  # and somebody did
    SEES = "sees"  # who may read a group
    LABELLED = "labelled"
    CLOSED = "closed"
    BANNED = "banned"
    UNBANNED = "unbanned"
    LIMITED = "limited"
    UNLIMITED = "unlimited"
    SUSPENDED = "suspended"
    UNSUSPENDED = "unsuspended"
    LEFT = "left"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    POLICY = "policy"
    MESSAGES = "messages"
    HEAD = "head"
    REWOUND = "rewound"
    UNTOLD = "untold"  # a place that hears of nothing any more, by its random id
    PACT_OVER = "pact over"
    PACT_FROZEN = "pact frozen"
    PACT_HEARD = "pact heard"
    PACT_FROZEN_THERE = "pact frozen there"
    PACT_UNSAFE = "pact unsafe"
    LIST_OVER = "list over"
    CASE_CLOSED = "case closed"
    APPEAL_OVER = "appeal over"
    NODE_CLOSES = "node closes"
    GROUP_MOVED = "group moved"
    OBJECTED = "objected"  # to a list that sorts posts, by a mark of the node key
    AGREED = "agreed"


_IDS: Final = {
    Act.BANNED: 3,
    Act.UNBANNED: 2,
    Act.LIMITED: 3,
    Act.UNLIMITED: 2,
    Act.SUSPENDED: 2,
    Act.SEES: 2,
    Act.HEAD: 2,
    Act.REWOUND: 2,
    Act.POLICY: 4,
    Act.GROUP_MOVED: 2,
}  # how many follow the act, where it is not one


def keep(engine: AsyncEngine, path: Path) -> None:
    """From now on what `note` is told in the engine's transactions is written to `path`.

    Raises Misconfigured: that cannot be.
    """
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        append(path, [])
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written to: {error.strerror}.") from error

    pen = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tombstones")

    def begin(connection: Connection) -> None:
        connection.info[_LINES], connection.info[_SAVED] = [], []

    def commit(connection: Connection) -> None:
        if lines := connection.info.pop(_LINES, None):
            await_only(_append_beside(pen, path, lines))

    def save(connection: Connection, _: str | None) -> None:
        connection.info[_SAVED].append(len(connection.info[_LINES]))

    def keep_it(connection: Connection, _: str, __: None) -> None:
        connection.info[_SAVED].pop()

    def go_back(connection: Connection, _: str, __: None) -> None:
        del connection.info[_LINES][connection.info[_SAVED].pop() :]

    event.listen(engine.sync_engine, "begin", begin)
    event.listen(engine.sync_engine, "commit", commit)
    event.listen(engine.sync_engine, "savepoint", save)
    event.listen(engine.sync_engine, "release_savepoint", keep_it)
    event.listen(engine.sync_engine, "rollback_savepoint", go_back)


def note(conn: AsyncConnection, act: Act, *ids: str) -> None:
    """Write a line when this transaction commits, where the node keeps such a log."""
    lines = conn.sync_connection.info.get(_LINES) if conn.sync_connection else None
    if lines is not None:
        lines.append((act.value, *ids))


async def _append_beside(pen: Executor, path: Path, lines: Sequence[Line]) -> None:
    """As `append`, while everybody else goes on. Whoever is cancelled waits for the end of it too:

    until then they hold the rows that it is about, so no later line can come before it.
    """
    writing = asyncio.get_running_loop().run_in_executor(pen, append, path, lines)
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise


def append(path: Path, lines: Sequence[Line]) -> None:
    """Add `lines`; they are on the disk when this returns. One write: lines of two do not mix."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        size = os.fstat(descriptor).st_size
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"  # the power went away
        data = ("\n" * bool(torn) + text).encode()
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)


def read(text: str) -> list[Line]:
    """The lines of a log in order; what is torn or of no known act is left out."""
    found = []
    for line in text.split("\n"):
        try:
            act, *ids = json.loads(line)
            known = Act(act)
        except (ValueError, TypeError):
            continue
        if len(ids) == _IDS.get(known, 1) and all(isinstance(each, str) for each in ids):
            found.append((known.value, *ids))
    return found


def merge(one: str, other: str) -> str:
    """Two copies of a log as one: the longer where it continues the other, else both in turn."""
    if other.startswith(one):
        return other
    if one.startswith(other):
        return one
    return one + "\n" * (not one.endswith("\n")) + other
