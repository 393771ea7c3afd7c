"""Scenario files: one hole each, as data (`README.md` says how they are written)."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "scenarios"

Facts = dict[str, Any]
Words = Mapping[str, str]

_WORD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a hostile server answers, what happens then, and what must be true after it."""

    name: str
    about: str
    rules: Sequence[str]
    follows: bool  # somebody of the node's follows a group at the hostile server
    cases: Sequence[Facts]  # the same once more, with other words

    def of(self, case: Facts) -> tuple[list[Facts], list[Facts], Facts]:
        """Answers, steps and what must hold, in a case that may say any of them anew."""
        return case.get("answer", []), case.get("step", []), case.get("must", {})


def load(path: Path) -> Scenario:
    """Raises KeyError: the file does not say what it is about."""
    found = tomllib.loads(path.read_text())
    common: Facts = {name: found.get(name, empty) for name, empty in _PARTS.items()}
    cases = [
        {**common, **case, "must": {**common["must"], **case.get("must", {})}}
        for case in found.get("case", [{}])
    ]
    return Scenario(
        name=path.stem,
        about=found["about"],
        rules=found["rules"],
        follows=found.get("follows", False),
        cases=cases,
    )


_PARTS: Facts = {"answer": [], "step": [], "must": {}}


def every() -> list[Scenario]:
    return [load(path) for path in sorted(FOLDER.glob("*.toml"))]


def filled(value: Any, words: Words) -> Any:
    """`value` with `{words}` put in, and what is large made large.

    `{"$fill": "x", "$times": 9}` is a long text, `{"$list": …, "$times": 9}` a long list, in which
    `{i}` counts, `{"$nest": "name", "$times": 9}` an object in an object, and so on.
    """
    if isinstance(value, str):
        return _WORD.sub(lambda found: words.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [filled(each, words) for each in value]
    if not isinstance(value, dict):
        return value
    if "$times" in value:
        return _large(value, words)
    return {filled(name, words): filled(each, words) for name, each in value.items()}


def _large(value: Facts, words: Words) -> Any:
    times = int(value["$times"])
    if "$fill" in value:
        return str(filled(value["$fill"], words)) * times
    if "$list" in value:
        return [filled(value["$list"], {**words, "i": str(n)}) for n in range(times)]
    nested: Any = {}
    for _ in range(times):
        nested = {value["$nest"]: nested}
    return nested


def document(text: str, words: Words) -> Any:
    """JSON with its words put in."""
    return filled(json.loads(text), words)
