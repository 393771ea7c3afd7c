"""The languages of our own pages: catalogues of words, folded into templates as these are read.

A catalogue is a `.po` file in `templates/locale/`. What it lacks, and what nobody has reviewed yet
(`fuzzy`), stays English. Words that somebody's safety may hang on have the context `safety`: they
are believed only once two people approved exactly these words (`approved.json`, DOM-J5).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Final, cast

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import InternationalizationExtension

from kernel.languages import name_of
from resources.countries import NAMES

SOURCE: Final = "en"
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "de": "Deutsch", "es": "Español"}
MIRRORED: Final = "en-xb"  # English from right to left: to try pages out, offered to nobody
SAFETY: Final = "safety"
APPROVERS: Final = 2

_FROM_THE_RIGHT: Final = frozenset({"ar", "fa", "he", "ur", MIRRORED})


def direction(language: str) -> str:
    """Which way the language is read: for the page's `dir`."""
    return "rtl" if language in _FROM_THE_RIGHT else "ltr"


@lru_cache(maxsize=256)
def wanted(accept_language: str) -> str:
    """The best of our languages for an `Accept-Language` header (RFC 9110 §12.5.4)."""
    liked: list[tuple[float, str]] = []
    for part in accept_language[:200].split(","):
        tag, _, weight = part.strip().lower().partition(";")
        if (language := tag.strip().partition("-")[0]) in LANGUAGES:
            liked.append((_quality(weight), language))
    best = max(liked, key=lambda each: each[0], default=(0.0, SOURCE))
    return best[1] if best[0] > 0 else SOURCE


def _quality(weight: str) -> float:
    try:
        return float(weight.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0


@cache
def catalogue(language: str) -> NullTranslations:
    """The words of one language; English for whatever it lacks."""
    if language == MIRRORED:
        return _Mirrored()
    if language not in LANGUAGES or language == SOURCE:
        return NullTranslations()
    words = read(language)
    for message in list(words):
        if message.context == SAFETY and not approved(language, message.id, message.string):
            words.delete(message.id, SAFETY)
    compiled = BytesIO()
    write_mo(compiled, words)  # leaves out what is fuzzy
    compiled.seek(0)
    return GNUTranslations(compiled)


def read(language: str) -> Catalog:
    """The catalogue as it stands in its file, reviewed or not."""
    with _place().joinpath(f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def approved(language: str, source: object, words: object) -> bool:
    """Whether two people said that exactly these words may stand for the English ones."""
    record = records().get(language, {}).get(str(source))
    return record is not None and record.words == words and len(set(record.by)) >= APPROVERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Exactly these words, and who said that they may stand there; fewer than two: nobody yet."""

    words: str
    by: tuple[str, ...]

    @property
    def state(self) -> str:
        return "approved" if len(set(self.by)) >= APPROVERS else "awaiting review"


@cache
def records() -> Mapping[str, Mapping[str, Record]]:
    """Who approved which safety words, by language and English words."""
    found = json.loads(_place().joinpath("approved.json").read_text(encoding="utf-8"))
    return {
        language: {
            source: Record(words=each["words"], by=tuple(each["by"]))
            for source, each in record.items()
        }
        for language, record in found.items()
    }


def _place() -> Traversable:
    return files("templates").joinpath("locale")


@cache
def _names(language: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Of countries and of languages (CLDR); English ones are our own."""
    if language not in LANGUAGES or language == SOURCE:
        return {}, {}
    locale = Locale.parse(language)
    return locale.territories, locale.languages


def country(language: str, code: str) -> str:
    """What a country (ISO 3166-1 alpha-2) is called in one of our languages."""
    return _names(language)[0].get(code) or NAMES[code]


def tongue(language: str, tag: str) -> str:
    """What the language of a BCP 47 tag is called in one of our languages."""
    return _names(language)[1].get(tag.partition("-")[0]) or name_of(tag)


class _Mirrored(NullTranslations):
    """English with a mark that only words from a catalogue have."""

    def gettext(self, message: str) -> str:
        return f"‹{message}›"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"‹{msgid1 if n == 1 else msgid2}›"

    def pgettext(self, context: str, message: str) -> str:
        return message if context == SAFETY else f"‹{message}›"


class Folded(InternationalizationExtension):
    """`{% trans %}` costs nothing when a page is drawn: its words are put in as templates are read.

    An environment speaks one language, so nothing is looked up later. Words that have no
    translation are marked as English, so a `{% trans %}` stands where elements may; attributes and
    arguments take `_("...")`.
    """

    def _make_node(
        self,
        singular: str,
        plural: str | None,
        context: str | None,
        variables: dict[str, nodes.Expr],
        plural_expr: nodes.Expr | None,
        vars_referenced: bool,
        num_called_num: bool,
    ) -> nodes.Output:
        if plural_expr is not None:
            return super()._make_node(
                singular, plural, context, variables, plural_expr, vars_referenced, num_called_num
            )
        words = cast(NullTranslations, self.environment.globals["catalogue"])
        said = words.pgettext(context, singular) if context else words.gettext(singular)
        parts = list(_parts(said, variables))
        if said == singular and self.environment.globals["language"] != SOURCE:
            span = nodes.TemplateData('<span lang="en">'), nodes.TemplateData("</span>")
            parts = [span[0], *parts, span[1]]
        return nodes.Output(parts)


class Spoken(CodeGenerator):
    """`_("...")` costs no more: in its place stand the words that it would find."""

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        match node:
            case nodes.Call(node=nodes.Name(name="_"), args=[nodes.Const(value=str(words))]):
                found = cast(NullTranslations, self.environment.globals["catalogue"])
                self.write(repr(found.gettext(words)))
            case _:
                super().visit_Call(node, frame, forward_caller=forward_caller)


def _parts(said: str, variables: Mapping[str, nodes.Expr]) -> Iterator[nodes.Expr]:
    """The words between `%(name)s`, and what stands for each name."""
    rest = said
    while rest:
        before, found, after = rest.partition("%(")
        if before:
            yield nodes.TemplateData(before.replace("%%", "%"))
        if not found:
            return
        name, _, rest = after.partition(")s")
        yield variables[name] if name in variables else nodes.Name(name, "load")
