"""Bringing a database file to the schema this version expects, by Alembic's migrations.

A file that is there already costs one small query. Processes that start together take turns by a
lock file. Raises sqlite3.Error, or SQLAlchemy's, when the file is damaged or newer than this
version.
"""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path

from gateway.errors import ConfigurationError

HEAD = "0004"
"""The newest revision in `migrations/versions`; a test keeps it true."""
MIGRATIONS = Path(__file__).with_name("migrations")


def bring_up_to_date(path: Path) -> None:
    """Create or migrate the file at `path`; ConfigurationError when it is from a newer version."""
    if _revision(path) == HEAD:
        return
    with path.with_name(f"{path.name}.migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        revision = _revision(path)
        if revision == HEAD:
            return
        if revision is not None and revision > HEAD:
            raise ConfigurationError(f"{path}: was written by a newer version ({revision})")
        _migrate(path)


def _revision(path: Path) -> str | None:
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE name='alembic_version'")
        if names.fetchone() is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])
    finally:
        connection.close()


def _migrate(path: Path) -> None:
    # Imported here: Alembic costs every command a quarter of a second, and few migrate.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    path.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection:
        # Before the first table, and outside a transaction: both are kept in the file itself.
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.commit()
        with connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    engine.dispose()
