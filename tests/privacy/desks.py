"""What people of the town report, and what comes of it: through the pages, as in life.

Those who moderate are members with names of their own, and nothing may tie them to their work. So
who did what is noted here: for every row that an act leaves, a value that stands in that row alone.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from activitypub import actors as actor_store
from groups import appointing, closing, stopping
from groups import groups as group_store
from groups.groups import Group
from groups.posts import Post
from kernel.errors import Conflict
from kernel.schema.care import CareState
from kernel.schema.cases import CaseState
from kernel.schema.messages import Why
from kernel.schema.moderation import AppealState, Level
from kernel.schema.node import Handover
from kernel.schema.tables import (
    actors,
    appeals,
    audit,
    care_cases,
    care_handovers,
    cases,
    metadata,
    posts,
    stops,
)
from moderation import impact
from moderation.care import handover
from moderation.impact import Seen
from moderation.policy import Policy
from node import keeping_away
from node.pages.session import MODERATOR, cookie_name
from tests.nodes import settle
from tests.pages import people as pages
from tests.pages.people import Browser
from tests.peer import Peer
from tests.peer import Person as Stranger
from tests.privacy.dump import Value
from tests.privacy.world import Persona, Town
from tests.wire.pacting import agree_with_peer, asks

OF_NODE: Final = 2  # the first members look after the whole node
IN_GROUP: Final = 2  # names that look after each group
ROLES: Final = frozenset({MODERATOR})
CUT_OFF: Final = "peer4.example"  # not talked with from some day on
AT_ONCE: Final = 3  # cases that somebody looks at in one sitting

# Of each table, what stands in one row alone: by it the rows that an act leaves are known.
MARKS: Final[Mapping[str, str]] = {
    "reports": "id",
    "cases": "holder",
    "case_notes": "sealed",
    "flags": "id",
    "asks_out": "id",
    "care_cases": "holder",
    "care_words": "sealed",
    "care_handovers": "sealed",
    "care_looks": "mark",
    "post_labels": "id",
    "audit": "salt",
    "audit_chain": "details",
    "audit_marks": "mark",
    "appeals": "answer",
}

_GROUPS_TASKS: Final = {
    "stay": 0.15, "note": 0.1, "nothing": 0.05, "supported": 0.05, "remove": 0.2, "ban": 0.1,
    "hold": 0.15, "hand": 0.05, "second": 0.05, "pass": 0.1,
}  # fmt: skip
_NODES_TASKS: Final = {"stay": 0.2, "note": 0.1, "nothing": 0.3, "remove": 0.2, "stop": 0.2}
_CARE_TASKS: Final = {
    "stay": 0.2, "note": 0.2, "hand-over": 0.2, "supported": 0.1, "not-needed": 0.1,
    "ask-help": 0.2,
}  # fmt: skip
_LABELS: Final = ("grief", "trauma-detail", "substance-use")
_ANSWERS: Final = {
    "note": "I read it twice.",
    "reason": "Please rest for a while.",
    "days": "30",
    "why_others": "I know them.",
    "told": "They said that they are at home.",
    "letter": "Adverts all day.",
    "with_post": "yes",
    "sure": "yes",
    "category": "report",
    "action": "review",
    "urgency": "routine",
    "rule": "No adverts",
}


@dataclass
class Desks:
    """The desks of the town's groups and of its node, and two servers that talk with them."""

    town: Town
    peers: Sequence[Peer]  # we have a pact with the first
    strangers: list[Stranger] = field(default_factory=list)
    looked_after: list[tuple[int, Group]] = field(default_factory=list)  # by whom
    deeds: dict[Value, int] = field(default_factory=dict)  # who left a row, by what is in `MARKS`
    done: Counter[str] = field(default_factory=Counter)  # what came of what people tried
    _heard: int = 0  # the newest decision that its person knows of

    # ---- How it begins

    async def found(self) -> None:
        """The node says what it may do; people elsewhere come into its groups."""
        node = self.town.stage.node
        await pages.settle(node)
        async with self.town.engine.begin() as conn:
            parts = tuple(handover.PARTS)
            may, to = Handover.MAY, "the night team"
            await handover.choose(conn, choice=may, to=to, when="a life is at risk", parts=parts)
        self.desk = await agree_with_peer(node, self.peers[0])
        for peer in self.peers:
            stranger = peer.person("kim")
            self.strangers.append(stranger)
            for group in self.town.groups[:-1]:
                await peer.follow(node, stranger, group.actor.uri)
        await settle(node)

    async def appoint(self) -> None:
        """Some names look after a group they are in from now on; each is of another member."""
        town, busy = self.town, set(range(OF_NODE)) | self.town.left
        for number, group in enumerate(town.groups):
            there = [each for each in town.personas if number in each.groups]
            town.dice.shuffle(there)
            for _ in range(IN_GROUP):
                persona = next((each for each in there if each.member not in busy), None)
                if persona is None:
                    break
                busy.add(persona.member)
                async with town.engine.begin() as conn:
                    whole = await group_store.get(conn, group.id)
                    await appointing.appoint(conn, town.here, whole, group.actor, persona.actor)
                persona.moderates = True
                self.looked_after.append((persona.member, group))

    def moderators(self) -> list[int]:
        """Members who look after something and are still there."""
        everybody = {*range(OF_NODE), *(number for number, _ in self.looked_after)}
        return sorted(everybody - self.town.left)

    # ---- What members do

    async def report(self, persona: Persona) -> None:
        """Tell moderators of a post in one of their groups, or of who wrote it."""
        if (post := self._post_of_others(persona)) is not None:
            author = next(each for each in self.town.personas if each.actor.id == post.author_id)
            of_person = self.town.dice.random() < 0.3
            at = f"/u/{author.actor.handle}" if of_person else f"/p/{post.id}"
            await self._tell(persona, at, self.town.dice.choice((Why.UNKIND, Why.PRESSURE)))

    async def worry(self, persona: Persona) -> None:
        """Tell moderators of somebody who may not be well."""
        if (post := self._post_of_others(persona)) is not None:
            await self._tell(persona, f"/p/{post.id}", Why.WORRIED)

    async def report_stranger(self, persona: Persona) -> None:
        """Tell moderators of a post of somebody elsewhere, in one of their groups."""
        groups = [self.town.groups[number].id for number in persona.groups]
        theirs = sa.and_(posts.c.group_id.in_(groups), actors.c.host.in_(self._hosts))
        query = sa.select(posts.c.id).join(actors, actors.c.id == posts.c.author_id).where(theirs)
        async with self.town.engine.connect() as conn:
            found = list(await conn.scalars(query.order_by(posts.c.id.desc()).limit(2)))
        if found:
            await self._tell(persona, f"/p/{self.town.dice.choice(found)}", Why.ELSE)

    async def _tell(self, persona: Persona, of: str, why: Why) -> None:
        browser = await self._browser(persona.member)
        async with self._noting(persona.member):
            await self._send(browser, f"{of}/report", "report", why=why, words="Please look.")

    async def appeal(self, persona: Persona) -> None:
        """Read what was decided about a name, and ask for a second look."""
        browser = await self._browser(persona.member)
        await browser.open(f"/personas/{persona.actor.handle}/decisions")
        about = sa.select(audit.c.id).where(audit.c.person_id == persona.actor.id)
        async with self.town.engine.connect() as conn:
            found = list(await conn.scalars(about.order_by(audit.c.id.desc()).limit(2)))
        for decision in found:
            words = "I meant something else. " * self.town.dice.randint(1, 20)
            await self._send(browser, f"/decisions/{decision}/appeal", "appeal", words=words)

    async def close_name(self, persona: Persona) -> None:
        """Give a name up; the worker's next round erases it."""
        town = self.town
        if persona.moderates:
            return
        async with town.engine.begin() as conn:
            await closing.begin(conn, town.here, persona.actor)
        persona.groups.clear()
        town.boxes = [each for each in town.boxes if each is not persona]
        self.done["close"] += 1

    # ---- What moderators do

    async def round(self, number: int) -> list[Persona]:
        """Somebody sees to everything that waits for them; whom something was decided about."""
        browser = await self._browser(number)
        async with self._noting(number):
            if number < OF_NODE:
                await self._queue(browser, None, "/moderation", _NODES_TASKS)
                await self._answer(browser, None, "/settings/node/appeals")
                await self._let_go_on(browser)
            for member, group in self.looked_after:
                if member == number:
                    desk = f"/g/{group.actor.handle}/desk"
                    await self._queue(browser, group, f"{desk}/cases", _GROUPS_TASKS)
                    await self._answer(browser, group, f"{desk}/appeals")
                    await self._decide(browser, group, desk)
            await self._care(browser)
        return await self._news()

    async def _queue(
        self, browser: Browser, group: Group | None, path: str, tasks: Mapping[str, float]
    ) -> None:
        await browser.open(path)
        waits = sa.and_(
            cases.c.state.in_((CaseState.OPEN, CaseState.SECOND)),
            cases.c.group_id.is_(None) if group is None else cases.c.group_id == group.id,
        )
        query = sa.select(cases.c.id, posts.c.author_id).outerjoin(
            posts, posts.c.id == cases.c.post_id
        )
        async with self.town.engine.connect() as conn:
            rows = (await conn.execute(query.where(waits).order_by(cases.c.id))).all()
        ours = {None, *(each.actor.id for each in self.town.personas)}
        for case_id, author in sorted(rows, key=lambda row: row[1] in ours)[:AT_ONCE]:
            at = f"{path}/{case_id}"
            if await self._send(browser, f"{at}/claim", "claim") != 303:
                continue
            await browser.open(at)
            if author not in ours:
                await self._send(browser, f"{at}/tell", "tell", **_ANSWERS)
            await self._one_of(browser, at, tasks)

    async def _one_of(self, browser: Browser, at: str, tasks: Mapping[str, float]) -> None:
        (task,) = self.town.dice.choices(list(tasks), list(tasks.values()))
        if task != "stay":
            await self._send(browser, f"{at}/{task}", task, **_ANSWERS)

    async def _answer(self, browser: Browser, group: Group | None, path: str) -> None:
        """Give somebody the second look that they asked for."""
        theirs = appeals.c.group_id.is_(None) if group is None else appeals.c.group_id == group.id
        query = sa.select(appeals.c.decision_id).where(theirs, appeals.c.state == AppealState.OPEN)
        async with self.town.engine.connect() as conn:
            found = list(await conn.scalars(query.order_by(appeals.c.decision_id).limit(2)))
        for decision in found:
            outcome = self.town.dice.choice(("keep", "change"))
            await self._send(
                browser, path, "answer", decision=str(decision), outcome=outcome, words="We see."
            )

    async def _decide(self, browser: Browser, group: Group, desk: str) -> None:
        """What is done without a report: a label, a limit, care for a thread after a bad day."""
        dice, town = self.town.dice, self.town
        led = {each.actor.id for each in town.personas if each.moderates}
        here = [each for each in town.posts if each.group_id == group.id]
        here = [each for each in here if each.author_id in self._speaking() - led]
        if not here or dice.random() < 0.4:
            return
        act = dice.choice(("label", "label", "limit", "limit", "begin"))
        post = dice.choice(here)
        if act == "label":
            label, at = dice.choice(_LABELS), f"/p/{post.id}/labels"
            await self._send(browser, at, act, label=label, effect="warn", reason="", days="")
        elif act == "limit":
            person = str(post.author_id)
            await self._send(
                browser, f"{desk}/person", act, act=act, person=person, days="30", reason="Rest."
            )
        else:
            await self._send(browser, f"/t/{post.thread_id}/after", act, act=act)

    async def _let_go_on(self, browser: Browser) -> None:
        async with self.town.engine.connect() as conn:
            found = await conn.scalar(sa.select(stops.c.actor_id).order_by(stops.c.actor_id))
        if found is not None and self.town.dice.random() < 0.3:
            await self._send(browser, "/settings/node/stopped", "go on", person=str(found))

    async def _care(self, browser: Browser) -> None:
        page = await browser.open("/moderation/care")
        self.done[f"care desk {page.status}"] += 1
        if page.status != 200:
            return
        for form in page.page.forms:
            if form.action.endswith("/looked") and self.town.dice.random() < 0.5:
                answer = await browser.submit(page, form, fitting="yes")
                self.done[f"look {answer.status}"] += 1
        async with self.town.engine.connect() as conn:
            query = sa.select(care_cases.c.id).where(care_cases.c.state == CareState.OPEN)
            waits = list(await conn.scalars(query.order_by(care_cases.c.id)))
            asked = sa.select(care_handovers.c.case_id).where(care_handovers.c.agreed.is_(None))
            unsure = list(await conn.scalars(asked.order_by(care_handovers.c.case_id)))
        mine = [each for each in waits if f"/moderation/care/{each}" in page.html]
        for case_id in mine[:AT_ONCE]:
            at = f"/moderation/care/{case_id}"
            if await self._send(browser, f"{at}/claim", "look after") == 303:
                await self._one_of(browser, at, _CARE_TASKS)
        for case_id in unsure[:AT_ONCE]:
            task = self.town.dice.choice(("agree-help", "no-help"))
            await self._send(browser, f"/moderation/care/{case_id}/{task}", task)

    async def _news(self) -> list[Persona]:
        """Whom decisions since the last time are about, of those who live here."""
        query = sa.select(audit.c.id, audit.c.person_id).where(audit.c.id > self._heard)
        async with self.town.engine.connect() as conn:
            rows = (await conn.execute(query.order_by(audit.c.id))).all()
        self._heard = rows[-1].id if rows else self._heard
        told = {person for _, person in rows}
        return [each for each in self.town.personas if each.actor.id in told]

    async def stop(self) -> None:
        """The node stops a few names that look after nothing; most stay stopped until the end."""
        town = self.town
        there = [each for each in town.personas if each.groups and not each.moderates]
        for persona in town.dice.sample(there, 4):
            async with town.engine.begin() as conn:
                desk = await actor_store.by_uri(conn, f"{town.here.origin}/desk/node")
                person = await actor_store.get(conn, persona.actor.id)
                assert desk is not None
                with suppress(Conflict):  # somebody's report came to that already
                    await stopping.stop(conn, town.here, desk, person, "Please rest.")

    # ---- What comes from elsewhere

    async def hear(self) -> None:
        """One of the two servers says something, or asks for something; or somebody there does."""
        town, node, dice = self.town, self.town.stage.node, self.town.dice
        at = dice.randrange(len(self.peers))
        peer, stranger = self.peers[at], self.strangers[at]
        what = dice.choice(("flag", "flag", "ask", "ask", "block"))
        there = [each for each in town.posts if each.author_id in self._speaking()]
        if not there:
            return
        if what == "block":
            person = dice.choice([each for each in town.personas if each.groups]).actor.uri
            sent = await peer.send(node, peer.activity("Block", stranger, person), stranger)
        elif what == "ask":
            category, about = dice.choice(("report", "takedown")), dice.choice(there).uri
            document = asks(node, self.peers[0], self.desk, category, about)
            sent = await self.peers[0].send(node, document, self.desk)
        else:
            flag = peer.activity("Flag", stranger, [dice.choice(there).uri], content="Please look.")
            sent = await peer.send(node, flag, stranger)
        self.done[f"hear {what} {sent}"] += 1
        await settle(node)

    async def advertise(self) -> None:
        """Somebody on each of the two servers writes into the groups that federate."""
        node = self.town.stage.node
        for peer, stranger in zip(self.peers, self.strangers, strict=True):
            for group in self.town.groups[:-1]:
                note = peer.note(stranger, "Buy this.", to=["as:Public", group.actor.uri])
                sent = await peer.send(node, peer.create(stranger, note), stranger)
                self.done[f"hear note {sent}"] += 1
        await settle(node)

    def _speaking(self) -> set[UUID]:
        return {each.actor.id for each in self.town.personas if each.groups}

    async def cut_off(self) -> None:
        """The node does not talk with one of the servers any more, whatever that cuts."""
        engine, here, chosen = self.town.engine, self.town.here, Policy(Level.REJECT)
        async with engine.connect() as conn:
            shown = await impact.of(conn, here, [CUT_OFF], chosen.level)
        seen = Seen(shown.digest, looked=True)
        await keeping_away.decide(engine, here, CUT_OFF, chosen, seen=seen)

    # ---- How it is done

    async def _browser(self, number: int) -> Browser:
        """A member's own, signed in."""
        resident = self.town.residents[number]
        if resident.session_until < self.town.now:
            await self.town.log_in(number)
        cookies = {cookie_name(self.town.here): resident.cookies[-1]}
        return Browser(self.town.stage.node, cookies)

    async def _send(self, browser: Browser, path: str, what: str, **answers: str) -> int:
        """A form's answer. People are told no where it is about a name of theirs, or too late."""
        answer = await browser.send("POST", path, answers)
        self.done[f"{what} {answer.status}"] += 1
        assert answer.status in {200, 303, 400, 403, 404, 409, 429}, (path, answer.text)
        return answer.status

    def _post_of_others(self, persona: Persona) -> Post | None:
        """One of the newest posts in a group of theirs that another member wrote, if any."""
        town = self.town
        groups = {town.groups[number].id for number in persona.groups}
        names = {each.actor.id: each for each in town.personas if each.groups}
        there = [
            each
            for each in town.posts
            if each.group_id in groups
            and each.author_id in names
            and names[each.author_id].member != persona.member
        ]
        return town.dice.choice(there[-30:]) if there else None

    @property
    def _hosts(self) -> list[str]:
        return [each.name for each in self.peers]

    @asynccontextmanager
    async def _noting(self, number: int) -> AsyncIterator[None]:
        """What rows are there afterwards that were not there before, this member left."""
        before = await self._marks()
        yield
        for mark in await self._marks() - before:
            self.deeds[mark] = number

    async def _marks(self) -> set[bytes]:
        async with self.town.engine.connect() as conn:
            rows = await conn.scalars(_MARKED)
            return {each for each in rows if each is not None}


def _as_bytes(column: sa.Column[object]) -> sa.ColumnElement[bytes]:
    return sa.func.uuid_send(column) if isinstance(column.type, sa.Uuid) else column  # type: ignore[return-value]


_MARKED: Final = sa.union_all(
    *(sa.select(_as_bytes(metadata.tables[name].c[column])) for name, column in MARKS.items())
)
