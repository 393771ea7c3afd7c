"""A like travels to the author, and counts once."""

import pytest

from groups import reactions
from tests.nodes import Node, NodeFactory, settle


async def _likes(node: Node, uri: str) -> int:
    post = await node.post(uri)
    assert post is not None
    return post.likes


@pytest.mark.slow
async def test_a_like_reaches_every_node_once_and_can_be_taken_back(node: NodeFactory) -> None:
    alder, birch, cedar = [await node(f"{name}.test") for name in ("alder", "birch", "cedar")]
    ana, ben, cleo = [
        await each.persona(name) for each, name in ((alder, "ana"), (birch, "ben"), (cedar, "cleo"))
    ]
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await cedar.join(cleo, group.actor.uri)
    await settle(alder, birch, cedar)
    root = await birch.start(ben, group.actor.uri, "A title", "Some words.")
    await settle(alder, birch, cedar)

    post = await cedar.post(root.uri)
    assert post is not None
    for _ in range(2):
        async with cedar.engine.begin() as conn:
            await reactions.like(conn, cedar.here, cleo, post)
        await settle(alder, birch, cedar)
    assert [await _likes(each, root.uri) for each in (alder, birch, cedar)] == [1, 1, 1]

    async with cedar.engine.begin() as conn:
        await reactions.unlike(conn, cedar.here, cleo, post)
    await settle(alder, birch, cedar)
    assert [await _likes(each, root.uri) for each in (alder, birch, cedar)] == [0, 0, 0]
