"""Open pages hear that something changed, from whichever process, and see what they may see."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import urlencode

import aiohttp
import pytest
import sqlalchemy as sa
from yarl import URL

from activitypub.state import HERE
from groups import desk, labelling, membership
from groups import posts as post_store
from kernel.errors import Busy, TooMany
from kernel.schema.labels import Giver
from members import sessions
from moderation.labels import MEDICAL
from moderation.saying import Saying
from node.live import HUB, MAX_OF_SESSION, Hub
from node.pages.session import cookie_name
from tests.faults.victim import victim
from tests.pages.conftest import House
from tests.pages.people import Person

pytestmark = pytest.mark.slow

SOON = 2.0  # seconds from a decision to an open page
PATIENCE = 20.0


@dataclass
class Stream:
    """What an open page hears."""

    answer: aiohttp.ClientResponse

    async def look(self, seconds: float = PATIENCE) -> None:
        """Until the next `look`. Raises TimeoutError: none came."""
        async with asyncio.timeout(seconds):
            while line := await self.answer.content.readline():
                if line == b"event: look\n":
                    return
        raise EOFError

    async def ends(self, seconds: float = PATIENCE) -> None:
        """Until the node ends it."""
        async with asyncio.timeout(seconds):
            await self.answer.content.read()


def attribute(html: str, name: str) -> str:
    return unescape(html.partition(f'{name}="')[2].partition('"')[0])


@asynccontextmanager
async def listening(
    who: Person, path: str, *, port: int | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Stream]:
    """The page at `path` is open and waits, at another process of the node if told."""
    page = await who.open(path)
    query = urlencode({"of": attribute(page.html, "data-live")})
    url = URL(f"http://127.0.0.1:{port or who.node.port}/live?{query}", encoded=True)
    cookies = "; ".join(f"{name}={value}" for name, value in who.cookies.items())
    sent = {"Host": who.node.name, "Cookie": cookies, **(headers or {})}
    async with who.node.session.get(url, headers=sent) as answer:
        assert answer.status == 200, answer.status
        assert answer.content_type == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Security-Policy" in answer.headers
        stream = Stream(answer)
        await stream.look()
        yield stream


async def now(
    who: Person, path: str, *, first: int = 0, last: int | None = None
) -> dict[str, object]:
    page = await who.open(path)
    asked = {"of": attribute(page.html, "data-live"), "first": str(first)}
    if last is not None:
        asked["last"] = str(last)
    answer = await who.open(f"/live/now?{urlencode(asked)}")
    assert answer.status == 200, answer.status
    found: dict[str, object] = json.loads(answer.body)
    return found


async def test_an_answer_reaches_an_open_page_and_says_nothing_but_look(house: House) -> None:
    path = f"/t/{house.thread.id}"
    async with listening(house.cleo, path) as page:
        more = await house.node.reply(house.ana.speaker, house.thread.uri, "Something new.")
        await page.look()
    news = await now(house.cleo, path, first=house.thread.id, last=house.answer.id)
    assert news["say"] == "1 new answer."
    assert news["href"] == f"/p/{more.id}"
    assert news["gone"] == []
    assert (await now(house.cleo, path, last=more.id))["say"] == ""
    assert (await now(house.cleo, path))["say"] == ""  # a page in the middle waits for none
    assert (await now(house.ana, path, last=house.answer.id))["say"] == ""  # her own


async def test_a_removal_reaches_an_open_page_of_another_process_within_two_seconds(
    house: House,
) -> None:
    path = f"/t/{house.thread.id}"
    async with (
        victim(house.node, None, works=False) as other,
        listening(house.cleo, path, port=other.port) as there,
        listening(house.cleo, path) as here,
        listening(house.ana, "/notices") as told,
    ):
        async with house.node.engine.begin() as conn:
            acting = await desk.require(conn, house.open, house.ana.speaker)
            answer = await post_store.get(conn, house.answer.id)
            await desk.remove(conn, house.node.here, house.open, acting, answer, "")
        await asyncio.gather(there.look(SOON), here.look(SOON))
        news = await now(house.cleo, path, first=house.thread.id, last=house.answer.id)
        assert news["gone"] == [str(house.answer.id)]
        mine = await now(house.ben, path, first=house.thread.id, last=house.answer.id)
        assert mine["gone"] == []  # its author still has the words

        at_other = replace_port(house.ben, other.port)
        sent = await at_other.fill(f"/p/{house.thread.id}/reply", text="From the other process.")
        assert sent.status == 303, sent.text
        await asyncio.gather(there.look(), here.look(), told.look())


async def test_mod_5_18_a_label_or_a_hold_reaches_an_open_page_of_another_process(
    house: House,
) -> None:
    node, path = house.node, f"/t/{house.thread.id}"
    today = node.here.now().date()
    grief = Saying.here("grief", Giver.GROUP, today=today)
    ids = house.thread.id, house.answer.id
    page = await house.cleo.open(path)
    asked = {"of": attribute(page.html, "data-live"), "first": str(ids[0]), "to": str(ids[1])}

    async def says(**more: str) -> object:
        told = await house.cleo.open(f"/live/now?{urlencode(asked | more)}")
        return json.loads(told.body)["say"]

    async with (
        victim(node, None, works=False) as other,
        listening(house.cleo, path, port=other.port) as there,
    ):
        assert await says() == ""
        async with node.engine.begin() as conn:
            await labelling.give(conn, node.here, house.open, house.thread, grief)
        await there.look(SOON)
        assert await says() == "What moderators say of a post here has changed."
        labelled = await house.cleo.open(path)
        assert await says(given=attribute(labelled.html, "data-given")) == ""
        async with node.engine.begin() as conn:
            await labelling.take_off(
                conn, node.here, house.open, house.thread, "grief", Giver.GROUP
            )
        await there.look(SOON)
        assert await says() == ""

        async with node.engine.begin() as conn:
            acting = await desk.require(conn, house.open, house.ana.speaker)
            answer = await post_store.get(conn, house.answer.id)
            await desk.hold(conn, node.here, house.open, acting, answer, "")
        await there.look(SOON)
        assert (await now(house.cleo, path, first=ids[0]))["gone"] == [str(ids[1])]
        for reads in (house.ben, house.ana):
            assert (await now(reads, path, first=ids[0]))["gone"] == []

        async with node.engine.begin() as conn:
            root = await post_store.get(conn, house.thread.id)
            await desk.lock(conn, node.here, house.open, acting, root)
        await there.look(SOON)


async def test_dom_C14_an_open_page_hears_of_a_label_on_the_day_it_begins(house: House) -> None:
    """Its author knows a day before, and no open page tells anybody else."""
    node, path = house.node, f"/t/{house.thread.id}"
    places = ("https://books.example/one", "https://books.example/two")
    noted = Saying.here(
        MEDICAL, Giver.GROUP, today=node.here.now().date(), why="Please ask.", sources=places
    )
    page = await house.cleo.open(path)
    asked = {"of": attribute(page.html, "data-live"), "first": str(house.thread.id)}
    asked |= {"to": str(house.answer.id), "given": attribute(page.html, "data-given")}

    async def says() -> object:
        told = await house.cleo.open(f"/live/now?{urlencode(asked)}")
        return json.loads(told.body)["say"]

    async with node.engine.begin() as conn:
        await labelling.give(conn, node.here, house.open, house.answer, noted)
    assert await says() == ""
    assert attribute((await house.cleo.open(path)).html, "data-given") == asked["given"]
    node.clock.forward(days=1)
    assert await says() == "What moderators say of a post here has changed."


def replace_port(who: Person, port: int) -> Person:
    """The same browser, led to another process."""
    return replace(who, node=replace(who.node, port=port))


async def test_notices_reach_a_page_and_stand_in_the_menu_in_words(house: House) -> None:
    async with listening(house.ana, "/") as page:
        await house.node.reply(house.ben.speaker, house.thread.uri, "For you.")
        await page.look()
    news = await now(house.ana, "/")
    assert news["menu"] == "Notices, 2 new"
    assert news["say"] == "There is something new for you."
    assert (await now(house.cleo, "/"))["menu"] == "Notices"
    async with house.node.engine.begin() as conn:
        await membership.decline(conn, house.node.here, house.careful, house.ben.actor)
    assert "no longer a member" in (await house.ben.open("/notices")).text


async def test_dom_A16_a_page_full_of_news_does_not_announce_them_to_itself(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.pages.notices.PAGE", 2)
    for number in range(4):
        await house.node.reply(house.ben.speaker, house.thread.uri, f"Answer {number}.")
    page = (await house.ana.open("/notices")).html
    asked = {"of": attribute(page, "data-live"), "notices": attribute(page, "data-notices")}
    told = await house.ana.open(f"/live/now?{urlencode(asked)}")
    assert json.loads(told.body)["say"] == ""
    asked["notices"] = "1"
    told = await house.ana.open(f"/live/now?{urlencode(asked)}")
    assert json.loads(told.body)["say"] == "There is something new for you."


async def test_who_may_not_read_any_more_hears_of_nothing(house: House) -> None:
    node = house.node
    await node.join(house.ben.speaker, house.private.actor.uri)
    root = await node.start(house.ana.speaker, house.private.actor.uri, "Closed", "Words.")
    page = await house.ben.open(f"/t/{root.id}")
    of = urlencode({"of": attribute(page.html, "data-live"), "first": "0"})
    assert (await house.ben.open(f"/live/now?{of}")).status == 200
    async with node.engine.begin() as conn:
        await membership.leave(conn, node.here, house.ben.speaker, house.private)
    assert (await house.ben.open(f"/live/now?{of}")).status == 404
    assert (await house.cleo.open(f"/live/now?{of}")).status == 400  # another session's
    for path in ("/live", "/live/now"):
        assert (await house.cleo.open(f"{path}?of=nonsense")).status == 400
        assert (await house.visitor.open(f"{path}?{of}")).status in (303, 403)
    told = await house.ben.open(f"/t/{house.thread.id}")
    head = f"/live?{urlencode({'of': attribute(told.html, 'data-live')})}"
    assert (await house.ben.send("HEAD", head)).status == 200  # and it ends at once
    assert "data-live" not in (await house.visitor.open(f"/t/{house.thread.id}")).html


async def test_what_a_reader_blocks_is_not_announced(house: House) -> None:
    path = f"/t/{house.thread.id}"
    await house.cleo.fill(
        f"/p/{house.answer.id}/quiet", f"/p/{house.answer.id}/quiet", what="block", long="ever"
    )
    await house.node.reply(house.ben.speaker, house.thread.uri, "Again.")
    assert (await now(house.cleo, path, last=house.answer.id))["say"] == ""


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every line; asked for before a node starts, since connections look once."""
    caplog.set_level(logging.INFO)
    return caplog


async def test_a_stream_ends_with_its_session_and_leaves_no_line_in_the_log(
    log: pytest.LogCaptureFixture, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-L9."""
    monkeypatch.setattr("node.pages.live.PULSE", 0.2)
    node = house.node
    path, before = f"/t/{house.thread.id}", {"Last-Event-ID": "7"}
    async with listening(house.ben, path, headers=before) as page:
        cookie = house.ben.cookies[cookie_name(node.app[HERE])]
        await sessions.end(node.engine, node.app[HERE], cookie)
        await page.ends()
    assert node.app[HUB].open == 0
    said = [str(vars(line)) for line in log.records]
    assert any("/t/{id}" in line for line in said)
    assert not [line for line in said if "/live" in line]


async def test_sec_L9_a_page_of_another_process_is_let_go_with_its_session_at_once(
    house: House,
) -> None:
    """Logged out, ended from another session, or all of them: nobody waits for the next pulse."""
    node, path = house.node, f"/t/{house.thread.id}"
    member = house.cleo.prepared.member
    async with victim(node, None, works=False) as other:
        async with listening(house.ben, path, port=other.port) as page:
            assert (await house.ben.send("POST", "/log-out", {})).status == 303
            await page.ends(SOON)
        cookie = await sessions.open(node.engine, node.here, member)
        mine = await sessions.read(node.engine, node.here, cookie)
        assert mine is not None
        async with listening(house.cleo, path, port=other.port) as page:
            async with node.engine.begin() as conn:
                await sessions.end_others(conn, node.here, mine)
            await page.ends(SOON)
        again = replace(house.cleo, cookies={cookie_name(node.here): cookie})
        async with listening(again, path, port=other.port) as page:
            async with node.engine.begin() as conn:
                await sessions.end_all(conn, node.here, member)
            await page.ends(SOON)
        shut = await replace_port(again, other.port).open("/live?of=x")
        assert (shut.status, shut.location.partition("?")[0]) == (303, "/log-in")


async def test_streams_are_few_for_each_session_and_for_the_process(house: House) -> None:
    hub = Hub(house.node.engine, most=2)
    with hub.waiting(b"one", ["t1"]) as ear, hub.waiting(b"two", ["t1", "t2"]):
        with pytest.raises(Busy), hub.waiting(b"three", ["t1"]):
            pass
        hub.hear("t9")
        assert not await ear.wait(0.01)
        for _ in range(1000):
            hub.hear("t1")
        assert await ear.wait(0.01)
        assert not await ear.wait(0.01)  # a thousand words were one
    assert hub.open == 0
    assert hub._ears == {}

    hub = Hub(house.node.engine)
    held = [hub.waiting(b"one", ["t1"]) for _ in range(MAX_OF_SESSION)]
    for each in held:
        each.__enter__()
    with pytest.raises(TooMany), hub.waiting(b"one", ["t1"]):
        pass
    with hub.waiting(b"two", ["t1"]):
        assert hub.open == MAX_OF_SESSION + 1
    for each in held:
        each.__exit__(None, None, None)
    await hub.close()
    with pytest.raises(Busy), hub.waiting(b"one", ["t1"]):
        pass


async def test_a_broken_connection_is_opened_again_and_every_page_looks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.live._LOOK", 0.2)
    path = f"/t/{house.thread.id}"
    async with listening(house.cleo, path) as page:
        async with house.node.engine.begin() as conn:
            await conn.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'LISTEN \"hearthold_live%' AND pid <> pg_backend_pid()"
                    " AND datname = current_database()"
                )
            )
        await page.look()  # something may have been missed
        await house.node.reply(house.ana.speaker, house.thread.uri, "After it.")
        await page.look()


async def test_a_node_that_stops_lets_its_pages_go(house: House) -> None:
    async with listening(house.cleo, f"/t/{house.thread.id}") as page:
        stopping = asyncio.create_task(house.node.runner.cleanup())
        await page.ends(5)
        await stopping
