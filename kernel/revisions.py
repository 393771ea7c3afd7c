"""Which schema a database has, and which one this program needs."""

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

import kernel.migrations


@cache
def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(kernel.migrations.__file__).parent))
    return ScriptDirectory.from_config(config)


def head() -> str:
    """The newest schema this program knows."""
    return _scripts().get_current_head() or ""


def known(revision: str) -> bool:
    """Whether this program can bring a database from `revision` to its own."""
    return any(script.revision == revision for script in _scripts().walk_revisions())


async def current(conn: AsyncConnection) -> str | None:
    """The schema of a database; None: it has none of ours yet."""
    if await conn.scalar(sa.select(sa.func.to_regclass("alembic_version"))) is None:
        return None
    found: str | None = await conn.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found
