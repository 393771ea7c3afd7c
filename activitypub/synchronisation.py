"""Two servers compare who follows whom, without naming anybody to a third (FEP-8fcf, WIRE 6.4).

The sender's header carries a digest of its followers on the receiver's server. Where that differs
from what the receiver has, it asks for the list: of its own people, and signed.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import digests
from kernel.arrays import any_of
from kernel.rows import at_most, constant
from kernel.schema.actors import FollowState
from kernel.schema.tables import actors, follows

HEADER: Final = "Collection-Synchronization"
PAGE: Final = 1_000  # followers on one page of a list
PAGES: Final = 10  # of a list; longer ones are neither offered nor read

_MAX_HEADER: Final = 4 * 1024
_PARAMETER: Final = re.compile(r'\s*([A-Za-z]{1,20})="([^"\\]{0,2048})"\s*(?:,|$)')
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a server says of the followers it knows here."""

    collection: str
    url: str
    digest: str

    @classmethod
    def parse(cls, header: str) -> Self | None:
        """None: it is not such a header."""
        if len(header) > _MAX_HEADER:
            return None
        found = dict(_PARAMETER.findall(header))
        digest = found.get("digest", "").lower()
        if not found.get("collectionId") or not found.get("url") or not _DIGEST.fullmatch(digest):
            return None
        return cls(collection=found["collectionId"], url=found["url"], digest=digest)

    def header(self) -> str:
        """The header's value."""
        return f'collectionId="{self.collection}", url="{self.url}", digest="{self.digest}"'


async def offers(
    conn: AsyncConnection, groups: Collection[UUID], hosts: Collection[str]
) -> Mapping[tuple[UUID, str], Offer]:
    """What these groups may say to these servers, where they have followers there."""
    rows = await conn.execute(_OFFERS, {"groups": list(groups), "hosts": list(hosts)})
    return {
        (row.id, row.host): Offer(
            collection=row.followers_uri,
            url=f"{row.followers_uri}/sync",
            digest=digests.read(row.digest),
        )
        for row in rows
        if row.number <= PAGE * PAGES
    }


async def followers_at(
    conn: AsyncConnection, actor_id: UUID, host: str, *, after: str = ""
) -> Sequence[str]:
    """A page of the ids of an actor's followers on one server, in order."""
    values = {"actor_id": actor_id, "host": host, "after": after}
    return list(await conn.scalars(_FOLLOWERS_AT, values))


_group = actors.alias("the_group")


def _offers() -> sa.Executable:
    """SQL: along the groups' followers, each looked up by its key (the LIMIT keeps it so)."""
    follower = (
        sa.select(actors.c.host, actors.c.uri)
        .where(actors.c.id == follows.c.follower_id, ~actors.c.local)
        .limit(at_most(1))
        .lateral("follower")
    )
    return (
        sa.select(
            _group.c.id,
            _group.c.followers_uri,
            follower.c.host,
            sa.func.count().label("number"),
            digests.sql(follower.c.uri).label("digest"),
        )
        .select_from(follows)
        .join(follower, sa.true())
        .join(_group, _group.c.id == follows.c.followed_id)
        .where(
            any_of(follows.c.followed_id, "groups"),
            follows.c.state == constant(FollowState.ACCEPTED),
            any_of(follower.c.host, "hosts"),
        )
        .group_by(_group.c.id, _group.c.followers_uri, follower.c.host)
    )


_OFFERS = _offers()
_FOLLOWERS_AT = (
    sa.select(actors.c.uri)
    .join(follows, follows.c.follower_id == actors.c.id)
    .where(
        follows.c.followed_id == sa.bindparam("actor_id", type_=sa.Uuid),
        follows.c.state == constant(FollowState.ACCEPTED),
        actors.c.host == sa.bindparam("host", type_=sa.Text),
        actors.c.uri > sa.bindparam("after", type_=sa.Text),
        ~actors.c.local,
    )
    .order_by(actors.c.uri)
    .limit(at_most(PAGE))
)
