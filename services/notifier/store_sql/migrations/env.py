"""Where Alembic enters; everything is decided in `shared/migrate.py`."""

from services.notifier.store_sql.tables import metadata
from shared.migrate import run_environment

run_environment(metadata)
