"""What advice does, as the people who run a place see it, answer it and take it back."""

import json
from datetime import timedelta

import pytest

from activitypub.keys import KeyPair
from kernel.schema.moderation import Level
from moderation.signals.rules import Kind, Mode, Rule
from moderation.signals.vocabulary import Policy as Advised
from node import acting, effect_cli
from node.opening import Opened
from node.pages.session import ADMINISTRATOR
from tests.moderation.peers import HOUR, Peers
from tests.moderation.test_effects import BAD, tie, ties
from tests.nodes import NodeFactory
from tests.pages.people import Browser, Person, person
from tests.pages.people import settle as settled
from tests.pages.test_every_page import check_page

PATH = "/settings/node/effects"
RULES = "/settings/node/signals/rules/birch.example"


@pytest.fixture
async def peers(node: NodeFactory, key_pairs: list[KeyPair]) -> Peers:
    alder = await node("alder.test")
    await settled(alder)
    made = Peers(alder.engine, alder.here, key_pairs)
    made.node = alder
    await made.trust("birch.example")
    return made


@pytest.fixture
async def ana(peers: Peers) -> Person:
    assert peers.node is not None
    return await person(peers.node, "ana", roles=frozenset({ADMINISTRATOR}))


async def test_mod_5_17_what_acts_is_seen_explained_and_rolled_back(
    peers: Peers, ana: Person
) -> None:
    assert peers.node is not None
    ben = await person(peers.node, "ben")
    empty = await ana.open(PATH)
    assert "Nothing asks for you." in empty.text
    await peers.say("birch.example", 1, BAD)
    await peers.later()
    await peers.later(HOUR)
    page = await ana.open(f"{PATH}?show=acts")
    assert BAD in page.text
    effect = await peers.effect(BAD)
    pages = [PATH, f"{PATH}?show=acts", f"{PATH}/{effect.id}", RULES,
             f"/desk/decisions/{effect.decision}/why"]  # fmt: skip
    for path in pages:
        check_page(path, await ana.open(path))
        assert (await ben.open(path)).status == 403, path
        assert (await Browser(peers.node).open(path)).status == 303
    shown = await ana.open(f"/desk/decisions/{effect.decision}/why")
    assert "enough peers: 1 independent" in shown.text
    assert "It was worked out what it would cut" in shown.text

    why = json.loads((await ana.open(f"/api/mod/decisions/{effect.decision}/why")).body)
    assert (why["verb"], why["about"], why["role"]) == ("advice begins", BAD, "administrator")
    assert [it["peer"] for it in why["basis"]] == ["birch.example"]
    assert [it["verb"] for it in why["steps"]] == [
        "advice weighed", "advice previewed", "advice waits", "advice begins",
    ]  # fmt: skip
    assert why["impact"]["relations"]["all"] == 0
    assert (await ben.open(f"/api/mod/decisions/{effect.decision}/why")).status == 403

    asked = f"/api/mod/signals/preview?domain={BAD}&level=reject"
    seen = json.loads((await ana.send("POST", asked)).body)
    assert seen["decided_by"]["by"] == "peers"
    assert seen["decided_by"]["peers"]["issuers"] == 1
    asked = "/api/mod/signals/preview?peer=birch.example&mode=hold"
    changes = [{"domain": BAD, "before": "filter", "after": "accept"}]
    assert json.loads((await ana.send("POST", asked)).body)["changes"] == changes
    for brake in ("freeze?", "rollback?since=2020-01-01&"):
        at = f"/api/mod/peers/birch.example/{brake}dry_run=1"
        assert json.loads((await ana.send("POST", at)).body) == {
            "dry_run": True, "changes": changes, "people": 0, "posts": 0,
        }  # fmt: skip
        assert (await ben.send("POST", at)).status == 403
    assert await peers.holding() == {BAD: Level.FILTER}

    looked = await ana.fill(RULES, f"{RULES}/back", since="2020-01-01")
    assert "This would end" in looked.text
    form = next(it for it in looked.page.forms if "sure" in dict(it.fields))
    assert (await ana.submit(looked, form)).status == 303
    assert await peers.holding() == {}
    wrong = await ana.fill(RULES, f"{RULES}/back", since="last week")
    assert wrong.status == 400
    assert "last week" in wrong.html


async def test_mod_5_7_a_rule_is_looked_at_first_and_then_written(
    peers: Peers, ana: Person
) -> None:
    await peers.say("birch.example", 1, BAD)
    await peers.later()
    await peers.later(HOUR)
    said = {"kind": "advice.domain", "mode": "hold", "max_policy": "reject", "weight": "0,4"}
    looked = await ana.fill(RULES, RULES, look="yes", **said)
    assert "This would change" in looked.text
    assert BAD in looked.text
    check_page(RULES, looked)
    assert (await ana.send("POST", RULES, said)).status == 303
    assert "It counts 0.4" in (await ana.open(RULES)).text
    assert await peers.later() == {}
    for wrong in ({"weight": "much"}, {"weight": "7"}, {"mode": "maybe"}, {"delay": "nan"}):
        answer = await ana.send("POST", RULES, {**said, **wrong})
        assert answer.status == 400, wrong
    assert "What you wrote" in (await ana.open(RULES)).text


async def test_mod_5_9_what_taking_a_rule_away_changes_is_shown_first(
    peers: Peers, ana: Person
) -> None:
    await peers.say("birch.example", 1, BAD)
    await peers.later()
    await peers.later(HOUR)
    acts = await peers.effect(BAD)
    looked = await ana.fill(RULES, f"{RULES}/forget", kind="advice.domain", label="")
    assert "This would change" in looked.text
    assert BAD in looked.text.partition("As it is now")[0]
    assert "What you wrote" in looked.text
    assert (await peers.effect(BAD)).state is acts.state, "looking changes nothing"
    check_page(RULES, looked)
    node, advice = Opened(peers.engine, peers.here), Kind.ADVICE_DOMAIN
    said = await effect_cli._forget(node, "birch.example", advice, "", dry_run=True)
    assert any(BAD in line for line in said)
    assert "What you wrote" in (await ana.open(RULES)).text, "nor does a dry run"
    form = next(it for it in looked.page.forms if "sure" in dict(it.fields))
    assert (await ana.submit(looked, form)).status == 303
    assert "What you wrote" not in (await ana.open(RULES)).text
    assert (await ana.send("POST", f"{RULES}/forget", {"kind": "advice.domain"})).status == 404


async def test_mod_5_9_a_rule_is_previewed_with_what_begins_later_and_what_asks(
    peers: Peers, ana: Person
) -> None:
    await peers.rule("birch.example", mode=Mode.HOLD)
    await peers.say("birch.example", 1, BAD)
    said = {"kind": "advice.domain", "mode": "apply", "max_policy": "filter", "weight": "1"}
    looked = await ana.fill(RULES, RULES, look="yes", delay="2", **said)
    assert f"{BAD}: nothing special" in looked.text
    assert " from " in looked.text.partition(BAD)[2].partition("As it is now")[0]
    rule = Rule(
        host="birch.example",
        kind=Kind.ADVICE_DOMAIN,
        mode=Mode.APPLY,
        max_policy=Advised.FILTER,
        weight=1.0,
        delay=2 * HOUR,
    )
    begins = (peers.here.now() + 3 * HOUR).strftime("%Y-%m-%dT%H:00:00Z")
    changes = {"domain": BAD, "before": "accept", "after": "filter"}
    (turn,) = (await acting.if_rule(peers.engine, peers.here, rule)).turns
    assert turn.as_json() == {**changes, "due": begins}
    await tie(peers, 6)
    (turn,) = (await acting.if_rule(peers.engine, peers.here, rule)).turns
    assert turn.as_json() == {**changes, "asks": True}
    assert await peers.later() == {}, "it was only tried"


async def test_mod_h5_what_would_cut_somebody_off_is_asked_on_a_page(
    peers: Peers, ana: Person
) -> None:
    assert peers.node is not None
    ben = await person(peers.node, "ben", roles=frozenset({ADMINISTRATOR}))
    await tie(peers, 6)
    await peers.say("birch.example", 1, BAD)
    await peers.later()
    held = await ana.open(PATH)
    assert "Nothing was done. Please look at it." in held.text
    effect = await peers.effect(BAD)
    path = f"{PATH}/{effect.id}?level=reject"
    page = await ana.open(path)
    assert "two people have to say yes" in page.text
    check_page(path, page)
    form = next(it for it in page.page.forms if it.action.endswith("/agree"))
    assert (await ana.submit(page, form)).status == 400, "nobody said that they looked"
    assert (await ana.submit(page, form, looked="yes")).status == 303
    again = await ana.submit(page, form, looked="yes")
    assert (again.status, await ties(peers)) == (409, 6)
    theirs = await ben.open(path)
    assert "One person said yes. It takes one more." in theirs.text
    form = next(it for it in theirs.page.forms if it.action.endswith("/agree"))
    assert (await ben.submit(theirs, form, looked="yes")).status == 303
    assert (await ties(peers), await peers.state(BAD)) == (0, ("agreed", ""))
    await peers.say("birch.example", 2, BAD, "retract")
    await peers.later(timedelta(days=1))
    review = await ana.open(f"{PATH}/{effect.id}")
    assert "It still holds. Please look at it again." in review.text
    check_page(path, review)
    form = next(it for it in review.page.forms if it.action.endswith("/answer"))
    assert (await ana.submit(review, form, answer="keep")).status == 303
    assert (await peers.state(BAD), await ties(peers)) == (("ended", "kept"), 0)
    assert (await ana.submit(review, form, answer="refuse")).status == 409


async def test_mod_5_12_administrators_see_what_a_peer_is_told_became_of_its_advice(
    peers: Peers, ana: Person
) -> None:
    assert peers.node is not None
    page = "/settings/node/pacts/birch.example"
    empty = await ana.open(page)
    assert "What became of their advice" in empty.text
    assert "Nothing so far." in empty.text
    await peers.say("birch.example", 1, BAD)
    await peers.later()
    await peers.later(HOUR)
    peers.node.clock.forward(days=2)
    shown = await ana.open(page)
    assert "It began, in a mild form" in shown.text
    assert "Nothing so far." not in shown.text
    assert peers.line("birch.example", 1, BAD).uri in shown.text
    check_page(page, shown)
