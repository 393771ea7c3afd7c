"""The later work: what came is processed, what must go is sent, and the house is kept tidy.

Any number of workers share it through PostgreSQL. A NOTIFY wakes them; a sweep every five seconds
picks up what a lost one left.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import asyncpg
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import enqueue
from activitypub.state import CLIENT, DELIVERER, ENGINE, HERE, KEYS, REMOTE, SETTINGS
from groups import labelling, reactions, waiting
from inbox import catch_up, claim, directed, errands, refreshes
from inbox.backfill import refresh_one
from inbox.claim import Floor
from inbox.process import process_one
from inbox.together import MOST, process_many
from kernel.db import AWAY, describe
from kernel.release import STEP
from media.pictures import CHANNEL as PICTURES
from members import follows, messages, moves, order, reader
from moderation import forwarding
from moderation.directed import sending
from moderation.signals import heads
from moderation.signals.pull import pull_one
from node import acting, alerts, care, closing_down, list_reader, pictures, strangers, tidy
from node.safekeeping import sent
from resources import crisis

log = logging.getLogger(__name__)

SWEEP = 5.0
PROCESSORS = 8  # of what goes one by one; one more deals with many at once
ALERTERS = 2  # places that are told that something waits, at once
REFRESHERS = 2  # threads that are read where they live, at once by one process
TIDY = 60.0
BREATH = 0.02  # seconds between two rounds of answers: what comes meanwhile shares the next one


async def run(app: web.Application, stop: asyncio.Event) -> None:
    """Work until `stop` is set; what is under way then is finished."""
    wake_inbox, wake_outbox, wake_order = asyncio.Event(), asyncio.Event(), asyncio.Event()
    wake_answers, wake_threads = asyncio.Event(), asyncio.Event()
    wake_pictures = asyncio.Event()
    deliverer, floor, keeper = app[DELIVERER], Floor(), order.Keeper(app[ENGINE])

    def call(table: str) -> None:
        keeper.call(table)
        wake_order.set()

    loops = [
        *(
            _loop(stop, wake_inbox, lambda: process_one(app[ENGINE], app[HERE], app[REMOTE], floor))
            for _ in range(PROCESSORS)
        ),
        _loop(stop, wake_answers, lambda: _answers(app)),
        *(
            _loop(stop, wake_threads, lambda: refresh_one(app[ENGINE], app[HERE], app[REMOTE]))
            for _ in range(REFRESHERS)
        ),
        _loop(stop, asyncio.Event(), lambda: errands.go(app[ENGINE], app[HERE], app[REMOTE])),
        *(_loop(stop, asyncio.Event(), lambda: alerts.send_one(app)) for _ in range(ALERTERS)),
        _loop(stop, asyncio.Event(), lambda: _advice(app)),
        _loop(stop, asyncio.Event(), lambda: care.work(app)),
        _loop(stop, wake_pictures, lambda: pictures.work(app)),
        _loop(stop, asyncio.Event(), lambda: release(app), _until_next_step),
        deliverer.run(stop, wake_outbox, failing=False, sweep=SWEEP),
        deliverer.run(stop, asyncio.Event(), failing=True, sweep=SWEEP),
        _tidy(app, stop),
        _keep_order(keeper, stop, wake_order),
        _listen(
            app[ENGINE],
            stop,
            {
                claim.CHANNEL: _wakes(wake_inbox),
                claim.PLAIN_CHANNEL: _wakes(wake_answers),
                refreshes.CHANNEL: _wakes(wake_threads),
                enqueue.CHANNEL: _wakes(wake_outbox),
                order.CHANNEL: call,
                PICTURES: _wakes(wake_pictures),
            },
        ),
    ]
    await asyncio.gather(*loops)


async def settle(app: web.Application) -> bool:
    """Run the queues dry once, without waiting. False: there was nothing to do."""
    busy = False
    while await closing_down.step(app[ENGINE], app[HERE]):
        busy = True
    while await release(app):
        busy = True
    while await process(app):
        busy = True
    while await refresh_one(app[ENGINE], app[HERE], app[REMOTE]):
        busy = True
    while await app[DELIVERER].deliver():
        busy = True
    while await errands.go(app[ENGINE], app[HERE], app[REMOTE]):
        busy = True
    while await _advice(app):
        busy = True
    while await pictures.work(app):
        busy = True
    while await care.work(app):
        busy = True
    while await alerts.send_one(app):
        busy = True
    return busy


async def _advice(app: web.Application) -> bool:
    """Read a dataset that is due, and let act or end what follows from it; or compare what peers
    were shown of one, or do what a label of theirs asks for. False: nothing is."""
    engine, here, remote = app[ENGINE], app[HERE], app[REMOTE]
    if await pull_one(engine, here, remote):
        await acting.take_stock(engine, here)
        return True
    return await heads.compare_one(engine, here, remote) or await labelling.hold_one(engine, here)


async def _answers(app: web.Application) -> bool:
    """A round of answers, and a breath in which more of them may come for the next one."""
    count = await process_many(app[ENGINE], app[HERE])
    if 0 < count < MOST:
        await asyncio.sleep(BREATH)
    return count > 0


async def release(app: web.Application) -> bool:
    """Let something go out whose time has come: a post, a follow, a sign. False: none is due."""
    engine, here = app[ENGINE], app[HERE]
    return (
        await waiting.release_one(engine, here, help_lines=crisis.numbers())
        or await messages.release_one(engine, here)
        or await follows.send_one(engine, here)
        or await reactions.send_one(engine, here)
        or await forwarding.send_one(engine, here)
        or await sending.work_one(engine, here)
        or await directed.lift_one(engine, here)
    )


async def process(app: web.Application) -> bool:
    """Deal with some of what came. False: nothing is due."""
    many = await process_many(app[ENGINE], app[HERE]) > 0
    return await process_one(app[ENGINE], app[HERE], app[REMOTE]) or many


async def _loop(
    stop: asyncio.Event,
    wake: asyncio.Event,
    work: Callable[[], Awaitable[bool]],
    pause: Callable[[], float] = lambda: SWEEP,
) -> None:
    while not stop.is_set():
        wake.clear()
        try:
            while not stop.is_set() and await work():
                pass
        except Exception as error:  # one bad round must not end the work
            log.error("worker: round given up (%s)", describe(error))
        await _wait(stop, wake, pause())


def _until_next_step() -> float:
    """Seconds until posts may be due again."""
    step = STEP.total_seconds()
    return step - time.time() % step


async def _wait(stop: asyncio.Event, wake: asyncio.Event, seconds: float) -> None:
    """Until something new since `wake` was cleared, the next sweep, or the end."""
    waiters = [asyncio.ensure_future(event.wait()) for event in (stop, wake)]
    try:
        await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()


async def _tidy(app: web.Application, stop: asyncio.Event) -> None:
    walk = strangers.Walk()
    keeper = sent.Keeper(app[ENGINE], app[SETTINGS].since / sent.FILE)
    stock = acting.Keeper(app[ENGINE], app[HERE])
    while not stop.is_set():
        try:
            if await closing_down.work(app[ENGINE], app[HERE]):
                await pictures.sweep(app)
            else:
                await _tidy_once(app, walk, keeper, stock)
        except Exception as error:
            log.error("tidy: round given up (%s)", describe(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TIDY)


async def _tidy_once(
    app: web.Application, walk: strangers.Walk, keeper: sent.Keeper, stock: acting.Keeper
) -> None:
    await keeper.note()
    await tidy.tidy(app[ENGINE], app[HERE])
    await moves.carry_over(app[ENGINE], app[HERE])
    await reader.keep_up(app[ENGINE], app[HERE], app[KEYS].take)
    await strangers.forget(app[ENGINE], app[HERE], walk)
    await catch_up.keep_watch(app[ENGINE], app[HERE])
    while await list_reader.refresh_one(app[ENGINE], app[HERE], app[CLIENT]):
        pass
    await stock.work()
    await pictures.sweep(app)


async def _keep_order(keeper: order.Keeper, stop: asyncio.Event, wake: asyncio.Event) -> None:
    """Look at tables that are called for, and at all of them every minute."""
    again = 0.0
    while not stop.is_set():
        pause = TIDY
        wake.clear()
        if time.monotonic() >= again:
            keeper.call()
            again = time.monotonic() + TIDY
        try:
            pause = min(pause, await keeper.restore())
        except AWAY as error:
            log.warning("order: database away (%s)", describe(error))
        await _wait(stop, wake, pause)


def _wakes(event: asyncio.Event) -> Callable[[str], None]:
    return lambda _word: event.set()


async def _listen(
    engine: AsyncEngine, stop: asyncio.Event, calls: Mapping[str, Callable[[str], None]]
) -> None:
    """Turn NOTIFY into calls with its word over a connection of our own, opened again when it
    breaks. What was missed until then is called for without a word."""

    def heard(_connection: object, _pid: int, channel: str, word: str) -> None:
        calls[channel](word)

    while not stop.is_set():
        try:
            async with engine.connect() as conn:
                raw = (await conn.get_raw_connection()).driver_connection
                assert isinstance(raw, asyncpg.Connection)
                for channel, call in calls.items():
                    await raw.add_listener(channel, heard)
                    call("")
                while not stop.is_set() and not raw.is_closed():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), SWEEP)
                if not raw.is_closed():
                    for channel in calls:
                        await raw.remove_listener(channel, heard)
        except AWAY as error:
            log.warning("listen: database away (%s)", describe(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SWEEP)
