"""Passwords that everybody tries first are refused; those that people make up are not (SEC-A16)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Malformed
from members.common_passwords import is_common
from members.vault import MIN_PASSWORD, check_password


@pytest.mark.parametrize(
    "password",
    [
        "password123", "P@ssw0rd123", "Passwort2024!", "1234567890", "0987654321", "qwertyuiop",
        "QWERTZUIOP", "poiuytrewq", "1qaz2wsx3edc", "aaaaaaaaaaaa", "abcabcabcabc",
        "12 12 12 12 12", "iloveyou1234", "letmein!!!!!", "administrator", "p4ssw0rd2000",
        "dragon99999",
        "ana-at-night", "Ana-At-Night1", "xyxyxyxyxyx",
    ],
)  # fmt: skip
def test_sec_A16_what_everybody_tries_is_refused(password: str) -> None:
    assert is_common(password, "ana-at-night")
    with pytest.raises(Malformed):
        check_password(password, "ana-at-night")


@pytest.mark.parametrize(
    "password",
    [
        "seven small grey stones", "a long enough password", "my password is a river",
        "ana-at-night likes tea", "correct horse battery", "tr0ub4dor&3xyz", "ёжик в тумане",
        "x8Kq02mZpLw", "password of the old king",
    ],
)  # fmt: skip
def test_what_people_make_up_is_not(password: str) -> None:
    assert not is_common(password, "ana-at-night")
    check_password(password, "ana-at-night")


@given(st.text(min_size=MIN_PASSWORD, max_size=1024), st.text(max_size=64))
def test_any_text_is_looked_at_without_harm(password: str, login: str) -> None:
    assert is_common(password, login) in {True, False}
