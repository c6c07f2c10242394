"""`consentry key`: generations of the secrets behind address keys, tokens and sealed addresses.

A new generation must be known to every running process for look-ups before anything is written
under it: else the SMTP process would miss an unsubscribe that the web process has just stored.
So `rotate` adds it for look-ups only, has each process reload and say that it knows it, and only
then makes it current. Killed anywhere in between, it leaves a keyring that works; run it again.
Old generations stay: their entries are looked up and their tokens read for ever.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.records import Records, open_records
from gateway.commands.shared import ByOption, ConfigOption, JsonOption, actor, show
from gateway.control import ControlError, ask
from gateway.errors import ConfigurationError
from gateway.processes import is_running, processes_in
from gateway.records import audit
from gateway.records.keyring import open_keyring
from suppression.keys import Keyring

app = typer.Typer(no_args_is_help=True, help="Generations of the keyring: list, rotate.")


def register(target: typer.Typer) -> None:
    """Add the group to `target`."""
    target.add_typer(app, name="key", rich_help_panel="Run")


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the generations, by their public fingerprints.

    Example: consentry key list
    """
    with open_records(config) as records:
        keyring = records.keyring
        used_by = _knowing(records)
    rows: list[dict[str, object]] = [
        {
            "generation": number,
            "fingerprint": mark,
            "use": "current" if number == keyring.current.id else "look-up",
            "known_to": [name for name, known in used_by.items() if number in known],
        }
        for number, mark in sorted(keyring.fingerprints().items())
    ]
    show(rows, as_json)


@app.command()
def add(by: ByOption = None, config: ConfigOption = None) -> None:
    """Add a generation for look-ups only; `use` makes it current later.

    For gateways on several hosts: copy the keyring to all of them in between.

    Example: consentry key add
    """
    with open_records(config) as records, _alone(records):
        number = _add(records, actor(by))
        _have_known(records, number)
    typer.echo(f"generation {number} is known for look-ups; `consentry key use {number}` next")


@app.command()
def use(
    generation: Annotated[int, typer.Argument(help="Its number, as `list` shows it.")],
    by: ByOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a generation current, once every running process knows it.

    Example: consentry key use 1
    """
    with open_records(config) as records, _alone(records):
        _use(records, generation, actor(by))
    typer.echo(f"generation {generation} is current")


@app.command()
def rotate(by: ByOption = None, config: ConfigOption = None) -> None:
    """Add a generation, have every running process know it, and make it current.

    The processes reload their configuration for it. Safe to run again after an interruption.

    Example: consentry key rotate
    """
    with open_records(config) as records, _alone(records):
        keyring = Keyring.load(_path(records))
        newest = max(keyring.generations)
        # A generation that nobody uses yet was left by a rotation that was interrupted.
        number = newest if newest > keyring.current.id else _add(records, actor(by))
        _have_known(records, number)
        _use(records, number, actor(by))
    typer.echo(f"generation {number} is current; keep a new copy of {_path(records)}")


def _add(records: Records, who: str) -> int:
    keyring = Keyring.load(_path(records)).with_generation()
    keyring.save(_path(records))
    open_keyring(records.database, _path(records))  # binds the database to it
    number = max(keyring.generations)
    _audit(records, "keyring.generation-added", who, number)
    return number


def _use(records: Records, number: int, who: str) -> None:
    keyring = Keyring.load(_path(records)).using(number)
    _have_known(records, number)
    keyring.save(_path(records))
    _audit(records, "keyring.generation-used", who, number)
    _have_known(records, number, "It is current, and used from the next `consentry reload` on")


def _have_known(
    records: Records, number: int, then: str = "Nothing is written under it; run this again later"
) -> None:
    """Have every running process read the keyring; ConfigurationError when one does not know it."""
    state_dir = records.loaded.config.state_dir
    for process in processes_in(state_dir):
        path, name = state_dir / process.socket, process.name
        try:
            asyncio.run(ask(path, "reload"))
            known = _generations(path)
        except ControlError as error:
            if not is_running(state_dir, process):
                continue
            raise ConfigurationError(
                f"the {name} process runs and may not know generation {number}: {error}. {then}"
            ) from error
        if number not in known:
            raise ConfigurationError(
                f"the {name} process does not know generation {number} after its reload; does it "
                f"read another keyring? {then}"
            )


def _knowing(records: Records) -> dict[str, set[int]]:
    """The generations each process that answers knows."""
    found = {}
    state_dir = records.loaded.config.state_dir
    for process in processes_in(state_dir):
        try:
            found[process.name] = _generations(state_dir / process.socket)
        except ControlError:
            continue
    return found


def _generations(socket: Path) -> set[int]:
    match asyncio.run(ask(socket, "status")):
        case {"keyring": {"generations": [*numbers]}}:
            return set(numbers)
        case _:
            return set()


@contextmanager
def _alone(records: Records) -> Iterator[None]:
    """One change of the keyring at a time."""
    path = _path(records)
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigurationError(f"{path}: another command is changing it") from None
    finally:
        os.close(lock)


def _path(records: Records) -> Path:
    return records.loaded.config.keyring


def _audit(records: Records, action: str, who: str, number: int) -> None:
    with records.database.transaction() as connection:
        detail = {"generation": number}
        audit.append(connection, at=time.time(), actor=who, action=action, detail=detail)
