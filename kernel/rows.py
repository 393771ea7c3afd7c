"""Names for what the database gives back before it becomes a dataclass."""

from typing import Any

import sqlalchemy as sa

AnyRow = sa.Row[*tuple[Any, ...]]
AnySelect = sa.Select[*tuple[Any, ...]]
