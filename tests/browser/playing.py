"""Four ways to go the same way through pages: what a journey says is done, these do (DOMAIN 1.13).

By keyboard alone: Tab until the right thing has the focus, then Enter, Space or an arrow. Without
scripts, at 320 px, and on easier pages: by pressing what can be seen; what an easier page folds
away is unfolded first. Whichever way, no page may scroll sideways.
"""

import re
from dataclasses import dataclass
from enum import Enum

from playwright.async_api import Download, Locator, Page

STOPS = 150


class Way(Enum):
    """How a journey is played, and in which window."""

    KEYBOARD = "keyboard"
    NO_SCRIPT = "no-script"
    NARROW = "narrow"
    EASIER = "easier"

    @property
    def width(self) -> int:
        return 320 if self is Way.NARROW else 1000


def _begins(words: str) -> re.Pattern[str]:
    """The letter in a name's round mark may stand before them."""
    return re.compile(r"^\s*(?:\S\s*)?" + r"\s+".join(map(re.escape, words.split())))


@dataclass
class Player:
    """Somebody on a journey. Words name what they look for, as it begins."""

    page: Page
    way: Way
    origin: str

    async def go(self, path: str) -> None:
        """Come from outside: a bookmark, a link that somebody sent."""
        await self.page.goto(self.origin + path)
        await self._fits()

    async def press(self, words: str) -> None:
        """A link or button, and be on the next page."""
        found = await self._control(words)
        async with self.page.expect_navigation():
            await self._activate(found)
        await self._fits()

    async def fetch(self, words: str) -> Download:
        """A button that gives a file."""
        found = await self._control(words)
        async with self.page.expect_download() as coming:
            await self._activate(found)
        return await coming.value

    async def leave(self) -> None:
        """Press “Leave” at the top; where that leads cannot be reached from here."""
        found = self.page.locator(".safety-leave")
        async with self.page.expect_event("requestfailed"):
            await self._activate(found)

    async def type(self, label: str, words: str) -> None:
        """Into a field, in place of what it holds."""
        field = await self._field(label)
        if self.way is Way.KEYBOARD:
            await self._to(field)
            await self.page.keyboard.press("Control+A")
            await self.page.keyboard.type(words)
        else:
            await field.fill(words)

    async def typed(self, label: str) -> str:
        """What a field holds."""
        return await (await self._field(label)).input_value()

    async def tick(self, label: str) -> None:
        """A box, or one of several choices."""
        field = await self._field(label)
        if self.way is not Way.KEYBOARD:
            await field.check()
        elif await field.get_attribute("type") == "radio":
            await self._arrow_to(field)
        else:
            await self._to(field)
            await self.page.keyboard.press("Space")
        assert await field.is_checked(), label

    async def choose(self, label: str, option: str) -> None:
        """An entry of a list."""
        field = await self._field(label)
        if self.way is Way.KEYBOARD:
            await self._to(field)
            await self.page.keyboard.type(option)
        else:
            await field.select_option(label=option)
        chosen = "e => e.selectedOptions[0].textContent.trim()"
        assert await field.evaluate(chosen) == option, label

    async def unfold(self, words: str) -> None:
        """What is folded away on every page."""
        found = self.page.locator("main summary").filter(has_text=_begins(words)).first
        await self._reveal(found)
        await self._activate(found)

    async def sees(self, *words: str) -> None:
        """Words anywhere on the page, folded or not."""
        said = " ".join((await self.page.locator("body").inner_text()).split())
        for each in words:
            assert each in said, (each, self.page.url, said)

    async def misses(self, words: str) -> None:
        """Words that are nowhere on the page."""
        assert words not in await self.page.locator("body").inner_text(), (words, self.page.url)

    async def _fits(self) -> None:
        wide = await self.page.locator("html").evaluate("e => e.scrollWidth")
        assert wide <= self.way.width, (wide, self.page.url)

    async def _control(self, words: str) -> Locator:
        """What stands in the page's own part goes before the menu and the foot."""
        for place in ("main ", ""):
            every = self.page.locator(f"{place}a, {place}button:not([tabindex='-1'])")
            found = every.filter(has_text=_begins(words))
            if await found.count():
                await self._reveal(found.first)
                return found.first
        raise AssertionError(f"nothing to press begins with “{words}” on {self.page.url}")

    async def _field(self, label: str) -> Locator:
        found = self.page.locator("main").get_by_label(_begins(label))
        assert await found.count(), f"no field is called “{label}” on {self.page.url}"
        await self._reveal(found.first)
        return found.first

    async def _reveal(self, found: Locator) -> None:
        """Unfold what it lies in."""
        folded = found.locator("xpath=ancestor::details[not(@open)]")
        while await folded.count():
            summary = folded.first.locator("xpath=./summary")
            if await summary.evaluate("(e, it) => e === it", await found.element_handle()):
                return
            await self._activate(summary)

    async def _activate(self, found: Locator) -> None:
        if self.way is Way.KEYBOARD:
            await self._to(found)
            await self.page.keyboard.press("Enter")
        else:
            await found.click()

    async def _to(self, found: Locator) -> None:
        """Press Tab until it has the focus."""
        for _ in range(STOPS):
            if await found.evaluate("e => e === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"no stop of the keyboard is {found} on {self.page.url}")

    async def _arrow_to(self, radio: Locator) -> None:
        """To whichever of its choices Tab reaches, and on with the arrows."""
        reached = "e => document.activeElement.name === e.name && document.activeElement.type"
        for _ in range(STOPS):
            if await radio.evaluate(reached) == "radio":
                break
            await self.page.keyboard.press("Tab")
        for _ in range(STOPS):
            if await radio.evaluate("e => e === document.activeElement"):
                break
            await self.page.keyboard.press("ArrowDown")
        if not await radio.is_checked():
            await self.page.keyboard.press("Space")
