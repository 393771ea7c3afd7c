"""Send what is due, one peer at a time, in order per thread (DESIGN decision 3, WIRE 6).

A worker claims a peer by lease, sends its rows lane by lane over kept connections, deletes what
was accepted in one statement, looks again, and releases. A peer can slow only itself.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import actors as actor_store
from activitypub import signatures
from activitypub.client import Answer, Client, Signer, Unreachable
from activitypub.keys import KeyPair
from activitypub.remote import Remote
from kernel.faults import Point, reached
from kernel.here import Here
from kernel.schema.tables import activities, actors, deliveries, peers

log = logging.getLogger(__name__)

ROWS = 100  # a claim lasts at most this many rows
LEASE = timedelta(seconds=35)  # a claim and one slow request
CLAIM_SECONDS = 20  # or this long
LANES = 2  # lanes of one peer side by side, a kept connection each (WIRE-Q4)
CRASHES = 5
KEEP = timedelta(days=30)
FIRST_BACKOFF = timedelta(minutes=1)
LONGEST_BACKOFF = timedelta(hours=12)
_KEYS = 500

_ELSEWHERE = frozenset({301, 308, 404, 410})  # the inbox may have moved, or its owner be gone
_LATER = frozenset({408, 425, 429}) | frozenset(range(500, 600))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One delivery: what goes where, signed by whom."""

    id: int
    inbox: str
    lane: str
    signer_id: UUID
    signer_key: str
    body: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """The peer did not take something: when to try again (seconds, where it said so), and why."""

    reason: str
    retry_after: int | None = None


@dataclass(slots=True)
class Deliverer:
    """Claims peers and empties their queues."""

    engine: AsyncEngine
    here: Here
    client: Client
    remote: Remote
    _keys: OrderedDict[UUID, KeyPair] = field(default_factory=OrderedDict)

    async def deliver_one(self, *, failing: bool | None = None) -> bool:
        """Serve the next peer that is due. False: there is none.

        `failing` chooses among peers that took the last delivery (False) or did not (True), so
        that those that keep failing share only part of the workers.
        """
        claimed = await self._claim(failing)
        if claimed is None:
            return False
        host, lease = claimed
        setback: Setback | None = None
        deadline = asyncio.get_running_loop().time() + CLAIM_SECONDS
        try:
            while setback is None and (rows := await self._rows(host)):
                setback = await self._send(rows, deadline)
                if asyncio.get_running_loop().time() >= deadline:
                    break
        finally:
            await self._release(host, lease, setback)
        return True

    async def _claim(self, failing: bool | None) -> tuple[str, UUID] | None:
        now = self.here.now()
        waiting = sa.exists().where(
            deliveries.c.host == peers.c.host, deliveries.c.parked.is_(None)
        )
        due = (
            sa.select(peers.c.host)
            .where(
                peers.c.next_attempt <= now,
                ~peers.c.paused,
                sa.or_(peers.c.leased_until.is_(None), peers.c.leased_until < now),
                waiting,
            )
            .order_by(peers.c.next_attempt)
            .limit(1)
            .with_for_update(skip_locked=True, key_share=True)  # writers of new rows may hold it
        )
        if failing is not None:
            due = due.where(peers.c.failures > 0 if failing else peers.c.failures == 0)
        lease = uuid4()
        async with self.engine.begin() as conn:
            host = await conn.scalar(
                sa.update(peers)
                .where(peers.c.host == due.scalar_subquery())
                .values(leased_until=now + LEASE, lease=lease)
                .returning(peers.c.host)
            )
        return (host, lease) if host is not None else None

    async def _rows(self, host: str) -> Sequence[Row]:
        """The peer's next rows in order; the attempt is counted before the work.

        A row that was under way when a worker died goes alone, so that only it can be blamed.
        """
        async with self.engine.begin() as conn:
            await conn.execute(
                sa.update(deliveries)
                .where(
                    deliveries.c.host == host,
                    deliveries.c.parked.is_(None),
                    deliveries.c.attempts >= CRASHES,
                )
                .values(parked="broke the sender")
            )
            await conn.execute(
                sa.delete(deliveries).where(
                    deliveries.c.host == host,
                    deliveries.c.day < self.here.now().date() - KEEP,
                )
            )
            found = (
                await conn.execute(
                    sa.select(
                        deliveries.c.id,
                        deliveries.c.inbox,
                        deliveries.c.lane,
                        deliveries.c.signer_id,
                        actors.c.key_id.label("signer_key"),
                        activities.c.body,
                        deliveries.c.attempts,
                    )
                    .join(activities, activities.c.uri == deliveries.c.activity_uri)
                    .join(actors, actors.c.id == deliveries.c.signer_id)
                    .where(deliveries.c.host == host, deliveries.c.parked.is_(None))
                    .order_by(deliveries.c.id)
                    .limit(ROWS)
                )
            ).all()
            untried = list(takewhile(lambda row: row.attempts == 0, found))
            rows = [Row(**row._mapping) for row in untried or found[:1]]
            await conn.execute(
                sa.update(deliveries)
                .where(deliveries.c.id.in_([row.id for row in rows]))
                .values(attempts=deliveries.c.attempts + 1)
            )
        return rows

    async def _send(self, rows: Sequence[Row], deadline: float) -> Setback | None:
        """Send lane by lane; every row ends deleted or parked, or waits with no attempt counted."""
        lanes: dict[str, list[Row]] = {}
        for row in rows:
            lanes.setdefault(row.lane, []).append(row)
        slots = asyncio.Semaphore(LANES)
        done: set[int] = set()
        poison: dict[int, str] = {}

        async def send_lane(lane: Sequence[Row]) -> Setback | None:
            async with slots:
                for row in lane:
                    if asyncio.get_running_loop().time() >= deadline:
                        return None
                    try:
                        if setback := await self._send_row(row):
                            return setback
                        done.add(row.id)
                    except (DBAPIError, OSError):
                        raise
                    except Exception as error:
                        log.error("delivery=%s parked %s", row.id, type(error).__name__)
                        poison[row.id] = type(error).__name__
            return None

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(send_lane(lane)) for lane in lanes.values()]
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        async with self.engine.begin() as conn:
            await conn.execute(sa.delete(deliveries).where(deliveries.c.id.in_(done)))
            waiting = [row.id for row in rows if row.id not in done]
            if waiting:
                await conn.execute(
                    sa.update(deliveries)
                    .where(deliveries.c.id.in_(waiting))
                    .values(
                        attempts=0,
                        parked=sa.case(poison, value=deliveries.c.id) if poison else None,
                    )
                )
        return next((outcome for task in tasks if (outcome := task.result())), None)

    async def _send_row(self, row: Row) -> Setback | None:
        """None once the row is dealt with: accepted, refused for good, or emptied by a delete."""
        if not row.body:
            return None
        signer = await self._signer(row)
        try:
            answer = await self.client.post(row.inbox, row.body.encode(), signer=signer)
            if answer.status in _ELSEWHERE:
                inbox = await self.remote.new_inbox(row.inbox)
                if inbox is not None:
                    answer = await self.client.post(inbox, row.body.encode(), signer=signer)
        except Unreachable as error:
            return Setback(reason=error.reason)
        if answer.status in _LATER:
            return Setback(reason=str(answer.status), retry_after=_retry_after(answer))
        if answer.status >= 300:
            await self._note_refusal(row, answer)
        reached(Point.AFTER_ACCEPTED)
        return None

    async def _signer(self, row: Row) -> Signer:
        keys = self._keys.get(row.signer_id)
        if keys is None:
            async with self.engine.connect() as conn:
                keys = await actor_store.signing_keys(conn, self.here, row.signer_id)
            self._keys[row.signer_id] = keys
            while len(self._keys) > _KEYS:
                self._keys.popitem(last=False)
        private = keys.rsa

        def sign(method: str, url: str, body: bytes | None) -> dict[str, str]:
            return signatures.sign(private, row.signer_key, method, url, self.here.now(), body)

        return sign

    async def _note_refusal(self, row: Row, answer: Answer) -> None:
        """A 4xx is final for this activity and shown to the administrator (WIRE-Q10)."""
        log.info("delivery=%s refused status=%s", row.id, answer.status)
        async with self.engine.begin() as conn:
            host = sa.select(deliveries.c.host).where(deliveries.c.id == row.id)
            await conn.execute(
                sa.update(peers)
                .where(peers.c.host.in_(host))
                .values(
                    refusal=f"{answer.status} {answer.body[:500].decode(errors='replace')}".replace(
                        "\0", ""
                    )
                )
            )

    async def _release(self, host: str, lease: UUID, setback: Setback | None) -> None:
        now = self.here.now()
        async with self.engine.begin() as conn:
            mine = sa.and_(peers.c.host == host, peers.c.lease == lease)
            if setback is None:
                await conn.execute(
                    sa.update(peers)
                    .where(mine)
                    .values(lease=None, leased_until=None, failures=0, next_attempt=now)
                )
                return
            failures = await conn.scalar(sa.select(peers.c.failures).where(mine)) or 0
            await conn.execute(
                sa.update(peers)
                .where(mine)
                .values(
                    lease=None,
                    leased_until=None,
                    failures=failures + 1,
                    next_attempt=now + backoff(failures, setback.retry_after),
                    refusal=setback.reason,
                )
            )


def backoff(failures: int, retry_after: int | None) -> timedelta:
    """How long a peer rests: 1 min doubling to 12 h, a fifth of jitter, Retry-After obeyed."""
    pause: timedelta = min(FIRST_BACKOFF * 2 ** min(failures, 20), LONGEST_BACKOFF)
    pause *= 0.8 + secrets.randbelow(400) / 1000
    if retry_after is None:
        return pause
    return max(pause, min(timedelta(seconds=retry_after), LONGEST_BACKOFF))


def _retry_after(answer: Answer) -> int | None:
    value = answer.headers.get("Retry-After", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 7 else None
