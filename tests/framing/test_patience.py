"""Whoever keeps a connection waiting is let go, whatever they wait with (SEC-D2, SEC-D4)."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import StreamReader, web

from node import door
from node.door import Door, House, Patience, Phase
from node.listening import bind
from tests.framing.raw import Way, last, request

SHORT = Patience(head=0.3, body=0.3, rate=1024 * 1024, answer=0.3, idle=0.6, look=0.05)
PATIENT = 20.0  # generous: the node lets go far earlier


class Echo:
    """A node in small: it has the door and nothing behind it."""

    def __init__(self, house: House) -> None:
        self.house, self.port = house, 0
        self.hold = asyncio.Event()  # handlers of /slow wait for it

    @property
    def way(self) -> Way:
        return Way(self.port)

    async def read(self, request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def slow(self, request: web.Request) -> web.Response:
        await self.hold.wait()
        return web.Response(text="at last")

    async def much(self, request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 32 * 1024 * 1024)

    @property
    def phases(self) -> list[Phase]:
        return [each.phase for each in self.house.doors]

    def only(self) -> Door:
        (found,) = self.house.doors
        return found


@asynccontextmanager
async def echo(house: House) -> AsyncIterator[Echo]:
    made = Echo(house)
    app = web.Application(middlewares=[door.middleware])
    app.router.add_route("*", "/", made.read)
    app.router.add_get("/slow", made.slow)
    app.router.add_get("/much", made.much)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    listener = bind("127.0.0.1", 0)
    made.port = listener.getsockname()[1]
    await door.site(runner, listener, house=house).start()
    try:
        yield made
    finally:
        made.hold.set()
        await runner.cleanup()


async def until(true: Callable[[], bool]) -> None:
    """Wait for what the node does on its own."""
    for _ in range(round(PATIENT / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


async def drip(writer: asyncio.StreamWriter, part: bytes) -> None:
    """A byte now and then, for ever."""
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)


async def until_closed(way: Way, first: bytes, dripped: bytes = b"") -> bytes:
    """What comes back until the node lets go, however much is dripped in."""
    reader, writer = await way.open()
    writer.write(first)
    dripping = asyncio.ensure_future(drip(writer, dripped) if dripped else asyncio.sleep(0))
    try:
        got = b""
        async with asyncio.timeout(PATIENT):
            with contextlib.suppress(ConnectionError):
                while part := await reader.read(1 << 16):
                    got += part
        return got
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.transport.abort()


BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "dripped"),
    [
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-", b"a"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n"),
        (BODY, b"a"),
        (CHUNKED, b"1\r\na\r\n"),
        (CHUNKED + b"1;", b"a"),
        (CHUNKED + b"0\r\nX: ", b"a"),
    ],
    ids=["nothing", "line", "name", "headers", "body", "chunks", "extension", "trailer"],
)
async def test_sec_D4_a_request_that_never_ends_is_cut(first: bytes, dripped: bytes) -> None:
    async with echo(House(patience=SHORT)) as node:
        assert await until_closed(node.way, first, dripped) == b""
        assert not node.house.doors


async def test_sec_D4_silence_is_cut_as_well() -> None:
    async with echo(House(patience=SHORT)) as node:
        for first in (b"", b"GET / HT", BODY):
            assert await until_closed(node.way, first) == b""


async def test_sec_D4_an_idle_connection_is_kept_a_while_and_then_closed() -> None:
    async with echo(House(patience=SHORT)) as node:
        got = await until_closed(node.way, request("/"))
        assert got.startswith(b"HTTP/1.1 200 ")
        assert b"close" not in got


async def test_sec_D4_a_second_request_that_drips_is_cut() -> None:
    async with echo(House(patience=SHORT)) as node:
        got = await until_closed(node.way, request("/") + b"GET /", b"a")
        assert got.count(b"HTTP/1.1 200 ") == 1


async def test_sec_D2_an_answer_that_nobody_takes_is_dropped() -> None:
    async with echo(House(patience=SHORT)) as node:
        _, writer = await node.way.open()  # nothing is read, so the ways fill up
        writer.write(request("/much"))
        await until(lambda: bool(node.house.doors))
        await until(lambda: not node.house.doors)
        writer.transport.abort()


async def test_a_long_body_has_longer() -> None:
    async with echo(House(patience=SHORT)) as node:
        reader, writer = await node.way.open()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n")
        await until(lambda: node.phases == [Phase.WORK])
        now = asyncio.get_running_loop().time()
        assert 0.3 < node.only().until - now <= 1.3  # a second more, for a megabyte
        assert node.only().until - node.only().since >= 1.3
        assert node.only().waits_for_client
        writer.write(b"x" * 1048576)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        writer.transport.abort()


async def test_our_own_work_is_not_the_clients_fault() -> None:
    async with echo(House(patience=SHORT)) as node:
        waiting = asyncio.ensure_future(node.way.say(last("/slow")))
        await until(lambda: node.phases == [Phase.WORK])
        node.house.look(asyncio.get_running_loop().time() + 3600)
        node.hold.set()
        assert (await waiting).answers[0].body == b"at last"


async def test_sec_D4_when_all_places_are_taken_the_slowest_leaves() -> None:
    async with echo(House(patience=Patience(), places=20)) as node:
        working = asyncio.ensure_future(node.way.say(last("/slow")))
        await until(lambda: node.phases == [Phase.WORK])
        slow = [await node.way.open() for _ in range(100)]
        for _, writer in slow:
            writer.write(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(30):
            assert (await node.way.say(last("/"))).statuses == [200]
        assert len(node.house.doors) <= 20
        node.hold.set()
        assert (await working).statuses == [200]  # whose request was whole was not in the way
        for _, writer in slow:
            writer.transport.abort()


async def test_sec_D4_where_every_place_is_at_work_the_newest_leaves() -> None:
    async with echo(House(patience=Patience(), places=2)) as node:
        working = [asyncio.ensure_future(node.way.say(last("/slow"))) for _ in range(2)]
        await until(lambda: node.phases == [Phase.WORK] * 2)
        assert (await node.way.say(last("/"))).answers == []
        node.hold.set()
        assert [said.statuses for said in await asyncio.gather(*working)] == [[200], [200]]


async def test_sec_D2_a_body_may_be_chunked_but_not_mostly_wrapping() -> None:
    async with echo(House(patience=Patience())) as node:
        head = CHUNKED.replace(b"Host: x", b"Host: x\r\nConnection: close")
        part = b"400\r\n" + b"x" * 1024 + b"\r\n"
        said = await node.way.pour([head, *[part] * 1024, b"0\r\n\r\n"])
        assert len(said.answers[0].body) == 1024 * 1024
        said = await node.way.pour([head, *[b"1\r\nx\r\n" * 1000] * 100, b"0\r\n\r\n"])
        assert said.answers == []


async def test_sec_D2_whoever_leaves_leaves_nothing_behind() -> None:
    async with echo(House(patience=Patience())) as node:
        gc.collect()
        gc.disable()  # what is only freed by this could pile up for a long time
        try:
            _, writer = await node.way.open()
            writer.write(BODY + b"x" * 999)
            await until(lambda: node.phases == [Phase.WORK])
            node.only().cut()
            await until(lambda: not readers())
        finally:
            gc.enable()
        writer.transport.abort()


def readers() -> list[StreamReader]:
    return [each for each in gc.get_objects() if type(each) is StreamReader]


async def test_sec_D2_bodies_together_have_so_much_room() -> None:
    async with echo(House(patience=Patience(), room=1024 * 1024)) as node:
        slow = []
        for _ in range(30):
            slow.append(await node.way.open())
            slow[-1][1].write(BODY.replace(b"9999", b"999999") + b"x" * 100_000)
            await until(lambda: {*node.phases} == {Phase.WORK})
        await until(lambda: len(node.house.doors) < 15)
        assert sum(each.held for each in node.house.doors) <= 1024 * 1024
        assert node.house.coming <= 1024 * 1024
        await asyncio.wait_for(slow[0][0].read(), PATIENT)  # who came first had to leave first
        assert (await node.way.say(last("/"))).statuses == [200]
        for _, writer in slow:
            writer.transport.abort()
        await until(lambda: not node.house.doors)
        assert node.house.coming == 0


async def test_sec_D2_answers_together_have_so_much_room() -> None:
    short = Patience(look=0.05)
    async with echo(House(patience=short, room=70 * 1024 * 1024)) as node:
        slow = [await node.way.open() for _ in range(6)]  # each asks for 32 MiB and reads nothing
        for _, writer in slow:
            writer.write(request("/much"))
        await until(lambda: 0 < len(node.house.doors) <= 3)
        assert sum(each.held for each in node.house.doors) <= 70 * 1024 * 1024
        for _, writer in slow:
            writer.transport.abort()


def test_places_are_at_most_half_of_the_open_files() -> None:
    assert 1 <= door.places() <= door.MAX_CONNECTIONS
