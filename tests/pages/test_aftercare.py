"""After somebody was hurt: steps with who and until when, and nothing about what happened."""

from sqlalchemy import select

from groups import aftercare
from kernel.schema.tables import aftercare as table
from kernel.schema.tables import audit_chain
from tests.pages.conftest import House
from tests.pages.people import Answer


async def press(house: House, act: str, step: str = "", owner: str = "now") -> Answer:
    fields = {"act": act, "step": step, "owner": owner}
    return await house.ana.send("POST", f"/t/{house.thread.id}/after", fields)


async def test_dom_D17_steps_have_owners_and_days_and_end_in_a_count(house: House) -> None:
    at, node = f"/t/{house.thread.id}/after", house.node
    for other in (house.ben, house.cleo):
        assert (await other.open(at)).status == 404
        assert (await other.send("POST", at, {"act": "begin"})).status == 404
    first = await house.ana.open(at)
    assert "Never say why or how" in first.text
    assert at in (await house.ana.open(f"/t/{house.thread.id}")).html
    assert (await house.ana.submit(first, first.page.form(action=at), act="begin")).status == 303
    assert (await press(house, "begin")).status == 409
    page = await house.ana.open(at)
    for words in ("Whoever is on duty now", "Whoever is on duty next", "talk about it together"):
        assert words in page.text
    assert "7 steps are left" in (await house.ana.open("/g/open/desk")).text

    # quiet: answers call nobody any more, the answers themselves stay possible
    assert (await press(house, "done", "hush")).status == 303
    before = (await house.ana.open("/notices")).text.count("answered you")
    await node.reply(house.ben.speaker, house.thread.uri, "I am here.")
    assert (await house.ana.open("/notices")).text.count("answered you") == before

    # help for those who were near, once, and not a word of what happened
    assert "Something hard happened" not in (await house.ben.open("/notices")).text
    for _ in range(2):
        assert (await press(house, "done", "near")).status == 303
    told = await house.ben.open("/notices")
    assert told.text.count("Something hard happened") == 1
    assert "/help" in told.html
    assert "Something hard happened" not in (await house.cleo.open("/notices")).text

    assert (await press(house, "owner", "look", "node")).status == 303
    assert "The people who run this place" in (await house.ana.open(at)).text
    for wrong in (("done", "nonsense", "now"), ("done", "look", "ana"), ("what", "look", "now")):
        assert (await press(house, *wrong)).status in (400, 404), wrong
    node.clock.forward(days=5)
    assert "Something should be done by now." in (await house.ana.open("/g/open/desk")).text

    assert (await press(house, "end")).status == 303
    assert "steps are left" not in (await house.ana.open("/g/open/desk")).text
    assert "seen to 1 time like this" in (await house.ana.open(at)).text
    await node.reply(house.ben.speaker, house.thread.uri, "And here again.")
    assert (await house.ana.open("/notices")).text.count("answered you") > before
    async with node.engine.connect() as conn:
        assert list(await conn.execute(select(table))) == []
        verbs = list(await conn.scalars(select(audit_chain.c.verb)))
    assert verbs.count("aftercare step") == 2  # each step once
    assert {"aftercare", "end aftercare"} <= set(verbs)


def test_dom_D17_no_step_says_cause_or_method_and_each_has_an_owner_and_a_time() -> None:
    for plan in aftercare.STEPS.values():
        assert 0 <= plan.days <= 14
        for word in ("suicide", "overdose", "because", "method"):
            assert word not in plan.words.lower()
