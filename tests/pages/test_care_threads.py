"""Threads in memory of somebody, and threads that moderators rearrange (DOM-B14, DOM-A17)."""

from groups import desk, memorials, reactions
from groups import posts as post_store
from kernel.schema.posts import PostState
from tests.pages.conftest import House


async def test_a_memorial_from_its_first_day_to_its_last(house: House) -> None:
    node, path = house.node, f"/t/{house.thread.id}"
    await node.join(house.cleo.speaker, house.open.actor.uri)
    assert (await house.ben.open(f"{path}/memorial")).status == 404
    assert (await house.ben.send("POST", f"{path}/memorial", {"look_back": "2999-01-01"})).status
    for day in ("2020-01-01", "2999-01-01", "soon"):
        refused = await house.ana.fill(f"{path}/memorial", "/memorial", look_back=day)
        assert refused.status == 400
        assert f'value="{day}"' in refused.html
    begun = await house.ana.fill(f"{path}/memorial", "/memorial")
    assert (begun.status, begun.location) == (303, path)

    page = await house.ben.open(path)
    assert "In memory of somebody" in page.text
    assert "/heard" not in page.html
    assert "A first thread" in (await house.visitor.open("/g/open")).text
    assert "Pinned" in (await house.visitor.open("/g/open")).text
    sign = await house.ben.send("POST", f"/p/{house.thread.id}/heard", await _as(house))
    assert sign.status == 403
    assert "Words are better than signs" in sign.text
    async with node.engine.connect() as conn:
        assert await reactions.signs_for(conn, house.thread) == []
    known = await node.reply(house.ben.speaker, house.thread.uri, "I miss him.")
    new = await node.reply(house.cleo.speaker, house.thread.uri, "How did he do it?")
    assert (known.state, new.state) == (PostState.SHOWN, PostState.HELD)

    assert "less than two hours ago" in (await house.ana.open("/g/open/desk")).text
    node.clock.forward(hours=2)
    assert "Please take turns" in (await house.ana.open("/g/open/desk")).text
    await house.ana.fill("/g/open/desk", "/desk/take-over")
    assert "less than two hours ago" in (await house.ana.open("/g/open/desk")).text
    node.clock.forward(days=memorials.LOOK_BACK.days)
    assert "Today is the day to look back" in (await house.ana.open("/g/open/desk")).text
    ended = await house.ana.fill(f"{path}/memorial", "/memorial", end="yes")
    assert ended.status == 303
    assert "In memory" not in (await house.ben.open(path)).text
    assert "Pinned" not in (await house.visitor.open("/g/open")).text


async def _as(house: House) -> dict[str, str]:
    """Ben's sealed name in a form for that sign, from before the thread was a memorial."""
    async with house.node.engine.begin() as conn:
        root = await post_store.get(conn, house.thread.id)
        group = house.open
        actor = await desk.require(conn, group, house.ana.speaker)
        await memorials.end(conn, house.node.here, group, actor, root)
    at = await house.ben.open(f"/p/{house.thread.id}/heard")
    fields = dict(at.page.form("as", action="/heard").filled({"feeling": "with_you"}))
    async with house.node.engine.begin() as conn:
        root = await post_store.get(conn, house.thread.id)
        day = house.node.clock().date() + memorials.LOOK_BACK
        await memorials.begin(conn, house.node.here, group, actor, root, day)
    return fields


async def test_moderators_split_a_thread_and_put_it_together_with_forms(house: House) -> None:
    answer = f"/p/{house.answer.id}"
    assert f"{answer}/split" in (await house.ana.open(f"/t/{house.thread.id}")).html
    assert f"{answer}/split" not in (await house.ben.open(f"/t/{house.thread.id}")).html
    for who in (house.ben, house.cleo):
        assert (await who.open(f"{answer}/split")).status == 404
        assert (await who.send("POST", f"{answer}/split", {"title": "Mine"})).status == 404
        assert (await who.send("POST", f"/t/{house.thread.id}/merge", {})).status == 404
    form = await house.ana.open(f"{answer}/split")
    assert 'value="Hello back."' in form.html
    untitled = await house.ana.fill(f"{answer}/split", "/split", title=" ", reason="Tidy.")
    assert untitled.status == 400
    assert "Tidy." in untitled.html
    made = await house.ana.fill(f"{answer}/split", "/split", title="Another matter")
    assert made.location == f"/t/{house.answer.id}"
    assert "Another matter" in (await house.visitor.open("/g/open")).text
    assert "Hello back." not in (await house.visitor.open(f"/t/{house.thread.id}")).text

    merge = f"/t/{house.answer.id}/merge"
    assert "A first thread" in (await house.ana.open(merge)).text
    for wrong in ({}, {"address": "nowhere"}, {"address": f"/t/{house.held.id}"}):
        assert (await house.ana.fill(merge, "/merge", **wrong)).status == 400
    address = f"http://alder.test/t/{house.thread.id}?after=7#p7"
    put = await house.ana.fill(merge, "/merge", address=address)
    assert put.status == 303
    old = await house.visitor.open(f"/t/{house.answer.id}")
    assert old.location == f"/p/{house.answer.id}"
    shown = await house.visitor.open(f"/t/{house.thread.id}")
    assert "Another matter" in shown.text
    assert "Hello back." in shown.text
    log = (await house.ana.open("/g/open/desk")).text
    assert "split" in log
    assert "merge" in log
    assert (await house.visitor.open(f"/t/{house.held.id}")).status == 404
