"""A server made with Fedify follows a group, hears a thread, and answers; both sides verify.

Once it signs first with draft-cavage, once with RFC 9421; either way every post of either side must
arrive, and what it keeps as heard is what its own code has verified.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from groups import desk
from groups.groups import Group
from kernel.schema.posts import PostState
from moderation.standing import Speaker
from tests.interop.programs import HERE, Program, free_port, node_js, running
from tests.nodes import Node, settle
from tests.wire.world import followers

pytestmark = pytest.mark.slow

PACKAGE = HERE / "fedify"
CAVAGE, RFC_9421 = "draft-cavage-http-signatures-12", "rfc9421"


@pytest.fixture(params=[CAVAGE, RFC_9421])
def first_knock(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def fedify(first_knock: str) -> AsyncIterator[Program]:
    node, port = node_js(PACKAGE), free_port()
    async with running([node, "peer.mjs", str(port), first_knock], port, PACKAGE) as program:
        yield program


def _kinds(heard: list[dict[str, Any]]) -> list[str]:
    """What arrived: `Announce` for a plain one, `Announce(Create)` for a wrapped one."""
    found = []
    for each in heard:
        inner = each.get("object")
        wraps = each["type"] == "Announce" and isinstance(inner, dict)
        found.append(f"Announce({inner['type']})" if wraps and inner else each["type"])
    return found


async def test_wire_S31_S32_fedify_follows_a_group_hears_a_thread_and_answers(
    alder: Node, ana: Speaker, sleep: Group, fedify: Program, first_knock: str
) -> None:
    group = sleep.actor.uri
    looked = await fedify.tell(do="look", to=group)
    assert looked == {"type": "Group", "name": "Sleep"}  # Fedify can read our documents

    for who in ("bo", "readers"):
        await fedify.tell(do="follow", who=who, to=group)
    await settle(alder)
    theirs = {f"{fedify.origin}/users/bo", f"{fedify.origin}/users/readers"}
    assert await followers(alder, group) == {ana.actor.uri} | theirs

    root = await alder.start(ana, group, "Waking at four", "Does anyone else?", "sleep")
    reply = await alder.reply(ana, root.uri, "I made tea.")
    await settle(alder)
    alder.clock.forward(minutes=2)
    await alder.edit(ana, reply.uri, "", "I made camomile tea.")
    await settle(alder)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, sleep, ana)
        await desk.remove(conn, alder.here, sleep, acting, reply, "a reason")
    await settle(alder)

    note = f"{fedify.origin}/notes/1"
    order = {"who": "bo", "to": group, "note": "1"}
    await fedify.tell(do="create", content="<p>Me too.</p>", answers=root.uri, **order)
    await settle(alder)
    post = await alder.post(note)
    assert post is not None
    assert post.parent_id == root.id
    assert "Me too." in post.content
    alder.clock.forward(minutes=2)
    await fedify.tell(do="update", content="<p>Not any more.</p>", answers=root.uri, **order)
    await settle(alder)
    post = await alder.post(note)
    assert post is not None
    assert "Not any more." in post.content
    await fedify.tell(do="delete", **order)
    await settle(alder)
    post = await alder.post(note)
    assert post is not None
    assert post.state is PostState.DELETED
    assert await alder.mentions("Not any more.") == []

    told = await fedify.tell(do="tell")
    kinds = _kinds(told["heard"])
    assert kinds[:2] == ["Accept", "Accept"]
    assert kinds[2:7] == [
        "Announce",
        "Announce(Create)",
        "Announce(Create)",
        "Announce(Update)",
        "Announce(Delete)",
    ]
    assert {each["status"] for each in told["seen"]} == {202}  # it verified all that we sent
    used = "cavage" if first_knock == CAVAGE else "rfc9421"
    # Whatever it signs with is taken at once (WIRE-S31), and then used towards it as well.
    assert {(each["scheme"], each["status"]) for each in told["knocks"]} == {(used, 202)}
    assert {each["scheme"] for each in told["seen"]} == {used}
