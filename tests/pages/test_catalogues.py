"""Languages of our pages: complete catalogues, locked safety words, English where words lack."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from kernel.said import told
from kernel.schema.moderation import Level
from members.ledger import Restored
from moderation.impact import Impact, Relations
from node.pages import catalogues
from node.pages.catalogues import LANGUAGES, SAFETY, Record
from node.pages.look import Look
from node.pages.render import draw, environment
from tests.pages.conftest import House

LOCALE = Path(str(files("templates"))) / "locale"
PLACES = [
    "node/pages", "groups", "members", "moderation", "resources", "media", "templates",
]  # fmt: skip
KEYWORDS = {
    "_": None, "gettext": None, "noted": None, "said": None, "noted_pair": (1, 2),
    "said_many": (1, 2), "counted": (2, 3), "ngettext": (1, 2),
    "noted_in": ((1, "c"), 2), "pgettext": ((1, "c"), 2),
    **dict.fromkeys(
        ("Malformed", "NotAllowed", "NotFound", "Gone", "Conflict", "TooLarge", "UnsupportedMedia",
         "TooMany", "Busy", "NoRoom", "NotAMember", "GuidelinesChanged", "AskForWords",
         "SignedOut"),
    ),
}  # fmt: skip
OTHERS = [language for language in LANGUAGES if language != "en"]


@cache
def said() -> frozenset[tuple[str | None, str]]:
    """Context and words of everything that pages say."""
    return frozenset(_gathered())


def _gathered() -> Iterator[tuple[str | None, str]]:
    root = LOCALE.parents[1]
    places = [(each, "**") for each in PLACES]
    for place, which in (*places, ("activitypub", "care")):
        for _, _, words, _, context in extract_from_dir(
            root / place, [(f"{which}.py", "python"), ("**.html", "jinja2")],
            {"**.html": {"trimmed": "true", "silent": "false"}}, keywords=KEYWORDS,
        ):  # fmt: skip
            yield context, words if isinstance(words, str) else words[0]


def source_of(message: Message) -> str:
    """The English words; of words that are counted, those for one."""
    return message.id if isinstance(message.id, str) else message.id[0]


def messages(language: str) -> list[Message]:
    return [each for each in catalogues.read(language) if each.id]


def test_catalogues_have_everything_that_pages_say() -> None:
    """`make words` gathers it."""
    with (LOCALE / "hearthold.pot").open("rb") as file:
        found = {(each.context, source_of(each)) for each in read_po(file) if each.id}
    assert found == said()
    for language in OTHERS:
        assert {(each.context, source_of(each)) for each in messages(language)} == found, language


def test_mod_5_9_what_a_decision_cuts_or_puts_back_is_told_in_every_language() -> None:
    """Of whatever number there is one, and of several."""
    for number in (1, 2):
        ties = Relations(**dict.fromkeys(Relations.__slots__, number))
        would = Impact(
            domains=("bad.example",), policy=Level.REJECT, servers=1, relations=ties, share=0.5,
            cases=number, threads=number, posts=number, conversations=number, pictures=number,
            deliveries=number, arrived=number, disagree=number,
        )  # fmt: skip
        back = Restored(**dict.fromkeys(Restored.__slots__, number))
        lines = [*would.words, *would.asks_for_a_look, *back.words]
        assert len(lines) > 20
        for language in OTHERS:
            catalogue = catalogues.catalogue(language)
            same = [each for each in lines if told(each, catalogue, str) == str(each)]
            assert same == [], language


@pytest.mark.parametrize("language", OTHERS)
def test_translations_keep_names_and_elements(language: str) -> None:
    """They are put into templates as they are, so they bring nothing of their own (SEC-X1)."""
    parts = re.compile(r"%\(\w+\)s|\{[\w:,]*\}|<[^>]*>")
    for each in messages(language):
        sources = [each.id] if isinstance(each.id, str) else list(each.id)
        strings = [each.string] if isinstance(each.string, str) else list(each.string or ())
        for source, string in zip(sources, strings, strict=True):
            if string:
                assert sorted(parts.findall(string)) == sorted(parts.findall(source)), source
                assert "{" not in parts.sub("", string), source
                assert "<" not in parts.sub("", string), source


def test_safety_words_are_locked() -> None:
    """DOM-J5: whoever changes one changes its record in `approved.json`, and loses its approvals.

    Nobody has approved any yet: each is awaiting review, in English as well.
    """
    safety = {words for context, words in said() if context == SAFETY}
    records = catalogues.records()
    assert set(records["en"]) == safety, "changed safety words need a new record"
    for source, record in records["en"].items():
        assert record.words == source
    assert {record.state for record in records["en"].values()} == {"awaiting review"}


@pytest.mark.parametrize("language", OTHERS)
def test_translated_safety_words_await_review(language: str) -> None:
    for each in messages(language):
        if each.context == SAFETY and each.string and not each.fuzzy:
            assert catalogues.approved(language, each.id, each.string), each.id
        if each.context == SAFETY and each.fuzzy:
            assert "awaiting review" in each.user_comments


def test_two_people_let_safety_words_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(words: str, *by: str) -> bool:
        record = {"de": {"Leave": Record(words=words, by=by)}}
        monkeypatch.setattr(catalogues, "records", lambda: record)
        return catalogues.approved("de", "Leave", "Weg hier")

    assert told("Weg hier", "A. One", "B. Two")
    assert not told("Weg hier", "A. One", "A. One")
    assert not told("Raus hier", "A. One", "B. Two")
    assert not told("Weg hier")


def test_what_is_not_translated_says_that_it_is_english() -> None:
    page = draw("help/leaving.html", Look(language="de"))
    assert '<html lang="de" dir="ltr"' in page
    assert "<h1>Schnell weg</h1>" in page
    assert '<span lang="en">It logs you out.</span>' in page  # awaits review
    assert '<span lang="en">Get help now</span>' in page


def test_every_template_can_be_drawn_translated_and_easier() -> None:
    made = environment(catalogues.MIRRORED, easier=True)
    for name in made.list_templates(extensions=["html"]):
        made.get_template(name)


async def test_countries_have_their_names_in_every_language(house: House) -> None:
    page = await house.visitor.open("/help/ie", Accept_Language="de")
    assert "Hilfe: Irland" in page.text
    assert "Irland" in (await house.visitor.open("/help", Accept_Language="de")).text


def test_pages_can_be_read_from_the_right() -> None:
    """A language for trying out, which only its own cookie asks for."""
    page = draw("help/look.html", Look(language="en-xb"), themes={}, languages={}, countries=[])
    assert '<html lang="en-xb" dir="rtl"' in page
    assert "‹How pages look›" in page
    assert catalogues.MIRRORED not in LANGUAGES
