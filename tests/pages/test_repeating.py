"""Whoever writes nearly the same under two names is told so, and nobody else (SEC-U22)."""

import logging

import pytest

from activitypub import actors
from node.pages.group_words import STARTER
from tests.pages.conftest import House
from tests.pages.people import Answer, Person
from tests.pages.test_who_speaks import two_names
from tests.privacy.recorder import Recorder, violations

WORDS = "The dog next door barks until four in the morning."
HINT = "You wrote nearly the same as {}. Somebody who reads both may guess that both are you."


async def write(
    house: House, words: str, name: str, *, by: Person | None = None, path: str = ""
) -> Answer:
    """Send words under a name; they come back where there is something to say about them."""
    who = by or house.ana
    at = await who.open(path or f"/p/{house.answer.id}/reply")
    form = at.page.form("text")
    answers = {"as": form.choice("as", name), "text": words}
    if path.endswith("/new"):
        answers["title"] = "Nights"
    return await who.submit(at, form, **answers)


async def test_sec_U22_a_repeat_is_told_once_to_its_author_and_leaves_no_trace(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await two_names(house)
    node = house.node
    async with node.engine.connect() as conn:
        nana = await actors.by_handle(conn, "nana")
    assert nana is not None
    caplog.set_level(logging.DEBUG)
    assert (await write(house, f"Hello. {WORDS}", "@ana@")).status == 303
    places = await node.mentions("barks until")
    with Recorder.listening(node.engine) as recorder:
        asked = await write(house, f"It is late. {WORDS} So I read.", "@nana@")
        assert asked.status == 400
        assert HINT.format("ana") in asked.text
        assert "“The dog next door barks until four in”" in asked.text
        assert "Nothing is sent yet." in asked.text
        assert not any(s.writes for t in recorder.transactions for s in t.statements)
    assert await node.mentions("barks until") == places
    with Recorder.listening(node.engine) as recorder:
        sent = await house.ana.submit(asked, asked.page.form("as_it_is"), as_it_is="yes")
        assert sent.status == 303
    assert violations(recorder.transactions, [[house.ana.actor, nana]]) == []
    assert "barks" not in caplog.text
    assert HINT.format("ana") not in (await house.ben.open(f"/t/{house.thread.id}")).text


async def test_sec_U22_it_is_told_in_the_language_of_the_page(house: House) -> None:
    await two_names(house)
    assert (await write(house, WORDS, "@ana@")).status == 303
    house.ana.cookies["look"] = "lang-de"
    assert "Du hast fast dasselbe geschrieben wie ana" in (await write(house, WORDS, "@nana@")).text


async def test_sec_U22_what_is_compared_and_what_is_not(house: House) -> None:
    await two_names(house)
    assert (await write(house, WORDS, "@ana@")).status == 303
    assert (await write(house, f"{WORDS} Still.", "@ana@")).status == 303  # the same name
    by_ben = await write(house, WORDS, "@ben@", by=house.ben)  # somebody else
    assert by_ben.status == 303
    assert (await write(house, f"> {WORDS}\n\nMine too.", "@nana@")).status == 303
    rule = STARTER.splitlines()[0].partition("**")[2]
    for name in ("@ana@", "@nana@"):
        assert (await write(house, f"I like this one: {rule}", name)).status == 303

    once = await write(house, WORDS, "just for this thread", path="/g/open/new")
    assert HINT.format("ana") in once.text
    started = await write(house, WORDS, "@nana@", path="/g/open/new")
    assert HINT.format("ana") in started.text
    mine = await write(house, "It rains, and I am glad of it.", "@nana@")
    edit = f"{mine.location.partition('#')[0]}/edit"
    changed = await house.ana.fill(edit, text=f"It rains. {WORDS}")
    assert HINT.format("ana") in changed.text
    assert (await house.ana.fill(edit, text="It rains, and I am glad of it. So.")).status == 303


async def test_sec_U22_what_waits_counts_and_hints_can_be_turned_off(house: House) -> None:
    await two_names(house)
    assert (await house.ana.fill("/settings/timing", undo="10")).status == 303
    assert (await write(house, WORDS, "@ana@")).status == 303
    asked = await write(house, WORDS, "@nana@")
    assert HINT.format("ana") in asked.text
    assert (await house.ana.fill("/settings", "/settings/reading", hints="")).status == 303
    assert (await write(house, WORDS, "@nana@")).status == 303
