"""An author elsewhere says whether an answer or a Like of ours may be (WIRE-M20, 8.7; SEC-S22).

A yes is worth what that author's own server shows of it: the address of an approval that names this
author, this answer and this post, and that nothing else stands by.
"""

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub.permissions import Approval, meant
from activitypub.remote import Remote
from activitypub.vocab import Activity, id_of, single
from groups import asking, reactions
from groups.asking import Asked
from inbox import directed, follow, pacts
from inbox.arrival import Arrival
from kernel.errors import NotAllowed
from kernel.here import Here
from kernel.urls import same_origin


async def read(
    engine: AsyncEngine, here: Here, remote: Remote, activity: Activity
) -> Approval | None:
    """The approval that an Accept speaks of, from the author's server; None: nothing waits for it.

    Raises NotAllowed: it is somebody else's to give, or elsewhere. Raises: as `Remote.document`.
    """
    async with engine.connect() as conn:
        asked = await _meant(conn, here, activity)
    if asked is None or not asked.waits:
        return None
    address = id_of(single(activity.document.get("result"))) or activity.id
    if asked.author_uri != activity.actor or not same_origin(address, activity.actor):
        raise NotAllowed("Only the author of a post can allow something under it.")
    return Approval.parse(await remote.document(address))


async def _meant(conn: AsyncConnection, here: Here, activity: Activity) -> Asked | None:
    uri = meant(activity.document)
    return await asking.find(conn, uri) if uri is not None and here.is_local(uri) else None


async def receive_accept(arrival: Arrival) -> None:
    """Something that waited may be, or somebody of ours was let in.

    Raises NotAllowed: the approval is another one's, or of something else.
    """
    if pacts.answers_offer(arrival):
        await pacts.receive_accept(arrival)
        return
    if directed.answers_ask(arrival):
        await directed.receive_answer(arrival)
        return
    asked = await _meant(arrival.conn, arrival.here, arrival.activity)
    if asked is None:
        await follow.receive_accept(arrival)
        return
    if not asked.waits:
        return  # it was allowed already
    approval = arrival.gathered.approval
    if approval is None:
        raise NotAllowed("Nothing was shown that allows it.")
    await _check(arrival, asked, approval)
    if asked.answer is not None:
        await asking.allow(arrival.conn, arrival.here, asked.answer, approval.id)
    else:
        await reactions.allow(arrival.conn, arrival.here, asked, approval.id)


async def _check(arrival: Arrival, asked: Asked, approval: Approval) -> None:
    """Raises NotAllowed: it does not allow this, or allows something else already (SEC-S22)."""
    author = arrival.activity.actor
    named = approval.target in (None, asked.target.uri) and approval.act in (None, asked.act)
    theirs = asked.author_uri == author == approval.author and same_origin(approval.id, author)
    if not named or not theirs or approval.item != asked.uri:
        raise NotAllowed("That approval is about something else.")
    if await asking.is_used(arrival.conn, approval.id):
        raise NotAllowed("That approval was used for something else.")


async def receive_reject(arrival: Arrival) -> None:
    """Something that waited, or was allowed, may not be; or somebody of ours was turned away.

    Raises NotAllowed: it is somebody else's to say.
    """
    if pacts.answers_offer(arrival):
        await pacts.receive_reject(arrival)
        return
    if directed.answers_ask(arrival):
        await directed.receive_answer(arrival)
        return
    asked = await _meant(arrival.conn, arrival.here, arrival.activity)
    if asked is None:
        await follow.receive_reject(arrival)
        return
    await _decline(arrival, asked)


async def revoke(arrival: Arrival, uri: str) -> bool:
    """An approval is deleted, and so nothing stands by it. False: nothing did."""
    asked = await asking.by_approval(arrival.conn, uri)
    if asked is None:
        return False
    await _decline(arrival, asked)
    return True


async def _decline(arrival: Arrival, asked: Asked) -> None:
    if asked.author_uri != arrival.activity.actor:
        raise NotAllowed("Only the author of a post decides what is under it.")
    if asked.answer is not None:
        await asking.decline(arrival.conn, arrival.here, asked.answer)
    else:
        await reactions.decline(arrival.conn, arrival.here, asked)
