"""Sentences that are made far from a page keep their words, so that the page can translate them."""

from collections.abc import Mapping

from kernel.said import joined, noted, said, said_many, told
from node.pages.catalogues import catalogue
from node.pages.words import Words


class Table:
    """A catalogue of a few words."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words

    def gettext(self, message: str, /) -> str:
        return self._words.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


GERMAN = Table(
    {
        "Up to {limit} letters.": "Bis zu {limit} Buchstaben.",
        "{number} day": "{number} Tag",
        "{number} days": "{number} Tage",
        "It takes {time}.": "Es dauert {time}.",
        "Thank you.": "Danke.",
    }
)


def german(words: str) -> str:
    return told(words, GERMAN, str)


def test_peers_and_logs_read_english() -> None:
    assert said("Up to {limit} letters.", limit=5000) == "Up to 5,000 letters."
    assert said_many("{number} day", "{number} days", number=1) == "1 day"
    assert joined(noted("Thank you."), "", said("It takes {time}.", time="long")) == (
        "Thank you. It takes long."
    )


def test_pages_read_their_own_language() -> None:
    assert german(noted("Thank you.")) == "Danke."
    assert german(said("Up to {limit} letters.", limit=5000)) == "Bis zu 5000 Buchstaben."
    days = said_many("{number} day", "{number} days", number=3)
    assert german(said("It takes {time}.", time=days)) == "Es dauert 3 Tage."
    assert german(joined("Thank you.", said("It takes {time}.", time=days))) == (
        "Danke. Es dauert 3 Tage."
    )
    assert german("") == ""


def test_peoples_words_are_left_as_they_are() -> None:
    assert german(said("It takes {time}.", time="Thank you. {limit}")) == (
        "Es dauert Thank you. {limit}."
    )
    assert german(joined("{limit} letters")) == "{limit} letters"


def test_easier_pages_count_nothing() -> None:
    """DOM-J2."""
    usual, easier = Words(catalogue("en")), Words(catalogue("en"), easier=True)
    assert usual.counted(2, "{} server was asked.", "{} servers were asked.") == (
        "2 servers were asked."
    )
    assert easier.counted(2, "{} server was asked.", "{} servers were asked.") == (
        "Some servers were asked."
    )


def test_numbers_are_written_as_people_of_the_language_write_them() -> None:
    limit = said("A name can have up to {limit} letters.", limit=1500)
    assert Words(catalogue("de"), language="de").told(limit) == (
        "Ein Name kann bis zu 1.500 Buchstaben haben."
    )


def test_what_has_no_translation_says_that_it_is_english() -> None:
    """DOM-J5."""
    spoken = Words(catalogue("de"), language="de")
    assert spoken.shown("Zzz <b>") == '<span lang="en">Zzz &lt;b&gt;</span>'
    assert spoken.shown(noted("Saved.")) == "Gespeichert."
    assert '<span lang="en">' in spoken.careful("If nobody answers: wait")
