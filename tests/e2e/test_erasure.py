"""Erasure end to end: afterwards no octet of the person is in any file, and no mail reaches them.

A person is put everywhere the gateway can hold one: entries, an attested and a proven consent,
a request of their own, texts of staff, the journal with plain addresses on, refusals and relayed
mail. After `consentry subject erase` every file of the state folder is searched, octet by octet,
for the address in many writings and for the secrets behind its ciphertexts.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.message.address import parse_mailbox
from gateway.records import audit, proofs
from gateway.records.consents import Attestation, import_attestation
from gateway.records.database import Database, open_database
from gateway.records.subject_requests import RequestKind, record
from gateway.records.suppression_import import ListFile
from gateway.records.suppressions import Draft, add, lift
from suppression.consent import Evidence, Level
from suppression.keys import Keyring, Sealed
from suppression.listfile import Row
from suppression.precedence import Lifter
from suppression.standing import Reason
from tests.e2e.certificates import Certificates
from tests.e2e.gateway import DOMAIN, Gateway, Settings
from tests.e2e.session import Session, letter, wait_until
from tests.e2e.sink import Sink

PERSON = "Jan.Kowalski@inbox.test"
OTHERS = [f"reader{number}@inbox.test" for number in range(600)]
"""Enough that SQLite's pages split and grow: where copies of old rows would be left."""
SENDER = f"news@{DOMAIN}"
CHECKED = ("--identity", f"ann wrote to {PERSON} and called back")
BODY_MARK = "Kowalskis-private-line"


PROVEN = Evidence(
    Level.DOUBLE,
    "I want the weekly",
    1_700_000_000,
    "192.0.2.77",
    f"https://shop.test/form?{PERSON}",
    1_700_000_100,
    "192.0.2.78",
    "Mozilla/5.0",
    "<1@acme.test>",
)


@dataclass(frozen=True, slots=True)
class House:
    """A running gateway with a person in all its records, and the secrets of their texts."""

    gateway: Gateway
    sink: Sink
    secrets: frozenset[bytes]

    def rcpt(self, recipient: str) -> str:
        """The reply to the recipient on the list's stream."""
        with Session(self.gateway.open, "acme/weekly") as session:
            session.mail(SENDER)
            return session.rcpt(recipient)[0].short

    def octets(self) -> dict[str, bytes]:
        """Every file the gateway has written: records, logs, journal, whatever there is."""
        folder = self.gateway.folder
        files = (path for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in files
            if path.relative_to(folder).parts[0] not in ("keys", "tenants", "consentry.yaml")
        }

    def traces(self) -> list[str]:
        """Each file in which the person, or a secret of theirs, can be found, and as what."""
        found = []
        for name, octets in self.octets().items():
            lower = octets.lower()
            found += [f"{name}: {needle!r}" for needle in WRITINGS if needle in lower]
            found += [f"{name}: {needle!r}" for needle in ENCODED if needle in octets]
            found += [
                f"{name}: secret {secret.hex()}" for secret in self.secrets if secret in octets
            ]
        return found

    def check_records(self) -> None:
        """Every chain verifies, and nothing about the person opens any more."""
        with _records(self.gateway) as (database, keyring), database.reading() as connection:
            assert audit.verify(connection) is None
            assert proofs.verify(connection, "acme") is None
            (proof,) = proofs.find(connection, keyring, parse_mailbox(PERSON))
        assert proof.address == ""
        assert not self.secrets & set(_secrets(self.gateway).values())


@contextmanager
def _records(gateway: Gateway) -> Iterator[tuple[Database, Keyring]]:
    config = load(gateway.config).config
    database = open_database(config.database, config.opt_out_log, is_thorough=True)
    try:
        yield database, Keyring.load(config.keyring)
    finally:
        database.close()


def _writings(text: str) -> Iterator[bytes]:
    """A lower-case text in the encodings that a file may have it in."""
    yield from (text.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be"))
    yield text.encode().hex().encode()


def _encoded(text: str) -> Iterator[bytes]:
    """The parts of base64 that do not depend on what stands around `text`."""
    for shift in range(3):
        octets = b"\0" * shift + text.encode()
        octets = octets[: len(octets) // 3 * 3]
        yield base64.b64encode(octets)[4 if shift else 0 :]


WRITINGS = tuple(_writings("jan.kowalski"))
ENCODED = tuple(
    part for local in ("Jan.Kowalski", "jan.kowalski", "JAN.KOWALSKI") for part in _encoded(local)
)


def _secrets(gateway: Gateway) -> dict[int, bytes]:
    with closing(sqlite3.connect(gateway.folder / "state/consentry.db")) as connection:
        return dict(connection.execute("SELECT subject, secret FROM subject_secrets").fetchall())


def _secrets_of_person(gateway: Gateway) -> frozenset[bytes]:
    """The secrets of all sealed texts that name the person, or belong to their proof."""
    with closing(sqlite3.connect(gateway.folder / "state/consentry.db")) as connection:
        sealed = dict(connection.execute("SELECT id, sealed FROM subjects").fetchall())
        steps = {row[0] for row in connection.execute("SELECT subject FROM proof_steps")}
    keyring = Keyring.load(gateway.folder / "keys/keyring.json")
    return frozenset(
        secret
        for subject, secret in _secrets(gateway).items()
        if subject in steps or "kowalski" in keyring.open(Sealed(secret, sealed[subject])).lower()
    )


@pytest.fixture
def house(tmp_path: Path, certificates: Certificates) -> Iterator[House]:
    """A house with the person in it, and 600 others."""
    settings = {"journal": {"addresses": True}}
    with Sink() as sink:
        asked = Settings(sink.port, trusted=None, gateway=settings)
        with Gateway(tmp_path, asked, certificates) as gateway:
            _fill(gateway, sink)
            yield House(gateway, sink, _secrets_of_person(gateway))


def _fill(gateway: Gateway, sink: Sink) -> None:
    person, tagged = parse_mailbox(PERSON), parse_mailbox(PERSON.replace("@", "+x@"))
    said = Attestation("acme", f"shop of {PERSON}", 1_600_000_000, "ann")
    with _records(gateway) as (database, keyring):
        now = time.time()
        # The person is among the first, in a page that later ones make SQLite rearrange.
        for texts in ((PERSON, *OTHERS[:40]), OTHERS[40:]):
            rows = [Row(line, parse_mailbox(text)) for line, text in enumerate(texts, 1)]
            file = ListFile("list.csv", "ab" * 32)
            import_attestation(database, keyring, rows, said, file, now)
    for recipient in (PERSON, OTHERS[0]):
        body = f"{BODY_MARK}\r\n".encode()
        with Session(gateway.open, "acme/weekly") as session:
            answer = session.send(SENDER, [recipient], letter(SENDER) + body)
        assert answer.code == 250, answer
    sink.wait_for(2)
    with _records(gateway) as (database, keyring), database.transaction() as connection:
        note = f"mail of {PERSON.upper()}"
        for address, reason, scope in (
            (person, Reason.COMPLAINT, "acme"),
            (person, Reason.UNSUBSCRIBE, "acme/weekly"),
            (tagged, Reason.MANUAL, "acme"),
        ):
            draft = Draft(reason, scope, Lifter.OPERATOR, note, why=note)
            entry, _ = add(connection, keyring, address, draft, now)
        lift(connection, entry, Lifter.OPERATOR, "ann", f"asked by {PERSON}", now)
        kind = RequestKind.ACCESS
        record(connection, keyring, kind, person, "acme", CHECKED[1], now, "ann", now)
        proofs.supply(
            connection, keyring, "acme", "weekly", person, PROVEN, "en", "api", 1_700_000_200
        )
    with Session(gateway.open, "acme/weekly") as session:
        session.mail(SENDER)
        assert session.rcpt(PERSON)[0].code == 550
    wait_until(lambda: any(event["kind"] == "rcpt.refused" for event in gateway.events()))


def test_no_octet_of_the_person_stays_and_no_mail_reaches_them(house: House) -> None:
    """Address and secrets are gone from every file; refused as before; all chains verify."""
    assert len(house.secrets) >= 6
    before = house.traces()
    assert any("journal" in trace for trace in before), "the search would find nothing at all"
    assert any(": secret " in trace for trace in before)
    (done,) = json.loads(house.gateway.run("subject", "erase", PERSON, *CHECKED, "--json"))
    assert done["tenants"] == ["acme"]
    assert done["journal_lines_masked"] >= 2
    assert house.traces() == []
    for spelling in (PERSON, PERSON.lower(), PERSON.upper(), PERSON.replace("@", "+news@")):
        assert house.rcpt(spelling).startswith("550 5.7.1"), spelling
    assert house.rcpt(OTHERS[1]).startswith("250")
    house.gateway.run("subject", "erase", OTHERS[1], *CHECKED)
    assert house.rcpt(OTHERS[1]) == "550 5.7.1 [UNSUB]"  # by the tombstone: nothing else stops it
    house.gateway.stop()
    assert house.traces() == []
    house.check_records()


def test_nothing_of_a_message_is_stored(house: House) -> None:
    """A line of a relayed body is at the next hop, and in no file of ours."""
    assert any(BODY_MARK.encode() in message.raw for message in house.sink.messages)
    house.gateway.stop()
    holding = [name for name, octets in house.octets().items() if BODY_MARK.encode() in octets]
    assert holding == []


def test_an_erasure_outlives_rotations_of_the_keyring(house: House) -> None:
    """What older secrets keyed and sealed is found and destroyed, and mail stays refused."""
    house.gateway.run("key", "rotate")
    house.gateway.run("subject", "erase", PERSON, *CHECKED)
    house.gateway.run("key", "rotate")
    assert house.traces() == []
    assert house.rcpt(PERSON).startswith("550 5.7.1")
    assert house.rcpt(PERSON.replace("@", "+news@")).startswith("550 5.7.1")
    assert house.rcpt(OTHERS[1]).startswith("250")
    house.gateway.stop()
    house.check_records()


def test_a_backup_of_before_is_erased_again_when_it_is_restored(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The opt-out log knows of it: the restored records hold neither address nor secrets."""
    backups = tmp_path_factory.mktemp("backups")
    house.gateway.run("backup", str(backups))
    (folder,) = backups.iterdir()
    saved = (folder / "consentry.db").read_bytes()
    assert all(secret in saved for secret in house.secrets)
    house.gateway.run("subject", "erase", PERSON, *CHECKED)
    house.gateway.stop()
    for path in (house.gateway.folder / "state").glob("consentry.db*"):
        path.unlink()
    house.gateway.run("restore", str(folder))
    assert house.traces() == []
    house.gateway.start()
    assert house.rcpt(PERSON).startswith("550 5.7.1")
    assert house.rcpt(OTHERS[1]).startswith("250")
    house.gateway.stop()
    house.check_records()
    assert house.traces() == []
