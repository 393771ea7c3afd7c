"""Somebody new reads German: no English sentence is left that does not say that it is English."""

import re
from html.parser import HTMLParser

from tests.pages.conftest import House

# Small words that no German sentence has; whoever translates may add some.
ENGLISH = re.compile(
    r"\b(?:the|you|your|and|is|are|of|with|this|that|it|they|be|not|to|for|or|what|who|how|"
    r"only|names|groups|posts|read|write|one)\b",
    re.IGNORECASE,
)
_VOID = {"meta", "link", "br", "img", "input", "hr", "path", "rect", "circle"}
_SHOWN = {"aria-label", "placeholder", "title", "alt"}
NEWCOMER = (
    "/", "/groups", "/g/open", "/g/open/guidelines", "/about", "/about/privacy", "/log-in",
    "/sign-up", "/recover", "/help", "/help/de", "/leaving", "/look", "/personas/close",
    "/receipt", "/interact", "/no-such-page",
)  # fmt: skip
MEMBER = (
    "/", "/groups", "/g/open", "/g/open/new", "/g/open/join", "/g/open/leave", "/g/private",
    "/t/{id}", "/p/{id}/reply", "/p/{id}/heard", "/p/{id}/quiet", "/p/{id}/poll", "/notices",
    "/personas", "/personas/new", "/personas/ben/settings", "/personas/ben/close",
    "/personas/ben/open", "/settings", "/settings/timing", "/settings/quiet", "/settings/sheet",
    "/settings/sessions", "/settings/ways-in", "/settings/close", "/waiting", "/find", "/search",
    "/tags/sleep", "/arrival/country", "/arrival/comfort", "/arrival/expect", "/arrival/groups",
)  # fmt: skip


class Said(HTMLParser):
    """The words of a page that are the page's own and not marked as another language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._foreign: list[bool] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        other = given.get("lang", "de") != "de" or tag in {"style", "script"}
        people = {"words", "address", "code", "number"} & set(given.get("class", "").split())
        foreign = other or bool(people) or any(self._foreign)
        if not foreign:
            self.words += [given[name] for name in sorted(_SHOWN & given.keys())]
        if tag not in _VOID:
            self._foreign.append(foreign)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self._foreign.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._foreign):
            self.words.append(data.strip())


def english(html: str) -> list[str]:
    """What seems to be English in a German page."""
    return [words for words in Said(html).words if ENGLISH.search(words)]


async def test_somebody_new_meets_no_english_sentence(house: House) -> None:
    found = {}
    for path in NEWCOMER:
        page = await house.visitor.open(path, Accept_Language="de")
        found[path] = english(page.html)
    await house.ben.send("POST", "/look", {"language": "de"})
    for path in MEMBER:
        page = await house.ben.open(path.format(id=house.thread.id))
        assert page.status in {200, 404}, path
        found[f"ben {path}"] = english(page.html)
    assert not {path: said for path, said in found.items() if set(said) - {"A group."}}


async def test_refusals_are_german_too(house: House) -> None:
    """They are made far from the page, and their numbers are written as Germans write them."""
    await house.ben.send("POST", "/look", {"language": "de"})
    page = await house.ben.send("POST", "/log-in", {"login": "nobody", "password": "wrong"})
    assert "passen nicht zusammen" in page.text
    long = await house.ben.fill(f"/p/{house.thread.id}/reply", text="x" * 5001)
    assert "Dein Beitrag hat 5.001 Buchstaben." in long.text


def test_english_sentences_are_found() -> None:
    assert english("<main><p>You write here.</p></main>") == ["You write here."]
    assert not english('<main><p lang="en">You write here.</p><p>Du schreibst hier.</p></main>')
