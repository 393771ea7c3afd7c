"""Hashtags and names in what members write (WIRE-P7, WIRE-P8)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import text
from kernel.hashtags import MAX_TAG, MAX_TAGS, fold

AT = "https://alder.example/tags/"
BEN = "https://birch.example/u/ben"


def marks(**people: str) -> text.Marks:
    return text.Marks(AT, {name.replace("_at_", "@"): uri for name, uri in people.items()})


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("#Sleep", "sleep"),
        ("sleep", "sleep"),
        ("#ＳＬＥＥＰ", "sleep"),
        ("#Straße", "strasse"),
        ("#नींद", "नींद"),
        ("#a1", "a1"),
        ("#2026", ""),
        ("#", ""),
        ("#two words", ""),
        ("#a/b", ""),
        ("#a%00b", ""),
        ("#" + "a" * MAX_TAG, "a" * MAX_TAG),
        ("#" + "a" * (MAX_TAG + 1), ""),
        ("#" + "a" * 10 * MAX_TAG, ""),
    ],
)
def test_wire_P7_tags_are_the_same_however_they_are_written(written: str, folded: str) -> None:
    assert fold(written) == folded


@given(st.text(max_size=120))
def test_folding_twice_is_folding_once(written: str) -> None:
    assert fold(fold(written)) == fold(written)


def test_wire_P7_a_tag_becomes_a_link_outside_of_code() -> None:
    found = marks()
    shown = text.render("A #Sleep, `#code` and [#x](https://a.example).\n\n    #more\n", found)
    assert '<a href="https://alder.example/tags/sleep" class="mention hashtag" rel="tag">' in shown
    assert "#<span>Sleep</span></a>" in shown
    assert found.tags == {"sleep": "Sleep"}
    assert "tags/code" not in shown
    assert "tags/more" not in shown
    assert 'href="https://a.example" rel="nofollow' in shown
    again = text.clean(shown)
    assert 'rel="nofollow noopener noreferrer ugc">#<span>Sleep</span></a>' in again


@pytest.mark.parametrize("typed", ["a#b", "https://a.example/x#frag", "##x", "#1", "# x"])
def test_what_is_no_tag_stays_as_it_is(typed: str) -> None:
    found = marks()
    text.render(typed, found)
    assert found.tags == {}


def test_tags_end_at_thirty_and_names_at_twenty() -> None:
    for count in (MAX_TAGS, MAX_TAGS + 1, 10 * MAX_TAGS):
        found = marks()
        shown = text.render(" ".join(f"#t{n}" for n in range(count)), found)
        assert len(found.tags) == shown.count("<a ") == min(count, MAX_TAGS)
    for count in (text.MAX_MENTIONS, text.MAX_MENTIONS + 1, 10 * text.MAX_MENTIONS):
        found = marks()
        text.render(" ".join(f"@p{n}" for n in range(count)), found)
        assert len(found.asked) == min(count, text.MAX_MENTIONS)


def test_wire_P8_known_names_become_links_and_others_stay() -> None:
    found = marks(**{"ben_at_birch.example": BEN, "ana": "https://alder.example/u/ana"})
    shown = text.render("Hi @Ben@birch.example and @ana, not @eve. Mail a@ana `@ana`", found)
    assert shown.count('class="u-url mention"') == 2
    assert f'<a href="{BEN}" class="u-url mention"' in shown
    assert "@<span>Ben@birch.example</span></a>" in shown
    assert "@eve." in shown
    assert list(found.mentioned) == [BEN, "https://alder.example/u/ana"]
    assert list(found.asked) == ["ben@birch.example", "ana", "eve"]


def test_without_marks_nothing_is_linked() -> None:
    assert text.render("#sleep @ana") == "<p>#sleep @ana</p>"


@pytest.mark.parametrize(
    "typed",
    [
        "#" * 20_000,
        "@" * 20_000,
        "#a " * 7_000,
        "@a@b " * 4_000,
        "@" + "a." * 10_000,
        "@a@" + "b." * 10_000,
        "#" + "a" * 20_000,
        "[" * 100_000,
        "*" * 100_000,
        "@a " * 33_000,
        "[[[[" * 25_000,
    ],
    ids=lambda typed: typed[:4],
)
def test_sec_D11_hostile_words_take_little_time(typed: str) -> None:
    text.render("#warm @up", marks())
    began = time.process_time()
    text.render(typed, marks())
    assert time.process_time() - began < 0.1
