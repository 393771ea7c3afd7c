"""The dataset that this node gives out: its address, and who may read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.here import Here
from kernel.ids import random_uuid
from kernel.said import noted
from kernel.schema.pacts import Tier
from kernel.schema.tables import datasets
from moderation import audit

TIER_WORDS: Final[Mapping[Tier, str]] = {
    Tier.PACTS: noted("Nodes that we have a pact with"),
    Tier.PUBLIC: noted("Everybody"),
    Tier.NOBODY: noted("Nobody"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What is given out, under an address that stays."""

    id: UUID
    tier: Tier
    url: str
    host: str = ""  # of the one peer that reads it


async def ours(conn: AsyncConnection, here: Here) -> Dataset:
    """This node's dataset; it is made where there is none yet."""
    row = (await conn.execute(_OURS)).first()
    if row is None:
        await conn.execute(
            insert(datasets)
            .values(id=random_uuid(), day=here.now().date())
            .on_conflict_do_nothing()
        )
        row = (await conn.execute(_OURS)).one()
    return Dataset(id=row.id, tier=Tier(row.tier), url=f"{here.origin}/datasets/{row.id}")


def for_peer(here: Here, host: str, tier: Tier = Tier.PACTS) -> Dataset:
    """What is said about people, for one peer: its address is known to both and to nobody else."""
    dataset_id = UUID(bytes=here.node_key.derive(f"people dataset {host}")[:16], version=4)
    return Dataset(id=dataset_id, tier=tier, url=f"{here.origin}/datasets/{dataset_id}", host=host)


_OURS = sa.select(datasets.c.id, datasets.c.tier)


async def look(conn: AsyncConnection, here: Here) -> Dataset | None:
    """As `ours`, for who only reads: None where nothing was ever given out."""
    row = (await conn.execute(_OURS)).first()
    if row is None:
        return None
    return Dataset(id=row.id, tier=Tier(row.tier), url=f"{here.origin}/datasets/{row.id}")


async def set_tier(conn: AsyncConnection, here: Here, tier: Tier) -> None:
    """Choose who may read it from now on."""
    dataset = await ours(conn, here)
    await conn.execute(sa.update(datasets).values(tier=tier))
    await audit.note(conn, here, verb=f"show advice to {tier}", about=dataset.url)
