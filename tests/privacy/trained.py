"""An attacker who learns: boosted stumps over what every simple attack says of a pair.

It is taught on half of the members, whose personas it knows, and guesses at the other half. Its
inputs are the simple attacks' own scores, so it covers every table and column that they do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.privacy.odds import Floats

Bins = npt.NDArray[np.uint8]
Truth = npt.NDArray[np.bool_]

ROUNDS = 40
RATE = 0.1
LEAST = 25.0  # pairs on either side of a stump; a true one weighs more than a false one
RIDGE = 4.0

# Shares of all pairs at which a score is cut: finest where the nearest and farthest pairs are.
_TAIL = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25)
EDGES = np.array([*_TAIL, 0.5, *(1 - each for each in reversed(_TAIL))])


@dataclass(frozen=True, slots=True)
class Stump:
    """One question: is attack number `feature`'s bin above `cut`? And what either answer adds."""

    feature: int
    cut: int
    low: float
    high: float


def binned(ranks: Floats) -> Bins:
    """Ranks among all pairs, as the coarse steps that stumps ask about."""
    return np.searchsorted(EDGES, ranks / (len(ranks) + 1)).astype(np.uint8)


def train(features: Bins, truth: Truth) -> list[Stump]:
    """Stumps that tell true pairs from false ones; `features` has a row per attack (LogitBoost).

    True and false pairs weigh the same in all.
    """
    count, bins = len(features), len(EDGES) + 1
    flat = (features + np.arange(count, dtype=np.int64)[:, None] * bins).ravel()
    weight = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum()) * len(truth)

    def sums(values: Floats) -> Floats:
        """Per attack and cut: the sum over the pairs at or below it."""
        totals = np.bincount(flat, np.tile(values, count), count * bins)
        return totals.reshape(count, bins).cumsum(axis=1)

    sizes, score = sums(weight), np.zeros(len(truth))
    stumps: list[Stump] = []
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-score))
        slope = weight * (truth - chance)
        bend = weight * chance * (1 - chance)
        slopes, bends = sums(slope), sums(bend)
        rest_slopes, rest_bends = slopes[:, -1:] - slopes, bends[:, -1:] - bends
        gain = slopes**2 / (bends + RIDGE) + rest_slopes**2 / (rest_bends + RIDGE)
        gain[(sizes < LEAST) | (sizes[:, -1:] - sizes < LEAST)] = -1
        feature, cut = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[feature, cut] < 0:
            break
        low = RATE * float(slopes[feature, cut] / (bends[feature, cut] + RIDGE))
        high = RATE * float(rest_slopes[feature, cut] / (rest_bends[feature, cut] + RIDGE))
        score += np.where(features[feature] <= cut, low, high)
        stumps.append(Stump(int(feature), int(cut), low, high))
    return stumps


def guess(stumps: Sequence[Stump], feature: int, bins: Bins) -> Floats:
    """What the stumps that ask `feature` add to each pair's score."""
    score = np.zeros(len(bins))
    for stump in stumps:
        if stump.feature == feature:
            score += np.where(bins <= stump.cut, stump.low, stump.high)
    return score
