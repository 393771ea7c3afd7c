"""What software a peer runs: a hint at the dialect it reads, corrected by what it does."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import jsontext
from activitypub.client import Unreachable
from activitypub.jsontext import Json
from activitypub.remote import Remote
from activitypub.vocab import text_of
from kernel.errors import Problem
from kernel.here import Here
from kernel.schema.tables import peers
from kernel.urls import same_origin

SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/2."
READS_WRAPPED = frozenset(
    {"discourse", "friendica", "hearthold", "lemmy", "mbin", "nodebb", "piefed"}
)


async def learn(engine: AsyncEngine, here: Here, remote: Remote, host: str) -> None:
    """Note a new peer's software and likely dialect; a peer that does not say is left as it is."""
    async with engine.connect() as conn:
        known = await conn.scalar(
            sa.select(peers.c.host).where(peers.c.host == host, peers.c.wrapped.is_not(None))
        )
    if known is not None:
        return
    scheme = here.origin.partition("://")[0]
    try:
        software = await _ask(remote, f"{scheme}://{host}")
    except (Problem, Unreachable):
        return
    if not software:
        return
    values = {"software": software, "wrapped": software in READS_WRAPPED}
    async with engine.begin() as conn:
        await conn.execute(
            insert(peers)
            .values(host=host, next_attempt=here.now(), **values)
            .on_conflict_do_update(index_elements=["host"], set_=values)
        )


async def _ask(remote: Remote, origin: str) -> str:
    links = (await _get(remote, f"{origin}/.well-known/nodeinfo")).get("links")
    for link in links if isinstance(links, list) else []:
        if not isinstance(link, dict) or not text_of(link.get("rel"), 200).startswith(SCHEMA):
            continue
        href = text_of(link.get("href"), 2048)
        if same_origin(href, origin):
            software = (await _get(remote, href)).get("software")
            name = software.get("name") if isinstance(software, dict) else ""
            return text_of(name, 50).lower()
    return ""


async def _get(remote: Remote, url: str) -> dict[str, Json]:
    answer = await remote.client.get(
        url, accept="application/json", limit=64 * 1024, budget=remote.budget
    )
    return jsontext.read(answer.body) if answer.status == 200 else {}
