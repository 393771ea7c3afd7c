"""The game of DESIGN-V1: every attack on a stolen dump, and what may come of it.

Lists of pairs are guessed at: account and persona, persona and persona; and the work of those who
report and who moderate, of which nobody may tell whose it is, with either. An attack leaks where it
tells true pairs from false ones better than chance (p by permuting members, corrected for all
attacks of all thefts); the dump leaks, too, where a trained attacker who has it beats one who has
the public pages alone by more than `ADDED` of AUC, and by more than chance, on members that neither
has seen.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kernel.schema.base import Side
from kernel.schema.tables import metadata
from members import drawers
from tests.privacy import attacks, odds, trained
from tests.privacy.attacks import Attack
from tests.privacy.dump import Dump, Value
from tests.privacy.odds import Floats, Game, Places, Verdict
from tests.privacy.traces import Owned, People, owned_rows
from tests.privacy.world import Persona, World

SURE = 0.001
ADDED = 0.03
SEED = 20260619
SLACK = 3.0  # spreads of chance: whose keys happen to lie beside whose is luck, in every half
ACTIVE = ("actors", "follows", "posts", "reactions")  # what names do when they do not moderate
FOR_WORK = ("accounts", "sessions")  # the account side, where work may show: who is, who is there
FALSE_PAIRS = 8  # shown to the trained attacker for each true one


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the pairs: where they stand among all, and a game on them alone."""

    places: Places
    game: Game


@dataclass(frozen=True, slots=True)
class Tried:
    """All attacks on one list of pairs, which pairs are true, and the game on part of them."""

    name: str
    attacks: Sequence[Attack]
    game: Game
    part: Callable[[set[int]], Part]  # by the members who take part


@dataclass(frozen=True, slots=True)
class Result:
    """What one attack came to."""

    attack: str
    pairs: int
    verdict: Verdict
    public: bool = False  # it had the public pages alone


@dataclass(frozen=True, slots=True)
class Fold:
    """The trained attacker on one half: with the public pages alone, and with everything."""

    true: int  # pairs to find
    public: Verdict
    whole: Verdict


@dataclass(frozen=True, slots=True)
class Added:
    """AUC of the trained attacker on one list of pairs, over all halves and thefts.

    Each half weighs as many true pairs as it has: of few, chance makes much. `spread` is how far
    chance alone takes it; `slack` how many of them are forgiven.
    """

    public: float
    whole: float
    spread: float
    slack: float

    @property
    def leaks(self) -> bool:
        return self.whole - self.public > ADDED + self.slack * self.spread


@dataclass(frozen=True)
class Report:
    """What all attacks came to, together."""

    results: Sequence[Result]
    trained: Mapping[str, Added] = field(default_factory=dict)

    @property
    def corrected(self) -> dict[str, float]:
        return odds.holm({each.attack: each.verdict.p for each in self.results if not each.public})

    @property
    def leaks(self) -> list[str]:
        """Attacks that are surely no luck, and lists of pairs to which the dump adds too much."""
        sure = [name for name, p in self.corrected.items() if p < SURE]
        return [*sure, *(name for name, added in self.trained.items() if added.leaks)]


def people_of_accounts(world: World) -> People:
    """By what a row or a line may name a member; sessions are known to the test alone."""
    found: dict[Value, int] = {}
    for number, resident in enumerate(world.residents):
        account_id = resident.member.account_id
        names = (account_id.bytes, str(account_id), account_id.hex)
        found |= dict.fromkeys([*names, resident.login, *resident.cookies], number)
        found |= dict.fromkeys(drawers.ids(resident.member.root), number)
    for session, number in world.sessions.items():
        found |= dict.fromkeys([session, session.hex()], number)
    found |= {stored: place.member for stored, place in world.places.items()}
    return found


def people_of(personas: Iterable[Persona]) -> People:
    """By what a row or a line may name a persona: its id, its address, its handle."""
    found: dict[Value, int] = {}
    for number, persona in enumerate(personas):
        actor = persona.actor
        names = (actor.id.bytes, str(actor.id), actor.id.hex, actor.uri, actor.handle)
        found |= dict.fromkeys(names, number)
    return found


def of_accounts(name: str) -> bool:
    """Whether rows may name an account: those of the account side, and those on no side."""
    return name not in metadata.tables or metadata.tables[name].info["side"] is not Side.PERSONA


def of_personas(name: str) -> bool:
    return name not in metadata.tables or metadata.tables[name].info["side"] is not Side.ACCOUNT


def account_sides(world: World, dump: Dump) -> dict[str, Owned]:
    """The tables that say something of members, each for itself.

    No thief can tell which account a session is of, so each table is a list of people of its own.
    """
    return owned_rows(dump, people_of_accounts(world), of_accounts)


def against_accounts(world: World, dump: Dump, label: str) -> Tried:
    """People of one account-side table, and personas; only those who stand in both count."""
    rows = account_sides(world, dump)[label]
    there = {who for who, _, _ in rows}
    personas = [persona for persona in world.personas if persona.member in there]
    theirs = owned_rows(dump, people_of(personas), of_personas)
    owners = [persona.member for persona in personas]
    return _against(dump, f"{label} and personas", {label: rows}, owners, theirs, [])


def works(world: World, dump: Dump) -> dict[str, Owned]:
    """Rows that somebody's reporting or moderating left, by whose work it is."""
    found: dict[str, Owned] = {}
    for name in filter(of_personas, dump.tables):
        rows = [
            (who, place, row)
            for place, row in enumerate(dump.tables[name].rows)
            for who in {world.deeds[each] for each in row if each in world.deeds}
        ]
        if rows:
            found[f"{name} by whom"] = rows
    return found


def against_work(world: World, dump: Dump, label: str) -> Tried:
    """People of one account-side table, and all that each member did as one who reports or decides.

    That the work is one member's is told to the thief, who could not know it.
    """
    rows, work = account_sides(world, dump)[label], works(world, dump)
    there = {who for who, _, _ in rows}
    workers = sorted({who for each in work.values() for who, _, _ in each} & there)
    again = {number: at for at, number in enumerate(workers)}
    theirs = {
        name: [(again[who], at, row) for who, at, row in each if who in again]
        for name, each in work.items()
    }
    return _against(dump, f"{label} and desk work", {label: rows}, workers, theirs, [])


def work_against_personas(world: World, dump: Dump) -> Tried:
    """All that each member did as one who reports or decides, and personas.

    Names of which everybody reads that they moderate are left out: their siblings are guessed at.
    That somebody moderates is told by what their work is; so who does has fewer names to guess at.
    """
    work = works(world, dump)
    workers = {who for each in work.values() for who, _, _ in each}
    names = [each for each in world.personas if each.member in workers and not each.moderates]
    theirs = owned_rows(dump, people_of(names), ACTIVE.__contains__)
    owners = [each.member for each in names]
    leading = {each.member for each in world.personas if each.moderates}
    return _against(dump, "desk work and personas", work, owners, theirs, leading)


def _against(
    dump: Dump,
    name: str,
    rows: Mapping[str, Owned],
    owners: Sequence[int],
    theirs: Mapping[str, Owned],
    apart: Collection[int],
) -> Tried:
    """Members by `rows` of theirs, and others that belong to the members `owners`.

    That members are among those `apart` is public.
    """
    staying = sorted({who for each in rows.values() for who, _, _ in each})
    place = {number: at for at, number in enumerate(staying)}
    whose = [place[owner] for owner in owners]
    found = attacks.account_attacks(
        dump,
        {label: [(place[who], at, row) for who, at, row in each] for label, each in rows.items()},
        theirs,
        members=len(staying),
        count=len(owners),
    )
    strata = [number in apart for number in staying]
    game = odds.account_game(whose, strata, dice())
    return Tried(name, found, game, _parts(staying, whose, strata))


def _parts(
    staying: Sequence[int], whose: Sequence[int], strata: Sequence[bool]
) -> Callable[[set[int]], Part]:
    """The game on some members: `whose` are places in `staying`."""

    def part(members: set[int]) -> Part:
        rows = [at for at, number in enumerate(staying) if number in members]
        columns = [at for at, owner in enumerate(whose) if staying[owner] in members]
        places = np.array(rows, int)[:, None] * len(whose) + np.array(columns, int)
        again = {row: at for at, row in enumerate(rows)}
        game = odds.account_game(
            [again[whose[at]] for at in columns], [strata[at] for at in rows], dice()
        )
        return Part(places.ravel(), game)

    return part


def against_siblings(world: World, dump: Dump) -> Tried:
    """Persona and persona, given what anybody can read: when each was made, and if it is closed."""
    count = len(world.personas)
    actors = world.dump.tables["actors"]
    shown = dict(
        zip(
            actors.column("id"),
            zip(actors.column("since"), actors.column("state"), strict=True),
            strict=True,
        )
    )
    strata = [shown[persona.actor.id.bytes] for persona in world.personas]
    owners = world.owners
    personas = owned_rows(dump, people_of(world.personas), of_personas)

    def part(members: set[int]) -> Part:
        rows = [at for at, owner in enumerate(owners) if owner in members]
        first, second = np.triu_indices(len(rows), 1)
        places = odds.pair_place(np.array(rows)[first], np.array(rows)[second], count)
        game = odds.sibling_game([owners[at] for at in rows], [strata[at] for at in rows], dice())
        return Part(places, game)

    return Tried(
        "siblings",
        attacks.sibling_attacks(dump, personas, count),
        odds.sibling_game(owners, strata, dice()),
        part,
    )


def dice() -> random.Random:
    return random.Random(SEED)


def lists(world: World, dump: Dump) -> Iterator[Tried]:
    """Every list of pairs a thief may guess at."""
    for label in account_sides(world, dump):
        yield against_accounts(world, dump, label)
        if world.deeds and label in FOR_WORK:
            yield against_work(world, dump, label)
    yield against_siblings(world, dump)
    if world.deeds:
        yield work_against_personas(world, dump)


def play(
    worlds: Sequence[World],
    *,
    slack: float = SLACK,
    halvings: int = 1,
    lists: Callable[[World, Dump], Iterator[Tried]] = lists,
) -> Report:
    """The whole game on every theft, on each of its lists of pairs; `slack`: see `Added`."""
    results: list[Result] = []
    guessed: dict[str, list[Fold]] = defaultdict(list)
    for world in worlds:
        for tried in lists(world, world.dump):
            found, folds = attack(tried, len(world.residents), halvings=halvings)
            results += (replace(each, attack=f"{world.name}: {each.attack}") for each in found)
            guessed[tried.name] += folds
    gains = {pairs: added(folds, slack) for pairs, folds in guessed.items() if folds}
    return Report(results, gains)


def added(folds: Sequence[Fold], slack: float) -> Added:
    """What the dump adds on one list of pairs, over all that the trained attacker tried."""

    def mean(values: Sequence[float]) -> float:
        return float(np.average(values, weights=[each.true for each in folds]))

    public = mean([each.public.auc for each in folds])
    whole = mean([each.whole.auc for each in folds])
    spread = mean([each.whole.spread for each in folds])  # one luck may run through all
    return Added(public, whole, spread, slack)


def attack(tried: Tried, members: int, *, halvings: int = 1) -> tuple[list[Result], list[Fold]]:
    """Every simple attack, and the trained one: taught on either half, tried on the other.

    Second: what the trained one came to; nothing where there are too few people for two halves.
    Each of `halvings` cuts the members in two anew: how one cut falls is luck too.
    """
    halves = list(_halves(tried, members, halvings))
    lessons = [_lesson(half) for half in halves]
    truth = [
        np.isin(lesson, half.places[half.game.true])
        for lesson, half in zip(lessons, halves, strict=True)
    ]
    features = np.empty((len(tried.attacks), sum(map(len, lessons))), np.uint8)
    results = []
    for number, each in enumerate(tried.attacks):
        ranks = odds.mid_ranks(each.scores())
        verdict = odds.judge(ranks, tried.game)
        results.append(
            Result(f"{tried.name}: {each.name}", tried.game.pairs, verdict, each.is_public)
        )
        if halves:
            features[number] = trained.binned(ranks)[np.concatenate(lessons)]
    folds: list[Fold] = []
    begin = 0
    for at, lesson in enumerate(lessons):
        seen = features[:, begin : begin + len(lesson)]
        begin += len(lesson)
        other = halves[at ^ 1]
        both = []
        for only, what in ((True, "public pages"), (False, "public pages and dump")):
            chosen = [n for n, each in enumerate(tried.attacks) if each.is_public or not only]
            verdict = _learn(tried, chosen, seen, truth[at], other)
            name = f"{tried.name}: trained on half {at + 1}, {what}"
            results.append(Result(name, other.game.pairs, verdict, public=only))
            both.append(verdict)
        folds.append(Fold(len(other.game.true), both[0], both[1]))
    return results, folds


def _halves(tried: Tried, members: int, halvings: int) -> Iterator[Part]:
    """Two that belong together follow each other."""
    luck = dice()
    for _ in range(halvings):
        order = luck.sample(range(members), members)
        both = [tried.part(set(order[: members // 2])), tried.part(set(order[members // 2 :]))]
        if all(0 < len(half.game.true) < half.game.pairs for half in both):
            yield from both


def _lesson(half: Part) -> Places:
    """Places of all true pairs of a half, and of some false ones."""
    false = np.setdiff1d(np.arange(half.game.pairs), half.game.true)
    some = np.random.default_rng(SEED).permutation(false)[: FALSE_PAIRS * len(half.game.true)]
    chosen: Places = half.places[np.concatenate([half.game.true, some])]
    return chosen


def _learn(
    tried: Tried, chosen: list[int], seen: trained.Bins, truth: trained.Truth, other: Part
) -> Verdict:
    """How well somebody taught on one half, with the attacks `chosen`, guesses at the other."""
    if not chosen:
        return Verdict(0.5, 1.0, 0.0)
    stumps = trained.train(seen[chosen], truth)
    score: Floats = np.zeros(other.game.pairs)
    for feature in {stump.feature for stump in stumps}:
        bins = trained.binned(odds.mid_ranks(tried.attacks[chosen[feature]].scores()))
        score += trained.guess(stumps, feature, bins[other.places])
    return odds.judge(odds.mid_ranks(score), other.game)
