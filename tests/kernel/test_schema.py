"""The migrations lead to exactly the tables that `kernel/schema/` describes."""

import uuid

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from kernel import db
from kernel.postgres import Server
from kernel.schema.tables import metadata


async def test_an_empty_database_is_upgraded_to_the_schema(postgres: Server) -> None:
    name = f"test_{uuid.uuid4().hex}"
    await postgres.create_database(name)
    engine = db.connect(postgres.url(name))
    await db.migrate(engine)
    await db.migrate(engine)  # a second start finds nothing to do

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))

    async with engine.connect() as conn:
        found = await conn.run_sync(differences)
        checks = await conn.scalar(
            sa.text("SELECT count(*) FROM pg_constraint WHERE contype = 'c'")
        )
    await engine.dispose()
    assert found == []
    described = sum(
        isinstance(constraint, sa.CheckConstraint)
        for table in metadata.tables.values()
        for constraint in table.constraints
    )
    assert checks is not None
    assert checks >= described > 0
