"""Asking all processes of this node at once, and making one answer of theirs.

`ask_all` gives each process's answer or its ControlError. `smtp_status` puts the workers' answers
to `status` together: sums where a sum is meant, windows (which all workers see alike) once, and a
row for each worker when there are several; one that is away is named with its error. `health_of`
does the same for `health`. Raises nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.control import ControlError, ask
from gateway.processes import Process

Answers = Mapping[Process, object]
"""What each process said: a result, or a ControlError."""
SUMMED = ("sessions", "in_progress", "tasks")
"""Numbers that add up over workers."""
ADDED = ("memory",)
"""Mappings whose numbers do."""
OWN = ("started", "config", *SUMMED, "draining")
"""What the row of one worker has."""
CHECKS = {
    "listening": "does not listen",
    "database": "the database does not answer",
    "state": "Redis does not answer",
    "next_hop": "every next hop is down",
    "journal": "the journal cannot be written",
}
"""What the control verb `health` of a worker answers for, and what False means."""
STORES = ("database", "state")
"""Those of them that are stores."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the SMTP workers stand: whether one can take mail, and everything that is wrong.

    `stores` says of each store whether a worker reaches it; without any answer it is empty.
    """

    is_ready: bool
    problems: tuple[str, ...]
    stores: Mapping[str, bool]


async def ask_all(
    state_dir: Path, processes: Iterable[Process], verb: str, *, patience: float = 10.0
) -> dict[Process, object]:
    """The answer of each to `verb` within `patience` seconds, or its ControlError."""
    asked = list(processes)

    async def one(process: Process) -> object:
        try:
            return await ask(state_dir / process.socket, verb, patience=patience)
        except ControlError as error:
            return error

    answers = await asyncio.gather(*(one(process) for process in asked))
    return dict(zip(asked, answers, strict=True))


def smtp_status(answers: Answers) -> dict[str, object]:
    """One status of all workers; `{"error": text}` when none answers."""
    known = {process: said for process, said in answers.items() if isinstance(said, Mapping)}
    away = {process: str(said) for process, said in answers.items() if process not in known}
    if not known:
        return {"error": "; ".join(dict.fromkeys(away.values()))}
    found = dict(next(iter(known.values())))
    if len(answers) == 1:
        return found
    found["started"] = min(said.get("started", 0.0) for said in known.values())
    found["draining"] = all(said.get("draining") for said in known.values())
    for name in SUMMED:
        found[name] = sum(said.get(name, 0) for said in known.values())
    for name in ADDED:
        found[name] = _added(said.get(name, {}) for said in known.values())
    found["workers"] = [
        {"name": process.name, "error": away[process]}
        if process in away
        else {"name": process.name, **{name: known[process].get(name) for name in OWN}}
        for process in answers
    ]
    return found


def health_of(answers: Answers) -> Health:
    """One health of all workers; what only some of them lack is a problem, but no bar to mail."""
    problems: list[str] = []
    stores: dict[str, bool] = {}
    is_ready = False
    for process, said in answers.items():
        if isinstance(said, Mapping):
            found = [text for check, text in CHECKS.items() if said.get(check) is not True]
            is_ready |= not found
            for store in STORES:
                stores[store] = stores.get(store, False) or said.get(store) is True
        else:
            found = [f"does not answer: {said}"]
        problems += [f"{process.name}: {text}" for text in found]
    return Health(is_ready, tuple(problems), stores)


def _added(mappings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers by name, or by names within names, added up."""
    total: dict[str, Any] = {}
    for mapping in mappings:
        for name, value in mapping.items():
            if isinstance(value, Mapping):
                total[name] = _added((total.get(name, {}), value))
            else:
                total[name] = total.get(name, 0) + value
    return total
