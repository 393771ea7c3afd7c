"""Some weeks of a community, played twice: two names of one member, or of two (SEC-U0).

Everybody does the same at the same moments in both. What others get to see of it is recorded: every
byte that goes to peers, to other members and to visitors, the log at INFO, and the database as a
thief reads it without keys.
"""

import io
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kernel import chance
from kernel.schema.tables import message_boxes, metadata, posts, waiting
from members import conversations, correspondents, sessions
from members.accounts import Prepared
from node import worker
from node.pages.session import cookie_name
from node.tidy import tidy
from tests.members import people
from tests.nodes import Node, Nodes
from tests.pages.people import Answer, Browser, Person, person
from tests.pages.people import settle as describe
from tests.peer import Peer
from tests.privacy import dump
from tests.privacy.masks import BY_ID, COLUMNS, masked

BEGINNING: Final = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
MEMBERS, PERSONAS = 20, 30
ONE, OTHER = "name_00", "name_01"  # of one member, or of two
READER: Final = "name_02"
CASE: Final = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}$")  # the end of a case's address
_HOURS: Final = (2, 5, 9, 15)  # between what people do


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a persona does, so many hours after the one before."""

    hours: int
    who: str
    what: str
    at: int  # which of the posts that are there


def script(days: int, seed: int = 11) -> list[Step]:
    """What happens; drawn without any knowledge of who is behind a name."""
    rng = random.Random(seed)
    names = [f"name_{number:02}" for number in range(PERSONAS)]
    steps, hours = [], 0
    while hours < days * 24:
        ahead = rng.choice(_HOURS)
        hours += ahead
        who = rng.choice([ONE, OTHER, rng.choice(names)])
        what = rng.choice(["start", "reply", "reply", "hear", "edit", "delete", "look"])
        steps.append(Step(ahead, who, what, rng.randrange(1_000)))
    return steps


@dataclass
class Twins:
    """One of the two worlds. `seen` is what others got of it, by where they got it."""

    node: Node
    peers: Sequence[Peer]
    members: Sequence["Member"]
    owners: Mapping[str, Person]
    log: io.StringIO
    moderator: Person
    posts: dict[str, list[str]] = field(default_factory=dict)  # paths of posts, by name
    seen: dict[str, list[str]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)  # how often each id and key was seen
    waited: int = 0  # posts that were seen before they were out

    @classmethod
    async def settle(
        cls, nodes: Nodes, peers: Sequence[Peer], log: io.StringIO, *, together: bool
    ) -> "Twins":
        """The community before anything happens: everybody has their names and is in the group.

        There are as many members, log-ins and names in both worlds: where `together`, the last
        member has no name.
        """
        nodes.clock.now = BEGINNING
        chance.install(random.Random(5))
        node = await nodes.start("alder.test", release_delay=True)
        await describe(node)
        moderator = await person(node, "moderator")
        group = await node.group("open", moderator.speaker, rules="Be kind.")
        members = [await _member(node, number) for number in range(MEMBERS)]
        owners = {}
        for number in range(PERSONAS):
            name = f"name_{number:02}"
            owner = members[_owner(number, together=together)]
            actor = await people.persona(node.engine, node.here, owner.prepared.member, name)
            owners[name] = Person(
                node=node, cookies=owner.cookies, prepared=owner.prepared, actor=actor
            )
        twins = cls(node, peers, members, owners, log, moderator)
        for name in owners:
            await twins._send(name, "/g/open/join", "/join")
        for peer in peers:
            fan = peer.person("fan")
            await peer.follow(node, fan, group.actor.uri)
        await twins.rest()
        return twins

    async def play(self, steps: Sequence[Step]) -> None:
        """Everything of the script, and what others look at meanwhile."""
        await self.log_in()
        for number, step in enumerate(steps):
            self.node.clock.forward(hours=step.hours, minutes=number % 7)
            await self._do(step)
            await self.rest()
            if number % 12 == 0:
                await self.look(f"{number:03}")

    async def log_in(self) -> None:
        """Everybody signs in anew, before the sessions they have come to their end."""
        everybody: list[Member | Person] = [*self.members, self.moderator]
        for member in everybody:
            cookie = await sessions.open(self.node.engine, self.node.here, member.prepared.member)
            member.cookies[cookie_name(self.node.here)] = cookie

    async def ban(self, name: str) -> None:
        """The moderators have had enough of a name."""
        person = str(self.owners[name].actor.id)
        at = await self.moderator.open(f"/g/open/desk/person?person={person}")
        answers = {"person": person, "act": "ban", "reason": "Please rest."}
        sent = await self.moderator.send("POST", "/g/open/desk/person", answers)
        assert (at.status, sent.status) == (200, 303), sent.text
        await self.rest()

    async def try_to_speak(self, name: str) -> int:
        """What a member is answered who starts a thread under a name."""
        at = await self.owners[name].open("/g/open/new")
        form = at.page.form("as", action="/new")
        answer = await self.owners[name].submit(at, form, title="Again", text="Am I heard?")
        return answer.status

    async def _do(self, step: Step) -> None:
        mine = self.posts.setdefault(step.who, [])
        every = [path for paths in self.posts.values() for path in paths]
        words = f"What {step.who} says, number {step.at}."
        if step.what == "look":
            await self.owners[step.who].open("/")
        elif step.what == "start" or not every:
            await self._send(step.who, "/g/open/new", "/new", title="A day", text=words)
            mine.append(await self._newest(step.who))
        elif step.what == "reply":
            path = f"{every[step.at % len(every)]}/reply"
            await self._send(step.who, path, "/reply", text=words)
            mine.append(await self._newest(step.who))
        elif step.what == "hear":
            if others := [path for path in every if path not in mine]:
                await self._send(step.who, f"{others[step.at % len(others)]}/heard", "/heard")
        elif mine:
            path = mine[step.at % len(mine)]
            if step.what == "edit":
                await self.owners[step.who].fill(f"{path}/edit", "/edit", text=f"{words} Edited.")
            else:
                mine.remove(path)
                await self.owners[step.who].fill(f"{path}/delete", "/delete")

    async def _send(self, name: str, path: str, action: str, **answers: str) -> Answer:
        """Fill in a form as one of a member's names."""
        who = self.owners[name]
        at = await who.open(path)
        form = at.page.form("as", action=action)
        if any(control == "as" for control, *_ in form.choices):
            answers["as"] = form.choice("as", name)
        if "guidelines" in form.names:
            answers["guidelines"] = form.choice("guidelines", "")
        sent = await who.submit(at, form, **answers)
        assert sent.status == 303, (name, path, sent.text)
        return sent

    async def _newest(self, name: str) -> str:
        """The path of what was just said, once it is out."""
        await self.rest()
        newest = sa.select(sa.func.max(posts.c.id)).where(
            posts.c.author_id == self.owners[name].actor.id
        )
        async with self.node.engine.connect() as conn:
            return f"/p/{await conn.scalar(newest)}"

    async def rest(self) -> None:
        """What the worker does: everything that waits goes out, in its time."""
        async with self.node.engine.connect() as conn:
            self.waited += await conn.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0
        self.node.clock.forward(minutes=6)
        while await worker.settle(self.node.app):
            pass
        await tidy(self.node.engine, self.node.here)

    async def converse(self) -> None:
        """Both names write to the reader, who said yes to them and looks at it."""
        reader = self.owners[READER]
        for name in (ONE, OTHER):
            actor = self.owners[name].actor
            async with self.node.engine.begin() as conn:
                for each in (actor.id, reader.actor.id):
                    box = insert(message_boxes).values(persona_id=each)
                    await conn.execute(box.on_conflict_do_nothing())
                await correspondents.accept(conn, self.node.here, actor.id, reader.actor.id)
                await correspondents.accept(conn, self.node.here, reader.actor.id, actor.id)
                here, other = self.node.here, reader.actor.id
                conversation = await conversations.open_with(conn, here, actor.id, other)
            path = f"/messages/{name}/{conversation}"
            await self._send(name, path, path, text=f"What {name} tells one.")
            await self.rest()
            self._note(
                f"message of {name}", await reader.open(f"/messages/{READER}/{conversation}")
            )
        for path in (f"/messages/{READER}", "/notices"):
            self._note(f"messages at {path}", await reader.open(path))

    async def tell(self, name: str) -> None:
        """Somebody reports a post, and is worried about who wrote another one."""
        for why, path in zip(("unkind", "worried"), self.posts[READER][-2:], strict=True):
            sent = await self.owners[name].fill(
                f"{path}/report", f"{path}/report", why=why, words="Please look."
            )
            assert sent.status == 200, sent.text
            await self.rest()

    async def decide(self) -> None:
        """A moderator sees to what was reported, and reads all that there is to it."""
        for queue in ("/g/open/desk/cases", "/moderation/care"):
            at = await self.moderator.open(queue)
            (case,) = {
                found for found in re.findall(r'href="([^"#]+)["#]', at.html) if CASE.search(found)
            }
            self._note(f"queue {queue}/desk", at)
            await self._act(f"{case}/claim")
            await self._act(f"{case}/note", note="I read it.")
            self._note(f"case of {queue}/desk", await self.moderator.open(case))
            await self._act(f"{case}/supported")
        self._note("log/desk", await self.moderator.open("/g/open/desk/log"))
        await self.rest()

    async def warn(self, *names: str) -> None:
        """The moderators have a word with some names."""
        for name in names:
            person = str(self.owners[name].actor.id)
            answers = {"person": person, "act": "warn", "reason": "Please be kind."}
            await self._act("/g/open/desk/person", **answers)
        await self.rest()

    async def appeal(self, name: str) -> None:
        """Somebody asks for a second look at what was decided about a name."""
        who = self.owners[name]
        at = await who.open(f"/personas/{name}/decisions")
        (decision,) = set(re.findall(r'href="(/decisions/\d+)"', at.html))
        sent = await who.fill(decision, f"{decision}/appeal", words="Please read it again.")
        assert sent.status == 303, sent.text
        await self.rest()

    async def _act(self, path: str, **answers: str) -> None:
        sent = await self.moderator.send("POST", path, answers)
        assert sent.status == 303, (path, sent.text)

    async def look(self, when: str) -> None:
        """Others look at everything that is to be seen; moderators are there, too."""
        here = await self.moderator.send("POST", "/g/open/desk/stay", {"here": "yes"})
        assert here.status == 303, here.text
        reader, visitor = self.owners[READER], Browser(self.node)
        threads = sorted({path for paths in self.posts.values() for path in paths})[-3:]
        people = [f"/u/{name}" for name in (ONE, OTHER)]
        for who, browser in (("reader", reader), ("visitor", visitor), ("desk", self.moderator)):
            paths = ["/", "/groups", "/g/open", *people, *threads]
            paths += [] if who == "visitor" else ["/notices"]
            paths += ["/g/open/desk"] if who == "desk" else []
            for path in paths:
                answer = await browser.open(path)
                self._note(f"{when} {who} {path}", answer)
        for path in [*people, *(f"{each}/outbox" for each in people), *threads, "/nodeinfo/2.1"]:
            answer = await visitor.open(path, Accept="application/activity+json")
            self._note(f"{when} server {path}", answer)

    def _note(self, where: str, answer: Answer) -> None:
        headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        body = answer.body.decode()
        text = self._masked(f"{answer.status}\n{headers}\n\n{body}")
        if where.endswith(BY_ID):  # each line of a list for itself
            self.seen[where] = sorted(text.replace("<li", "\n<li").splitlines())
        else:
            self.seen[where] = text.splitlines()

    def _masked(self, text: str) -> str:
        return masked(text, self.times)

    def _shown(self, column: str, value: dump.Value) -> str:
        """One value of the database, as far as it is not random."""
        if column in COLUMNS:
            return f"<{COLUMNS[column]}>"
        if isinstance(value, bytes):
            table, _, name = column.partition(".")
            kind = metadata.tables[table].c[name].type
            return (
                self._masked(str(UUID(bytes=value))) if isinstance(kind, sa.Uuid) else value.hex()
            )
        return self._masked(str(value))

    async def recording(self) -> Mapping[str, Sequence[str]]:
        """Everything that others got to see so far."""
        seen = dict(self.seen)
        for peer in self.peers:
            seen[f"posted to {peer.name}"] = [
                line
                for posted in peer.posted
                for line in (
                    posted.path,
                    *(self._masked(f"{name}: {value}") for name, value in posted.headers),
                    self._masked(posted.body.decode()),
                )
            ]
            seen[f"asked of {peer.name}"] = [
                self._masked(f"{path} {sorted(headers.items())}")
                for path, headers in zip(peer.fetched, peer.heard, strict=True)
            ]
        seen["log"] = self._masked(self.log.getvalue()).splitlines()
        stolen = await dump.steal(self.node.engine.url.render_as_string(hide_password=False))
        for name, table in stolen.tables.items():
            columns = [f"{name}.{column}" for column in table.columns]
            seen[f"table {name}"] = sorted(
                " ".join(map(self._shown, columns, row)) for row in table.rows
            )
        seen["how often each id and key is there"] = list(map(str, sorted(self.times.values())))
        seen["sequences"] = [f"{name} {value}" for name, value in sorted(stolen.sequences.items())]
        return seen


def _owner(number: int, *, together: bool) -> int:
    """Which member has a name: the first one has the first, and perhaps the second; the last one
    has the second or none; those between share the others."""
    if number < 2:
        return 0 if number == 0 or together else MEMBERS - 1
    return 1 + number % (MEMBERS - 2)


@dataclass(frozen=True, slots=True)
class Member:
    prepared: Prepared
    cookies: dict[str, str]


async def _member(node: Node, number: int) -> Member:
    """Somebody who has no name yet, signed in."""
    made = await people.sign_up(node.engine, node.here, f"member-{number:02}")
    cookie = await sessions.open(node.engine, node.here, made.member)
    return Member(made, {cookie_name(node.here): cookie})
