"""DESIGN-V1: simple attacks on a stolen dump find nothing, and find everything that is planted.

The dump is a real `pg_dump` at one moment; node key and passwords stay behind. What a sequence or
PostgreSQL's own statistics say (a count; a column's values without their rows) joins no two rows.
"""

import asyncio
import random
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pytest

from kernel import db
from kernel.clock import to_month
from kernel.here import Here
from kernel.postgres import Server
from kernel.schema.base import Side
from kernel.schema.tables import metadata
from kernel.sealing import NodeKey
from tests.conftest import TEMPLATE
from tests.nodes import Wall
from tests.privacy import attacks, odds, world
from tests.privacy.attacks import OWNER, OWNERLESS, Attack
from tests.privacy.dump import Dump, Table, Value, seconds
from tests.privacy.odds import Game, Verdict
from tests.privacy.world import Persona, World

pytestmark = pytest.mark.slow

SEED = 20260619
SURE = 0.001


@pytest.fixture(scope="module")
def town(postgres: Server) -> World:
    async def live() -> World:
        name = f"test_{uuid.uuid4().hex}"
        await postgres.create_database(name, template=TEMPLATE)
        engine = db.connect(postgres.url(name))
        wall = Wall()
        here = Here("https://alder.example", NodeKey(secrets.token_bytes(32)), wall)
        try:
            return await world.build(engine, here, wall, postgres.url(name), seed=SEED)
        finally:
            await engine.dispose()

    return asyncio.run(live())


@dataclass(frozen=True, slots=True)
class Tried:
    """All attacks of one game, and which pairs are true."""

    attacks: Sequence[Attack]
    game: Game

    def verdicts(self, chosen: Callable[[str], bool]) -> dict[str, Verdict]:
        """What the attacks come to whose name is `chosen`."""
        return {
            each.name: odds.judge(each.scores(), self.game)
            for each in self.attacks
            if chosen(each.name)
        }


def against_accounts(town: World, dump: Dump) -> Tried:
    """Account and persona; those whose account is gone by now have none to be found."""
    rows = set(dump.tables["accounts"].column("id"))
    staying = [
        number
        for number, resident in enumerate(town.residents)
        if resident.member.account_id.bytes in rows
    ]
    place = {number: at for at, number in enumerate(staying)}
    held: dict[Value, int] = {
        town.residents[number].member.account_id.bytes: at for number, at in place.items()
    }
    held.update((row, place[number]) for row, number in town.sessions.items() if number in place)
    personas = [persona for persona in town.personas if persona.member in place]
    found = attacks.account_attacks(
        dump,
        attacks.owned_rows(dump, Side.ACCOUNT, held),
        attacks.owned_rows(dump, Side.PERSONA, names(personas)),
        members=len(staying),
        count=len(personas),
    )
    owners = [place[persona.member] for persona in personas]
    return Tried(found, odds.account_game(owners, len(staying), random.Random(SEED)))


def against_siblings(town: World, dump: Dump) -> Tried:
    """Persona and persona, given what anybody can read: when each was made, and if it is closed."""
    personas = attacks.owned_rows(dump, Side.PERSONA, names(town.personas))
    shown = dict(zip(town.dump.tables["actors"].column("id"), public(town.dump), strict=True))
    game = odds.sibling_game(
        [persona.member for persona in town.personas],
        [shown[persona.actor.id.bytes] for persona in town.personas],
        random.Random(SEED),
    )
    return Tried(attacks.sibling_attacks(dump, personas, len(town.personas)), game)


def names(personas: Iterable[Persona]) -> Mapping[Value, int]:
    """By what a row may name a persona: its id or its address."""
    found: dict[Value, int] = {}
    for number, persona in enumerate(personas):
        found[persona.actor.id.bytes] = found[persona.actor.uri] = number
    return found


def public(dump: Dump) -> list[tuple[Value, Value]]:
    actors = dump.tables["actors"]
    return list(zip(actors.column("since"), actors.column("state"), strict=True))


def test_every_table_of_either_side_is_attacked_or_says_why_not() -> None:
    for side, others in ((Side.ACCOUNT, set()), (Side.PERSONA, OWNERLESS)):
        tables = {name for name, table in metadata.tables.items() if table.info["side"] is side}
        assert tables == (OWNER.keys() & tables) | others


def test_the_dump_is_whole_and_counts_nothing_of_accounts_or_personas(town: World) -> None:
    tables = town.dump.tables
    assert tables.keys() == metadata.tables.keys()
    accounts = {each.member.account_id.bytes for each in town.residents}
    assert len(tables["accounts"].rows) == len(town.residents) - 2  # who left
    assert set(tables["accounts"].column("id")) < accounts
    assert {persona.actor.uri for persona in town.personas} < set(tables["actors"].column("uri"))
    assert set(tables["sessions"].column("id")) <= town.sessions.keys()
    assert len(tables["posts"].rows) > 50
    assert town.dump.sequences.keys() == {"audit_id_seq", "deliveries_id_seq", "received_id_seq"}


def test_the_attacks_find_nothing(town: World) -> None:
    tried = {
        f"{game}: {name}": verdict
        for game, against in (("account", against_accounts), ("siblings", against_siblings))
        for name, verdict in against(town, town.dump).verdicts(lambda _: True).items()
    }
    assert len(tried) > 500
    corrected = odds.holm({name: verdict.p for name, verdict in tried.items()})
    found = {name: tried[name] for name, p in corrected.items() if p < SURE}
    assert found == {}


def test_no_eight_bytes_of_the_account_side_stand_anywhere_else(town: World) -> None:
    dump = town.dump
    ours: dict[Value, int] = {each.member.account_id.bytes: 0 for each in town.residents}
    ours.update(dict.fromkeys(town.sessions, 0))
    known = attacks.slices_of(attacks.owned_rows(dump, Side.ACCOUNT, ours))
    assert len(known) > 500_000
    for name, table in dump.tables.items():
        if metadata.tables[name].info["side"] is not Side.ACCOUNT:
            for value in {value for row in table.rows for value in row}:
                assert not attacks.windows(value) & known, name


# --- what is planted ---------------------------------------------------------------------------
# Each plant goes into the dump that was read, as a careless node would have written it there.


def by_owner(town: World, dump: Dump, table: str) -> list[int | None]:
    """For each row of `accounts`, `sessions` or `actors`: the member; None for strangers."""
    owners: dict[Value, int] = {
        each.member.account_id.bytes: number for number, each in enumerate(town.residents)
    }
    owners.update((persona.actor.id.bytes, persona.member) for persona in town.personas)
    owners.update((row, number) for row, number in town.sessions.items())
    return [owners.get(value) for value in dump.tables[table].column("id")]


def per_member(
    town: World, dump: Dump, table: str, column: str, value: Callable[[int], Value]
) -> Dump:
    """A column that says something of the member behind each row."""
    values = [None if who is None else value(who) for who in by_owner(town, dump, table)]
    return dump.replace(**{table: dump.tables[table].with_column(column, values)})


def per_persona(town: World, dump: Dump, column: str, value: Callable[[Persona], Value]) -> Dump:
    """A column of `actors` that says something of each persona."""
    known = {persona.actor.id.bytes: value(persona) for persona in town.personas}
    rows = dump.tables["actors"]
    values = [
        known.get(bytes(each)) if isinstance(each, bytes) else None for each in rows.column("id")
    ]
    return dump.replace(actors=rows.with_column(column, values))


def plant_time(town: World) -> Dump:
    dump = per_member(
        town, town.dump, "accounts", "made", lambda who: town.residents[who].signed_up.timestamp()
    )
    return per_persona(town, dump, "made", lambda persona: persona.made.timestamp())


def plant_month(town: World) -> Dump:
    """The account's; the persona's is there and public."""
    return per_member(
        town,
        town.dump,
        "accounts",
        "month",
        lambda who: seconds(to_month(town.residents[who].signed_up)),
    )


def plant_row_order(town: World) -> Dump:
    """Accounts and personas as they were inserted, as if nobody ever laid the tables out."""
    signed_up: dict[Value, int] = {
        each.member.account_id.bytes: number for number, each in enumerate(town.residents)
    }
    made: dict[Value, int] = {
        persona.actor.id.bytes: number for number, persona in enumerate(town.personas)
    }
    dump = town.dump
    for name, order in (("accounts", signed_up), ("actors", made)):
        table = dump.tables[name]
        came = [order.get(owner, -1) for owner in table.column("id")]
        rows = [table.rows[at] for at in sorted(range(len(came)), key=came.__getitem__)]
        dump = dump.replace(**{name: Table(table.columns, rows)})
    return dump


def plant_length(town: World) -> Dump:
    """A blob that is padded to six sizes only, and a profile text that is as long-winded."""
    dice = random.Random(SEED)
    sizes = [dice.randrange(6) for _ in town.residents]
    dump = per_member(
        town, town.dump, "accounts", "blob", lambda who: bytes(16000 + 64 * sizes[who])
    )
    return per_persona(town, dump, "summary", lambda persona: "la " * (10 + sizes[persona.member]))


def plant_equal_hmac(town: World) -> Dump:
    """A few bytes of the log-in name's HMAC, somewhere inside a longer value of the persona."""
    accounts = town.dump.tables["accounts"]
    macs = dict(zip(by_owner(town, town.dump, "accounts"), accounts.column("login"), strict=True))

    def tag(persona: Persona) -> Value:
        login = macs.get(persona.member)
        return secrets.token_bytes(20) + login[3:12] if isinstance(login, bytes) else None

    return per_persona(town, town.dump, "tag", tag)


def plant_app_id(town: World) -> Dump:
    """The id of the app that somebody uses, the same for all their personas; thirty apps in use."""
    dice = random.Random(SEED)
    apps = [secrets.token_urlsafe(32) for _ in range(30)]
    used = [dice.choice(apps) for _ in town.residents]
    return per_persona(town, town.dump, "app", lambda persona: used[persona.member])


def plant_session_day(town: World) -> Dump:
    """Sessions that never go and tell the day they began; personas that tell the day, too."""
    width = len(town.dump.tables["sessions"].columns)
    opened = [(row, *[None] * (width - 1)) for row in town.opened]
    sessions = Table(town.dump.tables["sessions"].columns, opened).with_column(
        "expires", [seconds(moment.date()) for moment in town.opened.values()]
    )
    dump = town.dump.replace(sessions=sessions)
    return per_persona(town, dump, "since", lambda persona: seconds(persona.made.date()))


Plant = tuple[Callable[[World], Dump], Callable[[World, Dump], Tried], str]

PLANTS: dict[str, Plant] = {
    "time": (plant_time, against_accounts, "accounts.made (order) ~ actors.made (order)"),
    "time of siblings": (plant_time, against_siblings, "actors.made (order) ~ actors.made (order)"),
    "month": (plant_month, against_accounts, "accounts.month (order) ~ actors.since (order)"),
    "rows": (plant_row_order, against_accounts, "accounts row (order) ~ actors row (order)"),
    "rows of siblings": (
        plant_row_order,
        against_siblings,
        "actors row (order) ~ actors row (order)",
    ),
    "length": (plant_length, against_accounts, "accounts.blob (length) ~ actors.summary (length)"),
    "equal HMAC": (plant_equal_hmac, against_accounts, "accounts = actors.tag"),
    "equal HMAC of siblings": (plant_equal_hmac, against_siblings, "actors.tag = itself"),
    "app id": (plant_app_id, against_siblings, "actors.app = itself"),
    "session day": (
        plant_session_day,
        against_accounts,
        "sessions.expires (order) ~ actors.since (order)",
    ),
}


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_is_found(town: World, name: str) -> None:
    plant, against, attack = PLANTS[name]
    tried = against(town, plant(town))
    (verdict,) = tried.verdicts(partial(str.__eq__, attack)).values()
    as_if_all = verdict.p * 2 * len(tried.attacks)  # and the other game's beside
    assert verdict.auc > 0.6
    assert as_if_all < SURE
