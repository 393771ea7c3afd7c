"""What the keyboard reaches can be seen, and what a finger aims at is large enough (WCAG 2.2)."""

from collections.abc import Mapping
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Browsers
from tests.browser.test_axe import cookies
from tests.pages.conftest import House, house

pytestmark = [pytest.mark.browser, pytest.mark.slow]

__all__ = ["house"]

FOCUSED = """() => {
    const it = document.activeElement;
    if (it === document.body) return null;
    const target = it.matches("input[type=checkbox], input[type=radio]") ? it.parentElement : it;
    const box = it.getBoundingClientRect();
    const middle = [box.x + box.width / 2, box.y + Math.min(box.height / 2, 60)];
    const at = document.elementFromPoint(...middle);
    const style = getComputedStyle(it);
    const size = target.getBoundingClientRect();
    return {
        what: it.outerHTML.slice(0, 120),
        seen: at !== null && (it.contains(at) || at.contains(it)),
        covered: at !== null && at.closest(".safety") !== null && it.closest(".safety") === null,
        outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        inline: style.display === "inline",
        height: size.height,
        width: size.width,
    };
}"""
LOOKS = {"usual": "usual", "easier": "easier", "mirrored": "lang-en-xb"}


async def stops(page: Page) -> list[Mapping[str, Any]]:
    """Every stop of the Tab key, to the end of the page."""
    found: list[Mapping[str, Any]] = []
    for _ in range(120):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(FOCUSED)
        if stop is None or (found and stop["what"] == found[0]["what"]):
            return found
        found.append(stop)
    raise AssertionError("the keyboard goes round and round")


@pytest.mark.parametrize("look", LOOKS)
async def test_every_stop_of_the_keyboard_is_seen_and_large_enough(
    house: House, browsers: Browsers, look: str
) -> None:
    """2.4.7 and 2.4.11: an outline, and the bar at the top covers none; 2.5.8: 24 by 24 px."""
    context = await (await browsers.open(house.node)).new_context(
        viewport={"width": 320, "height": 480}
    )
    await context.add_cookies(cookies(house.ana))
    await context.add_cookies([{"name": "look", "value": LOOKS[look], "url": house.node.origin}])
    page = await context.new_page()
    for path in ("/", f"/t/{house.thread.id}", "/g/open/new", "/settings", "/help", "/look"):
        await page.goto(f"{house.node.origin}{path}")
        found = await stops(page)
        assert len(found) > 8, path
        for stop in found:
            assert not stop["covered"], (path, stop)
            assert stop["seen"], (path, stop)
            assert stop["outline"], (path, stop)
            large = stop["height"] >= 24 and stop["width"] >= 24
            assert large or stop["inline"], (path, stop)  # 2.5.8 leaves links within words out


async def test_a_page_at_400_percent_fits(house: House, browsers: Browsers) -> None:
    """1.4.10: a window of 1280 by 1024 at 400 % is 320 by 256; nothing stays over the words."""
    context = await (await browsers.open(house.node)).new_context(
        viewport={"width": 320, "height": 256}
    )
    await context.add_cookies(cookies(house.ana))
    page = await context.new_page()
    for path in ("/", f"/t/{house.thread.id}", "/g/open/desk", "/settings", "/help"):
        await page.goto(f"{house.node.origin}{path}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert (
            await page.locator(".safety").evaluate("e => getComputedStyle(e).position") == "static"
        )


async def test_easier_pages_are_large_narrow_and_bare(house: House, browsers: Browsers) -> None:
    """DOM-J2: 20 px, line 1.6, about 60 letters, one column, nobody's picture."""
    context = await (await browsers.open(house.node)).new_context(
        viewport={"width": 1280, "height": 900}
    )
    await context.add_cookies([{"name": "look", "value": "easier", "url": house.node.origin}])
    page = await context.new_page()
    await page.goto(f"{house.node.origin}/t/{house.thread.id}")
    size, line, width = await page.evaluate(
        """() => {
            const words = document.querySelector(".words");
            const style = getComputedStyle(words);
            const probe = document.createElement("canvas").getContext("2d");
            probe.font = style.font;
            const letter = probe.measureText("the quick words of a quiet page").width / 31;
            return [parseFloat(style.fontSize), parseFloat(style.lineHeight),
                words.getBoundingClientRect().width / letter];
        }"""
    )
    assert 19.9 <= size <= 20.1
    assert line / size >= 1.59
    assert 45 <= width <= 66
    assert await page.locator(".medal:visible").count() == 0
    columns = (
        "getComputedStyle(document.querySelector('main')).gridTemplateColumns.split(' ').length"
    )
    await page.goto(f"{house.node.origin}/g/open")
    assert await page.evaluate(columns) == 1
    assert await page.locator(".side a:visible").count() == 0  # folded under More


async def test_pages_print_without_what_is_only_for_the_screen(
    house: House, browsers: Browsers
) -> None:
    page = await (await browsers.open(house.node)).new_page()
    await page.emulate_media(media="print", color_scheme="dark")
    for path in (f"/t/{house.thread.id}", "/help/ie", "/g/open/guidelines"):
        await page.goto(f"{house.node.origin}{path}")
        for gone in (".safety", ".bottom", ".switch", ".menu", ".post > footer"):
            assert await page.locator(f"{gone}:visible").count() == 0, (path, gone)
        paper, ink = await page.evaluate(
            "(style => [style.backgroundColor, style.color])(getComputedStyle(document.body))"
        )
        assert (paper, ink) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)"), path
        assert await page.locator("h1:visible").count() == 1
