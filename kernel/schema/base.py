"""What every table shares: one metadata, constraint names, and the side each column stands on.

DESIGN-V1 (unlinkable at rest) is a property of columns: each says whether it belongs to the
*account side* (ways to log in), the *persona side* (who speaks) or *neither*. A test refuses a
column without a side, a foreign key between the two, and an account-side type that could tell.
"""

from enum import StrEnum

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Side(StrEnum):
    """Where a table stands towards DESIGN-V1."""

    ACCOUNT = "account"
    PERSONA = "persona"
    NEITHER = "neither"


def table(name: str, side: Side, *parts: sa.schema.SchemaItem) -> sa.Table:
    """A table all of whose columns stand on one side: no table joins an account to a persona."""
    made = sa.Table(name, metadata, *parts, info={"side": side})
    for column in made.columns:
        column.info["side"] = side
    return made


def one_of(name: str, column: str, words: type[StrEnum]) -> sa.CheckConstraint:
    """A check that `column` holds one of the values of `words`."""
    quoted = ", ".join(f"'{word.value}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({quoted})", name=name)
