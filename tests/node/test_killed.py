"""`kill -9` of any node in the middle of a conversation, and nothing acknowledged is lost."""

from contextlib import AsyncExitStack

import pytest

from node.demo.story import Story


@pytest.mark.slow
async def test_each_node_in_turn_is_killed_and_every_answered_post_arrives() -> None:
    async with AsyncExitStack() as stack:
        story = Story(stack)
        for step in story.steps[:9]:
            await step.work()
        for victim in ("alder", "birch", "cedar"):
            await story.survive_a_crash(victim)
