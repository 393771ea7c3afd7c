"""Goes on errands: one at a time, with no transaction open while it reads (`inbox/due.py`)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.client import Unreachable
from activitypub.remote import Remote
from inbox import catch_up, due, follower_sync
from inbox.due import Due
from kernel.db import describe, is_away
from kernel.errors import Problem, TooMany
from kernel.here import Here
from kernel.schema.federation import Errand

log = logging.getLogger(__name__)

READING: Final = 90  # seconds for all of one errand: half of its claim's time

_WORK: Final[dict[Errand, Callable[[AsyncEngine, Here, Remote, Due], Awaitable[None]]]] = {
    Errand.CATCH_UP: catch_up.run,
    Errand.FOLLOWERS: follower_sync.run,
}


async def go(engine: AsyncEngine, here: Here, remote: Remote) -> bool:
    """Go on the next errand. False: none is due."""
    errand = await due.claim(engine, here)
    if errand is None:
        return False
    try:
        async with asyncio.timeout(READING):
            await _WORK[errand.kind](engine, here, remote, errand)
    except (TimeoutError, TooMany, Unreachable) as error:
        log.info("errand=%s waits (%s)", errand.kind, type(error).__name__)
        await due.wait(engine, here, errand)
    except Problem as error:
        log.info("errand=%s has no effect (%s)", errand.kind, type(error).__name__)
        await due.finish(engine, errand)
    except Exception as error:
        if is_away(error):
            raise
        log.error("errand=%s %s", errand.kind, describe(error))
        await due.wait(engine, here, errand)
    else:
        await due.finish(engine, errand)
    return True
