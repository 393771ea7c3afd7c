"""What people write comes out as words and a little markup, and nothing else."""

import re
import time
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from kernel import text

MARKER = "\"'><svg/onload=1>{{7*7}}"

HOSTILE = [
    MARKER,
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    '<math><mtext><table><mglyph><style><img src=x onerror="alert(1)">',
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    '<base href="https://evil.example/"><a href="x">y</a>',
    '<form action="https://evil.example"><input name=password></form>',
    '<iframe src="https://evil.example"></iframe>',
    '<a href="javascript:alert(1)">x</a>',
    '<a href="java\tscript:alert(1)">x</a>',
    '<a href="data:text/html,x">x</a>',
    '<a href="vbscript:x">x</a>',
    '<a href="//evil.example/">x</a>',
    '<p style="background:url(https://evil.example/)">x</p>',
    '<p class="page-header" id="main" onclick="x()">x</p>',
    '<span translate="&quot;><img src=x>">x</span>',
    "<p><!-- <img src=x onerror=1> --></p>",
    "<![CDATA[<img src=x>]]>",
    "<a href='https://ok.example' target=_top onfocus=1 autofocus>x</a>",
    '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    "<textarea></p><img src=x onerror=1></textarea>",
    "<title><img src=x></title><xmp><img src=x></xmp><plaintext><img src=x>",
    "<h2 onclick=1>title</h2>",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
]


class Shapes(HTMLParser):
    """Every tag and attribute a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


def is_safe(shown: str) -> bool:
    shapes = Shapes()
    shapes.feed(shown)
    for tag, name, value in shapes.attributes:
        if name == "href":
            if not (tag == "a" and re.match(r"https?://", value)):
                return False
        elif name == "class":
            if not set(value.split()) <= text._CLASSES:
                return False
        elif name not in {"rel", "lang", "translate", "start", "reversed", "value"}:
            return False
    return shapes.tags <= text.TAGS


@pytest.mark.parametrize("hostile", HOSTILE)
def test_sec_X1_only_the_allow_list_is_left(hostile: str) -> None:
    """WIRE-P2."""
    for shown in (
        text.clean(hostile),
        text.clean(text.render(hostile)),
        text.render(hostile, text.Marks("https://alder.example/tags/")),
        text.paragraph(hostile),
        text.paragraph(text.plain(hostile, 200)),
    ):
        assert is_safe(shown), shown


@given(st.text(alphabet="<>/ab\"'=& \n[]()*_`:#@!-", max_size=200))
def test_anything_typed_comes_out_safe(typed: str) -> None:
    assert is_safe(text.clean(typed))
    assert is_safe(text.clean(text.render(typed)))
    people = {"a": "https://alder.example/u/a"}
    assert is_safe(text.render(typed, text.Marks("https://alder.example/tags/", people)))


@given(st.text(alphabet="<>ab/\"' =hreftps:.pu", max_size=120))
def test_cleaning_twice_is_cleaning_once(typed: str) -> None:
    once = text.clean(typed)
    assert text.clean(once) == once


_INSIDE_PROSE = st.one_of(
    st.text(max_size=20), st.sampled_from(["<br>", "&amp;", "&lt;", "&gt;", "\n", "<b>", "&nbsp;"])
)


@given(st.lists(st.lists(_INSIDE_PROSE, max_size=4).map("".join), max_size=4), st.booleans())
def test_prose_is_what_the_allow_list_would_give_back(paragraphs: list[str], apart: bool) -> None:
    typed = ("\n" if apart else "").join(f"<p>{words}</p>" for words in paragraphs)
    if text.is_prose(typed):
        assert text._allow(typed) == typed


def test_every_character_of_prose_stays_and_what_members_write_is_prose() -> None:
    letters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    prose = "".join(letter for letter in letters if text.is_prose(f"<p>{letter}</p>"))
    assert len(prose) > 1_000_000
    assert text._allow(f"<p>{prose}</p>") == f"<p>{prose}</p>"
    assert text.is_prose(text.render('I\'d say "yes" & more: 2 < 3.\nA line.\n\nSecond, ä 漢 🌧.'))
    for other in ("<p>a", "a</p>", "<p><p>a</p></p>", "<p>&#60;</p>", "<p>\xa0</p>", "<p a>b</p>"):
        assert not text.is_prose(other)


def test_what_the_network_uses_is_kept() -> None:
    html = (
        '<p><span class="h-card"><a href="https://m.example/@a" class="u-url mention">@<span>a'
        '</span></a></span> <a href="https://m.example/tags/x" class="mention hashtag">#x</a></p>'
        '<ol start="3"><li value="4">x</li></ol><blockquote><p lang="de">y</p></blockquote>'
        "<ruby>漢<rp>(</rp><rt>kan</rt></ruby>"
    )
    shown = text.clean(html)
    for part in ("h-card", "u-url mention", "mention hashtag", 'start="3"', 'value="4"'):
        assert part in shown
    assert 'lang="de"' in shown
    assert "<rt>kan</rt>" in shown
    assert 'rel="nofollow noopener noreferrer ugc"' in shown


def test_clean_html_is_marked_as_safe_for_templates() -> None:
    assert isinstance(text.clean("<p>x</p>"), Markup)


def test_titles_from_elsewhere_become_bold_paragraphs() -> None:
    assert text.clean("<h1>Hello</h1>") == "<p><strong>Hello</strong></p>"


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ('<a href="https://evil.example/">https://bank.example</a>', "(evil.example)"),
        ('<a href="https://evil.example/" class="mention">@bank.example</a>', "(evil.example)"),
        ('<a href="https://аррӏе.com/">https://аррӏе.com</a>', "(xn--80ak6aa92e.com)"),
        ('<a href="https://good.example@evil.example/">good.example</a>', "(evil.example)"),
        ('<a lang="a href=" href="https://evil.example/">good.example</a>', "(evil.example)"),
    ],
)
def test_sec_X3_a_link_says_where_it_leads(link: str, said: str) -> None:
    assert said in text.clean(link)


@pytest.mark.parametrize(
    "link",
    [
        '<a href="https://bank.example/">https://bank.example/</a>',
        '<a href="https://m.example/@a" class="u-url mention">@<span>a</span></a>',
    ],
)
def test_sec_X3_a_plain_link_is_left_alone(link: str) -> None:
    assert "(" not in text.clean(link)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("*a* **b** `c`", "<p><em>a</em> <strong>b</strong> <code>c</code></p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("# Title\n\ntext", "<p><strong>Title</strong></p>\n<p>text</p>"),
        ("Title\n=====", "<p><strong>Title</strong></p>"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](mailto:a@b.example)", "<p>[x](mailto:a@b.example)</p>"),
    ],
)
def test_markdown_becomes_little_html(typed: str, shown: str) -> None:
    """WIRE-P1."""
    assert text.render(typed) == shown


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("see https://example.org/a_b_c, please", "https://example.org/a_b_c"),
        ("(https://example.org/x)", "https://example.org/x"),
        ("https://example.org/x_(y)", "https://example.org/x_(y)"),
        ("HTTPS://example.org", "HTTPS://example.org"),
        ("<https://example.org/>", "https://example.org/"),
    ],
)
def test_bare_addresses_become_links(typed: str, address: str) -> None:
    assert f'<a href="{address}"' in text.render(typed)


def test_bare_addresses_in_code_and_links_stay_words() -> None:
    assert "<a" not in text.render("`https://example.org`")
    assert text.render("[https://a.example](https://a.example)").count("<a ") == 1


def test_images_are_never_loaded() -> None:
    assert "<img" not in text.render("![x](https://evil.example/pixel.png)")


def test_plain_gives_words_on_one_line() -> None:
    html = "<p>One<br>two &lt;b&gt;</p><p>three</p>"
    assert text.plain(html, 100) == "One two <b> three"
    assert text.plain(html, 100, first_line=True) == "One"
    assert text.plain("<p>abcdefgh</p>", 5) == "abcd…"
    assert text.plain("", 5, first_line=True) == ""


def test_a_paragraph_is_escaped() -> None:
    assert text.paragraph(MARKER) == "<p>&quot;&#x27;&gt;&lt;svg/onload=1&gt;{{7*7}}</p>"


BURSTS = [
    "[", "*", "_", "`", "<", "&", "![", "[[](", "[a](", "**a ", "> ", "- ", "\\", "x\n", "@", "~",
    "http://a ", "https://", "<a ", "<h1", "<b>", "&#x1F600;", "1. ", "@a@b.c ",
    "<div>", "<ul><li>", "<blockquote>", "<b a=1><p>",
]  # fmt: skip


@pytest.mark.parametrize("burst", BURSTS)
def test_sec_D11_hostile_input_costs_little(burst: str) -> None:
    typed = burst * 100_000
    assert _seconds(text.render, typed) < 0.1
    assert _seconds(text.clean, typed) < 0.3
    assert _seconds(lambda words: text.plain(words, 200), typed) < 0.1


def _seconds(work: Callable[[str], str], typed: str) -> float:
    """The best of three: other programs share this processor."""
    spent = []
    for _ in range(3):
        begun = time.process_time()
        work(typed)
        spent.append(time.process_time() - begun)
    return min(spent)


def test_words_survive_where_markup_does_not() -> None:
    typed = "[" * 5000 + " hello\n\nthere"
    shown = text.render(typed)
    assert "hello" in shown
    assert "<p>there</p>" in shown
