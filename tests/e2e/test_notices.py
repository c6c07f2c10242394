"""Notices arrive in a real mailbox, and replies to them are kept with the case."""

from __future__ import annotations

import email
import email.policy
import json
import smtplib
import ssl
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.load import load
from gateway.records.cases import take_fact
from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.subjects import add_subject, plain_texts
from gateway.sanctions.rules import rules_of
from policies.sanctions.case import Counts, Fact
from policies.sanctions.words import FactKind, Grade
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Settings, acme, customer
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port
from tests.e2e.session import wait_until
from tests.e2e.sink import Sink
from tests.e2e.verifiers import by_dkimpy
from tests.faults.houses import Served

OFFICE = "biuro@kontakt.test"
COMPLAINER = "anna.nowak@inbox.test"
BIGGEST = 200_000


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink(refuse=lambda to: "550 5.1.1 no" if to.startswith("gone@") else None) as one:
        yield one


@pytest.fixture(scope="module")
def house(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory, sink: Sink
) -> Iterator[Served]:
    """A gateway with customers under the Niebieski terms, one of them told in English."""
    feedback = free_port()
    gateway = {
        "sanctions": {"preset": "niebieski", "zone": "Europe/Warsaw"},
        "notices": {
            "sender": "abuse@acme.test",
            "domain": "cases.test",
            "dkim": [{"selector": "ed", "key_file": "keys/ed.pem"}],
        },
        "feedback": {"listen": f"{LOOPBACK}:{feedback}", "max_bytes": BIGGEST},
    }
    contact = {"email": OFFICE, "language": "pl", "verified": "2026-11-01"}
    beta = {"email": "office@beta.example", "language": "en"}
    gone = {"email": "gone@beta.example"}
    settings = Settings(
        sink.port,
        gateway=gateway,
        tenants={
            "acme": acme(contact=contact),
            "beta": customer("beta", contact=beta, abuse_contact=gone),
            "gamma": customer("gamma", contact=contact),
            "delta": customer("delta", contact=contact),
        },
    )
    with Served(tmp_path_factory.mktemp("notices"), settings, certificates) as one:
        one.feedback = feedback  # type: ignore[attr-defined]
        wait_for_port(feedback)
        yield one


def hold_against(house: Served, tenant: str, kind: FactKind, complainer: str = "") -> int:
    """A fact, as the SMTP process records one; its case's number."""
    loaded = load(house.config)
    database = open_database(loaded.config.database, loaded.config.opt_out_log)
    try:
        keyring = open_keyring(database, loaded.config.keyring)
        rules, now = rules_of(loaded, keyring), time.time()
        domain = f"{tenant}.test"
        grade = Grade.A if complainer else None
        fact = Fact(
            kind, tenant, "mail", f"m{time.monotonic_ns()}", domain, b"", "0ref", now, grade,
            domains=(domain,),
        )  # fmt: skip
        with database.transaction() as connection:
            subject = add_subject(connection, keyring.seal(complainer)) if complainer else None
            taken = take_fact(connection, fact, Counts(), rules, now, subject=subject)
    finally:
        database.close()
    assert taken.case is not None
    return taken.case.id


def notice_to(sink: Sink, recipient: str, case: int) -> tuple[bytes, EmailMessage]:
    """The first notice about that case in somebody's mailbox, once it is there."""

    def arrived() -> tuple[bytes, EmailMessage] | None:
        for message in tuple(sink.messages):
            parsed = email.message_from_bytes(message.raw, policy=email.policy.default)
            assert isinstance(parsed, EmailMessage)
            is_it = parsed["Subject"].startswith(f"[C-{case:06d}] ")
            if is_it and message.recipients == (recipient,):
                return message.raw, parsed
        return None

    found = wait_until(arrived)
    assert found is not None
    return found


def entries(house: Served, case: int, kind: str) -> list[tuple[dict[str, Any], int]]:
    """Details and sealed texts of a case's entries of that kind."""
    query = f"SELECT detail, subject FROM case_entries WHERE case_id={case} AND kind='{kind}'"
    return [(json.loads(detail), subject) for detail, subject in house.rows(query)]


def said(house: Served, subject: int) -> str:
    """A sealed text, opened with the gateway's keyring."""
    loaded = load(house.config)
    database = open_database(loaded.config.database, loaded.config.opt_out_log)
    try:
        keyring = open_keyring(database, loaded.config.keyring)
        with database.reading() as connection:
            return plain_texts(connection, keyring, [subject])[subject]
    finally:
        database.close()


def consentry(house: Served, *arguments: str) -> str:
    """What a command prints, run in this process: starting one takes a second."""
    return CliRunner().invoke(app, [*arguments, "--config", str(house.config)]).output


def reply(house: Served, to: str, octets: bytes, sender: str = OFFICE, *, tls: bool = False) -> str:
    """What the feedback listener says to a mail: the first refusal, or the answer to the dot."""
    with smtplib.SMTP(LOOPBACK, house.feedback, timeout=60) as client:  # type: ignore[attr-defined]
        client.ehlo("mx.kontakt.test")
        assert not client.has_extn("auth")
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
            client.ehlo("mx.kontakt.test")
        client.mail(sender)
        code, text = client.rcpt(to)
        if code == 250:
            code, text = client.data(octets)
        return f"{code} {text.decode()}"


def mail(text: str, message_id: str = "", extra: str = "") -> bytes:
    """A reply as mail programs write them."""
    own = f"Message-ID: {message_id}\r\n" if message_id else ""
    head = f"From: Biuro <{OFFICE}>\r\nSubject: Re: sprawa\r\n{own}{extra}\r\n"
    return head.encode() + text.replace("\n", "\r\n").encode()


def test_a_notice_arrives_signed_and_a_reply_is_kept_with_the_case(
    house: Served, sink: Sink
) -> None:
    """In the tenant's language, with the page, the complainer and an address to answer to."""
    case = hold_against(house, "acme", FactKind.COMPLAINT, COMPLAINER)
    raw, notice = notice_to(sink, OFFICE, case)
    assert [(s.domain, s.is_valid) for s in by_dkimpy(raw, house.keys)] == [("acme.test", True)]
    text = notice.get_content()
    assert "zablokowaliśmy wysyłanie z: acme.test" in text
    assert f"  {COMPLAINER}\r\n" in text
    assert f":{house.web}/status/" in text
    assert "After" not in text
    reply_to = notice["Reply-To"]
    assert reply_to.startswith("case+")
    assert reply_to.endswith("@cases.test")
    wait_until(lambda: house.rows(f"SELECT notified_at FROM cases WHERE id={case}")[0][0])

    answer = mail(f"Usunięto {COMPLAINER} <script>.\n", "<1@kontakt.test>")
    assert reply(house, reply_to.upper(), answer, tls=True).startswith("250 2.0.0")
    assert reply(house, reply_to, answer).startswith("250 2.0.0"), "the same mail once more"
    ((detail, subject),) = entries(house, case, "reply.received")
    assert set(detail) == {"mail"}
    assert said(house, subject) == (
        f"From: Biuro <{OFFICE}>\nSubject: Re: sprawa\n\nUsunięto a***@inbox.test <script>."
    )
    ((phase,),) = house.rows(f"SELECT phase FROM cases WHERE id={case}")
    assert phase == "open", "the screenshot is still to come"


def test_an_explanation_by_mail_stops_the_clock(house: Served, sink: Sink) -> None:
    """What a batch case waits for is an answer; what a machine answers is none."""
    case = hold_against(house, "beta", FactKind.BATCH_DEFIANCE)
    _, notice = notice_to(sink, "office@beta.example", case)
    assert notice["Subject"].startswith(f"[C-{case:06d}] sending is blocked")
    assert len(entries(house, case, "notice.refused")) == 1, "by the abuse contact's server"
    wait_until(lambda: house.rows(f"SELECT notified_at FROM cases WHERE id={case}")[0][0])
    away = mail("I am away.", "<2@x.test>", "Auto-Submitted: auto-replied\r\n")
    assert reply(house, notice["Reply-To"], away).startswith("250")
    assert reply(house, notice["Reply-To"], mail("bounced", "<3@x.test>"), "").startswith("250")
    assert len(entries(house, case, "reply.automatic")) == 2
    assert house.rows(f"SELECT phase FROM cases WHERE id={case}") == [("open",)]
    assert reply(house, notice["Reply-To"], mail("Our fault.", "<4@x.test>")).startswith("250")
    assert house.rows(f"SELECT phase FROM cases WHERE id={case}") == [("submitted",)]


def test_nothing_else_is_taken(house: Served, sink: Sink) -> None:
    """Strangers' addresses, tokens of another kind or with one letter changed: one answer."""
    case = hold_against(house, "gamma", FactKind.PROTECTED_HIT)
    raw, notice = notice_to(sink, OFFICE, case)
    good = notice["Reply-To"]
    token = good[5:57]
    page = raw.replace(b"=\r\n", b"").split(b"/status/")[1][:52].decode()
    flipped = token[:20] + ("b" if token[20] == "a" else "a") + token[21:]
    refused = {
        reply(house, to, mail("x"))
        for to in (
            "abuse@cases.test",
            "someone@example.org",
            f"case+{page}@cases.test",
            f"case+{flipped}@cases.test",
            f"case+{token}@example.org",
            f"bounce+{token}@cases.test",
        )
    }
    assert refused == {"550 5.1.1 no such recipient here"}
    assert reply(house, good, mail("x" * 76 + "\n") * 5000).startswith("552")
    assert entries(house, case, "reply.received") == []


def test_operators_see_notices_and_send_them_again(house: Served, sink: Sink) -> None:
    """`notice list`, `show` with addresses masked unless there is a reason, and `resend`."""
    case = hold_against(house, "delta", FactKind.COMPLAINT, COMPLAINER)
    listed = ("notice", "list", "--case", f"C-{case:06d}", "--json")
    (row,) = wait_until(
        lambda: [r for r in json.loads(consentry(house, *listed)) if r["state"] == "sent"]
    )
    number = str(row["number"])
    masked = consentry(house, "notice", "show", number)
    assert "a***@inbox.test" in masked
    assert COMPLAINER not in masked
    assert COMPLAINER in consentry(
        house, "notice", "show", number, "--reason", "asked by the tenant"
    )
    consentry(house, "notice", "resend", number, "--by", "ewa")
    again = wait_until(
        lambda: [r for r in json.loads(consentry(house, *listed)) if r["state"] == "sent"][1:]
    )
    assert again[0]["kind"] == "opened"
    assert len(entries(house, case, "notice.resent")) == 1
    actions = {action for (action,) in house.rows("SELECT action FROM audit")}
    assert {"notice.sent", "notice.revealed", "notice.resent"} <= actions
    assert "there is no notice 99999" in consentry(house, "notice", "show", "99999")


def test_the_records_have_no_address_in_the_clear(house: Served) -> None:
    """Neither who complained nor who replied stands in any file of the records."""
    for file in (house.folder / "state").glob("consentry.db*"):
        octets = file.read_bytes()
        assert b"anna.nowak" not in octets
        assert OFFICE.encode() not in octets
