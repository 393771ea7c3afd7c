"""Two names of one member look like two members, to everybody and for ever (DESIGN-V2)."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from difflib import unified_diff
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.postgres import Server
from kernel.schema.tables import actors
from members import personas
from members.member import Member
from moderation.standing import Speaker
from tests.conftest import TEMPLATE
from tests.nodes import Nodes
from tests.peer import Peer
from tests.privacy.stage import Logged
from tests.privacy.twins import ONE, OTHER, READER, Step, Twins, script

pytestmark = pytest.mark.slow

DAYS = 20
AFTER = 10  # days after a ban
Recording = Mapping[str, Sequence[str]]


@asynccontextmanager
async def twins(postgres: Server, directory: Path, *, together: bool) -> AsyncIterator[Twins]:
    """A settled world on a server of its own."""
    nodes = Nodes(postgres, TEMPLATE, directory)
    peers = [
        await Peer("masto.test", nodes.names).start(),
        await Peer("lemmy.test", nodes.names, "lemmy").start(),
    ]
    try:
        with Logged(nodes.clock) as log:
            yield await Twins.settle(nodes, peers, log, together=together)
    finally:
        chance.install()
        await nodes.stop()
        for peer in peers:
            await peer.stop()


def differences(one: Recording, other: Recording) -> list[str]:
    """Where two recordings are not the same, and how."""
    found = [f"only in one: {where}" for where in sorted(one.keys() ^ other.keys())]
    for where in sorted(one.keys() & other.keys()):
        lines = list(unified_diff(one[where], other[where], where, where, lineterm="", n=0))
        found += lines[:12]
    return found


async def test_sec_U0_two_names_of_one_member_are_two_members(
    postgres: Server, tmp_path: Path, quick_keys: None
) -> None:
    """And a ban of one changes nothing but what the member alone is shown."""
    before, after, alone, waited = [], [], [], []
    for together in (True, False):
        (tmp_path / str(together)).mkdir()
        async with twins(postgres, tmp_path / str(together), together=together) as world:
            await world.play(script(DAYS))
            await world.converse()
            before.append(await world.recording())
            await world.ban(ONE)
            quiet = [step for step in script(AFTER, seed=12) if step.who not in (ONE, OTHER)]
            await world.play(quiet)
            after.append(await world.recording())
            alone.append(await world.try_to_speak(OTHER))
            waited.append(world.waited)

    assert differences(*before) == []
    assert differences(*after) == []
    assert alone == [403, 303]  # the member alone is told that they may not speak here
    assert min(waited) > 0  # posts took their time, and were looked at meanwhile
    assert before[0]["posted to masto.test"]
    assert any(OTHER in line for line in before[0]["posted to lemmy.test"])


async def test_sec_U18_who_reports_or_is_worried_shows_to_nobody(
    postgres: Server, tmp_path: Path, quick_keys: None
) -> None:
    """Not to whoever decides, nor to peers, others or a thief; who asked for a second look does
    to those alone who answer."""
    before, after = [], []
    for who, asks in (("name_10", "name_12"), ("name_11", "name_13")):
        (tmp_path / who).mkdir()
        async with twins(postgres, tmp_path / who, together=False) as world:
            await world.play(script(4))
            await world.play([Step(2, READER, "start", 0), Step(2, READER, "start", 1)])
            await world.tell(who)
            await world.decide()
            await world.look("told")
            before.append(await world.recording())
            await world.warn("name_12", "name_13")
            await world.appeal(asks)
            await world.look("asked")
            after.append(await world.recording())

    assert differences(*before) == []
    assert before[0]["case of /moderation/care/desk"]
    assert any("Please look." in line for line in before[0]["case of /g/open/desk/cases/desk"])
    theirs = {"table appeals", "asked desk /g/open/desk"}
    outside = [{at: each[at] for at in each.keys() - theirs} for each in after]
    assert differences(*outside) == []
    assert after[0]["table appeals"] != after[1]["table appeals"]


async def test_a_difference_that_was_planted_is_found(
    postgres: Server, tmp_path: Path, quick_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it only a number in the log, or one that ends up on a page, or an id that is equal."""
    honest = personas.speaker

    async def leaky(conn: AsyncConnection, member: Member, persona_id: UUID) -> Speaker:
        found = await honest(conn, member, persona_id)
        several = len(found.voices)
        logging.getLogger("members").info("speaks", extra={"names": several})
        words = f"{several} {member.account_id}"
        planted = sa.update(actors).where(actors.c.id == persona_id).values(summary=words)
        await conn.execute(planted)
        return found

    monkeypatch.setattr(personas, "speaker", leaky)
    recordings = []
    for together in (True, False):
        (tmp_path / str(together)).mkdir()
        async with twins(postgres, tmp_path / str(together), together=together) as world:
            await world.play(script(2))
            recordings.append(await world.recording())

    found = {
        line.removeprefix("--- ") for line in differences(*recordings) if line.startswith("--- ")
    }
    equal = "how often each id and key is there"
    assert {"log", "table actors", "000 visitor /u/name_00", equal} <= found
