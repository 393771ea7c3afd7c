"""Moderators move a thread to another group they look after (WIRE-G36, SEC-S23, SEC-S24)."""

import pytest

from groups import groups as group_store
from groups import moving
from groups.groups import Group, GroupSettings
from kernel.schema.groups import Sees
from tests.pages.conftest import House


@pytest.fixture
async def nights(house: House) -> Group:
    return await house.node.group("nights", house.ana.speaker)


async def test_a_moderator_moves_a_thread_with_a_form(house: House, nights: Group) -> None:
    path = f"/t/{house.thread.id}"
    page = await house.ana.open(path)
    assert f"{path}/move" in page.html
    assert f"{path}/move" not in (await house.ben.open(path)).html
    form = await house.ana.open(f"{path}/move")
    assert "Nights" in form.text
    assert 'value="nights"' in form.html
    assert 'value="private"' not in form.html  # it is said why it cannot go there
    assert "Other servers have this thread" in form.text
    unsure = await house.ana.fill(f"{path}/move", "/move", group="nights", reason="About nights.")
    assert unsure.status == 400
    assert "Please tick" in unsure.text
    assert "About nights." in unsure.html
    assert 'value="nights" required checked' in unsure.html
    moved = await house.ana.fill(
        f"{path}/move", "/move", group="nights", reason="About nights.", sure="yes"
    )
    assert (moved.status, moved.location) == (303, path)
    shown = await house.ben.open(path)
    assert 'href="/g/nights"' in shown.html
    assert "Hello back." in shown.text
    assert "A first thread" not in (await house.visitor.open("/g/open")).text
    assert "A first thread" in (await house.visitor.open("/g/nights")).text
    for name, verb in (("open", "move"), ("nights", "take in")):
        log = (await house.ana.open(f"/g/{name}/desk")).text
        assert verb in log
        assert "About nights." in log


async def test_a_thread_that_went_elsewhere_says_where_to(house: House) -> None:
    far = "https://birch.example/g/nights"
    async with house.node.engine.begin() as conn:
        await moving.mark(conn, house.thread, far)
    page = await house.ben.open(f"/t/{house.thread.id}")
    assert "moved to another group" in page.text
    assert 'href="/search?q=https%3A//birch.example/g/nights"' in page.html
    assert "Send answer" not in page.text
    assert "moved to another group" in (await house.ben.open("/g/open")).text
    refused = await house.ben.fill(f"/p/{house.thread.id}/reply", "/reply", text="Are you there?")
    assert refused.status == 403
    assert "Are you there?" in refused.html


async def test_sec_S23_who_does_not_moderate_sees_no_form_and_moves_nothing(
    house: House, nights: Group
) -> None:
    path = f"/t/{house.thread.id}/move"
    answer = {"group": "nights", "sure": "yes"}
    for who in (house.ben, house.cleo):
        assert (await who.open(path)).status == 404
        assert (await who.send("POST", path, answer)).status == 404
    assert (await house.visitor.open(path)).status in (303, 401, 403)
    theirs = await house.node.group("theirs", house.ben.speaker)
    refused = await house.ana.send("POST", path, {"group": "theirs", "sure": "yes"})
    assert refused.status == 403
    assert "both groups" in refused.text
    async with house.node.engine.begin() as conn:  # one of two names of hers is not enough
        await group_store.add_moderator(conn, house.node.here, theirs.actor, house.cleo.actor, 0)
    assert 'value="theirs"' not in (await house.ana.open(path)).html
    assert 'href="/g/open"' in (await house.ben.open(f"/t/{house.thread.id}")).html


async def test_sec_S24_a_closed_groups_threads_go_nowhere_more_can_read(
    house: House, nights: Group
) -> None:
    group = await house.node.group(
        "closed", house.ana.speaker, settings=GroupSettings(sees=Sees.MEMBERS)
    )
    thread = await house.node.start(house.ana.speaker, group.actor.uri, "Among us", "Some words.")
    path = f"/t/{thread.id}/move"
    form = await house.ana.open(path)
    assert 'value="nights"' not in form.html
    assert 'value="private"' in form.html
    assert "More people may read" in form.text
    refused = await house.ana.send("POST", path, {"group": "nights", "sure": "yes"})
    assert refused.status == 403
    assert "More people may read" in refused.text
    assert (await house.visitor.open(f"/t/{thread.id}")).status in (303, 404)
    moved = await house.ana.send("POST", path, {"group": "private", "sure": "yes"})
    assert moved.status == 303
    assert 'href="/g/private"' in (await house.ana.open(f"/t/{thread.id}")).html


async def test_what_cannot_be_moved_says_so(house: House, nights: Group) -> None:
    path = f"/t/{house.thread.id}/move"
    nothing = await house.ana.send("POST", path, {"sure": "yes"})
    assert nothing.status == 400
    assert "Please choose the group" in nothing.text
    there = await house.ana.send("POST", path, {"group": "open", "sure": "yes"})
    assert there.status == 403
    assert "already" in there.text
    unknown = await house.ana.send("POST", path, {"group": "nowhere", "sure": "yes"})
    assert unknown.status == 404
    answer = await house.ana.open(f"/t/{house.answer.id}/move")
    assert answer.status == 404
