"""When a life is in danger: what a node may do outside of it, and two people who agree (DOM-D15).

The people who run a node choose beforehand, and everybody reads it before they join. What may be
told is what they named and no more: the words are read from the post when somebody looks, so that
nothing is told, or kept, that its author took back.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import Conflict, Malformed, NotAllowed
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.said import noted, said
from kernel.schema.care import CareState
from kernel.schema.moderation import Role
from kernel.schema.node import Handover
from kernel.schema.tables import care_handovers, node
from moderation import audit
from moderation import sealed as sealing
from moderation.care.cases import CareCase, holder_of
from moderation.care.notes import LABEL

PARTS: Final = {
    "name": noted("the name they use here"),
    "words": noted("what they wrote"),
    "when": noted("when they wrote it"),
    "said": noted("what they told us about where they are"),
}
"""All that a node can name; nothing else is known here."""

MAX_TO: Final = 200
MAX_IF: Final = 500
MAX_SAID: Final = 500
ASKED: Final = "care help asked"
AGREED: Final = "care help agreed"

_SAME: Final = noted(
    "You asked for this yourself. Somebody else has to say yes: two people look before anything "
    "leaves this place."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the node chose; `parts` are keys of `PARTS`. `to`: which service, `when`: if what."""

    choice: Handover
    to: str = ""
    when: str = ""
    parts: tuple[str, ...] = ()

    @property
    def may(self) -> bool:
        return self.choice is Handover.MAY

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row with `COLUMNS`."""
        return cls(
            choice=Handover(row.handover),
            to=row.handover_to,
            when=row.handover_if,
            parts=tuple(row.handover_parts),
        )


COLUMNS: Final = (node.c.handover, node.c.handover_to, node.c.handover_if, node.c.handover_parts)


async def policy(conn: AsyncConnection) -> Policy:
    """As the people who run the node chose it."""
    return Policy.of((await conn.execute(sa.select(*COLUMNS))).one())


async def choose(
    conn: AsyncConnection, *, choice: str, to: str, when: str, parts: Collection[str]
) -> None:
    """Keep what they chose. Raises Malformed: a part of it is missing or too long."""
    if choice not in (Handover.CANNOT, Handover.MAY):
        raise Malformed("Please choose what you may do when a life is in danger.")
    to, when = " ".join(to.split()), " ".join(when.split()).rstrip(" .")
    may = choice == Handover.MAY
    named = [each for each in PARTS if each in parts]
    if may and not (to and when and named):
        raise Malformed("Please say whom you may ask, when, and what you may tell them.")
    for words, most in ((to, MAX_TO), (when, MAX_IF)):
        if len(words) > most:
            raise Malformed(said("This can have up to {limit} letters.", limit=most))
    await conn.execute(
        sa.update(node).values(
            handover=choice,
            handover_to=to if may else "",
            handover_if=when if may else "",
            handover_parts=named if may else [],
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Help that somebody would like to ask for. `said`: what the person told about where they are.

    `agreed`: the day on which another one said yes.
    """

    first: bytes = field(repr=False)
    agreed: date | None
    said: str = field(repr=False)

    @classmethod
    def of(cls, here: Here, row: AnyRow) -> Self:
        """From a row of `care_handovers`."""
        values = row._mapping
        plain = sealing.get(here, LABEL, f"handover {values['case_id']}", values["sealed"])
        return cls(first=values["first"], agreed=values["agreed"], said=plain["said"])

    def is_by(self, root: bytes, case: CareCase) -> bool:
        """Whether the member with this root key asked for it."""
        return self.first == holder_of(root, case.id)


async def of_case(conn: AsyncConnection, here: Here, case: CareCase) -> Asking | None:
    """What is asked for in this case, if anything is."""
    row = (
        await conn.execute(sa.select(care_handovers).where(care_handovers.c.case_id == case.id))
    ).first()
    return Asking.of(here, row) if row is not None else None


async def ask(
    conn: AsyncConnection, here: Here, case: CareCase, root: bytes, words: str, role: Role
) -> None:
    """The first of two: whoever looks at the case thinks that help outside is needed.

    Raises NotAllowed: this node cannot, or its policy does not name what was typed.
    Raises Malformed: long words. Raises Conflict: it is asked for already.
    """
    chosen = await policy(conn)
    words = words.strip()
    if not chosen.may:
        raise NotAllowed("The people who run this place said that it asks nobody outside.")
    if words and "said" not in chosen.parts:
        raise NotAllowed("What they said about where they are is not among what may be told.")
    if len(words) > MAX_SAID:
        raise Malformed(said("This can have up to {limit} letters.", limit=MAX_SAID))
    if await of_case(conn, here, case) is not None:
        raise Conflict("Somebody has asked for this already.")
    await conn.execute(
        care_handovers.insert().values(
            case_id=case.id,
            first=holder_of(root, case.id),
            sealed=sealing.put(here, LABEL, f"handover {case.id}", {"said": words}),
        )
    )
    await _note(conn, here, case, ASKED, role)


async def agree(conn: AsyncConnection, here: Here, case: CareCase, root: bytes, role: Role) -> None:
    """The second of two says yes; from now on the words for the service are shown to both.

    Raises NotAllowed: it is the same member, or this node cannot any more. Raises Conflict: nobody
    asked for it, or it is agreed.
    """
    asking = await of_case(conn, here, case)
    if asking is None or asking.agreed is not None or case.state is CareState.CLOSED:
        raise Conflict("There is nothing here to say yes to.")
    if asking.is_by(root, case):
        raise NotAllowed(_SAME)
    if not (await policy(conn)).may:
        raise NotAllowed("The people who run this place said that it asks nobody outside.")
    await conn.execute(
        sa.update(care_handovers)
        .where(care_handovers.c.case_id == case.id)
        .values(agreed=here.now().date())
    )
    await _note(conn, here, case, AGREED, role)


async def take_back(conn: AsyncConnection, here: Here, case: CareCase) -> None:
    """It is not needed after all. Raises Conflict: it was agreed, or nobody asked."""
    gone = await conn.execute(
        sa.delete(care_handovers).where(
            care_handovers.c.case_id == case.id, care_handovers.c.agreed.is_(None)
        )
    )
    if not gone.rowcount:
        raise Conflict("There is nothing here to take back.")


async def _note(conn: AsyncConnection, here: Here, case: CareCase, verb: str, role: Role) -> None:
    """A line in the log, which names the case alone: never a person, a post or a group."""
    await audit.note(
        conn, here, verb=verb, about=f"{here.origin}/moderation/care/{case.id}", role=role
    )
