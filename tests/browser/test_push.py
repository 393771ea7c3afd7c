"""A browser asks to be told, is told, and leads back (DOM-D13).

Chromium reaches no service of its maker here, so the test stands for that alone: `Phone` holds the
keys that the service would give, and the wire of the browser's own tools brings what it carries.
The page's script, the worker, the node's sealed push and the notification are the real ones.
"""

import json
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import BrowserContext, Page, Worker, expect

from groups import reported
from groups.posts import Post
from moderation import reports
from moderation.reports import Said
from node import worker
from tests.browser.conftest import Browsers
from tests.browser.test_axe import cookies
from tests.nodes import Node, NodeFactory
from tests.pages.people import Person, person, settle
from tests.pages.test_push import Phone, plain, text
from tests.peer import PeerFactory

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESK: Final = "/g/open/desk"
ALERTS: Final = f"{DESK}/alerts"
WORDS: Final = "They write to me at night."

SERVICE: Final = """([endpoint, p256dh, auth]) => {
  PushManager.prototype.subscribe = async function ({ applicationServerKey, userVisibleOnly }) {
    sessionStorage.askedWith = JSON.stringify([...applicationServerKey]);
    if (!userVisibleOnly) throw new Error("nobody would see it");
    return { toJSON: () => ({ endpoint, keys: { p256dh, auth } }) };
  };
}"""
SHOWN: Final = """async () => (await registration.getNotifications())
    .map(({ title, body, tag, data }) => [title, body, tag, data])"""
CLICKED: Final = """async () => {
  const [notification] = await registration.getNotifications();
  const opened = new Promise((go) => { clients.openWindow = async (link) => go(String(link)); });
  const event = new NotificationEvent("notificationclick", { notification });
  event.waitUntil = () => {};  // it takes a finger's click alone
  dispatchEvent(event);
  return await opened;
}"""


async def _open(browsers: Browsers, ana: Person, **options: bool) -> tuple[BrowserContext, Page]:
    browser = await browsers.open(ana.node)
    context = await browser.new_context(viewport={"width": 390, "height": 800}, **options)  # type: ignore[arg-type]
    await context.add_cookies(cookies(ana))
    page = await context.new_page()
    await page.goto(ana.node.origin + ALERTS)
    return context, page


async def _group(node: NodeFactory) -> tuple[Node, Person, Post]:
    """Browsers are told on https, and on this computer itself: so the node is `alder.localhost`."""
    alder = await node("alder.localhost")
    await settle(alder)
    ana = await person(alder, "ana")
    group = await alder.group("open", ana.speaker)
    thread = await alder.start(ana.speaker, group.actor.uri, "A first thread", WORDS)
    return alder, ana, thread


async def _report(alder: Node, post: Post) -> None:
    async with alder.engine.begin() as conn:
        await reports.make(
            conn,
            alder.here,
            root=bytes(32),
            about=reported.post_of(post),
            why="unkind",
            said=Said(words=WORDS),
            group_id=post.group_id,
        )


async def _deliver(context: BrowserContext, page: Page, origin: str, data: str) -> None:
    """What the service carried comes to the worker, as the browser opened it."""
    wire = await context.new_cdp_session(page)
    found: list[str] = []
    wire.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda said: found.extend(it["registrationId"] for it in said["registrations"]),
    )
    await wire.send("ServiceWorker.enable")
    while not found:
        await page.wait_for_timeout(50)
    await wire.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": origin, "registrationId": found[-1], "data": data},
    )


async def _shown(page: Page, running: Worker, body: str) -> list[list[str]]:
    """The notifications, once one says this."""
    for _ in range(100):
        shown: list[list[str]] = await running.evaluate(SHOWN)
        if any(each[1] == body for each in shown):
            return shown
        await page.wait_for_timeout(50)
    raise AssertionError(shown)


async def test_dom_D13_a_browser_asks_is_told_without_words_and_leads_to_the_desk(
    node: NodeFactory, peer: PeerFactory, browsers: Browsers
) -> None:
    alder, ana, thread = await _group(node)
    phone, service = Phone(), await peer("push.test", alder)
    service.answers[:] = [201, 201]
    context, page = await _open(browsers, ana)
    await context.grant_permissions(["notifications"], origin=alder.origin)
    given = [f"{service.origin}/push/abc", text(phone.point), text(phone.secret)]
    await page.add_init_script(f"({SERVICE})({json.dumps(given)})")
    await page.reload()
    await page.get_by_label("Your word for this browser").fill("evening phone")
    async with context.expect_event("serviceworker") as started:
        await page.get_by_role("button", name="Tell me in this browser").click()
    running = await started.value
    assert running.url == f"{alder.origin}/on-duty/worker.js"
    await expect(page.get_by_text("A test is on its way.")).to_be_visible()
    await expect(page.get_by_text("evening phone").first).to_be_visible()
    asked = bytes(json.loads(await page.evaluate("sessionStorage.askedWith")))
    named = await page.locator("form[data-push]").get_attribute("data-push")
    assert asked == plain(str(named))

    await worker.settle(alder.app)
    service.posted.clear()
    await _report(alder, thread)
    await worker.settle(alder.app)
    (told,) = service.posted
    opened = phone.read(told)
    await _deliver(context, page, alder.origin, json.dumps(opened))
    body = "Something is waiting at Alder House."
    shown = await _shown(page, running, body)
    assert shown == [["Alder House", body, "waits", opened["link"]]]
    for never in (WORDS, "unkind", "A first thread", "ana", "open"):
        assert never not in str(shown)

    link = await running.evaluate(CLICKED)
    assert urlsplit(link).path == opened["link"]
    await page.goto(link)
    assert urlsplit(page.url).path == DESK
    while await running.evaluate(SHOWN):
        await page.wait_for_timeout(50)


async def test_a_browser_that_says_no_is_told_so_and_the_other_ways_stay(
    node: NodeFactory, browsers: Browsers
) -> None:
    _, ana, _ = await _group(node)
    context, page = await _open(browsers, ana)
    await context.clear_permissions()
    await page.get_by_label("Your word for this browser").fill("evening phone")
    await page.get_by_role("button", name="Tell me in this browser").click()
    await expect(page.get_by_text("Your browser did not allow it")).to_be_visible()
    assert await page.get_by_label("Your word for this browser").input_value() == "evening phone"
    await expect(page.get_by_role("button", name="Add", exact=True)).to_be_visible()


async def test_without_scripts_the_other_ways_are_there_and_this_one_is_not(
    node: NodeFactory, browsers: Browsers
) -> None:
    _, ana, _ = await _group(node)
    _, page = await _open(browsers, ana, java_script_enabled=False)
    await expect(page.get_by_role("button", name="Tell me in this browser")).to_be_hidden()
    await page.get_by_label("To a web address").check()
    await page.get_by_label("E-mail address or web address").fill("https://chat.invalid/hook")
    await page.get_by_label("Your word for it").fill("evening chat")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_text("evening chat").first).to_be_visible()
