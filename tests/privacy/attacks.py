"""The simple attacks on a dump: equality, order, time, length (DESIGN-V1, "How V1 is tested").

A *trace* is what one column, or the place of the rows, says of each account or each persona as
numbers. Two people are guessed to be one where their traces lie close: in order (row places, times,
counters), as ids read as integers, or in length; or where they share eight bytes in a row.
"""

import base64
import binascii
import itertools
import math
import re
import zlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from kernel.schema.base import Side
from kernel.schema.tables import metadata
from tests.privacy.dump import Dump, Row, Value

WINDOW = 8
DAY = 86400.0

# The column of a table that says whose row it is; `sessions` is known to the test alone.
OWNER = {
    "accounts": "id",
    "sessions": "id",
    "actors": "id",
    "actor_keys": "actor_id",
    "follows": "follower_id",
    "moderators": "actor_id",
    "bans": "actor_id",
    "posts": "author_id",
    "reactions": "actor_uri",
    "activities": "actor_uri",
    "deliveries": "signer_id",
}
# These say nothing of one persona: groups' own rows, the desk's log, rows that only the node opens.
OWNERLESS = {"groups", "guidelines", "threads", "audit", "departures"}


class Kind(StrEnum):
    ORDER = "order"  # row places, times, counters
    ID = "id"  # the first eight bytes, as an integer
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Trace:
    """Everybody's values by number of the person, sorted: as quantiles; times also in days."""

    name: str
    kind: Kind
    quantiles: Mapping[int, tuple[float, ...]]
    days: Mapping[int, tuple[float, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Attack:
    """A guess at every pair: `scores` by place, higher where the pair rather is true."""

    name: str
    scores: Callable[[], Sequence[float]]


Owned = Mapping[str, Sequence[tuple[int, int, Row]]]  # by table: (person, place, row)


def owned_rows(dump: Dump, side: Side, people: Mapping[Value, int]) -> Owned:
    """The rows of one side that belong to somebody in `people`, by what the owner column holds."""
    found: dict[str, list[tuple[int, int, Row]]] = {}
    for name, table in dump.tables.items():
        if name in OWNER and metadata.tables[name].info["side"] is side:
            owners = table.column(OWNER[name])
            found[name] = [
                (people[owner], place, row)
                for place, (owner, row) in enumerate(zip(owners, table.rows, strict=True))
                if owner in people
            ]
    return found


def traces(dump: Dump, owned: Owned) -> list[Trace]:
    """Everything that could be compared and is not the same for everybody."""
    found: list[Trace] = []
    for name, rows in owned.items():
        found += _trace(f"{name} row", Kind.ORDER, [(who, place) for who, place, _ in rows])
        for at, column in enumerate(dump.tables[name].columns):
            if column == OWNER[name] and column != "id":
                continue  # the persona's id, which stands in `actors` too
            held = [(who, row[at]) for who, _, row in rows if row[at] is not None]
            numbers = [(who, value) for who, value in held if isinstance(value, int | float)]
            texts = [(who, value) for who, value in held if isinstance(value, bytes | str)]
            ids = [
                (who, int.from_bytes(value[:WINDOW], "big"))
                for who, value in texts
                if isinstance(value, bytes)
            ]
            label = f"{name}.{column}"
            found += _trace(label, Kind.ORDER, numbers)
            found += _trace(label, Kind.ID, ids)
            found += _trace(label, Kind.LENGTH, [(who, len(value)) for who, value in texts])
    return found


def _trace(name: str, kind: Kind, values: Sequence[tuple[int, float]]) -> Iterator[Trace]:
    """All values; and where people have several, also only their first and only their last."""
    scale = sorted(value for _, value in values)
    if not scale or scale[0] == scale[-1]:
        return
    of: dict[int, set[float]] = defaultdict(set)
    for who, value in values:
        of[who].add(value)
    every = {who: sorted(mine) for who, mine in of.items()}
    parts = {"": slice(None)}
    if any(len(mine) > 1 for mine in every.values()):
        parts |= {", first": slice(1), ", last": slice(-1, None)}
    is_time = all(isinstance(value, float) for value in scale)
    for word, part in parts.items():
        yield Trace(
            f"{name} ({kind}{word})",
            kind,
            {
                who: tuple(_quantile(value, scale) for value in mine[part])
                for who, mine in every.items()
            },
            {who: tuple(value / DAY for value in mine[part]) for who, mine in every.items()}
            if is_time
            else None,
        )


def _quantile(value: float, scale: Sequence[float]) -> float:
    return (bisect_left(scale, value) + bisect_right(scale, value)) / 2 / len(scale)


def comparable(
    one: Trace, other: Trace
) -> tuple[Mapping[int, tuple[float, ...]], Mapping[int, tuple[float, ...]]]:
    """Two traces on one scale: the calendar where both have one, else how far along each is."""
    if one.days is not None and other.days is not None:
        return one.days, other.days
    return one.quantiles, other.quantiles


def closeness(one: Sequence[float] | None, other: Sequence[float] | None) -> float:
    """How near two people's nearest values are; higher is nearer."""
    if not one or not other:
        return -math.inf
    if len(one) == len(other) == 1:
        return -abs(one[0] - other[0])
    if len(one) > len(other):
        one, other = other, one
    best = math.inf
    for value in one:
        at = bisect_left(other, value)
        for near in other[max(at - 1, 0) : at + 1]:
            best = min(best, abs(value - near))
    return -best


def account_attacks(
    dump: Dump, accounts: Owned, personas: Owned, *, members: int, count: int
) -> list[Attack]:
    """Account against persona: `members` accounts, `count` personas."""

    def compare(one: Trace, other: Trace) -> Sequence[float]:
        left, right = comparable(one, other)
        ones = [left.get(member) for member in range(members)]
        others = [right.get(persona) for persona in range(count)]
        return [closeness(a, b) for a in ones for b in others]

    found = [
        Attack(f"{one.name} ~ {other.name}", partial(compare, one, other))
        for one in traces(dump, accounts)
        for other in traces(dump, personas)
        if one.kind is other.kind
    ]

    def equal(known: set[bytes], held: Sequence[tuple[int, Value]]) -> Sequence[float]:
        hits = shared(known, held, accounts)
        return [
            hits.get((member, persona), 0) for member in range(members) for persona in range(count)
        ]

    known = slices_of(accounts)
    for name, column, held in columns(dump, personas):
        found.append(Attack(f"accounts = {name}.{column}", partial(equal, known, held)))
    return found


def slices_of(accounts: Owned) -> set[bytes]:
    """Every eight bytes in a row that the account side holds."""
    return set[bytes]().union(
        *(windows(value) for rows in accounts.values() for _, _, row in rows for value in row)
    )


def shared(
    known: set[bytes], held: Sequence[tuple[int, Value]], accounts: Owned
) -> Mapping[tuple[int, int], int]:
    """How many windows of eight bytes a member's rows share with what a persona's column holds."""
    wanted: dict[bytes, set[int]] = defaultdict(set)
    for persona, value in held:
        for window in windows(value) & known:
            wanted[window].add(persona)
    hits: dict[tuple[int, int], int] = defaultdict(int)
    if wanted:
        for rows in accounts.values():
            for member, _, row in rows:
                for window in set[bytes]().union(*map(windows, row)) & wanted.keys():
                    for persona in wanted[window]:
                        hits[member, persona] += 1
    return hits


def sibling_attacks(dump: Dump, personas: Owned, count: int) -> list[Attack]:
    """Persona against persona: every trace with itself, and orders with one another."""
    found = traces(dump, personas)
    pairs = [(trace, trace) for trace in found]
    firsts = [each for each in found if each.kind is Kind.ORDER and "last" not in each.name]
    pairs += [
        (one, other)
        for one, other in itertools.combinations(firsts, 2)
        if " row " in one.name or " row " in other.name
    ]

    def compare(one: Trace, other: Trace) -> Sequence[float]:
        left, right = comparable(one, other)
        ones = [left.get(persona) for persona in range(count)]
        if one is other:
            return [closeness(a, b) for a, b in itertools.combinations(ones, 2)]
        others = [right.get(persona) for persona in range(count)]
        return [
            max(closeness(ones[a], others[b]), closeness(ones[b], others[a]))
            for a, b in itertools.combinations(range(count), 2)
        ]

    attacks = [
        Attack(f"{one.name} ~ {other.name}", partial(compare, one, other)) for one, other in pairs
    ]
    for name, column, held in columns(dump, personas):
        attacks.append(Attack(f"{name}.{column} = itself", partial(_common, held, count)))
    return attacks


def _common(held: Sequence[tuple[int, Value]], count: int) -> Sequence[float]:
    """Windows that two personas share, each weighing more the fewer have it.

    Of very long columns only every eighth window is looked at, the same ones for everybody.
    """
    size = sum(len(value) for _, value in held if isinstance(value, bytes | str))
    every = 8 if size > 200_000 else 1
    having: dict[bytes, set[int]] = defaultdict(set)
    for persona, value in held:
        for window in windows(value):
            if every == 1 or zlib.crc32(window) % every == 0:
                having[window].add(persona)
    weights: dict[tuple[int, int], float] = defaultdict(float)
    for people in having.values():
        if 1 < len(people) <= count // 5:
            for pair in itertools.combinations(sorted(people), 2):
                weights[pair] += 1 / (len(people) - 1)
    return [weights.get(pair, 0.0) for pair in itertools.combinations(range(count), 2)]


def columns(dump: Dump, owned: Owned) -> Iterator[tuple[str, str, list[tuple[int, Value]]]]:
    """(table, column, what each person has there)."""
    for name, rows in owned.items():
        for at, column in enumerate(dump.tables[name].columns):
            yield name, column, [(who, row[at]) for who, _, row in rows]


_CODED = re.compile(r"[\w+/-]{16,}")


def windows(value: Value) -> set[bytes]:
    """Every eight bytes in a row, also of what is written as hexadecimal digits or base 64."""
    if isinstance(value, str):
        data = value.encode()
        return _slices(data).union(*(_slices(_decode(text)) for text in _CODED.findall(value)))
    return _slices(value) if isinstance(value, bytes) else set()


def _slices(data: bytes) -> set[bytes]:
    if 0 < len(data) < WINDOW:
        return {data}
    return {data[at : at + WINDOW] for at in range(len(data) - WINDOW + 1)}


def _decode(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace("-", ""))
    except ValueError:
        pass
    try:
        return base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "===")
    except binascii.Error:
        return b""
