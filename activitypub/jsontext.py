"""JSON as it comes from others, read strictly (SEC-J5, SEC-J7, SEC-J9), and JSON as we write it.

A cheap look at the raw bytes bounds depth, keys and strings before Python's reader, which recurses
and believes anything, gets to see them.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import NoReturn, TypeAlias

from kernel.errors import Malformed

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH = 64
MAX_KEYS = 10_000
MAX_STRING = 256 * 1024  # bytes as written
MAX_DIGITS = 20
_MAX_FLOAT = 64  # characters

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_TO_ONE_BRACKET = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_UNUSUAL_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def read(body: bytes, *, most_keys: int = MAX_KEYS) -> dict[str, Json]:
    """The object that `body` holds; one of very many keys is best read in a thread.

    Raises Malformed: not UTF-8 JSON, not an object, beyond the limits above, a key given twice, a
    number that is none, half a surrogate pair, or NUL, which PostgreSQL cannot keep.
    """
    _check_shape(body, most_keys)
    try:
        document: Json = _DECODER.decode(body.decode())
    except ValueError as error:
        raise Malformed("That is not JSON we can read.") from error
    if not isinstance(document, dict):
        raise Malformed("That is JSON, but not an object.")
    if _UNUSUAL_ESCAPE.search(body) and any(map(_UNSTORABLE.search, _strings(document))):
        raise Malformed("That holds characters that are none.")
    return document


def dump(document: Json) -> bytes:
    """Compact UTF-8, keys in the order given."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _check_shape(body: bytes, most_keys: int) -> None:
    brackets = body.count(b"[") + body.count(b"{")
    if brackets <= MAX_DEPTH and len(body) <= MAX_STRING and body.count(b":") <= most_keys:
        return  # nothing so small can be beyond a limit: most bodies end here
    strings = _STRING.findall(body)
    if len(max(strings, key=len, default=b"")) > MAX_STRING + len('""'):
        raise Malformed("That holds a text that is too long.")
    bare = _STRING.sub(b"", body)
    if bare.count(b":") > most_keys:
        raise Malformed("That holds too many keys.")
    levels = bare.translate(_TO_ONE_BRACKET, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):  # each round takes the innermost level away
        if not levels:
            return
        levels = levels.replace(b"[]", b"")
    if levels:
        raise Malformed("That is nested too deeply, or has a bracket open.")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Malformed("That gives one key twice.")
    return made


def _integer(text: str) -> int:
    if len(text.removeprefix("-")) > MAX_DIGITS:
        raise Malformed("That holds a number that is too long.")
    return int(text)


def _float(text: str) -> float:
    number = float(text) if len(text) <= _MAX_FLOAT else math.inf
    if math.isinf(number):
        raise Malformed("That holds a number that is too large.")
    return number


def _constant(text: str) -> NoReturn:
    raise Malformed("That holds a number that is none.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)


def _strings(document: Json) -> Iterator[str]:
    """Every key and every text in `document`."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
