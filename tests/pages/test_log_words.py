"""Every line of the log has words: what the code notes is looked up in what pages say."""

import ast
from pathlib import Path

from node.pages.decision_words import KINDS, OF_NODE

ROOMS = ("groups", "inbox", "members", "moderation", "node")


def _noted() -> set[str]:
    """What is written out as `verb=…` of `audit.note`."""
    root = Path(__file__).parents[2]
    files = [each for room in ROOMS for each in (root / room).rglob("*.py")]
    calls = [
        each
        for file in files
        for each in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "audit.note"
    ]
    values = [each.value for call in calls for each in call.keywords if each.arg == "verb"]
    return {str(each.value) for each in values if isinstance(each, ast.Constant)}


def test_mod_5_12_every_verb_that_the_log_has_is_said_in_words() -> None:
    verbs = _noted()
    assert len(verbs) > 40
    assert verbs - OF_NODE.keys() - KINDS.keys() == set()
