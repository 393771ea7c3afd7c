import logging
from tests.nodes import NodeFactory
from tests.pages.people import person, settle
from node import problems
async def test_it(node: NodeFactory, monkeypatch) -> None:
    alder = await node("alder.test"); await settle(alder)
    ana = await person(alder, "ana")
    await alder.group("grief", ana.speaker)
    import traceback
    monkeypatch.setattr(problems, "_answer", lambda r, p: (_ for _ in ()).throw(p))
    orig = problems.log.error
    monkeypatch.setattr(problems.log, "error", lambda *a, **k: traceback.print_exc())
    print((await ana.open("/g/grief")).status)
