"""Pictures as a browser sends and shows them, with scripts switched off."""

from pathlib import Path

import pytest
from playwright.async_api import Page

from node.pages.session import cookie_name
from tests.browser.conftest import Browsers
from tests.media import draw
from tests.pages.conftest import House, house  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def arrive(house: House, browsers: Browsers, **options: object) -> Page:  # noqa: F811
    """Ben's browser."""
    browser = await browsers.open(house.node)
    context = await browser.new_context(java_script_enabled=False, **options)  # type: ignore[arg-type]
    name = cookie_name(house.node.here)
    cookie = {"name": name, "value": house.ben.cookies[name], "url": house.node.origin}
    await context.add_cookies([cookie])  # type: ignore[list-item]
    return await context.new_page()


async def test_pictures_are_added_described_sent_and_seen(
    house: House,  # noqa: F811
    browsers: Browsers,
    tmp_path: Path,
) -> None:
    for name in ("one.jpg", "two.png"):
        kind = "JPEG" if name.endswith("jpg") else "PNG"
        (tmp_path / name).write_bytes(draw.written(draw.scene(900, 600), kind))
    page = await arrive(house, browsers, viewport={"width": 320, "height": 640})
    await page.goto(f"{house.node.origin}/p/{house.thread.id}/reply")
    await page.get_by_label("Your words", exact=True).fill("Look at – “these”.\nTwo lines.")
    await page.get_by_text("Add pictures").click()
    await page.get_by_label("Pictures").set_input_files(
        [tmp_path / "one.jpg", tmp_path / "two.png"]
    )
    await page.get_by_role("button", name="Send answer").click()
    assert "what each picture shows" in await page.locator("[role=alert]").inner_text()
    assert (
        await page.get_by_label("Your words", exact=True).input_value()
        == "Look at – “these”.\nTwo lines."
    )
    await page.get_by_label("What does picture 1 show?").fill("A red circle")
    await page.get_by_label("What does picture 2 show?").fill("A blue square")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(overflow) <= 0
    await page.get_by_role("button", name="Send answer").click()
    for words in ("A red circle", "A blue square"):
        picture = page.get_by_role("img", name=words)
        await picture.scroll_into_view_if_needed()
        await page.wait_for_function(
            "words => { const it = document.querySelector(`img[alt='${words}']`);"
            " return it.complete && it.naturalWidth > 500 }",
            arg=words,
        )
    assert await page.evaluate(overflow) <= 0
