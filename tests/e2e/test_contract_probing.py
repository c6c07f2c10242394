"""Refused recipients, hour by hour: a list that is never cleaned, or a guesser, is slowed down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.conftest import SHAPES
from tests.e2e.gateway import Settings, customer
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session
from tests.e2e.sink import Sink

pytestmark = pytest.mark.parametrize("shape", SHAPES[:2], indirect=True, scope="module")


def test_refusals_of_an_hour_defer_the_next_mail(
    certificates: Certificates, shape: dict[str, Any], tmp_path: Path
) -> None:
    """After so many refusals MAIL gets 451 [RATE] on any connection, for an hour, and for nobody
    else."""
    with Sink(refuse=lambda _recipient: "550 5.1.1 No such user") as sink:
        settings = Settings(
            sink.port,
            trusted=None,
            gateway={"session": {"refusals_per_hour": 3}, **shape},
            tenants={name: customer(name) for name in ("guesser", "bystander")},
        )
        with InsideGateway(tmp_path, settings, certificates) as house:
            with Session(house.open, "guesser") as session:
                assert session.mail("a@guesser.test").code == 250
                guesses = [f"guess{number}@inbox.test" for number in range(3)]
                assert {answer.code for answer in session.rcpt(*guesses)} == {550}
            with Session(house.open, "guesser") as session:
                said = session.mail("a@guesser.test")
                assert said.short == "451 4.7.1 [RATE]"
                assert "3 of 3 refused recipients per hour" in said.text
                house.clock.ahead += 3700
                assert session.mail("a@guesser.test").code == 250
            with Session(house.open, "bystander") as session:
                assert session.mail("a@bystander.test").code == 250
