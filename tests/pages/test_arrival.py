"""Joining asks four things; the first minutes are four pages that ask nothing (DOM-A1, DOM-B4)."""

import pytest
import sqlalchemy as sa

from kernel.schema.tables import metadata
from node.pages.arrival import STEPS
from node.pages.look import Chosen, cookie_name
from tests.nodes import Node, NodeFactory
from tests.pages.people import Browser, Person, person, settle
from tests.pages.test_account import join
from tests.pages.test_every_page import check_page


@pytest.fixture
async def ana(node: NodeFactory) -> Person:
    alder = await node("alder.test")
    await settle(alder)
    await alder.group("sleep")
    return await person(alder, "ana")


async def everything(node: Node) -> dict[str, object]:
    """Every row of the database."""
    async with node.engine.connect() as conn:
        return {
            table.name: sorted(map(repr, (await conn.execute(sa.select(table))).all()))
            for table in metadata.tables.values()
        }


async def test_joining_asks_for_four_things_and_leads_to_the_first_page(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    dora = Browser(alder)
    form = (await dora.open("/sign-up")).page.form("login")
    assert form.names - {""} == {"login", "password", "adult", "agree", "invite"}
    answer = await join(dora, "dora-at-home")
    assert ("/arrival/country", "I have kept the code") in answer.page.links


async def test_dom_B4_each_page_can_be_skipped_and_gone_back_from(ana: Person) -> None:
    for number, step in enumerate(STEPS, 1):
        page = await ana.open(f"/arrival/{step}")
        check_page(f"/arrival/{step}", page)
        links = {words: href for href, words in page.page.links}
        following = f"/arrival/{STEPS[number]}" if number < len(STEPS) else "/"
        assert f"Page {number} of 4" in page.text
        assert links["Skip this page"] == following
        assert links.get("Back") == (f"/arrival/{STEPS[number - 2]}" if number > 1 else None)
    assert "@sleep@" in page.html or "/g/sleep" in page.html
    assert (await ana.open("/arrival/nowhere")).status == 404
    del ana.cookies[next(iter(ana.cookies))]
    assert (await ana.open("/arrival/country")).status == 303  # to the log-in


async def test_dom_D2_the_country_of_help_stays_on_the_device(ana: Person) -> None:
    before = await everything(ana.node)
    refused = await ana.fill("/arrival/country", country="XX")
    assert refused.status == 400
    assert cookie_name(ana.node.here) not in ana.cookies
    done = await ana.fill("/arrival/country", country="IE")
    assert done.location == "/arrival/comfort"
    assert Chosen.read(ana.cookies[cookie_name(ana.node.here)]).country == "IE"
    help_page = await ana.open("/help", Accept_Language="en-US")
    assert "The country you chose" in help_page.text
    assert "Samaritans Ireland" in help_page.text
    assert await everything(ana.node) == before
    await ana.fill("/arrival/country", country="")
    assert cookie_name(ana.node.here) not in ana.cookies


async def test_comfort_is_kept_with_the_other_preferences(ana: Person) -> None:
    assert (await ana.send("POST", "/arrival/comfort", {"theme": "loud"})).status == 400
    assert (await ana.fill("/arrival/comfort", theme="dark")).location == "/arrival/expect"
    assert 'data-theme="dark"' in (await ana.open("/arrival/expect")).html
    assert (await ana.fill("/arrival/comfort", theme="dark", easier="yes")).status == 303
    page = await ana.open("/arrival/comfort")
    assert page.page.form("theme", "easier").fields
