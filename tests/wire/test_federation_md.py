"""`FEDERATION.md` says what the code does, and nothing else (WIRE-D14)."""

import json
import re
from pathlib import Path

from activitypub import digests
from activitypub.documents import ACTOR_CONTEXT, POST_CONTEXT
from activitypub.notes import NOTE_TYPES
from activitypub.vocab import ActivityKind
from inbox.process import HANDLERS
from tests.peer import Document
from tests.wire import lemmy, strict

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "FEDERATION.md").read_text()
PACKAGES = ("activitypub", "groups", "inbox", "kernel", "members", "moderation", "node")

_FEP = re.compile(r"FEP-([0-9a-f]{4})\b|/fep/([0-9a-f]{4})\b")


def _section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _first_column(section: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def _feps(text: str) -> set[str]:
    return {first or second for first, second in _FEP.findall(text)}


def test_every_activity_that_we_read_is_named_and_the_other_way_round() -> None:
    named = _first_column(_section("Activities we read"))
    assert sorted(named) == sorted({*map(str, HANDLERS), "Announce"})
    assert set(named) == set(map(str, ActivityKind))


def test_every_kind_of_post_that_we_read_is_named() -> None:
    sentence = re.search(r"Posts may be (.*?);", _section("Activities we read"), re.DOTALL)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[1])) == NOTE_TYPES


def test_every_fep_that_the_code_follows_is_named() -> None:
    code = "".join(
        file.read_text() for package in PACKAGES for file in (ROOT / package).rglob("*.py")
    )
    assert "1b12" in _feps(code)
    assert sorted(_feps(code) - _feps(_section("Supported FEPs"))) == []


def test_every_fep_that_is_named_is_cited_where_it_is_kept() -> None:
    """In the code, in a test that shows it, or in the rules; FEP-67ff is the page itself."""
    here = Path(__file__)
    places = [
        *(file for package in PACKAGES for file in (ROOT / package).rglob("*.py")),
        *(file for file in (ROOT / "tests").rglob("*.py") if file != here),
    ]
    cited = _feps("".join(file.read_text() for file in places))
    assert sorted(_feps(_section("Supported FEPs")) - cited - {"67ff"}) == []


def _examples() -> list[Document]:
    return [
        json.loads(line_or_block)
        for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
        for line_or_block in ([block] if block.startswith("{\n") else block.splitlines())
    ]


_LEMMY_READS = frozenset(  # no end of a boost, no poll, no vote, no refusal of a quote, no picture
    f"https://alder.example/{path}"
    for path in ("g/sleep", "a/1", "a/2", "a/3", "a/5", "a/7", "a/9", "a/20", "p/150", "t/117")
)


def test_wire_T13_every_example_reads_strictly_and_says_what_it_means() -> None:
    examples = _examples()
    assert [each["type"] for each in examples] == [
        "Group", "Create", "Announce", "Announce", "Announce", "Accept", "Delete", "Undo", "Block",
        "Question", "Create", "Note", "Reject", "ReplyRequest", "Delete", "OrderedCollection",
        "Move", "Image",
    ]  # fmt: skip
    for example in examples:
        strict.check(example)
        if example.get("id") in _LEMMY_READS:
            lemmy.check(example)
        assert strict.unmapped(example) == set(), example["type"]
    assert examples[0]["@context"] == ACTOR_CONTEXT
    assert examples[1]["@context"] == POST_CONTEXT


def test_wire_G43_the_digest_that_is_shown_is_that_of_the_thread_beside_it() -> None:
    (thread,) = (each for each in _examples() if each["type"] == "OrderedCollection")
    assert f'`"{digests.of(thread["orderedItems"])}"`' in PAGE


def test_every_status_of_an_inbox_is_one_that_the_code_answers() -> None:
    named = {int(status) for status in re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)}
    errors = (ROOT / "kernel" / "errors.py").read_text()
    answered = {int(status) for status in re.findall(r"status, title = (\d{3})", errors)}
    assert named - {202} <= answered
