"""One pre-check under way: asks the records and the policies that RCPT asks, slice by slice.

The look-up and the policies (suppression, consent, in the configured order and mode) are those of
RCPT. Between two slices the event loop is free for others; what is cleared is written in the
writer's thread, a slice at a time. Raises StoreUnavailable when anything could not be judged, so
that nothing is ever cleared by a fault, and TooMuch over the tenant's allowance.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from itertools import islice
from typing import TypeVar

from gateway import replies
from gateway.config.load import Loaded
from gateway.config.pre_check import PreCheckSettings
from gateway.config.terms import tenant_terms
from gateway.errors import StoreUnavailable
from gateway.events import Emit, Event
from gateway.jobs import Job
from gateway.pipeline import Pipeline
from gateway.records import receipts
from gateway.records.database import Connection, Database
from gateway.records.look_ups import records_standings
from gateway.records.receipts import Allowance, Receipt
from gateway.records.streams import numbering
from policies.consent import ConsentPolicy
from policies.policy import Policy
from policies.ports import Clock
from policies.suppression import SuppressionPolicy
from policies.terms import StreamTerms, TenantTerms
from policies.transaction import Transaction
from suppression.keys import Keyring
from suppression.pre_check import Answer, Asked, Digest, malformed

T = TypeVar("T")
LOOK_UP = 100
"""Addresses judged between two chances for others: some 2 ms."""
SLICE = 500
"""Addresses written in one transaction."""
PURGE = 500
PURGE_PAUSE = 600.0
POLICIES: dict[str, Callable[[], Policy]] = {
    SuppressionPolicy.name: SuppressionPolicy,
    ConsentPolicy.name: ConsentPolicy,
}
"""What judges a recipient by the records."""


class PreCheck:
    """One list for one stream. `answer` its slices in order, then `finish`, always `close`."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        loaded: Loaded,
        scope: str,
        actor: str,
        emit: Emit,
        clock: Clock,
    ) -> None:
        """`scope` is `tenant/stream` and is configured."""
        self._database = database
        self._scope, self._actor = scope, actor
        self._emit, self._clock = emit, clock
        self._tenant, self._stream = _terms(database, loaded, scope)
        self._keyring = keyring
        self._config = config = loaded.config
        self._open = AsyncExitStack()
        tenant = loaded.tenants[self._tenant.name]
        self._settings: PreCheckSettings = tenant.pre_check or config.pre_check
        self._receipt: Receipt | None = None
        self._asked = self._cleared = 0
        self._refused: Counter[str] = Counter()
        self._digest = Digest()

    async def begin(self, asked: int, is_limited: bool = True) -> Receipt:
        """Begin with a list of `asked` addresses (0: not known yet); TooMuch."""
        looking_up = records_standings(self._database, self._keyring, self._clock)
        modes = self._config.policy_modes
        self._pipeline = Pipeline(
            [(POLICIES[name](), mode) for name, mode in modes if name in POLICIES],
            await self._open.enter_async_context(looking_up),
            self._config.policy_deadline_seconds,
        )
        said = self._settings
        allowance = Allowance(said.addresses_per_day, said.calls_per_hour)
        self._receipt = await self._database.write(
            lambda connection: receipts.begin(
                connection,
                self._scope,
                asked,
                self._actor,
                self._clock(),
                allowance if is_limited else None,
            )
        )
        return self._receipt

    async def answer(self, asked: Sequence[Asked]) -> list[Answer]:
        """What RCPT would answer to each, in order; those it would take are cleared."""
        if self._receipt is None:
            raise RuntimeError("begin comes first")
        receipt = self._receipt
        answers: list[Answer] = []
        for part in _slices(asked, LOOK_UP):
            answers += await self._judge(part)
            await asyncio.sleep(0)
        for told in _slices(answers, SLICE):
            keys = {answer.key for answer in told if answer.key is not None}
            cleared = {answer.key for answer in told if answer.reply is None and answer.key}
            await self._database.write(_clearing(receipt, keys, cleared))
        self._asked += len(answers)
        self._cleared += sum(answer.reply is None for answer in answers)
        self._refused.update(answer.tag for answer in answers if answer.reply is not None)
        self._digest.add(answers)
        return answers

    async def finish(self) -> Receipt:
        """The receipt, complete; an event and an audit record say how many, never who."""
        if self._receipt is None:
            raise RuntimeError("begin comes first")
        receipt, now = self._receipt, self._clock()
        done = await self._database.write(
            lambda connection: receipts.finish(
                connection,
                receipt,
                self._asked,
                self._cleared,
                self._refused,
                self._digest.value(),
                self._actor,
                now,
            )
        )
        detail: dict[str, object] = {
            "receipt": done.id,
            "asked": done.asked,
            "cleared": done.cleared,
            "refused": dict(self._refused),
        }
        tenant, stream = self._tenant.name, self._stream.id
        self._emit(Event("pre-check.done", now, tenant=tenant, stream=stream, detail=detail))
        return done

    async def close(self) -> None:
        """Let go of what looks up."""
        await self._open.aclose()

    async def _judge(self, part: Sequence[Asked]) -> list[Answer]:
        addresses = [one.address for one in part if one.address is not None]
        transaction = Transaction(
            ref="",
            session="",
            client="",
            tenant=self._tenant,
            stream=self._stream,
            mail_from=None,
            now=self._clock(),
        )
        rulings = iter(await self._pipeline.rcpt(transaction, addresses) if addresses else [])
        answers = []
        for one in part:
            if one.address is None:
                answers.append(malformed(one))
                continue
            recipient, ruling = next(rulings)
            if recipient is None or ruling.reply is replies.TEMP:
                raise StoreUnavailable("records: an address could not be judged")
            answers.append(Answer(one, recipient.standing.key, ruling.reply))
        return answers


def ended_job(database: Database, clock: Clock) -> Job:
    """Removes what is cleared no more, a slice at a time; as a job of the web process."""

    async def run() -> int:
        now, removed = clock(), 0
        while count := await database.write(lambda c: receipts.purge(c, now, PURGE)):
            removed += count
        return removed

    return Job("ended pre-checks removed", PURGE_PAUSE, run)


def _clearing(
    receipt: Receipt, asked: set[bytes], cleared: set[bytes]
) -> Callable[[Connection], None]:
    return lambda connection: receipts.clear(connection, receipt, asked, cleared)


def _terms(database: Database, loaded: Loaded, scope: str) -> tuple[TenantTerms, StreamTerms]:
    name, _, stream = scope.partition("/")
    only = {name: loaded.tenants[name]}
    terms = tenant_terms(loaded.config, only, numbering(database))[name]
    return terms, terms.streams[stream]


def _slices(items: Iterable[T], size: int) -> Iterable[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
