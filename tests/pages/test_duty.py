"""Pages say who is here from the rota alone, and nothing where there is none (DOM-D13)."""

from datetime import UTC, datetime

import sqlalchemy as sa

from kernel.postgres import Server
from members import node as node_store
from moderation.duty import Rota, Slot
from node.pages.memory import MEMORY, forget_site
from tests.pages.conftest import House
from tests.pages.people import Person
from tests.pages.test_card import CARD, HEAVY, _start

MONDAY_EVENING = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
HERE = "Two trained volunteers are here until 23:00 (London time)."
NOBODY = "Nobody is on duty now. The next hours are 18:00 to 23:00 (London time)."
PATH = "/settings/node/duty"


async def _keep(house: House, *slots: Slot) -> None:
    """Two people on Monday evenings, by the clocks of London; it is Monday evening."""
    rota = Rota("Europe/London", slots or (Slot.read(0, "18:00", "23:00", 2),))
    async with house.node.engine.begin() as conn:
        await node_store.change_duty(conn, lambda _: rota)
    forget_site(house.node.app[MEMORY])
    house.node.clock.now = MONDAY_EVENING


async def _stays_honest(who: Person, path: str) -> None:
    answer = await who.open(path)
    assert HERE in answer.text, path
    assert answer.headers["Cache-Control"] in {"no-store", "no-cache", "private, no-cache"}, path


async def test_dom_D13_first_page_groups_and_help_say_who_is_here_to_the_minute(
    house: House,
) -> None:
    for path in ("/", "/g/open", "/help", "/help/ie"):
        assert "volunteer" not in (await house.visitor.open(path)).text, path
        assert "on duty" not in (await house.visitor.open(path)).text, path
    await _keep(house)
    for path in ("/", "/g/open", "/help", "/help/ie"):
        await _stays_honest(house.ben, path)
        assert HERE in (await house.visitor.open(path)).text, path
    house.node.clock.now = datetime(2026, 11, 23, 22, 59, 59, tzinfo=UTC)
    assert HERE in (await house.visitor.open("/help")).text
    house.node.clock.now = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    for path in ("/", "/g/open", "/help"):
        text = (await house.visitor.open(path)).text
        assert HERE not in text, path
        assert "Nobody is on duty now." in text, path
        assert ("Help lines:" in text) == (path != "/help"), path  # they are below, there
    house.node.clock.now = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
    assert NOBODY in (await house.visitor.open("/g/open")).text
    house.node.clock.now = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
    assert "The next hours are tomorrow, 18:00 to 23:00" in (await house.ben.open("/")).text
    german = await house.visitor.open("/help", Accept_Language="de")
    assert "Die nächsten Stunden: morgen, 18:00 bis 23:00 (Zeit in London)." in german.text


async def test_after_heavy_words_the_card_says_it_too(house: House) -> None:
    await _keep(house)
    page = await _start(house.ben, HEAVY)
    assert CARD in page.text
    assert HERE in page.text


async def test_with_no_database_nothing_is_promised(house: House, postgres: Server) -> None:
    await _keep(house)
    assert HERE in (await house.visitor.open("/help")).text
    forget_site(house.node.app[MEMORY])
    server = await postgres.connect()
    await server.execute(f'DROP DATABASE "{house.node.engine.url.database}" WITH (FORCE)')
    await server.close()
    answer = await house.visitor.open("/help")
    assert answer.status == 200
    assert HERE not in answer.text
    assert "on duty" not in answer.text


async def test_pages_ask_the_database_nothing_more_for_it(house: House) -> None:
    counted: list[str] = []

    def count(*parts: object) -> None:
        counted.append(str(parts[2]))

    async def statements() -> int:
        await house.ben.open("/")
        house.node.app[MEMORY].read_at += 1000  # the node's row is in memory, and stays there
        counted.clear()
        for path in ("/", "/g/open", f"/t/{house.thread.id}"):
            await house.ben.open(path)
        return len(counted)

    house.node.clock.now = MONDAY_EVENING
    await statements()
    sa.event.listen(house.node.engine.sync_engine, "before_cursor_execute", count)
    before = await statements()
    await _keep(house)
    assert await statements() == before


async def test_administrators_keep_the_rota(house: House) -> None:
    house.node.clock.now = MONDAY_EVENING
    for person in (house.ben, house.visitor):
        assert (await person.open(PATH)).status in {303, 403, 404}
        refused = await person.send("POST", PATH, {"day": "0", "start": "1", "end": "2"})
        assert refused.status in {303, 403, 404}
    assert "pages say nothing about it" in (await house.ana.open(PATH)).text
    sent = await house.ana.send("POST", PATH + "/zone", {"zone": "europe/london"})
    assert sent.status == 303
    days = [("day", "0"), ("day", "2")]
    await house.ana.send(
        "POST", PATH, [*days, ("start", "18:00"), ("end", "23:00"), ("people", "2")]
    )
    page = await house.ana.open(PATH)
    assert "Monday, 18:00–23:00" in page.text
    assert "Wednesday, 18:00–23:00" in page.text
    assert HERE in page.text
    assert HERE in (await house.visitor.open("/")).text  # at once, in this process
    removing = page.page.form("slot", action="/settings/node/duty/remove")
    await house.ana.submit(page, removing)
    page = await house.ana.open(PATH)
    assert "Monday, 18:00" not in page.text
    assert "Wednesday, 18:00" in page.text


async def test_what_was_typed_stays_when_it_cannot_be(house: House) -> None:
    fields = [("day", "3"), ("start", "18:00"), ("end", "25:00"), ("people", "4")]
    answer = await house.ana.send("POST", PATH, fields)
    assert answer.status == 400
    assert "Please write times like 18:00" in answer.text
    assert 'value="25:00"' in answer.html
    assert 'value="3" checked' in answer.html
    for wrong in ([], [("day", "9")], [("day", "é")]):
        answer = await house.ana.send("POST", PATH, [*wrong, *fields[1:]])
        assert "Please choose at least one day." in answer.text
    lost = await house.ana.send("POST", PATH + "/zone", {"zone": "Narnia"})
    assert lost.status == 400
    assert 'value="Narnia"' in lost.html
    odd = await house.ana.send("POST", PATH + "/remove", {"slot": "1 2 x"})
    assert odd.status == 400
