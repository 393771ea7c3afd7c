"""A decision about a server: seen, made, told to whom it concerns, taken back (MOD-5.9)."""

import sqlalchemy as sa

from kernel.schema.moderation import Level
from kernel.schema.tables import audit, follows
from moderation.impact import Seen
from moderation.policy import Policy
from node import commands, keeping_away, list_commands
from node.pages.session import ADMINISTRATOR
from tests.moderation import communities
from tests.nodes import NodeFactory, settle
from tests.pages.people import Browser, person
from tests.pages.people import settle as settled
from tests.pages.test_every_page import check_page
from tests.peer import PeerFactory

PREVIEW = "/settings/node/impact?domain=good.test"
CHANGES = "/settings/node/changes"


async def test_mod_5_9_what_it_cuts_is_shown_first_and_only_that_is_cut(
    node: NodeFactory, peer: PeerFactory
) -> None:
    alder = await node("alder.test")
    await settled(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben, cleo = await person(alder, "ben"), await person(alder, "cleo")
    good = await peer("good.test", alder)
    people = [good.person(name) for name in ("ann", "bob", "cat", "dan", "eve", "fay", "gus")]
    await good.follow(alder, people[0], ben.actor.uri)
    await settle(alder)

    async with alder.engine.begin() as conn:
        await communities.arrivals(conn, {"other.test": 2_000})

    for browser, status in ((ben, 403), (Browser(alder), 303)):  # who is not logged in, logs in
        assert (await browser.open(PREVIEW)).status == status
        assert (await browser.open(CHANGES)).status == status
    wrong = await ana.open("/settings/node/impact?domain=not+a+domain")
    assert wrong.status == 400
    seen = await ana.open(PREVIEW)
    assert "1 name here would lose somebody." in seen.text
    assert "Please look twice" not in seen.text
    check_page(PREVIEW, seen)

    direct = await ana.fill("/settings/node/domains", domain="good.test", level="reject")
    assert direct.status == 409
    assert "1 person there would no longer follow somebody here." in direct.text
    check_page("/settings/node/domains", direct)
    for each in people[1:]:
        await good.follow(alder, each, ben.actor.uri)
    await settle(alder)
    form = next(form for form in seen.page.forms if form.action == "/settings/node/impact")
    refused = await ana.submit(seen, form, reason="They send advertising.")
    assert refused.status == 409
    assert "7 follows from there would be cut." in refused.text
    assert "Please look twice" in refused.text
    assert "They send advertising." in refused.html
    form = next(form for form in refused.page.forms if form.action == "/settings/node/impact")
    unlooked = await ana.submit(refused, form)
    assert unlooked.status == 400
    check_page(PREVIEW, unlooked)
    domains = await ana.submit(direct, direct.page.form("seen"))
    assert domains.status == 409  # it shows what there is now, and asks for a look
    done = await ana.submit(domains, domains.page.form("seen", "looked"), looked="yes")
    assert (done.status, done.location) == (303, "/settings/node/domains")

    listed = await ana.open(CHANGES)
    assert "7 ties cut" in listed.text
    check_page(CHANGES, listed)
    assert "7 ties of yours" in (await ben.open("/notices")).text
    mine, others = await ben.open("/out-of-reach"), await cleo.open("/out-of-reach")
    assert "@ann@good.test" in mine.html
    assert "@ann@good.test" not in others.html
    assert (await Browser(alder).open("/out-of-reach")).status == 303
    check_page("/out-of-reach", mine)
    saved = await ben.send("POST", "/out-of-reach/file", {})
    assert saved.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert saved.body == b"Account address\r\n"  # they follow ben, and not the other way
    tie = next(form for form in mine.page.forms if form.action == "/out-of-reach")
    assert (await cleo.submit(mine, tie)).status == 404
    assert "7 ties of yours" in (await ben.open("/notices")).text
    assert (await ben.submit(mine, tie)).status == 303
    assert "6 ties of yours" in (await ben.open("/notices")).text

    number = listed.html.partition(f"{CHANGES}/")[2].partition('"')[0]
    one = await ana.open(f"{CHANGES}/{number}")
    assert "6 ties are put back." in one.text
    check_page(CHANGES, one)
    assert (await ben.send("POST", f"{CHANGES}/{number}/undo", {})).status == 403
    assert (await ana.send("POST", f"{CHANGES}/{number}/undo", {})).status == 303
    assert "This was taken back." in (await ana.open(f"{CHANGES}/{number}")).text
    assert (await ana.send("POST", f"{CHANGES}/{number}/undo", {})).status == 404
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(follows)) == 6
    assert "Nobody is out of reach" in (await ben.open("/out-of-reach")).text

    brought = await ana.fill("/settings/node/domains", "import", name="A list", rows="good.test")
    assert "6 follows from there would be cut." in brought.text
    form = brought.page.form("answer", "seen")
    assert (await ana.send("POST", form.action, {"answer": "take"})).status == 409
    assert (await ana.submit(brought, form, answer="take", looked="yes")).status == 303
    async with alder.engine.connect() as conn:
        cut = sa.select(audit.c.impact).where(audit.c.verb == "ties cut")
        (line,) = await conn.scalars(cut)
    assert line["relations"]["all"] == 6
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(follows)) == 0

    async def left() -> int:
        async with alder.engine.connect() as conn:
            return await conn.scalar(sa.select(sa.func.count()).select_from(follows)) or 0

    mild = "domain,severity\ngood.test,noop"
    brought = await ana.fill("/settings/node/domains", "import", name="Mild", rows=mild)
    milder = brought.page.form("answer", "seen")
    assert (await ana.submit(brought, milder, answer="take")).status == 303
    assert await left() == 6, "of several lists the mildest counts"
    ending = await ana.send("POST", milder.action, {"answer": "remove"})
    assert (ending.status, await left()) == (409, 6)
    assert "6 follows from there would be cut." in ending.text
    check_page(milder.action, ending)
    by_command = milder.action.split("/")[-2]
    lines = await list_commands.remove(
        alder,  # type: ignore[arg-type]
        list_id=by_command,
        seen=Seen(),
    )
    assert lines[0] == "Nothing was changed."
    last = ending.page.form("answer", "seen")
    assert (await ana.submit(ending, last, answer="remove", looked="yes")).status == 303
    assert await left() == 0

    await keeping_away.decide(alder.engine, alder.here, "good.test", Policy(Level.NOTE))
    assert await left() == 6
    lines = await commands.unblock_domain(
        alder,  # type: ignore[arg-type]
        domain="good.test",
        seen=Seen(),
    )
    assert lines[0] == "Nothing was changed."
    assert "hearthold domain unblock good.test --seen" in lines[-1]
    assert await left() == 6
    await ana.send("POST", form.action, {"answer": "remove"})
    assert await left() == 6
