"""GET /about/numbers: how a month went here, and nothing that is about one person (DOM-H6)."""

import sqlalchemy as sa

from groups import month_numbers
from kernel.schema.tables import month_numbers as table
from tests.pages.conftest import House


async def test_dom_H6_a_month_is_counted_once_rounded_and_shown_to_everybody(
    house: House,
) -> None:
    node = house.node
    empty = await house.visitor.open("/about/numbers")
    assert "No numbers yet" in empty.text
    assert "/about/numbers" in (await house.visitor.open("/about")).html
    begun = node.here.now().date()
    for number in range(12):  # one more than ten of the first posts are answered within a day
        root = await node.start(house.ana.speaker, house.open.actor.uri, f"No {number}", "Hi.")
        if number < 11:
            node.clock.forward(minutes=30)
            await node.reply(house.ben.speaker, root.uri, "Hello.")
    assert node.here.now().date().month == begun.month

    async def count() -> bool:
        async with node.engine.begin() as conn:
            return await month_numbers.count(conn, node.here.now().date())

    days = 0
    while node.here.now().date().month == begun.month or node.here.now().date().day < 3:
        node.clock.forward(days=1)
        days += 1
        assert days < 40
    assert await count()
    page = await house.visitor.open("/about/numbers")
    async with node.engine.connect() as conn:
        found = {row.name: row.number for row in await conn.execute(sa.select(table))}
    assert found["posts"] == 25  # 26 with those of the story
    assert found["answered"] == 85  # 12 of 14, in steps of five
    assert found["hours"] == 1
    assert {found[name] for name in found if name.startswith("reports")} == {None}
    assert found["appeals"] is None
    assert "too few to say" in page.text
    assert "about 85 %" in page.text
    assert not await count()  # not again, whatever came since
    await node.reply(house.ben.speaker, house.thread.uri, "Later.")
    assert not await count()
    async with node.engine.connect() as conn:
        (month,) = await month_numbers.latest(conn)
    assert month.numbers == found
