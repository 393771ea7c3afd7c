"""Crisis lines after posting: for the author alone, once, and nowhere written down (DOM-D10)."""

import re

import pytest
import sqlalchemy as sa

from kernel.schema.tables import metadata
from members import accounts
from members.member import Preferences
from tests.pages.conftest import House
from tests.pages.people import Answer, Person

HEAVY = "I am not safe tonight."
CARD = "Are you safe right now?"


async def _start(who: Person, words: str) -> Answer:
    """Post a thread and see the page after."""
    at = await who.open("/g/open/new")
    form = at.page.form("title", "text")
    choice = form.choice("as", "") if "as" in form.names else ""
    answers = {"title": "Tonight", "text": words, **({"as": choice} if choice else {})}
    sent = await who.submit(at, form, **answers)
    assert re.fullmatch(r"/t/\d+", sent.location), (sent.location, sent.text)
    return await who.follow(sent)


async def test_the_author_alone_sees_the_lines_of_their_country_once(house: House) -> None:
    page = await _start(house.ben, HEAVY)
    assert HEAVY in page.text  # after posting, never instead of it
    for words in (CARD, "If nobody answers", "All lines in Ireland", "Only you see this", "tel:"):
        assert words in page.html, words
    thread = str(page.page.url)
    again = await house.ben.open(thread)
    assert CARD not in again.text  # once in a day
    for other in (house.ana, house.visitor, house.cleo):
        assert CARD not in (await other.open(thread)).text
    assert CARD not in (await _start(house.ben, HEAVY)).text
    house.node.clock.forward(hours=25)
    assert CARD not in (await house.ben.open(thread)).text  # words of yesterday
    assert CARD in (await _start(house.ben, HEAVY)).text


@pytest.mark.slow
async def test_answers_have_it_too_and_the_browsers_country_comes_first(house: House) -> None:
    await house.ben.send("POST", "/look", {"country": "DE"})
    sent = await house.ben.fill(f"/p/{house.thread.id}/reply", text=HEAVY)
    page = await house.ben.follow(await house.ben.follow(sent))
    assert CARD in page.text
    assert "All lines in Germany" in page.text


@pytest.mark.slow
async def test_other_words_and_other_wishes_have_none(house: House) -> None:
    assert CARD not in (await _start(house.ben, "I slept badly and the tea is cold.")).text
    async with house.node.engine.begin() as conn:
        member = house.ben.prepared.member
        await accounts.save_preferences(
            conn, house.node.here, member, lambda _: Preferences(card=False)
        )
    assert CARD not in (await _start(house.ben, HEAVY)).text


@pytest.mark.slow
async def test_nothing_of_it_is_kept_or_sent(house: House) -> None:
    """Two posts alike but for heavy words leave the same rows and the same deliveries."""
    before = await _counts(house)
    await _start(house.ben, "I slept badly and the tea is cold.")
    light = await _counts(house)
    page = await _start(house.ben, HEAVY)
    assert CARD in page.text
    heavy = await _counts(house)
    assert {k: light[k] - before[k] for k in light} == {k: heavy[k] - light[k] for k in heavy}


async def _counts(house: House) -> dict[str, int]:
    async with house.node.engine.connect() as conn:
        return {
            table.name: await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }
