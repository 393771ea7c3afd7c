"""Advice about people elsewhere: said from a case, read and answered where they are met."""

from datetime import timedelta

import sqlalchemy as sa

from activitypub import actors as actor_store
from kernel.schema.cases import Subject
from kernel.schema.tables import people_advice
from moderation import reports
from moderation.cases import About
from moderation.signals import people, received, rules
from moderation.signals.rules import Kind, Mode, Rule
from node.pages.session import ADMINISTRATOR
from tests.nodes import NodeFactory
from tests.nodes import settle as settle_all
from tests.pages.conftest import looked_at
from tests.pages.people import Browser, person, settle
from tests.pages.test_every_page import check_page
from tests.peer import PeerFactory
from tests.wire.pacting import agree

TOLD, DONE = "/moderation/people", "/settings/node/people"


async def test_mod_5_2_a_moderator_advises_about_a_person_and_another_place_answers(
    node: NodeFactory, peer: PeerFactory
) -> None:
    alder, birch = await node("alder.test"), await node("birch.test")
    await settle(alder)
    await settle(birch, name="Birch")
    roles = frozenset({ADMINISTRATOR})
    ana, ada = await person(alder, "ana", roles=roles), await person(alder, "ada", roles=roles)
    ben = await person(birch, "ben", roles=roles)
    cleo = await person(alder, "cleo")
    for each in (await ana.open(TOLD), await ben.open(DONE)):
        check_page(TOLD, each)
        assert "Nothing." in each.text
    cedar = await peer("cedar.test", alder)
    mallory = cedar.person("mallory")
    actor = await alder.meet(mallory.uri)
    about = About(
        subject=Subject.PERSON, uri=actor.uri, actor_id=actor.id, name="Mallory",
        address=actor.address,
    )  # fmt: skip
    async with alder.engine.begin() as conn:
        await reports.take_in(
            conn, alder.here, flag="http://dogwood.test/flags/1", about=about, words="Look"
        )
    case = await looked_at(ana, "/moderation")
    at = next(it.action for it in case.page.forms if it.action.endswith("/nothing"))
    at = at.removesuffix("/nothing")
    assert f'href="{at}/advise"' in case.html
    assert "A pact has to say so." in (await ana.open(f"{at}/advise")).text
    await agree(alder, birch)
    page = await ana.open(f"{at}/advise")
    check_page(at, page)
    assert "birch.test" in page.text
    until = (alder.here.now().date() + timedelta(days=90)).isoformat()
    chosen = {"policy": "reject", "reason": "Unwanted messages", "until": until, "confidence": "1"}
    for wrong in ({"until": "soon"}, {"reason": "@mallory@cedar.test"}, {"policy": "no"},
                  {"confidence": "very"}):  # fmt: skip
        refused = await ana.send("POST", f"{at}/advise", {**chosen, **wrong})
        assert refused.status == 400, wrong
        assert "Unwanted messages" in refused.html or "reason" in wrong
    assert (await cleo.send("POST", f"{at}/advise", chosen)).status in (403, 404)
    assert (await ana.send("POST", f"{at}/advise", chosen)).status == 303
    listed = await ana.open(TOLD)
    check_page(TOLD, listed)
    assert "It takes one more." in listed.text
    again = {"answer": "agree"}
    assert (await ana.send("POST", f"{TOLD}/{actor.id}", again)).status == 409
    assert (await ada.send("POST", f"{TOLD}/{actor.id}", again)).status == 303
    assert "It takes one more." not in (await ana.open(TOLD)).text
    await settle_all(alder, birch)
    async with birch.engine.begin() as conn:
        rule = Rule(host="alder.test", kind=Kind.ADVICE_ACTOR, mode=Mode.HOLD)
        await rules.write(conn, birch.here, rule)
        await received.stand_anew(conn, birch.here, "alder.test")
    signals = await ben.open("/settings/node/signals")
    assert "Somebody who is not named" in signals.text
    there = await birch.meet(mallory.uri)
    async with birch.engine.begin() as conn:
        await people.meet(conn, birch.here, [there])
    shown = await ben.open(DONE)
    check_page(DONE, shown)
    assert "Unwanted messages" in shown.text
    assert "Your rules say that a person decides." in shown.text
    assert (await Browser(birch).open(DONE)).status == 303
    assert (await ben.send("POST", f"{DONE}/{there.id}", {"answer": "agree"})).status == 303
    assert (await ben.send("POST", f"{DONE}/{there.id}", {"answer": "agree"})).status == 409
    async with birch.engine.connect() as conn:
        assert (await actor_store.get(conn, there.id)).filtered
        decision = (await people.one(conn, there.id)).decision
    assert "alder.test" in (await ben.open(f"/desk/decisions/{decision}/why")).text
    assert (await ben.send("POST", f"{DONE}/{there.id}", {"answer": "refuse"})).status == 303
    async with birch.engine.connect() as conn:
        assert not (await actor_store.get(conn, there.id)).filtered
    assert (await ana.send("POST", f"{TOLD}/{actor.id}", {"answer": "back"})).status == 303
    async with alder.engine.connect() as conn:
        assert not (await conn.execute(sa.select(people_advice))).all()
    for answer in ("back", "agree", "x"):
        gone = await ana.send("POST", f"{TOLD}/{actor.id}", {"answer": answer})
        assert gone.status == 404
