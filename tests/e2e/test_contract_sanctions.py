"""Protected addresses and what hitting them leads to: a block, told with its case, until lifted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings, customer
from tests.e2e.session import Said, Session, letter
from tests.e2e.sink import Sink

UNVERIFIED = {"mail": {"kind": "transactional"}}
TENANTS = {
    name: customer(
        name,
        streams=UNVERIFIED,
        limits={"batches": 3, "recipients_per_message": 2000},
    )
    for name in ("hits", "forgiven", "share", "running", "lifted", "covered", "bystander")
}
TENANTS["trusty"] = customer("trusty")
READER = "anna@inbox.test"
PROTECTED = [f"protected{number}@inbox.test" for number in range(12)]


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The next hop."""
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def house(
    sink: Sink, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that knows twelve protected addresses and one protected domain."""
    settings = Settings(sink.port, trusted=None, tenants=TENANTS)
    with Gateway(tmp_path_factory.mktemp("house"), settings, certificates) as running:
        listed = running.folder / "protected.txt"
        listed.write_text("".join(f"{address}\n" for address in [*PROTECTED, "quiet.test"]))
        running.run("suppress", "import", str(listed), "--reason", "protected", "--scope", "*")
        running.age_entries()
        yield running


def sender(tenant: str) -> str:
    """An address of the tenant's."""
    return f"news@{tenant}.test"


def hit(session: Session, tenant: str, count: int) -> list[str]:
    """Ask for so many protected recipients, one by one, in a transaction of their own."""
    assert session.mail(sender(tenant)).code == 250
    answers = [session.rcpt(address)[0] for address in PROTECTED[:count]]
    session.command("RSET")
    return [answer.tag for answer in answers]


def case_of(said: Said) -> str:
    """The case that a [DOMAIN-BLOCKED] reply names."""
    found = re.search(r"is blocked, case (C-\d+)", said.text)
    assert found, said.text
    return found[1]


def blocks(house: Gateway, tenant: str) -> list[dict[str, str]]:
    """What `consentry block list` shows."""
    listed: list[dict[str, str]] = json.loads(
        house.run("block", "list", "--tenant", tenant, "--json")
    )
    return listed


def test_protected_is_refused(house: Gateway, sink: Sink) -> None:
    """A protected address is refused under any spelling, its whole domain with subdomains; other
    recipients of the same message get it."""
    spellings = (PROTECTED[0], "Protected0@INBOX.test", "protected0+x@inbox.test")
    domain = ("anyone@quiet.test", "anyone@mail.quiet.test")
    with Session(house.open, "covered") as session:
        session.mail(sender("covered"))
        answers = session.rcpt(*spellings, *domain, "anyone@notquiet.test")
        refused = [answer.short for answer in answers[:-1]]
        assert refused == ["550 5.7.1 [PROTECTED]"] * 5
        assert answers[-1].code == 250
        assert session.data(letter(sender("covered"))).code == 250
    (message,) = [one for one in sink.messages if one.mail_from == sender("covered")]
    assert message.recipients == ("anyone@notquiet.test",)


def test_verified_mail_passes(house: Gateway) -> None:
    """Verified transactional mail reaches a protected address."""
    with Session(house.open, "trusty") as session:
        said = session.send(sender("trusty"), PROTECTED[:1], letter(sender("trusty")))
    assert said.code == 250


def test_tenth_hit_blocks(house: Gateway) -> None:
    """After ten hits the next MAIL is refused and names the case that `block list` shows; nobody
    else is blocked."""
    with Session(house.open, "hits") as session:
        assert hit(session, "hits", 9) == ["PROTECTED"] * 9
        assert hit(session, "hits", 1) == ["PROTECTED"]
        said = session.mail(sender("hits"))
        assert said.short == "550 5.7.1 [DOMAIN-BLOCKED]"
    (block,) = blocks(house, "hits")
    assert (block["case"], block["domain"]) == (case_of(said), "hits.test")
    with Session(house.open, "bystander") as session:
        assert session.mail(sender("bystander")).code == 250


def test_lift_begins_a_new_count(house: Gateway) -> None:
    """What led to a block is forgiven with it: the next hit does not block, the next ten do."""
    with Session(house.open, "forgiven") as session:
        assert hit(session, "forgiven", 10) == ["PROTECTED"] * 10
        assert session.mail(sender("forgiven")).tag == "DOMAIN-BLOCKED"
        house.run("block", "lift", "forgiven.test", "--reason", "list was cleaned", "--by", "kim")
        assert hit(session, "forgiven", 9) == ["PROTECTED"] * 9
        assert session.mail(sender("forgiven")).code == 250
        assert session.rcpt(PROTECTED[9])[0].tag == "PROTECTED"
        session.command("RSET")
        assert session.mail(sender("forgiven")).tag == "DOMAIN-BLOCKED"


def test_share_of_recipients_counts(house: Gateway) -> None:
    """Ten hits do not block as long as they are less than one in a hundred recipients."""
    crowd = [f"reader{number}@inbox.test" for number in range(1100)]
    with Session(house.open, "share") as session:
        session.mail(sender("share"))
        assert {answer.code for answer in session.rcpt(*crowd)} == {250}
        session.command("RSET")
        assert hit(session, "share", 11) == ["PROTECTED"] * 11
        assert session.mail(sender("share")).code == 250
        assert session.rcpt(PROTECTED[11])[0].tag == "PROTECTED"
        session.command("RSET")
        assert session.mail(sender("share")).tag == "DOMAIN-BLOCKED"


def test_running_transactions_are_stopped(house: Gateway, sink: Sink) -> None:
    """A block refuses a running transaction at its next RCPT and at its final dot."""
    with (
        Session(house.open, "running") as asking,
        Session(house.open, "running") as sending,
        Session(house.open, "running") as hitting,
    ):
        for session in (asking, sending):
            assert session.mail(sender("running")).code == 250
            assert session.rcpt(READER)[0].code == 250
        assert sending.command("DATA").code == 354
        assert hit(hitting, "running", 10) == ["PROTECTED"] * 10
        assert asking.rcpt("bert@inbox.test")[0].short == "550 5.7.1 [DOMAIN-BLOCKED]"
        sending.say_octets(letter(sender("running")) + b".\r\n")
        assert sending.answer().short == "550 5.7.1 [DOMAIN-BLOCKED]"
        assert asking.data(letter(sender("running"))).tag == "DOMAIN-BLOCKED"
    assert not [one for one in sink.messages if one.mail_from == sender("running")]


def test_lift_and_block_by_hand(house: Gateway) -> None:
    """`block add` holds from the next command on, with its case in the reply; `block lift` lets
    the next MAIL pass, and both stay on record with their reasons."""
    with Session(house.open, "lifted") as session:
        assert session.mail(sender("lifted")).code == 250
        house.run("block", "add", "lifted.test", "--reason", "bought list", "--by", "jo")
        assert session.rcpt(READER)[0].tag == "DOMAIN-BLOCKED"
        session.command("RSET")
        said = session.mail(sender("lifted"))
        (block,) = blocks(house, "lifted")
        assert (block["case"], block["reason"]) == (case_of(said), "bought list")
        house.run("block", "lift", "lifted.test", "--reason", "list was cleaned", "--by", "kim")
        assert session.mail(sender("lifted")).code == 250
    assert blocks(house, "lifted") == []
    (past,) = json.loads(house.run("block", "list", "--tenant", "lifted", "--lifted", "--json"))
    assert (past["by"], past["lifted_by"]) == ("jo", "kim")
    assert past["lifted_reason"] == "list was cleaned"


def test_undisclosed_says_no_more(house: Gateway) -> None:
    """An undisclosed entry is told as [POLICY], without its reason."""
    house.run("suppress", "add", "secret@inbox.test", "--reason", "complaint", "--scope",
              "bystander", "--undisclosed")  # fmt: skip
    with Session(house.open, "bystander") as session:
        session.mail(sender("bystander"))
        said = session.rcpt("secret@inbox.test")[0]
    assert said.short == "550 5.7.1 [POLICY]"
    assert "complain" not in said.text
