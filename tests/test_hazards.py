"""Every hazard that is written down has a test that shows what stands against it."""

import re
from pathlib import Path

_HERE = Path(__file__).parents[1]
_LOG = (_HERE / "docs" / "explanation" / "hazards.md").read_text()
_HAZARDS = re.findall(r"^\| \*\*(H\d+)\*\*", _LOG, re.MULTILINE)
_TESTS = "\n".join(path.read_text() for path in sorted((_HERE / "tests").rglob("test_*.py")))


def test_mod_5_15_every_hazard_has_a_test_with_its_name() -> None:
    assert len(_HAZARDS) >= 12
    missing = [
        hazard for hazard in _HAZARDS if not re.search(rf"def test_mod_{hazard}_\w+\(", _TESTS)
    ]
    assert not missing


def test_mod_5_15_every_test_of_a_hazard_has_a_row() -> None:
    assert set(re.findall(r"def test_mod_(H\d+)_", _TESTS)) <= set(_HAZARDS)
