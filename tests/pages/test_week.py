"""Pages of moderators with something on each: whole, and in words that people use."""

import sqlalchemy as sa

from kernel.schema.tables import audit
from node.pages.decision_words import KINDS, OF_NODE
from tests.nodes import NodeFactory
from tests.pages.test_every_page import check_page
from tests.pages.week import DESK, NODE, pages, week


async def test_sec_X9_every_page_of_moderators_is_whole_and_the_logs_speak_in_words(
    node: NodeFactory,
) -> None:
    seen = await week(node)
    looked = 0
    for path, who in pages(seen):
        answer = await who.open(path)
        assert answer.status == 200, path
        check_page(path, answer)
        looked += 1
    assert looked > 50
    async with seen.node.engine.connect() as conn:
        lines = (await conn.execute(sa.select(audit.c.verb, audit.c.group_id).distinct())).all()
    for verb, group_id in lines:
        assert verb in (OF_NODE if group_id is None else KINDS), verb
    text = (await seen.ana.open(f"{NODE}/log")).text
    for words in ("Servers not talked to", "Pacts made", "It was counted who says so"):
        assert words in text, words
    text = (await seen.ana.open(f"{NODE}/log?kind=domain+reject")).text
    assert "cold.example" in text
    assert "odd.example" not in text
    assert (await seen.ana.open(f"{DESK}/log?kind=domain+reject")).status == 404
