"""A million suppressions to look up in: made once by a real import, then kept in `build/`.

`prepared()` gives the folder with `consentry.db`, its `keyring.json` and `opt-outs.log`, to be
copied, never used in place. It is made anew for another schema or number of entries; `make clean`
removes it. What a change of the address keys would spoil is noticed by `look_up.py`, which must
find the entries.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.records.database import open_database
from gateway.records.keyring import open_keyring
from gateway.records.schema import HEAD
from gateway.records.suppression_import import ListFile, import_suppressions
from gateway.records.suppressions import Draft
from gateway.words import Address
from suppression.listfile import Row
from suppression.standing import Reason

ENTRIES = 1_000_000
DATABASE, KEYRING, OPT_OUTS = "consentry.db", "keyring.json", "opt-outs.log"
_BUILD = Path(__file__).parent.parent / "build/benchmark"
_DOMAINS = 5_000


def suppressed(number: int) -> Address:
    """The address of entry `number`, out of `ENTRIES`."""
    return _address(f"gone{number}", number)


def mailable(number: int) -> Address:
    """An address nothing is known about, at the same domains."""
    return _address(f"reader{number}", number)


def _address(local: str, number: int) -> Address:
    domain = f"inbox{number % _DOMAINS}.test"
    return Address(f"{local}@{domain}", local, domain)


def prepared() -> Path:
    """The folder, made now (about a minute) if it is not there."""
    folder = _BUILD / f"records-{HEAD}-{ENTRIES}-logged"
    if not folder.exists():
        print(f"importing {ENTRIES:,} suppressions, once ...", file=sys.stderr, flush=True)
        _BUILD.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=_BUILD))
        try:
            _import(draft)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def _import(folder: Path) -> None:
    database = open_database(folder / DATABASE)
    keyring = open_keyring(database, folder / KEYRING)
    default = Draft(Reason.MANUAL, "*", "operator", "benchmark")
    tally = import_suppressions(
        database, keyring, _rows(), default, ListFile("-", ""), time.time(), is_scope=bool
    )
    database.close()
    if tally.added != ENTRIES:
        raise RuntimeError(f"{tally.added} of {ENTRIES} suppressions were taken")


def _rows() -> Iterator[Row]:
    """Half for everybody, half for one of the customers."""
    for number in range(ENTRIES):
        if number % 2:
            yield Row(number, suppressed(number))
        else:
            scope = f"customer{number % 20}"
            yield Row(number, suppressed(number), Reason.UNSUBSCRIBE, scope)
