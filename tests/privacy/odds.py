"""How sure a thief may be: ranks, permutations, and a correction for having tried a lot."""

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

ROUNDS = 500
_ENOUGH = 5  # so many permutations as extreme as the truth: their share is p


@dataclass(frozen=True, slots=True)
class Game:
    """All pairs a thief may guess at, as places 0…`pairs`-1: which of them are true.

    `shuffled` are the places that would be true had chance dealt the members out instead.
    """

    pairs: int
    true: Sequence[int]
    shuffled: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`auc`: how often a true pair looks closer than a false one; 0.5 is a coin's."""

    auc: float
    p: float


def account_game(owners: Sequence[int], members: int, dice: random.Random) -> Game:
    """Which account has which persona. Place: member times personas plus persona.

    A permutation hands the accounts out anew; personas that belong together stay together.
    """

    def places(deal: Sequence[int]) -> list[int]:
        return [deal[owner] * len(owners) + persona for persona, owner in enumerate(owners)]

    deals = [dice.sample(range(members), members) for _ in range(ROUNDS)]
    return Game(members * len(owners), places(range(members)), [places(deal) for deal in deals])


def sibling_game(owners: Sequence[int], strata: Sequence[Hashable], dice: random.Random) -> Game:
    """Which two personas are one member's. Place: see `pair_place`.

    A permutation exchanges personas of one stratum (the month each was made, which everybody can
    read), so what the public month gives away is not held against the dump.
    """
    count = len(owners)
    true = [(a, b) for a in range(count) for b in range(a + 1, count) if owners[a] == owners[b]]

    def places(deal: Sequence[int]) -> list[int]:
        return [pair_place(deal[a], deal[b], count) for a, b in true]

    groups: dict[Hashable, list[int]] = {}
    for persona, stratum in enumerate(strata):
        groups.setdefault(stratum, []).append(persona)
    shuffled = []
    for _ in range(ROUNDS):
        deal = [0] * count
        for group in groups.values():
            for persona, other in zip(group, dice.sample(group, len(group)), strict=True):
                deal[persona] = other
        shuffled.append(places(deal))
    return Game(count * (count - 1) // 2, places(range(count)), shuffled)


def pair_place(a: int, b: int, count: int) -> int:
    """Where the pair of two of `count` stands in `itertools.combinations` order."""
    a, b = min(a, b), max(a, b)
    return a * (2 * count - a - 1) // 2 + b - a - 1


def judge(scores: Sequence[float], game: Game) -> Verdict:
    """How well `scores` (by place; higher: rather a true pair) tell true pairs, in both directions.

    p comes from the permutations. Where hardly any reaches the truth, their tail is drawn on as a
    Pearson type III curve through their mean, spread and skewness.
    """
    ranks = mid_ranks(scores)
    true, false = len(game.true), game.pairs - len(game.true)

    def auc(places: Sequence[int]) -> float:
        return (sum(map(ranks.__getitem__, places)) - true * (true + 1) / 2) / (true * false)

    found = auc(game.true)
    chance = [auc(places) for places in game.shuffled]
    mean = math.fsum(chance) / len(chance)
    spread = math.sqrt(math.fsum((each - mean) ** 2 for each in chance) / len(chance))
    distance = found - mean
    if spread < 1e-12:
        return Verdict(found, 1.0 if abs(distance) < 1e-9 else 1 / (len(chance) + 1))
    extreme = sum(abs(each - mean) >= abs(distance) - 1e-12 for each in chance)
    if extreme >= _ENOUGH:
        return Verdict(found, (extreme + 1) / (len(chance) + 1))
    skew = math.fsum((each - mean) ** 3 for each in chance) / len(chance) / spread**3
    tail = _tail(abs(distance) / spread, math.copysign(skew, skew * distance))
    return Verdict(found, min(1.0, 2 * tail))


def mid_ranks(values: Sequence[float]) -> list[float]:
    """1 for the lowest; equal values share the middle of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + end + 1) / 2
        start = end
    return ranks


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Each p as if it were the only one tried (Holm 1979)."""
    corrected, worst = {}, 0.0
    for tried, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        worst = max(worst, min(1.0, p_values[name] * (len(p_values) - tried)))
        corrected[name] = worst
    return corrected


def _tail(z: float, skew: float) -> float:
    """The chance to lie `z` spreads or more above the mean; a skew to the left is not relied on."""
    if skew < 0.01:
        return math.erfc(z / math.sqrt(2)) / 2
    shape = 4 / skew**2
    return _upper_gamma(shape, shape + z * math.sqrt(shape))


def _upper_gamma(shape: float, x: float) -> float:
    """Q(shape, x), the upper regularised incomplete gamma function."""
    scale = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1:
        term = total = 1 / shape
        n = shape
        while term > total * 1e-15:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1 - scale * total)
    b = x + 1 - shape
    c, d = 1e300, 1 / b
    fraction = d
    for i in range(1, 10_000):
        a = -i * (i - shape)
        b += 2
        d = 1 / (a * d + b)
        c = b + a / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return scale * fraction
