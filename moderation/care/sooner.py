"""Which words moderators may want to read sooner: an order, with its reasons, and nothing else.

(DOM-D11, DOM 5.5). What is found out is stored nowhere: it is worked out while somebody looks at a
queue, and gone with the page. It starts nothing, tells nobody but who looks, and never leaves.
Phrases are our own, in families, in a file with its version and where it comes from; none names
how somebody could hurt themselves. Gaps in them are short, so that it takes time that grows with
the words and no faster.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from kernel.errors import Misconfigured
from moderation import harm

LONGEST: Final = 10_000  # letters that are read
FEWEST_OUTCOMES: Final = 300  # that weights of one's own rest on
MAX_WEIGHT: Final = 3.0

Weights = Mapping[str, float]
PLAIN: Final[Weights] = {}


@dataclass(frozen=True, slots=True)
class Look:
    """What a text sounds like. Not `screened`: nobody tried the list in that language."""

    points: float
    reasons: tuple[str, ...]
    screened: bool

    @property
    def sooner(self) -> bool:
        return self.points >= _enough()


@dataclass(frozen=True, slots=True)
class _Language:
    strong: Mapping[str, re.Pattern[str]]
    weak: Mapping[str, re.Pattern[str]]
    less: re.Pattern[str]
    support: re.Pattern[str]


@cache
def _file() -> dict[str, Any]:
    text = files("moderation.care").joinpath("data/look_sooner.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def _language(tag: str) -> _Language:
    said = _file()["languages"][tag]

    def families(name: str) -> Mapping[str, re.Pattern[str]]:
        return {each: re.compile("|".join(shapes)) for each, shapes in said[name].items()}

    return _Language(
        strong=families("strong"),
        weak=families("weak"),
        less=re.compile("|".join(said["less"])),
        support=re.compile("|".join(said["support"])),
    )


@cache
def _enough() -> float:
    return float(_file()["points"]["enough"])


def reviewed() -> date:
    """The day on which the list was read through last."""
    return date.fromisoformat(_file()["version"])


def source() -> str:
    """Where the list comes from, and on what it was tried."""
    return str(_file()["source"])


def languages() -> Sequence[str]:
    """Those that somebody tried the list in."""
    return tuple(_file()["languages"])


@cache
def families() -> frozenset[str]:
    """What the list can give as a reason, in any language."""
    return frozenset(
        family
        for said in _file()["languages"].values()
        for part in ("strong", "weak")
        for family in said[part]
    )


_SENTENCE: Final = re.compile(r"[.!?\n]+")
_QUOTED: Final = re.compile(  # each letter is looked at few times, whatever it is
    r"(?m)^[^\S\n]*>.*$|“[^”“\n]{0,300}”|„[^“„\n]{0,300}“|\"[^\"\n]{0,300}\""
)


def look(
    words: str, language: str = "", *, answering: bool = False, weights: Weights = PLAIN
) -> Look:
    """How soon somebody may want to read `words`; what is in quotes is not its author's.

    Without a language it is read as English. An answer that gives support counts for half.
    """
    tag = language.partition("-")[0].lower() or "en"
    if tag not in languages():
        return Look(0.0, (), screened=False)
    known, points = _language(tag), _file()["points"]
    plain = harm.fold(_QUOTED.sub(" ", words[:LONGEST].replace("’", "'")))
    found: dict[str, float] = {}
    for sentence in _SENTENCE.split(plain):
        share = 0.25 if known.less.search(sentence) else 1.0
        for kind, shapes in (("strong", known.strong), ("weak", known.weak)):
            for family, shape in shapes.items():
                if shape.search(sentence) is not None:
                    worth = points[kind] * share * weights.get(family, 1.0)
                    found[family] = max(found.get(family, 0.0), worth)
    total = sum(found.values())
    if answering and known.support.search(plain):
        total /= 2
    reasons = sorted((each for each in found if found[each]), key=lambda it: (-found[it], it))
    return Look(total, tuple(reasons), screened=True)


def read_weights(path: Path | None) -> Weights:
    """Weights that a node worked out from its own moderators' answers: numbers by family, as JSON.

        {"outcomes": 412, "measured": "2026-10-01", "weights": {"no hope": 1.4, "tonight": 0.5}}

    Without a file every family counts as the list says. Raises Misconfigured: it cannot be read,
    rests on fewer answers than `FEWEST_OUTCOMES`, or weighs what is no family of the list.
    """
    if path is None:
        return PLAIN
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        outcomes, weights = int(said["outcomes"]), dict(said["weights"])
        date.fromisoformat(said["measured"])
        read = {str(family): float(weight) for family, weight in weights.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Misconfigured(f"{path} has no weights that can be read: {error}") from error
    if outcomes < FEWEST_OUTCOMES:
        raise Misconfigured(f"{path} rests on {outcomes} answers; it takes {FEWEST_OUTCOMES}.")
    wrong = [
        it for it, weight in read.items() if it not in families() or not 0 <= weight <= MAX_WEIGHT
    ]
    if wrong:
        raise Misconfigured(f"{path} weighs what the list does not have, or too much: {wrong[0]}")
    return read
