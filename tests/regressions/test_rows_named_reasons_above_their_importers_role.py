"""Abuse staff may not import protected addresses; rows that said so of themselves were imported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.web.desk.gate import csrf_of
from gateway.words import Role
from tests.contract.desk.conftest import opened

LIST = b"address,reason\nola@far.test,\njan@far.test,protected\n"


@pytest.mark.parametrize(("role", "taken"), [(Role.ABUSE, 1), (Role.LEAD, 2)])
async def test_a_row_is_not_more_than_its_importer_may_import(
    tmp_path: Path, role: Role, taken: int
) -> None:
    """It is a line that was not taken; a lead's is. Who did not stage it cannot bring it in."""
    with opened(tmp_path) as world:
        client = world.as_(role)
        fields = {"csrf": csrf_of(client.session), "kind": "manual", "stops": "everything"}
        files = {"file": ("list.csv", LIST)}
        said = await client._ask("POST", "lists/import", data={**fields, "scope": "*"}, files=files)
        assert ("is for leads and operators" in said.text) == (role is Role.ABUSE)
        hidden = dict(re.findall(r'type="hidden" name="([a-z0-9]+)" value="([^"]*)"', said.text))
        del hidden["csrf"]
        other = world.as_(Role.LEAD if role is Role.ABUSE else Role.ABUSE)
        await other.post("lists/import/confirm", **hidden)
        await client.post("lists/import/confirm", **hidden)
        with world.database.reading() as connection:
            count = connection.exec_driver_sql("SELECT count(*) FROM suppressions").scalar_one()
        assert count == taken
