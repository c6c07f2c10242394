"""Everything known of what staff pasted, gathered for the page.

`gather` takes the reading of a text and gives `Found`: whom it is about, what the records hold of
them and the events that name it. Blocks, so it is called off the loop. Texts of the journal and
the records have their addresses masked unless the page may show them. Raises StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from gateway.errors import AddressSyntaxError, StoreUnavailable
from gateway.events import Event
from gateway.explanation import Section, explain, narrow
from gateway.journal_reader import find as search_journal
from gateway.message.address import parse_mailbox
from gateway.records import case_view, receipts
from gateway.records.blocks import StoredBlock, case_id, list_blocks
from gateway.records.bounce_view import SeenBounce
from gateway.records.database import Connection
from gateway.records.event_index import Coverage
from gateway.records.holdings import Row
from gateway.records.person import Person, person_at, person_under
from gateway.records.proofs import Proof, by_tracking
from gateway.records.receipts import Receipt
from gateway.records.streams import scope_texts
from gateway.records.suppressions import Entry, find
from gateway.web.desk.look_up_bounces import bounces_about
from gateway.web.desk.parts import DeskParts
from gateway.web.desk.recognition import Kind, Recognised
from suppression.masking import mask, mask_all
from suppression.tokens import Purpose

EVENTS = 50
"""The latest, of one person or message."""
NEARLY = 2**20
"""Octets that the index may be behind and is brought up to date before it is asked."""
HIDDEN = ("suppressions", "bounces", "steps", "wording", "stored_as", "said", "headers")
"""What the page shows in another way, or not at all."""


@dataclass(slots=True)
class Found:
    """What is known. `scope` is the tenant or stream that a token or proof is of."""

    reading: Recognised
    person: Person | None = None
    scope: str = ""
    entries: list[Entry] = field(default_factory=list)
    holdings: dict[str, list[Row]] = field(default_factory=dict)
    bounces: list[tuple[SeenBounce, Entry | None]] = field(default_factory=list)
    proof: Proof | None = None
    receipt: Receipt | None = None
    case: str = ""
    blocks: list[StoredBlock] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    coverage: Coverage | None = None

    @property
    def address(self) -> str:
        """The person's address in plain, "" when it is not known."""
        address = self.person.address if self.person else None
        return address.text if address else ""

    @property
    def is_nothing(self) -> bool:
        """Whether nothing at all is known."""
        held = any(self.holdings.values()) or self.bounces
        named = self.proof or self.receipt or self.case or self.scope
        return not (self.entries or held or named or self.blocks or self.sections)


def gather(parts: DeskParts, reading: Recognised, is_revealed: bool = False) -> Found:
    """All that is known; addresses in it are plain only if `is_revealed`."""
    found = Found(reading)
    _read_on(parts, found)
    found.events = _named_events(parts, found)
    with parts.database.reading() as connection:
        _identify(parts, connection, found)
        if found.person is not None:
            found.entries = found.person.entries(connection, parts.keyring)
            found.bounces = bounces_about(connection, found.person, found.entries, parts.clock())
            found.holdings = {
                name: [_shown(row, is_revealed) for row in rows]
                for name, rows in found.person.holdings(connection, parts.keyring).items()
                if name not in HIDDEN
            }
    if not found.events and found.person is not None:
        found.events = _events_of(parts, found.person)
    if not is_revealed:
        found.events = [_masked(event) for event in found.events]
    found.sections = explain(found.events)
    return found


def _identify(parts: DeskParts, connection: Connection, found: Found) -> None:
    """Whom or what the reading names."""
    reading, keyring = found.reading, parts.keyring
    match reading.kind:
        case Kind.ADDRESS if reading.address is not None:
            found.person = person_at(keyring, reading.address)
        case Kind.DOMAIN:
            found.entries = find(connection, keyring, reading.domain)
            found.blocks = [
                block
                for block in list_blocks(connection)
                if block.domain == reading.domain or reading.domain.endswith(f".{block.domain}")
            ]
        case Kind.TOKEN if reading.token is not None:
            found.scope = scope_texts(connection).get(reading.token.stream_number, "")
            if reading.purpose is Purpose.CONFIRM:
                _of_proof(parts, connection, found, reading.token.key)
            elif reading.purpose is Purpose.CASE:
                stored = case_view.by_tracking(connection, reading.token.key)
                found.case = stored.id if stored else ""
            else:
                found.person = person_under(connection, keyring, reading.token.key)
        case Kind.NUMBER:
            found.receipt = receipts.find(connection, reading.number.hex())
            _of_proof(parts, connection, found, reading.number)
            if found.proof is None and found.receipt is None:
                person = person_under(connection, keyring, reading.number)
                is_held = person.address or any(person.holdings(connection, keyring).values())
                if is_held or parts.index.of_key(reading.number, 1):
                    found.person = person
        case Kind.CASE:
            stored = case_view.find_case(connection, reading.case)
            found.case = stored.id if stored else ""
            found.scope = stored.case.tenant if stored else ""
        case _:
            if (key := _only_key(found.events, reading.recipient)) is not None:
                found.person = person_under(connection, keyring, key)


def _of_proof(parts: DeskParts, connection: Connection, found: Found, tracking: bytes) -> None:
    try:
        found.proof = proof = by_tracking(connection, parts.keyring, tracking)
    except LookupError:
        return
    found.scope = f"{proof.tenant}/{proof.stream}"
    try:
        found.person = person_at(parts.keyring, parse_mailbox(proof.address))
    except AddressSyntaxError:  # erased since
        found.person = person_under(connection, parts.keyring, proof.key)


# ---- events ---------------------------------------------------------------------------------


def _read_on(parts: DeskParts, found: Found) -> None:
    """Bring the index up to date when little is missing; say what it covers."""
    try:
        found.coverage = parts.index.coverage()
        if 0 < found.coverage.behind <= NEARLY:
            while parts.index.advance():
                continue
            found.coverage = parts.index.coverage()
    except StoreUnavailable:  # not built yet: what the records know is shown all the same
        found.coverage = Coverage(None, None, 1)


def _named_events(parts: DeskParts, found: Found) -> list[Event]:
    """Those that a ref or a Message-ID leads to, newest last; a case's, newest first."""
    reading = found.reading
    if found.coverage is None or found.coverage.until is None:
        return []
    if reading.ref:
        events = parts.index.of_ref(reading.ref)
        if not events and found.coverage.behind and reading.kind is Kind.REF:
            folder = parts.loaded.config.state_dir / "journal"
            events = search_journal(folder, reading.ref)
        if events:
            return narrow(events, reading.recipient)
    if reading.case:
        return parts.index.of_case(case_id(reading.case), EVENTS)
    if reading.message_id:
        return parts.index.of_message_id(reading.message_id, EVENTS)[::-1]
    return []


def _events_of(parts: DeskParts, person: Person) -> list[Event]:
    """A person's latest, newest first, each narrowed to what it says of them."""
    keys = person.event_keys(parts.keyring)
    try:
        events = [event for key in keys for event in parts.index.of_key(key, EVENTS)]
    except StoreUnavailable:
        return []
    texts = {key.hex() for key in keys}
    events.sort(key=lambda event: -event.at)
    return [one for event in events[:EVENTS] for one in narrow([event], _number(event, texts))]


def _number(event: Event, keys: set[str]) -> int | None:
    """Which recipient of the transaction has one of these keys; None when it is not listed."""
    listed = event.detail.get("recipients")
    for entry in listed if isinstance(listed, list) else ():
        if entry.get("key") in keys:
            return cast(int, entry.get("n"))
    return None


def _only_key(events: list[Event], recipient: int | None) -> bytes | None:
    """The one recipient's key that the events name, None when they name several or none."""
    keys: set[str] = set()
    for event in events:
        number = event.ref.partition(".")[2]
        if recipient is None or not number or number == str(recipient):
            keys.add(str(event.detail.get("key", "")))
        listed = event.detail.get("recipients")
        for entry in listed if isinstance(listed, list) else ():
            keys.add(str(entry.get("key", "")))
    keys.discard("")
    return bytes.fromhex(keys.pop()) if len(keys) == 1 else None


def _masked(event: Event) -> Event:
    return replace(event, detail=cast(dict[str, object], mask_all(event.detail)))


def _shown(row: Row, is_revealed: bool) -> Row:
    """A row without what is shown elsewhere; texts of people masked."""
    plain = {name: value for name, value in row.items() if name not in HIDDEN}
    return plain if is_revealed else cast(Mapping[str, object], mask_all(plain))


def masked(found: Found) -> str:
    """The person as the page names them before they are revealed."""
    if found.address:
        return mask(found.address)
    return f"{found.person.key.hex()[:8]}\N{HORIZONTAL ELLIPSIS}" if found.person else ""
