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
SINGLE = 6  # decided one by one, the others together
QUEUE = "/g/open/desk/cases"
VERBS = ("Nothing is needed", "I supported its author", "Nothing is needed")
KEYS = 10  # to open a case, take it, go past its folded words and the links to its post, and decide


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


async def _press(page: Page, name: str) -> int:
    """Go on with Tab until the button has the focus, then Enter; how many keys that took."""
    for keys in range(1, 60):
        text: str = await page.evaluate("document.activeElement.textContent.trim()")
        if text == name:
            await page.keyboard.press("Enter")
            await page.wait_for_load_state()
            return keys
        await page.keyboard.press("Tab")
    pytest.fail(f"no way to {name}")


async def _start(house: House, browsers: Browsers) -> Page:
    """The queue of fifty, as wide as a small phone, with the focus on its first case."""
    await _fill(house)
    browser = await browsers.open(house.node)
    context = await browser.new_context(viewport={"width": 320, "height": 640})
    cookies = house.ana.cookies.items()
    await context.add_cookies(
        [{"name": name, "value": value, "url": house.node.origin} for name, value in cookies]
    )
    page = await context.new_page()
    await page.goto(house.node.origin + QUEUE)
    first = await page.locator("a[id^=case-]").first.get_attribute("id")
    await page.goto(f"{house.node.origin}{QUEUE}#{first}")
    return page


async def _is_seen(page: Page) -> bool:
    """Whether what has the focus shows it, and nothing lies over it (WCAG 2.4.7, 2.4.11)."""
    found: bool = await page.evaluate(
        """() => {
          const one = document.activeElement, box = one.getBoundingClientRect();
          const style = getComputedStyle(one);
          const above = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
          return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
            && (above === one || one.contains(above) || above?.contains(one));
        }"""
    )
    return found


async def _work(page: Page, number: int) -> int:
    """One case from the list and back, each third time by another verb; how many keys it took."""
    case = await _focused(page)
    assert case.startswith("case-"), case
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/{case.removeprefix('case-')}#take")
    assert await _focused(page) == "take"
    keys = 1 + await _press(page, "I look at this")
    await page.wait_for_url("**#look")
    assert await _focused(page) == "look"
    if number == 0:
        await expect(page.locator(".shield .words")).to_be_hidden()
        await page.keyboard.press("Tab")
        assert await _is_seen(page)
        keys += 1
    keys += await _press(page, VERBS[number])
    await page.wait_for_url(f"**{QUEUE}#case-*")
    return keys


async def test_mod_5_2_all_fifty_are_decided_by_keyboard_alone(
    house: House, browsers: Browsers
) -> None:
    page = await _start(house, browsers)
    assert await page.locator("a[id^=case-]").count() == MANY
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await expect(page.get_by_text("Number 7", exact=True)).to_be_hidden()
    assert await _is_seen(page)
    seen = set()
    for number in range(SINGLE):
        case = await _focused(page)
        assert case not in seen
        seen.add(case)
        assert await _work(page, number % len(VERBS)) <= KEYS
        assert await _left(house) == MANY - 1 - number

    # the rest at once: a blank ticks each, and the two choices for all are a tab away
    while left := await page.locator("input[name=case]").count():
        await page.keyboard.press("Tab")
        ticked = 0
        while ticked < left:
            if await page.evaluate("document.activeElement.matches('input[name=case]')"):
                await page.keyboard.press("Space")
                ticked += 1
            await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        assert await page.evaluate("document.activeElement.value") == "nothing"
        await _press(page, "Do it")
        happened = page.get_by_role("heading", name="What happened")
        await expect(happened).to_be_visible(timeout=60_000)  # four dozen at once
    assert await _left(house) == 0
    await expect(page.get_by_text("Nothing here", exact=True)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
