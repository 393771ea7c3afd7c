"""Half a year in the town: who does what when, and when the thief comes.

What ties people's acts to one another is what does in life: somebody signs up, makes a first name
minutes later, joins a group with it, and often makes the next names in the same sitting. All else
(who posts, likes, comes back, leaves, and when) is drawn from one seeded source without a look at
the member.
"""

import itertools
import random
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from kernel.errors import NotAllowed, NotFound
from tests.peer import Peer
from tests.privacy.desks import OF_NODE, ROLES, Desks
from tests.privacy.dump import Dump, Table, steal
from tests.privacy.public import crawl
from tests.privacy.stage import Stage
from tests.privacy.world import KEYS, Persona, Town, World

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
EVENING = datetime(2026, 8, 29, 18, tzinfo=UTC)  # on which many sign up
LATE = 0.1  # of all members
MONTHS = (3, 9, 2, 5, 1, 4)  # how many come in March, April, …
ROUND = timedelta(minutes=1)  # of the worker, on the day before a theft;
EARLIER = timedelta(hours=6)  # at other times: what it does late is done by the theft
DAY = timedelta(days=1)
NOBODY = -1
_WORDS = re.compile(r"[\s=\"/]+")

Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Plan:
    """How large a game is: people, names each, and how often the thief comes before the end."""

    members: int
    personas: int = 3
    earlier_thefts: int = 0
    acts: float = 2.0  # posts of a persona on average; as many likes
    seed: int = 20260829
    moderated: bool = True  # whether people report, and somebody sees to it


class Story:
    """What happens when, drawn before anything happens; later acts may be added on the way."""

    def __init__(self, town: Town, desks: Desks, plan: Plan) -> None:
        self.town, self.desks, self.plan, self.dice = town, desks, plan, town.dice
        self.acts: list[tuple[datetime, int, int, Act]] = []
        self.thefts: list[datetime] = []  # when,
        self.stolen: list[World] = []  # and what
        self._count = itertools.count()
        self.refused = 0

    def at(self, moment: datetime, number: int, act: Act) -> None:
        """Let member `number` do something at that time, unless they have left by then."""
        self.acts.append((moment, next(self._count), number, act))

    def between(self, first: datetime, last: datetime) -> datetime:
        return first + self.dice.random() * (last - first)

    def write(self) -> None:
        """Everything that can be drawn beforehand."""
        town, members = self.town, self.plan.members
        late = round(members * LATE)
        months = self.dice.choices(range(3, 9), MONTHS, k=members - late)
        arrivals = sorted(
            datetime(2026, month, 2, 9, tzinfo=UTC)
            + timedelta(days=self.dice.randrange(26), hours=self.dice.uniform(0, 13))
            for month in months
        )
        arrivals += sorted(self.between(EVENING, EVENING + timedelta(hours=1)) for _ in range(late))
        for number, moment in enumerate(arrivals):
            self._sign_up(number, moment)
        early = list(range(members - late))
        for number in self.dice.sample(early[OF_NODE:], members // 30):
            first = arrivals[number] + timedelta(days=1)
            self.at(self.between(first, EVENING), number, partial(town.leave, number))
        for number, act in [
            *((number, town.log_in) for number in self.dice.choices(early, k=members)),
            *((number, town.like_dark) for number in self.dice.sample(early, members // 5)),
            *((number, town.change_password) for number in self.dice.sample(early, members // 15)),
        ]:
            self.at(self.between(arrivals[number], EVENING), number, partial(act, number))
        for _ in range(members // 2):
            self.at(self.between(START, EVENING), NOBODY, town.meet)
        for _ in range(members // 30):
            self.at(self.between(START + timedelta(days=60), EVENING), NOBODY, self._ban)
        for host in ("peer1.example", "peer3.example"):  # away for weeks, the second until the end
            first = START + timedelta(days=60 if host == "peer1.example" else 150)
            self.at(first, NOBODY, partial(self._set_down, host))
            self.at(first + timedelta(days=45), NOBODY, partial(self._set_up, host))
        self.at(EVENING - timedelta(days=5), NOBODY, self._ask)
        for days in (3, 6, 9):
            self.at(EVENING - timedelta(days=days), NOBODY, town.remember)
        for number in self.dice.sample(early, members // 2):
            self.at(
                self.between(arrivals[number], EVENING), number, partial(town.keep_draft, number)
            )
        self.at(EVENING, NOBODY, self._hesitate)
        if self.plan.moderated:
            self._moderate()
        for nth in range(self.plan.earlier_thefts):
            first = START + timedelta(days=60 + 45 * nth)
            self._expect(nth, self.between(first, first + timedelta(days=45)))
        last = self.between(EVENING + timedelta(minutes=40), EVENING + timedelta(minutes=70))
        self._expect(self.plan.earlier_thefts, last)

    def _expect(self, nth: int, theft: datetime) -> None:
        self.thefts.append(theft)
        self.at(theft, NOBODY, partial(self._steal, nth))

    def _moderate(self) -> None:
        """When those who look after others do, and when other servers ask them to."""
        desks, members = self.desks, self.plan.members
        began = START + timedelta(days=80)
        self.at(began, NOBODY, desks.appoint)
        lately = EVENING - timedelta(days=20)
        self.at(lately, NOBODY, self._trouble)
        self.at(lately - timedelta(days=5), NOBODY, desks.cut_off)
        self.at(EVENING - timedelta(hours=1), NOBODY, desks.stop)
        for moment in (lately, EVENING - timedelta(minutes=30)):
            self.at(moment, NOBODY, desks.advertise)
            self.at(moment + timedelta(minutes=10), NOBODY, self._spam)
        last = EVENING + timedelta(minutes=30)
        for first, rounds in (
            (began, members // 4),
            (lately, members // 2),
            (EVENING, members // 5),
        ):
            for _ in range(rounds):
                self.at(self.between(first, last), NOBODY, self._round)
        for first in (began, lately):
            for _ in range(members // 4):
                self.at(self.between(first, EVENING), NOBODY, desks.hear)

    async def _round(self) -> None:
        """One of the moderators has a look; some of those they decide about ask for another."""
        number = self.dice.choice(self.desks.moderators())
        for persona in await self.desks.round(number):
            if self.dice.random() < 0.6:
                moment = self.town.now + timedelta(days=self.dice.uniform(0, 4))
                self.at(moment, persona.member, partial(self.desks.appeal, persona))

    async def _spam(self) -> None:
        """Some report what was advertised."""
        there = [each for each in self.town.personas if each.groups]
        for persona in self.dice.sample(there, len(there) // 6):
            moment = self.between(self.town.now, self.town.now + timedelta(minutes=20))
            act = partial(self._if_in, self.desks.report_stranger, persona)
            self.at(moment, persona.member, act)

    async def _trouble(self) -> None:
        """The last weeks are not easy: there is more to report, and to be worried about."""
        there = [each for each in self.town.personas if each.groups]
        for act in (self.desks.report, self.desks.worry):
            for persona in self.dice.sample(there, len(there) // 3):
                moment = self.between(self.town.now, EVENING + timedelta(minutes=30))
                self.at(moment, persona.member, partial(self._if_in, act, persona))

    def _sign_up(self, number: int, moment: datetime) -> None:
        """Sign up, make the names, join a group with each soon after."""
        roles = ROLES if number < OF_NODE else frozenset()
        self.at(moment, number, partial(self.town.sign_up, number, roles=roles))
        when = moment
        for nth in range(self.plan.personas):
            soon = nth == 0 or self.dice.random() < 0.75
            step = timedelta(minutes=self.dice.uniform(1, 5))
            made = when + step if soon else self.between(moment, EVENING + timedelta(hours=1))
            when = made if soon else when
            self.at(made, number, partial(self._make, number, made))

    async def _make(self, number: int, made: datetime) -> None:
        """A name, and what it will do: a first group at once, all else at any time."""
        town, dice = self.town, self.dice
        persona = await town.make_persona(number)

        def soon(act: Callable[[Persona], Awaitable[None]]) -> None:
            self.at(made + timedelta(minutes=dice.uniform(0.2, 2)), number, partial(act, persona))

        def later(act: Callable[[Persona], Awaitable[None]]) -> None:
            """From the next month on, so that when they talk says no more than the public month."""
            first = datetime(made.year, made.month + 1, 1, tzinfo=UTC)
            if first < EVENING:
                self.at(self.between(first, EVENING), number, partial(self._if_in, act, persona))

        soon(town.join)
        if dice.random() < 0.5:
            soon(town.join_elsewhere)
        for _ in range(dice.choice((0, 0, 1, 2))):
            later(town.join)
        for act in (town.write, town.like):
            for _ in range(min(6, int(dice.expovariate(1 / self.plan.acts)))):
                later(act)
        for act, chance in (
            (town.edit, 0.2),
            (town.join_elsewhere, 0.3),
            (town.leave_group, 0.1),
            (town.found_group, 0.05),
            (town.open_box, 0.6),
            (town.write_to, 0.5),
            (town.write_to, 0.5),
            (town.write_to, 0.5),
            (self.desks.report, 0.2 * self.plan.moderated),
            (self.desks.worry, 0.1 * self.plan.moderated),
            (self.desks.close_name, 0.08),
            (town.check_in, 0.6),
            (town.check_in, 0.6),
        ):
            if dice.random() < chance:
                later(act)

    @staticmethod
    async def _if_in(act: Callable[[Persona], Awaitable[None]], persona: Persona) -> None:
        if persona.groups:
            await act(persona)

    async def _ban(self) -> None:
        bannable = [each for each in self.town.personas if each.groups]
        await self.town.ban(self.dice.choice(bannable))

    async def _ask(self) -> None:
        """Two polls that are open on the last evening, and who answers them until then."""
        there = [each for each in self.town.personas if each.groups]
        for asker in self.dice.sample(there, 2):
            await self.town.write(asker, asks=True)
        for persona in self.dice.sample(there, len(there) // 2):
            moment = self.between(self.town.now, EVENING)
            self.at(moment, persona.member, partial(self.town.vote, persona))

    async def _hesitate(self) -> None:
        """What many wrote on the last evening waits for the morning."""
        there = [each for each in self.town.personas if each.groups]
        for persona in self.dice.sample(there, len(there) // 3):
            moment = self.between(EVENING, EVENING + timedelta(minutes=40))
            self.at(moment, persona.member, partial(self.town.hesitate, persona))

    async def _set_down(self, host: str) -> None:
        self.town.down.add(host)

    async def _set_up(self, host: str) -> None:
        self.town.down.discard(host)

    async def play(self) -> list[World]:
        """Live through it; what the thief took, and the truth about it then.

        The worker comes after each act, but for the last before a theft.
        """
        town = self.town
        while self.acts:
            self.acts.sort()
            moment, _, number, act = self.acts.pop(0)
            stealing = isinstance(act, partial) and act.func == self._steal
            if not stealing:
                await town.work()
                near = any(timedelta() <= theft - moment <= DAY for theft in self.thefts)
                each = ROUND if near else EARLIER
                if (moment - START) // each != (town.now - START) // each:
                    await town.round()
            town.stage.wall.now = max(moment, town.now)
            if number not in town.left:
                try:
                    await act()
                except (
                    NotAllowed,
                    NotFound,
                ):  # a sibling is banned there; the name rests, or is gone
                    self.refused += 1
            if stealing and len(self.stolen) > self.plan.earlier_thefts:
                break
        return self.stolen

    async def _steal(self, nth: int) -> None:
        town = self.town
        dump = await steal(town.stage.url)
        dump = dump.replace(actors=dump.tables["actors"].without(*KEYS))
        handles = [each.actor.handle for each in town.personas]
        pages = await crawl(town.stage, handles, [post.uri for post in town.posts])
        lines = town.stage.log.getvalue().splitlines()
        more = {"log": _log(lines), "files": _files(town.stage.directory)}
        self.stolen.append(
            World(
                name=f"theft {nth + 1}",
                moment=town.now,
                dump=Dump({**dump.tables, **pages, **more}, dump.sequences),
                residents=list(town.residents),
                personas=list(town.personas),
                sessions=dict(town.sessions),
                opened=dict(town.opened),
                log=lines,
                places=await town.places(),
                deeds=dict(self.desks.deeds),
            )
        )


def _log(lines: list[str]) -> Table:
    """A row per word of each line, with the line's time: a word may be somebody's name."""

    def words() -> Iterator[tuple[float, str]]:
        for line in lines:
            time, _, rest = line.partition(" ")
            moment = datetime.fromisoformat(time.removeprefix("time=")).timestamp()
            yield from ((moment, word) for word in set(_WORDS.split(rest)) if word)

    return Table(("time", "word"), list(words()))


def _files(directory: Path) -> Table:
    """What lies beside the database, with its times."""
    rows = [
        (path.name, path.stat().st_mtime, path.stat().st_size)
        for path in sorted(directory.rglob("*"))
    ]
    return Table(("name", "changed", "size"), rows)


async def build(stage: Stage, plan: Plan, town: type[Town] = Town) -> list[World]:
    """Let half a year pass; the dumps that were stolen, the last on the busy evening."""
    stage.wall.now = START
    living = town(stage, random.Random(plan.seed))
    names = stage.node.names
    peers = [await Peer(each, names).start() for each in ("willow.test", "aspen.test")]
    try:
        async with living.listening():
            await living.found()
            desks = Desks(living, peers)
            await desks.found()
            story = Story(living, desks, plan)
            story.write()
            stolen = await story.play()
            assert story.refused < plan.members  # bans hold, and most are let do what they do
            return stolen
    finally:
        for peer in peers:
            await peer.stop()
