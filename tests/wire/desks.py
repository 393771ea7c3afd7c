"""Another program with a desk, that a test lets behave well or badly."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import keys, proofs
from activitypub.actors import Actor
from kernel.clock import to_minute
from kernel.schema.tables import received as received_table
from kernel.schema.tables import signal_sources
from moderation import pact_making, pacts
from moderation.pact_terms import CONTEXT, Flow, Paper, Party, Wishes, midnight
from moderation.pacts import Pact
from moderation.signals import chain, received, sources, vocabulary
from tests.nodes import Node, settle
from tests.peer import Document, Peer, Person

ADVICE = frozenset({Flow.ADVICE})
WISHES = Wishes(sends=ADVICE, takes=ADVICE)


class Other:
    """Another program with a desk: it makes pacts and gives out a dataset, well or badly."""

    def __init__(self, peer: Peer, alder: Node) -> None:
        self.peer, self.alder = peer, alder
        self.desk: Person = peer.person("node", kind="Service", path="desk")
        self.desk.extra = {"assertionMethod": [self.desk.multikey()]}
        peer.show(self.desk.document())
        self.url = f"{peer.origin}/datasets/1"
        self.said: list[Document] = []

    async def our_desk(self) -> Actor:
        async with self.alder.engine.connect() as conn:
            return await pacts.our_desk(conn, self.alder.here)

    def prove(self, document: Document, pair: keys.KeyPair | None = None) -> Document:
        method = keys.ed25519_id(self.desk.uri)
        key = (pair or self.desk.keys).ed25519
        return proofs.add(document, key, method, midnight(self.alder.clock().date()))

    def second_desk(self) -> Person:
        """Another actor there that says it is a desk, with a key of its own."""
        found = self.peer.person("second", kind="Service", path="desk")
        found.extra = {"assertionMethod": [found.multikey()]}
        self.peer.show(found.document())
        return found

    async def paper(self, number: int = 1, *, by: Person | None = None, **changes: Any) -> Paper:
        """A pact that it offers."""
        desk, signer = await self.our_desk(), by or self.desk
        theirs = Party(
            desk=signer.uri,
            key=signer.keys.ed25519_multibase,
            sends=ADVICE,
            takes=ADVICE,
            dataset=self.url,
        )
        values: dict[str, Any] = {
            "uri": f"{self.peer.origin}/pacts/{number}",
            "nonce": "0" * 32,
            "parties": (theirs, Party(desk=desk.uri, key=desk.ed25519 or "")),
            "offered": self.alder.clock().date(),
            **changes,
        }
        return Paper(**values)

    async def offer(
        self, paper: Paper, *, by: Person | None = None, pair: keys.KeyPair | None = None
    ) -> None:
        signer = by or self.desk
        document = paper.signed(
            (pair or signer.keys).ed25519,
            keys.ed25519_id(signer.uri),
            signer.uri,
            self.alder.clock().date(),
        )
        await self.tell("Offer", document, by=signer)

    async def tell(self, kind: str, about: Any, *, by: Person | None = None, **extra: Any) -> None:
        to = f"{self.alder.origin}/desk/node"
        signer = by or self.desk
        activity = self.peer.activity(
            kind, signer, about, **{"@context": CONTEXT, "to": [to], **extra}
        )
        assert await self.peer.send(self.alder, activity, signer) == 202
        await settle(self.alder)

    async def pact(self) -> Pact:
        async with self.alder.engine.connect() as conn:
            return await pacts.one(conn, self.peer.name)

    async def agree(self) -> None:
        await self.offer(await self.paper())
        async with self.alder.engine.begin() as conn:
            await self.say_yes(conn)
        self.show()
        await settle(self.alder)
        assert (await self.pact()).made

    async def say_yes(self, conn: AsyncConnection) -> None:
        """Our administrator, to the offer that waits."""
        pact = await pacts.one(conn, self.peer.name)
        assert pact.theirs is not None
        await pact_making.accept(conn, self.alder.here, self.peer.name, WISHES, pact.theirs.uri)

    def say(self, key: str, **members: Any) -> Document:
        """One more change, chained to the last one."""
        at = self.head()
        change = {
            "@context": vocabulary.CONTEXT,
            "id": f"{self.url}/changes/0198c200-0000-7000-8000-{at.seq + 1:012}",
            "type": "Recommendation",
            "entityKind": "domain",
            "entityKey": key,
            "recommendedPolicy": "filter",
            "endTime": (self.alder.clock() + timedelta(days=20)).strftime("%Y-%m-%dT00:00:00Z"),
            "prev": at.link,
            "seq": at.seq + 1,
            **members,
        }
        self.said.append(self.prove(change))
        return self.said[-1]

    def head(self) -> chain.Head:
        at = chain.genesis(self.url)
        for change in self.said:
            at = chain.Head(at.seq + 1, chain.link(at.link, chain.body_hash(change)))
        return at

    def show(self, *, head: chain.Head | None = None, items: list[Document] | None = None) -> None:
        """Let the dataset be what was said, or something that is not."""
        at = head or self.head()
        self.peer.show(
            self.prove(
                {
                    "@context": vocabulary.CONTEXT,
                    "id": self.url,
                    "type": "Dataset",
                    "head": {"seq": at.seq, "link": at.link},
                }
            )
        )
        found = self.said if items is None else items
        for since, first in [
            ("00000000-0000-7000-a000-000000000000", 0),
            *((change["id"].rpartition("/")[2], number + 1) for number, change in enumerate(found)),
        ]:
            path = f"/datasets/1/changes?since={since}"
            self.peer.shown[path] = {
                "@context": vocabulary.CONTEXT,
                "type": "OrderedCollectionPage",
                "orderedItems": found[first : first + 100],
            }

    async def read(self) -> list[str]:
        """What is held here once it was read again."""
        async with self.alder.engine.begin() as conn:
            await conn.execute(
                sa.update(signal_sources).values(due=to_minute(self.alder.clock()), attempts=0)
            )
        await settle(self.alder)
        async with self.alder.engine.connect() as conn:
            return sorted(it.entity_key for it in await received.listed(conn))

    async def aside(self) -> str:
        async with self.alder.engine.connect() as conn:
            (source,) = await sources.listed(conn)
            return source.quarantined

    async def refusals(self) -> list[str]:
        async with self.alder.engine.connect() as conn:
            found = await conn.scalars(
                sa.select(received_table.c.reason)
                .where(received_table.c.state == "refused")
                .order_by(received_table.c.id)
            )
            return list(found)
