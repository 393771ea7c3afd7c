"""One parser for every address others choose: read in one way, or refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from kernel.errors import Malformed
from kernel.urls import host_of, origin_of, parse, parse_handle, same_origin

ODD = [
    "",
    "good.example",
    "//good.example/",
    "https:/good.example/",
    "https:good.example",
    " https://good.example/",
    "https://good.example/ ",
    "https://good.example\\@evil.example/",
    "https://good.example\\.evil.example/",
    "https://user@good.example/",
    "https://user:pass@good.example/",
    "https://@good.example/",
    "https://good.example:/",
    "https://good.example:0/",
    "https://good.example:080/",
    "https://good.example:99999/",
    "https://good.example:x/",
    "https://good.example./",
    "https://.good.example/",
    "https://good..example/",
    "https://-good.example/",
    "https://good-.example/",
    "https://go_od.example/",
    "https://go od.example/",
    "https://go\tod.example/",
    "https://go\nod.example/",
    "https://good.example\x00/",
    "https://good.example%00/",
    "https://%67ood.example/",
    "https://gööd.example/",
    "https://ｇood.example/",
    "https://①②⑦.0.0.1/",
    "https://[::1]/",
    "https://[not-ip]/",
    "https://[::ffff:127.0.0.1]/",
    "https://good.example/a b",
    "https://good.example/a\r\nX: y",
    "https://good.example/\tx",
    "https://good.example/é",
    'https://good.example/"x',
    "https://good.example/<x>",
    "https://good.example/%zz",
    "https://good.example/%0",
    "ftp://good.example/",
    "file:///etc/passwd",
    "gopher://good.example/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "https://good.example/" + "a" * 2048,
    "https://" + "a" * 64 + ".example/",
    "https://" + "a." * 130 + "example/",
    "https://good.example:80/",
    "http://good.example:443/",
]

NUMBERS = "0x7f.1 0x7f000001 2130706433 127.1 127.0.1 0177.0.0.1 127.0.0.01 1.2.3.256 0 1.2.3.4.5"


@pytest.mark.parametrize("text", ODD)
def test_sec_R9_addresses_two_programs_could_read_differently(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text, allow_http=True)


@pytest.mark.parametrize("host", NUMBERS.split())
def test_sec_R1_unusual_ways_to_write_a_number(host: str) -> None:
    with pytest.raises(Malformed):
        parse(f"https://{host}/", allow_http=True)


@pytest.mark.parametrize("path", ["/a\r\nb", "/a\nb", "/a\tb", "/a b", "/ü", "/\x7f"])
def test_sec_R8_nothing_that_could_end_a_line(path: str) -> None:
    with pytest.raises(Malformed):
        parse(f"https://good.example{path}", allow_http=True)


def test_an_encoded_line_end_stays_encoded() -> None:
    assert parse("https://good.example/%0d%0aX", allow_http=False).path_and_query == "/%0d%0aX"


def test_a_spelling_becomes_canonical() -> None:
    url = parse("HTTPS://Good.Example:443/Path?q=1", allow_http=False)
    assert str(url) == "https://good.example/Path?q=1"
    assert (url.host, url.port, url.netloc) == ("good.example", 443, "good.example")
    assert url.path_and_query == "/Path?q=1"
    assert parse("https://good.example?x", allow_http=False).path_and_query == "/?x"


@pytest.mark.parametrize(
    "text", ["http://good.example/", "https://good.example:8443/", "https://intranet/"]
)
def test_plain_http_ports_and_bare_names_must_be_allowed(text: str) -> None:
    assert str(parse(text, allow_http=True)) == text
    with pytest.raises(Malformed):
        parse(text, allow_http=False)


def test_a_fragment_only_where_it_is_asked_for() -> None:
    text = "https://good.example/u/kay#main-key"
    with pytest.raises(Malformed):
        parse(text, allow_http=False)
    assert parse(text, allow_http=False, allow_fragment=True).fragment == "main-key"
    assert origin_of(text) == "https://good.example"


@pytest.mark.parametrize(
    "uri",
    [
        "https://NODE.example/u/kay",
        "https://node.example./u/kay",
        "https://node.example:443/u/kay",
        "https://node.exam/ple:x@y z",
        "https://node.exam%2Fple/u/kay",
        "https://node。example/u/kay",
        "https://ｎode.example/u/kay",
        "https://me@node.example/u/kay",
        "https://node.example%00.evil.example/",
        "HTTPS://node.example/u/kay",
    ],
)
def test_sec_S19_another_spelling_is_never_our_origin(uri: str) -> None:
    assert not same_origin(uri, "https://node.example/")
    for read in (origin_of, host_of):
        with pytest.raises(Malformed):
            read(uri)


def test_sec_S19_punycode_is_its_own_host() -> None:
    assert host_of("https://xn--nde-sna.example/u/kay") == "xn--nde-sna.example"
    assert not same_origin("https://xn--nde-sna.example/", "https://node.example/")


def test_origins_differ_by_scheme_host_and_port() -> None:
    assert same_origin("https://a.example/x", "https://a.example/y#z")
    assert not same_origin("https://a.example/", "http://a.example/")
    assert not same_origin("https://a.example/", "https://b.a.example/")
    assert not same_origin("http://a.example:81/", "http://a.example/")
    assert host_of("http://a.example:81/x") == "a.example:81"


@given(st.text() | st.from_regex(r"https?://[\w.:@%\[\]\\#?/-]{1,40}", fullmatch=True))
def test_sec_R9_what_is_read_is_what_is_connected_to(text: str) -> None:
    with contextlib.suppress(Malformed):
        url = parse(text, allow_http=True)
        other = URL(url.origin + url.path_and_query, encoded=True)
        assert (other.scheme, other.raw_host, other.port) == (url.scheme, url.host, url.port)
        assert other.raw_path_qs == url.path_and_query
        assert other.user is None
        assert parse(str(url), allow_http=True) == url


@pytest.mark.parametrize("text", ["@kay@good.example", "kay@good.example", "acct:kay@Good.Example"])
def test_a_handle_in_its_three_spellings(text: str) -> None:
    assert parse_handle(text) == ("kay", "good.example")


@pytest.mark.parametrize(
    "text",
    [
        "a@localh.st:1234/secret?x=1#",
        "a@localh.st:1234",
        "a@[::1]",
        "a@x/../y",
        "a@x\\@y",
        "a@x@y.example",
        "a@127.1",
        "a@y.example?x",
        "a@y.example#x",
        "a@y.example\n",
        "a@",
        "@y.example",
        "kay",
        "@@y.example",
        "a b@y.example",
        "a@localhost",
        "a@y.example.",
        "a" * 200 + "@y.example",
        "a/../b@y.example",
        "https://y.example/@a",
    ],
)
def test_sec_R5_a_handle_that_would_bend_the_look_up(text: str) -> None:
    with pytest.raises(Malformed):
        parse_handle(text)


def test_a_handle_with_a_port_where_ports_are_allowed() -> None:
    assert parse_handle("@kay@alder.localhost:8001", allow_port=True) == (
        "kay",
        "alder.localhost:8001",
    )
    with pytest.raises(Malformed):
        parse_handle("a@localh.st:1234/secret", allow_port=True)


@given(st.text())
def test_any_text_is_a_handle_or_malformed(text: str) -> None:
    with contextlib.suppress(Malformed):
        name, host = parse_handle(text)
        assert host_of(f"https://{host}/{name}") == host
