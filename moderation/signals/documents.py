"""Our advice as it is served: a dataset in the shapes of FIRES, proven by the desk's key (MOD-5.3).

What is kept has no proofs: they are made here, by the key of today, whenever somebody reads.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import keys, proofs
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.vocab import Document
from kernel.clock import iso
from kernel.here import Here
from kernel.rows import at_most
from kernel.schema.tables import datasets as dataset_table
from kernel.schema.tables import signal_changes
from moderation import labels, pacts
from moderation.pact_terms import midnight
from moderation.signals import published
from moderation.signals.datasets import Dataset
from moderation.signals.published import FIRST, PAGE, Entry, change_url
from moderation.signals.vocabulary import CONTEXT, Change

MAX_SNAPSHOT: Final = 1_000
_EVERYTHING: Final = "What the people who run this node say of servers and of posts."
_PEOPLE: Final = "What the people who run this node say of people, for one peer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """Proves what is served: the desk's key as it is now."""

    desk: Actor
    pair: keys.KeyPair = field(repr=False)
    dataset: Dataset

    @classmethod
    async def take(cls, conn: AsyncConnection, here: Here, dataset: Dataset) -> Self:
        desk = await pacts.our_desk(conn, here)
        pair = await actor_store.signing_keys(conn, here, desk.id)
        return cls(desk=desk, pair=pair, dataset=dataset)

    def prove(self, document: Document, day: date) -> Document:
        """The document with its proof, which says no finer time than the day."""
        method = self.desk.ed25519_id or keys.ed25519_id(self.desk.uri)
        return proofs.add(document, self.pair.ed25519, method, midnight(day))

    def change(self, entry: Entry) -> Document:
        """A change as it is served; what was erased leaves its hash."""
        if entry.body:
            return self.prove(entry.body, entry.day)
        return self.prove(
            {
                "@context": CONTEXT,
                "id": change_url(self.dataset, entry.id),
                "type": Change.TOMBSTONE.value,
                "published": iso(midnight(entry.day)),
                "attributedTo": self.desk.uri,
                "bodyHash": entry.body_hash,
                "prev": entry.prev,
                "seq": entry.seq,
            },
            entry.day,
        )

    def changes(self, entries: Sequence[Entry]) -> list[Json]:
        """Many of them: call it in a thread."""
        return [self.change(entry) for entry in entries]


async def dataset_document(
    conn: AsyncConnection, here: Here, dataset: Dataset, pen: Pen
) -> Document:
    """The dataset with its signed head."""
    at, today = await published.head(conn, dataset), here.now().date()
    made = await conn.scalar(sa.select(dataset_table.c.day))
    return pen.prove(
        {
            "@context": CONTEXT,
            "id": dataset.url,
            "url": dataset.url,
            "type": "Dataset",
            "name": f"Advice of {here.host}",
            "summary": _PEOPLE if dataset.host else _EVERYTHING,
            "published": iso(midnight(made or today)),
            "updated": iso(midnight(today)),
            "attributedTo": pen.desk.uri,
            "endpoints": {
                "changes": f"{dataset.url}/changes",
                "snapshot": f"{dataset.url}/snapshot",
            },
            "head": {"seq": at.seq, "link": at.link},
        },
        today,
    )


async def total(conn: AsyncConnection, dataset: Dataset) -> int:
    """How many changes there are."""
    count: int | None = await conn.scalar(
        sa.select(sa.func.max(signal_changes.c.seq)).where(signal_changes.c.host == dataset.host)
    )
    return count or 0


async def changes_document(
    conn: AsyncConnection, here: Here, dataset: Dataset, pen: Pen
) -> Document:
    """Where the changes begin and end."""
    count, url = await total(conn, dataset), f"{dataset.url}/changes"
    border = await conn.scalar(
        sa.select(signal_changes.c.id).where(
            signal_changes.c.host == dataset.host,
            signal_changes.c.seq == (max(count - 1, 0) // PAGE) * PAGE,
        )
    )
    first = f"{url}?since={FIRST}"
    return pen.prove(
        {
            "@context": CONTEXT,
            "id": url,
            "type": "OrderedCollection",
            "dataset": dataset.url,
            "totalItems": count,
            "first": first,
            "last": f"{url}?since={border}" if border else first,
        },
        here.now().date(),
    )


async def page_document(
    conn: AsyncConnection, here: Here, dataset: Dataset, pen: Pen, since: UUID
) -> Document:
    """Up to 100 changes after one; `next` names the last of them, so nothing is left out.

    Raises NotFound: there is no such change.
    """
    found = await published.after(conn, since, PAGE + 1, dataset.host)
    shown, url = found[:PAGE], f"{dataset.url}/changes"
    more = {"next": f"{url}?since={shown[-1].id}"} if len(found) > PAGE else {}
    return pen.prove(
        {
            "@context": CONTEXT,
            "id": f"{url}?since={since}",
            "type": "OrderedCollectionPage",
            "partOf": url,
            "dataset": dataset.url,
            "totalItems": await total(conn, dataset),
            "orderedItems": await asyncio.to_thread(pen.changes, shown),
            **more,
        },
        here.now().date(),
    )


async def snapshot_document(
    conn: AsyncConnection, here: Here, dataset: Dataset, pen: Pen
) -> Document:
    """The newest change about each domain and post, up to a thousand, and where to go on.

    Where that is not all of them, it is from the beginning. One context and one proof are of them
    all; each has its own where it is served alone, and among the changes.
    """
    found = await _newest_of_all(conn, dataset, MAX_SNAPSHOT + 1)
    shown, whole = found[:MAX_SNAPSHOT], len(found) <= MAX_SNAPSHOT
    last = await conn.scalar(
        sa.select(signal_changes.c.id)
        .where(signal_changes.c.host == dataset.host)
        .order_by(signal_changes.c.seq.desc())
        .limit(at_most(1))
    )
    today = here.now().date()
    return pen.prove(
        {
            "@context": CONTEXT,
            "id": f"{dataset.url}/snapshot",
            "type": "Collection",
            "dataset": dataset.url,
            "totalItems": len(shown),
            "updated": iso(midnight(today)),
            "changes": f"{dataset.url}/changes?since={(whole and last) or FIRST}",
            "orderedItems": [_bare(entry.body) for entry in shown],
        },
        today,
    )


def _bare(body: Document) -> Json:
    return {name: value for name, value in body.items() if name != "@context"}


async def _newest_of_all(conn: AsyncConnection, dataset: Dataset, limit: int) -> Sequence[Entry]:
    """The newest change about each thing, in their order."""
    query = published.NEWEST.where(
        signal_changes.c.host == dataset.host, signal_changes.c.entity_key != ""
    ).limit(at_most(limit))
    return [Entry.of(row) for row in await conn.execute(query)]


def label_document(here: Here, label: labels.Label) -> dict[str, Any]:
    """A label as FIRES shows it."""
    uri = f"{here.origin}/labels/{label.id}"
    return {
        "id": uri,
        "type": "Label",
        "name": label.name,
        "summary": label.about,
        "url": uri,
        "context": f"{here.origin}/labels",
    }
