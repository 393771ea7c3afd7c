"""The thief's tools do what they say: nearest values, whose row it is, shared bytes, learning."""

import base64
import math
import random

import numpy as np
import pytest

from tests.privacy import game, odds, trained
from tests.privacy.dump import Dump, Table, Value
from tests.privacy.odds import Verdict
from tests.privacy.traces import Kind, Trace, closeness, owned_rows, traces
from tests.privacy.windows import in_common, windows


def some_trace(dice: random.Random, people: int) -> Trace:
    """Up to four values for most people; some values equal."""
    held = {(dice.randrange(people), float(dice.randrange(40))) for _ in range(2 * people)}
    who, values = np.array(sorted(held)).T
    return Trace("t.c (order)", Kind.ORDER, who.astype(np.int64), values, is_time=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_values_are_found(seed: int) -> None:
    dice = random.Random(seed)
    one, other = some_trace(dice, 9), some_trace(dice, 12)
    near = closeness(one, other, 9, 12)
    for a in range(9):
        for b in range(12):
            gaps = [
                abs(x - y) / 86400
                for x in one.values[one.who == a]
                for y in other.values[other.who == b]
            ]
            assert near[a, b] == pytest.approx(-min(gaps, default=math.inf))


def test_rows_are_somebodys_by_id_by_address_inside_a_text_and_through_others() -> None:
    ana = "https://alder.test/u/ana"
    people: dict[Value, int] = {b"a" * 16: 0, ana: 0, "https://alder.test/u/ben": 1}
    text = "x" * 200 + f'"{ana}","{ana}s"'
    dump = Dump(
        {
            "posts": Table(("id", "author"), [(2**40, b"a" * 16), (2**41, b"z" * 16)]),
            "said": Table(("uri", "body"), [("1", "nobody"), ("2", text)]),
            "threads": Table(("id", "n"), [(2**41, 1), (2**40, 2)]),
            "counts": Table(("n",), [(0,), (1,)]),
        }
    )
    owned = owned_rows(dump, people, lambda _: True)
    assert {label: [(who, at) for who, at, _ in rows] for label, rows in owned.items()} == {
        "posts by author": [(0, 0)],
        "said by body": [(0, 1)],
        "threads": [(0, 1)],
    }


def test_every_column_leaves_a_trace_by_its_kind() -> None:
    people: dict[Value, int] = {b"a" * 16: 0, b"b" * 16: 1}
    rows = [(b"a" * 16, 7.0, "short"), (b"b" * 16, 9.0, "longer"), (b"b" * 16, 8.0, "longest")]
    dump = Dump({"t": Table(("who", "when", "what"), rows)})
    found = {each.name: each for each in traces(dump, owned_rows(dump, people, lambda _: True))}

    def of(name: str) -> set[tuple[int, float]]:
        return set(zip(found[name].who.tolist(), found[name].values.tolist(), strict=True))

    assert of("t by who row (order, first)") == {(0, 0), (1, 1)}
    assert of("t by who.when (order, last)") == {(0, 7), (1, 9)}
    assert of("t by who.what (length)") == {(0, 5), (1, 6), (1, 7)}
    assert "t by who.what (id)" in found


def test_shared_bytes_are_seen_through_hexadecimal_digits_and_base_64() -> None:
    secret = random.Random(1).randbytes(12)
    plain = set(windows(secret).tolist())
    for coded in (secret.hex(), base64.urlsafe_b64encode(secret + b"1234").decode()):
        assert plain < set(windows(f"id={coded};").tolist())
    held: list[tuple[int, Value]] = [(0, b"--" + secret), (3, secret.hex()), (2, "other words")]
    common = in_common(held, 4)
    assert common[0, 3] == common[3, 0] > 0
    assert np.count_nonzero(common) == 2


def test_it_learns_what_two_weak_hints_say_together_and_nothing_from_noise() -> None:
    source = np.random.default_rng(4)
    truth = np.arange(1800) % 9 == 0
    noise = source.normal(size=(300, 1800))
    hints = noise.copy()
    hints[17] += truth
    hints[250] -= truth
    aucs = []
    for scores in (hints, noise):
        features = np.array([trained.binned(odds.mid_ranks(each)) for each in scores])
        stumps = trained.train(features[:, :900], truth[:900])
        guess = sum(
            (trained.guess(stumps, n, features[n, 900:]) for n in {s.feature for s in stumps}),
            start=np.zeros(900),
        )
        ranks = odds.mid_ranks(guess)[truth[900:]]
        aucs.append((ranks.sum() - len(ranks) * (len(ranks) + 1) / 2) / (len(ranks) * 800))
    assert aucs[0] > 0.75
    assert 0.4 < aucs[1] < 0.6


def test_a_half_with_few_pairs_to_find_weighs_little() -> None:
    nothing = Verdict(0.5, 1.0, 0.02)
    few = game.Fold(10, nothing, Verdict(0.9, 0.1, 0.2))
    many = game.Fold(390, nothing, Verdict(0.51, 0.6, 0.02))
    added = game.added([few, many], slack=0.0)
    assert added.public == 0.5
    assert added.whole == pytest.approx(0.51975)
    assert added.spread == pytest.approx(0.0245)
    assert not added.leaks
    assert game.added([few, few], slack=0.0).leaks
