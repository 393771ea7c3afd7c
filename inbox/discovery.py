"""How others find us, or are asked to look away: WebFinger, host-meta, NodeInfo (WIRE 5)."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import jsontext
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.state import ENGINE, HERE
from groups import groups as group_store
from groups.groups import Group
from kernel.errors import Gone, Malformed, NotFound
from kernel.here import Here
from kernel.schema.actors import ActorKind, ActorState
from members import node as node_store
from moderation.visibility import VISITOR

VERSION = "0.1.0"
_OPEN = {"Access-Control-Allow-Origin": "*"}
_INTENT = "https://w3id.org/fep/3b86"
_NODEINFO = "http://nodeinfo.diaspora.software/ns/schema"


def _json(document: dict[str, Json], content_type: str) -> web.Response:
    return web.Response(body=jsontext.dump(document), content_type=content_type, headers=_OPEN)


async def webfinger(request: web.Request) -> web.Response:
    """Where a name leads, and what people can begin here (WIRE-D1, WIRE-D2, WIRE-D5).

    Raises Malformed: nothing is asked for. Raises NotFound, Gone.
    """
    resource = request.query.get("resource", "")
    if not resource:
        raise Malformed("Please say whom you look for: ?resource=acct:name@host")
    here = request.app[HERE]
    async with request.app[ENGINE].connect() as conn:
        found = await _find(conn, here, resource)
    if found.state is ActorState.CLOSED:
        raise Gone
    links: list[Json] = [
        {
            "rel": "http://webfinger.net/rel/profile-page",
            "type": "text/html",
            "href": found.uri,
        },
        {
            "rel": "self",
            "type": "application/activity+json",
            "href": found.uri,
            "properties": {"https://www.w3.org/ns/activitystreams#type": found.kind.value},
        },
        {
            "rel": "http://ostatus.org/schema/1.0/subscribe",
            "template": f"{here.origin}/interact?uri={{uri}}",
        },
        {"rel": f"{_INTENT}/Follow", "template": f"{here.origin}/interact?follow={{object}}"},
        {"rel": f"{_INTENT}/Object", "template": f"{here.origin}/interact?uri={{object}}"},
    ]
    if found.kind is ActorKind.APPLICATION:
        links.append(
            {
                "rel": "https://www.w3.org/ns/activitystreams#Service",  # FEP-d556
                "type": "application/activity+json",
                "href": found.uri,
            }
        )
    return _json(
        {
            "subject": f"acct:{found.handle}@{here.host}",
            "aliases": [found.uri],
            "links": links,
        },
        "application/jrd+json",
    )


async def _find(conn: AsyncConnection, here: Here, resource: str) -> Actor:
    """Raises NotFound: no such actor here, or a group that other servers may not know."""
    if not resource.isprintable():
        raise NotFound
    found: Actor | None
    if resource.startswith(("https://", "http://")):
        uri = resource if resource != here.origin else f"{here.origin}/"
        found = await actor_store.by_uri(conn, uri)
    else:
        name, _, host = resource.removeprefix("acct:").removeprefix("@").rpartition("@")
        if host.lower() != here.host:
            raise NotFound
        if name.lower() == here.host:
            found = await actor_store.by_uri(conn, f"{here.origin}/")
        else:
            found = await actor_store.by_handle(conn, name)
    if found is None or not found.local:
        raise NotFound
    group: Group | None = None
    if found.kind is ActorKind.GROUP:
        group = await group_store.get(conn, found.id, VISITOR)
    elif found.kind is ActorKind.SERVICE:
        group = await group_store.behind_desk(conn, found.id)
    if group is not None and not group.federates:
        raise NotFound
    return found


def _finger(request: web.Request) -> str:
    return f"{request.app[HERE].origin}/.well-known/webfinger?resource={{uri}}"


async def host_meta(request: web.Request) -> web.Response:
    """Where WebFinger is, in XRD, or in JSON for who asks for that alone (WIRE-D4, RFC 6415)."""
    asked = request.headers.get("Accept", "")
    if request.path.endswith(".json") or asked.startswith(("application/json", "application/jrd")):
        link: dict[str, Json] = {"rel": "lrdd", "template": _finger(request)}
        return _json({"links": [link]}, "application/json")
    return web.Response(
        text='<?xml version="1.0" encoding="UTF-8"?>\n'
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">\n'
        f'  <Link rel="lrdd" template="{_finger(request)}"/>\n'
        "</XRD>\n",
        content_type="application/xrd+xml",
        headers={**_OPEN, "Vary": "Accept"},
    )


async def nodeinfo_links(request: web.Request) -> web.Response:
    """WIRE-D10, WIRE-D13."""
    origin = request.app[HERE].origin
    return _json(
        {
            "links": [
                {"rel": f"{_NODEINFO}/2.0", "href": f"{origin}/nodeinfo/2.0"},
                {"rel": f"{_NODEINFO}/2.1", "href": f"{origin}/nodeinfo/2.1"},
                {
                    "rel": "https://www.w3.org/ns/activitystreams#Application",
                    "href": f"{origin}/",
                },
            ]
        },
        "application/json",
    )


async def nodeinfo(request: web.Request) -> web.Response:
    """What runs here; people are counted in tens, once a day (WIRE-D10, WIRE-D11)."""
    version = request.match_info["version"]
    async with request.app[ENGINE].connect() as conn:
        about = await node_store.read(conn)
    software: dict[str, Json] = {"name": "hearthold", "version": VERSION}
    if version == "2.1":
        software["homepage"] = f"{request.app[HERE].origin}/about"
    return _json(
        {
            "version": version,
            "software": software,
            "protocols": ["activitypub"],
            "services": {"inbound": [], "outbound": []},
            "openRegistrations": about.sign_up.value == "open",
            "usage": {"users": {"total": about.people}},
            "metadata": {
                "nodeName": about.name,
                "nodeDescription": about.about,
                "staffAccounts": [f"{request.app[HERE].origin}/desk/node"],
                "langs": list(about.languages),
                "federation": {"enabled": True},
                "moderationActor": f"{request.app[HERE].origin}/desk/node",
                "datasets": f"{request.app[HERE].origin}/datasets",
                "pact": f"{request.app[HERE].origin}/desk/node",
            },
        },
        "application/json",
    )


_ROBOTS = """\
# What people say here is for people: those pages carry X-Robots-Tag, so please do not keep them.
User-agent: *
Disallow: /interact
Disallow: /search
"""


async def robots(request: web.Request) -> web.Response:
    """What crawlers are asked to leave alone (WIRE-D15); the rest is told by a header."""
    return web.Response(text=_ROBOTS, content_type="text/plain")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/robots.txt", robots),
        web.get("/.well-known/webfinger", webfinger),
        web.get("/.well-known/host-meta", host_meta),
        web.get("/.well-known/host-meta.json", host_meta),
        web.get("/.well-known/nodeinfo", nodeinfo_links),
        web.get("/nodeinfo/{version:2\\.[01]}", nodeinfo),
    ]
