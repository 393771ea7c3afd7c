"""Pages about what is not out: undo, hold over night, drafts, and words that outlive a session."""

import re
from datetime import UTC, datetime

import sqlalchemy as sa

from kernel.schema.tables import attachments, drawers, posts, sessions, waiting
from members.vault import ADVISED
from node import worker
from tests.media import draw
from tests.pages.conftest import House
from tests.pages.people import PASSWORD, Answer, Person, person

WORDS = "I lie awake until it is light."


async def wait_ten_minutes(person: Person) -> None:
    saved = await person.fill("/settings/timing", undo="10")
    assert saved.location == "/settings/timing?saved"


async def answer(house: House, person: Person, words: str = WORDS, **more: str) -> Answer:
    return await person.fill(f"/p/{house.thread.id}/reply", "/reply", text=words, **more)


async def later(house: House, **steps: float) -> None:
    house.node.clock.forward(**steps)
    while await worker.release(house.node.app):
        pass


async def count(house: House, table: sa.Table) -> int:
    async with house.node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def test_what_somebody_sent_can_be_undone_changed_and_sent_again(house: House) -> None:
    ben, thread = house.ben, f"/t/{house.thread.id}"
    await wait_ten_minutes(ben)
    sent = await answer(house, ben)
    page = await ben.follow(sent)
    assert "Goes out soon" in page.text
    assert "in about 10 minutes" in page.text
    assert WORDS in page.text
    for who in (house.ana, house.ben, house.visitor):
        assert WORDS not in (await who.open(thread)).text
    path = sent.location.partition("?")[0]
    for who in (house.ana, house.cleo):
        assert (await who.open(path)).status == 404
        assert (await who.send("POST", f"{path}/undo", {})).status == 303
        assert (await who.send("POST", f"{path}/delete", {})).status == 404
    assert (await ben.open(f"{path}/edit")).location == path
    assert WORDS in (await ben.open("/waiting")).text
    assert WORDS not in (await house.ana.open("/waiting")).text

    back = await ben.follow(await ben.submit(page, page.page.form("then", action="/undo")))
    form = back.page.form("text", action="/edit")
    assert dict(form.fields)["text"] == WORDS
    await later(house, minutes=11)
    assert WORDS not in (await ben.open(thread)).text
    short = await ben.submit(back, form, text="")
    assert "There are no words yet" in short.text
    again = await ben.submit(back, form, text="I slept a little.")
    assert "Goes out soon" in (await ben.follow(again)).text
    await later(house, minutes=11)
    assert "I slept a little." in (await house.ana.open(thread)).text
    late = await ben.send("POST", f"{path}/undo", {"then": thread})
    assert (late.status, late.location) == (303, thread)
    gone = await ben.open(f"{again.location}")
    assert (gone.status, gone.location) == (303, f"/p/{house.thread.id}")
    elsewhere = await ben.open(f"{path}?then=//evil.example/")
    assert (elsewhere.status, elsewhere.location) == (303, "/")


async def test_what_was_taken_back_can_be_deleted(house: House) -> None:
    await wait_ten_minutes(house.ben)
    page = await house.ben.follow(await answer(house, house.ben))
    await house.ben.submit(page, page.page.form("then", action="/undo"))
    shown = await house.ben.open(page.page.url.path)
    assert "Only you see this" in shown.text
    done = await house.ben.submit(shown, shown.page.form(action="/delete"))
    assert done.location == "/waiting"
    assert await count(house, waiting) == 0
    assert await house.node.mentions(WORDS) == []


async def test_a_thread_that_waits_keeps_its_pictures(house: House) -> None:
    ben = house.ben
    await wait_ten_minutes(ben)
    at = await ben.open("/g/open/new")
    asked = await ben.bring(
        at, at.page.form("text", action="/new"), [draw.png()], title="Tea", text=WORDS
    )
    sent = await ben.bring(asked, asked.page.form("text", action="/new"), [], alt="A cup of tea")
    page = await ben.follow(sent)
    assert "With 1 picture." in page.text
    back = await ben.follow(await ben.submit(page, page.page.form("then", action="/undo")))
    form = back.page.form("text", "title", "picture", action="/edit")
    assert dict(form.fields)["alt"] == "A cup of tea"
    image = re.search(r'<img src="(/media/drafts/[^"]+)"', back.html)
    assert image
    assert (await ben.open(image[1])).status == 200
    house.node.clock.forward(days=3)  # a form's picture would be gone by now
    while await worker.settle(house.node.app):
        pass
    again = await ben.bring(back, form, [], alt="A cup of green tea")
    assert again.status == 303, again.text
    await later(house, minutes=11)
    async with house.node.engine.connect() as conn:
        assert list(await conn.scalars(sa.select(attachments.c.alt))) == ["A cup of green tea"]


async def test_dom_A14_at_night_words_are_held_until_the_members_morning(house: House) -> None:
    house.node.clock.now = datetime(2026, 5, 4, 23, 30, tzinfo=UTC)
    page = await house.ben.open("/settings/timing")
    assert "01:30 (UTC+2)" in page.text
    form = page.page.form("undo", "clock", "hold")
    saved = await house.ben.submit(page, form, hold="yes", clock="120")
    assert "Saved." in (await house.ben.follow(saved)).text
    assert "in about 4 hours" in (await house.ben.follow(await answer(house, house.ben))).text
    await later(house, hours=3.4)
    assert await count(house, waiting) == 1
    await later(house, hours=1.2)
    assert await count(house, waiting) == 0
    assert (await answer(house, house.ben, "By day.")).location.startswith("/p/")
    await house.ben.fill("/settings", theme="dark")
    kept = (await house.ben.open("/settings/timing")).page.form("hold")
    assert {("hold", "yes"), ("clock", "120")} <= set(kept.fields)
    for wrong in ({"undo": "11"}, {"hold": "yes", "clock": "7"}, {"hold": "yes", "clock": "x"}):
        assert (await house.ben.send("POST", "/settings/timing", wrong)).status == 400


async def test_a_last_day_is_chosen_when_posting(house: House) -> None:
    sent = await answer(house, house.ben, stays="7")
    async with house.node.engine.connect() as conn:
        expires = await conn.scalar(
            sa.select(posts.c.expires).where(posts.c.id == int(sent.location.rpartition("/")[2]))
        )
    assert expires is not None
    assert (expires - house.node.clock.now.date()).days == 7
    assert "goes away on" in (await house.ben.open(f"/t/{house.thread.id}")).text
    assert "goes away on" not in (await house.ana.open(f"/t/{house.thread.id}")).text
    wrong = await house.ben.send(
        "POST", f"/p/{house.thread.id}/reply", {"text": WORDS, "stays": "8", "as": "x"}
    )
    assert wrong.status == 400


async def test_a_draft_is_kept_gone_on_with_and_sent(house: House) -> None:
    ben, path = house.ben, "/g/open/new"
    at = await ben.open(path)
    form = at.page.form("title", "keep", action="/new")
    kept = await ben.submit(at, form, title="Nights", text=WORDS, note="sleep", keep="draft")
    listed = await ben.follow(kept)
    assert "Your draft is kept" in listed.text
    assert "Nights" in listed.text
    assert "Nights" not in (await house.ana.open("/waiting")).text
    assert (await house.ana.open("/drafts/1")).status == 404
    shown = await ben.open(listed.page.link("Nights"))
    assert WORDS in shown.text
    on = await ben.open(shown.page.link("Go on writing"))
    filled = on.page.form("title", "draft", action="/new")
    assert {("title", "Nights"), ("text", WORDS), ("note", "sleep")} <= set(filled.fields)
    await ben.submit(on, filled, title="Other nights", keep="draft")
    assert await count(house, drawers) == 1
    on = await ben.open(f"{path}?draft=1")
    sent = await ben.submit(on, on.page.form("title", "draft", action="/new"))
    assert "Other nights" in (await house.ana.follow(sent)).text
    assert await count(house, drawers) == 0
    assert (await ben.open(f"{path}?draft=1")).status == 404

    await ben.fill(f"/p/{house.thread.id}/reply", "/reply", text=WORDS, keep="draft")
    wrong_place = await ben.open(f"{path}?draft=1")
    assert wrong_place.status == 404
    await ben.fill("/drafts/1", "/delete")
    assert await count(house, drawers) == 0


async def test_a_draft_in_an_old_tab_takes_no_newer_one_away(house: House) -> None:
    """Numbers of drafts are given again; a form goes on with the words that it showed."""
    ben, path = house.ben, "/g/open/new"
    await ben.fill(path, "/new", title="First", text=WORDS, keep="draft")
    tab, tab_of_list = await ben.open(f"{path}?draft=1"), await ben.open("/drafts/1")
    await ben.fill("/drafts/1", "/delete")
    await ben.fill(path, "/new", title="Second", text="An hour of work.", keep="draft")
    await ben.submit(tab_of_list, tab_of_list.page.form(action="/drafts/1/delete"))
    await ben.submit(tab, tab.page.form("title", "draft", action="/new"), keep="draft")
    listed = (await ben.open("/waiting")).text
    assert "First" in listed
    assert "Second" in listed
    await ben.submit(tab, tab.page.form("title", "draft", action="/new"))
    assert "Second" in (await ben.open("/waiting")).text


async def test_an_ended_session_loses_no_word(house: House) -> None:
    """Everything typed comes back after the log-in, pictures and their descriptions too."""
    kim = await person(house.node, "kim", cost=ADVISED)
    await house.node.join(kim.speaker, house.open.actor.uri)
    typed = {"text": WORDS, "note": "sleep, low mood"}
    stays, picture = {"stays": "30"}, {"alt": "A cup of tea"}
    choices = {"options": "Tea\nMilk\nNeither", "several": "several", "days": "7"}
    thread = f"/p/{house.thread.id}"
    await _lose_session(house, kim, "/g/open/new", {**typed, **stays, **picture, "title": "Nights"})
    await _lose_session(house, kim, f"{thread}/reply", {**typed, **stays, **picture})
    await _lose_session(house, kim, f"{thread}/poll", {**typed, **stays, **choices})
    own = (await answer(house, kim, "Earlier words.")).location
    await _lose_session(house, kim, f"{own}/edit", typed)
    await wait_ten_minutes(kim)
    page = await kim.follow(await answer(house, kim))
    undone = await kim.submit(page, page.page.form("then", action="/undo"))
    await _lose_session(house, kim, undone.location, {**typed, **stays, **picture})


async def _lose_session(house: House, kim: Person, path: str, typed: dict[str, str]) -> None:
    """Fill in the form at `path`, send it with no session any more, log in, find all of it."""
    at = await kim.open(path)
    form = at.page.form("text", action=path)
    if "alt" in typed:
        words = {name: value for name, value in typed.items() if name != "alt"}
        at = await kim.bring(at, form, [draw.png()], **words)
        form = at.page.form("text", "picture", action=path)
    async with house.node.engine.begin() as conn:
        await conn.execute(sa.delete(sessions))
    asked = await kim.submit(at, form, **typed)
    assert "What you wrote is safe" in asked.text
    wrong = await kim.submit(asked, asked.page.form("login"), login="x", password="not this one")
    again = wrong.page.form("login")
    resumed = await kim.submit(wrong, again, login="kim-logs-in", password=PASSWORD)
    assert "Welcome back" in resumed.text
    back = await kim.submit(resumed, resumed.page.form("text", action=path))
    found = back.page.form("text", action=path)
    assert set(typed.items()) <= set(found.fields), (path, set(typed.items()) - set(found.fields))
    choice = next((value for name, value, _ in found.choices if name == "as"), None)
    sent = await kim.submit(back, found, **({"as": choice} if choice else {}))
    assert sent.status == 303, (path, sent.text)
