"""How pages look and read: contrast, plain words, and the same in light and dark."""

import gzip
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from node.pages.render import environment

SHEET = Path(str(files("templates"))) / "static" / "site.css"

PAIRS = [
    ("ink", "paper"), ("ink", "card"), ("ink", "sunk"),
    ("quiet", "paper"), ("quiet", "card"), ("quiet", "sunk"),
    ("accent", "paper"), ("accent", "card"), ("accent", "sunk"),
    ("accent-deep", "paper"), ("accent-deep", "card"),
    ("on-accent", "accent"), ("on-accent", "accent-deep"),
    ("on-soft", "soft"), ("on-honey", "honey"),
    *(("ink", f"tone-{n}") for n in range(6)),
]  # fmt: skip


def themes() -> Iterator[tuple[str, Mapping[str, str]]]:
    """The colours of each block that sets them."""
    for block in re.findall(r":root[^{]*\{([^}]*)\}", SHEET.read_text()):
        found = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block))
        if "paper" in found:
            yield ("dark" if "color-scheme: dark" in block else "light"), found


def easier(theme: str) -> Mapping[str, str]:
    """What easier pages change of a theme's colours: the same by device and by choice."""
    blocks = re.findall(r':root\[data-mode="easier"\]([^{]*)\{([^}]*)\}', SHEET.read_text())
    found = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", colours)) for _, colours in blocks]
    assert len(found) == 3
    assert found[1] == found[2]
    return found[0 if theme == "light" else 1]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_can_be_read_in_light_and_dark() -> None:
    found = list(themes())
    assert [name for name, _ in found] == ["light", "dark", "dark"]
    assert found[1][1] == found[2][1], "by device and by choice the dark colours are the same"
    for name, colours in found:
        for words, ground in PAIRS:
            assert contrast(colours[words], colours[ground]) >= 4.5, (name, words, ground)
        for edge in ("paper", "card"):
            assert contrast(colours["edge"], colours[edge]) >= 3, (name, "edge", edge)
            assert contrast(colours["focus"], colours[edge]) >= 3, (name, "focus", edge)


def test_easier_pages_have_stronger_colours() -> None:
    """DOM-J2: words at 7 : 1."""
    for name, colours in themes():
        strong = {**colours, **easier(name)}
        for words, ground in PAIRS:
            assert contrast(strong[words], strong[ground]) >= 7, (name, words, ground)


def test_the_sheet_has_no_left_and_no_right() -> None:
    """Pages are read from the right as well: sides are the start and the end of a line."""
    sheet = re.sub(r"/\*.*?\*/", "", SHEET.read_text(), flags=re.S)
    assert re.findall(r"[^\n;{]*\b(?:left|right)\b[^-\n;]*", sheet) == []


def test_sheet_and_script_are_small_on_the_way() -> None:
    """All that a page loads besides itself and pictures, compressed."""
    total = sum(
        len(gzip.compress(file.read_bytes(), 9))
        for file in SHEET.parent.iterdir()
        if file.suffix in {".css", ".js", ".svg"}
    )
    assert total < 20_000


def test_the_sheet_asks_nobody_else_for_anything() -> None:
    text = SHEET.read_text()
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search("animation|transition|scroll-behavior", text), "nothing moves, for anybody"
    assert len(SHEET.read_bytes()) < 32_000


def templates() -> list[str]:
    return [name for name in environment().list_templates() if name.endswith(".html")]


AVOIDED = [
    "invalid", "illegal", "forbidden", "violat", "punish", "failed", "error:", "commit suicide",
    "mentally ill", "suffers from", "addict", "normal", "crazy", "you must", "oops", "whoops",
    "streak", "score:", "click here", "illegitimate",
]  # fmt: skip


@pytest.mark.parametrize("folder", ["templates", "node/pages"])
def test_words_are_plain_and_kind(folder: str) -> None:
    package = files("templates") if folder == "templates" else files("node").joinpath("pages")
    for path in sorted(Path(str(package)).rglob("*")):
        if path.suffix not in {".html", ".py"}:
            continue
        text = path.read_text()
        spoken = text if path.suffix == ".html" else " ".join(re.findall(r'"([^"\n]{20,})"', text))
        for word in AVOIDED:
            assert word not in spoken.lower(), (path.name, word)


def test_the_script_of_every_page_is_small_and_asks_nobody() -> None:
    text = Path(str(files("templates"))).joinpath("static", "leave.js").read_text()
    assert len(text.encode()) < 8_000
    for word in ("fetch(", "XMLHttpRequest", "eval(", "innerHTML", "localStorage", "http"):
        assert word not in text, word


def test_templates_escape_and_carry_no_scripts() -> None:
    assert environment().autoescape is True
    assert len(templates()) > 30
    for name in templates():
        source = Path(str(files("templates"))).joinpath(name).read_text()
        assert "|safe" not in source.replace(" ", ""), name
        assert "autoescape" not in source, name
        assert "<script" not in source or 'type="module" src=' in source, name
        assert " style=" not in source, name
        assert environment().get_template(name)
