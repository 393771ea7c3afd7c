"""What the person a care case is about is told: kindly, and nothing of who or why (MOD-5.14)."""

from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.care import Author, CareState
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import actors, care_cases, care_handovers, notices
from members.notices import Telling, tell
from moderation.care import cases
from moderation.care.cases import CareCase

_STEP: Final = 50


async def tell_some(conn: AsyncConnection, here: Here) -> int:
    """Tell people whom somebody is worried about who is there for them; how many that were.

    A worker does it within seconds after a case is opened, whoever opened it.
    """
    rows = await conn.execute(_UNTOLD)
    found = [cases.read(here, row) for row in rows]
    for case in found:
        await _say(conn, here, case, NoticeKind.LINES)
        await _set(conn, case, Author.LINES)
    return len(found)


_UNTOLD: Final = (
    cases.select()
    .where(
        care_cases.c.author == sa.literal_column("'nothing'"),
        care_cases.c.state != sa.literal_column("'closed'"),
    )
    .order_by(care_cases.c.id)
    .limit(at_most(_STEP))
    .with_for_update(skip_locked=True)
)


async def somebody_read(conn: AsyncConnection, here: Here, case: CareCase) -> None:
    """The person reads that somebody read their words and thinks of them, where that is safe."""
    if case.author in (Author.NOTHING, Author.LINES):
        await _unsay(conn, case)
        await _say(conn, here, case, NoticeKind.THOUGHT)
        await _set(conn, case, Author.THOUGHT)


async def say_nothing(conn: AsyncConnection, case: CareCase) -> None:
    """It would not be safe for the person to read about it: what was said is taken back."""
    await _unsay(conn, case)
    await _set(conn, case, Author.UNSAFE)


async def say_again(conn: AsyncConnection, here: Here, case: CareCase) -> None:
    """It is safe after all."""
    kind = NoticeKind.THOUGHT if case.state is CareState.HELD else NoticeKind.LINES
    await _say(conn, here, case, kind)
    await _set(conn, case, Author(kind.value))


async def tell_of_help(conn: AsyncConnection, here: Here) -> int:
    """Tell people afterwards that a service outside was asked to help them (DOM-D15)."""
    rows = await conn.execute(
        cases.select()
        .join(care_handovers, care_handovers.c.case_id == care_cases.c.id)
        .where(
            care_handovers.c.agreed.is_not(None),
            ~care_handovers.c.told,
            care_cases.c.author != sa.literal_column("'unsafe'"),
        )
        .order_by(care_cases.c.id)
        .limit(at_most(_STEP))
        .with_for_update(of=care_handovers, skip_locked=True)
    )
    found = [cases.read(here, row) for row in rows]
    for case in found:
        await _say(conn, here, case, NoticeKind.HANDED)
        await conn.execute(
            sa.update(care_handovers).where(care_handovers.c.case_id == case.id).values(told=True)
        )
    return len(found)


async def _say(conn: AsyncConnection, here: Here, case: CareCase, kind: NoticeKind) -> None:
    if case.about is None:
        return
    person = (await actor_store.several(conn, [case.about.actor_id])).get(case.about.actor_id)
    if person is None:
        return
    place = None if case.post_id is not None else await _desk(conn, here)
    told = Telling(uri=person.uri, kind=kind, post_id=case.post_id, group_id=place)
    await tell(conn, here, [told])


async def _desk(conn: AsyncConnection, here: Here) -> UUID | None:
    found: UUID | None = await conn.scalar(
        sa.select(actors.c.id).where(actors.c.uri == f"{here.origin}/desk/node")
    )
    return found


async def _unsay(conn: AsyncConnection, case: CareCase) -> None:
    if case.about is None:
        return
    kinds = [NoticeKind.LINES, NoticeKind.THOUGHT]
    about = (
        notices.c.post_id == case.post_id
        if case.post_id is not None
        else notices.c.persona_id == case.about.actor_id
    )
    await conn.execute(sa.delete(notices).where(about, notices.c.kind.in_(kinds)))


async def _set(conn: AsyncConnection, case: CareCase, author: Author) -> None:
    await conn.execute(
        sa.update(care_cases).where(care_cases.c.id == case.id).values(author=author)
    )
