"""What a dump says of each account and each persona, as numbers.

Whose a row is follows from what stands in it: any column that holds somebody's id or address, of
any table. So a new table or column is looked at without a word here. A *trace* is one column of
such rows, or their places: everybody's values, which may be few or many.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from tests.privacy.dump import Dump, Row, Table, Value
from tests.privacy.odds import Floats, Places

WINDOW = 8
DAY = 86400.0
_LONG = 200  # letters: longer than an address
_ADDRESS = re.compile(r"https?://[^\s\"<>\\]+")
_BIG = 2**32  # a number that large names something; smaller ones count

People = Mapping[Value, int]  # by what a row may hold of somebody: who
Owned = Sequence[tuple[int, int, Row]]  # (who, place, row)


class Kind(StrEnum):
    ORDER = "order"  # row places, times, counters
    ID = "id"  # the first eight bytes, as an integer
    LENGTH = "length"


@dataclass(frozen=True)
class Trace:
    """Values of people: `values[i]` is one of `who[i]`'s."""

    name: str
    kind: Kind
    who: Places
    values: Floats
    is_time: bool = False

    @cached_property
    def quantiles(self) -> Floats:
        """How far along each value is, from 0 to 1."""
        scale = np.sort(self.values)
        low, high = (np.searchsorted(scale, self.values, side) for side in ("left", "right"))
        return (low + high) / (2 * len(scale))

    @property
    def is_row(self) -> bool:
        return " row" in self.name


def owned_rows(dump: Dump, people: People, tables: Callable[[str], bool]) -> dict[str, Owned]:
    """Rows by whose they are, under `table` or `table by column`, of the `tables` chosen.

    A table that names nobody is reached through rows that do, by what is unique in those, in as
    many steps as it takes: a thread through its first post, a report through its case.
    """
    found: dict[str, Owned] = {}
    unnamed: list[str] = []
    through: dict[Value, int] = {}
    for name, table in dump.tables.items():
        if not tables(name):
            continue
        mine = dict(_by_column(name, table, people))
        found |= mine
        if not mine:
            unnamed.append(name)
        elif len(mine) == 1:
            through |= _unique(table, next(iter(mine.values())), people)
    while reached := {
        name: mine
        for name in unnamed
        if (mine := dict(_by_column(name, dump.tables[name], through)))
    }:
        for name, mine in reached.items():
            found |= mine
            if len(mine) == 1:
                through |= _unique(dump.tables[name], next(iter(mine.values())), people)
        unnamed = [name for name in unnamed if name not in reached]
    return found


def _by_column(name: str, table: Table, people: People) -> Iterator[tuple[str, Owned]]:
    for column in table.columns:
        rows = [
            (who, place, table.rows[place])
            for place, value in enumerate(table.column(column))
            for who in sorted(_named_in(value, people))
        ]
        if rows:
            own = column == "id" or name.endswith("actors")
            yield (name if own else f"{name} by {column}"), rows


def _named_in(value: Value, people: People) -> set[int]:
    """Whom a value names, alone or as an address inside a longer text."""
    if isinstance(value, int | float):
        return {people[value]} if value >= _BIG and value in people else set()
    if isinstance(value, str) and len(value) > _LONG:
        return {people[each] for each in _ADDRESS.findall(value) if each in people}
    return {people[value]} if value in people else set()


def _unique(table: Table, rows: Owned, people: People) -> dict[Value, int]:
    """What stands in one row of the table only, and names it: ids and addresses."""
    found: dict[Value, int] = {}
    for at, column in enumerate(table.columns):
        every = table.column(column)
        if column in ("id", "uri") and len(set(every)) == len(every):
            found |= {row[at]: who for who, _, row in rows if row[at] not in people}
    return found


def traces(dump: Dump, owned: Mapping[str, Owned]) -> list[Trace]:
    """Everything that could be compared and is not the same for everybody."""
    found: list[Trace] = []
    for label, rows in owned.items():
        name, _, by = label.partition(" by ")
        if not name.startswith("public"):  # pages have an order of their own, which says nothing
            found += _trace(f"{label} row", Kind.ORDER, [(who, place) for who, place, _ in rows])
        for at, column in enumerate(dump.tables[name].columns):
            if column == by:
                continue  # whose it is: a thief knows that
            held = [(who, row[at]) for who, _, row in rows if row[at] is not None]
            numbers = [(who, value) for who, value in held if isinstance(value, int | float)]
            texts = [(who, value) for who, value in held if isinstance(value, bytes | str)]
            title = f"{label}.{column}"
            found += _trace(title, Kind.ORDER, numbers)
            found += _trace(title, Kind.ID, [(who, _leading(value)) for who, value in texts])
            found += _trace(title, Kind.LENGTH, [(who, len(value)) for who, value in texts])
    return found


def _leading(value: bytes | str) -> int:
    """The first eight bytes as an integer; of an address, those of its last part."""
    if isinstance(value, str):
        value = (value.rpartition("/")[2] if "://" in value else value).encode()
    return int.from_bytes(value[:WINDOW].ljust(WINDOW, b"\0"), "big")


def _trace(name: str, kind: Kind, values: Sequence[tuple[int, float]]) -> Iterator[Trace]:
    """All values; and where people have several, also only their first and only their last."""
    if len({value for _, value in values}) < 2:
        return
    pairs = sorted(set(values))
    is_time = all(isinstance(value, float) for _, value in values)
    parts = {"": pairs}
    if len({who for who, _ in pairs}) < len(pairs):
        first = {who: (who, value) for who, value in reversed(pairs)}
        last = {who: (who, value) for who, value in pairs}
        parts |= {", first": list(first.values()), ", last": list(last.values())}
    for word, part in parts.items():
        who = np.array([who for who, _ in part], dtype=np.int64)
        numbers = np.array([float(value) for _, value in part])
        yield Trace(f"{name} ({kind}{word})", kind, who, numbers, is_time)


def closeness(one: Trace, other: Trace, ones: int, others: int) -> Floats:
    """How near the nearest values of two people are, a row per person of `one`; higher is nearer.

    On the calendar where both are times, else by how far along each is. -inf: one has no value.
    """
    left, right = one.quantiles, other.quantiles
    if one.is_time and other.is_time:
        left, right = one.values / DAY, other.values / DAY
    points, at = np.unique(right, return_inverse=True)
    before = np.full((ones, len(points)), -np.inf)  # each person's last value up to each point
    after = np.full((ones, len(points)), np.inf)
    for who, value in zip(one.who, left, strict=True):
        place = int(np.searchsorted(points, value, "left"))
        if place < len(points):
            before[who, place] = max(before[who, place], value)
        place = int(np.searchsorted(points, value, "right")) - 1
        if place >= 0:
            after[who, place] = min(after[who, place], value)
    np.maximum.accumulate(before, axis=1, out=before)
    after = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
    distance = np.minimum(points - before, after - points)
    order = np.argsort(other.who, kind="stable")
    people, starts = np.unique(other.who[order], return_index=True)
    result = np.full((ones, others), -np.inf)
    result[:, people] = -np.minimum.reduceat(distance[:, at[order]], starts, axis=1)
    return result
