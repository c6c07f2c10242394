"""Settings of the durable records on a PostgreSQL server; SQLite needs none."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.config.values import Location, Settings


class PostgresSettings(Settings):
    """A PostgreSQL database that all nodes share, in the place of SQLite in the state folder."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Host names, addresses or the folder of a socket; several with commas, of "
        "which the one that takes writes is used.",
    )
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(default=5432, description="TCP port.")
    database: str = Field(default="consentry", min_length=1, description="Name of the database.")
    username: str = Field(default="consentry", min_length=1, description="Name to sign in with.")
    password_file: Location | None = Field(
        default=None, description="File whose first line is the password, mode 0600."
    )
    tls: bool = Field(
        default_factory=lambda data: not str(data.get("host", "")).startswith(("/", "127.", "::1")),
        description="Insist on TLS and check the server's certificate. Default: yes, but not on "
        "loopback or a local socket.",
    )
    ca_file: Location | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's."
    )
