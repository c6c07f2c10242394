"""Each line of the journal is followed once, whatever happens to files and followers meanwhile."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from gateway.errors import StoreUnavailable
from gateway.events import Event
from gateway.journal import Journal
from gateway.journal_reader import parse
from gateway.privacy.journal import mask_addresses
from gateway.records import followed
from gateway.records.database import Database
from gateway.records.followed import begin, move, next_stretch
from gateway.records.tables import meta

AT = 1_772_000_000.0
NODE = "one"


class Killed(Exception):
    """The process ends here."""


class World:
    """The journals of two SMTP workers and the web process, and what was followed of them."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.journal, self.database = folder, folder / "journal", database
        self.now = AT
        self.written = 0
        self.followed: list[object] = []
        self.open()
        self.web = Journal(self.journal, "web", 100_000, 30)

    def open(self) -> None:
        """Start the workers, whose files are full after some twenty lines."""
        self.workers = [Journal(self.journal, name, 3_000, 1_000) for name in ("smtp", "smtp.2")]

    def close(self) -> None:
        """End the workers."""
        for worker in self.workers:
            worker.close()

    def write(self, worker: int = 0, lines: int = 1) -> None:
        """Write events with an address in each and a number of their own, and flush them."""
        for _ in range(lines):
            self.now += 0.25
            self.written += 1
            detail: dict[str, object] = {"number": self.written, "address": "jan.nowak@x.example"}
            self.workers[worker].emit(Event("rcpt.refused", self.now, detail=detail))
        self.workers[worker].flush()

    def tear(self) -> None:
        """Kill a worker in the middle of a line, and start it again."""
        self.close()
        with (self.journal / "smtp.jsonl").open("ab") as file:
            file.write(b'{"at":1772000000.5,"kind":"rcpt.refused","detail":{"address":"jan@x.exam')
        self.open()

    def erase(self) -> None:
        """Rewrite every file for an erasure, which moves all lines."""
        self.close()
        mask_addresses(self.folder, lambda _address: True)
        self.open()

    def follow(self, *, until_killed_at: int | None = None, node: str = NODE) -> None:
        """Follow to the end; be killed after the effects of a stretch, but before their commit."""
        stretches = 0
        while True:
            with self.database.reading() as connection:
                stretch = next_stretch(connection, self.journal, node)
            if stretch is None:
                return
            with self.database.transaction() as connection:
                move(connection, self.journal, stretch)
                found = [event.detail["number"] for line in stretch.lines if (event := seen(line))]
                if stretches == until_killed_at:
                    raise Killed
            self.followed += found
            stretches += 1

    def check(self) -> None:
        """Everything written was followed once."""
        assert sorted(map(str, self.followed)) == sorted(map(str, range(1, self.written + 1)))


def _places_in(world: World) -> list[tuple[str, str]]:
    """As they stand in the records."""
    with world.database.reading() as connection:
        rows = connection.execute(select(meta).where(meta.c.name.startswith("followed:")))
        return [(row.name, row.value) for row in rows]


def seen(line: bytes) -> Event | None:
    """The event of a line if it is one of those that a test wrote."""
    event = parse(line)
    return event if event is not None and "number" in event.detail else None


@pytest.fixture
def world(tmp_path: Path, database: Database) -> World:
    """A fresh one."""
    return World(tmp_path, database)


def test_lines_are_followed_once_through_rotation_and_erasure(world: World) -> None:
    """Neither a file's new name nor its rewriting makes any line count twice, or not at all."""
    for number in range(3):
        world.write(0, 30)
        world.follow()
        world.write(1, 5)
        world.write(0, 30)  # this file has another name by the next look
        world.erase()  # and other octets
        if number:
            world.follow()
    world.follow()
    world.check()


def test_what_was_not_committed_is_followed_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A follower that is killed before the commit leaves neither effects nor place behind."""
    monkeypatch.setattr(followed, "SLICE_OCTETS", 500)
    world.write(0, 40)
    for stretch in (0, 1, 3):
        with pytest.raises(Killed):
            world.follow(until_killed_at=stretch)
        world.write(1, 2)
    world.follow()
    world.check()


def test_only_one_of_two_followers_moves_the_place(world: World) -> None:
    """Who comes late with the same lines is refused, and its effects with it."""
    world.write(0, 3)
    with world.database.reading() as connection:
        stretch = next_stretch(connection, world.journal, NODE)
    assert stretch is not None
    world.follow()
    with (
        pytest.raises(StoreUnavailable, match="another process"),
        world.database.transaction() as connection,
    ):
        move(connection, world.journal, stretch)
    world.check()


def test_torn_lines_are_passed_over(world: World) -> None:
    """What a killed worker left in the middle of a line is no event, also in a rewritten file."""
    world.write(0, 2)
    world.follow()
    world.tear()
    world.write(0, 2)
    world.follow()
    world.erase()
    world.write(0, 1)
    world.follow()
    world.check()


def test_lines_lost_with_the_power_hide_none_that_come_after(world: World) -> None:
    """A file that is shorter than what was followed of it goes on where it ends now."""
    world.write(0, 8)
    world.follow()
    path = world.journal / "smtp.jsonl"
    world.close()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    world.open()
    world.write(0, 9)
    world.follow()
    world.check()


def test_a_node_begins_an_hour_before_its_first_start(world: World) -> None:
    """What is older is from before anything followed it; a renamed node begins nowhere anew."""
    world.write(0, 3)
    world.now += 4_000
    world.write(0, 2)
    for node in (NODE, "other"):
        with world.database.transaction() as connection:
            begin(connection, world.journal, node, world.now)
        world.follow(node=node)
        assert world.followed == [4, 5]


def test_a_renamed_node_goes_on_where_it_was_though_the_clock_went_back(world: World) -> None:
    """Lines are told apart by where they stand: their times may be out of order."""
    world.write(0, 3)
    world.follow()
    world.now -= 100
    world.write(0, 3)
    world.follow()
    world.follow(node="other")
    world.check()


def test_the_inode_of_a_deleted_file_misleads_nobody(world: World) -> None:
    """A new file may get it while the records still have the old one's place."""
    world.write(0, 3)
    world.follow()
    ((name, value),) = _places_in(world)
    gone = orjson.loads(value) | {"first": "gone", "ended": 1, "name": "smtp-1.jsonl", "mark": ""}
    with world.database.transaction() as connection:
        for kept in ((f"{name}-gone", orjson.dumps(gone).decode()), (name, value)):
            connection.execute(meta.delete().where(meta.c.name == kept[0]))
            connection.execute(meta.insert(), {"name": kept[0], "value": kept[1]})
    world.now -= 100
    for _ in range(2):
        world.write(0, 2)
        world.follow()
    world.check()


def test_each_node_follows_its_own_journal(world: World, tmp_path: Path) -> None:
    """Nodes that share the records have a place each, also in files of the same name and length."""
    other = World(tmp_path / "other", world.database)
    other.now += 0.000_001
    for one in (world, other):
        one.write(0, 4)
    world.follow(node="one")
    world.check()
    other.follow(node="two")
    other.check()


def test_places_of_deleted_files_are_forgotten(world: World) -> None:
    """The records keep a place for each file that is there, and no other."""
    world.write(0, 90)
    world.follow()
    finished = sorted(world.journal.glob("smtp-*.jsonl"))
    for path in finished[:-1]:
        path.unlink()
    world.write(0, 60)
    world.follow()
    with world.database.reading() as connection:
        names = {place.name for place in followed._places(connection).values()}
    assert names == {"", *(path.name for path in world.journal.glob("smtp-*.jsonl"))}
    world.check()


@pytest.mark.sqlite_file
@pytest.mark.parametrize("seed", range(3))
def test_any_course_of_events_leaves_each_line_one_effect(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is written, rotated, torn, rewritten, followed or killed, in any order."""
    monkeypatch.setattr(followed, "SLICE_OCTETS", 700)
    chance = random.Random(seed)
    for _ in range(60):
        match chance.choice(["write", "write", "write", "follow", "kill", "erase", "tear"]):
            case "write":
                world.write(chance.randrange(2), chance.randrange(1, 25))
            case "follow":
                world.follow()
            case "kill":
                try:
                    world.follow(until_killed_at=chance.randrange(6))
                except Killed:
                    continue
            case "erase":
                world.erase()
            case "tear":
                world.tear()
    world.follow()
    world.check()
