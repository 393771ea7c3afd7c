"""Tags in each other, as nobody writes them, cost little and grow to nothing (SEC-D11, R13)."""

import time

import pytest

from kernel import text
from kernel.tangles import FEW, is_tangled

OPEN = [
    "<b a={}>", "<B\ta={}>", "<font a={}>", "<h1 a={}>", "<b a={}/>", "<a href=https://{}.test/>",
    "<b a={}><i></b></i>", "<b a={}></B/x>", "<code a={}><pre></code></pre>",
    "<b a={}><textarea></b></textarea>", "<b a={}><!--</b>-->", "<b a={}><!x</b>>",
    '<b a={}><i title="</b>">', "<b a={}><i x'</b>'>", "<b a={}><table></b></table>",
    "<b a={}><svg></b></svg>", "<b a={}><td></b></td>", "<b a={}><style></b></style>", "<b a={}><",
]  # fmt: skip


@pytest.mark.parametrize("piece", OPEN)
def test_sec_D11_what_is_left_open_is_not_opened_again_and_again(piece: str) -> None:
    left = "".join(piece.format(number) for number in range(50_000 // len(piece)))
    bomb = f"<p>Words {left}</p>" + "<p>x</p>" * 6_000
    began = time.process_time()
    shown = text.clean(bomb)
    assert text.plain(bomb, 200).startswith("Words")
    assert time.process_time() - began < 0.3
    assert len(shown) <= 2 * len(bomb)
    assert "x" in shown


@pytest.mark.parametrize("piece", ["<div>", "<ul><li>", "<blockquote>", "<table><tr><td>", "<b>"])
def test_sec_R13_what_stands_in_each_other_is_not_searched_again_and_again(piece: str) -> None:
    began = time.process_time()
    assert len(text.clean(f"{piece * 30_000}word")) < 2 * text.MAX_HTML
    assert time.process_time() - began < 0.3


def test_a_long_article_keeps_its_markup() -> None:
    part = (
        '<h2>Part</h2><p>With <a href="https://x.test/1" class="mention">@<span>a</span></a> and '
        "<strong>words <em>in</em></strong>.<br/>More &amp; more.</p><p>Not closed<ul><li>one"
        "<li>two <code>x &lt; y</code></ul><blockquote><p>said</p></blockquote><hr>"
        "<table><tbody><tr><td>a</td></tr></tbody></table>"
    )
    article = part * 200
    assert not is_tangled(article)
    assert text.clean(article).count("<em>in</em>") == 200
    cut = article[: article.rindex("<strong") + 4]
    assert not is_tangled(cut)
    assert "<em>" in text.clean(cut)


def test_words_of_a_tangle_are_kept_and_nothing_of_its_tags() -> None:
    shown = text.clean(
        "<b><i>" * FEW + "hello &lt;b&gt; <script>alert(1)</script><unknown x=y>there"
    )
    assert "hello &lt;b&gt;" in shown
    assert "there" in shown
    assert "<script" not in shown
    assert shown.count("<") == 2  # one paragraph


def test_few_tags_are_nobodys_business() -> None:
    assert not is_tangled("<b>" * FEW)
    assert is_tangled("<b>" * (FEW + 1))
    assert is_tangled("<p>x</p>" * FEW + "<unheard-of>")
