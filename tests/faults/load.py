"""Servers that go on sending while a node is in trouble, and what they were answered."""

# ruff: noqa: ASYNC110  (other servers wait a little, too)

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

from groups.groups import Group
from tests.nodes import Node
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire.world import post

SENDERS = 6
PAUSE = 0.2  # seconds until a refused activity is sent again
PACE = 0.2  # and until the next one: a new thread takes the node longer than an answer


@dataclass
class Load:
    """New threads for a group, sent as other servers do: each until it is accepted."""

    node: Node
    group: Group
    peer: Peer
    authors: list[Person]
    accepted: list[str] = field(default_factory=list)  # ids of posts
    answers: Counter[int] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)  # answers that no sender could make sense of

    async def run(self, over: asyncio.Event) -> None:
        """Send until `over`; what is under way is then sent to its end."""
        async with asyncio.TaskGroup() as senders:
            for number in range(SENDERS):
                author = self.authors[number % len(self.authors)]
                senders.create_task(self._send_all(author, over))

    async def send_one(self) -> int:
        """A new thread by the first author, sent once; the answer's status."""
        return await self._send(self._thread(self.authors[0]), self.authors[0])

    async def _send_all(self, author: Person, over: asyncio.Event) -> None:
        while not over.is_set():
            note = self._thread(author)
            while await self._send(note, author) != 202:
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(PACE)

    def _thread(self, author: Person) -> Document:
        to = [PUBLIC, self.group.actor.uri]
        note = self.peer.note(author, "Are you there?", to=to, name="A thread")
        return self.peer.create(author, note)

    async def _send(self, create: Document, author: Person) -> int:
        answer = await post(self.node, json.dumps(create).encode(), author)
        self.answers[answer.status] += 1
        if answer.status == 202:
            self.accepted.append(create["object"]["id"])
        elif answer.status not in (503, 507) or not answer.headers.get("Retry-After"):
            self.odd.append(f"{answer.status} {answer.body[:200].decode(errors='replace')}")
        return answer.status
