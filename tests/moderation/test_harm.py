"""Detail of method is held for a person, distress is not (DOM-A11)."""

import time

import pytest

from moderation import harm
from moderation.harm import Family
from tests.moderation.harm_lines import DISGUISED, DISTRESS, EVERYDAY, HARMFUL


def test_dom_A11_no_line_of_distress_is_held() -> None:
    assert len({*DISTRESS}) == 40
    assert [line for line in DISTRESS if harm.describes_harm(line)] == []


def test_dom_A11_nearly_all_that_could_hurt_others_is() -> None:
    assert len({*HARMFUL}) == 20
    assert len([line for line in HARMFUL if harm.describes_harm(line)]) >= 18


def test_dom_A11_what_only_looks_like_it_is_not() -> None:
    assert [line for line in EVERYDAY if harm.describes_harm(line)] == []


@pytest.mark.parametrize("line", DISGUISED)
def test_dom_A11_simple_disguises_do_not_help(line: str) -> None:
    assert harm.describes_harm(line)


def test_dom_A11_distress_around_a_detail_does_not_hide_it() -> None:
    long = " ".join(DISTRESS[:10])
    assert harm.describes_harm(f"{long} {HARMFUL[1]} {long}")
    assert not harm.describes_harm(long)
    unbroken = long.replace(".", ",").replace("?", ",")
    assert harm.describes_harm(f"{unbroken}, {HARMFUL[10].lower()}")
    assert harm.describes_harm(HARMFUL[3].upper())


def test_dom_A11_every_pattern_has_a_reason() -> None:
    assert all(each.why.endswith(".") and each.family in Family for each in harm.PATTERNS)
    assert len({each.shape.pattern for each in harm.PATTERNS}) == len(harm.PATTERNS)
    folded = [harm.fold(line) for line in HARMFUL]
    used = [each for each in harm.PATTERNS if any(map(each.shape.search, folded))]
    assert {each.family for each in used} == {*Family}


@pytest.mark.parametrize(
    "burst",
    [
        "Take 1 ",
        "10 mg ",
        "you take ",
        "so nobody ",
        "i do ",
        "a.",
        "go ",
        "k1",
        "é ",
        "10 mg a a ",
        "he told me kys ",
        "here is how to go ",
    ],
)
def test_long_words_cost_little(burst: str) -> None:
    """As many letters of the worst kinds as are looked at take a part of a second (SEC-D11)."""
    text = (burst * 20_000)[: harm.LONGEST - 4] + " die"
    begun = time.process_time()
    harm.describes_harm(text)
    assert time.process_time() - begun < 1


def test_what_is_too_long_to_look_at_is_read_by_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    long = DISTRESS[0] * harm.LONGEST
    monkeypatch.setattr(harm, "fold", None)  # nothing in it is looked at
    assert harm.describes_harm(long)
    assert harm.adds_harm([long], [f"{long} More."])
    assert not harm.adds_harm([long], [long])


def test_dom_A11_a_line_may_break_anywhere() -> None:
    broken = HARMFUL[1].replace(" ", "\n")
    assert harm.describes_harm(broken)
    assert harm.describes_harm("Please don't kill yourself, just kill yourself.")


def test_dom_A11_a_change_counts_for_what_it_adds() -> None:
    before = [DISTRESS[0], f"{HARMFUL[0]} {DISTRESS[1]}"]
    assert not harm.adds_harm(before, [f"{HARMFUL[0]} {DISTRESS[2]}"])
    assert not harm.adds_harm(before, DISTRESS)
    assert harm.adds_harm(before, [HARMFUL[0], HARMFUL[1]])
    assert harm.adds_harm(DISTRESS, [HARMFUL[0]])
