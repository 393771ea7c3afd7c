"""Wishes, content notes from one list, and languages, as pages offer and show them."""

import pytest

from activitypub.care import HOPES
from groups import threads
from groups.admission import Draft
from kernel.schema.posts import Wish
from node.pages.group_words import WISHES
from tests.pages.conftest import House
from tests.pages.people import Answer, Person

HARD = "what happened on that day"


async def begin(person: Person, **answers: str) -> Answer:
    """A thread by the form."""
    filled = {"title": "A heavy day", "text": f"I think of {HARD}.", "guidelines": "1", **answers}
    at = await person.open("/g/open/new")
    form = at.page.form("text", "title")
    known = {name: value for name, value in filled.items() if name in form.names}
    sent = await person.submit(at, form, **known)
    assert sent.status == 303, sent.text
    return sent


async def test_dom_A8_a_wish_is_asked_shown_and_can_be_changed(house: House) -> None:
    sent = await begin(house.ben, wish="listen")
    path = sent.location
    page = (await house.cleo.open(path)).text
    assert "ben is hoping for somebody who just listens." in page
    assert "Hoping for somebody who just listens" in (await house.cleo.open("/g/open")).text
    number = path.rpartition("/")[2]
    assert "is hoping for" in (await house.ana.open(f"/p/{number}/reply")).text
    at = await house.ben.open(f"/p/{number}/edit")
    assert dict(at.page.form("text").filled({}))["wish"] == "listen"
    changed = await house.ben.submit(at, at.page.form("text"), wish="no-replies")
    assert changed.status == 303
    page = (await house.cleo.open(path)).text
    assert "ben wishes to be read, with no replies." in page
    closed = await house.ana.open(f"/p/{number}/reply")
    assert "No replies, please" in closed.text
    assert 'name="text"' not in closed.html
    assert 'name="text"' in (await house.ben.open(f"/p/{number}/reply")).html  # the author may


async def test_dom_A9_labels_become_a_note_that_is_folded_and_not_in_the_title(
    house: House,
) -> None:
    sent = await begin(house.ben, label="grief", note="my brother")
    page = await house.cleo.open(sent.location)
    head, _, body = page.html.partition("</head>")
    assert "heavy" not in head
    assert "Content note: grief, my brother" in head
    assert HARD not in body.partition("<details")[0]
    assert '<details class="cover">\n  <summary><span>Content note: grief, my brother' in body
    edit = await house.ben.open(f"/p/{sent.location.rpartition('/')[2]}/edit")
    filled = edit.page.form("text").filled({})
    assert ("note", "my brother") in filled
    assert ("label", "grief") in filled


async def choose(person: Person, **answers: str) -> None:
    saved = await person.fill("/settings", "/settings/reading", **answers)
    assert saved.status == 303, saved.text


async def test_dom_A9_a_reader_chooses_by_label_and_nobody_else_sees_it(house: House) -> None:
    sent = await begin(house.ben, label="grief")
    number = sent.location.rpartition("/")[2]
    await choose(house.cleo, **{"cover-grief": "hide"})
    page = (await house.cleo.open(sent.location)).html
    assert HARD not in page
    assert "A heavy day" not in page
    assert "A post about grief is hidden by your choice." in page
    assert f'href="/p/{number}?show=1"' in page
    listed = (await house.cleo.open("/g/open")).text
    assert "A heavy day" not in listed
    assert "A thread about grief is hidden by your choice." in listed
    shown = await house.cleo.follow(await house.cleo.open(f"/p/{number}?show=1"))
    assert HARD in shown.text
    assert "A heavy day" in shown.text
    for other in (house.ana, house.visitor):
        assert "Content note: grief" in (await other.open(sent.location)).text
    await choose(house.ben, **{"cover-grief": "hide"})
    assert HARD in (await house.ben.open(sent.location)).html  # nobody's own words are hidden
    await choose(house.cleo, **{"cover-grief": "show"})
    page = (await house.cleo.open(sent.location)).html
    assert '<details class="cover">' not in page
    assert HARD in page


@pytest.mark.slow
async def test_dom_A9_what_a_label_does_not_say_stays_folded(house: House) -> None:
    sent = await begin(house.ben, label="grief", note="and more")
    await choose(house.cleo, **{"cover-grief": "show"})
    assert '<details class="cover">' in (await house.cleo.open(sent.location)).html
    at = await house.cleo.open("/settings")
    form = at.page.form("cover-grief")
    refused = await house.cleo.send("POST", "/settings/reading", {"cover-grief": "burn"})
    assert refused.status == 400
    assert dict(form.filled({}))["cover-grief"] == "show"


async def test_dom_A18_lists_leave_other_languages_out_and_threads_fold_them(house: House) -> None:
    draft = Draft(title="Schlaflos", source="Ich liege wach.", language="de", guidelines=9)
    async with house.node.engine.begin() as conn:
        post = await threads.start(conn, house.node.here, house.ana.speaker, house.open, draft)
    assert "Schlaflos" in (await house.cleo.open("/g/open")).text
    await choose(house.cleo, languages="en")
    listed = await house.cleo.open("/g/open")
    assert "Schlaflos" not in listed.text
    assert "1 thread in another language is left out." in listed.text
    assert "Schlaflos" in (await house.cleo.open("/g/open?all=1")).text
    page = (await house.cleo.open(f"/t/{post.thread_id}")).html
    assert "<summary><span>In German</span></summary>" in page
    assert '<div class="words" lang="de" dir="auto">' in page
    assert '<h1 lang="de" dir="auto">' in page
    assert "Schlaflos" in (await house.visitor.open("/g/open")).text


def test_dom_A8_every_wish_has_its_words() -> None:
    assert set(HOPES) == set(WISHES) == set(Wish)
