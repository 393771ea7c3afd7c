"""The list of labels is what its page says (MOD-5.18)."""

from pathlib import Path

from moderation import labels
from moderation.labels import VOCABULARY, Label

PAGE = Path(labels.__file__).parents[1] / "docs" / "reference" / "labels.md"


def _row(label: Label) -> str:
    who = [*(["author"] if label.by_author else []), *sorted(each.value for each in label.by)]
    blames = "yes" if label.blames else "no"
    cells = (f"`{label.id}`", label.name, ", ".join(who), label.effect, str(label.days), blames)
    return f"| {' | '.join(cells)} |"


def test_mod_5_18_the_page_of_labels_is_the_list_in_the_code() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [_row(label) for label in VOCABULARY]
