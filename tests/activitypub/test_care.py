"""Our own terms, as they come from anybody (DOM-A8, DOM-A9)."""

import pytest

from activitypub import care
from activitypub.jsontext import Json
from kernel.schema.posts import Wish


@pytest.mark.parametrize("value", [None, "", "cake", 7, ["listen"], {"id": "listen"}])
def test_dom_A8_a_wish_that_is_none_is_left(value: Json) -> None:
    assert care.wish_in({"supportWanted": value}) is None


def test_dom_A9_labels_are_few_and_look_like_labels() -> None:
    many: list[Json] = [f"label-{chr(97 + n)}x" for n in range(20)]
    assert care.labels_in({"contentNotes": many}) == tuple(many[: care.MAX_LABELS])
    assert care.labels_in({"contentNotes": "grief"}) == ("grief",)
    (tag,) = care.tags("https://alder.example", ["grief"])
    assert care.labels_in({"tag": [tag, "x", {"type": "Label", "href": 7}]}) == ("grief",)
    assert care.labels_in({"tag": {"type": "Mention", "href": "https://a.example/labels/x"}}) == ()
    assert care.labels_in({"contentNotes": ["grief", "grief", None, "A B", "<b>"]}) == ("grief",)
    assert care.labels_in({}) == ()


@pytest.mark.parametrize("wish", list(Wish))
@pytest.mark.parametrize("language", ["", "en", "en-GB", "ar"])
def test_dom_A8_the_last_line_comes_off_as_it_went_on(wish: Wish, language: str) -> None:
    content = "<p>Hoping for: sleep.</p><p>Words.</p>"
    assert care.without_closing(content + care.closing(wish, language)) == content
    assert care.without_closing(content) == content
    assert care.closing(None, language) == ""
