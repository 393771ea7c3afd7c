"""Hashtags: which words can be one, and when two are the same (WIRE-P7)."""

import re
import unicodedata
from typing import Final

MAX_TAG: Final = 100
MAX_TAGS: Final = 30

# Words, and the marks that some scripts put between their letters.
LETTERS: Final = (
    r"\w\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u0670\u06d6-\u06ed"
    r"\u0900-\u0963\u0966-\u0dff\u0e31-\u0e4e\u200c\u200d"
)
_NAME = re.compile(rf"[{LETTERS}]+")


def fold(words: str) -> str:
    """The tag that `#words` or `words` stands for, however it is written; empty where it is none.

    Capital letters and the widths of letters make no difference; a number alone is no tag.
    """
    if not words or len(words) > MAX_TAG + 1:
        return ""
    name = unicodedata.normalize("NFKC", words.removeprefix("#")).casefold()
    name = unicodedata.normalize("NFKC", name)
    whole = len(name) <= MAX_TAG and _NAME.fullmatch(name) is not None
    return name if whole and any(letter.isalpha() for letter in name) else ""
