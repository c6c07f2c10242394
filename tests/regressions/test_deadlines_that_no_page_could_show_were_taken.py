"""A deadline in the last hours of the year 9999 was taken; east of it, no page showed its case."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.records import staff
from gateway.words import Role
from tests.contract.desk.conftest import opened


@pytest.mark.parametrize(
    ("zone", "until"), [("America/Los_Angeles", "9999-12-31T23:59"), ("UTC", "0001-01-01T00:00")]
)
async def test_a_deadline_that_cannot_be_shown_everywhere_is_refused(
    tmp_path: Path, zone: str, until: str
) -> None:
    """The form says so, and no case is opened; the latest that can be shown is taken."""
    with opened(tmp_path) as world:
        with world.database.transaction() as connection:
            staff.set_zone(connection, Role.LEAD, zone, "test", world.now)
        client = world.as_(Role.LEAD)
        said = {
            "tenant": "acme", "kind": "spam", "domain": "acme.test", "reason": "seen",
            "confirmed": "yes",
        }  # fmt: skip
        assert (await client.post("new-case", until=until, **said)).status_code == 400
        assert (await client.get("cases/C-000001")).status_code == 404
        assert (await client.post("new-case", until="9998-12-31T23:59", **said)).status_code == 303
        for path in ("", "cases", "cases/C-000001"):
            assert (await client.get(path)).status_code == 200
