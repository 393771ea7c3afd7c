"""Send what is due, many peers side by side, each in order per thread (DESIGN 3, WIRE 6).

A peer's rows go lane by lane over kept connections; what it took is noted with what others took,
and then the peer is free again. A peer can slow only itself.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import actors as actor_store
from activitypub import receipts, refusals, schemes, synchronisation
from activitypub.actors import SigningKeys
from activitypub.client import Answer, Client, Signer, Unreachable
from activitypub.keys import KeyPair
from activitypub.queue import Claim, Outcome, Queue, Row, Setback
from activitypub.remote import Remote
from activitypub.synchronisation import Offer
from kernel import chance
from kernel.db import AWAY, describe
from kernel.errors import NotFound
from kernel.faults import Point, reached
from kernel.here import Here
from kernel.schema.federation import Scheme

log = logging.getLogger(__name__)

PEERS = 400  # served side by side: waiting costs nothing, so that slow peers do not add up;
FAILING_PEERS = 100  # those that failed last time share a quarter of these;
CLAIMED = 100  # in one statement: the first are sent to while the next are looked up
SOCKETS = 300  # requests under way at once,
FAILING_SOCKETS = 100  # and to peers that failed last time
CLAIM_SECONDS = 20  # no row is begun later than this after its claim,
GRACE = 10  # and none takes longer beyond that
LANES = 2  # lanes of one peer side by side, a kept connection each (WIRE-Q4)
FIRST_BACKOFF = timedelta(minutes=1)
LONGEST_BACKOFF = timedelta(hours=12)
_KEYS = 500
_OFFERED = 20_000  # pairs of a group and a server

_ELSEWHERE = frozenset({301, 308, 404, 410})  # the inbox may have moved, or its owner be gone
_LATER = frozenset({408, 425, 429}) | frozenset(range(500, 600))
_BUSY = frozenset({408, 425, 429, 503})  # says nothing of the request
_ASKED_TWICE = schemes.REFUSED | _ELSEWHERE


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed peer, the keys that its rows are signed with, and what groups say beside them."""

    claim: Claim
    keys: Mapping[UUID, SigningKeys]
    offers: dict[tuple[UUID, str], Offer]  # those that still have to be made


@dataclass(slots=True)
class Deliverer:
    """Claims peers and empties their queues."""

    engine: AsyncEngine
    here: Here
    client: Client
    remote: Remote
    queue: Queue = field(init=False)
    _keys: OrderedDict[UUID, SigningKeys] = field(default_factory=OrderedDict)
    _offered: OrderedDict[tuple[UUID, str], date] = field(default_factory=OrderedDict)
    _sockets: dict[bool, asyncio.Semaphore] = field(init=False)  # by whether the peer failed

    def __post_init__(self) -> None:
        self.queue = Queue(self.engine, self.here)
        self._sockets = {
            False: asyncio.Semaphore(SOCKETS),
            True: asyncio.Semaphore(FAILING_SOCKETS),
        }

    async def run(
        self, stop: asyncio.Event, wake: asyncio.Event, *, failing: bool, sweep: float
    ) -> None:
        """Serve peers that took the last delivery, or those that did not, until `stop` is set.

        Looks for some whenever `wake` is set, every `sweep` seconds, and after a peer for which
        something new may have come meanwhile. At the end no further row is begun; what is under
        way is finished.
        """
        slots = FAILING_PEERS if failing else PEERS - FAILING_PEERS
        under_way: set[asyncio.Task[bool]] = set()
        again, news = asyncio.Event(), 0
        full = False

        def ended(task: asyncio.Task[bool], known: int) -> None:
            under_way.discard(task)
            if full or task.result() or news != known:
                again.set()

        while not stop.is_set():
            news += wake.is_set()
            wake.clear()
            again.clear()
            if free := slots - len(under_way):
                works = await self._claim_quietly(min(free, CLAIMED), failing)
                for work in works:
                    task = asyncio.create_task(self._serve_quietly(work, stop))
                    under_way.add(task)
                    task.add_done_callback(partial(ended, known=news))
                full = len(works) == min(free, CLAIMED)
                if full and free > CLAIMED:
                    continue
            await _first_of(stop, wake, again, seconds=sweep)
        if under_way:
            await asyncio.wait(under_way)

    async def deliver(self, limit: int = PEERS, *, failing: bool | None = None) -> int:
        """Serve up to `limit` peers that are due, once each; how many there were."""
        works, never = await self._claim(limit, failing), asyncio.Event()
        served = (self._serve(work, never) for work in works)
        for end in await asyncio.gather(*served, return_exceptions=True):
            if isinstance(end, BaseException):
                raise end
        return len(works)

    async def deliver_one(self, *, failing: bool | None = None) -> bool:
        """Serve the next peer that is due. False: there is none."""
        return await self.deliver(1, failing=failing) > 0

    async def _claim(self, limit: int, failing: bool | None) -> Sequence[Work]:
        claims = await self.queue.claim(limit, failing=failing)
        try:
            signers = {row.signer_id: row.signer_ed25519 for claim in claims for row in claim.rows}
            keys = await self._keys_of(signers)
            offers = await self._offers_for(claims)
        except BaseException:
            for claim in claims:
                self.queue.drop(claim)
            raise
        return [Work(claim, keys, offers) for claim in claims]

    async def _claim_quietly(self, limit: int, failing: bool) -> Sequence[Work]:
        try:
            return await self._claim(limit, failing)
        except Exception as error:  # one bad look must not end the work
            log.error("deliveries: no claim (%s)", describe(error))
            return []

    async def _serve_quietly(self, work: Work, stop: asyncio.Event) -> bool:
        try:
            return await self._serve(work, stop)
        except Exception as error:  # nor one bad peer
            log.error("deliveries: a peer given up (%s)", describe(error))
            return False

    async def _serve(self, work: Work, stop: asyncio.Event) -> bool:
        """Send a claim's rows and note what came of it. True: there may be more to send."""
        claim = work.claim
        outcome = Outcome(claim)
        try:
            rows = await self.queue.one_alone(claim) if claim.careful else claim.rows
            for part in _in_turn(rows):
                await self._send(part, work, outcome, stop)
            if claim.careful:
                dealt_with = {*outcome.done, *outcome.parked}
                outcome.spared = [row.id for row in rows if row.id not in dealt_with]
            if not await self.queue.note(outcome):
                log.warning("deliveries: a lease had run out, nothing noted")
            return claim.cut or claim.careful or len(outcome.done) < len(rows)
        finally:
            self.queue.drop(claim)

    async def _send(
        self, rows: Sequence[Row], work: Work, outcome: Outcome, stop: asyncio.Event
    ) -> None:
        """Send lane by lane, until something is not taken, time is over or `stop` is set."""
        loop = asyncio.get_running_loop()
        lanes = _lanes(rows)
        left = iter(lanes)
        sockets = self._sockets[outcome.claim.failures > 0]

        async def send_lanes() -> None:
            for lane in left:
                for row in lane:
                    async with sockets:
                        if (
                            outcome.setback is not None
                            or stop.is_set()
                            or loop.time() >= outcome.claim.since + CLAIM_SECONDS
                        ):
                            return
                        await self._send_row(row, work, outcome)

        if len(lanes) == 1:
            await send_lanes()
            return
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(LANES, len(lanes))):
                    group.create_task(send_lanes())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _send_row(self, row: Row, work: Work, outcome: Outcome) -> None:
        """The row is done once it is accepted, refused for good, or emptied by a delete."""
        try:
            if row.parcel.body:
                await self._post(row, work, outcome)
            if outcome.setback is None:
                reached(Point.AFTER_ACCEPTED)
                outcome.done.append(row.id)
        except AWAY:
            raise
        except Exception as error:
            log.error("delivery=%s parked %s", row.id, type(error).__name__)
            outcome.parked[row.id] = type(error).__name__

    async def _post(self, row: Row, work: Work, outcome: Outcome) -> None:
        if row.signer_id not in work.keys:
            raise NotFound  # the signer has no keys any more
        remembered = None if outcome.unlearned else outcome.claim.scheme
        scheme = outcome.learned or remembered or Scheme.CAVAGE
        told_with = work.keys[row.signer_id].told_with(row.id)
        signer = self._signer(row, scheme, told_with)
        try:
            answer = await self._post_with_offer(row, work, signer)
            if answer.status in _ASKED_TWICE:
                async with asyncio.timeout_at(outcome.claim.since + CLAIM_SECONDS + GRACE):
                    if answer.status in _ELSEWHERE:
                        answer = await self._elsewhere(row, signer) or answer
                    else:
                        answer = await self._knock_again(row, work, outcome, scheme, answer)
        except Unreachable as error:
            outcome.setback = self._setback(outcome.claim, error.reason)
            return
        except TimeoutError:
            outcome.setback = self._setback(outcome.claim, "too slow")
            return
        if answer.status in _LATER:
            outcome.setback = self._setback(outcome.claim, str(answer.status), _retry_after(answer))
        elif answer.status < 300:
            if scheme is Scheme.CAVAGE and "Accept-Signature" in answer.headers:
                outcome.learned = Scheme.RFC9421  # it says so itself (WIRE-S32)
        else:  # final for this activity (WIRE-Q10)
            log.info("delivery=%s refused status=%s", row.id, answer.status)
            refusal = refusals.read(answer, row.parcel.body, by_group=row.by_group)
            outcome.refused.append(refusal)
            if refusal.kind in receipts.KINDS:
                outcome.said_no[row.id] = answer.status

    async def _knock_again(
        self, row: Row, work: Work, outcome: Outcome, scheme: Scheme, refused: Answer
    ) -> Answer:
        """What came of signing once more in the other way, or as before with newer keys (WIRE-S32).

        Where that is not taken either, the first refusal says more than the second, unless the
        peer has no time now.
        """
        keys = work.keys[row.signer_id]
        anew = scheme if keys.told_with(row.id) is not keys.now else schemes.other(scheme)
        signer = self._signer(row, anew, keys.now)
        answer = await self.client.post(row.inbox, row.parcel.body, signer=signer)
        taken = answer.status < 300
        if anew is not scheme:
            if taken:
                outcome.learned, outcome.unlearned = anew, False
            elif outcome.claim.scheme is not None and outcome.learned is None:
                outcome.unlearned = refused.status == 401
        return answer if taken or answer.status in _BUSY else refused

    async def _elsewhere(self, row: Row, signer: Signer) -> Answer | None:
        """The answer of the inbox that took the place of the row's, where there is one."""
        inbox = await self.remote.new_inbox(row.inbox)
        if inbox is None:
            return None
        return await self.client.post(inbox, row.parcel.body, signer=signer)

    def _setback(self, claim: Claim, reason: str, retry_after: int | None = None) -> Setback:
        return Setback(
            reason=reason,
            pause=backoff(claim.failures, retry_after),
            pause_anew=backoff(0, retry_after),
        )

    async def _offers_for(self, claims: Sequence[Claim]) -> dict[tuple[UUID, str], Offer]:
        """What groups say of their followers, to servers that did not hear it today (WIRE 6.4)."""
        today = self.here.now().date()
        due = {
            (row.signer_id, claim.host)
            for claim in claims
            for row in claim.rows
            if row.by_group and self._offered.get((row.signer_id, claim.host)) != today
        }
        if not due:
            return {}
        async with self.engine.connect() as conn:
            found = await synchronisation.offers(
                conn, {group for group, _ in due}, {host for _, host in due}
            )
        for pair in due:
            self._offered[pair] = today
            self._offered.move_to_end(pair)
        while len(self._offered) > _OFFERED:
            self._offered.popitem(last=False)
        return {pair: found[pair] for pair in due if pair in found}

    async def _post_with_offer(self, row: Row, work: Work, signer: Signer) -> Answer:
        """With the first row of a day that a group signs goes what it says of its followers."""
        pair = row.signer_id, work.claim.host
        offer = work.offers.pop(pair, None)
        also = {synchronisation.HEADER: offer.header()} if offer is not None else {}
        taken = False
        try:
            answer = await self.client.post(row.inbox, row.parcel.body, signer=signer, also=also)
            taken = answer.status < 300
        finally:
            if offer is not None and not taken:
                self._offered.pop(pair, None)
        return answer

    async def _keys_of(self, signers: Mapping[UUID, str | None]) -> Mapping[UUID, SigningKeys]:
        """The keys of those of `signers` that have some; what is not known yet in one query.

        With each comes its public Ed25519 key: where that is another, its keys were changed.
        """
        found = {
            signer: self._keys[signer]
            for signer, multibase in signers.items()
            if signer in self._keys and multibase in (None, self._keys[signer].multibase)
        }
        if missing := signers.keys() - found.keys():
            async with self.engine.connect() as conn:
                found |= await actor_store.several_signing_keys(conn, self.here, missing)
        for signer, keys in found.items():
            self._keys[signer] = keys
            self._keys.move_to_end(signer)
        while len(self._keys) > _KEYS:
            self._keys.popitem(last=False)
        return found

    def _signer(self, row: Row, scheme: Scheme, pair: KeyPair) -> Signer:
        return schemes.signer(scheme, pair, row.signer_uri, self.here.now, digest=row.parcel.digest)


def _in_turn(rows: Sequence[Row]) -> Sequence[Sequence[Row]]:
    """What goes first, and then the rest: lanes of both would be side by side."""
    parts = [row for row in rows if row.first], [row for row in rows if not row.first]
    return [part for part in parts if part]


def _lanes(rows: Sequence[Row]) -> Sequence[Sequence[Row]]:
    """The rows by lane, in order."""
    lanes: dict[str, list[Row]] = {}
    for row in rows:
        lanes.setdefault(row.lane, []).append(row)
    return list(lanes.values())


async def _first_of(*events: asyncio.Event, seconds: float) -> None:
    """Until one of them is set, or the time is over."""
    waiters = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()


def backoff(failures: int, retry_after: int | None) -> timedelta:
    """How long a peer rests: 1 min doubling to 12 h, a fifth of jitter, Retry-After obeyed."""
    pause: timedelta = min(FIRST_BACKOFF * 2 ** min(failures, 20), LONGEST_BACKOFF)
    pause *= 0.8 + 0.4 * chance.share()
    if retry_after is None:
        return pause
    return max(pause, min(timedelta(seconds=retry_after), LONGEST_BACKOFF))


def _retry_after(answer: Answer) -> int | None:
    value = answer.headers.get("Retry-After", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 7 else None
