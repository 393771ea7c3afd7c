"""Finding an actor of another server by its name (RFC 7033; WIRE-D1, WIRE-D3, WIRE-D6).

Its own server has to confirm the name (SEC-S8, SEC-S21), and the search ends (SEC-R15).
"""

from urllib.parse import quote

from activitypub import actors as actor_store
from activitypub import jsontext
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.jsontext import Json
from activitypub.remote import Remote
from activitypub.vocab import id_of, text_of
from kernel.errors import Gone, Malformed, NotFound
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
    is not one that its own server confirms; that is remembered for a while. Raises Unreachable,
    TooMany, and for an address Gone: as `Remote.document`.
    """
    text = text.strip()
    if text.startswith(("https://", "http://")):
        if here.is_local(text):
            return await _ours(remote, uri=text)
        return await remote.actor(text)
    name, host = parse_handle(text, allow_port=here.origin.startswith("http://"))
    if host == here.host:
        return await _ours(remote, name=name)
    key = f"{name.lower()}@{host}"
    if remote.unfound.rests(key, here.now()):
        raise NotFound
    try:
        return await _find(here, remote, name, host)
    except (Gone, Malformed, NotFound) as error:
        if not remote.budget.spent:
            remote.unfound.note(key, here.now())
        raise NotFound from error


async def _ours(remote: Remote, *, name: str = "", uri: str = "") -> Actor:
    """Somebody who lives here: nobody else is asked."""
    async with remote.engine.connect() as conn:
        look = actor_store.by_handle(conn, name) if name else actor_store.by_uri(conn, uri)
        found = await look
    if found is None:
        raise NotFound
    return found


async def _find(here: Here, remote: Remote, name: str, host: str) -> Actor:
    """The look-up: at most one redirect, on that server, and the actor that says the same.

    The actor has to carry the very name that led to it, so its own name leads back to it.
    """
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
    asked = f"acct:{name}@{host}"
    resource = quote(asked, safe="")
    answer = await remote.client.get(
        f"{scheme}://{host}/.well-known/webfinger?resource={resource}",
        accept="application/jrd+json, application/json",
        limit=MAX_JRD,
        budget=remote.budget,
        hops=1,
        at_home=True,
    )
    if answer.status >= 500:
        raise Unreachable(f"status {answer.status}", status=answer.status)
    if answer.status != 200:
        raise NotFound
    document = jsontext.read(answer.body)
    subject = document.get("subject")
    if isinstance(subject, str) and subject.lower() != asked.lower():
        raise NotFound  # another name than the one asked for
    links = document.get("links")
    found = [link for link in _links(links) if link.get("rel") == "self"]
    if len(found) != 1 or text_of(found[0].get("type"), 200) not in _SELF_TYPES:
        raise NotFound
    uri = id_of(found[0].get("href"))
    if uri is None:
        raise Malformed("That server's answer cannot be read.")
    return uri


def _links(value: Json) -> list[dict[str, Json]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
