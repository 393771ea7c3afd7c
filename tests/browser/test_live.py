"""An open page says quietly what is new, shows it when asked, and moves nothing."""

import pytest
from playwright.async_api import Page, expect

from groups import desk
from groups import posts as post_store
from members import sessions
from tests.browser.conftest import Browsers
from tests.pages.conftest import House, house

__all__ = ["house"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def _open(house: House, browsers: Browsers, path: str) -> Page:
    browser = await browsers.open(house.node)
    context = await browser.new_context(viewport={"width": 320, "height": 640})
    cookies = house.cleo.cookies.items()
    await context.add_cookies(
        [{"name": name, "value": value, "url": house.node.origin} for name, value in cookies]
    )
    page = await context.new_page()
    await page.goto(house.node.origin + path)
    return page


async def test_new_answers_are_announced_and_shown_when_asked_for(
    house: House, browsers: Browsers
) -> None:
    node = house.node
    await node.join(house.cleo.speaker, house.open.actor.uri)
    page = await _open(house, browsers, f"/t/{house.thread.id}")
    said = page.get_by_role("status").filter(has_text="new answer")
    await page.get_by_label("Your words", exact=True).fill("What I am about to say.")
    await node.reply(house.ana.speaker, house.thread.uri, "First news, @cleo.")
    await expect(said).to_have_text("1 new answer. Show it")
    await node.reply(house.ben.speaker, house.thread.uri, "Second news.")
    await expect(said).to_have_text("2 new answers. Show them")
    assert await page.get_by_text("First news").count() == 0
    await expect(page.get_by_role("link", name="Notices, 1 new")).to_be_visible()
    assert "new" not in await page.title()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320

    await page.get_by_role("link", name="Show them").click()
    await expect(page.get_by_text("Second news.")).to_be_visible()
    assert await page.locator(".thread .post").count() == 4
    assert (
        await page.get_by_label("Your words", exact=True).input_value() == "What I am about to say."
    )
    await expect(said).to_have_count(0)

    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, house.ana.speaker)
        answer = await post_store.get(conn, house.answer.id)
        await desk.remove(conn, node.here, house.open, acting, answer, "")
    await expect(page.get_by_text("This post is no longer shown.")).to_be_visible(timeout=3000)
    assert await page.get_by_text("Hello back.").count() == 0


async def test_sec_L9_an_open_page_ends_with_its_session_and_keeps_what_is_typed(
    house: House, browsers: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.pages.live.PULSE", 0.2)
    node = house.node
    await node.join(house.cleo.speaker, house.private.actor.uri)
    root = await node.start(house.ana.speaker, house.private.actor.uri, "Among us", "For few.")
    page = await _open(house, browsers, f"/t/{root.id}")
    writing = await page.context.new_page()
    await writing.goto(page.url)
    words = writing.get_by_label("Your words", exact=True)
    await words.fill("What I am about to say.")
    async with node.engine.begin() as conn:
        await sessions.end_all(conn, node.here, house.cleo.prepared.member)
    await expect(page.get_by_text("For few.")).to_have_count(0, timeout=15_000)
    await expect(page.get_by_role("link", name="Log in").first).to_be_visible()
    await expect(writing.get_by_text("You are logged out.")).to_be_visible(timeout=15_000)
    assert await words.input_value() == "What I am about to say."


async def test_the_first_page_says_that_there_is_something_and_leads_to_it(
    house: House, browsers: Browsers
) -> None:
    page = await _open(house, browsers, "/")
    await house.node.reply(house.ben.speaker, house.thread.uri, "Hello @cleo.")
    await page.get_by_role("link", name="Show it").click()
    await expect(page.get_by_role("heading", name="Notices")).to_be_visible()
    await expect(page.get_by_text("ben named you")).to_be_visible()
    await page.get_by_role("button", name="Mark all as seen").click()
    await expect(page.get_by_text("Nothing new.")).to_be_visible()
