"""Leaving at once, by hand and by keyboard, and what the step back shows (DOM-D8)."""

from dataclasses import dataclass

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Browsers
from tests.nodes import Node, NodeFactory
from tests.pages.people import Person, person, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MINE = "Close your account"


@dataclass
class Visit:
    """Ben reads his own settings on his own; `away` is where leaving leads."""

    page: Page
    node: Node
    ben: Person
    asked: list[str]

    async def left(self) -> None:
        await self.page.wait_for_url("**/elsewhere")
        assert f"{self.node.origin}/leave" in self.asked


@pytest.fixture(params=[True, False], ids=["with scripts", "without"])
def javascript(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def _visit(node: NodeFactory, browsers: Browsers, *, javascript: bool) -> Visit:
    alder = await node("alder.test", leave_url="http://alder.test/elsewhere")
    await settle(alder)
    ben = await person(alder, "ben")
    context = await (await browsers.open(alder)).new_context(java_script_enabled=javascript)
    await context.add_cookies(
        [{"name": name, "value": value, "url": alder.origin} for name, value in ben.cookies.items()]
    )
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{alder.origin}/about")
    await page.goto(f"{alder.origin}/settings")
    assert MINE in await page.locator("main").inner_text()
    return Visit(page, alder, ben, asked)


async def test_the_link_leaves_and_the_step_back_shows_nothing(
    node: NodeFactory, browsers: Browsers, javascript: bool
) -> None:
    visit = await _visit(node, browsers, javascript=javascript)
    await visit.page.get_by_role("link", name="Leave").click()
    await visit.left()
    assert (await visit.ben.open("/settings")).status == 303  # the session is over
    await visit.page.go_back()
    assert MINE not in await visit.page.locator("main").inner_text()
    if javascript:  # the page that was left is no step of the way back
        assert visit.page.url == f"{visit.node.origin}/about"


async def test_shift_three_times_leaves(node: NodeFactory, browsers: Browsers) -> None:
    visit = await _visit(node, browsers, javascript=True)
    said = visit.page.locator(".safety-said")
    await visit.page.keyboard.press("Shift")
    assert await said.inner_text() == "Shift: press 2 more times to leave."
    await visit.page.keyboard.press("Shift")
    assert await said.inner_text() == "Shift: press 1 more time to leave."
    await visit.page.keyboard.press("Shift")
    await visit.left()


async def test_typing_does_not(node: NodeFactory, browsers: Browsers) -> None:
    """Capital letters need Shift; another key in between begins anew."""
    visit = await _visit(node, browsers, javascript=True)
    for key in ("Shift+A", "Shift+B", "Shift+C", "Shift", "a", "Shift", "b", "Shift", "Tab"):
        await visit.page.keyboard.press(key)
    assert await visit.page.locator(".safety-said").inner_text() == ""
    assert f"{visit.node.origin}/leave" not in visit.asked
