"""What the pages say is there, is there; and every rule that the code cites is explained."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
RULES = ROOT / "docs" / "reference" / "rules.md"

_CITED = re.compile(r"\b(WIRE|SEC|DOM|MOD|DESIGN)-([A-Z]{1,2}\d{1,2}[a-z]?|(?<=MOD-)\d\.\d{1,2})\b")
_IN_TEST_NAMES = re.compile(
    r"test_(wire|sec|dom|mod|design)_([A-Z]{1,2}\d{1,2}[a-z]?|(?<=mod_)\d_\d{1,2})_"
)
_PATH = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|md|toml|csv))`")


_NOT_OURS = {".venv", ".git", "build", "dist", "node_modules"}


def _files(*endings: str) -> list[Path]:
    return [
        file
        for file in ROOT.rglob("*")
        if file.name.endswith(endings)
        and file.is_file()
        and not _NOT_OURS & set(file.relative_to(ROOT).parts)
        and not any(part.endswith((".egg-info", "_cache")) for part in file.parts)
    ]


def cited() -> set[str]:
    """Every rule id that code, tests and pages cite."""
    found = set()
    for file in _files(".py", ".md", ".html", ".css"):
        if file == RULES:
            continue
        text = file.read_text()
        found |= {f"{page}-{rule}" for page, rule in _CITED.findall(text)}
        found |= {
            f"{page.upper()}-{rule.replace('_', '.')}"
            for page, rule in _IN_TEST_NAMES.findall(text)
        }
    return found


def test_every_cited_rule_is_restated_in_the_reference() -> None:
    explained = set(
        re.findall(r"^\| ((?:WIRE|SEC|DOM|MOD|DESIGN)-[\w.]+) \|", RULES.read_text(), re.M)
    )
    assert sorted(cited() - explained) == []


def test_each_rule_is_restated_once() -> None:
    ids = re.findall(r"^\| ((?:WIRE|SEC|DOM|MOD|DESIGN)-[\w.-]+) \|", RULES.read_text(), re.M)
    assert [each for each in ids if ids.count(each) > 1] == []


def test_every_rule_of_the_wire_is_named_by_a_test() -> None:
    explained = set(re.findall(r"^\| WIRE-([\w-]+) \|", RULES.read_text(), re.M))
    named = set[str]()
    for file in (ROOT / "tests").rglob("*.py"):
        text = file.read_text()
        named |= set(re.findall(r"WIRE-(in-\d+|[A-Z]\d+b?)", text))
        for several in re.findall(r"def test_wire((?:_(?:in\d+|[A-Z]\d+b?))+)_", text):
            named |= {each.replace("in", "in-") for each in several.strip("_").split("_")}
    assert sorted(explained - named) == []


def test_every_file_that_the_pages_name_exists() -> None:
    missing = {
        f"{page.relative_to(ROOT)}: {name}"
        for page in _files(".md")
        for name in _PATH.findall(page.read_text())
        if not (ROOT / name).exists()
    }
    assert sorted(missing) == []


def test_the_project_points_at_nothing_outside_itself() -> None:
    outside = [
        str(file.relative_to(ROOT))
        for file in _files(".py", ".md", ".toml", ".html", "Makefile")
        if re.search(r"\.\./(shared|\.library)", file.read_text()) and file != Path(__file__)
    ]
    assert outside == []


def test_the_locks_carry_versions_and_hashes_and_no_addresses() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text()
        assert "://" not in text, lock.name
        assert text.count("--hash=sha256:") > 20, lock.name
