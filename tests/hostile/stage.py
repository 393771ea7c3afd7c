"""A node, a good server and a hostile one: where scenarios are played."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from activitypub import webfinger
from activitypub.client import Unreachable
from activitypub.state import REMOTE
from groups.posts import Post
from kernel.errors import Problem
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import metadata
from tests import peer as peers
from tests.hostile import answers
from tests.hostile.scenario import Facts, Scenario, document, filled
from tests.hostile.server import Reply, Server, answer
from tests.nodes import Node, settle
from tests.peer import Document, Peer, Person
from tests.wire.world import reacted

EVIL, TWIN = "http://evil.test", "http://twin.test"  # one server under two names
SECONDS = 20.0  # for one case, on a machine that does other things too
REQUESTS = 41  # that one case may cause: what one activity may, and the key
_REASONS = ("Malformed", "NotFound", "NotAllowed", "Gone", "Unproven", "TooMany", "Unreachable")

Rows = defaultdict[str, Counter[str]]


_ROWS = sa.text(
    " UNION ALL ".join(
        f"SELECT '{table.name}' AS name, t::text AS row FROM {table.name} t"
        for table in metadata.sorted_tables
        if table.name != "peers"
    )
)


async def rows(node: Node) -> Rows:
    """Every row of every table, but for what is known of servers."""
    found: Rows = defaultdict(Counter)
    async with node.engine.connect() as conn:
        for name, row in await conn.execute(_ROWS):
            found[name][row] += 1
    return found


@dataclass
class Case:
    """One play: what the hostile server answers now, and who is there."""

    node: Node
    good: Peer
    ann: Person
    root: Post
    inside: str
    facts: Facts
    number: int
    mallory: Person = field(init=False)
    club: Person = field(init=False)
    note: Document = field(init=False)
    given: Counter[str] = field(default_factory=Counter)
    statuses: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mallory = self._person(f"mallory{self.number}", "Person", "u")
        self.club = self._person(f"club{self.number}", "Group", "c")
        self.note = self.good.note(self.ann, f"What Ann wrote, {self.number}.")

    def _person(self, name: str, kind: str, path: str) -> Person:
        return Person(f"{EVIL}/{path}/{name}", name, self.good.person("unused").keys, kind)

    @property
    def words(self) -> dict[str, str]:
        """What the `{words}` of a scenario stand for."""
        common = {
            "evil": EVIL,
            "twin": TWIN,
            "good": self.good.origin,
            "alder": self.node.origin,
            "inside": self.inside,
            "mallory": self.mallory.uri,
            "club": self.club.uri,
            "ann": self.ann.uri,
            "note": str(self.note["id"]),
            "root": self.root.uri,
            "n": str(self.number),
            "pem": self.mallory.keys.public_pem,
            "ann_pem": self.ann.keys.public_pem,
            "public": peers.PUBLIC,
            "as2": peers.AS2,
        }
        own = {name: text for name, text in self.facts.items() if isinstance(text, str)}
        return {**common, **{name: str(filled(text, common)) for name, text in own.items()}}

    def reply(self, target: str) -> answers.Made:
        """What the hostile server says: the scenario's answers first, else it is quite polite."""
        found = [
            each
            for each in self.facts["answer"]
            if filled(each["at"], self.words).removeprefix(EVIL).removeprefix(TWIN) in (target, "*")
        ]
        if found:
            self.given[target] += 1
            return answers.made(found[min(self.given[target], len(found)) - 1], self.words)
        for person in (self.mallory, self.club):
            if target == person.uri.removeprefix(EVIL):
                return answer(json.dumps(person.document()).encode())
        if target.endswith("/inbox"):
            return answer(status="202 Accepted", kind="text/plain")
        return answer(status="404 Not Found", kind="text/plain")

    async def play(self) -> None:
        """Take every step; statuses and refusals are kept."""
        for step in self.facts["step"]:
            (kind,) = set(step) & set(self._steps())
            await self._steps()[kind](step)
        await settle(self.node)

    def _steps(self) -> dict[str, Callable[[Facts], Awaitable[None]]]:
        return {
            "send": self._send,
            "announce": self._announce,
            "actor": self._actor,
            "document": self._document,
            "find": self._find,
            "text": self._text,
        }

    async def _send(self, step: Facts) -> None:
        """Post a document, signed by Mallory unless it says by whom, or by nobody."""
        await self._post(json.dumps(document(step["send"], self.words)).encode(), step)

    async def _text(self, step: Facts) -> None:
        """Post exactly this, which may be no document at all."""
        await self._post(str(filled(step["text"], self.words)).encode(), step)

    async def _post(self, body: bytes, step: Facts) -> None:
        people = {"mallory": self.mallory, "ann": self.ann, "club": self.club, "nobody": None}
        key = filled(step["key"], self.words) if "key" in step else None
        sent = {name: str(filled(v, self.words)) for name, v in step.get("headers", {}).items()}
        signer = people[step.get("signer", "mallory")]
        status = await self.good.send(self.node, body, signer, key_id=key, headers=sent)
        self.statuses.append(status)
        await settle(self.node)

    async def _announce(self, step: Facts) -> None:
        """The hostile group passes something on."""
        announce = {
            "@context": [peers.AS2],
            "id": f"{self.club.uri}/announces/{len(self.statuses)}",
            "type": "Announce",
            "actor": self.club.uri,
            "to": [peers.PUBLIC],
            "cc": [],
            "object": document(step["announce"], self.words),
        }
        status = await self.good.send(self.node, announce, self.club)
        self.statuses.append(status)
        await settle(self.node)

    async def _actor(self, step: Facts) -> None:
        await self._try(self.node.app[REMOTE].actor(filled(step["actor"], self.words)))

    async def _document(self, step: Facts) -> None:
        await self._try(self.node.app[REMOTE].document(filled(step["document"], self.words)))

    async def _find(self, step: Facts) -> None:
        handle = filled(step["find"], self.words)
        await self._try(webfinger.find(self.node.here, self.node.app[REMOTE], handle))

    async def _try(self, look: Awaitable[object]) -> None:
        try:
            await look
        except (Problem, Unreachable) as error:
            self.failures.append(type(error).__name__)
        else:
            self.failures.append("")


@dataclass
class Stage:
    """What stays the same over the cases of a scenario."""

    node: Node
    good: Peer
    ann: Person
    root: Post
    inside: Server
    evil: Server
    scenario: Scenario

    async def all_hold(self) -> None:
        """Play every case. Raises AssertionError: something is true that must not be."""
        for number, facts in enumerate(self.scenario.cases):
            # `localhost` would be allowed here: inside is where no range is named.
            at = f"http://[::1]:{self.inside.port}"
            case = Case(self.node, self.good, self.ann, self.root, at, facts, number)
            self.evil.reply = _answering(case)
            if self.scenario.follows:
                await self._follow(case)
            await self._holds(case)

    async def _follow(self, case: Case) -> None:
        kay = await self.node.persona(f"kay{case.number}")
        await self.node.join(kay, case.club.uri)
        await settle(self.node)
        follow = next(
            found
            for heard in reversed(self.evil.heard)
            if heard.line.startswith("POST")
            for found in [json.loads(heard.body)]
            if found["type"] == "Follow"
        )
        accept = self.good.activity("Accept", case.club, follow)
        accept["id"] = f"{case.club.uri}/accept"
        assert await self.good.send(self.node, accept, case.club) == 202
        await settle(self.node)

    async def _holds(self, case: Case) -> None:
        must = case.facts["must"]
        before = await rows(self.node)
        self.evil.heard.clear()
        began = time.monotonic()
        async with asyncio.timeout(must.get("seconds", SECONDS)):
            await case.play()
        took = time.monotonic() - began
        what = f"{self.scenario.name}, case {case.number}"
        assert took < must.get("seconds", SECONDS), what
        self._answers(case, must, what)
        self._requests(case, must, what)
        _changes(before, await rows(self.node), must.get("new", {}), what)
        for words in must.get("nowhere", []):
            assert await self.node.mentions(filled(words, case.words)) == [], f"{what}: {words}"
        await self._post(case, must.get("post"), what)
        await self._lives_on(case, what)

    def _answers(self, case: Case, must: Facts, what: str) -> None:
        status = must.get("status", 202)
        allowed = status if isinstance(status, list) else [status]
        assert set(case.statuses) <= set(allowed), f"{what}: {case.statuses}"
        fails = must.get("fails", "")
        reasons = fails if isinstance(fails, list) else [fails]
        assert set(reasons) <= {"", *_REASONS}
        assert set(case.failures) <= set(reasons), f"{what}: {case.failures}"

    def _requests(self, case: Case, must: Facts, what: str) -> None:
        heard = [each.line.rsplit(" ", 1)[0] for each in self.evil.heard]
        heard = [line for line in heard if "nodeinfo" not in line]
        assert len(heard) <= must.get("requests_at_most", REQUESTS), f"{what}: {heard}"
        if "requests" in must:
            wanted = [filled(line, case.words).replace(EVIL, "") for line in must["requests"]]
            assert heard == wanted, what
        assert self.inside.connections == 0, what

    async def _post(self, case: Case, wanted: Facts | None, what: str) -> None:
        if wanted is None:
            return
        post = await self.node.post(filled(wanted["uri"], case.words))
        assert post is not None, what
        for name, value in wanted.items():
            shown = getattr(post, name)
            assert shown == filled(value, case.words) or (value == "" and not shown), (
                f"{what}: {name}"
            )

    async def _lives_on(self, case: Case, what: str) -> None:
        """The next good activity is dealt with as if nothing had been."""
        fan = self.good.person(f"fan{case.number}")
        like = self.good.activity("Like", fan, self.root.uri)
        assert await self.good.send(self.node, like, fan) == 202, what
        await settle(self.node)
        assert await reacted(self.node, self.root.uri, ReactionKind.LIKE) == case.number + 1, what


def _answering(case: Case) -> Reply:
    return lambda target: case.reply(target)


def _changes(before: Rows, after: Rows, new: dict[str, int], what: str) -> None:
    """What was there is there, unchanged; what came is what may come, and no more."""
    tables = sorted({*before, *after})
    lost = {name: before[name] - after[name] for name in tables}
    assert not any(lost.values()), f"{what}: {[name for name in lost if lost[name]]}"
    came = {name: (after[name] - before[name]).total() for name in tables}
    found = {name: number for name, number in came.items() if number}
    assert found == new, f"{what}: {found}"
