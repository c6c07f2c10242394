"""A real PostgreSQL server of the tests' own, with databases that cost 50 ms each.

`PostgresServer` makes a database cluster in a private folder (under the account `postgres` or
`nobody` when we are root, which initdb refuses) and serves it on a loopback port and a Unix socket,
without fsync unless `durable`. `fresh()` makes an empty database, `fresh(migrate)` a copy of one
that `migrate` prepared once. `settings(database)` is the gateway's `postgresql` section for it.
Needs Debian's programs under /usr/lib/postgresql, or `initdb` on the PATH.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.e2e.certificates import Certificates
from tests.e2e.ports import LOOPBACK, free_port
from tests.servers.program import Program

ADMIN, USER = "postgres", "consentry"
"""The superuser, and the gateway's name, which may do nothing beyond its databases."""
_OTHERS = "datname = '{}' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class PostgresServer(Program):
    """One server; further settings of its configuration by name in `options`."""

    ending = signal.SIGINT  # "fast": it does not wait for clients to leave

    def __init__(
        self,
        *,
        password: str | None = None,
        certificates: Certificates | None = None,
        durable: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """With a password TCP asks for it (SCRAM); the Unix socket trusts. `certificates`: TLS."""
        super().__init__("postgres", account=_account())
        self.port = free_port()
        self.password = password
        self.certificates = certificates
        self.data = self.folder / "data"
        self._bin = _programs()
        self._options = {
            "port": str(self.port),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": str(self.folder),
            "max_connections": "100",
            "shared_buffers": "64MB",
            "autovacuum_naptime": "10s",
            **({} if durable else FAST),
            **(options or {}),
        }
        self._numbers = count(1)
        self._templates: dict[Callable[[dict[str, Any]], None], str] = {}

    def prepare(self) -> None:
        """Make the database cluster."""
        making = self.spawn(
            [
                *(self._bin / "initdb", "-D", self.data, "-U", ADMIN, "--no-sync", "-E", "UTF8"),
                *("--locale=C", "--auth=trust"),
            ]
        )
        if making.wait(120) != 0:
            raise RuntimeError(f"initdb failed:\n{self.log}")
        if self.certificates:
            for file in (self.certificates.certificate, self.certificates.key):
                copied = shutil.copy(file, self.data / file.name)
                os.chmod(copied, 0o600)
                if self._account:
                    os.chown(copied, self._account.pw_uid, self._account.pw_gid)
            self._options |= {
                "ssl": "on",
                "ssl_cert_file": self.certificates.certificate.name,
                "ssl_key_file": self.certificates.key.name,
            }
        way = "scram-sha-256" if self.password else "trust"
        kind = "hostssl" if self.certificates else "host"
        (self.data / "pg_hba.conf").write_text(
            f"local all all trust\n{kind} all all 127.0.0.0/8 {way}\n"
        )

    def command(self) -> Sequence[str | Path]:
        """The server itself, in the foreground."""
        options = [f"--{name}={value}" for name, value in self._options.items()]
        return [self._bin / "postgres", "-D", self.data, *options]

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def __enter__(self) -> Self:
        """Make it, start it, and let the gateway sign in."""
        super().__enter__()
        secret = f" PASSWORD '{self.password}'" if self.password else ""
        self.execute(f"CREATE ROLE {USER} LOGIN{secret}")
        return self

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection over the Unix socket, as the superuser; every statement commits."""
        return psycopg.connect(
            host=str(self.folder), port=self.port, user=ADMIN, dbname=database, autocommit=True
        )

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of one statement, on a connection of its own."""
        with closing(self.connect(database)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def fresh(self, migrate: Callable[[dict[str, Any]], None] | None = None) -> str:
        """The name of a new database: empty, or as `migrate` leaves one that it is given once.

        `migrate` gets the gateway's `postgresql` section; it must close what it opens.
        """
        template = "template0"
        if migrate is not None:
            if migrate not in self._templates:
                made = self.fresh()
                migrate(self.settings(made))
                self._templates[migrate] = made
            template = self._templates[migrate]
        name = f"fresh_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {USER} TEMPLATE {template}")
        return name

    def keep_on(self, folder: Path, database: str) -> None:
        """Have the tables of a database, to which nobody is connected, lie in `folder`."""
        place = folder / "tables"
        place.mkdir()
        if self._account:
            os.chown(place, self._account.pw_uid, self._account.pw_gid)
            folder.chmod(0o755)
        self.execute(f"CREATE TABLESPACE at_{database} LOCATION '{place}'")
        self.execute(f"ALTER DATABASE {database} SET TABLESPACE at_{database}")

    def drop(self, database: str) -> None:
        """Remove a database with whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def terminate(self, database: str) -> int:
        """Cut all connections of others to a database; returns how many."""
        return len(
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE {_OTHERS.format(database)}"
            )
        )

    def sessions(self, database: str) -> int:
        """How many others are connected to a database."""
        counted = self.execute(
            f"SELECT count(*) FROM pg_stat_activity WHERE {_OTHERS.format(database)}"
        )
        return int(counted[0][0])

    def settings(self, database: str, **more: Any) -> dict[str, Any]:
        """The gateway's `postgresql` section for a database; `more` replaces keys of it."""
        made: dict[str, Any] = {
            "host": LOOPBACK,
            "port": self.port,
            "database": database,
            "username": USER,
        }
        if self.password:
            file = self.folder / "password"
            file.touch(mode=0o600)
            file.write_text(self.password + "\n")
            made["password_file"] = str(file)
        if self.certificates:
            made |= {"tls": True, "ca_file": str(self.certificates.authority)}
        return made | more


def _account() -> str | None:
    """A system account for the server, which refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _programs() -> Path:
    """The folder of the newest server's programs; raises RuntimeError without one."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(path.parts[4].split(".")[0]),
    )
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    raise RuntimeError("PostgreSQL is not installed: run tests/e2e/install-packages")
