"""The game with a dump of every day (DESIGN-V1): what a thief learns who comes each evening.

A small town lives for a month; each night the worker does its nightly work. The thief ties rows of
one day to rows of the next by any eight bytes that they share, and so follows a row back and on:
when it came, when it changed, when it went. On the other side is what each persona did on which
day, which the dumps show, and public pages nearly so.
"""

import itertools
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Self

import numpy as np

from kernel.errors import NotAllowed
from members import veil
from tests.privacy import game, odds
from tests.privacy.dump import Dump, Row, Table, Value, seconds, steal
from tests.privacy.game import Report, Tried
from tests.privacy.odds import Places
from tests.privacy.stage import Stage
from tests.privacy.traces import WINDOW, owned_rows
from tests.privacy.windows import Windows
from tests.privacy.world import KEYS, Persona, Town, World

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = timedelta(days=1)
PATIENCE = 4.5  # spreads of chance that row orders of two days may agree or differ by
ACCOUNT_SIDE = tuple(table.name for table in veil.TABLES)
FOLLOWED = ("accounts", "sessions", "drawers")
PERSONA_SIDE = ("actors", "follows", "posts", "reactions")


@dataclass(frozen=True, slots=True)
class Month:
    """How large this game is; on the last day the worker leaves its nightly work out."""

    members: int = 20
    days: int = 30
    visits: float = 4.0  # of a member, on average
    seed: int = 20261126


@dataclass(frozen=True)
class Series:
    """A dump of each evening, and the truth about them; `unveiled` came after a night left out."""

    days: Sequence[World]
    unveiled: World


class Life:
    """Who does what on which day, drawn beforehand; most of it on days when they are there."""

    def __init__(self, town: Town, month: Month) -> None:
        self.town, self.month, self.dice = town, month, town.dice
        self.acts: list[tuple[datetime, int, Callable[[], Awaitable[None]]]] = []
        self._count = itertools.count()

    def at(self, moment: datetime, act: Callable[[], Awaitable[None]]) -> None:
        self.acts.append((moment, next(self._count), act))

    def write(self) -> None:
        """Members sign up in the order of their numbers and come back on days of their own."""
        dice, days = self.dice, self.month.days
        arrivals = sorted(
            START + timedelta(days=int(days * dice.random() ** 1.5), hours=dice.uniform(0, 10))
            for _ in range(self.month.members)
        )
        for number, moment in enumerate(arrivals):
            self.at(moment, partial(self.town.sign_up, number))
            self.at(moment + timedelta(minutes=3), partial(self._begin, number))
            second = moment if dice.random() < 0.7 else self._later(moment)
            self.at(second + timedelta(minutes=9), partial(self._begin, number))
            for _ in range(min(12, int(dice.expovariate(1 / self.month.visits)))):
                self.at(self._later(moment), partial(self._visit, number))

    def _later(self, moment: datetime) -> datetime:
        last = START + self.month.days * DAY - timedelta(hours=14)
        return moment + self.dice.random() * max(timedelta(hours=1), last - moment)

    async def _begin(self, number: int) -> None:
        await self.town.join(await self.town.make_persona(number))

    async def _visit(self, number: int) -> None:
        town, dice = self.town, self.dice
        mine = [each for each in town.personas if each.member == number and each.groups]
        if dice.random() < 0.6:
            await town.log_in(number)
        if dice.random() < 0.4:
            await town.like_dark(number)
        if dice.random() < 0.3:
            await town.keep_draft(number)
        if dice.random() < 0.1:
            await town.change_password(number)
        for act, chance in ((town.write, 0.7), (town.like, 0.4)):
            if mine and dice.random() < chance:
                with suppress(NotAllowed):
                    await act(dice.choice(mine))

    async def through(self, day: int) -> None:
        """A day: the worker's first round, then what people do, each act seen to by the worker."""
        town = self.town
        town.stage.wall.now = START + day * DAY
        await town.round()
        evening = START + day * DAY + timedelta(hours=14)
        for moment, _, act in sorted(self.acts, key=lambda each: each[:2]):
            if town.now - timedelta(hours=8) <= moment < evening or moment < town.now:
                town.stage.wall.now = max(moment, town.now)
                await act()
                await town.work()
        self.acts = [each for each in self.acts if each[0] >= evening]
        town.stage.wall.now = evening

    async def stolen(self, day: int) -> World:
        town = self.town
        dump = await steal(town.stage.url, *ACCOUNT_SIDE, *PERSONA_SIDE)
        return World(
            name=f"day {day + 1}",
            moment=town.now,
            dump=dump.replace(actors=dump.tables["actors"].without(*KEYS)),
            residents=list(town.residents),
            personas=list(town.personas),
            sessions=dict(town.sessions),
            opened=dict(town.opened),
            log=(),
            places=await town.places(),
        )


async def build(stage: Stage, month: Month) -> Series:
    """Let a month pass, and one more day after a night without the nightly work."""
    stage.wall.now = START
    town = Town(stage, random.Random(month.seed))
    async with town.listening():
        await town.found()
        life = Life(town, month)
        life.write()
        days = []
        for day in range(month.days):
            await life.through(day)
            days.append(await life.stolen(day))
        stage.wall.now += timedelta(hours=9)
        return Series(days, await life.stolen(month.days))


def kept_values(days: Sequence[World]) -> list[str]:
    """Columns of the account side in which a value stands that another day's dump has as well."""
    seen: dict[Value, int] = {}
    found = set()
    for day, world in enumerate(days):
        for name in ACCOUNT_SIDE:
            table = world.dump.tables[name].without("epoch")
            for column in table.columns:
                for value in table.column(column):
                    if value is not None and seen.setdefault(value, day) != day:
                        found.add(f"{name}.{column}")
    return sorted(found)


def order_agrees(days: Sequence[World], name: str) -> float:
    """How far row orders of each two days agree, in spreads of chance; we know which is which."""
    total, count = 0.0, 0
    for one, other in itertools.pairwise(days):
        before, after = _order(one, name), _order(other, name)
        both = sorted(before.keys() & after.keys())
        if len(both) < 4:
            continue
        ranks = [
            odds.mid_ranks(np.array([order[who] for who in both])) for order in (before, after)
        ]
        total += float(np.corrcoef(ranks[0], ranks[1])[0, 1]) * math.sqrt(len(both) - 1)
        count += 1
    return total / math.sqrt(count) if count else 0.0


def _order(world: World, name: str) -> dict[bytes, int]:
    """Where each row of a table lies, by what it is called for ever."""
    keys = _keys(world, world.dump.tables[name])
    return {key: at for at, key in enumerate(keys) if key}


Ties = Mapping[int, int]


def tied(before: Table, after: Table) -> Ties:
    """For rows of `after`: the row of `before` that it shares most bytes with, if any."""
    keys, rows = _bytes(before)
    later, theirs = _bytes(after)
    _, at, there = np.intersect1d(keys, later, return_indices=True)
    pairs = Counter(zip(theirs[there].tolist(), rows[at].tolist(), strict=True))
    best: dict[int, int] = {}
    for (row, earlier), _ in pairs.most_common():
        if row not in best and earlier not in best.values():
            best[row] = earlier
    return best


def _bytes(table: Table) -> tuple[Windows, Places]:
    """Eight bytes each, at any multiple of four: values of a column are all as long."""
    parts = []
    for at, row in enumerate(table.rows):
        for value in row:
            if isinstance(value, bytes) and len(value) >= WINDOW:
                for first in (0, WINDOW // 2):
                    count = (len(value) - first) // WINDOW
                    parts.append((np.frombuffer(value, np.uint64, count, first), at))
    keys = np.concatenate([np.empty(0, np.uint64), *(part for part, _ in parts)])
    rows = np.repeat([at for _, at in parts], [len(part) for part, _ in parts]).astype(np.int64)
    keys, first_at = np.unique(keys, return_index=True)
    return keys, rows[first_at]


@dataclass(frozen=True)
class Trails:
    """The rows of one table on each day, and what ties them to the days before and after."""

    name: str
    whens: Sequence[float]
    tables: Sequence[Table]
    back: Sequence[Ties]
    on: Sequence[Ties]

    @classmethod
    def of(cls, days: Sequence[World], name: str) -> Self:
        tables = [world.dump.tables[name].without("epoch") for world in days]
        ties = [tied(one, other) for one, other in itertools.pairwise(tables)]
        on: list[Ties] = [{old: new for new, old in each.items()} for each in ties]
        whens = [seconds(world.moment.date()) for world in days]
        return cls(name, whens, tables, [{}, *ties], [*on, {}])

    def seen_from(self, day: int) -> dict[str, Table]:
        """When each row of a day came and went (`…_followed`), when it changed (`…_changed`)."""
        here = self.tables[day]
        came: list[Row] = []
        changed: list[Row] = []
        for row, name in enumerate(here.column("id")):
            trail = [*_trail(row, day, self.back, -1)][::-1] + [*_trail(row, day, self.on, 1)][1:]
            came.append((name, self.whens[trail[0][0]], self.whens[trail[-1][0]]))
            changed += [
                (name, self.whens[later])
                for (earlier, old), (later, new) in itertools.pairwise(trail)
                if self.tables[earlier].rows[old] != self.tables[later].rows[new]
            ]
        return {
            f"{self.name}_followed": Table(("id", "first", "last"), came),
            f"{self.name}_changed": Table(("id", "day"), changed),
        }


def _trail(row: int, day: int, ties: Sequence[Ties], step: int) -> Iterator[tuple[int, int]]:
    """(day, row), as far as the ties lead."""
    while True:
        yield day, row
        if row not in ties[day]:
            return
        row, day = ties[day][row], day + step


def persona_days(days: Sequence[World], personas: Sequence[Persona]) -> Table:
    """On which days something new of each persona stood in the dumps."""
    people = game.people_of(personas)
    rows: list[Row] = []
    before: dict[str, set[Row]] = {}
    for world in days:
        owned = owned_rows(world.dump, people, game.of_personas)
        new = {
            who
            for label, theirs in owned.items()
            for who, _, row in theirs
            if row not in before.get(label, set())
        }
        before = {label: {row for _, _, row in theirs} for label, theirs in owned.items()}
        day = seconds(world.moment.date())
        rows += [(personas[who].actor.uri, day) for who in sorted(new)]
    return Table(("uri", "day"), rows)


def attacked(days: Sequence[World], moments: Sequence[int]) -> Iterator[World]:
    """What the thief makes of all dumps, seen from some of them, each as one dump for the game."""
    acts = persona_days(days, days[-1].personas)
    trails = [Trails.of(days, name) for name in FOLLOWED]
    for day in moments:
        tables = {"days_of_personas": acts}
        for each in trails:
            tables |= each.seen_from(day)
        yield replace(days[day], name=f"from {days[day].name}", dump=Dump(tables))


def lists(world: World, dump: Dump) -> Iterator[Tried]:
    """Accounts, sessions and drafts against personas. When names begin is public day by day."""
    for label in game.account_sides(world, dump):
        yield game.against_accounts(world, dump, label)


def play(days: Sequence[World], moments: Sequence[int], *, slack: float = game.SLACK) -> Report:
    """The game on what all dumps say together, seen from some of the days."""
    return game.play(list(attacked(days, moments)), slack=slack, lists=lists)


def with_a_stable_value(days: Sequence[World]) -> list[World]:
    """As if a few bytes of each account stayed for ever."""
    return [_with_more(world, "kept", lambda key: key[:12]) for world in days]


def with_an_order_that_stays(days: Sequence[World]) -> list[World]:
    """As if rows lay in the order of what they are called for ever."""
    sorted_days = []
    for world in days:
        tables = {}
        for name in FOLLOWED:
            table = world.dump.tables[name]
            order = sorted(range(len(table.rows)), key=_keys(world, table).__getitem__)
            tables[name] = Table(table.columns, [table.rows[at] for at in order])
        sorted_days.append(replace(world, dump=world.dump.replace(**tables)))
    return sorted_days


def _with_more(world: World, column: str, value: Callable[[bytes], bytes]) -> World:
    tables = {}
    for name in FOLLOWED:
        table = world.dump.tables[name]
        values = [value(key) if key else None for key in _keys(world, table)]
        tables[name] = table.with_column(column, values)
    return replace(world, dump=world.dump.replace(**tables))


def _keys(world: World, table: Table) -> list[bytes]:
    """What each row of a table is called for ever; nothing where the test does not know it."""
    return [
        world.places[value].key if isinstance(value, bytes) and value in world.places else b""
        for value in table.column("id")
    ]
