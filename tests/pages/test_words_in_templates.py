"""Every word of a template goes through the catalogue, so that each page can be translated."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import Environment

TEMPLATES = Path(str(files("templates")))
# Names of things, the same in every language.
EXCEPT = {"Hearthold", "group", "example", "org", "lang", "en"}
SHAPES = {"shape"}  # blocks whose words are names for the style sheet
_WORD = re.compile(r"[^\W\d_]{2,}")
_TAG = re.compile(r"<!?/?[a-zA-Z][^<>]*>", re.S)
_STYLE = re.compile(r"<style>.*?</style>|<!--.*?-->", re.S)
_SHOWN = re.compile(r'\b(?:aria-label|placeholder|title|alt)="([^"]*)"')
_SENTENCE = re.compile(r"[A-Z“][^A-Z]*[a-z]|\w+ \w+")
_ASKED = re.compile(r'(?:\b_|\bpgettext|\bnoted(?:_in)?|\bngettext)\((?:"safety", )?$')
_COUNTED = re.compile(r"count(?:ed)?\([^)]*$")
_NOT_SHOWN = re.compile(r"^[/?&#@%]|=|^button ")


def names() -> list[str]:
    return sorted(str(each.relative_to(TEMPLATES)) for each in TEMPLATES.rglob("*.html"))


def unwrapped(source: str) -> Iterator[str]:
    """Words of a template that no catalogue has."""
    text, code, inside, translated = "", "", "", ""
    for _, kind, value in Environment().lex(source):
        if kind in {"block_begin", "variable_begin"}:
            inside, code = kind, ""
        elif kind in {"block_end", "variable_end"}:
            name, _, rest = code.strip().partition(" ")
            if name == "trans" or (name == "block" and rest in SHAPES):
                translated = name
            elif name == f"end{translated}":
                translated = ""
            if name not in {"import", "from", "include", "extends"}:
                yield from spoken(rest.removeprefix('"safety"') if name == "trans" else code)
            text, inside = text + ("\x00" if inside == "variable_begin" else ""), ""
        elif inside:
            code += value
        elif kind == "data" and not translated:
            text += value
    text = _STYLE.sub("", text)
    yield from (each for found in _SHOWN.findall(text) for each in words(found))
    yield from words(_TAG.sub(" ", text))


def words(text: str) -> Iterator[str]:
    yield from (each for each in _WORD.findall(text) if each not in EXCEPT)


def spoken(code: str) -> Iterator[str]:
    """Strings of an expression that read like a sentence and are not asked for in a catalogue."""
    for found in re.finditer(r'"([^"]*)"|\'([^\']*)\'', code):
        said = found[1] or found[2] or ""
        before = code[: found.start()]
        if _NOT_SHOWN.search(said) or _ASKED.search(before) or _COUNTED.search(before):
            continue
        if _SENTENCE.search(said):
            yield said


@pytest.mark.parametrize("name", names())
def test_every_word_of_a_template_can_be_translated(name: str) -> None:
    assert not list(unwrapped((TEMPLATES / name).read_text(encoding="utf-8")))


def test_words_outside_of_catalogues_are_found() -> None:
    assert list(unwrapped("<p>Hello {{ name }}</p>")) == ["Hello"]
    assert list(unwrapped('<img alt="A cat">{% trans %}Yes{% endtrans %}')) == ["cat"]
    assert list(unwrapped('{{ ui.field(form, "text", "Your words") }}')) == ["Your words"]
    assert not list(unwrapped('{{ ui.field(form, "text", _("Your words")) }}<a href="/about">'))
