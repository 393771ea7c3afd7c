"""The printed sheet: a new recovery code, and codes that close a name without logging in."""

import re

import pytest
import sqlalchemy as sa

from groups import closing
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema.actors import ActorState
from kernel.schema.tables import actors
from members import departures
from members.vault import ADVISED, closes, closing_code
from tests.nodes import NodeFactory
from tests.pages.people import PASSWORD, Answer, Browser, Person, person, settle

CODE = re.compile(r"(?:[0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}")


@pytest.fixture
async def ana(node: NodeFactory) -> Person:
    alder = await node("alder.test")
    await settle(alder)
    return await person(alder, "ana", cost=ADVISED)


def test_a_closing_code_fits_its_name_alone_however_it_is_typed(here: Here) -> None:
    one, two = random_uuid(), random_uuid()
    code = closing_code(here, one)
    assert CODE.fullmatch(code)
    assert closes(here, one, code.lower().replace("-", " "))
    assert closes(here, one, code.replace("0", "o").replace("1", "l"))
    for odd in (closing_code(here, two), code[:-1], code + "0", "", "\ud800", "É" * 100_000):
        assert not closes(here, one, odd)


async def test_v4_the_sheet_has_a_new_recovery_code_and_a_code_for_each_name(ana: Person) -> None:
    refused = await ana.fill("/settings/sheet", password="not this one", names="yes")
    assert refused.status == 403
    assert not CODE.search(refused.html)
    nothing = await ana.send("POST", "/settings/sheet", {"password": PASSWORD})
    assert nothing.status == 400
    sheet = await ana.fill("/settings/sheet", password=PASSWORD, names="yes", recovery="yes")
    recovery, closing_one = CODE.findall(sheet.html)
    assert closing_one == closing_code(ana.node.here, ana.actor.id)
    assert sheet.headers["Cache-Control"] == "no-store"
    assert "@ana@alder.test" in sheet.text
    assert (await ana.open("/settings")).status == 200  # nobody was signed out
    old = {"login": "ana-logs-in", "code": ana.prepared.recovery_code, "password": PASSWORD}
    assert (await Browser(ana.node).send("POST", "/recover", old)).status == 403
    assert (
        await Browser(ana.node).send("POST", "/recover", {**old, "code": recovery})
    ).status == 200


async def close(ana: Person, when: str, handle: str = "ana", code: str = "") -> Answer:
    fields = {
        "handle": handle,
        "when": when,
        "code": code or closing_code(ana.node.here, ana.actor.id),
    }
    return await Browser(ana.node).send("POST", "/personas/close", fields)


async def state_of(ana: Person) -> int:
    return (await Browser(ana.node).open("/u/ana")).status


async def test_v4_a_name_closes_by_its_code_without_logging_in(ana: Person) -> None:
    await person(ana.node, "ben")
    assert (await close(ana, "now", handle="@ANA@alder.test")).status == 200
    while await closing.close_one(ana.node.engine, ana.node.here):
        pass
    assert await state_of(ana) == 410
    assert (await Browser(ana.node).open("/u/ben")).status == 200
    again = await close(ana, "now")
    unknown = await close(ana, "now", handle="eve")
    wrong = await close(ana, "now", handle="ben")
    assert again.status == unknown.status == wrong.status == 403
    pages = {
        answer.html.replace(f'value="{name}"', "value")
        for answer, name in ((again, "ana"), (unknown, "eve"), (wrong, "ben"))
    }
    assert len(pages) == 1  # SEC-U20: a wrong code and a name that is not there are the same bytes


async def test_v4_or_on_a_day_of_its_own_within_two_weeks(ana: Person) -> None:
    assert (await close(ana, "sometime")).status == 400
    assert (await close(ana, "later")).status == 200
    here = ana.node.here
    async with ana.node.engine.connect() as conn:
        ((_, leaving, _),) = await departures.waiting(conn, here)
    assert leaving == ana.actor.id
    assert await departures.fall_due(ana.node.engine, here) == 0
    ana.node.clock.forward(days=15)
    assert await departures.fall_due(ana.node.engine, here) == 1
    while await closing.close_one(ana.node.engine, here):
        pass
    assert await state_of(ana) == 410


async def test_v3_closing_a_suspended_name_is_no_way_around_the_suspension(ana: Person) -> None:
    assert (await close(ana, "later")).status == 200
    engine, here = ana.node.engine, ana.node.here
    async with engine.begin() as conn:
        await conn.execute(
            sa.update(actors)
            .where(actors.c.id == ana.actor.id)
            .values(state=ActorState.SUSPENDED, name="Ana")
        )
    assert (await close(ana, "now")).status == 200
    ana.node.clock.forward(days=15)
    await departures.fall_due(engine, here)
    while await closing.close_one(engine, here):
        pass
    assert await state_of(ana) == 410  # gone, and the stop holds against who had it
    async with engine.connect() as conn:
        query = sa.select(actors.c.name).where(actors.c.id == ana.actor.id)
        assert await conn.scalar(query) == "ana"  # what it was is gone
    refused = await ana.fill("/personas/new", handle="ana_again", name="")
    assert refused.status == 403
    assert "paused" in refused.text


async def test_guessing_closing_codes_has_an_end(ana: Person) -> None:
    statuses = [(await close(ana, "now", code=f"{n}")).status for n in range(1, 22)]
    assert statuses == [403] * 20 + [429]
    async with ana.node.engine.connect() as conn:
        assert await departures.waiting(conn, ana.node.here) == []
    assert ana.actor.state is ActorState.ACTIVE
    assert await state_of(ana) == 200
