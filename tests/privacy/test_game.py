"""DESIGN-V1 and SEC-U16, parts (b) and (c), at a reduced size: `make attack` plays the whole game.

The dump is a real `pg_dump` at one moment of a busy evening; node key and passwords stay behind.
"""

import asyncio
from pathlib import Path

import pytest

from kernel.postgres import Server
from kernel.schema.base import Side
from kernel.schema.tables import metadata
from tests.privacy import controls, game, leaky, story, table
from tests.privacy.controls import CONTROLS, Control
from tests.privacy.desks import MARKS
from tests.privacy.dump import Value
from tests.privacy.game import SURE, Report
from tests.privacy.stage import set_up
from tests.privacy.story import Plan
from tests.privacy.traces import owned_rows
from tests.privacy.windows import all_windows, windows
from tests.privacy.world import Town, World

pytestmark = pytest.mark.slow

# Nothing in these says anything of one persona: groups' own rows, and what only the node can open.
NOBODYS = {
    "groups", "guidelines", "departures", "spent",
    "group_moves",  # which group goes where, once it says so to everybody
    "group_domains",  # what a group decided about servers: of desks, of nobody
    "moved_threads",  # which group a thread was in: everybody was told
    "attachments", "copies_wanted", "refreshes",  # of posts of other servers, and of pictures
    "severed_moderators",  # of servers not talked with: nobody of the story moderates there
    "refusals",  # what other servers did not take: no time, no id, no word of a post
    "care_objections",  # a mark by the node key alone
    "month_numbers",  # of the node, of nobody
    "media",  # nobody has a picture: tests/pages/test_media_directory.py looks at those
}  # fmt: skip


def live(postgres: Server, directory: Path, plan: Plan, town: type[Town] = Town) -> World:
    async def through() -> World:
        async with set_up(postgres, directory) as stage:
            (world,) = await story.build(stage, plan, town)
            return world

    return asyncio.run(through())


@pytest.fixture(scope="module")
def world(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> World:
    return live(postgres, tmp_path_factory.mktemp("node"), Plan(members=50))


@pytest.fixture(scope="module")
def report(world: World) -> Report:
    return game.play([world])


def test_the_whole_game_finds_nothing(world: World, report: Report) -> None:
    assert len(report.results) > 3000
    lists = {"accounts and personas", "siblings", "accounts and desk work"}
    assert report.trained.keys() >= lists | {"desk work and personas"}
    assert report.leaks == [], "\n".join(table.lines(report, []))


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_what_is_planted_is_found(world: World, report: Report, control: Control) -> None:
    found = controls.run(world, control)
    assert found.verdict.auc > 0.6
    assert table.as_if_all(found, report) < SURE


@pytest.mark.parametrize("town", leaky.LEAKY)
def test_a_leaky_application_fails_the_game(
    postgres: Server, tmp_path: Path, town: type[Town]
) -> None:
    leaking = live(postgres, tmp_path, Plan(members=24, acts=1.0, moderated=False), town)
    assert game.play([leaking]).leaks != []


def test_every_table_of_either_side_is_attacked_or_says_why_not(world: World) -> None:
    accounts = game.account_sides(world, world.dump)
    personas = owned_rows(world.dump, game.people_of(world.personas), game.of_personas)
    personas |= game.works(world, world.dump)
    for side, owned in ((Side.ACCOUNT, accounts), (Side.PERSONA, personas)):
        named = {label.partition(" by ")[0] for label in owned}
        tables = {name for name, each in metadata.tables.items() if each.info["side"] is side}
        assert tables - named <= NOBODYS
        assert named - tables <= {"public_actors", "public_posts", *_on_no_side()}


def _on_no_side() -> set[str]:
    return {name for name, each in metadata.tables.items() if each.info["side"] is Side.NEITHER}


def test_work_of_every_kind_is_there_and_of_many(world: World) -> None:
    """So that an attack has something to go by."""
    works = game.works(world, world.dump)
    assert {label.partition(" by ")[0] for label in works} == MARKS.keys()
    workers = {who for rows in works.values() for who, _, _ in rows}
    assert len(workers) > len(world.residents) // 3
    assert len({who for who, _, _ in works["audit by whom"]}) > 5
    assert len({who for who, _, _ in works["reports by whom"]}) > 10


def test_the_theft_is_whole(world: World) -> None:
    tables = world.dump.tables
    assert tables.keys() >= metadata.tables.keys() | {"public_actors", "public_posts", "log"}
    assert len(tables["accounts"].rows) == len(world.residents) - 1  # who left
    uris = set(tables["actors"].column("uri"))
    assert {persona.actor.uri for persona in world.personas} < uris
    assert set(tables["sessions"].column("id")) <= world.places.keys()
    assert len(tables["public_actors"].rows) == len(world.personas)
    assert len(tables["public_posts"].rows) > 50
    assert len(tables["reactions"].rows) > 30
    assert world.dump.sequences.keys() == {
        "audit_id_seq",
        "deliveries_id_seq",
        "domain_changes_id_seq",
        "domain_errands_id_seq",
        "list_takings_id_seq",
        "received_id_seq",
        "refusals_id_seq",
        "signal_effects_id_seq",
        "signal_sources_id_seq",
        "signals_id_seq",
    }


def test_the_log_names_nobody_and_no_file_does(world: World) -> None:
    assert sum("route=/ " in line for line in world.log) > 50
    everybody = [*game.people_of_accounts(world), *game.people_of(world.personas)]
    names = [name for name in everybody if isinstance(name, str)]
    for text in ("\n".join(world.log), str(world.dump.tables["files"].column("name"))):
        assert [name for name in names if name in text] == []


def test_no_eight_bytes_of_the_account_side_stand_anywhere_else(world: World) -> None:
    sides = game.account_sides(world, world.dump).values()
    known = set(all_windows(v for rows in sides for _, _, row in rows for v in row).tolist())
    assert len(known) > 500_000
    for name, each in world.dump.tables.items():
        if name not in metadata.tables or metadata.tables[name].info["side"] is not Side.ACCOUNT:
            values: set[Value] = {value for row in each.rows for value in row}
            for value in values:
                assert known.isdisjoint(windows(value).tolist()), name
