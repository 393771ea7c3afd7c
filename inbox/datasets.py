"""What this node advises, for servers: datasets and labels in the shapes of FIRES (MOD-5.17).

Where only pact peers may read, they sign what they ask; everybody else finds nothing there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import jsontext
from activitypub.documents import ACTIVITY_JSON
from activitypub.state import ENGINE, HERE
from activitypub.vocab import Document
from inbox.readers import who_asks
from kernel.clock import iso
from kernel.errors import NotFound
from kernel.here import Here
from kernel.schema.pacts import Tier
from kernel.urls import origin_of
from moderation import labels, outcomes, pacts
from moderation.pact_terms import Flow, midnight
from moderation.signals import datasets, documents, heads, published
from moderation.signals.datasets import Dataset
from moderation.signals.documents import Pen
from moderation.signals.vocabulary import CONTEXT, OUTCOMES_CONTEXT

_Answer = Callable[[AsyncConnection, Here, Dataset, Pen], Awaitable[Document]]


def _response(document: Document, *, shared: bool) -> web.Response:
    """A document that may be kept for a minute where everybody may read it."""
    return web.Response(
        body=jsontext.dump(document),
        content_type=ACTIVITY_JSON,
        headers={
            "Vary": "Accept, Signature",
            "Cache-Control": "public, max-age=60" if shared else "private, no-store",
        },
    )


async def _readable(request: web.Request) -> Dataset:
    """The dataset, for whoever may read it. Raises NotFound: for all others there is none."""
    engine, here = request.app[ENGINE], request.app[HERE]
    async with engine.connect() as conn:
        dataset = await datasets.look(conn, here)
    if dataset is None or dataset.tier is Tier.NOBODY:
        raise NotFound
    if dataset.tier is Tier.PACTS:
        if "Signature" not in request.headers:
            raise NotFound
        asker = await who_asks(request)
        if asker is None:
            raise NotFound
        async with engine.connect() as conn:
            if not await pacts.may_read(conn, here, asker):
                raise NotFound
    return dataset


async def _for_asker(request: web.Request) -> Dataset:
    """What is said about people for the peer that asks (MOD-5.3).

    Raises NotFound: it asks for something else, may not read it, or says not who it is.
    """
    here = request.app[HERE]
    if "Signature" not in request.headers or (asker := await who_asks(request)) is None:
        raise NotFound
    dataset = datasets.for_peer(here, asker.host)
    if request.match_info["id"] != str(dataset.id):
        raise NotFound
    async with request.app[ENGINE].connect() as conn:
        everybody = await datasets.look(conn, here)
        if everybody is not None and everybody.tier is Tier.NOBODY:
            raise NotFound
        if not await pacts.may_read(conn, here, asker, frozenset({Flow.PEOPLE})):
            raise NotFound
    return dataset


async def _answer(request: web.Request, answer: _Answer) -> web.Response:
    engine, here = request.app[ENGINE], request.app[HERE]
    async with engine.connect() as conn:
        ours = await datasets.look(conn, here)
    is_ours = ours is not None and request.match_info["id"] == str(ours.id)
    dataset = await (_readable if is_ours else _for_asker)(request)
    async with engine.connect() as conn:
        pen = await Pen.take(conn, here, dataset)
        document = await answer(conn, here, dataset, pen)
    return _response(document, shared=dataset.tier is Tier.PUBLIC)


async def index(request: web.Request) -> web.Response:
    """GET /datasets: the one there is."""
    dataset, here = await _readable(request), request.app[HERE]
    document: Document = {
        "@context": CONTEXT,
        "id": f"{here.origin}/datasets",
        "type": "Collection",
        "totalItems": 1,
        "items": [dataset.url],
    }
    return _response(document, shared=dataset.tier is Tier.PUBLIC)


async def show(request: web.Request) -> web.Response:
    """GET /datasets/{id}: what it is, and its signed head."""
    return await _answer(request, documents.dataset_document)


async def changes(request: web.Request) -> web.Response:
    """GET /datasets/{id}/changes, or a page of them after `?since=`."""
    if "since" not in request.query:
        return await _answer(request, documents.changes_document)
    since = _uuid(request.query["since"])

    async def page(conn: AsyncConnection, here: Here, dataset: Dataset, pen: Pen) -> Document:
        return await documents.page_document(conn, here, dataset, pen, since)

    return await _answer(request, page)


async def change(request: web.Request) -> web.Response:
    """GET /datasets/{id}/changes/{change}."""
    change_id = _uuid(request.match_info["change"])

    async def find(conn: AsyncConnection, here: Here, dataset: Dataset, pen: Pen) -> Document:
        entry = await published.one(conn, change_id, dataset.host)
        return await asyncio.to_thread(pen.change, entry)

    return await _answer(request, find)


async def snapshot(request: web.Request) -> web.Response:
    """GET /datasets/{id}/snapshot: what counts now."""
    return await _answer(request, documents.snapshot_document)


async def heads_held(request: web.Request) -> web.Response:
    """GET /datasets/heads?of=: what an issuer signed of its head for us, for a peer that asks.

    `of` is the SHA-256 of a dataset's address in hex. Raises NotFound: it is not read here, or
    whoever asks is no peer who takes advice from us (MOD-5.5).
    """
    if "Signature" not in request.headers or (asker := await who_asks(request)) is None:
        raise NotFound
    async with request.app[ENGINE].connect() as conn:
        if not await pacts.may_read(conn, request.app[HERE], asker):
            raise NotFound
        found = await heads.held(conn, request.query.get("of", ""))
    if found is None:
        raise NotFound
    return _response(found, shared=False)


async def outcomes_of_asker(request: web.Request) -> web.Response:
    """GET /datasets/outcomes, `?page=` up to 10: what became of the advice of the peer that asks.

    Raises NotFound: whoever asks is no peer, or there is no such page (MOD-5.12).
    """
    if "Signature" not in request.headers or (asker := await who_asks(request)) is None:
        raise NotFound
    here, page = request.app[HERE], _PAGES.get(request.query.get("page", "1"))
    async with request.app[ENGINE].connect() as conn:
        if page is None or not await pacts.is_peer(conn, asker):
            raise NotFound
        found, more = await outcomes.of_origin(
            conn, origin_of(asker.uri), today=here.now().date(), page=page
        )
    url = f"{here.origin}/datasets/outcomes"
    following = {"next": f"{url}?page={page + 1}"} if more else {}
    document: Document = {
        "@context": OUTCOMES_CONTEXT,
        "id": f"{url}?page={page}",
        "type": "OrderedCollectionPage",
        "partOf": url,
        "orderedItems": [
            {
                "type": "Outcome",
                "object": each.change,
                "outcome": each.word,
                "published": iso(midnight(each.day)),
            }
            for each in found
        ],
        **following,
    }
    return _response(document, shared=False)


_PAGES: Final = {str(number): number for number in range(1, outcomes.PAGES + 1)}


async def label_index(request: web.Request) -> web.Response:
    """GET /labels: the words that posts and servers are labelled with."""
    here = request.app[HERE]
    document: Document = {
        "@context": CONTEXT,
        "id": f"{here.origin}/labels",
        "type": "OrderedCollection",
        "totalItems": len(labels.VOCABULARY),
        "orderedItems": [documents.label_document(here, label) for label in labels.VOCABULARY],
    }
    return _response(document, shared=True)


async def label(request: web.Request) -> web.Response:
    """GET /labels/{id}. Raises NotFound."""
    found = labels.BY_ID.get(request.match_info["id"])
    if found is None:
        raise NotFound
    document = documents.label_document(request.app[HERE], found)
    return _response({"@context": CONTEXT, **document}, shared=True)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound from error


def routes() -> list[web.RouteDef]:
    """Addresses that only servers use."""
    return [
        web.get("/datasets", index),
        web.get("/datasets/heads", heads_held),
        web.get("/datasets/outcomes", outcomes_of_asker),
        web.get("/datasets/{id}", show),
        web.get("/datasets/{id}/changes", changes),
        web.get("/datasets/{id}/changes/{change}", change),
        web.get("/datasets/{id}/snapshot", snapshot),
        web.get("/labels", label_index),
        web.get("/labels/{id}", label),
    ]
