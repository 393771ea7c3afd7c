"""Many rows as parameters of one statement: an array for each column.

However many rows there are, the text stays the same, so it is prepared once per connection.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

Type = sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]]


class Rows:
    """A table made of parameters, for a statement that is built once."""

    def __init__(self, name: str, /, **columns: Type) -> None:
        self._name, self._columns = name, tuple(columns)
        given = (
            sa.bindparam(f"{name}_{column}", type_=ARRAY(kind)) for column, kind in columns.items()
        )
        self.table = (
            sa.func.unnest(*given)
            .table_valued(*(sa.column(column, kind) for column, kind in columns.items()))
            .render_derived(name=name)
        )

    @property
    def names(self) -> list[str]:
        """Of its columns, in order."""
        return list(self._columns)

    @property
    def c(self) -> ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]:
        """Its columns."""
        return self.table.c

    def values(self, rows: Iterable[Mapping[str, object]]) -> dict[str, list[object]]:
        """The parameters that stand for `rows`."""
        found = list(rows)
        return {f"{self._name}_{name}": [row[name] for row in found] for name in self._columns}


def any_of(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """SQL: `column` is one of the values of the array parameter `name`."""
    return column == sa.any_(sa.bindparam(name, type_=ARRAY(column.type)))
