"""The federation door: what servers POST to us and GET from us (WIRE 1, 2, 5).

A GET handler answers with the ActivityPub document only; `node.app` asks the pages instead where
a browser is asking.
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import digests, documents, jsontext, outbox, synchronisation
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.state import ENGINE, HERE, REMOTE
from activitypub.vocab import AS2, id_of
from groups import groups as group_store
from groups import pins, threads
from groups import posts as post_store
from groups.groups import Group
from groups.posts import Post
from inbox import bodies, follower_sync
from inbox.collections import announced, begun_in, count_followers, follows_group, posts_of
from inbox.intake import Intake
from inbox.readers import (
    asking,
    check_circle,
    for_one,
    headers_of,
    may_read_all,
    response_to,
    signed_only,
    who_asks,
)
from inbox.receive import Request, is_dropped, receive
from kernel import text
from kernel.errors import Gone, Malformed, NotFound, UnsupportedMedia
from kernel.schema.actors import ActorKind, ActorState
from kernel.schema.posts import PostState
from kernel.urls import same_origin
from members import messages
from moderation.blocklist import Blocklist
from moderation.visibility import VISITOR, Viewer

INTAKE = web.AppKey("intake", Intake)
POLICIES = web.AppKey("policies", Blocklist)

MAX_BODY = 1024 * 1024
_ACTIVITY_TYPES = ("application/activity+json", "application/ld+json")
_CONTEXT_PAGE = 100
_ACTORS = ("", "/u/{name}", "/g/{name}", "/desk/{name}")  # the node itself, and who lives here


def wants_document(request: web.Request) -> bool:
    """Whether a server asks: it accepts an ActivityPub type, or plain JSON alone (WIRE-B7)."""
    accept = request.headers.get(hdrs.ACCEPT, "").lower()
    if any(kind in accept for kind in _ACTIVITY_TYPES):
        return True
    return accept.strip().startswith("application/json") and "text/html" not in accept


def document_response(document: dict[str, Json], *, status: int = 200) -> web.Response:
    """A document in the one media type that every server reads (WIRE-B5, WIRE-B7)."""
    response = web.Response(
        status=status,
        body=jsontext.dump(document),
        content_type="application/activity+json",
        headers={"Vary": "Accept, Signature"},
    )
    if status == 200:
        response.headers["Cache-Control"] = "public, max-age=60"
        url = document.get("url")
        if isinstance(url, str):
            response.headers["Link"] = f'<{url}>; rel="alternate"; type="text/html"'
    return response


def digested(request: web.Request, document: dict[str, Json], digest: str) -> web.Response:
    """A collection under the digest of its members; 304 to whoever has the same (WIRE-G43).

    An empty digest is none.
    """
    response = document_response(document)
    if not digest:
        return response
    if digest in {tag.value for tag in request.if_none_match or ()}:
        headers = {name: response.headers[name] for name in ("Vary", "Cache-Control")}
        response = web.Response(status=304, headers=headers)
    response.etag = digest
    return response


async def post_inbox(request: web.Request) -> web.Response:
    """202 once the activity is on disk (WIRE-B16). Every inbox of the node is this one."""
    if request.headers.get(hdrs.CONTENT_ENCODING):
        raise UnsupportedMedia("Please send the activity as it is, not compressed.")  # SEC-D1
    if request.content_type not in _ACTIVITY_TYPES:
        raise UnsupportedMedia("Please send application/activity+json.")
    if await is_dropped(request.app[POLICIES], headers_of(request)):
        return web.Response(status=202)
    body = await bodies.read(request, MAX_BODY, "An activity can have up to 1 MiB.")
    await receive(
        request.app[INTAKE],
        request.app[HERE],
        request.app[REMOTE],
        Request(
            method=request.method,
            path=request.raw_path,
            headers=headers_of(request),
            body=body,
        ),
    )
    if (offer := request.headers.get(synchronisation.HEADER)) is not None:
        actor = id_of(jsontext.read(body).get("actor")) or ""
        await follower_sync.note(request.app[ENGINE], request.app[HERE], actor, offer)
    return web.Response(status=202)


async def _local(conn: AsyncConnection, request: web.Request, kind: ActorKind) -> Actor:
    """The actor a URL names. Raises NotFound; Gone: it was closed by its owner."""
    found = await actor_store.by_handle(conn, request.match_info["name"], kind=kind)
    if found is None or found.uri != f"{request.app[HERE].origin}{_base(request)}":
        raise NotFound
    if found.state is ActorState.CLOSED:
        raise Gone
    return found


def _base(request: web.Request) -> str:
    return "/".join(request.path.split("/")[:3])


async def get_instance(request: web.Request) -> web.Response:
    """The node itself, readable unsigned (WIRE-D12, WIRE-S24)."""
    async with request.app[ENGINE].connect() as conn:
        return document_response(documents.actor(await _instance(conn, request)))


async def _instance(conn: AsyncConnection, request: web.Request) -> Actor:
    found = await actor_store.by_uri(conn, f"{request.app[HERE].origin}/")
    if found is None:
        raise NotFound
    return found


async def get_person(request: web.Request) -> web.Response:
    """A persona; one that closed answers 410 with a Tombstone (WIRE 2.4)."""
    try:
        async with request.app[ENGINE].connect() as conn:
            found = await _local(conn, request, ActorKind.PERSON)
    except Gone:
        uri = f"{request.app[HERE].origin}{_base(request)}"
        return document_response(documents.tombstone(uri, "Person"), status=410)
    return await _actor_response(request, documents.actor(found))


async def _actor_response(request: web.Request, document: dict[str, Json]) -> web.Response:
    """An actor, or its key and no more where only servers that sign may read (WIRE-A21)."""
    whole = await may_read_all(request)
    response = document_response(document if whole else documents.stub(document))
    return response_to(request, response)


async def get_desk(request: web.Request) -> web.Response:
    async with request.app[ENGINE].connect() as conn:
        found = await _desk(conn, request)
    return await _actor_response(request, documents.actor(found))


async def _desk(conn: AsyncConnection, request: web.Request) -> Actor:
    """The desk of the node, or of a group that other servers may know (WIRE-T12)."""
    found = await actor_store.by_uri(conn, f"{request.app[HERE].origin}{_base(request)}")
    if found is None:
        raise NotFound
    group = await group_store.behind_desk(conn, found.id)
    if group is not None and not group.federates:
        raise NotFound
    return found


async def _group(conn: AsyncConnection, request: web.Request) -> Group:
    """A group that federates; one that does not is not there for other servers (WIRE-T12)."""
    found = await group_store.by_name(conn, request.match_info["name"], VISITOR)
    if found.actor.uri != f"{request.app[HERE].origin}{_base(request)}" or not found.federates:
        raise NotFound
    return found


async def get_group(request: web.Request) -> web.Response:
    """A group; one that is a circle with a peer, to that peer alone (MOD-5.6)."""
    async with request.app[ENGINE].connect() as conn:
        group = await _group_or_circle(conn, request)
    document = group_store.document(request.app[HERE], group)
    if group.federates:
        return await _actor_response(request, document)
    await check_circle(request, group)
    return for_one(document_response(document))


async def _group_or_circle(conn: AsyncConnection, request: web.Request) -> Group:
    """As `_group`, or one that does not federate: the caller has to `check_circle` then."""
    try:
        return await _group(conn, request)
    except NotFound:
        actor = await _local(conn, request, ActorKind.GROUP)
        return await group_store.get(conn, actor.id)


async def get_moderators(request: web.Request) -> web.Response:
    async with request.app[ENGINE].connect() as conn:
        group = await _group(conn, request)
        uris = await group_store.moderator_uris(conn, group)
    document = documents.collection(f"{group.actor.uri}/moderators", list[Json](uris))
    return digested(request, document, digests.of(uris))


async def get_followers(request: web.Request) -> web.Response:
    """A rounded count and no names: who belongs is health data (WIRE-A6, DOM finding 9).

    Of people no count either: nobody here has more followers than another (DOM-A13).
    """
    if "is_follower" in request.query:
        return await _is_follower(request, request.query["is_follower"])
    async with request.app[ENGINE].connect() as conn:
        actor = await _any_actor(conn, request)
        person = actor.kind is ActorKind.PERSON
        total = 0 if person else await count_followers(conn, actor.id)
    uri = f"{request.app[HERE].origin}{request.path}"
    return document_response(documents.hidden_collection(uri, round(total, -1)))


async def get_followers_here(request: web.Request) -> web.Response:
    """A group's followers on the server that asks, for its eyes only (FEP-8fcf, WIRE 6.4)."""
    asker = await asking(request)
    after = request.query.get("after", "")
    async with request.app[ENGINE].connect() as conn:
        group = await _group_or_circle(conn, request)
    if not group.federates:
        await check_circle(request, group)
    async with request.app[ENGINE].connect() as conn:
        found = await synchronisation.followers_at(conn, group.id, asker.host, after=after)
    uri = f"{request.app[HERE].origin}{request.path}"
    more = (
        f"{uri}?{urlencode({'after': found[-1]})}" if len(found) == synchronisation.PAGE else None
    )
    here = f"{uri}?{urlencode({'after': after})}"
    if after:
        document = documents.page(here, uri, list[Json](found), next_uri=more)
    elif more is None:
        document = documents.collection(uri, list[Json](found))
    else:
        first = documents.page(here, uri, list[Json](found), next_uri=more)
        document = {"@context": [AS2], "id": uri, "type": "OrderedCollection", "first": first}
    response = document_response(document)
    response.headers["Cache-Control"] = "private, no-store"
    return response


async def _is_follower(request: web.Request, uri: str) -> web.Response:
    """200 where one of the asker's own people belongs to the group (WIRE-G38).

    Raises NotFound: they do not; or nobody, or somebody of another server, asks.
    """
    async with request.app[ENGINE].connect() as conn:
        actor = await _any_actor(conn, request)
    asker = await who_asks(request) if actor.kind is ActorKind.GROUP else None
    if asker is None or not same_origin(asker.uri, uri):
        raise NotFound
    async with request.app[ENGINE].connect() as conn:
        if not await follows_group(conn, uri, actor.id):
            raise NotFound
    return web.Response(headers={"Vary": "Accept, Signature", "Cache-Control": "private, no-store"})


async def get_outbox(request: web.Request) -> web.Response:
    """A group's newest Announces; of a person the count alone (WIRE-A7).

    A circle shows its other server what began in it, also before it was shared (MOD-5.6).
    """
    if request.path.startswith("/g/"):
        async with request.app[ENGINE].connect() as conn:
            group = await _group_or_circle(conn, request)
        if not group.federates:
            return await _outbox_of_circle(request, group)
    async with request.app[ENGINE].connect() as conn:
        actor = await _any_actor(conn, request)
        items: Sequence[Json] = []
        if actor.kind is ActorKind.GROUP:
            items = await announced(conn, actor)
        total = await posts_of(conn, actor)
    uri = f"{request.app[HERE].origin}{request.path}"
    return document_response(documents.collection(uri, items, total=total))


async def _outbox_of_circle(request: web.Request, group: Group) -> web.Response:
    await check_circle(request, group, member=True)
    async with request.app[ENGINE].connect() as conn:
        items = await begun_in(conn, group.actor, group.shared_with)
    uri = f"{request.app[HERE].origin}{request.path}"
    return for_one(document_response(documents.collection(uri, items)))


async def get_featured(request: web.Request) -> web.Response:
    """The pinned threads' first posts, whole and as strict readers parse them (WIRE-A8, WIRE-A24).

    One that Lemmy could not parse would void the list, so posts from elsewhere are told in our
    own form, too.
    """
    async with request.app[ENGINE].connect() as conn:
        group = await _group(conn, request)
        roots = await pins.pinned(conn, group)
        sources = await post_store.root_sources(conn, request.app[HERE], roots)
    items: list[Json] = [
        documents.embed(documents.note(replace(each, content=str(text.clean(each.content)))))
        for each in sources
    ]
    document = documents.collection(f"{group.actor.uri}/featured", items)
    return digested(request, document, digests.of(each.uri for each in sources))


async def get_following(request: web.Request) -> web.Response:
    """Whom a group follows is not listed."""
    async with request.app[ENGINE].connect() as conn:
        await _group(conn, request)
    uri = f"{request.app[HERE].origin}{request.path}"
    return document_response(documents.collection(uri, []))


async def _any_actor(conn: AsyncConnection, request: web.Request) -> Actor:
    """Whose collection a URL names. Raises NotFound, Gone."""
    kind = request.path.split("/")[1]
    if kind == "g":
        return (await _group(conn, request)).actor
    if kind == "u":
        return await _local(conn, request, ActorKind.PERSON)
    if kind == "desk":
        return await _desk(conn, request)
    return await _instance(conn, request)


def _number(request: web.Request, name: str, *, query: bool = False) -> int:
    digits = request.query.get(name, "0") if query else request.match_info[name]
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        if query:
            raise Malformed("That page does not exist.")
        raise NotFound
    return int(digits)


async def _own_post(conn: AsyncConnection, request: web.Request) -> tuple[Post, Group]:
    """A post said here, and its group, of which the caller sees whether others may know it.

    Raises NotFound: anything else, and what waits for a moderator or for an author elsewhere.
    """
    post = await post_store.get(conn, _number(request, "id"))
    waits = post.state is PostState.HELD or (post.waits and post.approval is None)
    if not post.author_local or waits:
        raise NotFound
    return post, await group_store.get(conn, post.group_id)


async def get_post(request: web.Request) -> web.Response:
    """A post of ours; a deleted one answers 410 with a Tombstone (WIRE-Q12).

    It is in a group that federates, or one elsewhere; or in a circle, and then it is shown to the
    peer that shares it, where somebody belongs to it (MOD-5.6).
    """
    async with request.app[ENGINE].connect() as conn:
        post, group = await _own_post(conn, request)
        if group.federates:
            return await _post(conn, request, post)
    await check_circle(request, group, member=True)
    async with request.app[ENGINE].connect() as conn:
        return for_one(await _post(conn, request, post))


async def _post(conn: AsyncConnection, request: web.Request, post: Post) -> web.Response:
    if post.state is not PostState.SHOWN:
        return document_response(documents.tombstone(post.uri), status=410)
    source = await post_store.note_source(conn, request.app[HERE], post)
    return document_response(documents.note(source))


async def get_replies(request: web.Request) -> web.Response:
    """Every known answer to a post, from here and elsewhere (WIRE-G40)."""
    after = _number(request, "after", query=True)
    async with request.app[ENGINE].connect() as conn:
        post, group = await _own_post(conn, request)
        if not group.federates:
            raise NotFound
        found, total = await post_store.reply_uris(conn, post.id, after=after, limit=_CONTEXT_PAGE)
    uri = f"{post.uri}/replies"
    if "after" in request.query:
        document = documents.replies_page(uri, after, found, page=_CONTEXT_PAGE)
    else:
        document = documents.replies(uri, total, found, page=_CONTEXT_PAGE)
    return document_response({"@context": [AS2], **document})


async def get_thread(request: web.Request) -> web.Response:
    """A thread's posts in order of time, root first (WIRE-G41, WIRE-G42).

    In a circle the other server of the circle alone may read it, and of nobody there but people
    here and its own: the circle may have been shared with another one before (MOD-5.6).
    """
    try:
        return await _thread(request, VISITOR)
    except NotFound:
        async with request.app[ENGINE].connect() as conn:
            root = await post_store.get(conn, _number(request, "id"))
            group = await group_store.get(conn, root.group_id)
        await check_circle(request, group, member=True)
    return for_one(await _thread(request, None, to=group.shared_with))


async def _thread(request: web.Request, viewer: Viewer | None, to: str = "") -> web.Response:
    here, after = request.app[HERE], _number(request, "after", query=True)
    uri = f"{here.origin}/t/{_number(request, 'id')}"
    async with request.app[ENGINE].connect() as conn:
        root = await post_store.get(conn, _number(request, "id"), viewer)
        if not root.is_root and await threads.is_emptied(conn, root.id):
            raise web.HTTPMovedPermanently(root.thread_uri)
        if not root.is_root or root.thread_uri != uri:
            raise NotFound
        if to and root.author_host not in (here.host, to):
            raise NotFound
        group = await group_store.get(conn, root.group_id)
        found = await threads.shown_uris(conn, root.id, after=after, limit=_CONTEXT_PAGE, to=to)
        total, digest = await threads.sum_up(conn, root.id, to=to)
    more = f"{uri}?after={found[-1][0]}" if len(found) == _CONTEXT_PAGE else None
    items: list[Json] = [post_uri for _, post_uri in found]
    if "after" in request.query:
        return document_response(documents.page(f"{uri}?after={after}", uri, items, next_uri=more))
    document = documents.collection(uri, items, total=total)
    if more is not None:
        del document["orderedItems"]
        document["first"] = documents.page(f"{uri}?after=0", uri, items, next_uri=more)
    return digested(
        request,
        {**document, "attributedTo": group.actor.uri, "audience": group.actor.uri},
        digest,
    )


async def get_activity(request: web.Request) -> web.Response:
    """A public activity of ours by its id (WIRE-B2)."""
    here = request.app[HERE]
    async with request.app[ENGINE].connect() as conn:
        body = await outbox.body_of(conn, f"{here.origin}/a/{request.match_info['id']}")
    if body is None:
        raise NotFound
    return web.Response(
        body=body.encode(),
        content_type="application/activity+json",
        headers={"Vary": "Accept, Signature"},
    )


async def get_message(request: web.Request) -> web.Response:
    """A message of ours, for its reader's server and nobody else (WIRE-Q1).

    Raises NotFound: for everybody else there is none.
    """
    asker = await who_asks(request)
    if asker is None:
        raise NotFound
    here = request.app[HERE]
    async with request.app[ENGINE].connect() as conn:
        uri = f"{here.origin}/m/{request.match_info['id']}"
        document, reader = await messages.document(conn, here, uri)
    if not same_origin(asker.uri, reader.uri):
        raise NotFound
    response = document_response(document)
    response.headers["Cache-Control"] = "private, no-store"
    return response


DOCUMENTS = {
    "/": get_instance,
    "/u/{name}": get_person,
    "/g/{name}": get_group,
    "/p/{id}": signed_only(get_post),
    "/t/{id}": signed_only(get_thread),
}
"""Addresses that are a page for a browser and a document for a server."""


def routes() -> list[web.RouteDef]:
    """Addresses that only servers use."""
    collections = [
        ("/g/{name}/moderators", get_moderators),
        *((f"{path}/followers", get_followers) for path in _ACTORS),
        *((f"{path}/outbox", get_outbox) for path in _ACTORS),
        ("/g/{name}/featured", get_featured),
        ("/g/{name}/following", get_following),
        ("/p/{id}/replies", get_replies),
        ("/a/{id}", get_activity),
    ]
    return [
        *(web.post(f"{path}/inbox", post_inbox) for path in _ACTORS),
        web.get("/desk/{name}", get_desk),
        web.get("/m/{id}", get_message),
        web.get("/g/{name}/followers/sync", get_followers_here),
        *(web.get(path, signed_only(handler)) for path, handler in collections),
    ]
