"""Settings of what is written down about passing mail: the event journal and the ledger."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.config.values import Count, Settings, Size


class JournalSettings(Settings):
    """The event journal in `<state_dir>/journal`."""

    max_bytes: Annotated[Size, Field(ge=65_536)] = Field(
        default=100_000_000, description="Size at which a journal file is rotated."
    )
    keep_files: Count = Field(default=30, description="Rotated files kept per process.")
    addresses: bool = Field(
        default=False, description="Write recipient addresses in full; without it only their keys."
    )


class LedgerSettings(Settings):
    """The record of what became of each copy."""

    fsync: bool = Field(
        default=False,
        description="Wait for the disk before each copy, many copies for one flush, so that the "
        "record survives a power failure too; a crash of the process it survives without.",
    )
