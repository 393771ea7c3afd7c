"""The strict JSON reader: anything in gives an object or Malformed."""

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activitypub import jsontext
from kernel.errors import Malformed


def nested(depth: int) -> bytes:
    """An object `depth` levels deep."""
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


@pytest.mark.parametrize(
    "body",
    [
        nested(65),
        nested(1_000),
        nested(100_000),
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"a":' + b"[" * 500_000,
        b'{"id":' + b"9" * 5_000 + b"}",
        b'{"id":' + b"9" * 21 + b"}",
        b'{"actor":"https://good.example/a","actor":"https://evil.example/a"}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":' + b"1." + b"0" * 100 + b"}",
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\uDABC":1}',
        b'{"a":"\\u0000"}',
        b'{"a":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":"é"}'.encode("latin-1"),
        b'{"a":"\n"}',
        b'{"a":1,}',
        b"{'a':1}",
        b"{} {}",
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b'{"a":"' + b"x" * (256 * 1024 + 1) + b'"}',
        b'{"' + b"x" * 1_000_000 + b'":1}',
        b"{" + b",".join(b'"%d":0' % n for n in range(10_001)) + b"}",
        b'{"a":[' + b",".join([b'{"b":0}'] * 10_001) + b"]}",
        b'{"a":"unfinished',
        b'{"a":"\\',
    ],
)
def test_sec_J5_bodies_that_break_readers(body: bytes) -> None:
    started = time.process_time()
    with pytest.raises(Malformed):
        jsontext.read(body)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "body",
    [
        nested(64),
        b'{"a":' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"a":[' + b"[]," * 200 + b"[]]}",
        b'{"a":"' + b"[{" * 200 + b'"}',
        b'{"a":' + b"9" * 20 + b"}",
        b'{"a":-' + b"9" * 20 + b"}",
        b'{"a":"\\ud83c\\udf31"}',
        b'{"a":"\\\\ud800 \\\\u0000"}',
        b'{"a":"' + b"x" * (256 * 1024) + b'"}',
        b"{" + b",".join(b'"%d":0' % n for n in range(10_000)) + b"}",
        b' {"a":[1.5,true,null,"\\"[{"]}\n',
    ],
)
def test_bodies_at_the_limit_are_read_as_python_reads_them(body: bytes) -> None:
    assert jsontext.read(body) == json.loads(body)


@pytest.mark.parametrize("body", [b'"' * 1_000_000, b"[]" * 500_000, b'{"a":"' + b'\\"' * 500_000])
def test_sec_J5_a_megabyte_of_nonsense_costs_little(body: bytes) -> None:
    started = time.process_time()
    with pytest.raises(Malformed):
        jsontext.read(body)
    assert time.process_time() - started < 1


def test_sec_J9_special_keys_are_inert() -> None:
    body = b'{"__proto__":{"x":1},"constructor":1,"__class__":"y","$where":"z"}'
    assert jsontext.read(body) == json.loads(body)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20) + 1, 10**20 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text("abc"), JSON))
def test_what_is_dumped_is_read_back(document: dict[str, jsontext.Json]) -> None:
    assert jsontext.read(jsontext.dump(document)) == document


@given(st.binary() | st.text('{}[]",:\\u0d8e19.-ntf ').map(str.encode) | JSON.map(jsontext.dump))
def test_anything_gives_an_object_or_malformed(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert jsontext.read(body) == json.loads(body)


def test_keys_keep_their_order_and_letters_stay_letters() -> None:
    assert jsontext.dump({"b": "ü", "a": [1, None]}) == '{"b":"ü","a":[1,null]}'.encode()


def test_a_number_that_is_none_is_not_written() -> None:
    with pytest.raises(ValueError):
        jsontext.dump({"a": float("nan")})
