"""Every address with ids of somebody else in it, asked by everybody who is not meant (SEC-L8)."""

import json
from collections.abc import Iterator
from typing import Any

from groups import desk
from groups import posts as post_store
from tests.pages.conftest import House
from tests.pages.every_door import Scene
from tests.pages.test_messages import befriend, mine, old, turn_on, writes

OF_DESKS = ("/g/{name}/desk", "/g/{name}/settings", "/g/{name}/guidelines/edit", "/settings/node",
            "/admin/")  # fmt: skip
OF_A_NAME = ("/personas/{name}/", "/messages/{name}", "/decisions/{decision}")
SECRET = {"email", "ip", "token", "note", "account", "account_id", "login", "password", "session"}


def _keys(told: Any) -> Iterator[str]:
    """Every key of a document, however deep."""
    if isinstance(told, dict):
        yield from map(str, told)
    for each in told.values() if isinstance(told, dict) else told if isinstance(told, list) else ():
        yield from _keys(each)


async def _scene(house: House) -> Scene:
    """Ben has a decision about a post of his, and Ana and he write to each other."""
    node = house.node
    await old(node, house.ana, house.ben)
    for who in (house.ana, house.ben):
        await turn_on(who)
    path = await befriend(house)
    await writes(house.ben, mine(path, "ben"), "For Ana alone.")
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, house.ana.speaker)
        answer = await post_store.get(conn, house.answer.id)
        await desk.remove(conn, node.here, house.open, acting, answer, "Thank you.")
    page = await house.ben.open(mine(path, "ben"))
    delete = next(form.action for form in page.page.forms if form.action.endswith("/delete"))
    *_, conversation, message, _ = delete.split("/")
    return Scene(
        house=house,
        port=node.port,
        group=house.open,
        posts=[house.thread],
        author="ben",
        readers={
            "visitor": house.visitor, "cleo": house.cleo, "ben": house.ben, "ana": house.ana
        },
        message={"{conversation}": conversation, "{message}": message},
    )  # fmt: skip


async def test_sec_L8_what_belongs_to_a_name_or_a_desk_opens_to_nobody_else(house: House) -> None:
    scene = await _scene(house)
    doors = await scene.doors()
    own = [door for door in doors if door.route.startswith(OF_A_NAME)]
    opened = {door.route for door in await scene.read(own) if door.reader == "ben"}
    assert opened >= {
        "/personas/{name}/settings", "/personas/{name}/decisions", "/messages/{name}",
        "/messages/{name}/{conversation}", "/decisions/{decision}",
    }  # fmt: skip
    others = [door for door in await scene.read(own) if door.reader != "ben"]
    assert others == [], "not even to who looks after this place"
    desks = [door for door in doors if door.route.startswith(OF_DESKS)]
    found = await scene.read(desks)
    assert len({door.route for door in found}) > 20
    assert {door.reader for door in found} == {"ana"}


async def test_sec_L8_no_answer_has_a_key_that_tells_of_an_account(house: House) -> None:
    scene = await _scene(house)
    seen = 0
    for door, told in (await scene.read(await scene.doors())).items():
        if not told.startswith(("{", "[")):
            continue
        document, _ = json.JSONDecoder().raw_decode(told)
        assert not SECRET & set(_keys(document)), str(door)
        seen += 1
    assert seen > 10
