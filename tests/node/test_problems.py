"""A database that is away is said so, to people and to servers, and both may try again."""

import sqlalchemy as sa

from tests.nodes import NodeFactory


async def test_a_database_that_is_away_is_503_and_work_goes_on_when_it_is_back(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    async with alder.engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE actors RENAME TO away"))
    page = await alder.get("/groups", accept="text/html")
    assert page.status == 503
    assert page.headers["Retry-After"] == "30"
    assert "Get help now" in await page.text()
    assert "Help does not wait for us" in await page.text()  # crisis lines, with no database
    document = await alder.get("/g/sleep")
    assert (document.status, document.content_type) == (503, "application/problem+json")
    assert "actors" not in await document.text()

    async with alder.engine.begin() as conn:
        await conn.execute(sa.text("ALTER TABLE away RENAME TO actors"))
    assert (await alder.get("/groups", accept="text/html")).status == 200
