"""The simple attacks on a dump: equality, order, time, length (DESIGN-V1, "How V1 is tested").

Two people are guessed to be one where their traces lie close, or where they share eight bytes in
a row. Every attack scores every pair; higher: rather a true pair.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.privacy.dump import Dump, Value
from tests.privacy.odds import Floats
from tests.privacy.traces import Kind, Owned, Trace, closeness, traces
from tests.privacy.windows import all_windows, in_common, shared


@dataclass(frozen=True, slots=True)
class Attack:
    """A guess at every pair. `scores` stand by place, as `odds.Game` numbers them."""

    name: str
    scores: Callable[[], Floats]

    @property
    def is_public(self) -> bool:
        """It looks at nothing but what anybody can read."""
        return all(part.startswith("public_") for part in self.name.split(" ~ "))


def account_attacks(
    dump: Dump,
    accounts: Mapping[str, Owned],
    personas: Mapping[str, Owned],
    *,
    members: int,
    count: int,
) -> list[Attack]:
    """Account against persona: `members` accounts, `count` personas."""

    def compare(one: Trace, other: Trace) -> Floats:
        return closeness(one, other, members, count).ravel()

    found = [
        Attack(f"{one.name} ~ {other.name}", partial(compare, one, other))
        for one in traces(dump, accounts)
        for other in traces(dump, personas)
        if one.kind is other.kind
    ]
    title = " ".join(accounts)
    theirs = [(who, value) for rows in accounts.values() for who, _, row in rows for value in row]
    known = all_windows(value for _, value in theirs)

    def equal(held: Sequence[tuple[int, Value]]) -> Floats:
        return shared(known, theirs, held, (members, count)).ravel()

    for name, held in columns(dump, personas):
        found.append(Attack(f"{title} = {name}", partial(equal, held)))
    return found


def sibling_attacks(dump: Dump, personas: Mapping[str, Owned], count: int) -> list[Attack]:
    """Persona against persona: every trace with itself, and orders with one another."""
    above = np.triu_indices(count, 1)
    found = traces(dump, personas)
    firsts = [each for each in found if each.kind is Kind.ORDER and "last" not in each.name]

    def compare(one: Trace, other: Trace) -> Floats:
        near = closeness(one, other, count, count)
        return (near if one is other else np.maximum(near, near.T))[above]

    def equal(held: Sequence[tuple[int, Value]]) -> Floats:
        return in_common(held, count)[above]

    pairs = [(trace, trace) for trace in found]
    pairs += [
        (one, other)
        for one, other in itertools.combinations(firsts, 2)
        if one.is_row or other.is_row
    ]
    return [
        *(
            Attack(f"{one.name} ~ {other.name}", partial(compare, one, other))
            for one, other in pairs
        ),
        *(
            Attack(f"{name} ~ {name} (equal)", partial(equal, held))
            for name, held in columns(dump, personas)
        ),
    ]


def columns(
    dump: Dump, owned: Mapping[str, Owned]
) -> Iterator[tuple[str, list[tuple[int, Value]]]]:
    """(table and column, what each person has there)."""
    for label, rows in owned.items():
        name, _, by = label.partition(" by ")
        for at, column in enumerate(dump.tables[name].columns):
            if column != by:
                yield f"{label}.{column}", [(who, row[at]) for who, _, row in rows]
