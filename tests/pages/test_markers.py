"""Every word a person or a peer controls comes out as text (SEC-X2, SEC-X6)."""

import sqlalchemy as sa

from groups import groups as group_store
from groups.groups import GroupSettings
from kernel.schema.tables import actors, bans, domain_policies, posts
from kernel.schema.tables import groups as group_table
from tests.members import people
from tests.pages.conftest import House
from tests.pages.people import settle
from tests.pages.test_every_page import check_page, pages

MARKER = "\"'><svg/onload=1>{{7*7}}"
HTML = f'<p class="x">{MARKER}</p><script>alert(1)</script><img src=x onerror=1>'


async def test_sec_X2_the_marker_is_always_text(house: House) -> None:
    node = house.node
    await settle(node, name=MARKER, about=MARKER, contact=MARKER, crisis_policy=MARKER)
    await people.sign_up(node.engine, node.here, "waits-here", request=MARKER)
    async with node.engine.begin() as conn:
        await group_store.update(
            conn, node.here, house.open, name=MARKER, about=MARKER, settings=GroupSettings()
        )
        await group_store.set_guidelines(conn, house.open, MARKER, material=False)
        await conn.execute(
            sa.update(actors).where(actors.c.kind == "Person").values(name=MARKER, summary=HTML)
        )
        await conn.execute(
            sa.update(posts).values(
                title=MARKER,
                content=HTML,
                note=MARKER,
                reason=MARKER,
                source=MARKER,
                language=MARKER,
            )
        )
        await conn.execute(
            sa.update(posts).where(posts.c.id == house.answer.id).values(note="", state="removed")
        )
        await conn.execute(
            bans.insert().values(
                group_id=house.open.id, actor_id=house.cleo.actor.id, reason=MARKER
            )
        )
        await conn.execute(
            domain_policies.insert().values(
                domain="evil.test",
                source="",
                held=False,
                level="reject",
                reject_media=False,
                reject_reports=False,
                private_comment=MARKER,
                day=house.node.here.now().date(),
                in_force=True,
            )
        )
        await conn.execute(sa.update(group_table).values(languages=["en", MARKER]))
    seen = 0
    for browser in (house.visitor, house.ana, house.ben):
        for path in [
            *pages(house),
            f"/interact?uri={MARKER.replace('{', '%7B')}",
            f"/search?q={MARKER.replace('{', '%7B')}",
            "/g/careful/desk",
        ]:
            if path == "/leave":
                continue
            answer = await browser.open(path)
            assert answer.status in {200, 303, 400, 403, 404}, (path, answer.status)
            lowered = answer.html.lower()
            assert "<svg/onload" not in lowered, path
            ours = 1 if answer.status != 303 else 0
            assert lowered.count("<script") == ours, path
            assert "<img" not in lowered, path
            assert "onload=1&gt;49" not in lowered, path
            if answer.status != 303:
                check_page(path, answer)
            seen += answer.html.count("&lt;svg/onload=1&gt;")
    assert seen > 100


async def test_sec_X2_what_is_typed_comes_back_as_text(house: House) -> None:
    for path in (
        "/log-in",
        "/sign-up",
        "/recover",
        "/personas/new",
        "/groups/new",
        "/settings/node",
        "/g/open/settings",
        "/g/open/new",
        f"/p/{house.thread.id}/reply",
        f"/p/{house.thread.id}/edit",
    ):
        browser = house.visitor if path in {"/log-in", "/sign-up", "/recover"} else house.ana
        at = await browser.open(path)
        for form in at.page.forms:
            names = form.names - {"as", "", "password", "old_password"}
            if form.method != "post" or form.action == "/log-out" or not names:
                continue
            answer = await browser.send("POST", form.action, dict.fromkeys(names, MARKER))
            assert "<svg/onload" not in answer.html, (path, form.action)
            if answer.html:
                check_page(path, answer)
