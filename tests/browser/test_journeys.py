"""Two journeys by keyboard alone: no script, 320 px, easier pages (DOMAIN 1.13: N1, N2)."""

from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from playwright.async_api import Page

from kernel.schema.tables import metadata
from tests.browser.conftest import Browsers
from tests.nodes import Node, NodeFactory, settle
from tests.pages import people
from tests.pages.conftest import House, house

pytestmark = [pytest.mark.browser, pytest.mark.slow]

__all__ = ["house"]


@dataclass
class Keys:
    """Somebody with a keyboard, a narrow window, and no script."""

    page: Page

    @classmethod
    async def at(cls, browsers: Browsers, node: Node, path: str, *, easier: bool = False) -> "Keys":
        context = await (await browsers.open(node)).new_context(
            java_script_enabled=False, viewport={"width": 320, "height": 640}, locale="en-IE"
        )
        if easier:
            await context.add_cookies([{"name": "look", "value": "easier", "url": node.origin}])
        keys = cls(await context.new_page())
        await keys.page.goto(node.origin + path)
        return keys

    async def to(self, words: str, *, field: bool = False) -> None:
        """Press Tab until the focus is on a control or link that is called so."""
        found = self.page.get_by_label(words) if field else None
        for _ in range(80):
            await self.page.keyboard.press("Tab")
            focused = self.page.locator(":focus")
            if await focused.count() == 0:
                continue
            if found is not None:
                if await found.and_(focused).count():
                    return
            elif words in " ".join((await focused.inner_text()).split()):
                return
        raise AssertionError(f"no stop called {words} on {self.page.url}")

    async def press(self, words: str) -> None:
        """Go to a link or button, press Enter, and be on the next page."""
        await self.to(words)
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")
        wide = await self.page.locator("html").evaluate("e => e.scrollWidth")
        assert wide <= 320, self.page.url

    async def unfold(self, words: str) -> None:
        await self.to(words)
        await self.page.keyboard.press("Enter")

    async def type(self, label: str, words: str) -> None:
        await self.to(label, field=True)
        await self.page.keyboard.type(words)

    async def tick(self, label: str) -> None:
        await self.to(label, field=True)
        await self.page.keyboard.press("Space")

    async def sees(self, words: str) -> None:
        assert words in await self.page.locator("body").inner_text(), (words, self.page.url)


async def test_n1_in_distress_with_no_account_to_a_line_and_away(
    house: House, browsers: Browsers
) -> None:
    """Any page, help in two actions, lines of the right country, out at once; no row written."""
    before = await _rows(house.node)
    for path in (f"/t/{house.thread.id}", "/nowhere", "/log-in"):
        keys = await Keys.at(browsers, house.node, path)
        await keys.press("Easier page")
        assert await keys.page.locator('html[data-mode="easier"]').count() == 1
        await keys.press("Get help now")
        await keys.sees("Ireland")
        await keys.sees("If nobody answers")
        await keys.sees("Open")
        assert await keys.page.locator('a[href^="tel:"]').count() > 0
    await keys.press("United Kingdom")
    await keys.sees("Help in United Kingdom")
    asked: list[str] = []
    keys.page.on("request", lambda request: asked.append(request.url))
    await keys.to("Leave")
    async with keys.page.expect_event("requestfailed"):
        await keys.page.keyboard.press("Enter")
    assert asked[0] == f"{house.node.origin}/leave"
    assert asked[-1] == "https://weather.example/"
    assert await _rows(house.node) == before


async def test_n2_a_newcomer_arrives_reads_the_rules_speaks_and_is_answered(
    node: NodeFactory, browsers: Browsers
) -> None:
    alder = await node("alder.test")
    await people.settle(alder)
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana, rules="Be kind.\n\nAsk before you advise.")
    keys = await Keys.at(browsers, alder, "/", easier=True)
    await keys.press("Join")
    await keys.type("Log-in name", "only-mine")
    await keys.type("Password", "a long enough password")
    for box in await keys.page.get_by_role("checkbox").all():
        name = await box.evaluate("e => e.labels[0].firstChild.textContent.trim()")
        await keys.tick(name)
    await keys.press("Join")
    await keys.sees("code")
    assert "@" not in await keys.page.locator("main").inner_text()  # no e-mail was asked for
    await keys.page.goto(f"{alder.origin}/g/sleep")
    await keys.unfold("More about this group")
    await keys.press("Guidelines")
    await keys.sees("Ask before you advise.")
    await keys.page.goto(f"{alder.origin}/personas/new")
    await keys.page.locator("#handle").press("End")
    await keys.page.keyboard.type("kay")
    await keys.page.locator("#name").press("End")
    await keys.page.keyboard.type("Kay")
    async with keys.page.expect_navigation():
        await keys.page.keyboard.press("Enter")
    await keys.page.goto(f"{alder.origin}/g/sleep/join")
    await keys.tick("I have read these")
    await keys.press("Join")
    await keys.page.goto(f"{alder.origin}/g/sleep/new")
    await keys.sees("Readers:")  # who will: said before anything is written
    await keys.type("Title", "Awake again")
    await keys.type("Your words", "I only need somebody to listen.")
    await keys.press("Send")
    await keys.sees("Awake again")
    thread = keys.page.url
    async with alder.engine.connect() as conn:
        uri = await conn.scalar(sa.select(metadata.tables["posts"].c.uri))
    assert uri is not None
    await alder.reply(ana, uri, "I am here and I read it.")
    await settle(alder)
    await keys.page.goto(thread)
    await keys.sees("I am here and I read it.")
    await keys.sees("earlier today")
    assert group.actor.uri.endswith("/g/sleep")


async def _rows(node: Node) -> dict[str, int]:
    async with node.engine.connect() as conn:
        return {
            table.name: await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }
