"""Alembic runs inside a connection that `kernel.db.migrate` hands over."""

from alembic import context

from kernel.schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
