"""What arrives: a signed copy with its own link for each list reader, no Bcc, and senders `<>`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gateway.config.load import load
from suppression.keys import Keyring
from suppression.tokens import Purpose, Tokens
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Settings, acme
from tests.e2e.inside import InsideGateway
from tests.e2e.session import Session, letter
from tests.e2e.sink import Sink
from tests.e2e.verifiers import by_dkimpy

SENDER = "news@acme.test"
READERS = ["anna@inbox.test", "bert@inbox.test", "Cleo@Inbox.test"]
POST = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InsideGateway]:
    """The gateway; acme has a list, verified orders and an open inquiry stream."""
    streams = {**acme()["streams"], "offers": {"kind": "inquiry", "open": True}}
    tenant = acme(streams=streams, unsubscribe_hosts=["links.acme.test"])
    settings = Settings(sink.port, trusted=None, tenants={"acme": tenant})
    with InsideGateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(sink: Sink) -> None:
    """Every test begins with an empty next hop."""
    sink.messages.clear()


def token_in(raw: bytes) -> str:
    """The token of a copy's https and mailto links, which are the same."""
    links = re.search(
        rb"^List-Unsubscribe: <http://localhost:\d+/u/(\w+)>,\r\n"
        rb"\t<mailto:u\+(\w+)@unsubscribe\.test>\r\n",
        raw,
        re.MULTILINE,
    )
    assert links, raw
    assert links[1] == links[2]
    return links[1].decode()


def test_each_reader_has_a_link_of_its_own(house: InsideGateway, sink: Sink) -> None:
    """On a list stream everyone gets a copy of their own, whose token names them and the list and
    discloses nothing, and whose signatures hold."""
    with Session(house.open, "acme/weekly") as session:
        assert session.send(SENDER, READERS, letter(SENDER)).code == 250
    copies = sink.wait_for(3)
    assert [copy.recipients for copy in copies] == [(reader,) for reader in READERS]
    texts = [token_in(copy.raw) for copy in copies]
    assert len(set(texts)) == 3
    tokens = Tokens(Keyring.load(load(house.config).config.keyring))
    read = [tokens.read(Purpose.UNSUBSCRIBE, text) for text in texts]
    assert len({token.key for token in read if token}) == 3
    assert len({token.stream_number for token in read if token}) == 1
    for copy in copies:
        assert copy.raw.count(POST) == 1
        found = by_dkimpy(copy.raw, house.keys)
        assert sorted(one.algorithm for one in found) == ["ed25519-sha256", "rsa-sha256"]
        assert all(one.is_valid and one.domain == "acme.test" for one in found)
        swapped = copy.raw.replace(token_in(copy.raw).encode(), b"a" * 52)
        assert not any(one.is_valid for one in by_dkimpy(swapped, house.keys))


def test_same_reader_same_link(house: InsideGateway, sink: Sink) -> None:
    """A reader's token stays the same from mailing to mailing, under any spelling of the domain."""
    with Session(house.open, "acme/weekly") as session:
        for reader in ("dora@inbox.test", "dora@INBOX.test"):
            assert session.send(SENDER, [reader], letter(SENDER)).code == 250
    assert len({token_in(copy.raw) for copy in sink.wait_for(2)}) == 1


def test_other_streams_carry_no_link(house: InsideGateway, sink: Sink) -> None:
    """Transactional mail goes out once for all its recipients, without an unsubscribe link."""
    with Session(house.open, "acme") as session:
        assert session.send(SENDER, READERS, letter(SENDER)).code == 250
    (message,) = sink.wait_for(1)
    assert message.recipients == tuple(READERS)
    assert b"List-Unsubscribe" not in message.raw.partition(b"\r\nReceived:")[2]
    assert all(one.is_valid for one in by_dkimpy(message.raw, house.keys))


@pytest.mark.parametrize("login", ["acme/weekly", "acme/orders"])
def test_bcc_and_control_fields_never_arrive(house: InsideGateway, sink: Sink, login: str) -> None:
    """Bcc is removed with all its folded lines, in any case, and so is what is meant for us."""
    hidden = "bCC: <anna@inbox.test>,\r\n <secret@inbox.test>\r\nX-Consentry-Mailing: spring\r\n"
    with Session(house.open, login) as session:
        said = session.send(SENDER, READERS[:1], letter(SENDER, extra=hidden))
        assert said.code == 250
    (message,) = sink.wait_for(1)
    assert b"bcc:" not in message.raw.lower()
    assert b"secret@inbox.test" not in message.raw
    assert b"x-consentry" not in message.raw.lower()


@pytest.mark.parametrize(
    ("extra", "is_kept"),
    [
        ("List-Unsubscribe: <https://elsewhere.test/u>\r\n" + POST.decode(), False),
        ("List-Unsubscribe: <https://links.acme.test/u/1>\r\n" + POST.decode(), True),
    ],
    ids=["foreign", "registered"],
)
def test_own_pair_is_kept_only_on_a_registered_host(
    house: InsideGateway, sink: Sink, extra: str, is_kept: bool
) -> None:
    """A tenant's own pair is replaced unless its host is registered for the tenant."""
    with Session(house.open, "acme/weekly") as session:
        assert session.send(SENDER, READERS[:1], letter(SENDER, extra=extra)).code == 250
    (message,) = sink.wait_for(1)
    links = re.findall(rb"^List-Unsubscribe: <http(?:s?)://([^/:]+)", message.raw, re.MULTILINE)
    assert links == [b"links.acme.test" if is_kept else b"localhost"]
    assert message.raw.count(POST) == 1
    assert all(one.is_valid for one in by_dkimpy(message.raw, house.keys))


@pytest.mark.parametrize("stream", ["weekly", "offers"])
def test_empty_sender_is_no_marketing(house: InsideGateway, stream: str) -> None:
    """MAIL FROM:<> is refused on list and inquiry streams."""
    with Session(house.open, f"acme/{stream}") as session:
        assert session.mail("").short == "553 5.7.1 [SENDER]"


def test_empty_sender_is_judged_by_header_from(house: InsideGateway, sink: Sink) -> None:
    """On a transactional stream `<>` is taken when header From is the tenant's, and only then."""
    with Session(house.open, "acme/orders") as session:
        assert session.send("", READERS[:1], letter(SENDER)).code == 250
        said = session.send("", READERS[:1], letter("boss@other.test"))
        assert said.short == "550 5.7.1 [FROM-ALIGN]"
    (message,) = sink.wait_for(1)
    assert message.mail_from in {"", "<>"}
    assert all(one.is_valid for one in by_dkimpy(message.raw, house.keys))
