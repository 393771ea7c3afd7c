"""How much of what is hard to read a moderator opened today: for themselves alone (DOM-H3, H7)."""

from datetime import date
from functools import partial

from aiohttp import web

from activitypub.state import ENGINE, HERE, SETTINGS
from members import accounts
from members.member import Blob
from node.pages import session


def enough(request: web.Request) -> int:
    """How many reports and care cases they opened, where that is enough for a day; else 0."""
    opened, most = session.of(request).opened, request.app[SETTINGS].reports_a_day
    return opened if most and opened >= most else 0


async def one_more(request: web.Request) -> None:
    """They opened one: on the account's side alone, in a transaction of its own (DESIGN-V1)."""
    here = request.app[HERE]
    async with request.app[ENGINE].begin() as conn:
        await accounts.change(
            conn, here, session.of(request).member, partial(_opened, here.now().date())
        )


def _opened(today: date, blob: Blob) -> Blob:
    return blob.with_one_more(today)
