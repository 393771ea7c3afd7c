"""Passkeys in a real browser, on the device that Chromium plays, with PRF and without.

Browsers make passkeys on https, and on this computer itself: so the node is `alder.localhost`.
"""

import pytest
from playwright.async_api import BrowserContext, Page

from members.vault import ADVISED
from tests.browser.conftest import Browsers
from tests.nodes import Node, NodeFactory
from tests.pages.people import PASSWORD, Person, person, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def _device(context: BrowserContext, page: Page, *, prf: bool) -> None:
    """Plug in a device that always sees the right finger."""
    wire = await context.new_cdp_session(page)
    await wire.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "ctap2Version": "ctap2_1",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "hasPrf": prf,
    }
    await wire.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def _log_out(alder: Node, page: Page) -> None:
    await page.goto(f"{alder.origin}/settings")
    await page.locator("main").get_by_role("button", name="Log out").click()
    await page.wait_for_url(f"{alder.origin}/")


async def _log_in(alder: Node, page: Page) -> None:
    await page.goto(f"{alder.origin}/log-in")
    await page.get_by_label("Log-in name").fill("ana-logs-in")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()


async def _visit(node: NodeFactory, browsers: Browsers, *, prf: bool) -> tuple[Person, Page]:
    """Ana adds a passkey in her settings, and logs out."""
    alder = await node("alder.localhost")
    await settle(alder)
    ana = await person(alder, "ana", cost=ADVISED)
    context = await (await browsers.open(alder)).new_context()
    page = await context.new_page()
    await _device(context, page, prf=prf)
    await _log_in(alder, page)
    await page.wait_for_url(f"{alder.origin}/")
    await page.goto(f"{alder.origin}/settings/ways-in")
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Add a passkey").click()
    await page.get_by_role("button", name="Make a passkey").click()
    await page.wait_for_url("**/settings/ways-in?saved")
    assert ("which logs in alone" in await page.locator("main").inner_text()) is prf
    await _log_out(alder, page)
    return ana, page


async def test_a_passkey_with_a_secret_logs_in_without_name_and_password(
    node: NodeFactory, browsers: Browsers
) -> None:
    ana, page = await _visit(node, browsers, prf=True)
    await page.goto(f"{ana.node.origin}/log-in")
    await page.get_by_role("link", name="Log in with a passkey").click()
    await page.get_by_role("button", name="Log in with a passkey").click()
    await page.wait_for_url(f"{ana.node.origin}/")
    await page.goto(f"{ana.node.origin}/personas")
    assert "@ana@alder.localhost" in await page.locator("main").inner_text()


async def test_a_passkey_without_one_is_the_step_after_the_password(
    node: NodeFactory, browsers: Browsers
) -> None:
    ana, page = await _visit(node, browsers, prf=False)
    await page.goto(f"{ana.node.origin}/log-in/passkey")
    await page.get_by_role("button", name="Log in with a passkey").click()
    await page.get_by_text("does not open anything here on its own").wait_for()
    await _log_in(ana.node, page)
    await page.get_by_role("button", name="Use your passkey").click()
    await page.wait_for_url(f"{ana.node.origin}/")
    await page.goto(f"{ana.node.origin}/personas")
    assert "@ana@alder.localhost" in await page.locator("main").inner_text()
