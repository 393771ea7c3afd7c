"""`kill -9` while a post goes out: it goes out once, by whoever lives (SEC-U6)."""

import pytest
import sqlalchemy as sa

from groups import waiting
from groups.admission import Draft
from groups.groups import GroupSettings
from kernel.faults import Point
from kernel.release import Timing
from kernel.schema.groups import Posts
from kernel.schema.tables import activities, posts
from node import worker
from tests.faults.victim import victim
from tests.nodes import NodeFactory


@pytest.mark.parametrize("point", [Point.BEFORE_COMMIT, Point.AFTER_COMMIT], ids=lambda p: p.name)
async def test_a_worker_that_is_killed_while_a_post_goes_out_loses_and_doubles_nothing(
    node: NodeFactory, point: Point
) -> None:
    alder = await node("alder.test")
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))
    draft = Draft(title="Nights", source="Quiet words.", language="en")
    async with alder.engine.begin() as conn:
        await waiting.send(conn, alder.here, ana, group, None, draft, Timing(undo=1))
    alder.clock.forward(minutes=2)
    async with victim(alder, point) as process:
        await process.end()
        assert process.died_by_itself
    while await worker.release(alder.app):
        pass
    async with alder.engine.connect() as conn:
        assert list(await conn.scalars(sa.select(posts.c.source))) == ["Quiet words."]
        created = sa.select(sa.func.count()).where(activities.c.kind == "Create")
        assert await conn.scalar(created) == 1
