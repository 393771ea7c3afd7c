"""The moderation desk of another node, as it says itself where that is (MOD-5.17)."""

from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub import jsontext
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.jsontext import Json
from activitypub.remote import Remote
from activitypub.vocab import text_of
from kernel.errors import Gone, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.urls import parse, same_origin
from moderation import domains

_NODEINFO = "http://nodeinfo.diaspora.software/ns/schema/2."
_MAX = 64 * 1024  # bytes


def read_host(here: Here, typed: str) -> str:
    """The name of a server, as typed or pasted. Raises Malformed; NotAllowed: it is this one."""
    scheme = here.origin.partition("://")[0]
    name = typed.strip().lower().removeprefix(f"{scheme}://").rstrip("/")
    try:
        host = parse(f"{scheme}://{name}/", allow_http=scheme == "http").netloc
    except Malformed:
        host = ""
    if not host or host != name:
        raise Malformed("Please write the name of a server such as example.org.")
    if host == here.host:
        raise NotAllowed("That is this node itself.")
    return host


async def find(engine: AsyncEngine, here: Here, remote: Remote, host: str) -> Actor:
    """The desk of the node at `host`, read there now.

    Raises Malformed: it shows none, or does not answer. Raises NotAllowed: it is blocked here.
    """
    async with engine.connect() as conn:
        if await domains.is_blocked(conn, host):
            raise NotAllowed("This node does not talk with that server. Talk with it again first.")
    origin = f"{here.origin.partition('://')[0]}://{host}"
    reader = remote.for_activity()
    try:
        desk = await _named(reader, origin)
        found, _ = await reader.actor_now(desk)
    except (Gone, NotFound, Malformed) as error:
        raise Malformed("That server shows no desk to make a pact with.") from error
    except Unreachable as error:
        raise Malformed("That server does not answer now. Please try again later.") from error
    return found


async def _named(remote: Remote, origin: str) -> str:
    """Where its NodeInfo says that its desk is; else where ours would be."""
    links = (await _get(remote, f"{origin}/.well-known/nodeinfo")).get("links")
    for link in links if isinstance(links, list) else []:
        if not isinstance(link, dict) or not text_of(link.get("rel"), 200).startswith(_NODEINFO):
            continue
        href = text_of(link.get("href"), 2048)
        if same_origin(href, origin):
            metadata = (await _get(remote, href)).get("metadata")
            named = metadata.get("moderationActor") if isinstance(metadata, dict) else None
            if isinstance(named, str) and same_origin(named, origin):
                return named
            break
    return f"{origin}/desk/node"


async def _get(remote: Remote, url: str) -> dict[str, Json]:
    answer = await remote.client.get(
        url, accept="application/json", limit=_MAX, budget=remote.budget
    )
    return jsontext.read(answer.body) if answer.status == 200 else {}
