"""The main journey as a person makes it: arrive, choose a name, speak, be answered."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page

from kernel.schema.node import SignUp
from members import node as node_store
from tests.browser.conftest import Browsers
from tests.nodes import Node, NodeFactory, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[[], Awaitable[Page]]


async def _open_doors(node: Node) -> None:
    """Anyone may sign up."""
    async with node.engine.begin() as conn:
        await node_store.settle(
            conn,
            name="Alder",
            about="A place to talk.",
            contact="hello@alder.test",
            country="GB",
            languages=("en",),
            sign_up=SignUp.OPEN,
            crisis_policy="",
        )


async def _arrive(page: Page, origin: str, login: str, handle: str, name: str) -> None:
    """Sign up, and choose a name to speak with."""
    await page.goto(f"{origin}/sign-up")
    await page.get_by_label("Log-in name").fill(login)
    await page.get_by_label("Password").fill("a long enough password")
    for box in await page.get_by_role("checkbox").all():
        await box.check()
    await page.locator("main form button").click()
    assert "code" in (await page.locator("main").inner_text()).lower()
    await page.goto(f"{origin}/personas/new")
    await page.locator("#handle").fill(handle)
    await page.locator("#name").fill(name)
    await page.locator("main form button").first.click()


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_person_arrives_speaks_and_is_answered_from_another_node(
    node: NodeFactory, browsers: Browsers, javascript: bool
) -> None:
    alder, birch = await node("alder.test"), await node("birch.test")
    await _open_doors(alder)
    await _open_doors(birch)
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana, rules="Be kind.")
    browser = await browsers.open(alder, birch)

    kay = await (await browser.new_context(java_script_enabled=javascript)).new_page()
    asked: list[str] = []
    kay.on("request", lambda request: asked.append(request.url))
    await _arrive(kay, alder.origin, "only-mine", "kay", "Kay")
    await kay.goto(f"{alder.origin}/g/sleep/join")
    await kay.get_by_label("I have read these").check()
    await kay.get_by_role("button", name="Join").click()

    await kay.goto(f"{alder.origin}/g/sleep/new")
    assert "it is public" in await kay.locator("main").inner_text()
    await kay.locator("#title").fill("Waking at four")
    await kay.locator("#text").fill("Does anyone else **lie awake**?")
    await kay.locator("#title").press("Enter")
    assert await kay.locator("h1").inner_text() == "Waking at four"
    assert await kay.locator("strong", has_text="lie awake").count() == 1
    thread = kay.url

    lou = await (await browser.new_context(java_script_enabled=javascript)).new_page()
    await _arrive(lou, birch.origin, "mine-too", "lou", "Lou")
    await lou.goto(f"{birch.origin}/search?q=@sleep@alder.test")
    await lou.get_by_role("link", name="Join").first.click()
    await lou.get_by_role("button", name="Join").click()
    await settle(alder, birch)
    await kay.goto(f"{alder.origin}/g/sleep/new")
    await kay.locator("#title").fill("Second night")
    await kay.locator("#text").fill("Still awake.")
    await kay.get_by_role("button", name="Send").click()
    await settle(alder, birch)

    await lou.goto(f"{birch.origin}/")
    await lou.get_by_role("link", name="Second night").click()
    await lou.get_by_role("link", name="Answer").first.click()
    await lou.locator("#text").fill("You are not alone.")
    await lou.get_by_role("button", name="Send answer").click()
    await settle(alder, birch)

    await kay.goto(f"{alder.origin}/")
    await kay.get_by_role("link", name="Second night").click()
    assert "You are not alone." in await kay.locator("main").inner_text()
    assert thread.startswith(f"{alder.origin}/t/")
    assert {url.split("/")[2] for url in asked} == {"alder.test"}
    assert group.actor.uri == f"{alder.origin}/g/sleep"


async def test_help_and_leave_are_among_the_first_three_stops_of_the_keyboard(
    node: NodeFactory, browsers: Browsers
) -> None:
    alder = await node("alder.test")
    await _open_doors(alder)
    await alder.group("sleep")
    page = await (await browsers.open(alder)).new_page()
    for path in ("/", "/groups", "/g/sleep", "/log-in", "/sign-up", "/help", "/nowhere"):
        await page.goto(alder.origin + path)
        stops = []
        for _ in range(3):
            await page.keyboard.press("Tab")
            stops.append(await page.evaluate("document.activeElement.textContent"))
        assert any("Get help now" in stop for stop in stops), (path, stops)
        assert any("Leave" in stop for stop in stops), (path, stops)


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_pages_never_scroll_sideways(
    node: NodeFactory, browsers: Browsers, width: int
) -> None:
    alder = await node("alder.test")
    await _open_doors(alder)
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana)
    root = await alder.start(
        ana,
        group.actor.uri,
        "A title that goes on and on " * 6,
        "x" * 300 + " https://a.test/" + "y" * 200,
    )
    browser = await browsers.open(alder)
    page = await browser.new_page(viewport={"width": width, "height": 700})
    for path in ("/", "/groups", "/g/sleep", f"/t/{root.id}", "/log-in", "/sign-up", "/help"):
        await page.goto(alder.origin + path)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
