"""The guarded client against servers that mean harm."""

import asyncio
import datetime
import gzip
import json
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from activitypub import client as client_module
from activitypub import gate as gate_module
from activitypub import keys, signatures
from activitypub.client import Budget, Client, Unreachable, is_activity_type
from activitypub.gate import Gate, Resolver, SystemResolver
from activitypub.jsontext import Json
from activitypub.vocab import AS2
from kernel.addresses import Network, parse_networks
from kernel.clock import utcnow
from kernel.errors import Gone, Malformed, NotFound, TooMany
from tests.activitypub.test_addresses import INSIDE
from tests.certificates import self_signed
from tests.hostile.server import ACTIVITY, Names, Server, answer, moved, serve

LOOPBACK = parse_networks(["127.0.0.0/8"])
PAIR = keys.generate()


class Made:
    """Clients of one test, closed at its end."""

    def __init__(self) -> None:
        self.names = Names()
        self.clients: list[Client] = []

    def client(
        self,
        networks: tuple[Network, ...] = LOOPBACK,
        *,
        seconds: float = 5,
        tls: ssl.SSLContext | None = None,
        blocked: str = "",
        resolver: Resolver | None = None,
    ) -> Client:
        async def is_blocked(host: str) -> bool:
            return host == blocked

        made = Client(
            user_agent="Hearthold/0.1.0 (+https://node.example/)",
            allowed_networks=networks,
            resolver=resolver or self.names,
            blocked=is_blocked,
            total_seconds=seconds,
            tls=tls,
        )
        self.clients.append(made)
        return made

    def name(self, host: str, server: Server) -> None:
        self.names.add(host, ("127.0.0.1", server.port))


@pytest.fixture
async def made() -> AsyncIterator[Made]:
    made = Made()
    yield made
    for client in made.clients:
        await client.close()


def document(uri: str, **more: Json) -> bytes:
    return answer(json.dumps({"@context": AS2, "id": uri, "type": "Note", **more}).encode())


def sign(method: str, url: str, body: bytes | None) -> Mapping[str, str]:
    return signatures.sign(
        PAIR.rsa, "https://node.example/actor#main-key", method, url, utcnow(), body
    )


# What is sent


async def test_a_name_leads_to_its_port_and_the_host_header_stays(made: Made) -> None:
    async with serve(lambda _: answer(b"{}")) as server:
        made.name("alder.test", server)
        got = await made.client().get("http://alder.test/u/kay?x=%0d%0aY:z#part", signer=sign)
    (heard,) = server.heard
    assert (got.status, got.url, got.body) == (200, "http://alder.test/u/kay?x=%0d%0aY:z", b"{}")
    assert heard.line == "GET /u/kay?x=%0d%0aY:z HTTP/1.1"
    assert heard["host"] == "alder.test"
    assert heard["user-agent"] == "Hearthold/0.1.0 (+https://node.example/)"
    assert heard["accept-encoding"] == "gzip, deflate"
    signatures.verify(
        signatures.parse(heard.headers),
        PAIR.rsa.public_key(),
        method="GET",
        path=heard.target,
        headers=heard.headers,
        body=b"",
        now=utcnow(),
        origin="http://alder.test",
    )


async def test_a_post_is_what_was_signed(made: Made) -> None:
    async with serve(lambda _: answer(status="202 Accepted", kind="text/plain")) as server:
        made.names.add("alder.test", ("127.0.0.1", server.port))
        url = f"http://alder.test:{server.port}/inbox"
        got = await made.client().post(url, b'{"a":1}', signer=sign)
    (heard,) = server.heard
    assert (got.status, heard.body) == (202, b'{"a":1}')
    assert heard["content-type"] == ACTIVITY
    assert heard["host"] == f"alder.test:{server.port}"
    assert [name for name, _ in heard.headers].count("host") == 1
    signatures.verify(
        signatures.parse(heard.headers),
        PAIR.rsa.public_key(),
        method="POST",
        path="/inbox",
        headers=heard.headers,
        body=heard.body,
        now=utcnow(),
        origin=f"http://alder.test:{server.port}",
    )


@pytest.mark.parametrize("path", ["/a\r\nX: y", "/a\nb", "/a\tb", "/a b", "/é"])
async def test_sec_R8_a_url_cannot_become_a_header(made: Made, path: str) -> None:
    async with serve(lambda _: answer()) as server:
        made.name("alder.test", server)
        with pytest.raises(Malformed):
            await made.client().get(f"http://alder.test{path}")
        with pytest.raises(Unreachable):
            await made.client().post(f"http://alder.test{path}", b"{}", signer=sign)
        with pytest.raises(ValueError):
            await made.client().get("http://alder.test/", accept="x\r\nX: y")
        with pytest.raises(ValueError):
            await made.client().get("http://alder.test/", signer=lambda *_: {"Cookie": "a=b"})
    assert not server.heard


def test_sec_R8_a_node_cannot_call_itself_two_lines() -> None:
    with pytest.raises(ValueError):
        Client(user_agent="Hearthold\r\nX: y")


async def test_nothing_is_taken_from_the_environment(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serve(lambda _: answer()) as server:
        made.name("alder.test", server)
        assert (await made.client().get("http://alder.test/")).status == 200


# Where it may go


@pytest.mark.parametrize("ip", INSIDE.split())
async def test_sec_R1_a_name_that_leads_inside_is_not_connected_to(made: Made, ip: str) -> None:
    async with serve(lambda _: answer()) as server:
        made.names.add("evil.example", (ip, server.port))
        for networks in ((), parse_networks(["192.0.2.77/32"])):
            with pytest.raises(Unreachable, match="address not allowed"):
                await made.client(networks).get("https://evil.example/x")
            with pytest.raises(Unreachable, match="address not allowed"):
                await made.client(networks).post("https://evil.example/x", b"", signer=sign)
    assert server.connections == 0


HOSTS = "127.0.0.1 0.0.0.0 169.254.169.254 10.0.0.1 0x7f.1 2130706433 127.1 ①②⑦.0.0.1 [::] [::1]"


@pytest.mark.parametrize("host", HOSTS.split())
async def test_sec_R1_a_number_that_leads_inside_is_not_connected_to(made: Made, host: str) -> None:
    async with serve(lambda _: answer()) as server:
        client = made.client(parse_networks(["192.0.2.77/32"]))
        for url in (f"http://{host}:{server.port}/", f"https://{host}/"):
            with pytest.raises((Unreachable, Malformed)):
                await client.get(url)
            with pytest.raises(Unreachable):
                await client.post(url, b"{}", signer=sign)
    assert server.connections == 0
    assert not made.names.asked


async def test_sec_R1_the_last_door_makes_no_socket_for_an_address_inside() -> None:
    gate = Gate(Names(), parse_networks(["127.0.0.2/32"]))
    with pytest.raises(OSError, match="not allowed"):
        gate.open_socket((2, 1, 6, "", ("127.0.0.1", 80)))
    gate.open_socket((2, 1, 6, "", ("127.0.0.2", 80))).close()


async def test_plain_http_and_ports_need_a_named_range(made: Made) -> None:
    """A public address over http would be refused too: only named ranges are trusted that far."""
    made.names.add("open.example", ("1.1.1.1", 80))
    with pytest.raises(Malformed):
        await made.client(()).get("http://open.example/")
    for url in ("http://open.example/", "https://open.example:8443/"):
        with pytest.raises(Unreachable, match="address not allowed"):
            await made.client(LOOPBACK).get(url)


async def test_sec_R2_the_first_answer_is_pinned(made: Made) -> None:
    """The second look-up would lead elsewhere; there is none, though the connection was closed."""
    good_only = parse_networks(["127.0.0.2/32"])
    closing = [("Connection", "close")]
    async with (
        serve(lambda _: answer(b"good", headers=closing), host="127.0.0.2") as good,
        serve(lambda _: answer(b"inside")) as inside,
    ):
        made.names.add("evil.test", ("127.0.0.2", good.port))
        client = made.client(good_only)
        assert (await client.get("http://evil.test/")).body == b"good"
        made.names.add("evil.test", ("127.0.0.1", inside.port))
        assert (await client.get("http://evil.test/")).body == b"good"
        with pytest.raises(Unreachable, match="address not allowed"):
            await made.client(good_only).get("http://evil.test/")
    assert made.names.asked == ["evil.test"] * 2
    assert (good.connections, inside.connections) == (2, 0)


class Slow(Names):
    """Names that are found once, and then take until `found` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.found = asyncio.Event()
        self.slowly = False

    async def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        if self.slowly:
            await self.found.wait()
        return await super().resolve(host, port)


async def test_sec_R10_a_known_name_is_looked_up_anew_beside_what_goes_there(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "_PIN_SECONDS", 0.0)
    names = Slow()
    async with serve(lambda _: answer(b"old")) as old, serve(lambda _: answer(b"new")) as new:
        names.add("alder.test", ("127.0.0.1", old.port))
        client = made.client(resolver=names)
        assert (await client.get("http://alder.test/")).body == b"old"
        names.add("alder.test", ("127.0.0.1", new.port))
        names.slowly = True
        for _ in range(3):
            assert (await client.get("http://alder.test/")).body == b"old"
        assert len(client._gate._renewals) == 1
        names.found.set()
        await asyncio.gather(*client._gate._renewals.values())
        results = await client._gate.resolve("alder.test", 80)
        assert [each["port"] for each in results] == [new.port]


async def test_sec_R2_a_name_that_leads_inside_later_is_let_go(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "_PIN_SECONDS", 0.0)
    async with serve(lambda _: answer(b"old")) as server:
        made.name("alder.test", server)
        client = made.client()
        await client.get("http://alder.test/")
        made.names.add("alder.test", ("10.0.0.1", 80))
        await client._gate.resolve("alder.test", 80)
        await asyncio.gather(*client._gate._renewals.values())
        with pytest.raises(Unreachable, match="not allowed"):
            await client.get("http://alder.test/")


async def test_sec_R2_an_address_is_used_for_an_hour_at_most(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(lambda _: answer(b"old")) as server:
        made.name("alder.test", server)
        client = made.client()
        await client.get("http://alder.test/")
        monkeypatch.setattr(gate_module, "_STALE_SECONDS", 0.0)
        made.names.add("alder.test", ("10.0.0.1", 80))
        with pytest.raises(Unreachable, match="not allowed"):
            await client.get("http://alder.test/")


async def test_sec_R2_of_mixed_answers_only_the_checked_ones_are_used(made: Made) -> None:
    async with (
        serve(lambda _: answer(b"good"), host="127.0.0.2") as good,
        serve(lambda _: answer(b"inside")) as inside,
    ):
        made.names.add(
            "mixed.test",
            ("127.0.0.1", inside.port),
            ("127.0.0.2", good.port),
            ("nonsense", inside.port),
            ("::1", inside.port),
        )
        got = await made.client(parse_networks(["127.0.0.2/32"])).get("http://mixed.test/")
    assert got.body == b"good"
    assert inside.connections == 0


async def test_localhost_names_stay_in_the_house(made: Made) -> None:
    resolver = SystemResolver()
    assert await resolver.resolve("alder.localhost", 81) == [("127.0.0.1", 81), ("::1", 81)]
    async with serve(lambda _: answer(b"home")) as server:
        url = f"http://alder.localhost:{server.port}/"
        assert (await made.client(resolver=resolver).get(url)).body == b"home"
        with pytest.raises(Unreachable, match="address not allowed"):
            await made.client((), resolver=resolver).get("https://alder.localhost/")


async def test_a_name_nobody_knows(made: Made) -> None:
    with pytest.raises(Unreachable, match="no address"):
        await made.client().get("http://nobody.test/")


async def test_a_blocked_host_is_not_looked_up(made: Made) -> None:
    async with serve(lambda _: moved("http://evil.test/")) as server:
        made.name("alder.test", server)
        made.name("evil.test", server)
        client = made.client(blocked="evil.test")
        for url in ("http://evil.test/", "http://alder.test/"):
            with pytest.raises(Unreachable, match="blocked"):
                await client.get(url)
    assert made.names.asked == ["alder.test"]


@pytest.mark.parametrize(
    "url",
    ["http://a.test\\@b.test/", "http://[not-ip]/", " http://a.test/", "http://a\t.test/"],
)
async def test_sec_R9_an_odd_url_is_not_even_looked_up(made: Made, url: str) -> None:
    with pytest.raises(Malformed):
        await made.client().get(url)
    assert not made.names.asked


async def test_sec_R5_an_odd_host_is_not_even_looked_up(made: Made) -> None:
    for host in ("localh.st:1234/secret?x=1#@", "x@y", "x%2f"):
        with pytest.raises((Malformed, Unreachable)):
            await made.client(()).get(f"https://{host}/.well-known/webfinger")
    assert not made.names.asked


# Redirects


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://alder.test/",
        "data:application/activity+json,{}",
        "http://user@alder.test/",
        "http://alder.test\\@evil.test/",
        "http://alder.test:80:80/",
        "//[::1]/",
        "http://al\tder.test/",
        "http://alder.test/a b",
    ],
)
async def test_sec_R3_a_redirect_to_what_is_no_address(made: Made, location: str) -> None:
    async with serve(lambda target: moved(location)) as server:
        made.name("alder.test", server)
        with pytest.raises(Malformed):
            await made.client().get("http://alder.test/x")
    assert len(server.heard) == 1


async def test_sec_R3_a_redirect_leads_inside(made: Made) -> None:
    async with (
        serve(lambda _: answer(b"secret")) as inside,
        serve(lambda _: moved(f"http://127.0.0.1:{inside.port}/x"), host="127.0.0.2") as outside,
    ):
        made.names.add("evil.test", ("127.0.0.2", outside.port))
        made.names.add("inner.test", ("127.0.0.1", inside.port))
        client = made.client(parse_networks(["127.0.0.2/32"]))
        with pytest.raises(Unreachable, match="address not allowed"):
            await client.get("http://evil.test/")
        outside.reply = lambda _: moved("http://inner.test/x")
        with pytest.raises(Unreachable, match="address not allowed"):
            await client.get("http://evil.test/")
    assert inside.connections == 0


async def test_sec_R3_redirects_end_after_three_hops(made: Made) -> None:
    loops: dict[str, Callable[[str], str]] = {
        "self": lambda target: target,
        "chain": lambda target: f"/{int(target[1:] or 0) + 1}",
        "two": lambda target: "/b" if target == "/a" else "/a",
    }
    for loop in loops.values():
        async with serve(lambda target, loop=loop: moved(loop(target))) as server:  # type: ignore[misc]
            made.name("alder.test", server)
            with pytest.raises(Malformed, match="too often"):
                await made.client().get("http://alder.test/1")
        assert len(server.heard) == 4


async def test_sec_R3_three_hops_arrive_and_each_is_signed_afresh(made: Made) -> None:
    """WIRE-S5."""
    hops = {"/0": "/1", "/1": "http://birch.test/2", "/2": "//birch.test/3?x=1#y"}
    signed: list[str] = []

    def signer(method: str, url: str, body: bytes | None) -> Mapping[str, str]:
        signed.append(url)
        return sign(method, url, body)

    def reply(target: str) -> bytes:
        cookie = [("Set-Cookie", "a=b; Path=/")]
        return moved(hops[target], headers=cookie) if target in hops else answer(b"end")

    async with serve(reply) as server:
        made.name("alder.test", server)
        made.name("birch.test", server)
        got = await made.client().get("http://alder.test/0", signer=signer)
    assert (got.body, got.url) == (b"end", "http://birch.test/3?x=1")
    assert signed == [
        "http://alder.test/0",
        "http://alder.test/1",
        "http://birch.test/2",
        "http://birch.test/3?x=1",
    ]
    assert len({heard["signature"] for heard in server.heard}) == 4
    assert [heard["host"] for heard in server.heard] == ["alder.test"] * 2 + ["birch.test"] * 2
    assert not any("cookie" in heard or "authorization" in heard for heard in server.heard)


async def test_sec_R3_nothing_is_signed_for_a_host_that_may_not_be_reached(made: Made) -> None:
    signed: list[str] = []

    def signer(method: str, url: str, body: bytes | None) -> Mapping[str, str]:
        signed.append(url)
        return {}

    async with serve(lambda _: moved("http://10.0.0.1/x")) as server:
        made.name("alder.test", server)
        with pytest.raises(Unreachable, match="address not allowed"):
            await made.client().get("http://alder.test/", signer=signer)
    assert signed == ["http://alder.test/"]


async def test_sec_R3_a_post_is_not_redirected(made: Made) -> None:
    async with serve(lambda _: moved("/elsewhere")) as server:
        made.name("alder.test", server)
        got = await made.client().post("http://alder.test/inbox", b"{}", signer=sign)
    assert (got.status, got.headers["location"]) == (302, "/elsewhere")
    assert server.targets == ["/inbox"]


# Certificates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of `alder.test` with its key."""
    return self_signed(tmp_path_factory.mktemp("tls") / "alder.pem", "alder.test")


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_certificate_must_be_the_hosts_own(made: Made, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with serve(lambda _: answer(b"safe"), tls=serving(certificate)) as server:
        made.name("alder.test", server)
        made.name("birch.test", server)
        assert (await made.client(tls=trusting).get("https://alder.test/")).body == b"safe"
        with pytest.raises(Unreachable, match="no secure connection"):
            await made.client(tls=trusting).get("https://birch.test/")
        with pytest.raises(Unreachable, match="no secure connection"):
            await made.client().get("https://alder.test/")
    assert len(server.heard) == 1


async def test_sec_R3_a_redirect_may_not_leave_https(made: Made, certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with (
        serve(lambda _: answer(b"plain")) as plain,
        serve(lambda _: moved("http://birch.test/"), tls=serving(certificate)) as server,
    ):
        made.name("alder.test", server)
        made.name("birch.test", plain)
        with pytest.raises(Malformed, match="not safe"):
            await made.client(tls=trusting).get("https://alder.test/")
    assert plain.connections == 0


# Time and size


async def endlessly(
    part: bytes, *, head: bytes = b"", seconds: float = 0.0
) -> AsyncIterator[bytes]:
    """`head`, then `part` for ever, one each `seconds`."""
    never = asyncio.Event()
    yield head
    while True:
        if seconds:
            try:
                await asyncio.wait_for(never.wait(), seconds)
            except TimeoutError:
                yield part
        else:
            yield part


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/activity+json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"a"),
    ],
    ids=["nothing", "headers", "body"],
)
async def test_sec_R10_a_dripping_peer_is_cut_off(made: Made, head: bytes, part: bytes) -> None:
    async with serve(lambda _: endlessly(part, head=head, seconds=0.05)) as server:
        made.name("slow.test", server)
        client = made.client(seconds=0.4)
        with pytest.raises(Unreachable, match="too slow"):
            await client.get("http://slow.test/")
        with pytest.raises(Unreachable, match="too slow"):
            await client.post("http://slow.test/", b"{}", signer=lambda *_: {})


async def test_sec_R10_a_hundred_dripping_peers_do_not_hold_up_the_rest(made: Made) -> None:
    async with (
        serve(lambda _: endlessly(b"a", seconds=5)) as slow,
        serve(lambda _: answer(b"quick")) as quick,
    ):
        for number in range(100):
            made.name(f"slow{number}.test", slow)
        made.name("quick.test", quick)
        client = made.client(seconds=2)
        waiting = [
            asyncio.ensure_future(
                client.post(f"http://slow{number}.test/inbox", b"{}", signer=lambda *_: {})
            )
            for number in range(100)
        ]
        got = await client.post("http://quick.test/inbox", b"{}", signer=lambda *_: {})
        assert got.body == b"quick"
        assert not any(task.done() for task in waiting)
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(end) for end in ends} == {"too slow"}


async def test_sec_R10_headers_without_end(made: Made) -> None:
    for head in (b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n"):
        part = b"a" * 1024 if head.endswith(b" ") else b"X-More: yes\r\n" * 100
        async with serve(lambda _, p=part, h=head: endlessly(p, head=h)) as server:  # type: ignore[misc]
            made.name("evil.test", server)
            with pytest.raises(Unreachable, match="broken answer"):
                await made.client().get("http://evil.test/")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (CHUNKED, chunk(b" " * 65536)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", b" " * 65536),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536),
    ],
    ids=["chunks", "a gigabyte", "until closed"],
)
async def test_sec_R11_an_endless_body_is_cut(made: Made, head: bytes, part: bytes) -> None:
    async with serve(lambda _: endlessly(part, head=head)) as server:
        made.name("evil.test", server)
        with pytest.raises(Malformed, match="too long"):
            await made.client().get("http://evil.test/")
    assert server.sent < 32 * 1024 * 1024


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_sec_R11_a_bomb_is_counted_after_it_opens(made: Made, encoding: str) -> None:
    zeros = b"\0" * (32 * 1024 * 1024)
    bomb = gzip.compress(zeros, 1) if encoding == "gzip" else zlib.compress(zeros, 1)
    assert len(bomb) < 1024 * 1024
    async with serve(lambda _: answer(bomb, headers=[("Content-Encoding", encoding)])) as server:
        made.name("evil.test", server)
        with pytest.raises(Malformed, match="too long"):
            await made.client().get("http://evil.test/")


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Encoding", "gzip, gzip")],
        [("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")],
        [("Content-Encoding", "br")],
        [("Content-Encoding", "zstd")],
        [("Content-Encoding", "compress")],
    ],
)
async def test_sec_R11_packing_we_do_not_open(made: Made, headers: list[tuple[str, str]]) -> None:
    body = gzip.compress(gzip.compress(b"{}"))
    async with serve(lambda _: answer(body, headers=headers)) as server:
        made.name("evil.test", server)
        with pytest.raises((Malformed, Unreachable), match=r"packed|broken answer"):
            await made.client().get("http://evil.test/")


async def test_the_limit_itself_is_fine(made: Made) -> None:
    packed = [("Content-Encoding", "gzip")]
    async with serve(lambda _: answer(gzip.compress(b"x" * 1000), headers=packed)) as server:
        made.name("alder.test", server)
        got = await made.client().get("http://alder.test/", limit=1000)
        assert got.body == b"x" * 1000
        with pytest.raises(Malformed, match="too long"):
            await made.client().get("http://alder.test/", limit=999)


async def test_the_answer_to_a_post_is_cut_and_not_refused(made: Made) -> None:
    async with serve(lambda _: endlessly(chunk(b"no" * 10_000), head=CHUNKED)) as server:
        made.name("alder.test", server)
        got = await made.client().post("http://alder.test/inbox", b"{}", signer=sign)
    assert (got.status, len(got.body)) == (200, 16 * 1024)


@pytest.mark.parametrize("reply", [b"nonsense\r\n\r\n", b"HTTP/1.1 999999 X\r\n\r\n", None])
async def test_a_broken_answer(made: Made, reply: bytes | None) -> None:
    async with serve(lambda _: reply) as server:
        made.name("alder.test", server)
        with pytest.raises(Unreachable, match="broken answer"):
            await made.client().get("http://alder.test/")


async def test_a_peer_that_is_down(made: Made) -> None:
    async with serve(lambda _: answer()) as server:
        made.name("alder.test", server)
    with pytest.raises(Unreachable, match="no connection"):
        await made.client().get("http://alder.test/")


# Connections


async def test_posts_share_at_most_two_connections(made: Made) -> None:
    async with serve(lambda _: answer(status="202 Accepted")) as server:
        made.name("alder.test", server)
        client = made.client()
        await asyncio.gather(
            *(client.post("http://alder.test/inbox", b"{}", signer=sign) for _ in range(12))
        )
    assert len(server.heard) == 12
    assert server.connections == 2
    assert made.names.asked == ["alder.test"]


async def test_connections_that_rest_are_bounded_too(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(client_module._SOCKETS, "POST", 3)
    client = made.client()
    async with serve(lambda _: answer(status="202 Accepted")) as server:
        for number in range(8):
            made.name(f"peer{number}.test", server)
        for _ in range(2):
            for number in range(8):
                url = f"http://peer{number}.test/inbox"
                assert (await client.post(url, b"{}", signer=sign)).status == 202
    assert server.connections == 3 + 2 * 5  # three are kept and used again


async def test_a_kept_connection_the_peer_gave_up_is_replaced_once(made: Made) -> None:
    answers = [answer(b"1"), None, answer(b"2"), None, None]
    async with serve(lambda _: answers.pop(0)) as server:
        made.name("alder.test", server)
        client = made.client()
        first = await client.post("http://alder.test/inbox", b"{}", signer=sign)
        second = await client.post("http://alder.test/inbox", b"{}", signer=sign)
        assert (first.body, second.body) == (b"1", b"2")
        with pytest.raises(Unreachable, match="broken answer"):
            await client.post("http://alder.test/inbox", b"{}", signer=sign)
    assert len(server.heard) == 5


# Documents


async def test_a_document_its_own_server_vouches_for(made: Made) -> None:
    async with serve(lambda _: document("http://good.test/x")) as server:
        made.name("good.test", server)
        assert (await made.client().fetch_document("http://good.test/x"))["type"] == "Note"
        assert (await made.client().fetch_document("http://good.test/x#key"))["type"] == "Note"


@pytest.mark.parametrize(
    "claimed",
    [
        "http://good.test/u",
        "http://evil.test:81/x",
        "https://evil.test/x",
        "http://EVIL.test/x",
        "http://evil.test:80/x",
        "http://evil.test./x",
        "http://good.test@evil.test/x",
        "",
        "x",
    ],
)
async def test_sec_S2_an_id_elsewhere_is_not_believed(made: Made, claimed: str) -> None:
    async with serve(lambda _: document(claimed)) as server:
        made.name("evil.test", server)
        made.name("good.test", server)
        with pytest.raises(Malformed):
            await made.client().fetch_document("http://evil.test/x")
    assert len(server.heard) == 1


@pytest.mark.parametrize("odd", [None, 1, ["http://good.test/x"], {"id": "http://good.test/x"}])
async def test_sec_S2_an_id_that_is_no_text(made: Made, odd: Json) -> None:
    async with serve(lambda _: document("", id=odd) if odd else answer(b"{}")) as server:
        made.name("good.test", server)
        with pytest.raises(Malformed):
            await made.client().fetch_document("http://good.test/x")


async def test_another_id_on_the_same_server_is_asked_once_more(made: Made) -> None:
    ids = {"/@kay": "/u/kay", "/u/kay": "/u/kay", "/a": "/b", "/b": "/c", "/c": "/c"}
    async with serve(lambda target: document("http://good.test" + ids[target])) as server:
        made.name("good.test", server)
        client = made.client()
        got = await client.fetch_document("http://good.test/@kay")
        assert got["id"] == "http://good.test/u/kay"
        assert server.targets == ["/@kay", "/u/kay"]
        with pytest.raises(Malformed, match="one id"):
            await client.fetch_document("http://good.test/a")
        assert server.targets[2:] == ["/a", "/b"]


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/html",
        "application/json",
        "image/png",
        "application/ld+json",
        'application/ld+json; profile="https://evil.example/ns"',
        'application/ld+json; profile="https://www.w3.org/ns/activitystreams#x"',
        f'application/json; profile="{AS2}"',
        "application/activity+jsonx",
        "text/plain; application/activity+json",
        "",
    ],
)
async def test_sec_S3_an_upload_is_no_document(made: Made, kind: str) -> None:
    body = json.dumps({"@context": AS2, "id": "http://good.test/media/a.json"}).encode()
    async with serve(lambda _: answer(body, kind=kind)) as server:
        made.name("good.test", server)
        with pytest.raises(Malformed, match="not an ActivityPub document"):
            await made.client().fetch_document("http://good.test/media/a.json")


async def test_sec_S3_two_media_types_are_none(made: Made) -> None:
    body = json.dumps({"@context": AS2, "id": "http://good.test/x"}).encode()
    twice = answer(body, kind="image/png", headers=[("Content-Type", ACTIVITY)])
    async with serve(lambda _: twice) as server:
        made.name("good.test", server)
        with pytest.raises(Malformed, match="not an ActivityPub document"):
            await made.client().fetch_document("http://good.test/x")


def test_media_types_that_mean_activitypub() -> None:
    assert is_activity_type("application/activity+json")
    assert is_activity_type("Application/Activity+JSON; charset=utf-8")
    assert is_activity_type(f'application/ld+json; profile="{AS2}"')
    assert is_activity_type(f'application/ld+json;charset=utf-8;PROFILE="https://x/ {AS2}"')


async def test_sec_S4_a_redirect_does_not_lend_its_name(made: Made) -> None:
    async with (
        serve(lambda _: moved("http://evil.test/y")) as good,
        serve(lambda _: document("http://good.test/x")) as evil,
    ):
        made.name("good.test", good)
        made.name("evil.test", evil)
        with pytest.raises(Malformed, match="not on the server"):
            await made.client().fetch_document("http://good.test/x")
        evil.reply = lambda _: document("http://evil.test/y")
        assert (await made.client().fetch_document("http://good.test/x"))[
            "id"
        ] == "http://evil.test/y"


@pytest.mark.parametrize(
    "context", [None, [], "https://www.w3.org/ns/activitystreams#", [[AS2]], {"@vocab": AS2}]
)
async def test_a_document_needs_a_context_we_know(made: Made, context: Json) -> None:
    """WIRE-B1."""
    body = json.dumps({"@context": context, "id": "http://good.test/x"}).encode()
    async with serve(lambda _: answer(body)) as server:
        made.name("good.test", server)
        with pytest.raises(Malformed, match="context"):
            await made.client().fetch_document("http://good.test/x")
        listed: dict[str, Json] = {"@context": [{}, AS2], "id": "http://good.test/x"}
        server.reply = lambda _: answer(json.dumps(listed).encode())
        await made.client().fetch_document("http://good.test/x")


@pytest.mark.parametrize(
    ("status", "error"),
    [("404 X", NotFound), ("410 X", Gone), ("401 X", Unreachable), ("503 X", Unreachable)],
)
async def test_a_status_that_is_not_200(made: Made, status: str, error: type[Exception]) -> None:
    async with serve(lambda _: answer(b"{}", status=status)) as server:
        made.name("good.test", server)
        with pytest.raises(error) as caught:
            await made.client().fetch_document("http://good.test/x")
    if isinstance(caught.value, Unreachable):
        assert caught.value.status == int(status[:3])


# Budgets


def test_sec_S29_fetches_are_budgeted_by_origin_and_by_activity() -> None:
    now = [utcnow()]
    budget = Budget(clock=lambda: now[0])
    one = budget.for_activity()
    for number in range(40):
        one.spend(f"https://{number}.example")
    with pytest.raises(Malformed):  # given up for good
        one.spend("https://more.example")
    for _ in range(299):
        budget.spend("https://0.example")
    for spending in (budget, budget.for_activity()):
        with pytest.raises(TooMany):
            spending.spend("https://0.example")
    budget.for_activity().spend("https://1.example")
    now[0] += datetime.timedelta(hours=1)
    budget.spend("https://0.example")


async def test_sec_D6_a_redirect_is_counted_for_where_it_goes(made: Made) -> None:
    budget = Budget(clock=utcnow)
    async with (
        serve(lambda _: moved("http://victim.test/")) as evil,
        serve(lambda _: answer()) as victim,
    ):
        made.name("victim.test", victim)
        for number in range(400):
            made.name(f"evil{number}.test", evil)
        client, one = made.client(), budget.for_activity()
        for number in range(20):
            await client.get(f"http://evil{number}.test/", budget=one)
        with pytest.raises(Malformed):
            await client.get("http://evil20.test/", budget=one)
        assert (evil.connections, len(victim.heard)) == (20, 20)
        for number in range(20, 300):
            await client.get(f"http://evil{number}.test/", budget=budget)
        with pytest.raises(TooMany):
            await client.get("http://evil300.test/", budget=budget)
        assert len(victim.heard) == 300


async def test_sec_D6_an_id_that_leads_to_another_is_two_requests(made: Made) -> None:
    async with serve(lambda _: document("http://good.test/real")) as server:
        made.name("good.test", server)
        one = Budget(clock=utcnow).for_activity()
        for _ in range(20):
            await made.client().fetch_document("http://good.test/x", budget=one)
        with pytest.raises(Malformed):
            await made.client().fetch_document("http://good.test/x", budget=one)
    assert len(server.heard) == 40


async def test_sec_D7_invented_hosts_fill_no_memory() -> None:
    budget = Budget(clock=utcnow)
    for number in range(100_000):
        budget.spend(f"https://{number}.example")
    assert len(budget._hourly) == 10_000
    names = Names()
    gate = Gate(names, LOOPBACK)
    for number in range(20_000):
        names.add(f"{number}.test", ("127.0.0.1", 1))
        await gate.resolve(f"{number}.test", 80)
    assert len(gate._pinned) == 5_000


async def test_sec_R11_a_bomb_in_answer_to_a_post_is_cut(made: Made) -> None:
    bomb = gzip.compress(b"\0" * (64 * 1024 * 1024), 1)
    packed = [("Content-Encoding", "gzip")]
    async with serve(lambda _: answer(bomb, headers=packed)) as server:
        made.name("evil.test", server)
        got = await made.client().post("http://evil.test/inbox", b"{}", signer=sign)
    assert len(got.body) == 16 * 1024


INSIDE_OUT = ("http://[::1]:{port}/", "http://inside.test/", "http://moved.test/")


@pytest.mark.parametrize("url", INSIDE_OUT)
async def test_sec_R4_nothing_inside_is_asked_or_told(made: Made, url: str) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6, which is what is inside here")
    async with (
        serve(lambda _: answer(), host="::1") as inside,
        serve(lambda _: moved(f"http://[::1]:{inside.port}/")) as sending,
    ):
        made.names.add("inside.test", ("::1", inside.port))
        made.name("moved.test", sending)
        client, at = made.client(), url.format(port=inside.port)
        with pytest.raises((Malformed, Unreachable)):
            await client.get(at, signer=sign)
        with pytest.raises((Malformed, Unreachable)):
            await client.fetch_document(at, signer=sign)
        if url == INSIDE_OUT[2]:
            assert (await client.post(at, b"{}", signer=sign)).status == 302
        else:
            with pytest.raises(Unreachable):
                await client.post(at, b"{}", signer=sign)
    assert inside.connections == 0
