"""Before anything is sent, every composer says who will read it (DOM-A6)."""

import pytest

from tests.pages.conftest import House

pytestmark = pytest.mark.slow

SEEN = "Moderators of this group can see this name, not you."


async def test_dom_A6_every_composer_says_who_reads(house: House) -> None:
    number = house.thread.id
    for path in ("/g/open/new", f"/t/{number}", f"/p/{number}/reply", f"/p/{number}/poll"):
        text = (await house.ben.open(path)).text
        assert "Readers: 2 members here, no other server, and everyone else" in text, path
        assert SEEN in text, path
    changing = (await house.ben.open(f"/p/{house.answer.id}/edit")).text
    assert "Servers that are not told again may keep the old words." in changing
    careful = (await house.ben.open("/g/careful/new")).text
    assert "One of them reads it before anybody else does." in careful
    assert (
        "Readers: 1 member here, no other server, not public."
        in (await house.ana.open("/g/private/new")).text
    )


async def test_a_refused_form_says_it_too_and_visitors_are_told_nothing(house: House) -> None:
    refused = await house.ben.fill("/g/open/new", title="", text="Hello.")
    assert refused.status == 400
    assert "Readers: 2 members here" in refused.text
    assert "Readers:" not in (await house.visitor.open(f"/t/{house.thread.id}")).text


async def test_a_thread_page_counts_once_a_minute_for_everybody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/t/{house.thread.id}"
    assert "Readers: 2 members here" in (await house.ben.open(path)).text
    await house.node.join(house.cleo.speaker, house.open.actor.uri)
    assert "Readers: 2 members here" in (await house.cleo.open(path)).text
    assert "Readers: 3 members here" in (await house.cleo.open("/g/open/new")).text
    monkeypatch.setattr("node.pages.readers.FRESH_SECONDS", 0.0)
    assert "Readers: 3 members here" in (await house.cleo.open(path)).text
