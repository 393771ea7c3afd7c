"""Private pages: one step back leads out, and tabs say nothing (DOM-D8, DOM-I10)."""

import pytest

from tests.browser.conftest import Browsers
from tests.browser.test_axe import cookies
from tests.pages.conftest import House, house

pytestmark = [pytest.mark.browser, pytest.mark.slow]

__all__ = ["house"]


@pytest.mark.parametrize("private", [True, False])
async def test_one_step_back_leads_out_of_private_pages(
    house: House, browsers: Browsers, private: bool
) -> None:
    context = await (await browsers.open(house.node)).new_context()
    await context.add_cookies(cookies(house.ben))
    chosen = "private" if private else "open"
    await context.add_cookies([{"name": "look", "value": chosen, "url": house.node.origin}])
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
