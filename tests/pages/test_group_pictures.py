"""A group has a picture: its moderators bring it, and whoever sees the group sees it."""

import re
from dataclasses import replace
from uuid import UUID

import pytest

from activitypub.state import SETTINGS
from groups import groups as group_store
from groups.groups import Group, Icon
from node import worker
from tests.media import draw
from tests.pages.conftest import House
from tests.pages.people import Answer, Person
from tests.pages.test_pictures import files_of

WORDS = "A yellow moon over a roof"
_ICON = re.compile(r'<img class="icon[^"]*" src="([^"]+)" alt="([^"]*)"')

pytestmark = pytest.mark.slow


def shown(answer: Answer) -> list[tuple[str, str]]:
    """The pictures of groups on a page: their addresses and descriptions."""
    return _ICON.findall(answer.html)


async def bring(person: Person, path: str, *files: bytes, **answers: str) -> Answer:
    at = await person.open(path)
    return await person.bring(at, at.page.form("alt"), files, **answers)


async def icon_of(house: House, group: Group) -> Icon | None:
    async with house.node.engine.connect() as conn:
        return (await group_store.get(conn, group.id)).icon


async def test_a_moderator_gives_a_group_a_picture_and_takes_it_away(house: House) -> None:
    settings = await house.ana.open("/g/open/settings")
    assert "/g/open/picture" in settings.html
    answer = await bring(house.ana, "/g/open/picture", draw.png(1_200, 900), alt=WORDS)
    page = await house.ana.follow(answer)
    ((address, alt),) = shown(page)
    assert alt == WORDS
    seen = await house.visitor.open(address)
    assert (seen.status, seen.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert max(draw.opened(seen.body).size) <= 512
    for path in ("/groups", "/"):
        assert (address, "") in shown(await house.visitor.open(path)), path  # its name is beside it

    await bring(house.ana, "/g/open/picture", alt="A moon")
    assert shown(await house.visitor.open("/g/open")) == [(address, "A moon")]
    await bring(house.ana, "/g/open/picture", draw.png(), alt=WORDS)
    ((other, _),) = shown(await house.visitor.open("/g/open"))
    assert other != address
    assert (await house.visitor.open(address)).status == 404
    await bring(house.ana, "/g/open/picture", alt=WORDS, remove="yes")
    assert shown(await house.visitor.open("/g/open")) == []
    await worker.settle(house.node.app)
    assert files_of(house.node) == []


async def test_a_picture_without_words_comes_back_and_is_not_lost(house: House) -> None:
    asked = await bring(house.ana, "/g/open/picture", draw.png(), alt=" ")
    assert asked.status == 400
    assert "what the picture shows" in asked.text
    ((draft, _),) = shown(asked)
    assert (await house.ana.open(draft)).status == 200
    assert (await house.ben.open(draft)).status == 404
    form = asked.page.form("alt")
    saved = await house.ana.bring(asked, form, [], alt=WORDS)
    assert [alt for _, alt in shown(await house.ana.follow(saved))] == [WORDS]

    asked = await bring(house.ana, "/g/open/picture", draw.png(), alt=" ")
    form = asked.page.form("alt")
    (token,) = [value for name, value in form.fields if name == "picture"]
    left = await house.ana.bring(asked, form, [], alt="", without=token)
    assert left.location == "/g/open/picture"
    assert [alt for _, alt in shown(await house.ana.open("/g/open"))] == [WORDS]
    broken = await bring(house.ana, "/g/open/picture", b"no picture", alt="A sun")
    assert broken.status == 415
    assert dict(broken.page.form("alt").fields)["alt"].strip() == "A sun"


async def test_sec_P8_only_moderators_change_it(house: House) -> None:
    assert (await house.ben.open("/g/open/picture")).status == 404
    asked = await bring(house.ana, "/g/open/picture", draw.png(), alt=" ")
    form = asked.page.form("alt")
    assert (await house.ben.bring(asked, form, [], alt=WORDS)).status in (400, 404)
    assert (await house.cleo.send("POST", "/g/open/picture", {"alt": "x"})).status == 404
    assert await icon_of(house, house.open) is None


async def test_sec_L11_the_picture_of_a_closed_group_is_for_its_members(house: House) -> None:
    origin = "http://pictures.test"
    node = house.node
    node.app._state[SETTINGS] = replace(node.app[SETTINGS], media_origin=origin)
    await bring(house.ana, "/g/private/picture", draw.png(), alt=WORDS)
    ((address, _),) = shown(await house.ana.open("/g/private"))
    seen = await house.ana.open(address)
    assert (seen.status, seen.headers["Cache-Control"]) == (200, "private, no-store")
    assert (await house.visitor.open(address)).status == 404
    assert (await house.ben.open(address)).status == 404
    await bring(house.ana, "/g/open/picture", draw.png(), alt=WORDS)
    ((public, _),) = shown(await house.visitor.open("/g/open"))
    assert public.startswith(f"{origin}/media/")
    lists = dict.fromkeys(each for each, _ in shown(await house.ana.open("/groups")))
    assert list(lists) == [public, address]
    host = {"Host": "pictures.test"}
    at_media = await house.visitor.send("GET", public.removeprefix(origin), headers=host)
    assert (at_media.status, at_media.headers["Content-Type"]) == (200, "image/webp")
    for path in (address, "/g/open", "/", "/static/0/site.css", "/.well-known/webfinger"):
        assert (await house.ana.send("GET", path, headers=host)).status == 404, path


async def test_sec_X2_what_a_picture_shows_stays_text(house: House) -> None:
    await bring(house.ana, "/g/open/picture", draw.png(), alt='"><script>alert(1)</script>')
    page = await house.visitor.open("/g/open")
    assert "<script>alert" not in page.html
    icon = await icon_of(house, house.open)
    assert icon is not None
    assert isinstance(icon.media_id, UUID)
    assert icon.alt == '"><script>alert(1)</script>'
