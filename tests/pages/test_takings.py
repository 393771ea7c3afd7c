"""A list that was taken is taken back in one step, with what it cut (MOD-5.10)."""

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.schema.moderation import Level
from kernel.schema.tables import domain_errands
from moderation import domains, policy
from moderation.impact import Seen
from moderation.lists import reading, sources, taking, undoing
from moderation.policy import Policy
from node import follow_ups, impact_cli, keeping_away, tidy
from node.pages.session import ADMINISTRATOR
from tests.nodes import Node, NodeFactory
from tests.pages.people import person, settle
from tests.pages.test_ending_decisions import PAGE, follows_left, strangers
from tests.pages.test_every_page import check_page

ROWS = "domain,severity\n"


async def _levels(node: Node, *domains: str) -> list[Level]:
    async with node.engine.connect() as conn:
        return [(await policy.of_host(conn, each)).level for each in domains]


async def _take(conn: AsyncConnection, node: Node, list_id: str, rows: str) -> int:
    """Another copy of a list, that somebody agreed to: the number of the import."""
    source = await sources.one(conn, list_id)
    listed = reading.read((ROWS + rows).encode())
    found = await taking.compare(conn, node.here, source, listed)
    await taking.take(conn, node.here, source, found, agreed=True)
    return (await undoing.history(conn, list_id=list_id))[0].id


async def test_mod_5_10_one_import_is_taken_back_in_one_step_and_ties_come_back(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben = await person(alder, "ben")
    await strangers(alder, ben, 6)
    rows = f"{ROWS}good.test,suspend\nbad.test,suspend\nmeh.test,silence"
    brought = await ana.fill(PAGE, "import", name="A list", rows=rows)
    form = brought.page.form("answer", "seen")
    assert (await ana.submit(brought, form, answer="take", looked="yes")).status == 303
    assert await follows_left(alder) == 0
    shown = await ana.open(form.action.removesuffix("/answer"))
    at = shown.page.link(f"{PAGE}/imports/")
    assert (await ben.open(at)).status == 403
    page = await ana.open(at)
    assert "6 ties are put back." in page.text
    check_page(at, page)
    lines = await impact_cli._undo_taking(
        alder,  # type: ignore[arg-type]
        int(at.rpartition("/")[2]),
        dry_run=True,
        seen=Seen(),
    )
    assert lines == ["6 ties are put back."]
    assert await follows_left(alder) == 0
    back = await ana.submit(page, page.page.form("seen"))
    assert (back.status, await follows_left(alder)) == (303, 6)
    assert await _levels(alder, "good.test", "bad.test", "meh.test") == [Level.ACCEPT] * 3
    assert (await ana.open(at)).status == 404
    assert "What was taken of it" not in (await ana.follow(back)).text


async def test_mod_5_10_imports_are_taken_back_in_any_order(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    names = ("one.test", "two.test", "three.test")
    copies = (
        "one.test,suspend\ntwo.test,silence\n",
        "one.test,silence\ntwo.test,silence\nthree.test,suspend\n",
        "two.test,suspend\nthree.test,suspend\n",
    )
    async with alder.engine.begin() as conn:
        source = await sources.add(conn, alder.here, name="A list", max_level=Level.REJECT)
        first, second, third = [await _take(conn, alder, source.id, each) for each in copies]
    now = [Level.ACCEPT, Level.REJECT, Level.REJECT]
    assert await _levels(alder, *names) == now
    await keeping_away.undo_taking(alder.engine, alder.here, second)
    # the third took `one.test` away and hardened `two.test`; without the second, nobody else says
    # anything about `three.test`
    assert await _levels(alder, *names) == [Level.ACCEPT, Level.REJECT, Level.ACCEPT]
    await keeping_away.undo_taking(alder.engine, alder.here, third)
    assert await _levels(alder, *names) == [Level.REJECT, Level.FILTER, Level.ACCEPT]
    await keeping_away.undo_taking(alder.engine, alder.here, first)
    assert await _levels(alder, *names) == [Level.ACCEPT] * 3


async def test_mod_5_10_what_follows_a_decision_is_done_after_a_crash_too(
    node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ben = await person(alder, "ben")
    await strangers(alder, ben, 1)
    async with alder.engine.begin() as conn:
        before = await policy.in_force(conn)
        await domains.set_policy(conn, alder.here, "good.test", Policy(Level.DROP))
        seen = await keeping_away.impact_of(conn, alder.here, before)
        shown = Seen(seen.digest, looked=True)
        await keeping_away.settled(conn, alder.here, before, seen=shown)
    async with alder.engine.connect() as conn:  # and the process ends here
        (errand,) = (await conn.execute(domain_errands.select())).all()
    assert (errand.host, errand.recount, errand.pictures) == ("good.test", True, True)
    counted: list[list[str]] = []

    async def recount(_: object, hosts: list[str]) -> None:
        counted.append(hosts)

    monkeypatch.setattr(follow_ups, "recount_hosts", recount)
    for _ in range(2):
        await tidy.tidy(alder.engine, alder.here)
    assert counted == [["good.test"]]
