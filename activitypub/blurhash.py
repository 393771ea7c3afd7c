"""What a picture looks like from afar, in a few letters, as others and we write it (WIRE-P12)."""

import re

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_ALL = re.compile(rf"[{re.escape(_LETTERS)}]{{6,166}}")


def read(text: str) -> str:
    """A blurhash as it is, where it has the length that its first letter says; else nothing.

    That letter says how many waves it has across and down, one to nine of each.
    """
    if not _ALL.fullmatch(text):
        return ""
    down, across = divmod(_LETTERS.index(text[0]), 9)
    return text if down < 9 and len(text) == 4 + 2 * (across + 1) * (down + 1) else ""
