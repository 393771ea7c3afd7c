"""Two more implementations that are not ours, apkit and bovine, in an environment of their own.

Each reads a group, follows it, verifies what comes, answers, and deletes its answer again.
"""

from collections.abc import AsyncIterator

import pytest

from groups.groups import Group
from kernel.schema.posts import PostState
from moderation.standing import Speaker
from tests.interop.programs import HERE, Program, free_port, missing, running
from tests.nodes import Node, settle
from tests.wire.world import followers

pytestmark = pytest.mark.slow

PACKAGE = HERE / "python"
WHO = {"apkit": "cy", "bovine": "di"}


@pytest.fixture(params=sorted(WHO))
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def program(library: str) -> AsyncIterator[Program]:
    python, port = PACKAGE / ".venv" / "bin" / "python", free_port()
    if not python.exists():
        missing("the environment in tests/interop/python was not made")
    async with running([str(python), f"{library}_peer.py", str(port)], port, PACKAGE) as found:
        yield found


async def test_it_follows_a_group_hears_a_thread_and_answers(
    alder: Node, ana: Speaker, sleep: Group, program: Program, library: str
) -> None:
    group = sleep.actor.uri
    assert await program.tell(do="look", to=group) == {"name": "Sleep", "type": "Group"}

    await program.tell(do="follow", to=group)
    await settle(alder)
    assert f"{program.origin}/users/{WHO[library]}" in await followers(alder, group)

    root = await alder.start(ana, group, "Waking at four", "Does anyone else?", "sleep")
    await settle(alder)
    note = f"{program.origin}/notes/1"
    await program.tell(do="create", to=group, note="1", content="<p>Me too.</p>", answers=root.uri)
    await settle(alder)
    post = await alder.post(note)
    assert post is not None
    assert post.parent_id == root.id
    await program.tell(do="delete", to=group, note="1")
    await settle(alder)
    post = await alder.post(note)
    assert post is not None
    assert post.state is PostState.DELETED
    await alder.delete(ana, root.uri)
    await settle(alder)

    told = await program.tell(do="tell")
    assert told["knocks"] == [202] * 3
    kinds = [each["type"] for each in told["heard"]]
    assert kinds[:2] == ["Accept", "Announce"]
    assert kinds[-1] == "Undo"
    assert told["heard"][1]["object"] == root.uri
