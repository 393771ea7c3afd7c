"""HTTP that two programs could read differently: refused, closed, never guessed at (SECURITY 9)."""

import asyncio
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from activitypub import signatures
from tests.framing.raw import HIDDEN, Answer, Said, Way, last, request
from tests.nodes import Node
from tests.peer import PeerFactory

Routes = Callable[[], list[str]]

HEAD = b"POST /inbox HTTP/1.1\r\nHost: alder.test\r\nContent-Type: application/activity+json\r\n"
CHUNKED = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_BODY = b"0\r\n\r\n"


def is_refused(said: Said) -> bool:
    """One refusal and the end; a proxy may also close without a word, or not know a coding."""
    return said.statuses in ([400], [501], [])


def is_cut(way: Way, said: Said) -> bool:
    """Refused; or a proxy made one body of its own out of chunks that it could read."""
    return is_refused(said) or (way.tls is not None and said.statuses == [401])


LENGTHS = {
    "both lengths": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + NO_BODY,
    "both lengths, the other way": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
    + NO_BODY,
    "coding twice": HEAD + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + NO_BODY,
    "two codings in two lines": HEAD
    + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"
    + NO_BODY,
    "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + NO_BODY,
    "chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n" + NO_BODY,
    "identity, chunked": HEAD + b"Transfer-Encoding: identity, chunked\r\n\r\n" + NO_BODY,
    "gzip, chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + NO_BODY,
    "chunked, chunked": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + NO_BODY,
    "quoted": HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n' + NO_BODY,
    "tab before": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + NO_BODY,
    "length twice": HEAD + b"Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc",
    "space before colon": HEAD + b"Content-Length : 0\r\n\r\n",
    "space before coding's colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + NO_BODY,
    "folded": HEAD + b"X-Folded: a\r\n b\r\n\r\n",
    "folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + NO_BODY,
    "bare cr": HEAD + b"X-A: b\rContent-Length: 3\r\n\r\n",
    "bare cr in a name": HEAD + b"X\rContent-Length: 3\r\n\r\n",
    "space first": b"GET / HTTP/1.1\r\n X: y\r\nHost: alder.test\r\n\r\n",
    "no colon": HEAD + b"Content-Length\r\n\r\n",
    "no name": HEAD + b": 3\r\n\r\n",
}
DIRECT = {  # a proxy may put these right, since it writes a head of its own
    "bare lf": b"GET / HTTP/1.1\nHost: alder.test\n\n",
    "bare lf in the head": HEAD + b"X-A: b\nContent-Length: 3\r\n\r\nabc",
    "bare lf at the end": HEAD + b"\n",
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: alder.test\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n" + NO_BODY,
    "an empty coding": HEAD + b"Transfer-Encoding:\r\nContent-Length: 0\r\n\r\n",
}


async def test_sec_F1_a_body_whose_end_is_in_doubt_is_refused(way: Way, answered: Routes) -> None:
    for name, data in LENGTHS.items():
        assert is_refused(await way.say(data + HIDDEN)), name
    assert "/g/{name}" not in answered()
    assert (await way.say(last("/"))).statuses == [200]


async def test_sec_F1_straight_to_the_node_there_is_no_leniency(
    direct: Way, answered: Routes
) -> None:
    for name, data in (DIRECT | LENGTHS).items():
        assert (await direct.say(data + HIDDEN)).statuses == [400], name
    assert set(answered()) <= {"/inbox", "/"}


async def test_sec_F1_what_a_proxy_puts_right_is_one_request_to_both(
    proxied: Way, answered: Routes
) -> None:
    for name, data in DIRECT.items():
        end = b"\n" if data.startswith(b"GET") else b"\r\n"
        once = data.replace(b"alder.test", b"alder.test" + end + b"Connection: close", 1)
        assert len((await proxied.say(once)).answers) <= 1, name
        assert "/g/{name}" not in answered(), name


async def test_sec_F2_one_host_and_it_is_the_one_meant(way: Way, answered: Routes) -> None:
    for hosts in ("alder.test\r\nHost: evil.test", "alder.test\r\nhost: alder.test"):
        assert is_refused(await way.say(request(host=hosts)))
    assert is_refused(await way.say(b"GET / HTTP/1.1\r\n\r\n"))
    assert answered() == []


async def test_sec_F2_a_target_that_names_another_host_is_refused(
    direct: Way, answered: Routes
) -> None:
    for target in (
        "http://evil.test/",
        "https://evil.test/",
        "http://alder.test@evil.test/",
        "http://alder.test:80/",
        "http://ALDER.test/",
        "ftp://alder.test/",
        "http:///",
        "alder.test:80",
        "*",
        "/#part",
        "?",
    ):
        assert (await direct.say(request(target))).statuses == [400], target
    for host in ("evil.test/..", "a b", "a,b", "alder.test\\@x", "alder.test?x", '"alder.test"'):
        assert (await direct.say(request(host=host))).statuses == [400], host
    assert (await direct.say(last("http://alder.test/"))).statuses == [200]


async def test_sec_F2_a_proxy_passes_on_one_host_and_no_target_of_its_own(
    proxied: Way, alder: Node
) -> None:
    assert (await proxied.say(last("http://evil.test/"))).statuses == [200]
    said = await proxied.say(last("http://evil.test/u/nobody", "Accept: application/json"))
    assert said.statuses == [404]
    assert b"evil.test" not in said.whole


NO_DIGITS = ("٣", "３", "²", "+3", "-3", "0x3", "3_0", "3 0", "3,3", "3.", "1e1", "9" * 23, "")
"""None is a length; the last three could each begin a chunk, or be none."""


async def test_sec_F3_only_digits_are_digits(way: Way, answered: Routes) -> None:
    for text in NO_DIGITS:
        length = b"Content-Length: %s\r\n\r\n" % text.encode()
        assert is_refused(await way.say(HEAD + length + b"abc" + HIDDEN)), text
    for text in (*NO_DIGITS[:-3], "f" * 17, "g", "", "3\t"):
        said = await way.say(CHUNKED + b"%s\r\nabc\r\n0\r\n\r\n" % text.encode() + HIDDEN)
        assert is_cut(way, said), text
    assert "/g/{name}" not in answered()
    ranged = await way.say(last("/", "Range: bytes=٣-٤".encode().decode("latin-1")))
    assert ranged.statuses == [200]  # ranges are not a thing here, however they are written


async def test_sec_F4_nothing_hides_behind_an_upgrade(way: Way, answered: Routes) -> None:
    for asked in (
        ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQ"),
        ("Upgrade: tcp", "Connection: upgrade, close"),
        ("Upgrade: websocket", "Connection: Upgrade", "Content-Length: 3"),
    ):
        body = b"abc" if "Content-Length: 3" in asked else b""
        said = await way.say(request("/", *asked, body=body) + HIDDEN + last("/g/hidden"))
        assert said.statuses[0] == 200, asked
    if way.tls is None:
        assert "/g/{name}" not in answered()
        assert answered() == ["/"] * 4


async def test_sec_F4_an_upgrade_has_one_answer(direct: Way, answered: Routes) -> None:
    upgrade = request("/", "Upgrade: websocket", "Connection: Upgrade")
    for asked in (upgrade, request("alder.test:80", method="CONNECT")):
        said = await direct.say(asked + HIDDEN)
        assert len(said.answers) == 1
        assert said.answers[0].status != 101
    assert "/g/{name}" not in answered()


async def test_sec_F5_chunks_that_do_not_add_up_end_the_connection(
    way: Way, answered: Routes
) -> None:
    for name, body in {
        "overflow": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "a chunk too long": b"3\r\nabcd\r\n0\r\n\r\n",
        "no line end": b"3\r\nabc0\r\n\r\n",
        "bare lf": b"3\nabc\n0\n\n",
        "lf in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    }.items():
        assert is_cut(way, await way.say(CHUNKED + body + HIDDEN)), name
    assert "/g/{name}" not in answered()


async def test_sec_F5_an_endless_chunk_extension_ends_the_connection(direct: Way) -> None:
    said = await direct.pour(
        [CHUNKED + b"1;", *[b"x" * 1024] * 1024, b"\r\na\r\n0\r\n\r\n", HIDDEN]
    )
    assert said.answers == []


async def test_sec_F5_a_body_without_its_last_line_is_no_body(direct: Way) -> None:
    reader, writer = await direct.open()
    writer.write(CHUNKED + b"3\r\nabc\r\n0\r\n")
    writer.write_eof()
    assert b" 202 " not in await reader.read()
    writer.close()


EARLY = {  # answered before the body is read
    413: HEAD + b"Content-Length: 2000000\r\n",
    415: HEAD.replace(b"activity+json", b"json") + b"Content-Length: %d\r\n",
    404: HEAD.replace(b"/inbox", b"/none") + b"Content-Length: %d\r\n",
    405: HEAD.replace(b"/inbox", b"/p/1") + b"Content-Length: %d\r\n",
}


@pytest.mark.slow  # waits for the end of what an early answer leaves unread
async def test_sec_F6_nothing_hides_behind_an_early_answer(direct: Way, answered: Routes) -> None:
    said = await asyncio.gather(
        *(
            direct.say(head.replace(b"%d", b"2000000") + b"\r\n", HIDDEN, HIDDEN)
            for head in EARLY.values()
        )
    )
    assert [each.statuses for each in said] == [[status] for status in EARLY]
    assert "/g/{name}" not in answered()


async def test_sec_F6_nothing_hides_in_a_whole_body_either(way: Way, answered: Routes) -> None:
    body = HIDDEN * 3
    for status, head in EARLY.items():
        if status != 413:
            whole = head.replace(b"%d", b"%d" % len(body)) + b"Connection: close\r\n\r\n" + body
            assert (await way.say(whole)).statuses == [status]
    assert "/g/{name}" not in answered()


async def test_sec_F6_an_unsigned_body_is_one_body(way: Way, answered: Routes) -> None:
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(HIDDEN)
    said = await way.say(HEAD + length + HIDDEN)
    assert said.statuses == [401]
    assert answered() == ["/inbox"]


async def test_sec_F7_nothing_that_ends_a_line_comes_back(way: Way) -> None:
    for sign in ("%00", "%0d", "%0a", "%0d%0aX-Evil:%20yes", "%0d%0a%0d%0a<b>"):
        for target in (f"/u/x{sign}", f"/search?q=x{sign}", f"/x{sign}", f"/log-in?next=/{sign}"):
            said = await way.say(last(target))
            assert len(said.answers) == 1, target
            _in_order(said.answers[0])


def _in_order(answer: Answer) -> None:
    assert "x-evil" not in answer.headers
    assert not any(sign in value for value in answer.headers.values() for sign in "\0\r\n")
    assert b"\0" not in answer.body
    assert b"<b>" not in answer.body


async def test_sec_F7_a_refusal_quotes_nothing(direct: Way) -> None:
    for bad in (
        b"GET / HTTP/1.1\r\nHost: alder.test\r\nX: marker\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: alder.test\r\nX: marker\rY: z\r\n\r\n",
        b"marker / HTTP/1.1\r\n\r\n",
        b"GET /mark\0er HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: alder.test\r\nmarker\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01marker",
    ):
        said = await direct.say(bad)
        assert said.statuses == [400]
        assert b"mark" not in said.whole
        assert said.answers[0].body == b"This request cannot be read.\n"
        assert said.answers[0].headers["server"] == "Hearthold"


async def test_sec_F8_later_http_is_not_written_in_text(way: Way) -> None:
    for line in (b"GET / HTTP/2.0", b"GET / HTTP/3.0", b"GET / http/1.1"):
        said = await way.say(line + b"\r\nHost: alder.test\r\n\r\n")
        assert said.statuses in ([400], [505]), line
    preface = await way.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert preface.statuses in ([400], [405], [])


async def test_sec_F8_the_oldest_http_is_refused_by_the_node(direct: Way) -> None:
    for line in (b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/1.2", b"GET / HTTP/1", b"GET / HTTP/11"):
        said = await direct.say(line + b"\r\n\r\n")
        assert said.statuses == [400], line
    assert (await direct.say(b"GET / HTTP/1.0\r\n\r\n")).statuses == [200]


PATHS = (
    "/g%2fopen", "/g/open%2f..%2f..%2fdesk%2fnode", "/g/..;/desk/node", "/g/open;x=1", "/g\\open",
    "//evil.test/", "//g//open", "/g//open", "/./g/open", "/g/../groups", "/g/%2e%2e/groups",
    "/%67/open", "/g/open/", "/g/open?", "/g/open?a=/../b", "/G/open", "/g/open%00", "/g/open%20",
    "/g/open.", "/static/../g/open", "/static/0/..%2f..%2fbase.html", "/inbox/../g/open",
)  # fmt: skip


async def test_sec_F9_the_proxy_and_the_node_agree_on_every_path(
    direct: Way, proxied: Way, answered: Routes
) -> None:
    for path in PATHS:
        before = len(answered())
        straight, through = await direct.say(last(path)), await proxied.say(last(path))
        one, *other = answered()[before:]
        assert other in ([one], []), path  # read alike, or refused by the proxy on its own
        if other:
            assert through.statuses == straight.statuses, path
            assert through.answers[0].body == straight.answers[0].body, path
        else:
            assert through.statuses == [400], path


async def test_sec_F9_a_signed_post_arrives_through_the_proxy_as_it_was_signed(
    proxied: Way, alder: Node, peer: PeerFactory
) -> None:
    good = await peer("good.test", alder)
    ann = good.person("ann")
    like = good.activity("Like", ann, "http://alder.test/p/1")
    body = json.dumps(like).encode()
    head = signed_head(alder, ann.keys.rsa, ann.key_id, body)
    assert (await proxied.say(head + body)).statuses == [202]
    assert (await proxied.say(head + body)).statuses == [202]
    assert (await proxied.say(head + body.replace(b"Like", b"Lik3"))).statuses == [401]


def signed_head(node: Node, key: RSAPrivateKey, key_id: str, body: bytes) -> bytes:
    """The head of a signed POST to the node's inbox."""
    url = f"{node.origin}/inbox"
    signed = signatures.sign(key, key_id, "POST", url, node.clock(), body)
    lines = [f"{name}: {value}" for name, value in signed.items() if name != "Host"]
    return request(
        "/inbox",
        *lines,
        "Content-Type: application/activity+json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        method="POST",
    )
