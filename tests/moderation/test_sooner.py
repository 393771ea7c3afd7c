"""The list that says what to read sooner: an order with reasons, and nothing else (DOM-D11)."""

import json
import time
from pathlib import Path

import pytest

from kernel.errors import Misconfigured
from moderation.care import sooner
from tests.moderation.sooner_lines import LATER, SOONER, SUPPORT


@pytest.mark.parametrize("language", sorted(SOONER))
def test_dom_D11_what_sounds_heavy_comes_first(language: str) -> None:
    for line in SOONER[language]:
        found = sooner.look(line, language)
        assert found.sooner, line
        assert found.reasons, line
        assert set(found.reasons) <= sooner.families(), line
    for line in LATER[language]:
        assert not sooner.look(line, language).sooner, line


def test_dom_D11_an_untested_language_is_not_screened() -> None:
    assert sooner.look("Je veux mourir", "fr") == sooner.Look(0.0, (), screened=False)
    assert sooner.look("I want to die", "en-IE").screened
    assert sooner.look("I want to die", "").screened  # where nobody said, it is read as English
    assert set(sooner.languages()) == SOONER.keys() == LATER.keys()


def test_dom_D11_words_that_give_support_weigh_less() -> None:
    for line in SUPPORT:
        alone, answer = sooner.look(line), sooner.look(line, answering=True)
        assert answer.points < alone.points, line
        assert not answer.sooner, line


def test_dom_D11_it_takes_little_time_whatever_comes() -> None:
    """DOM-5.5: no letters make it take much longer than as many of an ordinary text."""

    def seconds(letters: str) -> float:
        words = (letters * sooner.LONGEST)[: sooner.LONGEST]
        best = 60.0
        for _ in range(5):
            began = time.perf_counter()
            sooner.look(words)
            best = min(best, time.perf_counter() - began)
        return best

    plain = seconds("my brother said that it was a long day and we had tea. ")
    worst = (
        "i want to ",
        "voices ",
        "a",
        "my brother ",
        "“",
        "„",
        '"',
        "“a",
        "„“",
        "\n",
        " \n",
        "\n>",
    )
    for letters in worst:
        assert seconds(letters) < 6 * plain, letters


def test_dom_D11_weights_of_ones_own_rest_on_many_answers(tmp_path: Path) -> None:
    def written(**said: object) -> Path:
        path = tmp_path / "weights.json"
        path.write_text(json.dumps(said))
        return path

    day = "2026-10-01"
    good = sooner.read_weights(written(outcomes=300, measured=day, weights={"no hope": 0.0}))
    line = "There is no way out and no hope."
    assert sooner.look(line).sooner
    assert not sooner.look(line, weights=good).sooner
    assert sooner.read_weights(None) == {}
    wrongs: list[dict[str, object]] = [
        {"outcomes": 299, "measured": day, "weights": {}},
        {"outcomes": 300, "measured": day, "weights": {"being poor": 1.0}},
        {"outcomes": 300, "measured": day, "weights": {"no hope": 3.1}},
        {"outcomes": 300, "measured": "lately", "weights": {}},
        {"weights": {}},
    ]
    for wrong in wrongs:
        with pytest.raises(Misconfigured):
            sooner.read_weights(written(**wrong))
    with pytest.raises(Misconfigured):
        sooner.read_weights(tmp_path / "none.json")


def test_dom_H5_the_file_says_where_it_comes_from_and_names_no_means() -> None:
    assert "No sentence of anybody is in it" in sooner.source()
    text = Path(sooner.__file__).with_name("data").joinpath("look_sooner.json").read_text()
    for gap in text.split("{0,")[1:]:
        assert int(gap.partition("}")[0]) <= 20  # DOM 5.5: gaps are short
