"""Safety records: written in versions, read by whom they are for, looked at every year."""

from kernel.schema.node import Record
from members import sessions
from node.pages.session import ADMINISTRATOR, cookie_name
from tests.nodes import NodeFactory
from tests.pages.people import Browser, person, settle

PATH = "/settings/node/safety"


async def test_dom_I8_records_have_versions_and_days_and_are_due_every_year(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    visitor = Browser(alder)
    assert "3 safety records wait" in (await ana.open("/settings/node")).text
    for kind in Record:
        saved = await ana.fill(f"{PATH}/{kind}", f"/safety/{kind}", source=f"All about {kind}.")
        assert saved.status == 303
    assert "safety records wait" not in (await ana.open("/settings/node")).text
    public = await visitor.open("/about/safety")
    assert "All about complaints." in public.text
    assert "All about contact." in public.text
    assert "All about risks." not in public.text
    assert "Version 1" in public.text
    await ana.fill(f"{PATH}/complaints", "/safety/complaints", source="Said anew. <b>x</b>")
    public = await visitor.open("/about/safety")
    assert "Said anew." in public.text
    assert "All about complaints." not in public.text
    assert "All about complaints." in (await ana.open(f"{PATH}/complaints/1")).text
    assert (await ana.open(f"{PATH}/complaints/3")).status == 404
    alder.clock.forward(days=366)
    cookie = await sessions.open(alder.engine, alder.here, ana.prepared.member)
    ana.cookies = {cookie_name(alder.here): cookie}
    assert "3 safety records wait" in (await ana.open("/settings/node")).text
    await ana.fill(f"{PATH}/risks", "/safety/risks", source="All about risks.")
    assert "2 safety records wait" in (await ana.open("/settings/node")).text


async def test_only_those_who_run_the_node_write_and_bad_words_come_back(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben = await person(alder, "ben")
    for path in (PATH, f"{PATH}/risks", f"{PATH}/risks/1"):
        assert (await ben.open(path)).status == 403
    assert (await ben.send("POST", f"{PATH}/risks", {"source": "x"})).status == 403
    assert (await ana.open(f"{PATH}/nothing")).status == 404
    assert (await ana.open(f"{PATH}/risks/x")).status == 404
    empty = await ana.send("POST", f"{PATH}/risks", {"source": " "})
    assert (empty.status, "write something" in empty.text) == (400, True)
    long = await ana.send("POST", f"{PATH}/risks", {"source": "word " * 5_000})
    assert long.status == 400
    assert "word word" in long.html
