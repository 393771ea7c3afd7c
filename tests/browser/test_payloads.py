"""The whole corpus of hostile markup before a real browser's eyes (SEC-X1, SEC-X6).

Once with the strict policy that pages carry, which must have nothing to stop; once with the policy
taken away, so that it cannot cover for what cleaning let through.
"""

from typing import Final

import pytest
import sqlalchemy as sa
from playwright.async_api import BrowserContext, Dialog, Page, Request

from groups import groups as group_store
from groups.groups import GroupSettings
from kernel import text
from kernel.schema.groups import Posts
from kernel.schema.tables import posts
from tests.browser.conftest import Browsers
from tests.nodes import Node, NodeFactory
from tests.pages.people import settle
from tests.payloads import payloads

pytestmark = [pytest.mark.browser, pytest.mark.slow]

INSIDE: Final = "main .words"
STOPPED: Final = """
    window.stopped = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.stopped.push(event.violatedDirective + " " + event.blockedURI));
"""
FOUND: Final = f"""
    () => [...document.querySelectorAll("{INSIDE} *")].filter((each) =>
        ["SCRIPT", "IFRAME", "FORM", "BASE", "STYLE", "LINK", "META", "OBJECT", "EMBED", "IMG",
            "INPUT", "svg", "math", "VIDEO", "AUDIO"].includes(each.tagName)
        || [...each.attributes].some((at) =>
            at.name.startsWith("on") || ["style", "src", "ping", "id"].includes(at.name))
        || (each.hasAttribute("href") && !["http:", "https:"].includes(each.protocol))
    ).map((each) => each.outerHTML)
"""


async def _thread(alder: Node) -> tuple[int, int]:
    """A thread of the whole corpus, as others wrote it and as a member did; and how many posts."""
    ana = await alder.persona("ana")
    group = await alder.group("open", ana, settings=GroupSettings(posts=Posts.ANYONE))
    root = await alder.start(ana, group.actor.uri, "Corpus", "x")
    answer = await alder.reply(ana, root.uri, "x")
    corpus = [each.replace("\0", "") for each in payloads()]  # PostgreSQL keeps no NUL
    contents = [*corpus, *map(text.render, corpus)]
    async with alder.engine.begin() as conn:
        row = (await conn.execute(sa.select(posts).where(posts.c.id == answer.id))).one()
        copies = [
            {**row._mapping, "id": row.id + n, "uri": f"{row.uri}{n}", "content": content}
            for n, content in enumerate(contents, 1)
        ]
        await conn.execute(posts.insert(), copies)
        await group_store.update(
            conn, alder.here, group, name="Open", about=corpus[1], settings=GroupSettings()
        )
        await group_store.set_guidelines(conn, group, corpus[2], material=False)
    return root.id, len(contents) + 2


async def _look(context: BrowserContext, alder: Node, thread: int) -> tuple[int, list[str]]:
    """Every page of the thread and its group: how many posts, and everything that went wrong."""
    page: Page = await context.new_page()
    await page.add_init_script(STOPPED)
    wrong: list[str] = []

    async def close(dialog: Dialog) -> None:
        wrong.append(f"ran: {dialog.message}")
        await dialog.dismiss()

    page.on("dialog", close)
    page.on("pageerror", lambda error: wrong.append(f"broke: {error}"))

    def asked(request: Request) -> None:
        if not request.url.startswith(f"{alder.origin}/"):
            wrong.append(f"asked: {request.url}")

    page.on("request", asked)
    seen, waiting = 0, [f"/t/{thread}", "/g/open", "/g/open/guidelines"]
    while waiting:
        await page.goto(f"{alder.origin}{waiting.pop(0)}")
        wrong += [f"left: {each}" for each in await page.evaluate(FOUND)]
        wrong += await page.evaluate("window.stopped")
        seen += await page.locator("article.post").count()
        more = page.locator("nav.pager a[rel=next]")
        if await more.count() and "/t/" in page.url:
            waiting.append((await more.first.get_attribute("href")) or "")
    return seen, wrong


@pytest.mark.parametrize("strict", [True, False], ids=["with its policy", "without"])
async def test_sec_X1_no_script_runs_and_nothing_is_asked_for(
    node: NodeFactory, browsers: Browsers, strict: bool
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    thread, count = await _thread(alder)
    context = await (await browsers.open(alder)).new_context(bypass_csp=not strict)
    seen, wrong = await _look(context, alder, thread)
    assert seen == count > 2 * 500
    assert wrong == []


async def test_what_is_looked_for_is_found(node: NodeFactory, browsers: Browsers) -> None:
    alder = await node("alder.test")
    await settle(alder)
    context = await (await browsers.open(alder)).new_context(bypass_csp=True)
    page = await context.new_page()
    await page.goto(f"{alder.origin}/about")
    async with page.expect_event("dialog") as opened:
        await page.evaluate(
            """() => { document.querySelector("main").innerHTML = '<div class="words">'
                + '<img src=x onerror="setTimeout(alert)"><a href="javascript:x">x</a></div>' }"""
        )
    await (await opened.value).dismiss()
    assert len(await page.evaluate(FOUND)) == 2
