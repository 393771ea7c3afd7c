"""A real node that strange documents are sent to, over real HTTP, signed by somebody it knows."""

import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa

from activitypub import webfinger
from activitypub.client import Unreachable
from activitypub.state import REMOTE
from groups import groups, tending
from groups.groups import Group
from kernel.errors import Problem
from kernel.schema.federation import ReceivedState
from kernel.schema.tables import received
from tests.fuzzing.documents import CLUB, SHOWN, Trial
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer, Person
from tests.wire.world import said

ANSWERS = {202, 400, 401, 403, 413, 415, 429}
FETCHES = 42  # what one activity may cause, and what is renewed besides
_PAGES = ("/g/sleep", "/groups", "/u/kay")


@dataclass
class Watched:
    """The node, and what must stay true of it whatever comes."""

    alder: Node
    sleep_id: UUID
    good: Peer
    ann: Person
    club: Person
    log: list[logging.LogRecord]
    count: int = 0
    answers: Counter[int] = field(default_factory=Counter)

    async def take(self, trial: Trial) -> None:
        """Send it. Raises AssertionError: the node did what it must not."""
        self.count += 1
        self.good.fetched.clear()
        for uri, shown in zip(SHOWN, trial.shown, strict=False):
            self.good.shown[uri.removeprefix(self.good.origin)] = shown
        status = await self._send(trial.sent)
        self.answers[status] += 1
        assert status in ANSWERS, status
        await self._read()
        await settle(self.alder)
        assert len(self.good.fetched) <= FETCHES + 8 * len(SHOWN), self.good.fetched
        await self._is_well()
        self.alder.clock.forward(hours=1)  # what may be asked of one server in an hour is asked

    async def _send(self, document: object) -> int:
        actor = document.get("actor") if isinstance(document, dict) else None
        signer = self.club if actor == CLUB else self.ann
        body = document if isinstance(document, str) else json.dumps(document)
        return await self.good.send(self.alder, body.encode(), signer)

    async def _read(self) -> None:
        """Whatever stands there is read as an actor, as a post and as a name."""
        remote = self.alder.app[REMOTE]
        self.good.shown["/.well-known/webfinger"] = self.good.shown.get("/f/0", 404)
        for look in (
            remote.actor(SHOWN[0]),
            remote.note(SHOWN[1]),
            remote.is_gone(SHOWN[2]),
            webfinger.find(self.alder.here, remote, "@ann@good.test"),
        ):
            try:
                await look
            except (Problem, Unreachable):
                continue

    async def _is_well(self) -> None:
        """No error in the log, nothing parked, and a good activity has its effect."""
        bad = [each for each in self.log if each.levelno >= logging.ERROR or each.exc_info]
        assert not bad, bad[0].getMessage()
        async with self.alder.engine.connect() as conn:
            parked = await conn.scalar(
                sa.select(received.c.reason).where(received.c.state == ReceivedState.PARKED)
            )
        assert parked is None, parked
        if self.count % 10 == 0:
            async with self.alder.engine.begin() as conn:  # weeks go by, and groups left alone rest
                sleep = await groups.get(conn, self.sleep_id)
                await tending.note(conn, self.alder.here, sleep)
            note = self.good.note(
                self.ann, "still here", to=[PUBLIC, f"{self.alder.origin}/g/sleep"]
            )
            await said(self.alder, self.good, self.ann, note)
            assert await self.alder.post(note["id"]) is not None
            for path in _PAGES:
                assert (await self.alder.get(path, accept="text/html")).status == 200, path
                assert (await self.alder.get(path)).status < 500, path


async def watched(alder: Node, sleep: Group, good: Peer, log: list[logging.LogRecord]) -> Watched:
    """Ann, who follows the group, and her club, which Kay belongs to; a thread by her is there."""
    ann = good.person("ann")
    club = good.person("club", kind="Group", path="c", attributedTo=f"{CLUB}/moderators")
    await good.follow(alder, ann, sleep.actor.uri)
    await settle(alder)
    kay = await alder.persona("kay")
    await alder.join(kay, club.uri)
    await settle(alder)
    (follow,) = good.got("Follow")
    assert await good.send(alder, good.activity("Accept", club, follow), club) == 202
    root = good.show(
        {
            **good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri]),
            "id": f"{good.origin}/notes/root",
        }
    )
    await said(alder, good, ann, root)
    return Watched(alder, sleep.id, good, ann, club, log)
