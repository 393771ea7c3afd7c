"""Which name speaks: said wherever one writes, with its picture and label, and easy to change."""

import re

import pytest

from members.member import MAX_LABEL
from tests.members.people import persona
from tests.pages.conftest import House
from tests.pages.people import Answer


async def two_names(house: House) -> None:
    """Ana belongs to the open group under two names."""
    second = await persona(house.node.engine, house.node.here, house.ana.prepared.member, "nana")
    at = await house.ana.open("/g/open/join")
    form = at.page.form("as")
    assert (await house.ana.submit(at, form, guidelines="1")).status == 303
    assert second.handle == "nana"


def offered(answer: Answer) -> list[str]:
    """The names that one can speak with on a page."""
    form = answer.page.form("as")
    return [words for name, _, words in form.choices if name == "as"]


async def test_dom_A2_every_place_to_write_names_who_speaks_and_offers_the_others_in_one_step(
    house: House,
) -> None:
    await two_names(house)
    for path in ("/g/open/new", "/p/{}/reply", "/p/{}/poll", "/p/{}/heard", "/groups/new"):
        page = await house.ana.open(path.format(house.answer.id))
        assert page.status == 200, path
        names = offered(page)  # opening the form is one action, choosing another name the second
        assert any("@nana@alder.test" in words for words in names), path
        assert page.html.count('<svg class="medal"') == 2, path
    for path in ("/g/open/new", "/p/{}/reply"):
        page = await house.ben.open(path.format(house.thread.id))
        form = page.page.form("as")  # the only name that can speak is chosen already
        assert form.choice("as", "@ben@alder.test") == dict(form.fields)["as"], path


async def test_dom_A2_labels_are_seen_by_their_owner_alone(house: House) -> None:
    await two_names(house)
    word = "for bad nights"
    saved = await house.ana.fill("/personas", **{"label-ana": word, "label-nana": ""})
    assert saved.location == "/personas?saved"
    for path in ("/personas", "/g/open/new"):
        assert word in (await house.ana.open(path)).text
    for path in ("/g/open", f"/t/{house.thread.id}", "/u/ana"):
        for browser in (house.ben, house.visitor):
            assert word not in (await browser.open(path)).html
    assert word not in await (await house.node.get("/u/ana")).text()
    await house.ana.fill("/settings", theme="dark")  # other preferences leave it alone
    assert word in (await house.ana.open("/personas")).text
    assert await house.node.mentions(word) == []
    await house.ben.send("POST", "/personas/labels", {"label-ana": "not mine"})
    assert "not mine" not in (await house.ana.open("/personas")).text
    assert "not mine" not in (await house.ben.open("/personas")).text
    long = await house.ana.fill("/personas", **{"label-ana": "x" * (MAX_LABEL + 1)})
    assert long.status == 400
    await house.ana.fill("/personas", **{"label-ana": ""})
    assert word not in (await house.ana.open("/personas")).html


async def test_other_servers_get_the_picture_and_pages_never_ask_for_it(house: House) -> None:
    document = await (await house.node.get("/u/ben")).json()
    address = document["icon"]["url"]
    assert document["icon"] == {"type": "Image", "mediaType": "image/png", "url": address}
    assert address == f"{house.node.origin}/u/ben/icon.png"
    picture = await house.node.get("/u/ben/icon.png")
    assert picture.status == 200
    assert picture.headers["Content-Type"] == "image/png"
    assert await picture.read() != await (await house.node.get("/u/ana/icon.png")).read()
    assert (await house.node.get("/u/nobody/icon.png")).status == 404
    for path in ("/personas", "/g/open/new", "/u/ana"):
        assert not re.search(r"/u/\w+/icon", (await house.ana.open(path)).html)


@pytest.mark.parametrize("handle", ["icon", "png"])
async def test_any_name_may_be_called_so(house: House, handle: str) -> None:
    await persona(house.node.engine, house.node.here, house.ben.prepared.member, handle)
    assert (await house.node.get(f"/u/{handle}/icon.png")).status == 200


async def test_who_read_the_guidelines_by_one_name_may_write_by_a_new_one(house: House) -> None:
    """They are asked no second time, and nobody else is let through."""
    words = {"title": "Only here", "text": "Some words.", "as": "once"}
    sent = await house.ben.fill("/g/open/new", "/new", **words)
    assert sent.status == 303, sent.text
    page = await house.cleo.open("/g/open/new")
    assert 'type="checkbox" id="guidelines"' in page.html
    refused = await house.cleo.submit(page, page.page.form("title", "text"), **words)
    assert refused.status == 409
    assert "Please read the guidelines first" in refused.text
