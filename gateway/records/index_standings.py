"""The look-up at RCPT over the index in Redis, with the records behind it.

`policies.ports.Standings`. An address without any row in scope, or with consents only, is answered
from the index; one that something stops, that a pre-check cleared, or that has more rows than a
value holds is asked of the records before anything follows from it. So is everybody, whenever the
index cannot answer, follows another log, or has not come as far as the records are known to have.
Raises StoreUnavailable when the records, asked, cannot answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import StoreUnavailable
from gateway.records.codes import CONSENTS, MARK
from gateway.records.index import GENERATION_KEY
from gateway.records.look_up import Asking, Question
from gateway.records.standings import RecordsStandings
from gateway.records.watch import Knowledge
from gateway.state.redis.index import RedisIndex
from gateway.state.redis.index_layout import MANY, SCOPES, unpack
from gateway.words import Address
from policies.ports import Clock
from policies.terms import StreamTerms
from suppression.keys import Keyring
from suppression.standing import Standing


class IndexStandings:
    """Used on one event loop, that of the index's calls."""

    def __init__(
        self,
        index: RedisIndex,
        knowledge: Knowledge,
        records: RecordsStandings,
        keyring: Keyring,
        clock: Clock = time.time,
        observe: Callable[[float], None] = lambda _seconds: None,
        answered: Callable[[int, int], None] = lambda _by_index, _by_records: None,
    ) -> None:
        """`answered` hears of how many addresses index and records have answered for."""
        self._index = index
        self._knowledge = knowledge
        self._records = records
        self._asking = Asking(keyring, clock)
        self._observe = observe
        self._answered = answered

    def adopt(self, keyring: Keyring) -> None:
        """Look up under this keyring from now on; it knows all generations of the last one."""
        self._asking.keyring = keyring
        self._records.adopt(keyring)

    async def look_up(self, stream: StreamTerms, group: Sequence[Address]) -> Sequence[Standing]:
        """One `Standing` for each address. Tells `observe` the seconds taken."""
        started = time.perf_counter()
        standings = await self._by_index(stream, group)
        asked = [n for n, standing in enumerate(standings) if standing is None]
        if asked:
            confirmed = await self._records.look_up(stream, [group[n] for n in asked])
            for n, standing in zip(asked, confirmed, strict=True):
                standings[n] = standing
        self._answered(len(group) - len(asked), len(asked))
        self._observe(time.perf_counter() - started)
        return [standing for standing in standings if standing is not None]

    async def number(self, tenant: str) -> int:
        """The tenant's scope, -1 when it has none. Raises StoreUnavailable."""
        return await self._records.number(tenant)

    def is_ready(self) -> bool:
        """Whether a look-up would be answered now."""
        return self._records.is_ready()

    def close(self) -> None:
        """Let go of what the records side has open."""
        self._records.close()

    async def _by_index(
        self, stream: StreamTerms, group: Sequence[Address]
    ) -> list[Standing | None]:
        """What the index says, None for whom the records have to be asked."""
        nobody: list[Standing | None] = [None] * len(group)
        tenant = await self._records.number(stream.tenant)
        while True:
            question = self._asking.question(stream, tenant, group)
            # Nothing may be waited for between this and the look-up.
            known = self._knowledge.known()
            if known is None or not known.identity:
                return nobody
            try:
                values = await self._index.look_up(question.wanted, known.identity, known.n)
            except StoreUnavailable:
                return nobody
            if values is None:
                return nobody
            marks = _rows(values.get(GENERATION_KEY))
            if not marks or (0, MARK) not in marks:
                return nobody
            if not self._asking.learn(SCOPES - scope for scope, _ in marks if scope):
                return _judged(question, values)


def _judged(question: Question, values: Mapping[bytes, bytes]) -> list[Standing | None]:
    """One `Standing` for each address that the index alone can answer for."""
    scopes = question.scopes
    has_attested = question.attested in values
    judged: list[Standing | None] = []
    for own in question.keys:
        consent: int | None = 0
        for key in own:
            if key not in values:
                continue
            rows = _rows(values[key])
            codes = None if rows is None else [code for scope, code in rows if scope in scopes]
            if codes is None or any(code not in CONSENTS for code in codes):
                consent = None
                break
            consent = max(consent or 0, *codes, 0)
        judged.append(None if consent is None else Standing(own[0], (), consent, has_attested))
    return judged


def _rows(value: bytes | None) -> list[tuple[int, int]] | None:
    """The rows (scope, code) of a value; None when the records have to tell them."""
    if value is None or value == MANY:
        return None
    try:
        return unpack(value)
    except ValueError:
        return None
