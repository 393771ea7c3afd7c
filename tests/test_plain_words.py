"""Pages speak plainly: short sentences, and none of the words that hurt or blame (DOM-J4)."""

import re
from statistics import median
from typing import Final

from tests.plain_words import Sentence, sentences

LONGEST: Final = 20
MEDIAN: Final = 14

AVOID: Final = {
    "die by suicide": r"commit(?:s|ted)? suicide|suicide epidemic",
    "an attempt": r"(?:failed|successful|unsuccessful) attempts?",
    "has a mental health condition": r"mentally ill|suffer(?:s|ing)? from|the depressed|victims?",
    "a person who uses …": r"addicts?|junkies?",
    "usual for you, distressing, asking for support": r"(?:ab)?normal|crazy|attention[ -]seeking",
    "not accepted yet, not possible here, held, did not work": (
        r"invalid|illegal|forbidden|violat\w+|punish\w*|failed|failure|denied|prohibited"
    ),
    "you could, many people …": r"you must|you need to|you have to",
    "that sounds hard": r"it gets better|bright side",
    "days, your own list, pause": r"streaks?|scores?|levels?|ranks?|missed",
}
_AVOID = {say: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for say, words in AVOID.items()}

MEANT: Final = {  # what is said so for a reason
    "There is no score.",
    "You do not have to carry it alone.",
    "There is nothing you have to do.",
}

FOUND: Final = list(sentences())


def avoided(sentence: Sentence) -> list[str]:
    """What to say instead of words in it."""
    if sentence.words in MEANT:
        return []
    return [say for say, pattern in _AVOID.items() if pattern.search(sentence.words)]


def test_dom_J4_no_page_uses_a_word_that_hurts_or_blames() -> None:
    wrong = [(each.place, each.words, say) for each in FOUND if (say := avoided(each))]
    assert wrong == []


def test_dom_J4_sentences_are_short() -> None:
    long = [(each.length, each.place, each.words) for each in FOUND if each.length > LONGEST]
    assert long == []
    assert median(each.length for each in FOUND if each.length > 3) <= MEDIAN


def test_the_lint_reads_what_people_see() -> None:
    said = {each.words for each in FOUND}
    assert "Only members write here" in said  # a heading that is given to a macro
    assert "Nobody is shown who chose what." in said  # in the middle of a template
    assert "The moderators closed this thread." in said  # a refusal
    assert "Only members of the group can read." in said  # words of a page
    assert len(FOUND) > 500


def test_the_lint_finds_such_words() -> None:
    assert avoided(Sentence("here", "That name is invalid."))
    assert avoided(Sentence("here", "You must log in."))
    assert not avoided(Sentence("here", "That name is taken."))
    assert Sentence("here", "It is one of two-word things.").length == 6
