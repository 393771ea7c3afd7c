"""`docs/reference/security.md`: each thing a node must withstand has its tests, or says why not."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "reference" / "security.md").read_text()

WANTED = (
    *(f"D{n}" for n in (12, 13)),
    *(f"P{n}" for n in range(1, 11)),
    *(f"X{n}" for n in range(1, 10)),
    *(f"L{n}" for n in range(1, 17)),
    *(f"A{n}" for n in range(1, 18)),
    *(f"U{n}" for n in range(25)),
)

_ROW = re.compile(r"^\| ([A-Z]\d+) \| ([^|]+) \| ([^|]+) \|$", re.M)
_FILE = re.compile(r"`(tests/[\w/]+\.py)`")
_LEFT_OUT = "Left out: "


def shown(rule: str, text: str) -> bool:
    """Whether a file has a test of the rule, by its name or, where one shows several, its words."""
    return bool(re.search(rf"def test_sec_{rule}_|SEC-{rule}\b", text))


def test_every_rule_has_one_row_and_there_is_no_other() -> None:
    assert [rule for rule, _, _ in _ROW.findall(PAGE)] == list(WANTED)


def test_every_rule_has_a_test_or_a_reason_why_not() -> None:
    wrong = []
    for rule, _, how in _ROW.findall(PAGE):
        files = _FILE.findall(how)
        if how.startswith(_LEFT_OUT):
            if len(how) < len(_LEFT_OUT) + 20:
                wrong.append(f"{rule}: no reason")
        elif not files:
            wrong.append(f"{rule}: neither a test nor a reason")
        wrong += [
            f"{rule}: {name} shows nothing of it"
            for name in files
            if not (ROOT / name).exists() or not shown(rule, (ROOT / name).read_text())
        ]
    assert wrong == []


def test_a_file_without_the_rule_would_be_seen() -> None:
    assert shown("U1", "async def test_sec_U1_x")
    assert shown("U1", "as SEC-U1 says")
    assert not shown("U1", "SEC-U11, test_sec_U11_x")
