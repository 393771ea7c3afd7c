"""Reads what people are shown, sentence by sentence: templates, refusals and words of pages."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
MESSAGES: Final = ("groups", "members", "node/pages", "kernel/errors.py", "resources", "moderation")
SPOKEN: Final = (  # files whose every sentence is shown
    "node/pages/group_words.py",
    "activitypub/care.py",
    "moderation/labels.py",
)
MARKS: Final = ("said", "noted", "joined")  # calls that say a sentence
QUOTING: Final = "groups/hints.py"  # says which words to leave, and so says them

_BLOCK = (
    r"p|li|ul|ol|h\d|div|label|legend|summary|option|button|section|header|footer|main|nav|aside"
    r"|article|form|fieldset|dt|dd|dl|td|th|tr|table|details|title|br|select|textarea"
)
_COMMENT = re.compile(r"\{#.*?#\}|<style>.*?</style>", re.DOTALL)
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_STATEMENT = re.compile(r"\{%(.*?)%\}", re.DOTALL)
_OTHERWISE = re.compile(r"\{%\s*el(?:se|if)\b.*?%\}", re.DOTALL)
_STRING = re.compile(r'"([^"]*)"')
_ENDS_BLOCK = re.compile(
    rf"</?(?:{_BLOCK})\b[^>]*>|<a class=\"(?:quiet-)?button[^>]*>", re.IGNORECASE
)
_LABELLED = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')
_TAG = re.compile(r"<[^>]*>")
_SENTENCE = re.compile(r"(?<=[.!?])[”\"]?\s+|(?<=[.!?][”\")])\s+|\n")
_NAMED = re.compile(r"\{\w*\}")
_WORD = re.compile(r"[A-Za-zÀ-ÿ0-9][\w'’-]*")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, and the file that says it. `…` stands for what is only known on a page."""

    place: str
    words: str

    @property
    def length(self) -> int:
        return len(_WORD.findall(self.words))


def sentences() -> Iterator[Sentence]:
    """Every sentence that a page may show, with labels, hints and refusals."""
    for file in sorted((ROOT / "templates").rglob("*.html")):
        yield from _of(file, _shown(file.read_text()))
    for place in MESSAGES:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if str(file.relative_to(ROOT)) not in (*SPOKEN, QUOTING):
                yield from _of(file, _refusals(file.read_text()))
    for place in SPOKEN:
        yield from _of(ROOT / place, _strings(ast.parse((ROOT / place).read_text())))


def _of(file: Path, texts: Iterator[str]) -> Iterator[Sentence]:
    place = str(file.relative_to(ROOT))
    for text in texts:
        for part in _SENTENCE.split(text):
            words = " ".join(part.split())
            if _WORD.search(words) and (" " in words):
                yield Sentence(place, words)


def _shown(template: str) -> Iterator[str]:
    text = _COMMENT.sub("", template)
    for expression in (*_EXPRESSION.findall(text), *_STATEMENT.findall(text)):
        yield from (said for said in _STRING.findall(expression) if " " in said)
    text = _EXPRESSION.sub("…", text)
    text = _STATEMENT.sub("", _OTHERWISE.sub("<br>", text))
    yield from _LABELLED.findall(text)
    yield _TAG.sub("", _ENDS_BLOCK.sub("\n", re.sub(r"\s+", " ", text)))


def _refusals(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in [*node.exc.args, *(each.value for each in node.exc.keywords)]:
                yield _said(argument)


def _said(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _said(each) if isinstance(each, ast.Constant) else "…" for each in node.values
        )
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MARKS:
        return "\n".join(_NAMED.sub("…", _said(each)) for each in node.args)
    return ""


def _strings(tree: ast.Module) -> Iterator[str]:
    documented = {
        id(first.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(first := node.body[0], ast.Expr)
    }
    inside = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for each in node.values
    }
    for node in ast.walk(tree):
        if id(node) not in documented | inside and isinstance(node, ast.Constant | ast.JoinedStr):
            yield _said(node)
