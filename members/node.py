"""The node as its administrators describe it: one row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.keys import KeyPair
from kernel.errors import Malformed, Misconfigured
from kernel.here import Here
from kernel.said import said
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.node import SignUp, Stage
from kernel.schema.tables import actors, node
from moderation.care import handover
from moderation.care.handover import Policy
from moderation.duty import Rota
from moderation.signals import links

_LIMITS: Mapping[str, int] = {"name": 100, "about": 5000, "contact": 200, "crisis_policy": 5000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What people read about the node. `people` is rounded to tens and counted once a day."""

    origin: str
    settled: bool
    name: str
    about: str  # Markdown
    contact: str
    country: str  # ISO 3166-1 alpha-2, or empty
    languages: tuple[str, ...]
    sign_up: SignUp
    crisis_policy: str  # Markdown
    people: int
    duty: Rota
    handover: Policy
    stage: Stage = Stage.OPEN
    closes_on: date | None = None
    labels_links: bool = False  # whether anybody said anything of any page of help

    @property
    def closes(self) -> bool:
        """Whether a day is said on which it closes, and that day has not begun its work."""
        return self.stage is Stage.NOTICE

    @property
    def has_closed(self) -> bool:
        """Whether nobody reads or writes here any more."""
        return self.stage in (Stage.ENDING, Stage.OVER)


_WORKED_OUT = ("handover", "labels_links")


async def read(conn: AsyncConnection) -> Node:
    """The node's own row; `found` wrote it at the first start."""
    columns = [node.c[name] for name in Node.__slots__ if name not in _WORKED_OUT]
    more = *handover.COLUMNS, links.SAID_OF_ANY.label("labels_links")
    row = (await conn.execute(sa.select(*columns, *more))).one()
    values = {
        **{name: value for name, value in row._mapping.items() if name in Node.__slots__},
        "handover": Policy.of(row),
        "languages": tuple(row.languages),
        "sign_up": SignUp(row.sign_up),
        "duty": Rota.parse(row.duty),
        "stage": Stage(row.stage),
    }
    return Node(**values)


async def found(
    conn: AsyncConnection, here: Here, *, instance_keys: KeyPair, desk_keys: KeyPair
) -> None:
    """Write the node's origin, its own actor and its desk, once.

    Raises Misconfigured: the database belongs to another origin. Every address lives under it.
    """
    await conn.execute(
        insert(node).values(origin=here.origin, name=here.host).on_conflict_do_nothing()
    )
    stored = await conn.scalar(sa.select(node.c.origin).with_for_update())
    if stored != here.origin:
        raise Misconfigured(
            f"This node is {stored} for ever: every address in it begins so, and other nodes "
            f"know it by that. Start it with --origin {stored}, or choose another data directory."
        )
    if await actor_store.by_uri(conn, f"{here.origin}/") is not None:
        return
    await actor_store.create_local(
        conn,
        here,
        kind=ActorKind.APPLICATION,
        handle=here.host,
        name=here.host,
        keys=instance_keys,
        uri=f"{here.origin}/",
        locked=True,
    )
    await actor_store.create_local(
        conn,
        here,
        kind=ActorKind.SERVICE,
        handle="node_desk",
        name="Moderators of this node",
        keys=desk_keys,
        uri=f"{here.origin}/desk/node",
    )


async def settle(
    conn: AsyncConnection,
    *,
    name: str,
    about: str,
    contact: str,
    country: str,
    languages: tuple[str, ...],
    sign_up: SignUp,
    crisis_policy: str,
) -> None:
    """Keep what the administrators say of the node. Raises Malformed: words missing or too long."""
    words = {
        "name": name.strip(),
        "about": about.strip(),
        "contact": contact.strip(),
        "crisis_policy": crisis_policy.strip(),
    }
    if not words["name"]:
        raise Malformed("Please give the node a name.")
    if not words["contact"]:
        raise Malformed("Please say how people can reach you, such as an e-mail address.")
    for key, limit in _LIMITS.items():
        if len(words[key]) > limit:
            raise Malformed(
                said(
                    "“{found}” can have up to {limit} letters.",
                    found=key.replace("_", " "),
                    limit=limit,
                )
            )
    await conn.execute(
        sa.update(node).values(
            **words,
            country=country.strip().upper()[:2],
            languages=list(languages),
            sign_up=sign_up,
            settled=True,
        )
    )


async def change_duty(conn: AsyncConnection, change: Callable[[Rota], Rota]) -> None:
    """Change the rota by what it is now: two administrators lose nothing of each other's."""
    stored = await conn.scalar(sa.select(node.c.duty).with_for_update())
    await conn.execute(sa.update(node).values(duty=change(Rota.parse(stored or "")).stored()))


async def count_people(conn: AsyncConnection, today: date) -> date | None:
    """Count active personas once a day, in tens: what NodeInfo shows (WIRE-D11).

    The day it was done before, the first time yesterday. None: that was done today.
    """
    is_new = sa.or_(node.c.counted.is_(None), node.c.counted < today)
    found = (await conn.execute(sa.select(node.c.counted).where(is_new).with_for_update())).first()
    if found is None:
        return None
    total = await conn.scalar(
        sa.select(sa.func.count())
        .select_from(actors)
        .where(
            actors.c.local, actors.c.kind == ActorKind.PERSON, actors.c.state == ActorState.ACTIVE
        )
    )
    await conn.execute(sa.update(node).values(people=round(total or 0, -1), counted=today))
    return found.counted or today - timedelta(days=1)
