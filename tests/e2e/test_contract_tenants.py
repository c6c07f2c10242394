"""Customers come, change their password and go by command; a reload never changes an open mail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import PASSWORD, Gateway, Settings, customer, write_private
from tests.e2e.session import Session, letter
from tests.e2e.sink import Sink

READERS = ["anna@inbox.test", "bert@inbox.test", "cleo@inbox.test"]


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway."""
    tenants = {name: customer(name) for name in ("steady", "leaving", "renewed", "broken")}
    settings = Settings(sink.port, trusted=None, tenants=tenants)
    with Gateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


def password_in(printed: str) -> str:
    """The generated password that a command shows once."""
    found = re.search(r"password (\w{24}) \(shown this once\)", printed)
    assert found, printed
    return found[1]


def change(house: Gateway, name: str, **changes: Any) -> None:
    """Write the tenant's file with these top-level keys; not in force before a reload."""
    content = json.dumps(customer(name, **changes), indent=1)
    write_private(house.folder / f"tenants/{name}.yaml", content.encode())


def test_new_customer(house: Gateway, sink: Sink) -> None:
    """A customer that was added can sign in after the reload, and send, signed, once it is open."""
    made = house.run("tenant", "add", "fresh", "--domain", "fresh.test", "--stream",
                     "mail:transactional")  # fmt: skip
    password = password_in(made)
    with Session(house.open, "fresh", password) as session:
        assert session.signed_in.short == "535 5.7.8 [AUTH]"
    house.run("reload")
    with Session(house.open, "fresh", password) as session:
        assert session.signed_in.code == 235
        assert session.mail("news@fresh.test").short == "451 4.7.1 [TENANT-CLOSED]"
        house.run("tenant", "open", "fresh", "--confirmation", "contract 4711 is signed")
        house.run("reload")
        raw = letter("news@fresh.test")
        assert session.send("news@fresh.test", READERS[:1], raw).code == 250
    (message,) = [one for one in sink.messages if one.mail_from == "news@fresh.test"]
    assert b"DKIM-Signature: " in message.raw
    assert b"d=fresh.test;" in message.raw


def test_new_password(house: Gateway) -> None:
    """A new password counts from the reload on, and the old one no more, not even remembered."""
    with Session(house.open, "renewed") as session:
        assert session.signed_in.code == 235
    password = password_in(house.run("tenant", "passwd", "renewed"))
    with Session(house.open, "renewed", PASSWORD) as session:
        assert session.signed_in.code == 235
    house.run("reload")
    with Session(house.open, "renewed", PASSWORD) as session:
        assert session.signed_in.short == "535 5.7.8 [AUTH]"
    with Session(house.open, "renewed", password) as session:
        assert session.signed_in.code == 235


def test_disabled_customer(house: Gateway, sink: Sink) -> None:
    """A disabled customer is told so at AUTH, and an open session at its next MAIL; the mail that
    was open goes out under the terms it began with."""
    sender = "news@leaving.test"
    with Session(house.open, "leaving") as session:
        assert session.mail(sender).code == 250
        house.run("tenant", "disable", "leaving")
        house.run("reload")
        assert session.rcpt(READERS[0])[0].code == 250
        assert session.data(letter(sender)).code == 250
        assert session.mail(sender).short == "525 5.7.13 [TERMINATED]"
    with Session(house.open, "leaving") as session:
        assert session.signed_in.short == "525 5.7.13 [TERMINATED]"
    assert len([one for one in sink.messages if one.mail_from == sender]) == 1


def test_open_mail_keeps_its_terms(house: Gateway) -> None:
    """A reload holds from the next MAIL on: an open one keeps its limits, its policies and its
    sender domain."""
    sender = "news@steady.test"
    domains = {"moved.test": {"dkim": "none"}}
    with Session(house.open, "steady") as session:
        assert session.mail(sender).code == 250
        change(house, "steady", limits={"recipients_per_message": 2}, domains=domains)
        house.run("reload")
        assert [answer.code for answer in session.rcpt(*READERS)] == [250] * 3
        assert session.data(letter(sender)).code == 250
        assert session.mail(sender).short == "553 5.7.1 [SENDER]"
        assert session.mail("news@moved.test").code == 250
        answers = [answer.short for answer in session.rcpt(*READERS)]
        assert answers == ["250 2.1.5", "250 2.1.5", "452 4.5.3 [RCPT-LIMIT]"]


def test_bad_configuration_changes_nothing(house: Gateway) -> None:
    """A configuration with an error is refused as a whole, by file and key; the old one holds."""
    change(house, "broken", state="ajar", limits={"recipients_per_message": 1})
    try:
        said = house.run("reload", check=False)
        assert "broken.yaml" in said
        assert "state" in said
        with Session(house.open, "broken") as session:
            session.mail("news@broken.test")
            assert [answer.code for answer in session.rcpt(*READERS)] == [250] * 3
    finally:
        change(house, "broken")
