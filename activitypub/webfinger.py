"""Finding an actor of another server by its name (RFC 7033; WIRE-D1, WIRE-D3, WIRE-D6).

Its own server has to confirm the name (SEC-S8, SEC-S21), and the search ends (SEC-R15).
"""

from urllib.parse import quote

from activitypub import jsontext
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.remote import Remote
from activitypub.vocab import id_of, text_of
from kernel.errors import Malformed, NotFound
from kernel.here import Here
from kernel.urls import host_of, parse_handle

MAX_JRD = 64 * 1024
_SELF_TYPES = frozenset(
    {
        "application/activity+json",
        'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
    }
)


async def find(here: Here, remote: Remote, text: str) -> Actor:
    """The actor that `@name@host` or an address names, known here from now on.

    Raises Malformed: neither can be read from `text`. Raises NotFound: nobody is there, or the name
    is not one that its own server confirms. Raises Unreachable, Gone: as `Remote.document`.
    """
    text = text.strip()
    if text.startswith(("https://", "http://")):
        return await remote.actor(text)
    name, host = parse_handle(text, allow_port=here.origin.startswith("http://"))
    uri = await _self_link(here, remote, name, host)
    if host_of(uri) != host:
        raise NotFound
    actor = await remote.actor(uri)
    if actor.handle.lower() != name.lower() or actor.host != host:
        raise NotFound
    return actor


async def _self_link(here: Here, remote: Remote, name: str, host: str) -> str:
    """The one `self` link of a name, from the server that the name is on."""
    scheme = here.origin.partition("://")[0]
    resource = quote(f"acct:{name}@{host}", safe="")
    answer = await remote.client.get(
        f"{scheme}://{host}/.well-known/webfinger?resource={resource}",
        accept="application/jrd+json, application/json",
        limit=MAX_JRD,
        budget=remote.budget,
    )
    if answer.status != 200:
        raise NotFound
    links = jsontext.read(answer.body).get("links")
    found = [link for link in _links(links) if link.get("rel") == "self"]
    if len(found) != 1 or text_of(found[0].get("type"), 200) not in _SELF_TYPES:
        raise NotFound
    uri = id_of(found[0].get("href"))
    if uri is None:
        raise Malformed("That server's answer cannot be read.")
    return uri


def _links(value: Json) -> list[dict[str, Json]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
