"""What a desk that was asked says of it, in any order and however often (MOD-5.4)."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from activitypub.vocab import Document, text_of
from kernel.errors import NotAllowed, NotFound, Unproven
from kernel.here import Here
from kernel.schema.directed import Category
from kernel.schema.tables import asks_out
from moderation import pact_mail, pacts
from moderation.directed import wording
from moderation.directed.sent import COLUMNS, Asked, call, change, id_in, log, mark, seal
from moderation.directed.terms import (
    ORDER,
    STATES,
    Answer,
    Reason,
    Result,
)


async def answered(
    conn: AsyncConnection, here: Here, actor: Actor, flag: str, answer: Answer, document: Document
) -> None:
    """The desk that was asked says something of it. `document` has the proof, `flag` is ours.

    Raises NotFound: it was asked nothing. Raises NotAllowed, Unproven: it is not that desk.
    """
    ask_id = id_in(here, flag)
    query = sa.select(*COLUMNS).where(asks_out.c.id == ask_id).with_for_update()
    row = (await conn.execute(query)).first() if ask_id is not None else None
    if row is None:
        raise NotFound
    asked = Asked.of(here, row)
    await _check(conn, actor, asked.host, document)
    state = STATES[answer]
    if ORDER.index(state) <= ORDER.index(asked.state):
        return
    value = document.get("object")
    inner = value if isinstance(value, dict) and answer is Answer.CLOSED else document
    found: dict[str, Any] = {"state": state, "due": None, **_words_of(asked, answer, inner)}
    if asked.category is Category.APPEAL:
        if answer is Answer.CLOSED:
            words = text_of(inner.get("content"), wording.MAX_WORDS).strip()
            found["sealed"] = seal(here, asked.id, asked.request, answer=words)
        if answer in (Answer.SEEN, Answer.HELD):
            del found["due"]  # an answer is still due
        else:
            await mark(conn, asked.change, unanswered=False)
    await change(conn, here, asked.id, **found)
    await log(conn, here, asked.category, f"peer answered {answer.value}", asked.host, actor.id)
    if answer in (Answer.REFUSED, Answer.CLOSED):
        await call(conn, here, asked)


async def _check(conn: AsyncConnection, actor: Actor, host: str, document: Document) -> None:
    """Raises NotAllowed, Unproven: it is not the desk that the pact pins."""
    pact = await pacts.with_host(conn, host)
    if pact is None or actor.uri != pact.desk_uri or not pact.listens:
        raise NotAllowed("Only the desk that was asked can answer.")
    if not await pact_mail.proves(document, pact.their_key, pact.desk_uri):
        raise Unproven("That answer is not proven by the key of the pact.")


def _words_of(asked: Asked, answer: Answer, document: Document) -> dict[str, Any]:
    """One word of the list, or the mildest; of care nothing is kept but that it is over."""
    if answer is Answer.REFUSED:
        found = text_of(document.get("reason"), 20)
        return {"reason": found if found in {*Reason} else Reason.POLICY.value}
    if answer is not Answer.CLOSED:
        return {}
    if asked.category is Category.CARE:
        return {"outcome": Result.CLOSED.value}
    found = text_of(document.get("outcome"), 20)
    return {"outcome": found if found in {*Result} else Result.WITHHELD.value}
