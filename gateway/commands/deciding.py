"""What commands that move cases share: a transaction under the rules in force, and the journal.

`deciding` gives a transaction, the rules, and a list: the events put into it are written to the
journal (`command.jsonl`) once the change is on the disk. What the engine refuses ends the command
with a plain word.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.config.load import Loaded
from gateway.errors import ConfigurationError, JournalUnwritable
from gateway.events import Event
from gateway.journal import Journal
from gateway.records.case_rules import Rules
from gateway.records.database import Connection
from gateway.records.keyring import open_keyring
from gateway.records.opening import open_records
from gateway.records.policy_versions import remember
from gateway.sanctions.rules import rules_of
from policies.sanctions.engine import Refused

PATIENCE = 3.0
"""Seconds to wait for another command that writes its events."""
POLL = 0.02


@contextmanager
def deciding(loaded: Loaded) -> Iterator[tuple[Connection, Rules, list[Event]]]:
    """A transaction on the records; raises ConfigurationError for what is refused."""
    database = open_records(loaded.config)
    events: list[Event] = []
    try:
        rules = rules_of(loaded, open_keyring(database, loaded.config.keyring))
        with database.transaction() as connection:
            remember(connection, rules, time.time())
            yield connection, rules, events
    except (Refused, LookupError) as error:
        raise ConfigurationError(str(error.args[0])) from error
    finally:
        database.close()
    tell(loaded, events)


def tell(loaded: Loaded, events: Sequence[Event]) -> None:
    """Write events of what is on the disk already to the journal, once no other command does."""
    if not events:
        return
    settings = loaded.config.journal
    folder = loaded.config.state_dir / "journal"
    until = time.monotonic() + PATIENCE
    while True:
        try:
            journal = Journal(folder, "command", settings.max_bytes, settings.keep_files)
            break
        except JournalUnwritable as error:
            if time.monotonic() > until:
                # The change itself, with its audit record, is made: only its echo is missing.
                print(f"the journal was not told: {error}", file=sys.stderr)
                return
        time.sleep(POLL)
    for event in events:
        event.config = loaded.hash
        journal.emit(event)
    journal.close()
