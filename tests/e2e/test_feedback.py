"""Mail that comes back to a real gateway, by every way in: what it does, and what it does not."""

from __future__ import annotations

import json
import smtplib
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.message.address import parse_mailbox
from gateway.message.body import RelaxedBodyHash
from gateway.message.dkim import Signer, sign
from gateway.message.dkim_keys import KeyKind, load_key, new_key, zone_line
from suppression.keys import Keyring
from suppression.tokens import Purpose
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import DOMAIN, Settings, acme
from tests.e2e.name_server import NameServer
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port
from tests.e2e.returned_mail import DOMAIN as BACK
from tests.e2e.returned_mail import LOOP, dsn, narrowly_signed, plain, report, sent_on, token_maker
from tests.e2e.session import Session, wait_until
from tests.e2e.sink import Sink
from tests.faults.houses import WEEKLY, Served

TAKEN = "250 2.0.0 taken"
NOBODY = "550 5.1.1 no such recipient here"
RETURNS = "returns@acme.test"
NOTICES = "notices@acme.test"
LISTED = LOOP.rpartition("@")[2]
KEY = new_key(KeyKind.ED25519)


class Back:
    """The gateway, its next hop and the DNS; mail to it and what its records say."""

    def __init__(self, house: Served, sink: Sink, dns: NameServer, port: int) -> None:
        self.house, self.sink, self.dns, self.port = house, sink, dns, port
        self._keyring = Keyring.load(house.folder / "keys/keyring.json")
        self._make = token_maker(house.folder / "keys/keyring.json")

    def token(self, purpose: Purpose, to: str, stream: str = "weekly") -> str:
        """A token of one of acme's streams and a recipient."""
        query = f"SELECT number FROM streams WHERE tenant='acme' AND name='{stream}'"
        ((number,),) = self.house.rows(query)
        return self._make(purpose, number, to)

    def key(self, to: str) -> str:
        """A recipient's key as the records show it."""
        return self._keyring.exact_key(parse_mailbox(to)).hex().upper()

    def mail(self, to: str, octets: bytes, sender: str = LOOP) -> str:
        """What the listener says: the first refusal, or the answer to the dot."""
        with smtplib.SMTP(LOOPBACK, self.port, timeout=60) as client:
            client.ehlo("mx.inbox.test")
            client.mail(sender)
            code, text = client.rcpt(to)
            if code == 250:
                code, text = client.data(octets)
            return f"{code} {text.decode()}"

    def report(self, name: str, to: str, **options: Any) -> bytes:
        """A complaint with the recipient's token."""
        trace = f"Consentry-Trace: {self.token(Purpose.FEEDBACK, to)}"
        return report(name, trace, **options)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the records hold."""
        return self.house.rows(query)

    def sources(self, to: str) -> list[str]:
        """By which way a recipient's suppressions came."""
        query = (
            "SELECT sources.name FROM suppressions JOIN sources ON sources.id = suppressions.source"
            f" WHERE hex(key) = '{self.key(to)}'"
        )
        return [name for (name,) in self.rows(query)]

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit status and JSON of a command, run in this process: starting one takes a second."""
        options = ("--config", str(self.house.config), "--json")
        done = CliRunner().invoke(app, [*arguments, *options])
        return done.exit_code, done.stdout

    def reload(self) -> None:
        """Put the configuration in force that is written now."""
        done = CliRunner().invoke(app, ["reload", "--config", str(self.house.config)])
        assert done.exit_code == 0, done.output

    def answer_to(self, to: str) -> str:
        """What the very next RCPT gets."""
        with Session(self.house.open) as session:
            session.mail(WEEKLY)
            return session.rcpt(to)[0].short


@pytest.fixture(scope="module")
def back(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Back]:
    """One gateway for all tests here: acme has a list, and a stream with its own return path."""
    port = free_port()
    record = zone_line(KEY, LISTED, "s1").partition("( ")[2].removesuffix(" )")
    streams = {
        "orders": {"kind": "transactional", "verified": True, "default": True},
        "weekly": {"kind": "list", "mail_from": [WEEKLY]},
        "notices": {
            "kind": "transactional",
            "mail_from": [NOTICES],
            "verp": True,
            "bounces_to": RETURNS,
        },
    }
    with Sink() as sink, NameServer({(f"s1._domainkey.{LISTED}", "TXT"): [record]}) as dns:
        gateway = {
            "feedback": {"listen": f"{LOOPBACK}:{port}", "domain": BACK},
            "sanctions": {"feedback_sources": [LISTED]},
            "sender_dns": {"resolvers": [f"{LOOPBACK}:{dns.port}"], "patience": "1s"},
        }
        settings = Settings(sink.port, gateway=gateway, tenants={"acme": acme(streams=streams)})
        with Served(tmp_path_factory.mktemp("feedback"), settings, certificates) as house:
            wait_for_port(port)
            yield Back(house, sink, dns, port)


def signed(octets: bytes, selector: str = "s1") -> bytes:
    """A mail with the signature of the listed source."""
    head, _, body = octets.partition(b"\r\n\r\n")
    hashed = RelaxedBodyHash()
    hashed.add(body)
    header = head + b"\r\n"
    signer = Signer(LISTED, selector, load_key(KEY))
    return sign([signer], header, hashed.digest(), time.time()) + octets


def test_a_report_counts_for_the_recipient_of_its_token(back: Back) -> None:
    """At the very next RCPT, once; graded by who has signed it."""
    to = "anna@inbox.test"
    assert back.answer_to(to) == "250 2.1.5"
    for _ in range(2):
        assert back.mail(f"fbl@{BACK}", back.report("r1", to, recipient=to)) == TAKEN
    assert back.answer_to(to) == "550 5.7.1 [COMPLAINT]"
    assert back.mail(f"FBL@{BACK}", signed(back.report("r2", "ewa@inbox.test"))) == TAKEN
    assert back.answer_to("ewa@inbox.test") == "550 5.7.1 [COMPLAINT]"
    graded = "SELECT grade, source, tenant, stream, state FROM reports WHERE hex(key) = '%s'"
    assert back.rows(graded % back.key(to)) == [("B", "smtp", "acme", "weekly", "waiting")]
    assert back.rows(graded % back.key("ewa@inbox.test")) == [
        ("A", LISTED, "acme", "weekly", "counted")
    ]


def test_nobody_has_signed_the_envelope(back: Back) -> None:
    """A listed source's report about something else, sent on to a return path of ours, is no better
    than any other mail there."""
    to = "kim@inbox.test"
    path = f"bounce+{back.token(Purpose.RETURN_PATH, to)}@{BACK}"
    assert back.mail(path, signed(report("r7", "Subject: of somebody else"))) == TAKEN
    assert back.answer_to(to) == "550 5.7.1 [COMPLAINT]"
    graded = "SELECT grade, state FROM reports WHERE hex(key) = '%s'"
    assert back.rows(graded % back.key(to)) == [("B", "waiting")]


def test_a_signed_report_is_the_same_by_whatever_message_id_and_way(back: Back) -> None:
    """Whoever has one could else send it on a thousand times."""
    to = "lea@inbox.test"
    octets = narrowly_signed(back.report("r8", to), Signer(LISTED, "s1", load_key(KEY)))
    for name in (b"<r8@", b"<r9@", b"<r10@"):
        for mailbox in ("fbl", "abuse"):
            assert back.mail(f"{mailbox}@{BACK}", octets.replace(b"<r8@", name)) == TAKEN
    query = f"SELECT grade, state FROM reports WHERE hex(key) = '{back.key(to)}'"
    assert back.rows(query) == [("A", "counted")]


def test_a_dns_that_does_not_answer_asks_for_the_report_again(back: Back) -> None:
    """Whether a listed source has signed it is not guessed."""
    octets = signed(back.report("r3", "iga@inbox.test"), "s2")
    back.dns.failing.add(f"s2._domainkey.{LISTED}")
    assert back.mail(f"fbl@{BACK}", octets).startswith("451 4.3.0 ")
    assert back.answer_to("iga@inbox.test") == "250 2.1.5"


def test_an_unsubscribe_mail_and_a_click_are_one_suppression(back: Back) -> None:
    """Whatever it says and by either name of the mailbox; what answers by itself is no wish."""
    to = "jan@inbox.test"
    token = back.token(Purpose.UNSUBSCRIBE, to)
    mailbox = f"u+{token}@{BACK}"
    assert back.mail(mailbox, dsn("d1", to), "") == TAKEN
    assert back.mail(mailbox, plain("w0"), "") == TAKEN
    away = plain("w1", extra="Auto-Submitted: auto-replied\n")
    assert back.mail(mailbox, away, to) == TAKEN
    assert back.answer_to(to) == "250 2.1.5"

    older = f"Unsubscribe+{token.upper()}@unsubscribe.test"
    assert back.mail(older, plain("w2", "Keep sending, I love it!"), to) == TAKEN
    assert back.answer_to(to) == "550 5.7.1 [UNSUB]"
    assert back.house.unsubscribe(f"http://{HOST}:{back.house.web}/u/{token}") == 200
    assert back.mail(mailbox, plain("w3"), to) == TAKEN
    assert back.sources(to) == ["mail"]
    sender = "ina@inbox.test"  # who sends a notification on is somebody who has written
    assert back.mail(f"u+{back.token(Purpose.UNSUBSCRIBE, sender)}@{BACK}", sent_on(dsn("d2", to)))
    assert back.answer_to(sender) == "550 5.7.1 [UNSUB]"
    other = "ola@inbox.test"
    link = f"http://{HOST}:{back.house.web}/u/{back.token(Purpose.UNSUBSCRIBE, other)}"
    assert back.house.unsubscribe(link) == 200
    assert back.mail(f"u+{back.token(Purpose.UNSUBSCRIBE, other)}@{BACK}", plain("w4")) == TAKEN
    assert back.sources(other) == ["one-click"]


def test_a_bounce_is_passed_on_before_it_is_taken(back: Back) -> None:
    """From nobody, its octets under one field more, once; deferred while nobody takes it."""
    to = "gone@inbox.test"
    with smtplib.SMTP(LOOPBACK, back.house.open, timeout=60) as client:
        client.sendmail(NOTICES, [to], b"From: notices@acme.test\r\nSubject: hello\r\n\r\nHi.\r\n")
    sent = next(one for one in back.sink.messages if one.recipients == (to,))
    path = sent.mail_from
    assert path.startswith("bounce+")
    assert path.endswith(f"@{BACK}")
    original = sent.raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")
    octets = dsn("b1", to, original=original)

    def passed() -> list[tuple[str, bytes]]:
        return [(m.mail_from, m.raw) for m in back.sink.messages if m.recipients == (RETURNS,)]

    back.sink.refuse = lambda one: "450 4.2.0 not now" if one == RETURNS else None
    assert back.mail(path, octets, "").startswith("451 4.4.1 ")
    assert passed() == []
    back.sink.refuse = lambda _: None
    assert back.mail(path, octets, "") == TAKEN
    assert back.mail(path, octets, "") == TAKEN
    ((sender, raw),) = passed()
    assert sender in ("", "<>")
    assert raw.endswith(octets)
    trace = raw.removesuffix(octets)
    assert trace.startswith(b"Received: from mx.inbox.test ([127.0.0.1])\r\n\tby gateway.test ")
    assert trace.count(b"\r\n") == 3
    assert back.rows("SELECT class, state FROM bounces") == [("invalid-mailbox", "pending")]
    round_and_round = raw.replace(b"<b1@", b"<b2@")
    assert back.mail(path, round_and_round, "") == TAKEN, "and it goes no further"
    assert len(passed()) == 1


def test_forged_and_other_recipients_get_one_answer(back: Back) -> None:
    """What has no token of ours reaches nobody, at the mailboxes for everybody too."""
    to = "zoe@inbox.test"
    good = back.token(Purpose.UNSUBSCRIBE, to)
    forged = good[:20] + ("b" if good[20] == "a" else "a") + good[21:]
    refused = {
        back.mail(recipient, plain("x"))
        for recipient in (
            f"u+{forged}@{BACK}",
            f"bounce+{good}@{BACK}",
            f"postmaster@{BACK}",
            f"fbl@{DOMAIN}",
        )
    }
    assert refused == {NOBODY}
    before = back.rows("SELECT count(*) FROM suppressions")
    stated = report("r4", f"Consentry-Trace: {forged}\nSubject: hello", recipient=to)
    assert back.mail(f"abuse@{BACK}", signed(stated)) == TAKEN
    assert back.mail(f"abuse@{BACK}", plain("a1", "You are spammers!")) == TAKEN
    assert back.rows("SELECT count(*) FROM suppressions") == before
    last = back.rows("SELECT grade, tenant, state FROM reports ORDER BY id DESC LIMIT 2")
    assert last == [("D", "", "unmatched")] * 2
    assert back.answer_to(to) == "250 2.1.5"


def test_strangers_have_so_much_room_and_what_is_proven_needs_none(back: Back) -> None:
    """Over it they are deferred, which the metrics show; a token of ours is taken all the same."""
    written = back.house.config.read_text()
    settings = json.loads(written)
    settings["feedback"]["unproven"] = {"per_source": 1}
    try:
        back.house.config.write_text(json.dumps(settings))
        back.reload()
        said = [back.mail(f"abuse@{BACK}", plain(f"s{number}")) for number in range(2)]
        assert said[1].startswith("451 4.7.1 too much mail from your address today")
        to = "sue@inbox.test"
        assert back.mail(f"fbl@{BACK}", back.report("s3", to)) == TAKEN
        assert back.answer_to(to) == "550 5.7.1 [COMPLAINT]"
    finally:
        back.house.config.write_text(written)
        back.reload()
    assert back.mail(f"abuse@{BACK}", plain("s1")) == TAKEN, "the same mail, once there is room"
    page = httpx.get(f"http://{HOST}:{back.house.web}/metrics").text
    (value,) = (
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith('consentry_unproven_mails_deferred_total{limit="per_source"}')
    )
    assert value >= 1


def test_one_connection_too_many_is_told_so(back: Back) -> None:
    """And not just cut off; whoever leaves makes room."""
    with ExitStack() as stack:
        said = []
        for _ in range(30):  # those of other tests may still be there
            client = stack.enter_context(socket.create_connection((LOOPBACK, back.port), 60))
            said.append(client.recv(100))
        refused = [one for one in said if not one.startswith(b"220 ")]
        assert 10 <= len(refused) <= 30
        assert all(one.startswith(b"421 4.3.2 ") for one in refused)

    def is_room() -> bool:
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection((LOOPBACK, back.port), 60))
                for _ in range(15)
            ]
            return all(client.recv(4) == b"220 " for client in clients)

    for _ in range(60):  # gone before they are greeted
        socket.create_connection((LOOPBACK, back.port), 60).close()
    wait_until(is_room)


def test_mail_from_files_and_programs_does_the_same(back: Back, tmp_path: Path) -> None:
    """What is no mail is named, and the rest is taken; an operator's token is needed."""
    for folder in ("cur", "new", "tmp"):
        (tmp_path / folder).mkdir()
    octets = back.report("r5", "ida@inbox.test")
    (tmp_path / "new/1").write_bytes(octets.replace(b"\r\n", b"\n"))
    (tmp_path / "cur/2").write_bytes(b"\x00\x01 this is no mail")
    wish = f"Delivered-To: u+{back.token(Purpose.UNSUBSCRIBE, 'uma@inbox.test')}@{BACK}\n"
    (tmp_path / "new/3").write_bytes(plain("w5", extra=wish))
    ben = f"U+{back.token(Purpose.UNSUBSCRIBE, 'ben@inbox.test')}@{BACK}"
    shown = f'To: A list <list@acme.test>,\n "{ben}" <{ben}>\n'
    (tmp_path / "new/4").write_bytes(plain("w6", extra=shown))
    status, printed = back.run("feedback", "ingest", str(tmp_path))
    assert status == 1
    rows = {Path(row["mail"]).name: row for row in json.loads(printed)}
    assert rows["2"]["problem"] == "it has no field From, as every mail has"
    assert (rows["1"]["what"], rows["1"]["grade"], rows["1"]["new"]) == ("report", "B", True)
    assert (rows["3"]["what"], rows["3"]["stream"]) == ("unsubscribed", "weekly")
    assert back.answer_to("ida@inbox.test") == "550 5.7.1 [COMPLAINT]"
    assert back.answer_to("uma@inbox.test") == "550 5.7.1 [UNSUB]"
    assert back.answer_to("ben@inbox.test") == "550 5.7.1 [UNSUB]"

    _, made = back.run("token", "add", "loop", "--staff", "--allow", "feedback:write")
    headers = {"Authorization": f"Bearer {json.loads(made)[0]['secret']}"}
    url = f"http://{HOST}:{back.house.web}/v1/feedback"
    mail = {"content": back.report("r6", "eva@inbox.test")}
    kind = {"Content-Type": "message/rfc822"}
    with httpx.Client(headers=headers) as client:
        first, again = (client.post(url, headers=kind, **mail) for _ in range(2))
        assert client.post(url, headers=kind, content=b"nothing").status_code == 422
        assert client.post(url, json={}).status_code == 415
    assert first.status_code == again.status_code == 200
    assert first.json() == {
        "what": "report", "new": True, "form": "arf", "type": "abuse", "tenant": "acme",
        "stream": "weekly", "grade": "B", "report": first.json()["report"], "state": "waiting",
    }  # fmt: skip
    assert again.json() == {**first.json(), "new": False}
    assert back.answer_to("eva@inbox.test") == "550 5.7.1 [COMPLAINT]"
