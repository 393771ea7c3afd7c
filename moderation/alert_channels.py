"""Where the people who look after a desk want to hear that something waits (DOM-D13, MOD-H2).

A place belongs to a desk, never to an account or a persona, and its address is sealed: whoever
copies the database learns that there are so many places, and no address.
"""

import hmac
import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance, tombstone_log
from kernel.errors import Conflict, Malformed, NotFound
from kernel.here import Here
from kernel.mail_address import is_address
from kernel.rows import AnyRow, at_most
from kernel.said import noted, said
from kernel.schema.alerts import Way
from kernel.schema.tables import actors, alert_channels
from kernel.sealing import mac
from kernel.tombstone_log import Act
from kernel.urls import parse
from moderation import sealed

MAX_CHANNELS: Final = 10  # of one desk
MAX_LABEL: Final = 40
MAX_TARGET: Final = 500
MAX_PUSH: Final = 1_000  # letters of the address of a browser
PAGE: Final = 50  # of all desks, for an operator
PACES: Final = (15, 60, 1440)  # minutes from one alert to the next that people can choose

_LABEL: Final = "alerts"
_DIGITS: Final = 8
_SECRET_BYTES: Final = 32

_FULL: Final = said("There are {count} already. Please take one off first.", count=MAX_CHANNELS)
_LONG_LABEL: Final = said("Please use up to {limit} letters for your own word.", limit=MAX_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One place. A page shows its `label` and its `ending`, never all of its `target`."""

    id: UUID
    group_id: UUID | None
    way: Way
    label: str = field(repr=False)
    target: str = field(repr=False)
    secret: str = field(repr=False)  # a webhook's calls are signed, a browser's sealed with it
    pace: int
    confirmed: bool
    failing: date | None

    @property
    def ending(self) -> str:
        """The last four letters of the address."""
        return self.target[-4:]

    @classmethod
    def of(cls, here: Here, row: AnyRow) -> Self:
        """From a row with `COLUMNS`."""
        plain = sealed.get(here, _LABEL, f"alert {row.id}", row.sealed)
        return cls(
            id=row.id,
            group_id=row.group_id,
            way=Way(row.way),
            pace=row.pace,
            confirmed=row.confirmed,
            failing=row.failing,
            **plain,
        )


COLUMNS: Final = tuple(
    alert_channels.c[name]
    for name in ("id", "group_id", "way", "sealed", "pace", "confirmed", "failing")
)


async def desk_of(conn: AsyncConnection, channel_id: UUID) -> UUID | None:
    """The group whose desk a place belongs to; None: the node's. Raises NotFound."""
    asked = sa.select(alert_channels.c.group_id).where(alert_channels.c.id == channel_id)
    row = (await conn.execute(asked)).first()
    if row is None:
        raise NotFound
    group_id: UUID | None = row.group_id
    return group_id


def of_desk(group_id: UUID | None) -> sa.ColumnElement[bool]:
    """SQL: the channels of a group's desk, or of the node's."""
    if group_id is None:
        return alert_channels.c.group_id.is_(None)
    return alert_channels.c.group_id == group_id


async def listed(conn: AsyncConnection, here: Here, group_id: UUID | None) -> Sequence[Channel]:
    """The places of one desk, in no order that tells when they came."""
    rows = await conn.execute(
        sa.select(*COLUMNS)
        .where(of_desk(group_id))
        .order_by(alert_channels.c.id)
        .limit(at_most(MAX_CHANNELS))
    )
    return [Channel.of(here, row) for row in rows]


async def get(
    conn: AsyncConnection, here: Here, group_id: UUID | None, channel_id: UUID
) -> Channel:
    """One place of a desk. Raises NotFound: that desk has none of this id."""
    rows = await conn.execute(
        sa.select(*COLUMNS).where(of_desk(group_id), alert_channels.c.id == channel_id)
    )
    row = rows.first()
    if row is None:
        raise NotFound
    return Channel.of(here, row)


async def add(
    conn: AsyncConnection,
    here: Here,
    group_id: UUID | None,
    *,
    way: str,
    label: str,
    target: str,
    pace: int,
    secret: str = "",
) -> Channel:
    """A new place for a desk; `secret` is what a browser gave.

    Mail waits until its reader says yes (see `code`).

    Raises Malformed: a part cannot be read; Conflict: the desk has as many as it may have.
    """
    label, target = " ".join(label.split()), target.strip()
    _check(here, way, label, target, pace)
    count = await conn.scalar(
        sa.select(sa.func.count()).select_from(alert_channels).where(of_desk(group_id))
    )
    if (count or 0) >= MAX_CHANNELS:
        raise Conflict(_FULL)
    channel = Channel(
        id=chance.new_uuid(),
        group_id=group_id,
        way=Way(way),
        label=label,
        target=target,
        secret=b64encode(os.urandom(_SECRET_BYTES)).decode() if way == Way.WEBHOOK else secret,
        pace=pace,
        confirmed=way != Way.MAIL,
        failing=None,
    )
    plain = {"label": label, "target": target, "secret": channel.secret}
    await conn.execute(
        sa.insert(alert_channels).values(
            id=channel.id,
            group_id=group_id,
            way=channel.way,
            sealed=sealed.put(here, _LABEL, f"alert {channel.id}", plain),
            pace=pace,
            confirmed=channel.confirmed,
        )
    )
    return channel


def _check(here: Here, way: str, label: str, target: str, pace: int) -> None:
    if way not in set(Way):
        raise Malformed(noted("Please choose how you want to hear of it."))
    if pace not in PACES:
        raise Malformed(noted("Please choose how often at most."))
    if not label:
        raise Malformed(noted("Please give it a word of your own, such as “evening phone”."))
    if len(label) > MAX_LABEL:
        raise Malformed(_LONG_LABEL)
    if way == Way.MAIL and not is_address(target):
        raise Malformed(noted("Please write one e-mail address, such as robin@example.org."))
    if way in (Way.WEBHOOK, Way.PUSH):
        if len(target) > (MAX_TARGET if way == Way.WEBHOOK else MAX_PUSH):
            raise Malformed(noted("That web address is too long."))
        parse(target, allow_http=here.origin.startswith("http:"))


async def remove(conn: AsyncConnection, group_id: UUID | None, channel_id: UUID) -> None:
    """Take a place off. Raises NotFound: as `get`."""
    gone = await conn.execute(
        sa.delete(alert_channels).where(of_desk(group_id), alert_channels.c.id == channel_id)
    )
    if not gone.rowcount:
        raise NotFound
    tombstone_log.note(conn, Act.UNTOLD, str(channel_id))


async def everywhere(
    conn: AsyncConnection, here: Here, *, after: UUID
) -> Sequence[tuple[str, Channel]]:
    """A page of the places of all desks, each with its group's handle; none for the node's."""
    rows = await conn.execute(
        sa.select(*COLUMNS, sa.func.coalesce(actors.c.handle, "").label("desk"))
        .join(actors, actors.c.id == alert_channels.c.group_id, isouter=True)
        .where(alert_channels.c.id > after)
        .order_by(alert_channels.c.id)
        .limit(at_most(PAGE))
    )
    return [(row.desk, Channel.of(here, row)) for row in rows]


async def end(conn: AsyncConnection, channel_id: UUID) -> bool:
    """Take a place of any desk off. False: there is none."""
    gone = await conn.execute(sa.delete(alert_channels).where(alert_channels.c.id == channel_id))
    tombstone_log.note(conn, Act.UNTOLD, str(channel_id))
    return gone.rowcount > 0


async def end_again(conn: AsyncConnection, ids: Iterable[str]) -> None:
    """Places that were taken off after a backup do not come back with it."""
    gone = alert_channels.c.id.in_([UUID(each) for each in ids])
    await conn.execute(sa.delete(alert_channels).where(gone))


def code(here: Here, channel_id: UUID) -> str:
    """What is sent to a new address: whoever can read it there may say yes to the rest."""
    number = int.from_bytes(mac(here.node_key.derive(_LABEL), "code", channel_id.bytes)[:8], "big")
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


async def confirm(
    conn: AsyncConnection, here: Here, group_id: UUID | None, channel_id: UUID, typed: str
) -> None:
    """Somebody typed the code that came by mail. Raises Malformed: another one; NotFound."""
    channel = await get(conn, here, group_id, channel_id)
    plain = "".join(typed.split()).encode()
    if not hmac.compare_digest(plain, code(here, channel.id).encode()):
        raise Malformed(noted("That is not the code we sent. Please look at the mail again."))
    await conn.execute(
        sa.update(alert_channels).where(alert_channels.c.id == channel_id).values(confirmed=True)
    )
