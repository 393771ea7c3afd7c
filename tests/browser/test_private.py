"""Private pages: one step back leads out, and tabs say nothing (DOM-D8, DOM-I10)."""

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.conftest import Browsers
from tests.browser.test_axe import cookies
from tests.pages.conftest import House, house

pytestmark = [pytest.mark.browser, pytest.mark.slow]

__all__ = ["house"]


WORDS = "What I am about to say."


async def _as_ben(
    house: House, browsers: Browsers, look: str, *, javascript: bool = True
) -> BrowserContext:
    browser = await browsers.open(house.node)
    context = await browser.new_context(java_script_enabled=javascript)
    await context.add_cookies(cookies(house.ben))
    await context.add_cookies([{"name": "look", "value": look, "url": house.node.origin}])
    return context


async def test_on_private_pages_a_link_opens_beside_words_that_were_typed(
    house: House, browsers: Browsers
) -> None:
    context = await _as_ben(house, browsers, "private")
    page = await context.new_page()
    await page.goto(f"{house.node.origin}/t/{house.thread.id}")
    at, words = page.url, page.get_by_label("Your words", exact=True)
    await words.fill(WORDS)
    for link, leads_to in (("Get help now", "/help"), ("guidelines", "/g/open/guidelines")):
        async with context.expect_page() as opening:
            await page.get_by_role("link", name=link, exact=True).first.click()
        beside = await opening.value
        await beside.wait_for_url(f"**{leads_to}")
        assert await beside.evaluate("opener") is None
        assert page.url == at
        assert await words.input_value() == WORDS
    await words.fill("")
    await page.get_by_role("link", name="Get help now").first.click()
    await page.wait_for_url("**/help")


async def test_what_answers_a_form_keeps_its_words_from_links_too(
    house: House, browsers: Browsers
) -> None:
    context = await _as_ben(house, browsers, "private")
    page = await context.new_page()
    await page.goto(f"{house.node.origin}/t/{house.thread.id}")
    hinted = f"{WORDS} You should just try harder."
    await page.get_by_label("Your words", exact=True).fill(hinted)
    await page.get_by_role("button", name="Send answer").click()
    words = page.get_by_label("Your words", exact=True)
    await expect(page.get_by_role("heading", name="Hints")).to_be_visible()
    at = page.url
    async with context.expect_page():
        await page.get_by_role("link", name="settings", exact=True).first.click()
    assert page.url == at
    assert await words.input_value() == hinted


async def test_the_switch_to_easier_pages_keeps_words_that_were_typed(
    house: House, browsers: Browsers
) -> None:
    context = await _as_ben(house, browsers, "open")
    page = await context.new_page()
    await page.goto(f"{house.node.origin}/t/{house.thread.id}")
    words, html = page.get_by_label("Your words", exact=True), page.locator("html")
    await words.fill(WORDS)
    await page.get_by_role("button", name="Easier page").click()
    await expect(page.get_by_role("button", name="Usual page")).to_be_visible()
    await expect(html).to_have_attribute("data-mode", "easier")
    assert await words.input_value() == WORDS
    await page.get_by_role("button", name="Usual page").click()
    await expect(page.get_by_role("button", name="Easier page")).to_be_visible()
    await page.get_by_role("button", name="Easier page").click()
    await expect(html).to_have_attribute("data-mode", "easier")
    assert await words.input_value() == WORDS
    await page.goto(f"{house.node.origin}/groups")
    await expect(html).to_have_attribute("data-mode", "easier")


async def test_without_scripts_no_switch_stands_beside_a_place_to_write(
    house: House, browsers: Browsers
) -> None:
    context = await _as_ben(house, browsers, "open", javascript=False)
    page = await context.new_page()
    await page.goto(f"{house.node.origin}/t/{house.thread.id}")
    await expect(page.get_by_role("button", name="Easier page")).to_be_hidden()
    await expect(page.locator("main a[href$='/guidelines']")).to_have_attribute("target", "_blank")
    await page.goto(f"{house.node.origin}/groups")
    await expect(page.get_by_role("button", name="Easier page")).to_be_visible()


@pytest.mark.parametrize("private", [True, False])
async def test_one_step_back_leads_out_of_private_pages(
    house: House, browsers: Browsers, private: bool
) -> None:
    context = await _as_ben(house, browsers, "private" if private else "open")
    page = await context.new_page()
    await page.goto("about:blank")
    await page.goto(f"{house.node.origin}/groups")
    await page.get_by_role("link", name="Open", exact=True).click()
    await page.wait_for_url("**/g/open")
    await page.get_by_role("link", name="A first thread").click()
    await page.wait_for_url("**/t/*")
    assert (await page.title() == "Page") is private
    await page.go_back()
    assert (page.url == "about:blank") is private
