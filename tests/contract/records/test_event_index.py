"""The journal's index finds what the journal holds, through rotation, restart and rewriting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.journal import Journal
from gateway.journal_index import index_job
from gateway.journal_reader import read_events
from gateway.message.message_id import message_id_digest
from gateway.privacy.journal import mask_addresses
from gateway.records.event_index import EventIndex
from gateway.refs import Refs

AT = 1_772_000_000.0
KEYS = [bytes([number]) * 16 for number in range(4)]


class World:
    """A journal of the SMTP process and one of the web process, and the index over both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal-index.sqlite"
        self.index = EventIndex(folder / "journal", self.path)
        self.smtp = self.open("smtp")
        self.web = self.open("web")
        self.now = AT
        self.refs = Refs(lambda: self.now)

    def open(self, process: str) -> Journal:
        """The journal of one process."""
        return Journal(self.folder / "journal", process, 100_000, 30)

    def refused(self, key: bytes, tenant: str = "acme", mailing: str = "m1", **more: object) -> str:
        """Write a refusal; its ref."""
        self.now += 1
        ref = self.refs.new()
        detail = {"n": 3, "key": key.hex(), **more}
        self.smtp.emit(
            Event(
                "rcpt.refused",
                self.now,
                self.refs.new(),
                f"{ref}.3",
                tenant,
                "weekly",
                mailing,
                tag="UNSUB",
                detail=detail,
            )
        )
        return ref

    def relayed(self, keys: Sequence[bytes], message_id: str = "") -> str:
        """Write a relayed message; its ref."""
        self.now += 1
        ref = self.refs.new()
        recipients = [{"n": number, "key": key.hex()} for number, key in enumerate(keys)]
        detail: dict[str, object] = {"recipients": recipients}
        if message_id:
            detail["message_id"] = message_id_digest(message_id.encode())
        self.smtp.emit(
            Event("message.relayed", self.now, "", ref, "acme", "weekly", "m1", detail=detail)
        )
        return ref

    def catch_up(self, octets: int = 262_144) -> None:
        """Write what is buffered, and read it into the index."""
        self.smtp.flush()
        self.web.flush()
        while self.index.advance(octets):
            pass

    def close(self) -> None:
        """Let everything go."""
        self.smtp.close()
        self.web.close()
        self.index.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh one."""
    world = World(tmp_path)
    yield world
    world.close()


def refs(events: Sequence[Event]) -> list[str]:
    """The refs of events, without recipients' numbers."""
    return [event.ref.partition(".")[0] for event in events]


def test_every_name_of_an_event_finds_it(world: World) -> None:
    """Ref, session, key, Message-ID, mailing, case and kind lead to the events that have them."""
    refused = world.refused(KEYS[0], case="C-000007")
    relayed = world.relayed(KEYS[:2], "<a.b@mailer.example>")
    world.refused(KEYS[2], "other", "m2")
    world.web.emit(Event("unsubscribed", AT, tenant="acme", detail={"key": KEYS[1].hex()}))
    world.catch_up()
    index = world.index
    (found,) = index.of_ref(refused)
    assert (found.kind, found.tag, found.detail["n"]) == ("rcpt.refused", "UNSUB", 3)
    assert refs(index.of_ref(found.session)) == [refused]
    assert refs(index.of_key(KEYS[0])) == [relayed, refused]
    assert [event.kind for event in index.of_key(KEYS[1])] == ["message.relayed", "unsubscribed"]
    assert index.of_key(KEYS[3]) == []
    for spelling in ("<a.b@mailer.example>", "a.b@mailer.example", " <a.b@mailer.example> (x)"):
        assert refs(index.of_message_id(spelling)) == [relayed]
    assert index.of_message_id("<b.a@mailer.example>") == index.of_message_id(" ") == []
    assert refs(index.of_mailing("acme", "m1")) == [relayed, refused]
    assert index.of_mailing("other", "m1") == []
    assert refs(index.of_case("C-000007")) == [refused]
    assert refs(index.latest("acme", "rcpt.refused", 5)) == [refused]
    assert refs(index.latest("acme", ["rcpt.refused", "message.relayed"], 1)) == [relayed]


def test_a_malformed_ref_is_an_error(world: World) -> None:
    """What is no ref is told from a ref that nothing is known of."""
    with pytest.raises(ValueError, match="is not a ref"):
        world.index.of_ref("nonsense")


def test_counts_are_by_day_kind_and_tag_of_one_tenant(world: World) -> None:
    """Days are those of the zone that is asked for, and other tenants do not count."""
    late = 1_772_060_000.0  # 2026-02-25 22:53 UTC, 23:53 in Warsaw
    for at in (late, late + 600, late + 4800):
        world.smtp.emit(Event("rcpt.refused", at, tenant="acme", tag="UNSUB"))
    world.smtp.emit(Event("rcpt.refused", late, tenant="other", tag="UNSUB"))
    world.smtp.emit(Event("message.relayed", late, tenant="acme"))
    world.catch_up()
    day, next_day = date(2026, 2, 25), date(2026, 2, 26)
    utc = world.index.counts("acme", late - 86_400)
    assert [(one.day, one.kind, one.tag, one.amount) for one in utc] == [
        (day, "message.relayed", "", 1),
        (day, "rcpt.refused", "UNSUB", 2),
        (next_day, "rcpt.refused", "UNSUB", 1),
    ]
    zoned = world.index.counts("acme", late - 86_400, ZoneInfo("Europe/Warsaw"))
    assert [(one.day, one.tag, one.amount) for one in zoned] == [
        (day, "", 1),
        (day, "UNSUB", 1),
        (next_day, "UNSUB", 2),
    ]
    assert world.index.counts("acme", late + 90_000) == []


def test_what_is_written_meanwhile_is_found_after_the_next_step(world: World) -> None:
    """The index says that it is behind until it has read on, and each line counts once."""
    first = world.refused(KEYS[0])
    world.catch_up()
    second = world.refused(KEYS[0])
    world.smtp.flush()
    behind = world.index.coverage()
    assert refs(world.index.of_key(KEYS[0])) == [first]
    assert behind.behind > 0
    assert behind.until == world.now
    world.catch_up()
    assert refs(world.index.of_key(KEYS[0])) == [second, first]
    assert world.index.coverage().behind == 0
    assert world.index.coverage().since == AT + 1
    assert sum(count.amount for count in world.index.counts("acme", AT)) == 2


def test_rotation_is_followed(world: World) -> None:
    """Events stay findable when their file gets its final name, read before or after that."""
    before = world.refused(KEYS[0])
    world.catch_up()
    unread = world.refused(KEYS[0])
    world.smtp.rotate()
    after = world.refused(KEYS[0])
    world.catch_up()
    assert refs(world.index.of_key(KEYS[0])) == [after, unread, before]
    assert sum(count.amount for count in world.index.counts("acme", AT)) == 3


def test_small_steps_and_a_restart_lose_nothing(world: World) -> None:
    """An index that is closed in the middle of a file reads on exactly there."""
    made = []
    for number in range(400):
        made.append(world.refused(KEYS[number % 4]))
        if number == 250:
            world.smtp.rotate()
    world.smtp.flush()
    steps = 0
    while world.index.advance(5_000):
        steps += 1
        world.index.close()
        world.index = EventIndex(world.folder / "journal", world.path)
    assert steps > 10
    assert all(refs(world.index.of_ref(ref)) == [ref] for ref in made)
    assert sum(count.amount for count in world.index.counts("acme", AT)) == 400


def test_a_pruned_file_is_forgotten(world: World) -> None:
    """What the journal no longer keeps, the index no longer has."""
    gone = world.refused(KEYS[0])
    world.smtp.rotate()
    kept = world.refused(KEYS[0])
    world.catch_up()
    (rotated,) = (world.folder / "journal").glob("smtp-*.jsonl")
    rotated.unlink()
    assert refs(world.index.of_key(KEYS[0])) == [kept]
    world.catch_up()
    assert world.index.of_ref(gone) == []
    assert sum(count.amount for count in world.index.counts("acme", AT)) == 1


def test_an_erasures_rewriting_moves_no_event_out_of_reach(world: World) -> None:
    """Lines that move because an address before them was masked are found where they are now, and
    never another line in their place."""
    world.refused(KEYS[1], address="jan.kowalski-nowak@example.org")
    after = world.refused(KEYS[0])
    world.catch_up()
    world.smtp.close()
    world.web.close()
    assert mask_addresses(world.folder, lambda _address: True) == 1
    stale = world.index.of_ref(after)
    assert refs(stale) in ([], [after])
    world.catch_up()
    assert refs(world.index.of_ref(after)) == [after]
    (masked,) = world.index.of_key(KEYS[1])
    assert masked.detail["address"] == "j***@example.org"
    assert sum(count.amount for count in world.index.counts("acme", AT)) == 2


def test_a_file_that_was_exchanged_in_place_is_read_anew(world: World) -> None:
    """Even with its inode and name the same, other octets before the place reached are noticed."""
    old = world.refused(KEYS[0])
    world.catch_up()
    world.smtp.close()
    path = world.folder / "journal/smtp.jsonl"
    fresh = path.read_bytes().replace(old.encode(), b"0" * 13).replace(KEYS[0].hex().encode(), b"")
    path.write_bytes(fresh * 3)
    world.catch_up()
    assert world.index.of_ref(old) == []
    assert len(world.index.of_ref("0" * 13)) == 3


def test_a_half_written_line_waits_for_its_end(world: World) -> None:
    """A line is an event once its line feed is there; a torn one in a finished file is passed
    over."""
    world.smtp.close()
    path = world.folder / "journal/smtp.jsonl"
    whole = b'{"at":1772000000.5,"kind":"rcpt.refused","tenant":"acme"}\n'
    path.write_bytes(whole + whole[:20])
    world.catch_up()
    assert len(world.index.latest("acme", "rcpt.refused", 9)) == 1
    with path.open("ab") as file:
        file.write(whole[20:])
    world.catch_up()
    assert len(world.index.latest("acme", "rcpt.refused", 9)) == 2
    path.write_bytes(whole + whole[:20])
    path.rename(path.with_name("smtp-20260225T000000000000Z.jsonl"))
    world.catch_up()
    assert len(world.index.latest("acme", "rcpt.refused", 9)) == 1
    assert world.index.coverage().behind == 0


def test_a_broken_index_is_begun_anew(world: World) -> None:
    """An index file that SQLite cannot read costs a call, and the next ones build it again."""
    ref = world.refused(KEYS[0])
    world.catch_up()
    world.index.close()
    world.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreUnavailable):
        world.index.advance()
    world.catch_up()
    assert refs(world.index.of_ref(ref)) == [ref]


def test_the_index_holds_no_address_and_is_private(world: World) -> None:
    """Neither an address nor a line of the journal is in the index's file."""
    world.refused(KEYS[0], address="jan@example.org")
    world.catch_up()
    world.index.close()
    octets = world.path.read_bytes()
    assert b"example.org" not in octets
    assert KEYS[0].hex().encode() not in octets
    assert world.path.stat().st_mode & 0o077 == 0


def test_it_finds_what_reading_the_whole_journal_finds(world: World) -> None:
    """For every key, the index's answer is that of a search through all lines."""
    for number in range(300):
        world.refused(KEYS[number % 3])
        if number % 7 == 0:
            world.relayed(KEYS[: number % 5])
        if number % 90 == 0:
            world.smtp.rotate()
    world.catch_up()
    events = list(read_events(world.folder / "journal"))
    for key in KEYS:
        naming = [event for event in events if key.hex() in str(event.detail)]
        found = world.index.of_key(key, 1_000)
        assert refs(found[::-1]) == refs(naming)


def test_the_job_catches_up_and_tells_only_of_long_ways(world: World) -> None:
    """One run of the job reads everything there is, resting in between; small amounts are no
    event."""
    rests = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    async def run() -> int:
        return await index_job(world.index, rest).run()

    ref = world.refused(KEYS[0])
    world.smtp.flush()
    assert asyncio.run(run()) == 0
    assert len(rests) == 1
    assert refs(world.index.of_ref(ref)) == [ref]
