"""What a copy carries to be known again, behind a real next hop, and the return paths of `verp`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.config.load import load
from gateway.feedback.mailboxes import Kind, Mailboxes
from gateway.feedback.parsed import Form, Original, Parsed
from gateway.feedback.traces import Traces, read_traces
from gateway.message.header import HeaderView
from suppression.keys import Keyring
from suppression.tokens import Purpose, Tokens
from tests.e2e.certificates import Certificates
from tests.e2e.deciding_hop import DecidingHop
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.ports import LOOPBACK, free_port
from tests.e2e.postfix import Postfix
from tests.e2e.session import Session, letter
from tests.e2e.verifiers import by_dkimpy, by_perl

SENDER = "news@acme.test"
ANNA, BERT, CLEO = READERS = ["anna@inbox.test", "bert@inbox.test", "cleo@inbox.test"]
STREAMS = {
    "orders": {"kind": "transactional", "verified": True, "default": True},
    "weekly": {"kind": "list"},
    "verp-orders": {"kind": "transactional", "verified": True, "verp": True},
    "verp-weekly": {"kind": "list", "verp": True, "bounces_to": "bounces@acme.test"},
}
OURS = (b"feedback-id", b"consentry-trace", b"cfbl-address", b"cfbl-feedback-id")


def made(port: int, folder: Any, certificates: Certificates) -> InsideGateway:
    """A gateway before that next hop, to which mail comes back at fbl.test."""
    feedback = {
        "listen": f"{LOOPBACK}:{free_port()}",
        "domain": "fbl.test",
        "dkim": [{"selector": "rsa", "key_file": "keys/rsa.pem"}],
    }
    settings = Settings(
        port, None, gateway={"feedback": feedback}, tenants={"acme": acme(streams=STREAMS)}
    )
    return InsideGateway(folder, settings, certificates)


@pytest.fixture(scope="module")
def before_postfix(
    stock_postfix: Postfix, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InsideGateway]:
    """In front of a stock Postfix."""
    with made(stock_postfix.port, tmp_path_factory.mktemp("marks"), certificates) as running:
        yield running


@pytest.fixture(scope="module")
def hop() -> Iterator[DecidingHop]:
    """A next hop that refuses what a test says."""
    with DecidingHop() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    hop: DecidingHop, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InsideGateway]:
    """In front of it."""
    with made(hop.port, tmp_path_factory.mktemp("house"), certificates) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(hop: DecidingHop) -> None:
    """Every test begins with an empty next hop."""
    hop.messages.clear()


def tokens_of(house: InsideGateway) -> Tokens:
    """The gateway's own tokens."""
    return Tokens(Keyring.load(load(house.config).config.keyring))


def traces_in(house: InsideGateway, raw: bytes) -> Traces:
    """What we would read in a report that gives back this copy's header section."""
    header = raw.partition(b"\r\n\r\n")[0] + b"\r\n"
    parsed = Parsed(Form.OTHER, "mail", original=Original(header))
    return read_traces(parsed, "", tokens_of(house), "fbl.test")


def assert_own_path(house: InsideGateway, mail_from: str, raw: bytes) -> None:
    """The return path, all by itself, names the recipient whom the copy's own fields name."""
    path = read_traces(Parsed(Form.OTHER, "mail"), mail_from, tokens_of(house), "fbl.test")
    copy = traces_in(house, raw)
    assert (path.stream_number, path.key) == (copy.stream_number, copy.key)
    assert path.key


@pytest.mark.parametrize("stream", STREAMS)
def test_two_recipients_behind_postfix(
    before_postfix: InsideGateway, postfix: Postfix, stream: str
) -> None:
    """Each copy that arrived names its mailing and, unless it is shared, its recipient; return
    paths differ with `verp` and are the customer's without; tenant and operator both sign it."""
    with Session(before_postfix.open, f"acme/{stream}") as session:
        assert session.send(SENDER, [ANNA, BERT], letter(SENDER)).code == 250
    copies = {reader: postfix.take(reader)[0] for reader in (ANNA, BERT)}
    views = {
        reader: HeaderView.parse(raw.partition(b"\r\n\r\n")[0] + b"\r\n")
        for reader, raw in copies.items()
    }
    traces = [traces_in(before_postfix, raw) for raw in copies.values()]
    assert all(one.agrees and one.has_token for one in traces)
    assert len({one.stream_number for one in traces}) == 1
    assert len({(one.mailing, one.feedback_id) for one in traces}) == 1
    is_shared = stream == "orders"
    assert len({one.key for one in traces}) == (1 if is_shared else 2)
    assert all(bool(one.key) != is_shared for one in traces)
    paths = [view.all(b"return-path")[0].value.strip(b"<>").decode() for view in views.values()]
    if "verp" in stream:
        assert len(set(paths)) == 2
        for path, raw in zip(paths, copies.values(), strict=True):
            assert path.startswith("bounce+")
            assert path.endswith("@fbl.test")
            assert_own_path(before_postfix, path, raw)
    else:
        assert paths == [SENDER, SENDER]
    operators = before_postfix.keys["rsa._domainkey.acme.test"]
    keys = {**before_postfix.keys, "rsa._domainkey.fbl.test": operators}
    for reader, raw in copies.items():
        named = [name for name in OURS if name in views[reader]]
        assert named == ([OURS[0], OURS[2]] if is_shared else list(OURS))
        assert b"CFBL-Address: fbl@fbl.test; report=arf\r\n" in raw
        found = by_dkimpy(raw, keys)
        assert [one.domain for one in found] == ["acme.test", "acme.test", "fbl.test"]
        assert all(one.is_valid for one in found)
        signed_names = [
            field.value.partition(b"\th=")[2].partition(b";")[0].replace(b"\t", b"").split(b":")
            for field in views[reader].all(b"dkim-signature")
        ]
        assert all(names.count(name) == 2 for names in signed_names for name in named)
    in_perl = [one.is_valid for one in by_perl(raw, keys) if one.algorithm == "rsa-sha256"]
    assert in_perl == [True, True]


def test_a_customers_own_marks_are_removed(house: InsideGateway, hop: DecidingHop) -> None:
    """Incoming copies of our fields, forged or from an earlier pass, never reach anybody."""
    stale = tokens_of(house).make(Purpose.FEEDBACK, 99, bytes(16))
    extra = (
        f"Feedback-ID: a.{stale}:b:c:consentry\r\nCONSENTRY-TRACE: {stale}\r\n"
        f"cfbl-address: fbl@acme.test;\r\n report=xarf\r\nCFBL-Feedback-ID: {stale}\r\n"
    )
    with Session(house.open, "acme/orders") as session:
        assert session.send(SENDER, [ANNA], letter(SENDER, extra=extra)).code == 250
    (copy,) = hop.wait_for(1)
    assert stale.encode() not in copy.raw
    view = HeaderView.parse(copy.raw.partition(b"\r\n\r\n")[0] + b"\r\n")
    assert [len(view.all(name)) for name in OURS] == [1, 1, 1, 1]
    assert traces_in(house, copy.raw).agrees


@pytest.mark.parametrize("stream", ["verp-orders", "verp-weekly"])
def test_a_refused_recipient_leaves_no_path_behind(
    house: InsideGateway, hop: DecidingHop, stream: str
) -> None:
    """The first is refused at RCPT, the second after the dot and for now: each retry and each copy
    goes out under its own recipient's path."""
    raw = letter(SENDER)
    with Session(house.open, f"acme/{stream}") as session:
        refusals = {ANNA: "550 5.1.1 unknown"}
        with hop.judging(at_rcpt=refusals.get, at_dot={BERT: "450 4.2.0 later"}.get):
            session.mail(SENDER)
            assert [said.code for said in session.rcpt(*READERS)] == [550, 250, 250]
            assert session.data(raw).short == "451 4.4.0 [PARTIAL]"
        (first,) = hop.wait_for(1)
        assert session.send(SENDER, [BERT, CLEO], raw).code == 250
    second = hop.wait_for(2)[1]
    assert [first.recipients, second.recipients] == [(CLEO,), (BERT,)]
    for copy in (first, second):
        assert_own_path(house, copy.mail_from, copy.raw)


def test_the_customer_stays_who_it_is(house: InsideGateway, hop: DecidingHop) -> None:
    """With `verp` the DSN about a refused recipient goes to the customer's MAIL FROM, and the
    journal names its domain."""
    with (
        Session(house.open, "acme/verp-orders") as session,
        hop.judging(at_dot={BERT: "550 5.1.1 unknown"}.get),
    ):
        assert session.send(SENDER, [ANNA, BERT], letter(SENDER)).code == 250
    copy, notice = hop.wait_for(2)
    assert copy.recipients == (ANNA,)
    assert_own_path(house, copy.mail_from, copy.raw)
    assert notice.recipients == (SENDER,)
    assert notice.mail_from in {"", "<>"}
    assert b"Final-Recipient: rfc822;" + BERT.encode() in notice.raw.replace(b"; ", b";")
    last = [event for event in house.events() if event["kind"] == "message.relayed"][-1]
    assert last["detail"]["from"] == "acme.test"


def test_the_empty_sender_stays_empty(house: InsideGateway, hop: DecidingHop) -> None:
    """MAIL FROM <> asks for no bounces, so it gets no return path, with `verp` either."""
    with Session(house.open, "acme/verp-orders") as session:
        assert session.send("", [ANNA, BERT], letter(SENDER)).code == 250
    copies = hop.wait_for(2)
    assert [copy.recipients for copy in copies] == [(ANNA,), (BERT,)]
    assert {copy.mail_from for copy in copies} <= {"", "<>"}


def test_wishes_are_mailed_to_where_somebody_takes_them(
    house: InsideGateway, hop: DecidingHop
) -> None:
    """List-Unsubscribe names `web.mailto_domain`, without it `feedback.domain`; with both, mail to
    either is that recipient's."""

    def mailto() -> str:
        with Session(house.open, "acme/weekly") as session:
            assert session.send(SENDER, [ANNA], letter(SENDER)).code == 250
        copy = hop.wait_for(1)[-1]
        hop.messages.clear()
        view = HeaderView.parse(copy.raw.partition(b"\r\n\r\n")[0] + b"\r\n")
        (field,) = view.all(b"list-unsubscribe")
        return field.value.partition(b"<mailto:")[2].rstrip(b">").decode()

    written = house.config.read_text()
    with_both = Mailboxes.of(load(house.config).config, tokens_of(house))
    at_its_own = mailto()
    try:
        house.config.write_text(
            written.replace('"mailto_domain": "unsubscribe.test"', '"mailto_domain": null')
        )
        house.on_loop(house.inner.reload())
        at_feedback = mailto()
    finally:
        house.config.write_text(written)
        house.on_loop(house.inner.reload())
    assert at_its_own.partition("@")[2] == "unsubscribe.test"
    assert at_feedback.partition("@")[2] == "fbl.test"
    for address in (at_its_own, at_feedback):
        mailbox = with_both.find(address)
        assert mailbox is not None
        assert mailbox.kind is Kind.UNSUBSCRIBE
        assert mailbox.token == tokens_of(house).read(Purpose.UNSUBSCRIBE, at_its_own[2:54])
