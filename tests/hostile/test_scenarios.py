"""Every scenario is played against a real node: what came from a hostile server did no harm.

The files name the rules; `README.md` says how to write one.
"""

import logging
import re
import socket
from pathlib import Path

import pytest

from groups.groups import Group
from moderation.standing import Speaker
from tests.hostile import server
from tests.hostile.scenario import FOLDER, Scenario, every, load
from tests.hostile.stage import Stage
from tests.nodes import Node
from tests.peer import PUBLIC, Peer
from tests.wire.world import said

RULES = (Path(__file__).parent.parent.parent / "docs" / "reference" / "rules.md").read_text()
FEWEST = 41


def test_every_scenario_says_which_rule_it_is_about() -> None:
    scenarios = every()
    assert len(scenarios) >= FEWEST
    for scenario in scenarios:
        first = scenario.rules[0].removeprefix("SEC-")
        assert scenario.name.startswith(f"{first}_"), scenario.name
        assert all(f"| {rule} |" in RULES for rule in scenario.rules), scenario.name
        assert scenario.about.endswith("."), scenario.name


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.toml")))
async def test_sec(
    alder: Node,
    ana: Speaker,
    sleep: Group,
    good: Peer,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a hostile server tries has no effect; the id of the rule is in the test's own."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6, which is what is inside here")
    scenario: Scenario = load(FOLDER / f"{name}.toml")
    ann = good.person("ann")
    note = good.note(ann, "hello", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    root = await alder.post(note["id"])
    assert root is not None
    async with (
        server.serve(lambda _: server.answer(b"{}"), host="::1") as inside,
        server.serve(lambda _: server.answer(status="404 Not Found")) as evil,
    ):
        alder.names.elsewhere["inside.test"] = ("::1", inside.port)
        alder.names.ports["evil.test"] = alder.names.ports["twin.test"] = evil.port
        with caplog.at_level(logging.INFO):
            await Stage(alder, good, ann, root, inside, evil, scenario).all_hold()
    bad = [each for each in caplog.records if each.levelno >= logging.ERROR or each.exc_info]
    assert bad == []
    assert not re.search(r"Traceback|PRIVATE KEY", caplog.text)
