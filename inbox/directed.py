"""Requests between the desks of two pact peers, and the answers to them (MOD-5.4).

The request was signed by that desk's key already; beside that what it says carries a proof by the
key that the pact pins, and names our desk, so nobody can send it on to somebody else.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.vocab import ActivityKind, Document, id_of, text_of
from groups import groups as group_store
from groups import holding, lifting, noticing, reported
from groups import posts as post_store
from inbox import flagged, said
from inbox.arrival import Arrival
from kernel.errors import Malformed, NotAllowed, NotFound, Unproven
from kernel.here import Here
from kernel.schema.directed import Category
from kernel.schema.moderation import Role
from kernel.schema.notices import NoticeKind
from kernel.urls import same_origin
from moderation import audit, labelling, pact_mail, pacts
from moderation.directed import hearing, incoming, limiting, sent
from moderation.directed.terms import Answer, Request
from moderation.pacts import Pact

MAX_VERSION: Final = 1_000

_ANSWERS: Final = {
    ActivityKind.ACCEPT: Answer.SEEN,
    ActivityKind.TENTATIVE_ACCEPT: Answer.HELD,
    ActivityKind.REJECT: Answer.REFUSED,
}


def answers_ask(arrival: Arrival) -> bool:
    """Whether an Accept or a Reject is about something that our desk asked."""
    return sent.id_in(arrival.here, arrival.activity.object or "") is not None


def is_between_desks(here: Here, document: Document) -> bool:
    """Whether an Update is of a Flag, or of an answer to one of ours: nothing has to be read."""
    inner = document.get("object")
    if document.get("type") != ActivityKind.UPDATE or not isinstance(inner, dict):
        return False
    return inner.get("type") == ActivityKind.FLAG or sent.id_in(here, _about(inner)) is not None


def _about(inner: Document) -> str:
    return id_of(inner.get("object")) or ""


async def receive_flag(arrival: Arrival, document: Document | None = None) -> bool:
    """Take in a request of a pact peer's desk. False: it is a plain report.

    Raises NotAllowed: it is of somebody else than that desk, or for somebody else than ours; or a
    request for care, which is no report, of a server without a pact. Raises Unproven: the pact pins
    another key. Raises Malformed: it cannot be read.
    """
    document = document or arrival.activity.document
    category = text_of(document.get("category"), 20)
    if category not in {*Category}:
        return False
    pact = await _pact(arrival)
    if pact is None:
        if category == Category.CARE:
            raise NotAllowed("Care is asked for between the desks of a pact.")
        return False
    await _check(arrival, pact)
    request = Request.read(document)
    uri = id_of(document.get("id")) or ""
    if not same_origin(uri, arrival.actor.uri):
        raise NotAllowed("That is not on the server of its desk.")
    care = request.category is Category.CARE
    appeal = request.category is Category.APPEAL
    places = [] if appeal else await flagged.about(arrival, request.objects, people=not care)
    ask_id = await incoming.came(
        arrival.conn,
        arrival.here,
        pact=pact,
        uri=uri,
        request=request,
        places=places,
        version=_version(document),
    )
    if ask_id is not None and request.category is Category.TAKEDOWN:
        await _limit(arrival, pact, ask_id, places)
    return True


async def _limit(
    arrival: Arrival, pact: Pact, ask_id: UUID, places: Sequence[reported.Place]
) -> None:
    """A post in a group of ours waits for a day, where the rule about that peer lets it."""
    conn, here = arrival.conn, arrival.here
    about = places[0][1] if places else None
    if about is None or about.post_id is None:
        return
    await labelling.lock(conn, [about.post_id])
    post = await post_store.get(conn, about.post_id)
    group = await group_store.get(conn, post.group_id)
    if not post.shown or group.settings is None or group.desk_id is None:
        return
    asked = await limiting.may_limit(conn, here, pact, ask_id, about)
    if asked is None:
        return
    await holding.hold(conn, post)
    await limiting.limited(conn, here, asked, post.id)
    decision = await audit.note(
        conn,
        here,
        verb="limit for a peer",
        about=post.uri,
        reason=asked.request.rule,
        group_id=group.id,
        role=Role.NODE,
        until=here.now().date() + limiting.LIMITED,
        basis=[asked.uri],
        undo=f"/p/{post.id}",
    )
    await noticing.decided(conn, here, post, NoticeKind.HELD, decision)


async def lift_one(engine: AsyncEngine, here: Here) -> bool:
    """Show a post again whose day is over, or about which nothing was to do. False: there is none.

    Somebody may have decided meanwhile: then it stays as they said.
    """
    async with engine.begin() as conn:
        asked = await limiting.next_over(conn, here)
        if asked is None:
            return False
        if asked.post_id is not None:
            await lifting.lift(conn, here, asked.post_id)
    return True


async def _pact(arrival: Arrival) -> Pact | None:
    """The pact with the host that asks, also where it is broken; None: none holds."""
    try:
        pact = await pacts.one(arrival.conn, arrival.actor.host)
    except NotFound:
        return None
    return pact if pact.holds else None


async def _check(arrival: Arrival, pact: Pact) -> None:
    if arrival.forwarded or arrival.group is not None or arrival.actor.uri != pact.desk_uri:
        raise NotAllowed("Desks speak for themselves.")
    if f"{arrival.here.origin}/desk/node" not in arrival.activity.recipients:
        raise NotAllowed("That is for another desk.")
    document = arrival.activity.document
    if not pact.made or not await pact_mail.proves(document, pact.their_key, pact.desk_uri):
        raise Unproven("That is not proven by the key of the pact.")


def _version(document: Document) -> int:
    value = document.get("version")
    return value if isinstance(value, int) and 0 < value <= MAX_VERSION else 0


async def take_back(arrival: Arrival, flag: str) -> bool:
    """Undo{Flag} by a pact peer's desk, also before the Flag. False: it is a plain report's.

    Raises NotAllowed, Unproven: as `receive_flag`.
    """
    pact = await _pact(arrival)
    if pact is None or arrival.actor.uri != pact.desk_uri:
        return False
    if not same_origin(flag, pact.desk_uri):
        raise NotAllowed("That is not on the server of its desk.")
    await _check(arrival, pact)
    return await incoming.taken_back(arrival.conn, arrival.here, flag)


async def receive_answer(arrival: Arrival) -> None:
    """The desk that we asked says how far it is. Raises: as `hearing.answered`."""
    answer = _ANSWERS[ActivityKind(arrival.activity.kind)]
    await _answered(arrival, arrival.activity.object_uri, answer)


async def receive_update(arrival: Arrival) -> None:
    """New words of a request or of an answer to one; else of a post. Raises: as those do."""
    inner = arrival.activity.embedded
    if inner is None or not is_between_desks(arrival.here, arrival.activity.document):
        await said.receive_update(arrival)
        return
    if inner.get("type") == ActivityKind.FLAG:
        if not await receive_flag(arrival, inner):
            raise Malformed("A report is not changed afterwards.")
        return
    await _answered(arrival, _about(inner), Answer.CLOSED)


async def _answered(arrival: Arrival, flag: str, answer: Answer) -> None:
    if arrival.forwarded or arrival.group is not None:
        raise NotAllowed("Desks speak for themselves.")
    document = arrival.activity.document
    await hearing.answered(arrival.conn, arrival.here, arrival.actor, flag, answer, document)
