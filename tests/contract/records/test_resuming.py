"""Interrupted imports: nothing is read twice, and all comes out as if nothing had happened."""

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from gateway.message.address import parse_mailbox
from gateway.privacy.acts import finish_erasure
from gateway.records import audit, staging
from gateway.records.database import Database, open_database
from gateway.records.keyring import open_keyring
from gateway.records.staging import Block, ImportRunning, Staged, Staging
from gateway.records.suppression_import import staging_for
from gateway.records.suppressions import entries
from gateway.records.tables import audit as audit_table
from gateway.records.tables import meta, standing_index
from suppression.keys import Generation, Keyring, Sealed
from suppression.listfile import BadRow
from suppression.standing import Reason, Stops

from .interrupted import BLOCK, DRAFT, FILE, NOW

ROOT = Path(__file__).parents[3]
LINES = 1000
KEYRING = Keyring([Generation.fresh(0)])
TEXT = "".join(
    {3: "nobody\n", 700: "x@y@z\n", 250: "\n", 251: "whole.example\n", 900: "A0@x.example\n"}.get(
        number, f"a{number % 990}@x.example\n"
    )
    for number in range(LINES)
)
"""Addresses that stand twice, one three times, a domain, a blank line, and lines not taken."""


def _run(folder: Path, where: str = "nowhere", calls: int = 1) -> dict[str, Any] | None:
    """What an import says at its end; None when it was killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.records.interrupted", folder, where, str(calls)],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode == -9:
        return None
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def _state(folder: Path) -> tuple[set[tuple[object, ...]], list[str], list[str]]:
    """The index without its row numbers, every address, and what the audit trail says was done."""
    with closing(open_database(folder / "consentry.db")) as database:
        keyring = open_keyring(database, folder / "keyring.json")
        with database.reading() as connection:
            index = standing_index.c
            query = select(index.key, index.scope, index.code, index.ends).where(index.code > 0)
            rows = {tuple(row) for row in connection.execute(query)}
            stored = list(entries(connection, keyring))
            assert len(rows) == len(stored)
            addresses = sorted(entry.address.lower() for entry in stored)
            actions = (
                connection.execute(select(audit_table.c.action).order_by(audit_table.c.id))
                .scalars()
                .all()
            )
            names = connection.execute(select(meta.c.name)).scalars().all()
            assert audit.verify(connection) is None
    assert not [name for name in names if name.startswith("import:")]
    assert os.listdir(folder / "imports") == []
    return rows, addresses, list(actions)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder in which the list was imported without interruption, and what that said."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "list.csv").write_text(TEXT)
    done = _run(folder)
    assert done is not None
    return folder, done


@pytest.mark.parametrize(
    ("kills", "blocks"),
    [
        ((("reading", 5),), 7),
        ((("merging", 6),), 0),
        ((("reading", 3), ("merging", 2), ("merging", 9)), 0),
    ],
)
def test_a_killed_import_is_completed(
    tmp_path: Path,
    whole: tuple[Path, dict[str, Any]],
    kills: tuple[tuple[str, int], ...],
    blocks: int,
) -> None:
    """After `kill -9` while reading or merging, the next run reads only what is missing; entries,
    counts, digest and lines not taken are those of an import that was not interrupted."""
    folder, told = whole
    (tmp_path / "list.csv").write_text(TEXT)
    (tmp_path / "keyring.json").write_bytes((folder / "keyring.json").read_bytes())
    (tmp_path / "keyring.json").chmod(0o600)
    for where, calls in kills:
        assert _run(tmp_path, where, calls) is None
        (staged,) = (tmp_path / "imports").iterdir()
        assert staged.stat().st_mode & 0o777 == 0o600
        assert b"x.example" not in staged.read_bytes()
        assert b"nobody" not in staged.read_bytes()
    again = _run(tmp_path)
    assert again is not None
    assert told["blocks"] == LINES / BLOCK + 1
    assert again["blocks"] == blocks
    assert again["tally"] == told["tally"]
    assert again["bad"] == told["bad"]
    rows, addresses, actions = _state(tmp_path)
    expected_rows, expected_addresses, expected_actions = _state(folder)
    assert (rows, addresses) == (expected_rows, expected_addresses)
    assert actions[0] == expected_actions[0] == "suppression.import-started"
    assert actions[1:] == ["suppression.import-resumed"] * len(kills) + expected_actions[1:]


def test_what_is_not_whole_is_cut_off(tmp_path: Path) -> None:
    """Cut anywhere, or changed anywhere, a staged file gives only blocks that are as written."""
    path = tmp_path / "some.staged"
    row = Staged(b"k" * 16, 1, 80, int(NOW), None, None, None)
    with Staging(KEYRING, NOW, path) as begun:
        ends = []
        for number in range(3):
            begun.add(row.key, number, row.code, row.at, row.ends, KEYRING.seal("a@x.example"))
            begun.end_block(Block(number, 2, 0, (BadRow(number, "no address"),)))
            ends.append(path.stat().st_size)
        expected = dict(begun.blocks)
    content = path.read_bytes()
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        _check_whole(path, expected, sum(end <= cut for end in ends))
    for place in range(len(content)):
        spoilt = bytearray(content)
        spoilt[place] ^= 1
        path.write_bytes(spoilt)
        if place not in range(12, 20):  # when it began: any instant is as good
            _check_whole(path, expected, 0 if place < 12 else sum(end <= place for end in ends))


def _check_whole(path: Path, expected: dict[int, Block], count: int) -> None:
    with Staging(KEYRING, NOW, path) as again:
        assert again.blocks == {number: expected[number] for number in range(count)}
        rows = list(again.rows())
        assert [row.scope for row in rows] == list(range(count))
        # What is added afterwards is in order, too.
        again.end_block(Block(9, 0, 0))
    with Staging(KEYRING, NOW, path) as once_more:
        assert set(once_more.blocks) == {*range(count), 9}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([bytes(16), b"k" * 16, b"\xff" * 16]),
            st.integers(-2, 2),
            st.sampled_from([1, 16, 87, 255]),
            st.integers(0, 2**33),
            st.none() | st.integers(1, 2**33),
            st.none() | st.text("ab@", max_size=3),
        )
    ),
    st.integers(1, 7),
)
def test_rows_come_in_order_and_once(
    rows: list[tuple[bytes, int, int, int, int | None, str | None]], size: int
) -> None:
    """Whatever the blocks, each key, scope and code comes once, with the latest end there is."""
    with Staging(KEYRING, NOW) as staged:
        for start in range(0, len(rows), size):
            for *row, text in rows[start : start + size]:
                staged.add(*row, None if text is None else KEYRING.seal(text))
            staged.end_block(Block(start, size, 0))
        found = list(staged.rows())
    alike = {row[:3] for row in rows}
    assert len(found) == len(alike)
    assert {row[:3] for row in found} == alike
    assert [row.key for row in found] == sorted(row.key for row in found)
    for row in found:
        ends = [other[4] for other in rows if other[:3] == row[:3]]
        assert row.ends == (None if None in ends else max(end for end in ends if end))
        text = row.sealed and KEYRING.open(Sealed(row.secret or b"", row.sealed))
        assert (*row[:5], text) in rows


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    """The same import cannot run twice at the same time; the file goes with its import."""
    with Staging(KEYRING, NOW, tmp_path / "some.staged") as first:
        with pytest.raises(ImportRunning), Staging(KEYRING, NOW, tmp_path / "some.staged"):
            pass
        first.remove()
    with Staging(KEYRING, NOW, tmp_path / "some.staged") as following:
        assert not following.blocks


def test_what_nobody_comes_back_to_is_removed(tmp_path: Path) -> None:
    """A staged file that has not been written to for a week is removed by the next import."""
    for name, age in (("old", staging.KEPT_SECONDS + 9), ("new", staging.KEPT_SECONDS - 99)):
        path = tmp_path / f"{name}.staged"
        path.touch()
        at = path.stat().st_mtime - age
        os.utime(path, (at, at))
    with Staging(KEYRING, NOW, tmp_path / "other.staged"):
        assert sorted(os.listdir(tmp_path)) == ["new.staged", "other.staged"]


def test_an_erasure_leaves_nothing_staged(database: Database, tmp_path: Path) -> None:
    """What an interrupted import has read of a person is gone once their data are erased."""
    with Staging(KEYRING, NOW, tmp_path / staging.FOLDER / "some.staged") as begun:
        begun.add(b"k" * 16, 1, 80, int(NOW), None, KEYRING.seal("jan@x.example"))
        begun.end_block(Block(0, 1, 0))
    finish_erasure(database.store.place, tmp_path, KEYRING, parse_mailbox("jan@x.example"))
    assert os.listdir(tmp_path / staging.FOLDER) == []


def test_other_options_are_another_import(tmp_path: Path) -> None:
    """Another list, reason, scope, end, key or set of scopes never goes on with this one's rows."""
    other = Keyring([Generation.fresh(1)])
    names = {
        staging_for(tmp_path, keyring, draft, file, scopes, NOW).path
        for keyring, draft, file, scopes in (
            (KEYRING, DRAFT, FILE, "acme"),
            (other, DRAFT, FILE, "acme"),
            (KEYRING, replace(DRAFT, scope="*"), FILE, "acme"),
            (KEYRING, replace(DRAFT, reason=Reason.COMPLAINT), FILE, "acme"),
            (KEYRING, replace(DRAFT, ends_at=NOW), FILE, "acme"),
            (KEYRING, replace(DRAFT, stops=Stops.BULK), FILE, "acme"),
            (KEYRING, replace(DRAFT, is_disclosable=False), FILE, "acme"),
            (KEYRING, DRAFT, replace(FILE, sha256="cd" * 32), "acme"),
            (KEYRING, DRAFT, FILE, "acme acme/weekly"),
        )
    }
    assert len(names) == 9
