"""A corpus of hostile markup through everything that makes HTML of words."""

import re

import pytest

from activitypub import parts
from activitypub.vocab import Document
from kernel import text
from tests.kernel.test_text import is_safe
from tests.payloads import payloads


def test_sec_X1_nothing_of_the_corpus_is_left_when_others_wrote_it() -> None:
    corpus = list(payloads())
    assert len(corpus) == len(set(corpus)) >= 500
    for hostile in corpus:
        assert is_safe(text.clean(hostile)), hostile
        assert text.clean(text.clean(hostile)) == text.clean(hostile), hostile


def test_sec_X6_nothing_of_the_corpus_is_left_when_a_member_wrote_it() -> None:
    for hostile in payloads():
        kept = text.render(hostile)
        assert is_safe(kept), hostile
        assert is_safe(text.clean(kept)), hostile


SCHEMES = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:x",
    "url(x)",
    "//evil.test/x",
    "ftp://evil.test/x",
    "intent://x",
)


@pytest.mark.parametrize("address", SCHEMES)
def test_sec_X5_only_web_addresses_are_links(address: str) -> None:
    for shown in (
        text.clean(f'<a href="{address}">x</a>'),
        text.clean(f"<a href='{address}'>x</a>"),
        text.render(f"[x]({address})"),
        text.render(f"[x](<{address}>)"),
        text.render(f"<{address}>"),
    ):
        assert re.findall(r'href="([^"]*)"', shown) == [], shown


@pytest.mark.parametrize("address", SCHEMES)
def test_sec_X5_what_came_along_is_dropped_where_its_address_is_none_of_the_web(
    address: str,
) -> None:
    document: Document = {
        "attachment": [{"type": "Link", "href": address}, {"type": "Image", "url": address}]
    }
    assert parts.attachments_of(document) == ()
