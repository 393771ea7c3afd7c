"""Names for what the database gives back before it becomes a dataclass; words inside SQL."""

from enum import IntEnum, StrEnum
from typing import Any

import sqlalchemy as sa

AnyRow = sa.Row[*tuple[Any, ...]]
AnySelect = sa.Select[*tuple[Any, ...]]


def constant(word: StrEnum) -> sa.ColumnElement[str]:
    """SQL: a word of ours as part of the statement's text, not as a parameter.

    Only so can a plan that serves every parameter use an index that covers some rows
    (`WHERE state = 'held'`), and know how many rows have that word.
    """
    return sa.literal_column(f"'{word.value}'", sa.Text)


def number(value: IntEnum) -> sa.ColumnElement[int]:
    """SQL: as `constant`, of one of our numbers."""
    return sa.literal_column(str(value.value), sa.Integer)


def at_most(count: int) -> sa.ColumnElement[int]:
    """SQL: a LIMIT in the statement's text: PostgreSQL takes a parameter for a tenth of the rows.

    Then it would sort a whole thread for the sake of one page.
    """
    return sa.literal_column(str(int(count)), sa.Integer)


def has_one(
    of: sa.FromClause, table: sa.Table, *where: sa.ColumnElement[bool]
) -> sa.ColumnElement[bool]:
    """SQL: there is such a row, asked for one row of `of` after the other.

    EXISTS may be planned as one join for all of them, which reads whatever the table holds.
    """
    found = sa.select(sa.literal(1)).select_from(table).where(*where).limit(1)
    return found.correlate(of).scalar_subquery().is_not(None)
