"""The queue of deliveries in PostgreSQL: claim what is due, note what came of it (DESIGN 3).

A claim is one statement for many peers, and so is a note of what they took. Every write after the
claim carries its lease: a worker that stood still until somebody else took over changes nothing.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import receipts, refusals, schemes
from activitypub.claims import digest_of
from activitypub.refusals import Refusal
from kernel import chance, db, keep_times
from kernel.db import describe
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.schema.federation import Rank, Scheme
from kernel.schema.tables import deliveries, peers

log = logging.getLogger(__name__)

ROWS = 100  # a claim lasts at most this many rows
ROWS_AT_ONCE = 2_000  # of all peers claimed together, so that memory is bounded;
FEWEST = 8  # but so many each
LEASE = timedelta(seconds=35)  # a claim, one slow request, and the note of what came of it
CRASHES = 5
GATHER = 0.1  # seconds a note waits for others while more claims are under way
NOTES = 200  # in one commit
VOTES = keep_times.VOTE
AGAIN = 0.5  # seconds until a note that the database did not take is tried again


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent: the same bytes to everybody (WIRE-Q4). Empty once its words are deleted."""

    body: bytes = field(repr=False)
    digest: str

    @classmethod
    def of(cls, body: str) -> "Parcel":
        data = body.encode()
        return cls(data, digest_of(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One delivery: what goes where, signed by whom."""

    id: int
    inbox: str
    lane: str
    signer_id: UUID
    signer_uri: str
    signer_ed25519: str | None  # changes when its keys do
    parcel: Parcel
    attempts: int  # that ended with the sender
    first: bool = False  # before everything else that waits for its peer
    by_group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A peer that is ours for a while, with its next rows in order.

    `broken`: whoever held it last never said how it ended, so one of its rows may be to blame.
    `since` is when it was claimed, on the event loop's clock.
    """

    host: str
    lease: UUID
    failures: int
    broken: bool
    scheme: Scheme | None  # which signatures it reads, where that is known (WIRE-S32)
    rows: Sequence[Row]
    cut: bool  # there may be more rows
    since: float

    @property
    def careful(self) -> bool:
        """Whether a row has to go alone, so that only it can be blamed."""
        return self.broken or (bool(self.rows) and self.rows[0].attempts > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """The peer did not take something: why, and how long it rests.

    `pause_anew` counts where the peer came back meanwhile, so that its failures are forgotten.
    """

    reason: str
    pause: timedelta
    pause_anew: timedelta


@dataclass(slots=True)
class Outcome:
    """What came of a claim; rows that are in none of the lists wait as before."""

    claim: Claim
    done: list[int] = field(default_factory=list)
    parked: dict[int, str] = field(default_factory=dict)
    spared: list[int] = field(default_factory=list)  # tried alone, and the sender lives
    setback: Setback | None = None
    refused: list[Refusal] = field(default_factory=list)  # for the administrator (WIRE-Q10)
    said_no: dict[int, int] = field(default_factory=dict)  # rows with a receipt, and the status
    learned: Scheme | None = None  # which signatures it reads, where that is news;
    unlearned: bool = False  # or that it does not read what was known


@dataclass(slots=True)
class Queue:
    """Claims peers and notes what came of it, many in one commit."""

    engine: AsyncEngine
    here: Here
    _at_once: AsyncEngine = field(init=False)  # single statements: no BEGIN, no COMMIT to wait for
    _held: int = 0  # claims under way here
    _waiting: list[tuple[Outcome, asyncio.Future[bool]]] = field(default_factory=list)
    _all_here: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._at_once = db.at_once(self.engine)

    async def claim(self, limit: int, *, failing: bool | None = None) -> list[Claim]:
        """Up to `limit` peers that are due, each with its next rows; `drop` every one at its end.

        `failing` chooses among peers that took the last delivery (False) or did not (True).
        The claim is written before the work: a lease that ran out is a crash that counts.
        """
        now, lease = self.here.now(), chance.new_uuid()
        since = asyncio.get_running_loop().time()
        values = {
            "now": now,
            "until": now + LEASE,
            "lease": lease,
            "failing": failing,
            "peers": limit,
            "rows": ROWS,
            "fewest": FEWEST,
            "rows_at_once": ROWS_AT_ONCE,
            "votes_since": now.date() - VOTES,
        }
        async with self._at_once.connect() as conn:
            found = (await conn.execute(_CLAIM, values)).all()
        parcels: dict[str, Parcel] = {}
        rows: dict[str, list[Row]] = {}
        heads: dict[str, tuple[int, bool, Scheme | None]] = {}
        for each in found:
            scheme = schemes.known(each.scheme, each.scheme_day, now.date())
            heads[each.host] = each.failures, each.broken, scheme
            if each.id is None:
                continue
            if each.body is not None:
                parcels[each.activity_uri] = Parcel.of(each.body)
            rows.setdefault(each.host, []).append(
                Row(
                    id=each.id,
                    inbox=each.inbox,
                    lane=each.lane,
                    signer_id=each.signer_id,
                    signer_uri=each.signer_uri,
                    signer_ed25519=each.signer_ed25519,
                    parcel=parcels[each.activity_uri],
                    attempts=each.attempts,
                    first=each.rank == Rank.FIRST,
                    by_group=each.signer_kind == ActorKind.GROUP,
                )
            )
        self._held += len(heads)
        share = min(ROWS, max(FEWEST, ROWS_AT_ONCE // max(1, len(heads))))
        return [
            Claim(
                host=host,
                lease=lease,
                failures=failures,
                broken=broken,
                scheme=scheme,
                rows=rows.get(host, []) if broken else _alike(rows.get(host, [])),
                cut=len(rows.get(host, [])) >= share,
                since=since,
            )
            for host, (failures, broken, scheme) in heads.items()
        ]

    def drop(self, claim: Claim) -> None:
        """No longer at work on a claim, however that ended."""
        self._held -= 1
        self._tell_writer()

    async def one_alone(self, claim: Claim) -> Sequence[Row]:
        """The one row of a careful claim that may go now, its attempt counted; none where none is.

        What was under way when a sender died is tried row by row, and parked at five crashes.
        """
        mine = sa.exists().where(peers.c.host == claim.host, peers.c.lease == claim.lease)
        suspects = [row.id for row in claim.rows if row.attempts == 0]
        spent = [row.id for row in claim.rows if row.attempts >= CRASHES]
        row = next((row for row in claim.rows if row.attempts < CRASHES), None)
        async with self.engine.begin() as conn:
            await conn.scalar(
                sa.select(peers.c.host)
                .where(peers.c.host == claim.host, peers.c.lease == claim.lease)
                .with_for_update(key_share=True)
            )
            if claim.broken and suspects:
                await conn.execute(
                    sa.update(deliveries)
                    .where(deliveries.c.id.in_(suspects), mine)
                    .values(attempts=1)
                )
            if spent:
                await conn.execute(
                    sa.update(deliveries)
                    .where(deliveries.c.id.in_(spent), mine)
                    .values(parked="broke the sender")
                )
            if row is None:
                return []
            counted = await conn.scalar(
                sa.update(deliveries)
                .where(deliveries.c.id == row.id, mine)
                .values(attempts=deliveries.c.attempts + 1)
                .returning(deliveries.c.id)
            )
        return [row] if counted is not None else []

    async def note(self, outcome: Outcome) -> bool:
        """Write what came of a claim and give the peer back; returns once that is on disk.

        Accepted rows go, broken ones are parked. False: the lease was taken over, and nothing
        was written. Raises: what the database raised until the lease ran out.
        """
        noted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, noted))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write_all())
        self._tell_writer()
        return await noted

    def _tell_writer(self) -> None:
        if len(self._waiting) >= min(self._held, NOTES):
            self._all_here.set()

    async def _write_all(self) -> None:
        """One writer at a time; a note that fails is tried again for as long as its lease lasts."""
        loop = asyncio.get_running_loop()
        at_most = NOTES
        while self._waiting:
            if len(self._waiting) < min(self._held, NOTES):
                self._all_here.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._all_here.wait(), GATHER)
            batch = self._next(at_most)
            try:
                written = await self._write([outcome for outcome, _ in batch])
            except (DBAPIError, OSError) as error:
                log.warning("deliveries: not noted yet (%s)", describe(error))
                at_most = 1  # one that cannot be written holds no other up
                for outcome, noted in batch:
                    if loop.time() < outcome.claim.since + LEASE.total_seconds():
                        self._waiting.append((outcome, noted))
                    elif not noted.done():
                        noted.set_exception(error)
                await asyncio.sleep(AGAIN)
            except BaseException as error:
                for _, noted in batch + self._waiting:
                    if not noted.done():
                        noted.set_exception(error)
                self._waiting.clear()
                if isinstance(error, asyncio.CancelledError):
                    raise
            else:
                for outcome, noted in batch:
                    if not noted.done():
                        noted.set_result((outcome.claim.host, outcome.claim.lease) in written)
                at_most = min(2 * at_most, NOTES)

    def _next(self, at_most: int) -> list[tuple[Outcome, asyncio.Future[bool]]]:
        """The next notes, one of each peer: an old lease never speaks beside a new one."""
        chosen: dict[str, tuple[Outcome, asyncio.Future[bool]]] = {}
        left = []
        for each in self._waiting:
            host = each[0].claim.host
            if host in chosen or len(chosen) >= at_most:
                left.append(each)
            else:
                chosen[host] = each
        self._waiting = left
        return list(chosen.values())

    async def _write(self, outcomes: Sequence[Outcome]) -> set[tuple[str, UUID]]:
        """Which peers were still ours, by host and lease; of others nothing was written."""
        now = self.here.now()
        setbacks = [outcome.setback for outcome in outcomes]
        parked = [each for outcome in outcomes for each in outcome.parked.items()]
        values = {
            "hosts": [outcome.claim.host for outcome in outcomes],
            "leases": [outcome.claim.lease for outcome in outcomes],
            "claimed_failures": [outcome.claim.failures for outcome in outcomes],
            "failed": [_failed(outcome) for outcome in outcomes],
            "next_attempts": [now + each.pause if each else now for each in setbacks],
            "anew": [now + each.pause_anew if each else now for each in setbacks],
            "refusals": [_said(outcome) for outcome in outcomes],
            "schemes": [_scheme(outcome) for outcome in outcomes],
            "today": now.date(),
            "done": [id_ for outcome in outcomes for id_ in outcome.done],
            "spared": [id_ for outcome in outcomes for id_ in outcome.spared],
            "parked": [id_ for id_, _ in parked],
            "reasons": [reason for _, reason in parked],
        }
        async with self._at_once.connect() as conn:
            await receipts.mark(
                conn, {row: status for each in outcomes for row, status in each.said_no.items()}
            )
            rows = (await conn.execute(_NOTE, values)).all()
            written = {(row.host, row.lease) for row in rows}
            await refusals.keep(
                conn,
                {
                    outcome.claim.host: outcome.refused
                    for outcome in outcomes
                    if outcome.refused and (outcome.claim.host, outcome.claim.lease) in written
                },
            )
        return written


def _alike(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows that may go together: those before one that was under way when a sender died."""
    return list(takewhile(lambda row: row.attempts == 0, rows)) or rows


def _said(outcome: Outcome) -> str | None:
    """In a word, why the peer took something not now, or not at all."""
    if outcome.setback is not None:
        return outcome.setback.reason
    return str(outcome.refused[-1].status) if outcome.refused else None


def _failed(outcome: Outcome) -> bool | None:
    """Whether the peer took nothing; None where it was not asked."""
    if outcome.setback is not None:
        return True
    return False if outcome.done or outcome.parked else None


def _scheme(outcome: Outcome) -> str | None:
    """What to remember of the peer's signatures: nothing new (None), or nothing at all ('')."""
    return "" if outcome.unlearned else outcome.learned


# These two run for every delivery there is, so they are written out, prepared once, and take arrays
# however many peers there are. Hosts with something to send are found by hopping along the index
# from one to the next, since most peers we know have nothing waiting. Rows of a transaction that is
# busy with them are passed over: it deletes them, and whoever deletes must not wait for us.
_CLAIM = sa.text(
    """
    WITH RECURSIVE waiting AS (
        (SELECT host FROM deliveries WHERE parked IS NULL ORDER BY host LIMIT 1)
        UNION ALL
        SELECT (
            SELECT next.host FROM deliveries AS next
            WHERE next.parked IS NULL AND next.host > waiting.host ORDER BY next.host LIMIT 1
        )
        FROM waiting WHERE waiting.host IS NOT NULL
    ), due AS (
        SELECT peers.host, peers.lease IS NOT NULL AS broken
        FROM waiting JOIN peers ON peers.host = waiting.host
        WHERE peers.next_attempt <= :now
            AND NOT peers.paused
            AND (peers.leased_until IS NULL OR peers.leased_until < :now)
            AND (:failing IS NULL OR (peers.failures > 0) = :failing)
            AND NOT EXISTS (
                SELECT FROM string_to_array(split_part(peers.host, ':', 1), '.') AS labels,
                    generate_series(1, cardinality(labels)) AS first,
                    domain_blocks
                WHERE domain_blocks.domain = array_to_string(labels[first:], '.')
                    AND NOT EXISTS (
                        SELECT FROM generate_series(1, cardinality(labels)) AS last
                        WHERE array_to_string(labels[last:], '.') = ANY (domain_blocks.spares)
                    )
            )
        ORDER BY peers.next_attempt
        LIMIT :peers
        FOR NO KEY UPDATE OF peers SKIP LOCKED
    ), claimed AS (
        UPDATE peers SET lease = :lease, leased_until = :until
        FROM due WHERE peers.host = due.host
        RETURNING peers.host, peers.failures, due.broken, peers.scheme, peers.scheme_day
    )
    SELECT
        claimed.host, claimed.failures, claimed.broken, claimed.scheme, claimed.scheme_day,
        row.id, row.inbox, row.lane, row.signer_id, row.activity_uri, row.attempts, row.rank,
        actors.uri AS signer_uri, actors.ed25519 AS signer_ed25519, actors.kind AS signer_kind,
        CASE WHEN row_number() OVER (PARTITION BY row.activity_uri ORDER BY row.rank, row.id) = 1
            THEN CASE WHEN row.rank = 2 AND row.day < :votes_since THEN '' ELSE activities.body END
            END AS body
    FROM claimed
    LEFT JOIN LATERAL (
        SELECT * FROM deliveries
        WHERE deliveries.host = claimed.host AND deliveries.parked IS NULL
        ORDER BY deliveries.rank, deliveries.id
        LIMIT (SELECT least(:rows, greatest(:fewest, :rows_at_once / count(*))) FROM claimed)
    ) AS row ON true
    LEFT JOIN activities ON activities.uri = row.activity_uri
    LEFT JOIN actors ON actors.id = row.signer_id
    ORDER BY row.rank, row.id
    """
).bindparams(
    sa.bindparam("now", type_=sa.DateTime(timezone=True)),
    sa.bindparam("until", type_=sa.DateTime(timezone=True)),
    sa.bindparam("lease", type_=sa.Uuid),
    sa.bindparam("failing", type_=sa.Boolean),
    sa.bindparam("votes_since", type_=sa.Date),
    *(
        sa.bindparam(name, type_=sa.BigInteger)
        for name in ("peers", "rows", "fewest", "rows_at_once")
    ),
)

_NOTE = sa.text(
    """
    WITH told AS (
        SELECT * FROM unnest(
            :hosts, :leases, :claimed_failures, :failed, :next_attempts, :anew, :refusals, :schemes
        ) AS told (host, lease, claimed_failures, failed, next_attempt, anew, refusal, scheme)
    ), ours AS (
        SELECT peers.host FROM told
        JOIN peers ON peers.host = told.host AND peers.lease = told.lease
        ORDER BY peers.host
        FOR NO KEY UPDATE OF peers
    ), released AS (
        UPDATE peers SET
            lease = NULL,
            leased_until = NULL,
            failures = CASE
                WHEN told.failed IS NULL THEN peers.failures
                WHEN told.failed THEN peers.failures + 1
                ELSE 0 END,
            next_attempt = CASE
                WHEN peers.failures < told.claimed_failures THEN told.anew
                ELSE told.next_attempt END,
            refusal = coalesce(told.refusal, peers.refusal),
            scheme = CASE WHEN told.scheme IS NULL THEN peers.scheme
                ELSE nullif(told.scheme, '') END,
            scheme_day = CASE WHEN told.scheme IS NULL THEN peers.scheme_day
                WHEN told.scheme <> '' THEN :today END
        FROM told JOIN ours ON ours.host = told.host
        WHERE peers.host = told.host AND peers.lease = told.lease
        RETURNING peers.host, peers.lease, told.lease AS ended
    ), gone AS (
        DELETE FROM deliveries WHERE id = ANY (ARRAY(
            SELECT id FROM deliveries
            WHERE id = ANY (:done) AND host IN (SELECT host FROM released)
            FOR UPDATE SKIP LOCKED
        ))
    ), parked AS (
        UPDATE deliveries SET parked = (:reasons)[array_position(:parked, id)]
        WHERE id = ANY (:parked) AND host IN (SELECT host FROM released)
    ), spared AS (
        UPDATE deliveries SET attempts = 0
        WHERE id = ANY (:spared) AND host IN (SELECT host FROM released)
    )
    SELECT host, ended AS lease FROM released
    """
).bindparams(
    sa.bindparam("hosts", type_=ARRAY(sa.Text)),
    sa.bindparam("leases", type_=ARRAY(sa.Uuid)),
    sa.bindparam("claimed_failures", type_=ARRAY(sa.Integer)),
    sa.bindparam("failed", type_=ARRAY(sa.Boolean)),
    sa.bindparam("next_attempts", type_=ARRAY(sa.DateTime(timezone=True))),
    sa.bindparam("anew", type_=ARRAY(sa.DateTime(timezone=True))),
    sa.bindparam("refusals", type_=ARRAY(sa.Text)),
    sa.bindparam("schemes", type_=ARRAY(sa.Text)),
    sa.bindparam("today", type_=sa.Date),
    sa.bindparam("done", type_=ARRAY(sa.BigInteger)),
    sa.bindparam("spared", type_=ARRAY(sa.BigInteger)),
    sa.bindparam("parked", type_=ARRAY(sa.BigInteger)),
    sa.bindparam("reasons", type_=ARRAY(sa.Text)),
)
