"""A queue of fifty cases, worked through by keyboard alone."""

import pytest
import sqlalchemy as sa
from playwright.async_api import Page, expect

from groups import reported
from kernel.schema.tables import cases
from moderation import reports
from moderation.reports import Said
from tests.browser.conftest import Browsers
from tests.nodes import Node
from tests.pages.conftest import House, house

__all__ = ["house"]

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MANY = 50
QUEUE = "/g/open/desk/cases"


async def _fill(house: House) -> None:
    node: Node = house.node
    for number in range(MANY):
        post = await node.reply(house.ben.speaker, house.thread.uri, f"Number {number}")
        about = reported.post_of(post)
        async with node.engine.begin() as conn:
            await reports.make(
                conn,
                node.here,
                root=bytes(32),
                about=about,
                why="unkind",
                said=Said(words="Hm"),
                group_id=house.open.id,
            )


async def _left(house: House) -> int:
    async with house.node.engine.connect() as conn:
        waiting = sa.select(sa.func.count()).where(cases.c.state != "closed")
        return await conn.scalar(waiting) or 0


async def _focused(page: Page) -> str:
    found: str = await page.evaluate("document.activeElement.id")
    return found


async def _press(page: Page, name: str) -> None:
    """Go on with Tab until the button has the focus, then Enter."""
    for _ in range(60):
        text: str = await page.evaluate("document.activeElement.textContent.trim()")
        if text == name:
            await page.keyboard.press("Enter")
            await page.wait_for_load_state()
            return
        await page.keyboard.press("Tab")
    pytest.fail(f"no way to {name}")


async def test_mod_5_2_a_queue_is_worked_through_by_keyboard_and_focus_goes_to_the_next(
    house: House, browsers: Browsers
) -> None:
    await _fill(house)
    browser = await browsers.open(house.node)
    context = await browser.new_context(viewport={"width": 320, "height": 640})
    cookies = house.ana.cookies.items()
    await context.add_cookies(
        [{"name": name, "value": value, "url": house.node.origin} for name, value in cookies]
    )
    page = await context.new_page()
    await page.goto(house.node.origin + QUEUE)
    assert await page.locator("a[id^=case-]").count() == MANY
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await expect(page.get_by_text("Number 7", exact=True)).to_be_hidden()
    first = await page.locator("a[id^=case-]").first.get_attribute("id")
    await page.goto(f"{house.node.origin}{QUEUE}#{first}")
    seen = set()
    for done in range(1, 6):
        case = await _focused(page)
        assert case.startswith("case-"), case
        assert case not in seen
        seen.add(case)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/{case.removeprefix('case-')}")
        await _press(page, "I look at this")
        await page.wait_for_url("**#look")
        assert await _focused(page) == "look"
        await expect(page.locator(".shield .words")).to_be_hidden()
        await _press(page, "Nothing is needed")
        await page.wait_for_url(f"**{QUEUE}#case-*")
        await expect(page.locator("a[id^=case-]")).to_have_count(MANY - done)
        assert await _left(house) == MANY - done
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
