"""How sure a thief may be: ranks, permutations, and a correction for having tried a lot."""

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ROUNDS = 500
_ENOUGH = 5  # so many permutations as extreme as the truth: their share is p

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Game:
    """All pairs a thief may guess at, as places 0…`pairs`-1: which of them are true.

    `shuffled` holds, one permutation a row, the places that would be true had chance dealt the
    members out instead.
    """

    pairs: int
    true: Places
    shuffled: Places


@dataclass(frozen=True, slots=True)
class Verdict:
    """`auc`: how often a true pair looks closer than a false one; 0.5 is a coin's.

    `spread`: how far chance alone takes it.
    """

    auc: float
    p: float
    spread: float


def account_game(owners: Sequence[int], strata: Sequence[Hashable], dice: random.Random) -> Game:
    """Which account has which persona. Place: member times personas plus persona.

    A permutation hands the accounts of one stratum out anew (by member: what everybody can tell of
    them); personas that belong together stay together.
    """
    whose = np.array(owners, dtype=np.int64)
    places = _deals(strata, dice)[:, whose] * len(whose) + np.arange(len(whose))
    return Game(len(strata) * len(owners), places[0], places[1:])


def sibling_game(owners: Sequence[int], strata: Sequence[Hashable], dice: random.Random) -> Game:
    """Which two personas are one member's. Place: see `pair_place`.

    A permutation exchanges personas of one stratum (the month each was made, which everybody can
    read), so what the public month gives away is not held against the dump.
    """
    count = len(owners)
    whose = np.array(owners)
    first, second = np.triu_indices(count, 1)
    same = whose[first] == whose[second]
    first, second = first[same], second[same]
    deals = _deals(strata, dice)
    places = pair_place(deals[:, first], deals[:, second], count)
    return Game(count * (count - 1) // 2, places[0], places[1:])


def _deals(strata: Sequence[Hashable], dice: random.Random) -> Places:
    """Everybody's own place, and a row for each permutation: the places of others of a stratum."""
    groups: dict[Hashable, list[int]] = {}
    for place, stratum in enumerate(strata):
        groups.setdefault(stratum, []).append(place)
    deals: Places = np.tile(np.arange(len(strata)), (ROUNDS + 1, 1))
    for deal in deals[1:]:
        for group in groups.values():
            deal[group] = dice.sample(group, len(group))
    return deals


def pair_place(a: Places, b: Places, count: int) -> Places:
    """Where the pair of two of `count` stands in `itertools.combinations` order."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    places: Places = low * (2 * count - low - 1) // 2 + high - low - 1
    return places


def judge(ranks: Floats, game: Game) -> Verdict:
    """How well `ranks` (by place; higher: rather a true pair) tell true pairs, either way round.

    p comes from the permutations. Where hardly any reaches the truth, their tail is drawn on as a
    Pearson type III curve through their mean, spread and skewness.
    """
    true, false = len(game.true), game.pairs - len(game.true)
    if not true or not false:
        return Verdict(0.5, 1.0, 0.0)  # nothing to guess at

    def auc(sums: Floats) -> Floats:
        return (sums - true * (true + 1) / 2) / (true * false)

    found = float(auc(ranks[game.true].sum()))
    chance = auc(ranks[game.shuffled].sum(axis=1))
    mean, spread = float(chance.mean()), float(chance.std())
    distance = found - mean
    if spread < 1e-12:
        return Verdict(found, 1.0 if abs(distance) < 1e-9 else 1 / (len(chance) + 1), spread)
    extreme = int((np.abs(chance - mean) >= abs(distance) - 1e-12).sum())
    if extreme >= _ENOUGH:
        return Verdict(found, (extreme + 1) / (len(chance) + 1), spread)
    skew = float(((chance - mean) ** 3).mean()) / spread**3
    tail = _tail(abs(distance) / spread, math.copysign(skew, skew * distance))
    return Verdict(found, min(1.0, 2 * tail), spread)


def mid_ranks(values: Floats) -> Floats:
    """1 for the lowest; equal values share the middle of their ranks."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
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
