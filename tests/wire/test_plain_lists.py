"""A FIRES server as its reference code is: what it loses is read all the same."""

from typing import Any

import sqlalchemy as sa
from aiohttp import web

from kernel.clock import to_minute
from kernel.schema.pacts import SignalState
from kernel.schema.tables import signal_sources, signals
from moderation.signals import sources
from tests.nodes import Node, settle
from tests.peer import Document


class Fires:
    """A FIRES server as its reference code is: its `next` loses a change at every page border."""

    def __init__(self, count: int) -> None:
        self.items: list[Document] = []
        self.snapshot: list[Document] = []
        self.asked: list[str] = []
        for number in range(1, count + 1):
            self.add(number)

    def add(self, number: int, **members: Any) -> None:
        self.items.append(
            {
                "id": f"http://lists.test/datasets/1/changes/{self.uuid(number)}",
                "type": "Recommendation",
                "published": "2026-11-01T00:00:00Z",
                "entityKind": "Domain" if number % 2 else "domain",
                "entityKey": f"bad{number}.example",
                "labels": ["http://lists.test/labels/spam"],
                "recommendedPolicy": "reject",
                **members,
            }
        )

    @staticmethod
    def uuid(number: int) -> str:
        return f"0198c200-{number:04x}-7000-a000-000000000000"

    async def answer(self, request: web.Request) -> web.Response:
        base = "http://lists.test/datasets/1"
        if request.path.endswith("/changes"):
            since = request.query["since"]
            self.asked.append(since)
            after = [each for each in self.items if each["id"].rpartition("/")[2] > since]
            page, rest = after[:100], after[100:]
            lost = (
                {"next": f"{base}/changes?since={rest[0]['id'].rpartition('/')[2]}"} if rest else {}
            )
            return web.json_response(
                {"type": "OrderedCollectionPage", "orderedItems": page, **lost}
            )
        if request.path.endswith("/snapshot"):
            return web.json_response(
                {"type": "Collection", "orderedItems": [*self.items, *self.snapshot]}
            )
        ends = {"changes": f"{base}/changes", "snapshot": f"{base}/snapshot"}
        return web.json_response({"id": base, "type": "Dataset", "endpoints": ends})


async def test_mod_3_6_a_plain_list_is_read_whole_from_a_server_that_loses_changes(
    alder: Node,
) -> None:
    lists = Fires(250)
    app = web.Application()
    app.router.add_get("/{path:.*}", lists.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    alder.names.ports["lists.test"] = runner.addresses[0][1]
    try:
        async with alder.engine.begin() as conn:
            await sources.add_list(conn, alder.here, "http://lists.test/datasets/1")
        await settle(alder)
        assert await _states(alder) == {"held": 250}
        assert lists.uuid(100) in lists.asked
        assert lists.uuid(101) not in lists.asked
        lists.add(251, type="Retraction", entityKey="bad7.example", recommendedPolicy=None)
        lists.add(252, type="Retraction", entityKind=None, entityKey=None, comment="Sorry")
        lists.add(253, type="Tombstone", entityKind=None, entityKey=None)
        lists.add(254, type="Advisory", recommendedPolicy=None, entityKey="bad8.example")
        lists.add(255, recommendedPolicy="annihilate")
        lists.snapshot = [{**lists.items[0], "id": f"{lists.items[0]['id'][:-1]}9"}]
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(signal_sources).values(due=to_minute(alder.clock())))
        await settle(alder)
        assert await _states(alder) == {"held": 249, "retracted": 1, "replaced": 2, "noted": 3}
        many = Fires(0)  # of more keys than any other document may have
        for number in range(1_000, 2_500):
            many.add(number)
        lists.snapshot = many.items
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(signal_sources).values(due=to_minute(alder.clock())))
        await settle(alder)
        assert (await _states(alder))["held"] == 249 + 1_500
        before = lists.items
        lists.items = [{"nothing": "here"}]
        async with alder.engine.begin() as conn:
            await conn.execute(sa.update(signal_sources).values(due=to_minute(alder.clock())))
        del before[0]["id"]
        await settle(alder)
        assert (await _states(alder))["held"] == 249 + 1_500  # what was read stays
    finally:
        await runner.cleanup()


async def _states(node: Node) -> dict[str, int]:
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(signals.c.state, sa.func.count()).group_by(signals.c.state)
        )
        return {SignalState(state).value: count for state, count in rows}
