"""What the records say counts for the very next RCPT, whoever wrote it: a reader by one click, an
operator by command, a tenant by attestation."""

from __future__ import annotations

import csv
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings, acme, customer
from tests.e2e.session import Session, letter
from tests.e2e.sink import Sink

SENDER = "news@acme.test"
ONE_CLICK = b"List-Unsubscribe=One-Click"
URLENCODED = "application/x-www-form-urlencoded"
FORMS = {
    URLENCODED: ONE_CLICK,
    "multipart/form-data; boundary=xx": b"--xx\r\nContent-Disposition: form-data; "
    b'name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--xx--\r\n',
}
"""The two ways to write a one-click request (RFC 8058 section 3.2)."""


def list_tenant(name: str) -> dict[str, object]:
    """A tenant whose default stream is a list."""
    return acme(
        domains={f"{name}.test": acme()["domains"]["acme.test"]},
        logins=customer(name)["logins"],
        streams={
            "weekly": {"kind": "list", "default": True},
            "monthly": {"kind": "list", "consent_level": 0},
        },
    )


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway with its web listener; acme, and two tenants with consents to import."""
    streams = {**acme()["streams"], "monthly": {"kind": "list"}}
    tenants = {
        "acme": acme(streams=streams, limits={"batches": 4}),
        "careful": list_tenant("careful"),
        "careless": list_tenant("careless"),
    }
    settings = Settings(sink.port, trusted=None, tenants=tenants)
    with Gateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


def asked(session: Session, address: str) -> str:
    """What the open transaction's next RCPT comes to."""
    return session.rcpt(address)[0].short


OK = "250 2.1.5"


def post(link: str, body: bytes = ONE_CLICK, media_type: str = URLENCODED) -> int:
    """The HTTP status of a POST."""
    request = urllib.request.Request(link, body, {"Content-Type": media_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("media_type", FORMS)
def test_one_click_counts_for_the_next_rcpt(house: Gateway, sink: Sink, media_type: str) -> None:
    """Looking at the page changes nothing; the POST is in force for the next RCPT of an open
    transaction, on that list and on no other stream."""
    reader = f"clicker-{media_type.partition('/')[0]}@inbox.test"
    with Session(house.open, "acme/weekly") as session:
        assert session.send(SENDER, [reader], letter(SENDER)).code == 250
        raw = next(one.raw for one in sink.messages if one.recipients == (reader,))
        found = re.search(rb"^List-Unsubscribe: <(http[^>]+)>", raw, re.MULTILINE)
        assert found
        link = found[1].decode()
        with urllib.request.urlopen(link, timeout=60) as page:
            assert page.status == 200
        assert post(link, b"List-Unsubscribe=Perhaps") == 400
        assert post(link[:-1] + ("a" if link[-1] != "a" else "q")) == 404
        session.mail(SENDER)
        assert asked(session, reader) == OK
        session.command("RSET")
        session.mail(SENDER)
        assert post(link, FORMS[media_type], media_type) == 200
        assert asked(session, reader) == "550 5.7.1 [UNSUB]"
        assert asked(session, reader.replace("@", "+tag@")) == OK
        assert post(link, FORMS[media_type], media_type) == 200
    for stream in ("monthly", "orders"):
        with Session(house.open, f"acme/{stream}") as session:
            session.mail(SENDER)
            assert asked(session, reader) == OK


def test_add_find_and_lift_count_for_the_next_rcpt(house: Gateway) -> None:
    """`suppress add` and `lift` are in force for the next RCPT of an open transaction; `find` tells
    both with who and why; an entry that only time ends is not lifted."""
    reader = "manual@inbox.test"
    with Session(house.open, "acme") as session:
        session.mail(SENDER)
        assert asked(session, reader) == OK
        session.command("RSET")
        session.mail(SENDER)
        house.run("suppress", "add", reader, "--reason", "manual", "--scope", "acme")
        assert asked(session, reader) == "550 5.7.1 [POLICY]"
        (entry,) = json.loads(house.run("suppress", "find", reader, "--json"))
        assert (entry["reason"], entry["state"]) == ("manual", "in force")
        house.run("suppress", "lift", str(entry["entry"]), "--why", "asked by phone", "--by", "jo")
        assert asked(session, reader) == OK
        (entry,) = json.loads(house.run("suppress", "find", reader, "--json"))
        assert entry["state"] == "lifted by jo: asked by phone"

        house.run("suppress", "add", reader, "--reason", "hard_bounce", "--scope", "acme")
        assert asked(session, "else@inbox.test") == OK
        session.command("RSET")
        session.mail(SENDER)
        assert asked(session, reader) == "550 5.1.1 [BOUNCED]"
        found = json.loads(house.run("suppress", "find", reader, "--json"))
        number = next(one["entry"] for one in found if one["reason"] == "hard_bounce")
        said = house.run("suppress", "lift", str(number), "--why", "please", check=False)
        assert "hard_bounce is lifted by time, not by operator" in said
        assert asked(session, reader) == "550 5.1.1 [BOUNCED]"


def test_import_and_export(house: Gateway) -> None:
    """`suppress import` counts for the next RCPT, names bad lines, changes nothing as a dry run;
    `export` writes what it took."""
    listed = house.folder / "opted-out.csv"
    listed.write_text(
        "address,reason,scope\n"
        "imported1@inbox.test,unsubscribe,acme/weekly\n"
        "imported2@inbox.test,,\n"
        "no address at all,,\n"
        "imported1@inbox.test,unsubscribe,acme/weekly\n"
    )
    command = ("suppress", "import", str(listed), "--reason", "complaint", "--scope", "acme")
    with Session(house.open, "acme/weekly") as session:
        session.mail(SENDER)
        house.run(*command, "--dry-run", check=False)
        assert asked(session, "imported1@inbox.test") == OK
        session.command("RSET")
        session.mail(SENDER)
        said = house.run(*command, check=False)
        assert "line 4: " in said
        assert re.search(r"\b4 +2 +1 +1 +0\b", said), said
        assert asked(session, "imported1@inbox.test") == "550 5.7.1 [UNSUB]"
        assert asked(session, "imported2@inbox.test") == "550 5.7.1 [COMPLAINT]"
    exported = house.folder / "export.csv"
    house.run("suppress", "export", str(exported))
    rows = list(csv.DictReader(exported.read_text().splitlines()))
    shown = [
        (row["address"], row["reason"], row["scope"])
        for row in rows
        if row["address"].startswith("imported")
    ]
    assert sorted(shown) == [
        ("imported1@inbox.test", "unsubscribe", "acme/weekly"),
        ("imported2@inbox.test", "complaint", "acme"),
    ]


def test_consent_is_asked_for_after_the_first_attestation(house: Gateway, sink: Sink) -> None:
    """Until a tenant has attested anything its lists send without consent; from then on only to
    those on record, on the streams that ask for it, and only this tenant's."""
    agreed, stranger = "agreed@inbox.test", "stranger@inbox.test"
    listed = house.folder / "agreed.txt"
    listed.write_text(f"{agreed}\n")
    with (
        Session(house.open, "careful") as session,
        Session(house.open, "careless") as other,
    ):
        session.mail("news@careful.test")
        assert asked(session, stranger) == OK
        session.command("RSET")
        session.mail("news@careful.test")
        house.run("consent", "import", str(listed), "--scope", "careful/weekly", "--source", "form")
        assert asked(session, stranger) == "550 5.7.1 [NO-OPTIN]"
        assert asked(session, agreed) == OK
        assert session.data(letter("news@careful.test")).code == 250
        other.mail("news@careless.test")
        assert asked(other, stranger) == OK
    with Session(house.open, "careful/monthly") as session:
        session.mail("news@careful.test")
        assert asked(session, stranger) == OK
    (message,) = [one for one in sink.messages if one.mail_from == "news@careful.test"]
    assert message.recipients == (agreed,)
