"""Stopping in order when the system, or a person at the keyboard, asks for it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Stop:
    """Which signal asked to stop; None while none did."""

    asked: signal.Signals | None = None


@asynccontextmanager
async def stoppable() -> AsyncIterator[Stop]:
    """Cancel what runs inside at the first signal to end, and leave as if it had ended.

    Those are SIGTERM, SIGINT, and SIGHUP (the terminal is gone) unless `nohup` has it ignored.

    Later signals change nothing: stopping in order takes seconds, and no server of ours may be
    left behind.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None:
        raise RuntimeError("stoppable() needs a task to stop")
    stop = Stop()

    def ask(number: signal.Signals) -> None:
        if stop.asked is None:
            stop.asked = number
            task.cancel()

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, ask, number)
    try:
        yield stop
    except asyncio.CancelledError:
        if stop.asked is None:
            raise
        task.uncancel()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def interruptibly(ask: Callable[[], str]) -> str:
    """What `ask` answers; Ctrl-C ends a waiting prompt at once, where the loop would only note it.

    Raises KeyboardInterrupt, or what `ask` makes of it.
    """
    loop_hears = signal.set_wakeup_fd(-1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return ask()
    finally:
        signal.signal(signal.SIGINT, before)
        signal.set_wakeup_fd(loop_hears)
