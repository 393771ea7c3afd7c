"""What it cuts to decide, and to take a decision back, is seen first on every page (MOD-5.9)."""

from collections.abc import Sequence
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import NotFound
from kernel.here import Here
from kernel.schema.moderation import Level
from kernel.schema.tables import actors, follows
from members import out_of_reach, severing
from members.severing import Words
from moderation import domains, impact
from moderation.impact import Seen
from moderation.policy import Policy
from node import keeping_away
from node.pages.session import ADMINISTRATOR
from tests.moderation import communities
from tests.nodes import Node, NodeFactory, block
from tests.pages.people import Person, person, settle
from tests.pages.test_every_page import check_page

PAGE = "/settings/node/domains"
AWAY = "/out-of-reach"
CHANGES = "/settings/node/changes"


async def follows_left(node: Node) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(follows)) or 0


async def strangers(node: Node, ben: Person, count: int, host: str = "good.test") -> None:
    """So many people elsewhere, whom ben follows."""
    dice = Random(7)
    made = [communities.actor(dice, host, "Person") for _ in range(count)]
    async with node.engine.begin() as conn:
        await conn.execute(actors.insert(), made)
        rows = [
            {"follower_id": ben.actor.id, "followed_id": each["id"], "state": "accepted",
             "uri": f"{node.origin}/a/{number}", "guidelines": 0, "approved": False}
            for number, each in enumerate(made)
        ]  # fmt: skip
        await conn.execute(follows.insert(), rows)


async def test_mod_5_9_where_much_comes_from_is_looked_at_also_with_no_tie(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    async with alder.engine.begin() as conn:
        await conn.execute(actors.insert(), communities.actor(Random(1), "good.test", "Person"))
        await communities.arrivals(conn, {"good.test": 1})
    first = await ana.fill(PAGE, domain="good.test", level="reject")
    assert first.status == 409
    check_page(PAGE, first)
    unlooked = await ana.submit(first, first.page.form("seen", "looked"))
    assert unlooked.status == 400
    again = unlooked.page.form("seen", "looked")
    assert (await ana.submit(unlooked, again, looked="yes")).status == 303
    await ana.fill(PAGE, domain="mild.test", level="filter")
    listed = await ana.open(CHANGES)
    assert "off public lists" in listed.text
    assert "not talked to · 0 ties cut" in listed.text
    assert "Taken back" not in listed.text
    number = listed.html.partition(f"{CHANGES}/")[2].partition('"')[0]
    one = await ana.open(f"{CHANGES}/{number}")
    assert "It was decided: off public lists." in one.text
    assert "Take it back" not in one.text
    check_page(f"{CHANGES}/{number}", one)


async def test_mod_5_10_taking_a_mild_decision_back_shows_what_a_wider_one_cuts(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben = await person(alder, "ben")
    for domain, level in (("kind.good.test", Level.ACCEPT), ("good.test", Level.REJECT)):
        await keeping_away.decide(alder.engine, alder.here, domain, Policy(level))
    await strangers(alder, ben, 6, "kind.good.test")
    asked = await ana.fill(PAGE, "forget", domain="kind.good.test")
    assert (asked.status, await follows_left(alder)) == (409, 6)
    assert "6 follows of people there would be cut." in asked.text
    check_page(f"{PAGE}/forget", asked)
    unlooked = await ana.submit(asked, asked.page.form("seen", "looked"))
    assert (unlooked.status, await follows_left(alder)) == (400, 6)
    form = unlooked.page.form("seen", "looked")
    done = await ana.submit(unlooked, form, looked="yes")
    assert (done.status, done.location, await follows_left(alder)) == (303, PAGE, 0)
    odd = await ana.send("POST", f"{PAGE}/forget", {"domain": "*.example"})
    assert odd.status == 400
    check_page(PAGE, odd)


async def test_mod_5_10_a_decision_that_just_ends_cuts_nobody_off_before_a_person_looked(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben = await person(alder, "ben")
    today = Words(until=alder.here.now().date())
    for domain in ("kind.good.test", "empty.good.test"):
        await keeping_away.decide(
            alder.engine, alder.here, domain, Policy(Level.ACCEPT), words=today
        )
    await keeping_away.decide(alder.engine, alder.here, "good.test", Policy(Level.REJECT))
    await strangers(alder, ben, 1, "kind.good.test")
    alder.clock.forward(days=1)
    await keeping_away.expire(alder.engine, alder.here)
    assert await follows_left(alder) == 1
    async with alder.engine.connect() as conn:
        assert (await domains.own(conn, "kind.good.test")).until is None
        with pytest.raises(NotFound):  # nobody loses anything by that
            await domains.own(conn, "empty.good.test")
        (waits,) = [each for each in await severing.history(conn) if each.is_held]
    assert (waits.domain, waits.impact.relations.all) == ("kind.good.test", 1)
    page = await ana.open(f"{CHANGES}/{waits.id}")
    assert "was to end by now" in page.text
    check_page(f"{CHANGES}/{waits.id}", page)
    await keeping_away.expire(alder.engine, alder.here)
    async with alder.engine.connect() as conn:
        assert sum(each.is_held for each in await severing.history(conn)) == 1
    shown = await ana.open(page.page.link("/settings/node/impact"))
    assert (await ana.submit(shown, shown.page.form("seen"))).status == 303
    assert await follows_left(alder) == 0


async def test_mod_5_10_decisions_end_while_somebody_decides_about_another_server(
    node: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ben = await person(alder, "ben")
    await keeping_away.decide(
        alder.engine,
        alder.here,
        "kind.good.test",
        Policy(Level.ACCEPT),
        words=Words(until=alder.here.now().date()),
    )
    await strangers(alder, ben, 1, "other.test")
    alder.clock.forward(days=1)
    expire = domains.expire
    rounds = 0

    async def meanwhile(conn: AsyncConnection, here: Here) -> Sequence[str]:
        nonlocal rounds
        rounds += 1
        assert rounds < 3, "it goes round in a circle"
        if rounds == 1:
            async with alder.engine.begin() as other:
                await block(other, here, "other.test")
        return await expire(conn, here)

    monkeypatch.setattr(domains, "expire", meanwhile)
    await keeping_away.expire(alder.engine, alder.here)
    async with alder.engine.connect() as conn:
        with pytest.raises(NotFound):
            await domains.own(conn, "kind.good.test")


async def test_design_v1_the_page_of_ties_names_no_persona(node: NodeFactory) -> None:
    """DESIGN-V1, V2: neither an address of ours nor a hidden field says which name is whose."""
    alder = await node("alder.test")
    await settle(alder)
    ben, cleo = await person(alder, "ben"), await person(alder, "cleo")
    count = out_of_reach.PAGE + 1
    await strangers(alder, ben, count)
    async with alder.engine.connect() as conn:
        would = await impact.of(conn, alder.here, ["good.test"], Level.REJECT)
    await keeping_away.decide(
        alder.engine,
        alder.here,
        "good.test",
        Policy(Level.REJECT),
        seen=Seen(would.digest, looked=True),
    )
    page = await ben.open(AWAY)
    more = page.page.link(f"{AWAY}?after=")
    for html in (page.html, more):
        assert str(ben.actor.id) not in html
        assert ben.actor.id.hex not in html
    second = await ben.open(more)
    assert second.html.count('name="tie"') == 1
    check_page(more, second)
    for other in (more, f"{AWAY}?after={ben.actor.id}_{ben.actor.id}", f"{AWAY}?after=x"):
        assert (await cleo.open(other)).status == 404, "nobody reads another's place"
    tie = second.page.form("tie")
    assert (await cleo.submit(second, tie)).status == 404
    assert (await ben.submit(second, tie)).status == 303
    assert f"{count - 1} ties of yours" in (await ben.open("/notices")).text
