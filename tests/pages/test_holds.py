"""Detail of method is held for a person, and its author is told kindly at once (DOM-A11)."""

from tests.moderation.harm_lines import DISTRESS, HARMFUL
from tests.pages.conftest import House
from tests.pages.people import Answer

KIND = "Somebody reads it before others do"
SHIELD = "Names how harm is done"
NOTICE = "Somebody reads your post first"
DETAIL = HARMFUL[1]


async def _answer(house: House, words: str) -> tuple[Answer, str]:
    """Ben answers the thread, with heavy words beside: the page after, and the post's address."""
    sent = await house.ben.fill(f"/p/{house.thread.id}/reply", text=words)
    assert sent.status == 303, sent.text
    return await house.ben.follow(await house.ben.follow(sent)), sent.location


async def test_dom_A11_the_author_is_told_at_once_and_a_moderator_decides(house: House) -> None:
    thread = f"/t/{house.thread.id}"
    page, address = await _answer(house, f"I am not safe tonight. {DETAIL}")
    for words in (KIND, "You did nothing wrong", "What happens next", "tel:", DETAIL, "/help"):
        assert words in page.html or words in page.text, words
    assert "Are you safe right now?" not in page.text  # the lines are there already
    assert NOTICE in (await house.ben.open("/notices")).text
    for other in (house.cleo, house.visitor):
        seen = await other.open(thread)
        assert "florbel" not in seen.text
        assert KIND not in seen.text
        assert (await other.open(address)).status == 404

    desk = await house.ana.open("/g/open/desk")
    shielded = desk.html.partition(SHIELD)[2].partition("</details>")[0]
    assert "florbel" in shielded
    assert desk.html.count("florbel") == 1
    there = await house.ana.open(thread)
    assert "florbel" in there.html.partition(SHIELD)[2].partition("</details>")[0]
    assert KIND not in there.text

    changed = await house.ben.fill(f"{address}/edit", text="I am very low.")
    assert changed.status == 303
    assert KIND not in (await house.ben.open(thread)).text
    desk = await house.ana.open("/g/open/desk")
    assert "I am very low." in desk.text  # it still waits, with its newest words
    assert SHIELD not in desk.text
    released = {"post": address.rpartition("/")[2]}
    assert (await house.ana.send("POST", "/g/open/desk/release", released)).status == 303
    assert "I am very low." in (await house.cleo.open(thread)).text
    assert "Your post is shown now" in (await house.ben.open("/notices")).text
    assert NOTICE not in (await house.ben.open("/notices")).text


async def test_dom_A11_distress_is_shown_and_a_change_is_looked_at(house: House) -> None:
    thread = f"/t/{house.thread.id}"
    page, address = await _answer(house, DISTRESS[0])
    assert KIND not in page.text
    assert DISTRESS[0] in (await house.cleo.open(thread)).text

    added = await house.ben.fill(f"{address}/edit", text=DETAIL)
    assert added.status == 303
    assert KIND in (await house.ben.open(thread)).text
    hidden = await house.cleo.open(thread)
    assert "florbel" not in hidden.text
    assert "Hello back." in hidden.text  # all else stays
    released = {"post": address.rpartition("/")[2]}
    assert (await house.ana.send("POST", "/g/open/desk/release", released)).status == 303
    assert "florbel" in (await house.cleo.open(thread)).text
    typo = await house.ben.fill(f"{address}/edit", text=f"{DETAIL} So.")
    assert typo.status == 303
    assert "So." in (await house.cleo.open(thread)).text  # somebody has read the rest

    own = await house.ana.fill(f"/p/{house.thread.id}/reply", text=HARMFUL[0])
    assert own.status == 303
    assert "[amount]" in (await house.cleo.open(thread)).text  # a moderator is a person
    settings = await house.ana.open("/g/open/settings")
    fields = [each for each in settings.page.form("sees").filled({}) if each[0] != "details_held"]
    assert len(fields) < len(settings.page.form("sees").filled({}))  # it was on
    assert (await house.ana.send("POST", "/g/open/settings", fields)).status == 303
    page, _ = await _answer(house, HARMFUL[3])
    assert KIND not in page.text
    assert HARMFUL[3] in (await house.cleo.open(thread)).text


async def test_dom_H5_the_ledger_is_found_from_about_safety_and_guidelines(house: House) -> None:
    for path in ("/about", "/about/safety", "/g/open/guidelines"):
        assert "/about/tools" in (await house.visitor.open(path)).html, path
    page = await house.visitor.open("/about/tools")
    for words in ("it noticed 18", "Of 40 other lines, it wrongly noticed 0.", "English only"):
        assert words in page.text, words
