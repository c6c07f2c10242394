"""Alembic's entry: runs the migrations on the connection that `gateway.records.schema` passes."""

from alembic import context

from gateway.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
context.run_migrations()
