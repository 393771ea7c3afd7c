"""Pictures of the documentation: `python -m tests.screenshots docs/screenshots`.

Nodes with made-up people are started and headless Chromium looks at them: at the main pages, at
phone and desk width, light and dark; then, once each, at what the tutorial for moderators shows.
With `--all` also at 320 px, as easier pages and from right to left, and at every page of
moderators, for looking at.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, Page

from activitypub.keys import generate
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.postgres import Server, running
from node.pages.group_words import STARTER
from node.pages.session import ADMINISTRATOR
from tests.browser.conftest import Browsers
from tests.conftest import TEMPLATE, migrated
from tests.nodes import Node, Nodes
from tests.pages.people import Browser as Visitor
from tests.pages.people import Person, person, settle
from tests.pages.week import DESK, Week, week
from tests.pages.week import pages as pages_of_moderators

QUALITY = 60  # of WebP: plain pages stay under 60 kB
TALLEST = 2200  # pixels of a page that are shown
SHOWN = 1150  # and of one in the tutorial

GROUPS = {
    "sleep": ("Sleeping badly", "For everyone whose nights are long: new to it, or used to it."),
    "grief": ("Grief", "For those who miss somebody. It does not matter how long ago it was."),
    "worry": ("Worry and panic", "When the thoughts run in circles, and when the heart races."),
    "parents": ("The first year", "Tired, in love, alone at three in the morning: parents talk."),
}
TITLE = "Awake at four again"
WORDS = (
    "Third week now. I fall asleep easily and then at four my head starts, always with the same "
    "list of small things.\n\nI do not need ideas tonight. It would help to hear that somebody "
    "else knows the hour."
)
ANSWERS = (
    ("ben", "I know that hour. The birds start here at half past, and I wait for them."),
    ("cleo", "Same list, different things. You are **not** the only light that is on."),
    ("dora", "I sat up with tea and read what you wrote. Thank you for saying it."),
)
OTHERS = (
    ("dora", "What do you tell people at work?", "I run out of words for being this tired."),
    (
        "ben",
        "A small good thing: the radio play",
        "They repeat it every night, and it carries me over.",
    ),
    ("cleo", "First night without the tablets", "Not well, not badly. I wanted to tell somebody."),
)


@dataclass(frozen=True)
class Scene:
    """A settled node: Ana runs it and reads what others wrote."""

    node: Node
    ana: Person
    thread: Post

    def pages(self) -> Mapping[str, tuple[str, bool]]:
        """Address, and whether somebody is signed in, by the picture's name."""
        return {
            "front": ("/", False),
            "home": ("/", True),
            "groups": ("/groups", True),
            "group": ("/g/sleep", True),
            "thread": (f"/t/{self.thread.id}", True),
            "compose": ("/g/sleep/new", True),
            "help": ("/help", False),
            "leaving": ("/leaving", False),
            "look": ("/look", False),
            "settings": ("/settings", True),
            "sign-up": ("/sign-up", False),
            "desk": ("/g/sleep/desk", True),
            "error": ("/nowhere", False),
        }


async def scene(nodes: Nodes) -> Scene:
    """People, groups and words."""
    alder = await nodes.start("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    others = {name: await person(alder, name) for name in ("ben", "cleo", "dora")}
    groups = {name: await _group(alder, ana, name) for name in GROUPS}
    sleep = groups["sleep"].actor.uri
    for each in others.values():
        await alder.join(each.speaker, sleep)
    await alder.join(ana.speaker, groups["grief"].actor.uri)
    for who, title, words in OTHERS:
        await alder.start(others[who].speaker, sleep, title, words)
        alder.clock.forward(hours=7)
    root = await alder.start(others["ben"].speaker, sleep, TITLE, WORDS, "sleep, low mood")
    for who, words in ANSWERS:
        alder.clock.forward(minutes=25)
        await alder.reply(others[who].speaker, root.uri, words)
    alder.clock.forward(minutes=40)
    return Scene(node=alder, ana=ana, thread=root)


async def _group(node: Node, founder: Person, handle: str) -> Group:
    name, about = GROUPS[handle]
    async with node.engine.begin() as conn:
        return await group_store.create(
            conn,
            node.here,
            handle=handle,
            name=name,
            about=about,
            rules=STARTER,
            settings=GroupSettings(),
            founder=founder.actor,
            keys=generate(),
            desk_keys=generate(),
        )


@dataclass(frozen=True)
class Way:
    """One way to look at a page."""

    name: str
    width: int
    scheme: Any = "light"
    look: str = ""  # the cookie of `node.pages.look`


def ways(*, every: bool) -> Iterator[Way]:
    """Phone and desk, light and dark; with `every` what only helps to look."""
    for scheme in ("light", "dark"):
        yield Way(f"phone-{scheme}", 390, scheme)
        yield Way(f"desk-{scheme}", 1180, scheme)
    if every:
        yield Way("narrow", 320)
        yield Way("phone-easier", 390, look="easier")
        yield Way("desk-easier-dark", 1180, "dark", look="easier")
        yield Way("phone-right-to-left", 390, look="lang-en-xb")
        yield Way("desk-german", 1180, look="lang-de")


PHONE, PHONE_AT_NIGHT = Way("", 390), Way("", 390, "dark")
BESIDE = Way("", 900)


@dataclass(frozen=True)
class Shot:
    """A part of a page, for the tutorial: from an element on, with something unfolded."""

    path: str
    way: Way = PHONE
    begins: str = "body"
    unfolds: str = ""


def tutorial(seen: Week) -> Mapping[str, Shot]:
    """What moderators meet in their first week, by the picture's name."""
    found, case = seen.found, seen.found["case"]
    return {
        "desk": Shot(DESK),
        "reports": Shot(f"{DESK}/cases"),
        "case": Shot(found["case that waits"]),
        "shielded": Shot(case),
        "second-opinion": Shot(case, PHONE_AT_NIGHT, "#decide", "Ask for a second opinion"),
        "kind-words": Shot(case, PHONE, "#decide", "Take the post out"),
        "second-look": Shot(f"{DESK}/appeals"),
        "care": Shot(found["care case"]),
        "list": Shot(found["list"], BESIDE),
        "pact": Shot(found["pact"], BESIDE),
        "advice": Shot(found["effect on loud.example"]),
        "taken-back": Shot(found["change"], PHONE_AT_NIGHT),
    }


async def take_tutorial(seen: Week, directory: Path, *, only: str = "") -> int:
    """Draw what the tutorial for moderators shows; the bytes of all pictures."""
    browsers, total = Browsers(), 0
    browser = await browsers.open(seen.node)
    for name, shot in tutorial(seen).items():
        if only and name not in only.split(","):
            continue
        page = await _look(browser, seen.ana, shot.way, shot.path)
        if shot.unfolds:
            await page.locator("summary").filter(has_text=shot.unfolds).first.click()
        await page.locator("body").evaluate("document.activeElement.blur()")
        top = await page.locator(shot.begins).first.evaluate("e => e.getBoundingClientRect().top")
        tall = await page.evaluate("document.documentElement.scrollHeight")
        top = max(0, top + await page.evaluate("scrollY") - 24) if shot.begins != "body" else 0
        await page.evaluate("scrollTo(0, 0)")  # the bar at the top goes along
        clip = {"x": 0, "y": top, "width": shot.way.width, "height": min(SHOWN, tall - top)}
        picture = await page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]
        total += await asyncio.to_thread(_write, picture, directory / f"week-{name}.webp")
        await page.context.close()
    await browsers.close()
    return total


async def look_at_all(seen: Week, directory: Path) -> None:
    """Every page of moderators in every way, for looking at: it is no part of the documentation."""
    browsers = Browsers()
    browser = await browsers.open(seen.node)
    for number, (path, who) in enumerate(pages_of_moderators(seen)):
        for way in ways(every=True):
            page = await _look(browser, who, way, path)
            await _keep(page, directory / f"moderators-{number:02}-{way.name}.webp")
            await page.context.close()
    await browsers.close()


async def _look(browser: Browser, who: Visitor, way: Way, path: str) -> Page:
    """A page as somebody sees it, in a browser of its own."""
    context = await browser.new_context(
        viewport={"width": way.width, "height": 800}, color_scheme=way.scheme
    )
    node = who.node
    cookies = dict(who.cookies) | ({"look": way.look} if way.look else {})
    await context.add_cookies(
        [{"name": n, "value": v, "url": node.origin} for n, v in cookies.items()]
    )
    page = await context.new_page()
    await page.goto(f"{node.origin}{path}")
    return page


async def take(seen: Scene, directory: Path, *, every: bool, only: str = "") -> int:
    """Draw every page in every way; the bytes of all pictures."""
    browsers, total = Browsers(), 0
    browser = await browsers.open(seen.node)
    for way in ways(every=every):
        for name, (path, signed_in) in seen.pages().items():
            if only and name not in only.split(","):
                continue
            who = seen.ana if signed_in else Visitor(seen.node)
            page = await _look(browser, who, way, path)
            total += await _keep(page, directory / f"{name}-{way.name}.webp")
            await page.context.close()
    await browsers.close()
    return total


async def _keep(page: Page, file: Path) -> int:
    height = await page.evaluate("document.documentElement.scrollHeight")
    picture = await page.screenshot(full_page=height < TALLEST)
    return await asyncio.to_thread(_write, picture, file)


def _write(picture: bytes, file: Path) -> int:
    Image.open(BytesIO(picture)).convert("RGB").save(file, "WEBP", quality=QUALITY, method=6)
    return file.stat().st_size


@asynccontextmanager
async def _nodes(server: Server, place: Path, name: str) -> AsyncIterator[Nodes]:
    (place / name).mkdir()
    nodes = Nodes(server, TEMPLATE, place / name)
    try:
        yield nodes
    finally:
        await nodes.stop()


async def main(directory: Path, *, every: bool, only: str) -> None:
    """A database server, a node and a browser, for as long as it takes."""
    with tempfile.TemporaryDirectory(prefix="hearthold-screenshots-") as place:
        os.chmod(place, 0o711)  # the database has a user of its own, who must pass through
        async with running(Path(place) / "db", durable=False) as server:
            await migrated(server)
            async with _nodes(server, Path(place), "main") as nodes:
                total = await take(await scene(nodes), directory, every=every, only=only)
            async with _nodes(server, Path(place), "moderators") as nodes:
                seen = await week(nodes.start)
                total += await take_tutorial(seen, directory, only=only)
                if every:
                    await look_at_all(seen, directory)
    print(f"{total // 1024} KiB in {directory}")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("directory", type=Path)
    asked.add_argument(
        "--all",
        action="store_true",
        help="also narrow, easier, mirrored, German, and every page of moderators",
    )
    asked.add_argument("--only", default="", help="names of pages, with commas")
    given = asked.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(given.directory, every=given.all, only=given.only))
