"""Over which pact another desk may be asked, if there is one (MOD-5.14)."""

from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.said import noted
from kernel.schema.directed import Category
from moderation import domains, pacts
from moderation.directed.terms import (
    FLOWS,
    Refused,
)
from moderation.pacts import Pact


async def route(conn: AsyncConnection, here: Here, host: str, category: Category) -> Pact:
    """The pact over which that desk may be asked. Raises Refused: there is no safe way, and why."""
    pact = await pacts.with_host(conn, host)
    if pact is None or pact.paper is None:
        raise Refused(noted("There is no pact with that server, so there is no safe way to ask."))
    if not pact.listens or pact.unsafe or await domains.is_blocked(conn, host):
        raise Refused(noted("You and that server do not listen to each other now."))
    desk = f"{here.origin}/desk/node"
    if FLOWS[category] not in pact.paper.flows(desk):
        raise Refused(noted("Your pact with that server does not have this."))
    if category is Category.CARE and not pact.paper.other(desk).care:
        raise Refused(noted("That server names nobody who looks after people. Help here first."))
    return pact
