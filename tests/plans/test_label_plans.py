"""Labels of posts are looked up, however many posts there are."""

from datetime import date

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from moderation import label_holds, labelling, labelling_peers
from moderation.signals import links
from tests.plans.conftest import LARGE, Asking, Seeded

pytestmark = pytest.mark.slow


async def test_labels_of_posts_and_what_is_due(seeded: Seeded, asking: Asking) -> None:
    assert seeded.here
    keys = ["https://good.test/notes/1", "https://good.test/notes/2"]

    async def work(conn: AsyncConnection) -> None:
        await labelling.next_due(conn, date(2026, 1, 1))
        await label_holds.next_undone(conn)
        await labelling.of_posts(conn, [1, 2])
        await labelling.refresh(conn, [1, 2])
        await labelling.forget(conn, [1, 2])
        await labelling_peers._posts(conn, keys)
        await conn.execute(labelling_peers._NOW, {"host": "good.test", "keys": keys})
        await conn.execute(labelling_peers._ALL_KEYS, {"host": "good.test"})
        answer = {"about": 1, "state": "ignored", "today": date(2026, 1, 1)}
        await conn.execute(labelling_peers._HOLDING, answer)

    plans = await asking.plans(work)
    assert len(plans) >= 9
    for plan in plans:
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)


async def test_what_is_said_of_links_is_looked_up(seeded: Seeded, asking: Asking) -> None:
    """Of the many changes of its datasets the node reads its newest about each page alone."""
    assert seeded.here

    async def work(conn: AsyncConnection) -> None:
        await links.told_of(conn, ["https://a.test/1", "https://a.test/2"], date(2026, 1, 1))

    (plan,) = await asking.plans(work)
    found = [each for each in plan.nodes if each.get("Relation Name") == "signal_changes"]
    assert [each.get("Index Name") for each in found] == ["ix_signal_changes_entity"]
    for column in ("host", "entity_kind", "entity_key"):
        assert column in found[0]["Index Cond"], found
    assert "signal_changes" not in plan.scanned
