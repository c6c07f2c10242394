"""A password of more than a thousand characters was hashed whole and checked cut: never right."""

from __future__ import annotations

from pathlib import Path

from argon2 import PasswordHasher

from gateway.records import staff
from gateway.web.desk.passwords import MAX_PASSWORD
from gateway.words import Role
from tests.contract.desk.conftest import opened

OLD = "correct horse"


async def test_a_password_that_could_not_be_checked_is_refused(tmp_path: Path) -> None:
    """What is longer than is checked is not taken; the longest one that is taken is right."""
    with opened(tmp_path) as world:
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(OLD)
        with world.database.transaction() as connection:
            staff.set_password(connection, Role.ABUSE, hashed, "test", world.now)
        client = world.as_(Role.ABUSE)
        longest = "x" * MAX_PASSWORD
        refused = await client.post("me/password", password=OLD, new=f"{longest}y")
        assert refused.status_code == 400
        assert (await client.post("me/password", password=OLD, new=longest)).status_code == 303
        again = world.cookies.pop(Role.ABUSE) and world.as_(Role.ABUSE)
        assert (await again.post("me/password", password=longest, new=OLD)).status_code in (
            303,
            400,
        )
        assert (await again.post("me/password", password=longest, new="a" * 12)).status_code == 303
