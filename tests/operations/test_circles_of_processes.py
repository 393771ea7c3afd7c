"""A circle between nodes that run as processes of their own, used with browsers (MOD-5.6)."""

from contextlib import AsyncExitStack

import pytest

from node.demo.guest import Guest
from node.demo.nodes import DemoNode, three_nodes
from node.demo.people import COMMUNITIES
from node.demo.trust import Trust
from node.demo.visitor import Visitor

pytestmark = pytest.mark.slow

PATIENCE = 90.0  # seconds: what a circle had before is read within a minute
SETTINGS = "/g/quiet/settings"
DESK = "/g/quiet/desk"


async def keeper(stack: AsyncExitStack, nodes: dict[str, DemoNode], name: str) -> Guest:
    """Who runs a node, at their browser, with a name."""
    (community,) = (each for each in COMMUNITIES if each.node == name)
    visitor = await stack.enter_async_context(Visitor(nodes[name].origin))
    guest = Guest(person=community.keeper, node=name, visitor=visitor)
    await guest.settle(nodes[name].welcome, community)
    await guest.take_name()
    return guest


async def test_mod_5_6_a_circle_spans_two_processes() -> None:
    async with AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(three_nodes())
        robin, maya = [await keeper(stack, nodes, name) for name in ("alder", "birch")]
        page = await robin.visitor.open("/groups/new")
        form = page.form("handle", "guidelines")
        answers = {
            "handle": "quiet", "name": "Quiet", "about": "A circle.", "sees": "members",
            "posts": "members", "joining": "approval", "premoderation": "none",
        }  # fmt: skip
        speaks = {"as": dict(form.fields).get("as") or form.choice("as", robin.person.name)}
        await robin.visitor.submit(page, form, {**answers, **speaks})
        await robin.start("quiet", "Before", "Said before it was shared.")
        await Trust(nodes, robin, maya).pact()
        host = nodes["birch"].origin.removeprefix("http://")
        await robin.visitor.fill(SETTINGS, {"circle": host}, action=SETTINGS)

        quiet = f"quiet@{nodes['alder'].origin.removeprefix('http://')}"
        asked = await maya.visitor.fill("/search", {"q": f"{nodes['alder'].origin}/g/quiet"})
        assert asked.url.path == f"/g/{quiet}/join"
        assert (await maya.visitor.open(f"/g/{quiet}")).status == 404
        await maya.join(quiet)
        desk = await robin.visitor.until(DESK, lambda page: "Let in" in page.text)
        await robin.visitor.submit(desk, desk.form("person", action="/admit"), {})

        await maya.visitor.until(
            f"/g/{quiet}", lambda page: "Before" in page.text, seconds=PATIENCE
        )
        earlier = await maya.find_thread(quiet, "Before")
        await maya.reads(earlier, lambda text: "Said before it was shared." in text)
        path = await robin.start("quiet", "Tonight", "Only for us.")
        there = await maya.find_thread(quiet, "Tonight")
        await maya.reply(there, "I hear you.")
        await robin.reads(path, lambda text: "I hear you." in text)
        async with Visitor(nodes["cedar"].origin) as stranger:
            for address in (f"/g/{quiet}", path):
                found = await stranger.open(nodes["alder"].origin + address)
                assert "Only for us." not in found.text
                assert found.status == 404
