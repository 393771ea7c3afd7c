"""What is planted in a dump, as a careless node would have written it there, and must be found."""

import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kernel.clock import to_month
from tests.privacy import game, odds
from tests.privacy.dump import Dump, Table, Value, seconds
from tests.privacy.game import SEED, Result
from tests.privacy.world import Persona, World


def by_owner(world: World, dump: Dump, table: str) -> list[int | None]:
    """For each row of `accounts`, `sessions` or `actors`: the member; None for strangers."""
    owners: dict[Value, int] = {stored: place.member for stored, place in world.places.items()}
    owners.update((persona.actor.id.bytes, persona.member) for persona in world.personas)
    owners.update((row, number) for row, number in world.sessions.items())  # of a plant
    return [owners.get(value) for value in dump.tables[table].column("id")]


def per_member(
    world: World, dump: Dump, table: str, column: str, value: Callable[[int], Value]
) -> Dump:
    """A column that says something of the member behind each row."""
    values = [None if who is None else value(who) for who in by_owner(world, dump, table)]
    return dump.replace(**{table: dump.tables[table].with_column(column, values)})


def per_persona(world: World, dump: Dump, column: str, value: Callable[[Persona], Value]) -> Dump:
    """A column of `actors` that says something of each persona."""
    known: dict[Value, Value] = {
        persona.actor.id.bytes: value(persona) for persona in world.personas
    }
    rows = dump.tables["actors"]
    return dump.replace(actors=rows.with_column(column, [known.get(i) for i in rows.column("id")]))


def plant_time(world: World) -> Dump:
    dump = per_member(
        world,
        world.dump,
        "accounts",
        "made",
        lambda who: world.residents[who].signed_up.timestamp(),
    )
    return per_persona(world, dump, "made", lambda persona: persona.made.timestamp())


def plant_month(world: World) -> Dump:
    """The account's; the persona's is there and public."""
    return per_member(
        world,
        world.dump,
        "accounts",
        "month",
        lambda who: seconds(to_month(world.residents[who].signed_up)),
    )


def plant_row_order(world: World) -> Dump:
    """Accounts and personas as they were inserted, as if nobody ever laid the tables out."""
    signed_up: dict[Value, int] = {stored: place.member for stored, place in world.places.items()}
    made: dict[Value, int] = {
        persona.actor.id.bytes: number for number, persona in enumerate(world.personas)
    }
    dump = world.dump
    for name, order in (("accounts", signed_up), ("actors", made)):
        table = dump.tables[name]
        came = [order.get(owner, -1) for owner in table.column("id")]
        rows = [table.rows[at] for at in sorted(range(len(came)), key=came.__getitem__)]
        dump = dump.replace(**{name: Table(table.columns, rows)})
    return dump


def plant_length(world: World) -> Dump:
    """A blob that is padded to six sizes only, and a profile text that is as long-winded."""
    dice = random.Random(SEED)
    sizes = [dice.randrange(6) for _ in world.residents]
    dump = per_member(
        world, world.dump, "accounts", "blob", lambda who: bytes(16000 + 64 * sizes[who])
    )
    return per_persona(world, dump, "summary", lambda persona: "la " * (10 + sizes[persona.member]))


def plant_equal_hmac(world: World) -> Dump:
    """A few bytes of the log-in name's HMAC, somewhere inside a longer value of the persona."""
    accounts = world.dump.tables["accounts"]
    macs = dict(zip(by_owner(world, world.dump, "accounts"), accounts.column("login"), strict=True))

    def tag(persona: Persona) -> Value:
        login = macs.get(persona.member)
        return secrets.token_bytes(20) + login[3:12] if isinstance(login, bytes) else None

    return per_persona(world, world.dump, "tag", tag)


def plant_app_id(world: World) -> Dump:
    """The id of the app that somebody uses, the same for all their personas; thirty apps in use."""
    dice = random.Random(SEED)
    apps = [secrets.token_urlsafe(32) for _ in range(30)]
    used = [dice.choice(apps) for _ in world.residents]
    return per_persona(world, world.dump, "app", lambda persona: used[persona.member])


def plant_session_day(world: World) -> Dump:
    """Sessions that never go and tell the day they began; personas that tell the day, too."""
    width = len(world.dump.tables["sessions"].columns)
    opened = [(row, *[None] * (width - 1)) for row in world.opened]
    sessions = Table(world.dump.tables["sessions"].columns, opened).with_column(
        "opened", [seconds(moment.date()) for moment in world.opened.values()]
    )
    dump = world.dump.replace(sessions=sessions)
    return per_persona(world, dump, "since", lambda persona: seconds(persona.made.date()))


def _per_worker(world: World, dump: Dump, column: str, value: Callable[[int], Value]) -> Dump:
    """A column of `reports` that says something of whoever reported."""
    table = dump.tables["reports"]
    whose = [world.deeds.get(row) for row in table.column("id")]
    said = [None if who is None else value(who) for who in whose]
    return dump.replace(reports=table.with_column(column, said))


def plant_account_in_work(world: World) -> Dump:
    """A few bytes of the account whose work it is, in every row of such work."""
    stored: dict[int, bytes] = {}
    for value in world.dump.tables["accounts"].column("id"):
        if isinstance(value, bytes) and value in world.places:
            stored[world.places[value].member] = value
    dump = world.dump
    for name, rows in game.works(world, dump).items():
        table = dump.tables[name.partition(" by ")[0]]
        whose = {place: stored.get(who) for who, place, _ in rows}
        values = [(whose.get(at) or secrets.token_bytes(16))[:12] for at in range(len(table.rows))]
        dump = dump.replace(**{name.partition(" by ")[0]: table.with_column("writer", values)})
    return dump


def plant_report_time(world: World) -> Dump:
    """When somebody reported, and when their account was used last; when their name was, too."""
    dice = random.Random(SEED)
    used = [dice.random() * 1e7 for _ in world.residents]
    dump = per_member(world, world.dump, "accounts", "used", lambda who: used[who])
    dump = per_persona(world, dump, "used", lambda persona: used[persona.member])
    return _per_worker(world, dump, "made", lambda who: used[who])


def plant_report_order(world: World) -> Dump:
    """Reports as if nobody ever laid them out, of members in the order in which they came."""
    dump = plant_row_order(world)
    table = dump.tables["reports"]
    came = [world.deeds.get(row, -1) for row in table.column("id")]
    rows = [table.rows[at] for at in sorted(range(len(came)), key=came.__getitem__)]
    return dump.replace(reports=Table(table.columns, rows))


@dataclass(frozen=True, slots=True)
class Control:
    """A plant, the list of pairs it betrays, and the attack that must see it."""

    name: str
    plant: Callable[[World], Dump]
    pairs: str
    attack: str


CONTROLS = (
    Control("time", plant_time, "accounts", "accounts.made (order) ~ actors.made (order)"),
    Control(
        "time of siblings", plant_time, "siblings", "actors.made (order) ~ actors.made (order)"
    ),
    Control("month", plant_month, "accounts", "accounts.month (order) ~ actors.since (order)"),
    Control("row order", plant_row_order, "accounts", "accounts row (order) ~ actors row (order)"),
    Control(
        "row order of siblings",
        plant_row_order,
        "siblings",
        "actors row (order) ~ actors row (order)",
    ),
    Control(
        "length class", plant_length, "accounts", "accounts.blob (length) ~ actors.summary (length)"
    ),
    Control("equal HMAC", plant_equal_hmac, "accounts", "accounts = actors.tag"),
    Control(
        "equal HMAC of siblings", plant_equal_hmac, "siblings", "actors.tag ~ actors.tag (equal)"
    ),
    Control("shared app id", plant_app_id, "siblings", "actors.app ~ actors.app (equal)"),
    Control(
        "session day",
        plant_session_day,
        "sessions",
        "sessions.opened (order) ~ actors.since (order)",
    ),
    Control(
        "account in words about care",
        plant_account_in_work,
        "accounts and desk work",
        "accounts = care_words by whom.writer",
    ),
    Control(
        "account in a report",
        plant_account_in_work,
        "accounts and desk work",
        "accounts = reports by whom.writer",
    ),
    Control(
        "time of a report",
        plant_report_time,
        "accounts and desk work",
        "accounts.used (order) ~ reports by whom.made (order)",
    ),
    Control(
        "time of a report and of a name",
        plant_report_time,
        "desk work and personas",
        "reports by whom.made (order) ~ actors.used (order)",
    ),
    Control(
        "row order of reports",
        plant_report_order,
        "accounts and desk work",
        "accounts row (order) ~ reports by whom row (order)",
    ),
)


def run(world: World, control: Control) -> Result:
    """What the attack that must see it comes to; p is corrected as if it were tried with all."""
    dump = control.plant(world)
    label, _, work = control.pairs.partition(" and ")
    if label == "siblings":
        tried = game.against_siblings(world, dump)
    elif label == "desk work":
        tried = game.work_against_personas(world, dump)
    elif work:
        tried = game.against_work(world, dump, label)
    else:
        tried = game.against_accounts(world, dump, label)
    (attack,) = (each for each in tried.attacks if each.name == control.attack)
    verdict = odds.judge(odds.mid_ranks(attack.scores()), tried.game)
    return Result(f"planted {control.name}: {attack.name}", tried.game.pairs, verdict)


def run_all(world: World) -> Iterator[Result]:
    """Every control in turn."""
    return (run(world, control) for control in CONTROLS)
