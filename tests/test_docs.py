"""What the pages say is there, is there; and every rule that the code cites is explained."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
RULES = ROOT / "docs" / "reference" / "rules.md"

_CITED = re.compile(r"\b(WIRE|SEC|DOM|MOD|DESIGN)-([A-Z]{1,2}\d{1,2}[a-z]?)\b")
_IN_TEST_NAMES = re.compile(r"test_(wire|sec|dom|mod|design)_([A-Z]{1,2}\d{1,2}[a-z]?)_")
_PATH = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|md|toml|csv))`")


def _files(*endings: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in listed if name.endswith(endings) and (ROOT / name).exists()]


def cited() -> set[str]:
    """Every rule id that code, tests and pages cite."""
    found = set()
    for file in _files(".py", ".md", ".html", ".css"):
        if file == RULES:
            continue
        text = file.read_text()
        found |= {f"{page}-{rule}" for page, rule in _CITED.findall(text)}
        found |= {f"{page.upper()}-{rule}" for page, rule in _IN_TEST_NAMES.findall(text)}
    return found


def test_every_cited_rule_is_restated_in_the_reference() -> None:
    explained = set(
        re.findall(r"^\| ((?:WIRE|SEC|DOM|MOD|DESIGN)-\w+) \|", RULES.read_text(), re.M)
    )
    assert sorted(cited() - explained) == []


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
        if re.search(r"\.\./(shared|\.library)|/work/|/tmp/notes", file.read_text())
        and file != Path(__file__)
    ]
    assert outside == []


def test_the_locks_carry_versions_and_hashes_and_no_addresses() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text()
        assert "://" not in text, lock.name
        assert text.count("--hash=sha256:") > 20, lock.name
