"""The schema this version expects, and Alembic's migrations that lead to it, forward and back.

The stores' own modules find out which revision is there and hold whatever lock keeps two processes
from migrating at once. Raises SQLAlchemy's errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0007"
"""The newest revision in `migrations/versions`; a test keeps it true."""
MIGRATIONS = Path(__file__).with_name("migrations")


def is_behind(revision: str | None, name: str) -> bool:
    """Whether there is something to migrate; ConfigurationError when `name` is too new for us."""
    if revision is not None and revision > HEAD:
        raise ConfigurationError(f"{name}: was written by a newer version ({revision})")
    return revision != HEAD


def migrate(connection: Connection, to: str = "head") -> None:
    """Bring the tables to a revision, in the caller's transaction."""
    # Imported here: Alembic costs every command a quarter of a second, and few migrate.
    from alembic import command

    command.upgrade(_config(connection), to)


def go_back(connection: Connection, to: str) -> None:
    """Take the tables back to an older revision (`base`: none), in the caller's transaction."""
    from alembic import command

    command.downgrade(_config(connection), to)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
