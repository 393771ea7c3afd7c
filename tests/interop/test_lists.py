"""FediBlockHole reads the lists that we write, in every format that it knows (MOD-3.4)."""

import json
import subprocess
from typing import Any

import pytest

from kernel.schema.moderation import Level
from moderation.domains import Rule
from moderation.lists import writing
from moderation.lists.entry import Format
from moderation.policy import Policy
from tests.interop.programs import HERE, missing

pytestmark = pytest.mark.slow

PACKAGE = HERE / "python"
RULES = [
    Rule(domain="bad.example", policy=Policy(Level.DROP), public_comment='one, "two"'),
    Rule(domain="meh.example", policy=Policy(Level.FILTER, reject_media=True)),
    Rule(domain="note.example", policy=Policy(Level.NOTE, reject_media=True)),
    Rule(domain="kind.example", policy=Policy(Level.ACCEPT)),
]
WHOLE = {"bad.example": ["suspend", False, 'one, "two"'], "meh.example": ["silence", True, ""]}


def understood(kind: Format, theirs: str) -> dict[str, Any]:
    python = PACKAGE / ".venv" / "bin" / "python"
    if not python.exists():
        missing("the environment in tests/interop/python was not made")
    text = writing.write(kind, RULES)
    answer = subprocess.run(
        [python, "read_list.py", theirs],
        cwd=PACKAGE, input=text, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_mod_3_4_fediblockhole_reads_our_lists() -> None:
    assert understood(Format.PLAIN_CSV, "csv") == WHOLE
    assert understood(Format.MASTODON_CSV, "mastodon_csv") == WHOLE
    (block,) = understood(Format.RAPIDBLOCK, "rapidblock.json").items()
    assert block == ("bad.example", ["suspend", False, 'one, "two"'])
    blocks = understood(Format.MASTODON_JSON, "mastodon_api_public")
    assert {domain: row[0] for domain, row in blocks.items()} == {
        "bad.example": "suspend",
        "meh.example": "silence",
    }
