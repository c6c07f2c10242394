"""All hash chains together: audit trail, opt-out log, and each tenant's proofs of consent.

`heads` says where they end now; the web process writes that to the journal, because a chain whose
tail was cut off is whole in itself and shows only against a head noted elsewhere. `verify` walks
them all and, given noted heads, compares. Read-only. Raises StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from gateway.records import audit, proof_chain
from gateway.records.audit_search import search
from gateway.records.opt_out_file import START, LogBroken
from gateway.records.opt_out_log import OptOutLog, positions
from gateway.records.streams import find_number
from gateway.records.tables import audit as audit_table
from gateway.records.tables import proof_steps

AUDIT, OPT_OUTS, PROOFS = "audit", "opt-outs", "proofs of "
HEAD_EVENT = "audit.head"
_STEP = 10_000
"""Records between two reports of progress."""

Progress = Callable[[str, int], None]
"""Told which chain, and how many more of its records hold."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Where a chain ended at an instant, as the journal has it: number and digest in hex."""

    at: float
    chain: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What `verify` found: `bad` is the first record that is amiss, None when all hold."""

    name: str
    records: int
    bad: int | None = None
    why: str = ""
    heads: int = 0
    """How many noted heads it was compared with."""
    replaced: int = 0
    """Noted heads that a restore, or a log begun anew, has overtaken; both are in the trail."""


def heads(connection: Connection) -> dict[str, tuple[int, str]]:
    """Number and digest (hex) of the last record of each chain that has one."""
    number, digest = audit.head(connection)
    found = {AUDIT: (number, digest.hex())}
    for node, noted in positions(connection).items():
        found[_log_of(node)] = (noted.number, noted.digest.hex())
    for tenant, last in proof_chain.heads(connection).items():
        found[PROOFS + tenant] = (last.number, last.digest.hex())
    return found


def _log_of(node: str) -> str:
    return f"{OPT_OUTS} of {node}" if node else OPT_OUTS


def noted_in(at: float, detail: dict[str, Any]) -> Iterator[Noted]:
    """The heads in one event of the journal."""
    for chain, head in detail.items():
        match head:
            case [int(number), str(digest)]:
                yield Noted(at, chain, number, digest)


def verify(
    connection: Connection,
    log: OptOutLog,
    noted: Iterable[Noted] = (),
    progress: Progress = lambda _chain, _records: None,
) -> Iterator[Chain]:
    """Every chain, walked from its beginning and compared with the heads noted for it."""
    wanted: dict[str, list[Noted]] = {}
    for head in noted:
        wanted.setdefault(head.chain, []).append(head)
    restores = _spans(connection)
    yield _audit(connection, wanted.pop(AUDIT, []), restores, progress)
    own = wanted.pop(_log_of(log.node), [])
    yield _opt_outs(connection, log, own, progress)
    # Those of other nodes each of them walks: nobody else has the file.
    wanted = {name: some for name, some in wanted.items() if not name.startswith(OPT_OUTS)}
    tenants = {PROOFS + tenant for tenant in proof_chain.heads(connection)}
    for name in sorted(tenants | wanted.keys()):
        yield _proofs(connection, name, wanted.get(name, []), restores, progress)


def _audit(
    connection: Connection,
    noted: list[Noted],
    restores: list[tuple[float, float]],
    progress: Progress,
) -> Chain:
    records, _ = audit.head(connection)
    bad = audit.verify(connection, lambda more: progress(AUDIT, more))
    if bad is not None:
        return Chain(AUDIT, records, bad, "is not what was written, or not in its place")
    cut, _ = audit.beginning(connection)
    noted = [head for head in noted if head.number > cut]  # what retention cut off, nobody compares
    digest = audit_table.c.digest

    def at(number: int) -> bytes | None:
        return connection.scalar(select(digest).where(audit_table.c.id == number))

    return _compared(Chain(AUDIT, records), noted, restores, at)


def _opt_outs(
    connection: Connection, log: OptOutLog, noted: list[Noted], progress: Progress
) -> Chain:
    name = _log_of(log.node)
    seen = positions(connection).get(log.node, START)
    begun = select(func.max(audit_table.c.at)).where(audit_table.c.action == "opt-outs.begun-anew")
    anew = connection.scalar(begun)
    numbers = {head.number for head in noted} | {seen.number}
    found: dict[int, bytes] = {}
    last = START
    try:
        for last, _ in log.file.records():
            if last.number in numbers:
                found[last.number] = last.digest
            if last.number % _STEP == 0:
                progress(name, _STEP)
    except LogBroken as broken:
        return Chain(name, last.number, last.number + 1, str(broken))
    if seen != START and found.get(seen.number) != seen.digest:
        why = f"the database has seen record {seen.number}, which the log lacks"
        return Chain(name, last.number, last.number + 1, why)
    before = [] if anew is None else [(0.0, float(anew))]
    return _compared(Chain(name, last.number), noted, before, found.get)


def _proofs(
    connection: Connection,
    name: str,
    noted: list[Noted],
    restores: list[tuple[float, float]],
    progress: Progress,
) -> Chain:
    tenant = name.removeprefix(PROOFS)
    last = proof_chain.head(connection, tenant)
    flaw = proof_chain.verify(connection, tenant)
    if flaw is not None:
        return Chain(name, last.number, flaw.number, flaw.why)
    progress(name, last.number)
    number = find_number(connection, tenant)
    step = proof_steps.c

    def at(of: int) -> bytes | None:
        return connection.scalar(
            select(step.digest).where(step.tenant == number, step.number == of)
        )

    return _compared(Chain(name, last.number), noted, restores, at)


def _compared(
    chain: Chain,
    noted: list[Noted],
    overtaken: list[tuple[float, float]],
    digest_at: Callable[[int], bytes | None],
) -> Chain:
    """The chain against heads noted before; those within a span of `overtaken` do not count."""
    compared = replaced = 0
    for head in noted:
        if any(since <= head.at <= until for since, until in overtaken):
            replaced += 1
            continue
        compared += 1
        digest = bytes(32) if head.number == 0 else digest_at(head.number)
        if digest is None or digest.hex() != head.digest:
            lost = "is gone" if digest is None else "is another one"
            why = f"record {head.number} {lost}: the journal noted it as the last at {head.at:.0f}"
            bad = min(head.number, chain.records + 1)
            return Chain(chain.name, chain.records, bad, why, compared, replaced)
    return Chain(chain.name, chain.records, heads=compared, replaced=replaced)


def _spans(connection: Connection) -> list[tuple[float, float]]:
    """From when until when what was recorded is gone with the records a restore replaced."""
    return [
        (record.detail["made_at"], record.at)
        for record in search(connection, action="backup.restored")
    ]
