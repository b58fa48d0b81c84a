"""Alembic's environment: works on the connection that ``store.migrate`` hands it."""

from alembic import context

from suanlian.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()
