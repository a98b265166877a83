"""Alembic runs this file to migrate; `actors.journal.schema` gives it a connection with a transaction begun."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
