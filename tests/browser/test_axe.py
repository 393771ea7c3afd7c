"""axe looks at every page for what shuts people out.

At phone and desk width, light and dark; then as easier pages from right to left, light and dark.
"""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Browsers
from tests.interop.programs import missing
from tests.nodes import NodeFactory
from tests.pages.conftest import House, house
from tests.pages.people import Browser as Person
from tests.pages.test_every_page import pages
from tests.pages.week import pages as pages_of_moderators
from tests.pages.week import week

pytestmark = [pytest.mark.browser, pytest.mark.slow]

__all__ = ["house"]

AXE = Path(__file__).parent / "axe/node_modules/axe-core/axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
STRONG = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "color-contrast-enhanced"]},
    "rules": {"color-contrast-enhanced": {"enabled": True}},
}
LOOK = """async (rules) => (await axe.run(document, rules)).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => [found.id, found.help, found.nodes.map((node) => node.html).slice(0, 3)])"""

SQUEEZED = """() => [...document.querySelectorAll("main label, main p, main li")]
    .filter((each) => each.textContent.trim().length > 12 && each.checkVisibility()
        && !each.classList.contains("unseen") && each.getBoundingClientRect().width < 60)
    .map((each) => ["squeezed", each.textContent.trim()])"""


async def found(page: Page, rules: object = RULES) -> list[Any]:
    """What is serious or worse on the page that is open."""
    await page.evaluate(AXE.read_text())
    await page.evaluate("scrollTo(0, 0)")  # what the bar at the top covers half is no small target
    seen = await page.evaluate(LOOK, rules)
    assert isinstance(seen, list)
    return seen


async def test_axe_finds_nothing_serious(house: House, browsers: Browsers) -> None:
    if not AXE.exists():
        missing("axe: `make interop` installs it")
    browser = await browsers.open(house.node)
    looked, trouble = 0, []
    for name, person in {"visitor": house.visitor, "ana": house.ana}.items():
        context = await browser.new_context()
        await context.add_cookies(cookies(person))
        page = await context.new_page()
        for path in pages(house):
            if not looked_at(path):
                continue
            await page.set_viewport_size({"width": 320, "height": 800})
            answer = await page.goto(f"{house.node.origin}{path}")
            assert answer is not None
            if "html" not in answer.headers.get("content-type", ""):
                continue
            trouble += [(name, path, each) for each in await _in_every_light(page)]
            looked += 1
    assert trouble == [], "\n".join(map(str, trouble))
    assert looked > 70


async def _in_every_light(page: Page) -> list[Any]:
    """What is serious on a page that is open at 320 px: there, at desk width, and in the dark."""
    seen = await found(page)
    await page.set_viewport_size({"width": 1280, "height": 800})
    seen += await found(page)
    await page.emulate_media(color_scheme="dark")
    seen += await found(page, COLOURS)
    await page.emulate_media(color_scheme="light")
    return seen


async def test_axe_finds_nothing_serious_on_the_pages_of_moderators_with_much_on_them(
    node: NodeFactory, browsers: Browsers
) -> None:
    """From the table of pages: each with something to show, and everything on it unfolded."""
    if not AXE.exists():
        missing("axe: `make interop` installs it")
    seen = await week(node)
    browser = await browsers.open(seen.node)
    looked, trouble = 0, []
    for path, who in pages_of_moderators(seen):
        context = await browser.new_context(viewport={"width": 320, "height": 800})
        await context.add_cookies(cookies(who))
        page = await context.new_page()
        answer = await page.goto(f"{seen.node.origin}{path}")
        assert answer is not None
        assert answer.status == 200, path
        await page.evaluate(
            "for (const each of document.querySelectorAll('details')) each.open = true"
        )
        wide = await page.evaluate("document.documentElement.scrollWidth")
        trouble += [(path, wide)] if wide > 320 else []
        squeezed = await page.evaluate(SQUEEZED)
        trouble += [(path, each) for each in [*squeezed, *await _in_every_light(page)]]
        await context.close()
        looked += 1
    assert trouble == [], "\n".join(map(str, trouble))
    assert looked > 50


async def test_axe_finds_nothing_serious_on_easier_and_mirrored_pages(
    house: House, browsers: Browsers
) -> None:
    """DOM-J1, DOM-J2: one narrow look at what both change together."""
    if not AXE.exists():
        missing("axe: `make interop` installs it")
    context = await (await browsers.open(house.node)).new_context(
        viewport={"width": 320, "height": 800}
    )
    await context.add_cookies(cookies(house.ana))
    await context.add_cookies(
        [{"name": "look", "value": "easier.lang-en-xb", "url": house.node.origin}]
    )
    page = await context.new_page()
    looked, trouble = 0, []
    for path in pages(house):
        if not looked_at(path):
            continue
        answer = await page.goto(f"{house.node.origin}{path}")
        assert answer is not None
        if "html" not in answer.headers.get("content-type", ""):
            continue
        assert await page.locator('html[dir="rtl"][data-mode="easier"]').count() == 1, path
        await page.evaluate(
            "for (const each of document.querySelectorAll('.also')) each.open = true"
        )
        seen = await found(page)
        await page.emulate_media(color_scheme="dark")
        seen += await found(page, STRONG)
        await page.emulate_media(color_scheme="light")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        trouble += [(path, each) for each in seen] + ([(path, wide)] if wide > 320 else [])
        looked += 1
    assert trouble == [], "\n".join(map(str, trouble))
    assert looked > 35


def looked_at(path: str) -> bool:
    return path not in ("/leave", "/log-out") and not path.startswith(("/media/", "/.well-known"))


async def test_axe_would_find_it(house: House, browsers: Browsers) -> None:
    """A field that lost its label, and words too faint to read."""
    if not AXE.exists():
        missing("axe: `make interop` installs it")
    page = await (await browsers.open(house.node)).new_page()
    await page.goto(f"{house.node.origin}/log-in")
    await page.evaluate(
        "document.querySelector('main label').remove();"
        "document.querySelector('h1').style.color = '#ddd';"
    )
    seen = {each[0] for each in await found(page)}
    assert {"label", "color-contrast"} <= seen


def cookies(person: Person) -> list[Any]:
    return [
        {"name": name, "value": value, "url": person.node.origin}
        for name, value in person.cookies.items()
    ]
