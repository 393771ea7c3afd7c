"""Help and the way out, when everything else is down too."""

import asyncio
import re
import time
from datetime import UTC, datetime

from kernel.postgres import Server
from members import sessions
from node.pages.memory import MEMORY
from node.pages.session import cookie_name
from resources import crisis
from tests.pages.conftest import House
from tests.pages.people import Answer, Browser, person
from tests.pages.test_every_page import check_page


async def test_help_and_leave_answer_without_a_database(house: House, postgres: Server) -> None:
    name = house.node.engine.url.database
    server = await postgres.connect()
    await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await server.close()
    for browser in (house.visitor, house.ana):
        for path in ("/help", "/help/ie"):
            answer = await browser.open(path)
            assert answer.status == 200
            assert "116 123" in answer.text or "Ireland" in answer.text
            check_page(path, answer)
        for path in ("/groups", f"/t/{house.thread.id}", "/settings"):
            answer = await browser.open(path)
            assert answer.status in {303, 500, 503}, path
            if answer.status != 303:
                check_page(path, answer)
        left = await browser.open("/leave")
        assert left.status == 303


async def test_numbers_are_shown_as_published(house: House) -> None:
    for code, country in crisis.countries().items():
        answer = await house.visitor.open(f"/help/{code.lower()}")
        assert country.emergency in answer.text
        for line in country.lines:
            assert line.name in answer.text
            for contact in (*line.phone, *line.sms):
                assert contact.text in answer.text, (code, contact)
        for dialled in re.findall(r'href="(?:tel|sms):([^"]*)"', answer.html):
            assert re.fullmatch(r"[+*]?[0-9]+", dialled), dialled
        assert "If nobody answers" in answer.text
    ireland = await house.visitor.open("/help/ie")
    assert '<a class="number" href="tel:116123">116 123</a>' in ireland.html
    chile = await house.visitor.open("/help/cl")
    assert '<span class="number">*4141 (from mobile phones)</span>' in chile.html


OLD = "Nobody has checked this for more than a year. If it does not work, use another line."


def _lines_of(page: Answer) -> dict[str, bool]:
    """The lines of a page, and whether each is called old."""
    found = re.findall(r'<article class="help-line">(.*?)</article>', page.html, re.DOTALL)
    return {line: OLD in each for each in found for line in re.findall(r"<h\d>(.*?)</h", each)}


async def test_mod_H6_a_line_that_nobody_checked_for_a_year_says_so(
    house: House, postgres: Server
) -> None:
    """DOM-D2: as time goes by, in a process that runs on, and with no database."""
    sent = await house.ben.fill(f"/p/{house.thread.id}/reply", text="I am not safe tonight.")
    card = await house.ben.follow(await house.ben.follow(sent))
    today, ireland = house.node.clock().date(), crisis.countries()["IE"].lines[:2]
    assert _lines_of(card) == {each.name: each.is_overdue(today) for each in ireland}

    house.node.clock.now = datetime(2026, 11, 27, tzinfo=UTC)
    both = {"Samaritans Ireland": False, "50808 text service": True}
    assert _lines_of(await house.visitor.open("/help/ie")).items() >= both.items()
    assert _lines_of(await house.visitor.open("/help/de")) == {"TelefonSeelsorge": False}
    undated = [each for it in crisis.countries().values() for each in it.lines if not each.checked]
    page = await house.visitor.open(f"/help/{undated[0].country.lower()}")
    assert _lines_of(page)[undated[0].name]

    server = await postgres.connect()
    await server.execute(f'DROP DATABASE "{house.node.engine.url.database}" WITH (FORCE)')
    await server.close()
    house.node.clock.forward(days=396)
    assert _lines_of(await house.visitor.open("/help/de")) == {"TelefonSeelsorge": True}
    listed = await house.visitor.open("/help", Accept_Language="en-IE")
    assert all(_lines_of(listed).values())


async def test_a_guess_is_shown_as_one(house: House) -> None:
    answer = await house.visitor.open("/help", Accept_Language="en-IE,en;q=0.8")
    assert "Samaritans Ireland" in answer.text
    assert "A guess" in answer.text
    plain = await house.visitor.open("/help", Accept_Language="de")
    assert "Geraten" not in plain.text
    assert "Deutschland" in plain.text
    assert "Accept-Language" in plain.headers["Vary"]
    odd = await house.visitor.open("/help", Accept_Language="x-" + "<b>" * 100)
    assert odd.status == 200


async def test_leaving_ends_the_session_and_keeps_nothing(house: House) -> None:
    kept = Browser(house.node, dict(house.ben.cookies))
    began = time.perf_counter()
    answer = await house.ben.open("/leave")
    assert time.perf_counter() - began < 1
    assert answer.status == 303
    assert answer.location == "https://weather.example/"
    assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert house.ben.cookies == {}
    await asyncio.gather(*house.node.app[MEMORY].leaving)
    assert (await kept.open("/settings")).status == 303
    assert (await house.ben.open("/leave")).status == 303


async def test_leaving_forgets_how_pages_looked(house: House) -> None:
    """Browsers that do not know `Clear-Site-Data` forget it too."""
    anyone = Browser(house.node)
    await anyone.send("POST", "/look", {"easier": "yes", "country": "IE"})
    assert anyone.cookies == {"look": "easier.from-ie"}
    await anyone.open("/leave")
    assert anyone.cookies == {}


async def test_another_website_logs_nobody_out(house: House) -> None:
    for site in ("cross-site", "same-site"):
        answer = await house.ben.open("/leave", Sec_Fetch_Site=site)
        assert answer.location == "https://weather.example/"
        assert "Clear-Site-Data" not in answer.headers
        assert (await house.ben.open("/settings")).status == 200
    for site in ("same-origin", "none"):
        again = Browser(house.node, dict(house.ben.cookies))
        answer = await again.open("/leave", Sec_Fetch_Site=site)
        assert "Clear-Site-Data" in answer.headers
        assert again.cookies == {}


async def test_a_cookie_that_means_nothing_is_taken_back(house: House) -> None:
    name = cookie_name(house.node.here)
    dan = await person(house.node, "dan")
    async with house.node.engine.begin() as conn:
        await sessions.end_all(conn, house.node.here, dan.prepared.member)
    for value in (dan.cookies[name], "x", "é" * 43, "a" * 43):
        browser = Browser(house.node, {name: value})
        assert (await browser.open("/")).status == 200
        assert browser.cookies == {}
