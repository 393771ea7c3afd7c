"""The ledger of automated tools says what is true of each of them (DOM-H5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from groups import hints
from moderation import contacts, harm
from moderation.care import sooner
from node import tools
from node.tools import CARD, CONTACTS, HARM, HINTS, SOONER, Measured
from resources import crisis
from resources.heavy import sounds_heavy
from tests.groups import contact_lines, hint_lines
from tests.moderation import harm_lines, sooner_lines
from tests.resources.heavy_lines import HEAVY, LIGHTER

KNOWN = crisis.numbers()


def test_dom_H5_the_numbers_are_counted_anew() -> None:
    assert _counted(
        HARM,
        [harm.describes_harm(line) for line in harm_lines.HARMFUL],
        [harm.describes_harm(line) for line in harm_lines.DISTRESS],
    )
    assert _counted(
        CONTACTS,
        [bool(contacts.find(line, KNOWN)) for line in contact_lines.WITH],
        [bool(contacts.find(line, KNOWN)) for line in contact_lines.WITHOUT],
    )
    words = [*hint_lines.LEAVE_OUT, *hint_lines.MEDICINE, *hint_lines.WORDS]
    fine = [*hint_lines.NO_HINT, *hint_lines.KIND_ANSWERS, *hint_lines.OWN_MEDICINE]
    answers = [bool(hints.find(line, answering=True)) for line in hint_lines.ANSWERS]
    assert _counted(
        HINTS,
        [*(bool(hints.find(line)) for line in words), *answers],
        [bool(hints.find(line, answering=True)) for line in fine],
    )
    assert _counted(SOONER, _looks(sooner_lines.SOONER), _looks(sooner_lines.LATER))
    assert _counted(CARD, [*map(sounds_heavy, HEAVY)], [*map(sounds_heavy, LIGHTER)])


def _looks(lines: Mapping[str, Sequence[str]]) -> list[bool]:
    return [sooner.look(line, tag).sooner for tag, some in lines.items() for line in some]


def _counted(said: Measured, right: list[bool], wrong: list[bool]) -> bool:
    counted = (sum(right), len(right), sum(wrong), len(wrong))
    assert (said.noticed, said.of, said.wrongly, said.others) == counted
    return True


def test_dom_H5_every_tool_has_all_that_a_reader_asks_for() -> None:
    root = Path(tools.__file__).parents[1]
    for tool in tools.TOOLS:
        for part in (tool.does, tool.never, tool.weak, tool.off):
            assert part.endswith("."), tool.id
        assert all((root / path).is_file() for path in tool.source.split(", ")), tool.id
        assert tool.version <= tool.measured.day
