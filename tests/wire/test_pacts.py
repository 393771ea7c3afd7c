"""Two administrators make their nodes trusted peers, and signed advice flows (MOD-5.1 to 5.17)."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from activitypub.state import KEYS, SETTINGS
from activitypub.vocab import ActivityKind
from kernel.clock import to_minute
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.schema.pacts import Afterwards, PactState, SignalState
from kernel.schema.tables import audit, deliveries, signal_sources
from kernel.schema.tables import node as node_table
from moderation import pacts, policy
from moderation.pact_terms import Flow, Wishes
from moderation.pacts import Pact
from moderation.signals import datasets, published, received
from moderation.signals.published import Advice
from moderation.signals.vocabulary import Policy
from node import acting, pact_commands
from node.opening import Opened
from node.pages.session import ADMINISTRATOR
from node.rotation import rotate_one
from tests.nodes import Node, settle
from tests.pages.people import Person, person

pytestmark = pytest.mark.usefixtures("described")

PAGE = "/settings/node/pacts"
BOTH_WAYS = [("sends", "advice"), ("takes", "advice")]


async def between(node: Node, other: Node) -> Pact:
    async with node.engine.connect() as conn:
        return await pacts.one(conn, other.name)


async def held(node: Node, state: SignalState = SignalState.HELD) -> list[str]:
    async with node.engine.connect() as conn:
        return [it.entity_key for it in await received.listed(conn, state)]


async def verbs(node: Node) -> list[str]:
    async with node.engine.connect() as conn:
        return list(await conn.scalars(sa.select(audit.c.verb).order_by(audit.c.id)))


async def runs(node: Node) -> Person:
    return await person(node, "ana", roles=frozenset({ADMINISTRATOR}))


async def offer(who: Person, to: str, **more: str) -> None:
    answer = await who.send("POST", PAGE, [("host", to), *BOTH_WAYS, *more.items()])
    assert answer.status == 303, answer.text


async def say_yes(who: Person) -> None:
    """As the page has it, with the offer that it shows."""
    page = f"{PAGE}/alder.test"
    answer = await who.fill(page, f"{page}/accept")
    assert answer.status == 303, answer.text


async def agree(alder: Node, birch: Node) -> tuple[Person, Person]:
    """Ana offers a pact, Ben says yes."""
    ana, ben = await runs(alder), await runs(birch)
    await offer(ana, "birch.test")
    await settle(alder, birch)
    await say_yes(ben)
    await settle(alder, birch)
    return ana, ben


async def advise(who: Person, domain: str, days: int = 30, policy: str = "filter") -> None:
    until = (who.node.clock() + timedelta(days=days)).date().isoformat()
    answer = await who.send(
        "POST", "/settings/node/advice",
        [("domain", domain), ("policy", policy), ("label", "harassment"),
         ("reason", "Unwanted contact"), ("cases", "4"), ("until", until)],
    )  # fmt: skip
    assert answer.status == 303, answer.text


async def soon(node: Node) -> None:
    """All sources are due, as they are some hours later."""
    async with node.engine.begin() as conn:
        await conn.execute(sa.update(signal_sources).values(due=to_minute(node.clock())))


async def test_mod_5_1_a_push_that_is_lost_or_doubled_changes_nothing(
    alder: Node, birch: Node
) -> None:
    ana, _ben = await agree(alder, birch)
    await advise(ana, "bad1.example")
    async with alder.engine.begin() as conn:
        lost = await conn.execute(sa.delete(deliveries))
    assert lost.rowcount == 1
    await settle(alder, birch)
    assert await held(birch) == []
    await soon(birch)
    await settle(alder, birch)
    assert await held(birch) == ["bad1.example"]
    for _ in range(2):
        async with alder.engine.begin() as conn:
            dataset = await datasets.look(conn, alder.here)
            assert dataset is not None
            kind = ActivityKind.NUDGE
            await pacts.tell_peers(conn, alder.here, Flow.ADVICE, kind, dataset.url)
        await settle(alder, birch)
    assert await held(birch) == ["bad1.example"]
    assert (await verbs(birch)).count("signal held") == 1


async def test_mod_5_6_a_pact_is_made_and_advice_flows_until_it_ends(
    alder: Node, birch: Node
) -> None:
    ana, ben = await runs(alder), await runs(birch)
    await offer(ana, "birch.test", care="care@alder.example", retention="90 days")
    assert (await between(alder, birch)).ours is not None
    await settle(alder, birch)
    page = await ben.open(f"{PAGE}/alder.test")
    waiting = await between(birch, alder)
    assert waiting.words == "They offer a pact. You decide."
    assert waiting.fingerprint == (await between(alder, birch)).fingerprint != ""
    for word in (*waiting.fingerprint.split(), "care@alder.example", "90 days", "Alder House"):
        assert word in page.text
    await say_yes(ben)
    await settle(alder, birch)

    here, there = await between(alder, birch), await between(birch, alder)
    assert here.made
    assert there.made
    assert here.uri == there.uri
    assert here.paper == there.paper
    assert here.fingerprint == there.fingerprint
    async with alder.engine.connect() as conn:
        assert await pacts.pinned_key(conn, "birch.test") is not None
        assert await pacts.with_host(conn, "cedar.test") is None

    for number in range(3):
        await advise(ana, f"bad{number}.example", days=8)
    await settle(alder, birch)  # the nudge is enough
    assert await held(birch) == ["bad2.example", "bad1.example", "bad0.example"]
    assert await held(alder) == []
    seen = await ben.open("/settings/node/signals")
    assert "be careful with it" in seen.text
    assert "Unwanted contact" in seen.text
    assert "harassment" in seen.text

    answer = await ana.send(
        "POST", "/settings/node/advice/renew", {"domain": "bad1.example", "back": "yes"}
    )
    assert answer.status == 303
    await settle(alder, birch)
    assert await held(birch) == ["bad2.example", "bad0.example"]
    assert await held(birch, SignalState.RETRACTED) == ["bad1.example"]
    birch.clock.forward(days=9)
    async with birch.engine.begin() as conn:
        await received.sweep(conn, birch.here)
    assert await held(birch) == []
    assert await held(birch, SignalState.EXPIRED) == ["bad2.example", "bad0.example"]

    answer = await ben.send("POST", f"{PAGE}/alder.test/end", {"afterwards": "review"})
    assert answer.status == 303
    await settle(alder, birch)
    assert (await between(birch, alder)).afterwards is Afterwards.REVIEW
    over = await between(alder, birch)
    assert (over.state, over.reason) == (PactState.ENDED, "ended there")
    answer = await ana.send(
        "POST", f"{PAGE}/birch.test/end", {"afterwards": "keep", "ended": "yes"}
    )
    assert (await between(alder, birch)).afterwards is Afterwards.KEEP
    await advise(ana, "bad3.example")
    await soon(birch)
    await settle(alder, birch)
    assert await held(birch) == []
    told = await verbs(birch)
    assert told[:2] == ["they offered a pact", "make pact"]
    assert {"signal held", "signal retracted", "signal expired", "end pact"} <= set(told)
    assert {
        "offer pact",
        "make pact",
        "advise filter",
        "take advice back",
        "they ended the pact",
    } <= set(await verbs(alder))


async def test_mod_5_6_guidelines_that_changed_since_are_told_to_both(
    alder: Node, birch: Node
) -> None:
    ana, ben = await agree(alder, birch)
    ours, theirs = f"{PAGE}/birch.test", f"{PAGE}/alder.test"
    changed = "guidelines changed since"
    assert changed not in (await ana.open(ours)).text
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(node_table).values(about="Be kind, and listen first."))
    assert f"Our {changed}" in (await ana.open(ours)).text
    assert changed not in (await ben.open(theirs)).text
    await offer(ana, "birch.test")
    await settle(alder, birch)
    assert f"Their {changed} you made the pact." in (await ben.open(theirs)).text
    await say_yes(ben)
    await settle(alder, birch)
    assert changed not in (await ana.open(ours)).text
    assert changed not in (await ben.open(theirs)).text


async def test_mod_5_6_two_offers_that_cross_meet_in_one_pact(alder: Node, birch: Node) -> None:
    ana, ben = await runs(alder), await runs(birch)
    await offer(ana, "birch.test")
    await offer(ben, "alder.test")
    await settle(alder, birch)
    here, there = await between(alder, birch), await between(birch, alder)
    assert here.made
    assert there.made
    assert here.uri == there.uri
    assert (here.ours, here.theirs, there.ours, there.theirs) == (None, None, None, None)


async def test_mod_5_5_new_keys_are_pinned_where_the_old_ones_vouch_for_them(
    alder: Node, birch: Node
) -> None:
    ana, ben = await agree(alder, birch)
    await advise(ana, "one.example")
    await settle(alder, birch)
    pinned = (await between(birch, alder)).their_key
    async with alder.engine.connect() as conn:
        desk = await pacts.our_desk(conn, alder.here)
    await rotate_one(alder.engine, alder.here, alder.app[KEYS], "node_desk")
    await settle(alder, birch)
    assert (await between(birch, alder)).their_key != pinned
    async with alder.engine.connect() as conn:
        assert (
            (await pacts.our_desk(conn, alder.here)).ed25519
            == (await between(birch, alder)).their_key
            != desk.ed25519
        )
    await advise(ana, "two.example")
    await settle(alder, birch)
    assert (await between(birch, alder)).made
    assert await held(birch) == ["two.example", "one.example"]
    # freezing: one click on our side, or the peer's own wish, which only a new pact lifts
    await ben.send("POST", f"{PAGE}/alder.test/freeze", {"frozen": "yes"})
    await advise(ana, "three.example")
    await settle(alder, birch)
    assert await held(birch) == ["two.example", "one.example"]
    await ben.send("POST", f"{PAGE}/alder.test/freeze", {"frozen": "no"})
    await soon(birch)
    await settle(alder, birch)
    assert await held(birch) == ["three.example", "two.example", "one.example"]
    await ana.send("POST", f"{PAGE}/freeze", {})
    await settle(alder, birch)
    assert not (await between(birch, alder)).listens
    await advise(ana, "four.example")
    await soon(birch)
    await settle(alder, birch)
    assert "four.example" not in await held(birch)
    await offer(ana, "birch.test")
    await settle(alder, birch)
    await say_yes(ben)
    await settle(alder, birch)
    assert (await between(birch, alder)).listens
    assert "four.example" in await held(birch)


async def test_mod_5_6_the_same_by_commands(alder: Node, birch: Node) -> None:
    here, there = (Opened(node.engine, node.here) for node in (alder, birch))
    wishes = Wishes(sends=frozenset({Flow.ADVICE, Flow.REPORTS}), takes=frozenset({Flow.ADVICE}))

    async def offer_from(node: Node, opened: Opened, host: str) -> list[str]:
        return [
            *await pact_commands.offer(
                opened, node.app[SETTINGS], host=host, wishes=wishes, resolver=node.names
            )
        ]

    for wrong in ("alder.test", "http://", "a b", "nobody.test"):
        with pytest.raises((Malformed, NotAllowed)):
            await offer_from(alder, here, wrong)
    assert await pact_commands.listed(here) == ["There is no pact."]
    said = await offer_from(alder, here, "birch.test")
    await settle(alder, birch)
    assert await pact_commands.listed(there) == ["alder.test  They offer a pact. You decide."]
    shown = await pact_commands.show(there, host="alder.test")
    assert said[1] == shown[1]
    assert "  sends: advice about other servers, reports" in shown
    await pact_commands.refuse(there, host="alder.test")
    await settle(alder, birch)
    assert await pact_commands.listed(here) == ["birch.test  They said no to your offer."]
    assert await pact_commands.listed(there) == ["There is no pact."]
    ana = await runs(alder)
    empty = await ana.open(f"{PAGE}/birch.test")
    assert (await ana.submit(empty, empty.page.form(action="/remove"))).status == 303
    assert await pact_commands.listed(here) == ["There is no pact."]
    await offer_from(birch, there, "alder.test")
    await settle(alder, birch)
    assert (await ana.send("POST", f"{PAGE}/birch.test/remove", {})).status == 409
    words = (await between(alder, birch)).fingerprint
    with pytest.raises(Conflict, match="not the words"):
        await pact_commands.accept(here, host="birch.test", wishes=wishes, words=words[::-1])
    await pact_commands.accept(here, host="birch.test", wishes=wishes, words=f" {words}")
    await settle(alder, birch)
    assert (await between(alder, birch)).made
    until = alder.clock().date() + timedelta(days=30)
    advice = Advice(domain="bad.example", policy=Policy.DROP, until=until, labels=("spam",))
    assert await pact_commands.advise(here, advice) == [
        f"bad.example: do not talk with it, and say nothing, until {until}."
    ]
    await settle(alder, birch)
    assert await held(birch) == ["bad.example"]
    later = until + timedelta(days=30)
    await pact_commands.renew(here, domain="bad.example", until=later)
    assert [str(later) in line for line in await pact_commands.advice(here)] == [True]
    await pact_commands.retract(here, domain="bad.example", comment="We were wrong.")
    assert await pact_commands.advice(here) == ["This node advises nothing."]
    await settle(alder, birch)
    assert await held(birch) == []
    await pact_commands.freeze(here, host="birch.test", frozen=True)
    assert await pact_commands.listed(here) == ["birch.test  We stopped listening to them."]
    assert (await pact_commands.freeze_ourselves(here))[0].endswith(": 1.")
    await pact_commands.end(here, host="birch.test", afterwards=Afterwards.UNDO)
    await settle(alder, birch)
    assert await pact_commands.listed(there) == ["alder.test  They ended the pact."]
    with pytest.raises(NotFound):
        await pact_commands.end(here, host="birch.test", afterwards=Afterwards.KEEP)
    # nobody answers an offer: it goes by itself
    await offer_from(alder, here, "birch.test")
    await settle(alder, birch)
    assert await pact_commands.listed(there) == ["alder.test  They offer a pact. You decide."]
    alder.clock.forward(days=61)
    for node in (alder, birch):
        async with node.engine.begin() as conn:
            await pacts.forget_offers(conn, node.here)
    assert await pact_commands.listed(there) == ["alder.test  They ended the pact."]
    assert (await between(alder, birch)).ours is None


async def test_mod_5_10_what_a_peer_advises_acts_there_in_a_mild_form_and_ends_with_it(
    alder: Node, birch: Node
) -> None:
    """What a person says yes to takes effect by itself, and a retraction takes it away."""
    ana, ben = await agree(alder, birch)
    rules = "/settings/node/signals/rules/alder.test"
    said = {"kind": "advice.domain", "mode": "apply", "max_policy": "drop", "weight": "0.9"}
    assert (await ben.send("POST", rules, {**said, "delay": "0"})).status == 303
    await advise(ana, "bad.example")

    async def level() -> str:
        await settle(alder, birch)
        await acting.take_stock(birch.engine, birch.here)
        async with birch.engine.connect() as conn:
            return (await policy.of_host(conn, "deep.bad.example")).level.value

    assert await level() == "accept", "people can say no first"
    birch.clock.forward(hours=2)
    assert await level() == "filter"
    assert "bad.example" in (await ben.open("/settings/node/effects?show=acts")).text
    answer = await ana.send(
        "POST", "/settings/node/advice/renew", {"domain": "bad.example", "back": "yes"}
    )
    assert answer.status == 303
    assert await level() == "accept"


async def test_mod_5_10_what_is_harsh_takes_one_more_person_where_it_is_said(
    alder: Node, birch: Node
) -> None:
    ana, _ = await agree(alder, birch)
    cleo = await person(alder, "cleo", roles=frozenset({ADMINISTRATOR}))
    path = "/settings/node/advice"
    await advise(ana, "calm.example")
    await advise(ana, "bad.example", policy="reject")

    async def agrees(who: Person) -> int:
        page = await who.open(path)
        assert page.text.count("One person said yes. It takes one more.") == 1
        (form,) = (
            it for it in page.page.forms
            if it.action.endswith("/renew") and "bad.example" in str(it.fields)
        )  # fmt: skip
        async with alder.engine.connect() as conn:
            change = (await published.latest(conn, "bad.example")).id
        return (await who.submit(page, form, agree=str(change))).status

    async def approvals() -> int | None:
        await settle(alder, birch)
        async with birch.engine.connect() as conn:
            found = await received.listed(conn)
        return next(it.approvals for it in found if it.entity_key == "bad.example")

    assert await approvals() == 1
    assert await agrees(ana) == 409, "the same person"
    assert await approvals() == 1
    assert await agrees(cleo) == 303
    assert await approvals() == 2
    assert "It takes one more" not in (await ana.open(path)).text
    said = {"domain": "bad.example", "agree": str(UUID(int=0))}
    assert (await cleo.send("POST", f"{path}/renew", said)).status == 409, "that is over"
    until = (alder.clock() + timedelta(days=99)).date().isoformat()
    renewed = {"domain": "bad.example", "until": until}
    assert (await ana.send("POST", f"{path}/renew", renewed)).status == 303
    assert await approvals() == 2, "who renews it takes nobody's word away"
    await advise(ana, "bad.example", policy="drop")
    assert await approvals() == 1, "something else is said anew"
