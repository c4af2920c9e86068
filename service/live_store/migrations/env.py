"""How Alembic runs: on the connection that `service.live_store.migrate` hands it, within its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
