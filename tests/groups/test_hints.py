"""Hints say what they are about, and leave people in distress alone (DOM-A10, DOM-A15)."""

import time

import pytest

from groups import hints
from groups.hints import Family, Hint
from moderation.labels import FOR_AUTHORS, MEDICAL
from tests.groups.hint_lines import (
    ANSWERS,
    KIND_ANSWERS,
    LEAVE_OUT,
    MEDICINE,
    NO_HINT,
    OWN_MEDICINE,
    WORDS,
)


@pytest.mark.parametrize("line", LEAVE_OUT)
def test_dom_A10_detail_that_leads_into_danger_is_noticed(line: str) -> None:
    found = hints.find(line)
    assert found, line
    assert found[0].family is Family.LEAVE_OUT
    assert found[0].say.startswith("Please leave out")


@pytest.mark.parametrize("line", WORDS)
def test_dom_A10_words_that_hurt_get_a_plainer_one(line: str) -> None:
    found = hints.find(line)
    assert [each.family for each in found] == [Family.WORDS], line
    assert found[0].say.startswith("You could")


@pytest.mark.parametrize("line", MEDICINE)
def test_dom_H4_what_others_should_take_gets_a_hint_and_a_label(line: str) -> None:
    found = [each for each in hints.find(line) if each.family is Family.MEDICINE]
    assert found, line
    assert found[0].label == MEDICAL
    assert MEDICAL in FOR_AUTHORS


@pytest.mark.parametrize("line", OWN_MEDICINE)
def test_dom_H4_what_somebody_did_themselves_passes(line: str) -> None:
    assert hints.find(line, answering=True) == []


@pytest.mark.parametrize("line", NO_HINT)
def test_dom_A10_distress_itself_gets_no_hint(line: str) -> None:
    assert hints.find(line) == []


@pytest.mark.parametrize("line", ANSWERS)
def test_dom_A15_an_answer_that_closes_a_door_gets_a_hint_and_a_thread_does_not(line: str) -> None:
    assert [each.family for each in hints.find(line, answering=True)] == [Family.ANSWERS], line
    assert hints.find(line) == []


@pytest.mark.parametrize("line", [*KIND_ANSWERS, *NO_HINT])
def test_dom_A15_a_kind_answer_gets_none(line: str) -> None:
    assert hints.find(line, answering=True) == []


def test_a_hint_names_the_words_and_five_are_enough() -> None:
    (found,) = hints.find("They say he  committed\nsuicide. They say he committed suicide.")
    assert found == Hint(
        Family.WORDS,
        "committed suicide",
        "You could say “died by suicide”. “Commit” sounds like a crime.",
    )
    assert len(hints.find(" ".join([*LEAVE_OUT, *WORDS]))) == hints.MAX_HINTS


@pytest.mark.parametrize("piece", ["took ", "at the the the ", "1234 ", "you should ", "attempt "])
def test_long_texts_take_no_time(piece: str) -> None:
    began = time.monotonic()
    hints.find(piece * (20_000 // len(piece)), answering=True)
    assert time.monotonic() - began < 5
