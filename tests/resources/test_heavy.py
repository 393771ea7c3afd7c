"""Who may be glad of crisis lines after posting, on lines of our own (DOM-D10, appendix F)."""

import re
import time
from importlib.resources import files

import pytest

from resources.heavy import LONGEST, sounds_heavy
from tests.resources.heavy_lines import HEAVY, LIGHTER


@pytest.mark.parametrize("line", HEAVY)
def test_heavy_words_are_noticed(line: str) -> None:
    assert sounds_heavy(line)
    assert sounds_heavy(line.upper(), "en-GB")
    assert sounds_heavy(f"It rained all day.\n\n{line}\n\nThat is all.", "en")


@pytest.mark.parametrize("line", LIGHTER)
def test_looking_back_other_people_and_sayings_are_not(line: str) -> None:
    assert not sounds_heavy(line)


def test_a_language_without_a_list_is_not_guessed_at() -> None:
    assert not sounds_heavy(HEAVY[0], "de")


def test_any_words_are_read_quickly() -> None:
    """DOM 5.5: no words make the patterns slow; 20 ms is the aim, a busy machine gets more."""
    for part in ("i want to ", "voice ", "my my my brother ", "a ", "better off if ", "> ", '"'):
        started = time.process_time()
        sounds_heavy(part * (LONGEST // len(part) + 1))
        assert time.process_time() - started < 0.5, part


def test_no_list_says_how() -> None:
    """No words for ways of hurting oneself (appendix F)."""
    text = files("resources").joinpath("heavy.py").read_text().lower()
    assert not re.search(
        r"\b(?:pills?|rope|bridge|blade|cut|knife|gun|train|overdose|jump)\b", text
    )
