"""What others say a picture looks like is believed where it can be true (WIRE-P12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub import blurhash
from activitypub.parts import Attachment


@pytest.mark.parametrize("text", ["00TSUA", "LEHV6nWB2yk8pyo0adR*.7kCMdnj", "|" + "0" * 165])
def test_wire_P12_a_blurhash_is_kept_as_it_is(text: str) -> None:
    assert blurhash.read(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "00TSU", "00TSUA0", "LEHV6nWB2yk8pyo0adR*.7kCMdn", "00TSU<", "00TSU\n",
        "}" + "0" * 165, "~" + "0" * 170, "|" + "0" * 164,
    ],
)  # fmt: skip
def test_wire_P12_what_cannot_be_one_is_left_out(text: str) -> None:
    assert blurhash.read(text) == ""
    found = Attachment.parse({"type": "Image", "url": "https://a.example/a.png", "blurhash": text})
    assert found is not None
    assert found.blurhash == ""


@given(st.text())
def test_any_text_gives_a_blurhash_or_nothing(text: str) -> None:
    assert blurhash.read(text) in ("", text)
