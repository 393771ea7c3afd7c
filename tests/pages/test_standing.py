"""A ban holds by every page under every name, and no page says whose names they are (DESIGN-V3)."""

import re

from activitypub import actors as actor_store
from groups import desk
from tests.members import people
from tests.pages.conftest import House


async def test_design_V3_a_sibling_is_refused_by_page_and_nobody_else_can_tell(
    house: House,
) -> None:
    sibling = await people.persona(house.node.engine, house.node.here, house.ben.prepared.member,
                                   "other")  # fmt: skip
    async with house.node.engine.begin() as conn:
        person = await actor_store.get(conn, house.ben.actor.id)
        acting = await desk.require(conn, house.open, house.ana.speaker)
        await desk.ban(conn, house.node.here, house.open, acting, person, "please rest")

    at = await house.ben.open("/g/open/join")
    form = at.page.form("as")
    tokens = re.findall(r'name="as" value="([^"]+)"', at.html)
    assert tokens, "both names are offered: nothing on the page tells them apart"
    for token in tokens:
        refused = await house.ben.submit(at, form, **{"as": token, "guidelines": "1"})
        assert refused.status == 403
        assert "please rest" in refused.text

    for reader in (house.ana, house.cleo, house.visitor):
        for path in ("/g/open", "/g/open/desk", "/u/ben", "/u/other", f"/t/{house.thread.id}"):
            page = await reader.open(path)
            said = page.text.replace(f"/u/{sibling.handle}", "")
            if path != "/u/other":
                assert "@other" not in said, (path, "names the sibling")
    banned_page = await house.ana.open("/g/open/desk")
    assert "ben" in banned_page.text.lower()


async def test_i_hear_you_is_seen_by_the_author_alone(house: House) -> None:
    at = await house.ben.open(f"/p/{house.thread.id}/heard")
    sent = await house.ben.submit(at, at.page.form("as"))
    assert sent.status == 303
    thread = f"/t/{house.thread.id}"
    assert "People let you know" in (await house.ana.open(thread)).text
    for reader in (house.ben, house.cleo, house.visitor):
        assert "let you know" not in (await reader.open(thread)).text

    await house.ben.submit(at, at.page.form("as"), back="yes")
    assert "let you know" not in (await house.ana.open(thread)).text
