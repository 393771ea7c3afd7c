"""Words for people that are made far from the page that shows them, and translated there.

A `Said` is an English sentence, and still knows its words and what stands in their places. Whoever
shows it in a language looks the words up; everybody else (peers, logs, apps) reads English.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, Self


class Catalogue(Protocol):
    """Where words of one language are (gettext)."""

    def gettext(self, message: str, /) -> str: ...
    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str: ...


class Said(str):
    """An English sentence; `words` has `{name}` where something of `named` stands.

    `many` are the words for all numbers but one; then `named` has a `number`.
    """

    __slots__ = ("many", "named", "words")
    words: str
    many: str
    named: Mapping[str, object]

    def __new__(cls, words: str, many: str, named: Mapping[str, object]) -> Self:
        chosen = many if many and named["number"] != 1 else words
        made = super().__new__(cls, _filled(chosen, named, _number))
        made.words, made.many, made.named = words, many, named
        return made


def said(words: str, /, **named: object) -> Said:
    """A sentence with `{name}` in it; catalogues have its words."""
    return words if isinstance(words, Said) else Said(words, "", named)


def said_many(one: str, many: str, /, *, number: int, **named: object) -> Said:
    """The same where a `{number}` decides how it is said."""
    return Said(one, many, {"number": number, **named})


def joined(*sentences: str, by: str = " ") -> Said:
    """Whole sentences after one another, each translated for itself; empty ones are left out."""
    named = {f"s{at}": said(each) for at, each in enumerate(sentences) if each}
    return Said(by.join(f"{{{name}}}" for name in named), "", named)


def told(value: str, catalogue: Catalogue, number: Callable[[int], str]) -> str:
    """`value` in the language of `catalogue`, with numbers as `number` writes them."""
    if not isinstance(value, Said):
        return catalogue.gettext(value) if value else value
    if value.many:
        how_many = value.named["number"]
        words = catalogue.ngettext(
            value.words, value.many, how_many if isinstance(how_many, int) else 0
        )
    else:
        words = catalogue.gettext(value.words) if value.words else ""
    named = {
        name: told(each, catalogue, number) if isinstance(each, Said) else each
        for name, each in value.named.items()
    }
    return _filled(words, named, number)


def source(value: str) -> str:
    """The words that catalogues have for it."""
    return value.words if isinstance(value, Said) else value


def filled(value: str, words: str, number: Callable[[int], str]) -> str:
    """Other words for the same, with what stands in its places."""
    return _filled(words, value.named if isinstance(value, Said) else {}, number)


def noted(words: str) -> str:
    """Marks words that are looked up elsewhere, so that they are gathered into catalogues too."""
    return words


def noted_in(context: str, words: str) -> str:
    """The same for words that catalogues have in a context, such as `safety`."""
    return words


def noted_pair(one: str, many: str) -> tuple[str, str]:
    """The same for one and for many."""
    return one, many


def _filled(words: str, named: Mapping[str, object], number: Callable[[int], str]) -> str:
    if not named:
        return words
    return words.format_map(
        {name: number(each) if type(each) is int else each for name, each in named.items()}
    )


def _number(number: int) -> str:
    return f"{number:,}"
