"""The list of labels is what its page says (MOD-5.18)."""

import re
from pathlib import Path

from moderation import labels
from moderation.labels import VOCABULARY, Label
from moderation.signals import rules

PAGE = Path(labels.__file__).parents[1] / "docs" / "reference" / "labels.md"


def _row(label: Label) -> str:
    who = [*(["author"] if label.by_author else []), *sorted(each.value for each in label.by)]
    blames = "yes" if label.blames else "no"
    cells = (f"`{label.id}`", label.name, ", ".join(who), label.effect, str(label.days), blames)
    return f"| {' | '.join(cells)} |"


def test_mod_5_18_the_page_of_labels_is_the_list_in_the_code() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [_row(label) for label in VOCABULARY]


def test_mod_5_18_words_of_other_lists_are_named_where_they_count_as_ours() -> None:
    rows = re.findall(r"^\| ([\w-]+) \| `([\w-]+)` \|", PAGE.read_text(), re.M)
    assert dict(rows) == labels.ALIASES
    assert not labels.ALIASES.keys() & labels.BY_ID.keys()
    for word, ours in labels.ALIASES.items():
        assert rules.short(f"https://labels.example/list/{word.upper()}/") == ours
        assert ours in labels.BY_ID
    assert rules.short("https://labels.example/rude") == "rude"
