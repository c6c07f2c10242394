"""Codes were counted once they had been looked at: a thousand sent at once were all looked at, and
one who had a password found the second factor in days."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pyotp

from gateway.records import staff, staff_sessions
from gateway.web.desk.sign_in import WRONG_CODES
from gateway.words import Role
from tests.contract.desk.conftest import Client, opened


async def test_codes_sent_at_once_are_counted_like_codes_sent_in_a_row(tmp_path: Path) -> None:
    """Five wrong ones are looked at; the others are told to wait, and a right one behind them."""
    with opened(tmp_path) as world:
        secret = pyotp.random_base32()
        with world.database.transaction() as connection:
            who = staff.member(connection, Role.ABUSE)
            staff.begin_totp(connection, world.keyring, who.name, secret)
            session = staff_sessions.begin(connection, who.id, is_complete=False, now=world.now)
        client = Client(world, session, "en")
        code = pyotp.TOTP(secret).at(world.now)
        codes = [f"{(int(code) + 500_000 + n) % 10**6:06}" for n in range(20)]
        answers = await asyncio.gather(*(client.post("second-factor", code=one) for one in codes))
        said = [answer.status_code for answer in answers]
        assert sorted(said) == [403] * WRONG_CODES + [429] * (len(codes) - WRONG_CODES)
        assert (await client.post("second-factor", code=code)).status_code == 429
