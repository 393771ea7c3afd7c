"""Hints on forms: seen once, never in the way, and off for who wants none (DOM-A10, DOM-A15)."""

import logging

import pytest

from tests.pages.conftest import House

WORDS = "My uncle committed suicide. I wept for a week."


async def test_dom_A10_a_hint_keeps_the_words_and_one_press_goes_on(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = f"/p/{house.thread.id}/reply"
    asked = await house.ben.fill(path, text=WORDS)
    assert asked.status == 400
    assert "You could say “died by suicide”." in asked.text
    assert "Nothing is sent yet." in asked.text
    form = asked.page.form("text", "as_it_is")
    assert dict(form.filled({}))["text"] == WORDS
    assert "as_it_is" not in dict(form.filled({}))
    assert "wept" not in (await house.cleo.open(f"/t/{house.thread.id}")).text
    sent = await house.ben.submit(asked, form, as_it_is="yes")
    assert sent.status == 303
    assert "committed suicide" in (await house.cleo.open(f"/t/{house.thread.id}")).text
    assert "uncle" not in caplog.text
    changed = await house.ben.fill(f"{sent.location}/edit", text=f"{WORDS} Still do.")
    assert changed.status == 303  # what was there already is not asked about again


async def test_dom_H4_advice_about_medicine_gets_a_hint_and_a_label_to_choose(house: House) -> None:
    path = f"/p/{house.thread.id}/reply"
    asked = await house.ben.fill(path, text="Please quit the antidepressants.")
    assert asked.status == 400
    assert "people who know the person" in asked.text
    assert "Give it the label: a medical claim nobody checked" in asked.text
    form = asked.page.form("text", "as_it_is")
    sent = await house.ben.submit(asked, form, as_it_is="yes", label="medical-claim-unreviewed")
    assert sent.status == 303
    page = await house.cleo.open(f"/t/{house.thread.id}")
    assert "Content note: a medical claim nobody checked" in page.text
    own = await house.ben.fill(path, text="I came off my medicine slowly, and I had help.")
    assert own.status == 303


@pytest.mark.slow
async def test_dom_A10_a_hint_comes_before_the_question_about_contact_details_and_stays_answered(
    house: House,
) -> None:
    both = f"{WORDS} Ring me on 07700 900123."
    asked = await house.ben.fill(f"/p/{house.thread.id}/reply", text=both)
    assert "as_it_is" in asked.html
    again = await house.ben.submit(asked, asked.page.form("as_it_is"), as_it_is="yes")
    assert again.status == 400
    assert "a phone number" in again.text
    last = await house.ben.submit(again, again.page.form("contacts_stay"), contacts_stay="yes")
    assert last.status == 303


async def test_dom_A15_cards_for_answers_and_a_switch_that_turns_all_off(house: House) -> None:
    path = f"/p/{house.thread.id}/reply"
    open_for = (await house.ben.open(path)).text
    assert "Ask before you give ideas." in open_for
    assert "Please keep to the guidelines" in open_for
    assert "Not sure what to say?" not in (await house.ben.open("/g/open/new")).text
    hinted = await house.ben.fill(path, text="At least you have a job.")
    assert "Do you want to say more?" in hinted.text
    assert (await house.ben.fill("/settings", "/settings/reading", hints="")).status == 303
    assert "Not sure what to say?" not in (await house.ben.open(path)).text
    assert (await house.ben.fill(path, text="At least you have a job.")).status == 303
    refused = await house.cleo.fill("/g/open/join", guidelines="1")
    assert refused.status == 303
    polled = await house.cleo.fill(
        f"/p/{house.thread.id}/poll", text="Which?", options="You should go\nStay"
    )
    assert "Would ideas help" in polled.text
