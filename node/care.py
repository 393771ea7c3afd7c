"""What a worker does for care cases: nobody is forgotten, and people are told (MOD-5.14)."""

from contextlib import suppress

from aiohttp import web

from activitypub.state import ENGINE, HERE
from groups import caring
from kernel.errors import NotFound
from moderation import directed
from moderation.care import ending, incoming
from moderation.directed import Answer


async def work(app: web.Application) -> bool:
    """One round. False: there was nothing to do.

    It needs the database alone: no peer and no network has to answer for it (MOD-H1).
    """
    engine, here = app[ENGINE], app[HERE]
    async with engine.begin() as conn:
        late = await ending.escalate(conn, here)
    async with engine.begin() as conn:
        told = await caring.tell_some(conn, here)
    async with engine.begin() as conn:
        helped = await caring.tell_of_help(conn, here)
    async with engine.begin() as conn:
        answers = await incoming.to_answer(conn)
        for request_id, over in answers:
            with suppress(NotFound):  # what was asked is forgotten
                await directed.answer(
                    conn, here, request_id, Answer.CLOSED if over else Answer.SEEN
                )
    return bool(late or told or helped or answers)
