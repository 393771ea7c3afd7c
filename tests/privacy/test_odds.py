"""The arithmetic under the attacks: what it finds certain, and what it calls chance."""

import itertools
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from tests.privacy import odds


def test_equal_values_share_the_middle_of_their_ranks() -> None:
    assert odds.mid_ranks(np.array([3.0, 1, 3, 2])).tolist() == [3.5, 1, 3.5, 2]


def test_pairs_stand_where_combinations_puts_them() -> None:
    first, second = np.array(list(itertools.combinations(range(7), 2))).T
    for one, other in ((first, second), (second, first)):
        assert odds.pair_place(one, other, 7).tolist() == list(range(21))


def test_holm_grows_what_is_small_and_keeps_the_order() -> None:
    corrected = odds.holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert corrected == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})


@pytest.mark.parametrize("z", [0.5, 2.0, 6.0])
def test_the_drawn_out_tail_is_the_right_curve(z: float) -> None:
    assert odds._tail(z, 0) == pytest.approx(math.erfc(z / math.sqrt(2)) / 2)
    assert odds._tail(z, 2) == pytest.approx(math.exp(-(1 + z)))  # an exponential's
    four = 4 + 2 * z  # a gamma's of shape 4
    assert odds._tail(z, 1) == pytest.approx(
        math.exp(-four) * sum(four**n / math.factorial(n) for n in range(4))
    )
    assert odds._tail(z, -1) == odds._tail(z, 0)  # a skew to the left is not relied on


def judge(scores: Sequence[float], played: odds.Game) -> odds.Verdict:
    return odds.judge(odds.mid_ranks(np.array(scores, dtype=float)), played)


def game(seed: int) -> tuple[odds.Game, list[int]]:
    dice = random.Random(seed)
    owners = sorted(dice.randrange(30) for _ in range(70))
    return odds.account_game(owners, [0] * 30, dice), owners


def test_noise_is_called_noise_as_often_as_it_should() -> None:
    by_chance = []
    for seed in range(40):
        played, _ = game(seed)
        dice = random.Random(f"noise {seed}")
        by_chance.append(judge([dice.random() for _ in range(played.pairs)], played).p)
    assert min(by_chance) > 0.0005
    assert 8 <= sum(p < 0.5 for p in by_chance) <= 32


@pytest.mark.parametrize("sign", [1, -1])
def test_what_tells_the_true_pairs_is_sure_in_either_direction(sign: int) -> None:
    played, owners = game(1)
    dice = random.Random(2)
    scores = [
        sign * ((owner == member) * 0.6 + dice.random()) for member in range(30) for owner in owners
    ]
    verdict = judge(scores, played)
    assert verdict.p < 1e-9
    assert (verdict.auc > 0.8) if sign > 0 else (verdict.auc < 0.2)


def test_one_pair_found_by_luck_is_not_sure() -> None:
    played, _ = game(3)
    scores = [0.0] * played.pairs
    scores[played.true[0]] = 1.0
    assert judge(scores, played).p > 0.001


def test_that_somebody_moderates_is_not_held_against_the_dump() -> None:
    """Ten of thirty members moderate, and of the names of those fewer are to be guessed at."""
    dice = random.Random(5)
    owners = sorted([*range(30), *(dice.randrange(10, 30) for _ in range(60))])
    scores = [float(member < 10) for member in range(30) for _ in owners]
    plain = odds.account_game(owners, [0] * 30, dice)
    apart = odds.account_game(owners, [member < 10 for member in range(30)], dice)
    assert judge(scores, plain).p < 0.01
    assert judge(scores, apart).p == 1.0


def test_where_there_is_nobody_there_is_nothing_to_guess() -> None:
    played = odds.account_game([], [], random.Random(6))
    assert judge([], played) == odds.Verdict(0.5, 1.0, 0.0)


def test_a_public_month_is_not_held_against_the_dump() -> None:
    dice = random.Random(4)
    months = [dice.randrange(4) for _ in range(30)]
    owners = sorted(range(30), key=lambda _: dice.random())[:25] * 3
    played = odds.sibling_game(owners, [months[owner] for owner in owners], dice)
    scores = [
        -abs(months[owners[a]] - months[owners[b]])
        for a, b in itertools.combinations(range(len(owners)), 2)
    ]
    verdict = judge(scores, played)
    assert verdict.auc > 0.7
    assert verdict.p == 1.0
