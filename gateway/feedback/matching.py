"""Whose mail a returned one is about, in the order of evidence.

Tokens of ours come first; without any the original's Message-ID, and last a recipient that the
report states, if exactly one tenant has mailed it of late. What the journal's index knows of the
copy (transaction, sender domain, time) is added. An address that is not the token's own recipient
is nobody's. Blocks for milliseconds, so run it in a thread. Raises StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.errors import AddressSyntaxError, StoreUnavailable
from gateway.events import Event
from gateway.feedback.parsed import BouncedRecipient, Parsed
from gateway.feedback.traces import Traces
from gateway.message.address import parse_mailbox
from gateway.records.returned import Match
from gateway.relay.outcome import State
from policies.returned.evidence import Evidence
from suppression.address import a_label, exact_form
from suppression.keys import Keyring

OF_LATE = 30 * 86_400
"""Seconds within which a recipient must have been mailed to be matched without a token."""
MOST_STATED = 20
"""Recipients of one report that are looked up."""
_MOST_EVENTS = 50
_PASSED = (State.TAKEN.value, State.UNKNOWN.value)


class Known(Protocol):
    """`gateway.records.event_index.EventIndex`."""

    def of_key(self, key: bytes, limit: int = ...) -> list[Event]:
        """The latest events about a recipient, newest first."""
        ...

    def of_message_id(self, message_id: str, limit: int = ...) -> list[Event]:
        """The latest events about a Message-ID, newest first."""
        ...


StreamOf = Callable[[int], tuple[str, str] | None]
"""Tenant and stream of a token's number."""


@dataclass(frozen=True, slots=True)
class Found:
    """What speaks for the mail, whose it is (None: nobody knows), the domain that our copy went to
    ("" when that is not known), and what a bounce says of the token's own recipient."""

    evidence: Evidence
    match: Match | None = None
    provider: str = ""
    bounced: BouncedRecipient | None = None


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy that we relayed, as the journal has it; `provider` (A-label) is whose it was."""

    event: Event
    key: bytes
    provider: str


@dataclass(frozen=True, slots=True)
class _Stated:
    """An address that the report states, and every key it may be known by."""

    address: str
    keys: tuple[bytes, ...]


class Matcher:
    """Looks returned mail up. `stream_of` and `known` may raise StoreUnavailable."""

    def __init__(self, keyring: Keyring, known: Known, stream_of: StreamOf) -> None:
        self._keyring = keyring
        self._known = known
        self._stream_of = stream_of

    def match(self, parsed: Parsed, traces: Traces, is_signed: bool, now: float) -> Found:
        """What `parsed` is about; `is_signed`: a listed feedback source has signed it."""
        evidence = Evidence(traces.has_token, traces.agrees, is_signed, is_matched=False)
        if not traces.agrees:
            return Found(evidence)
        stated = tuple(self._stated(parsed))
        if traces.stream_number is not None:
            return self._by_token(evidence, parsed, traces, traces.stream_number, stated)
        found = self._by_message_id(traces.message_id, stated) or self._by_recipient(stated, now)
        return Found(replace(evidence, is_matched=found is not None), found)

    # ---- by token ---------------------------------------------------------------------------

    def _by_token(
        self,
        evidence: Evidence,
        parsed: Parsed,
        traces: Traces,
        number: int,
        stated: Sequence[_Stated],
    ) -> Found:
        named = self._stream_of(number)
        if named is None:
            # Authentic, so these records have lost a stream: they came from an older backup.
            raise StoreUnavailable(f"no stream has the number {number}")
        base = Match(*named, traces.mailing)
        if traces.key:
            own = next((one.address for one in stated if traces.key in one.keys), "")
            base = replace(base, key=traces.key, is_named=True, address=own)
            copy = self._best(traces.key, base)
            return Found(
                evidence,
                _with(base, copy),
                copy.provider if copy else a_label(own.rpartition("@")[2]),
                _bounced(parsed, own),
            )
        # All copies of a mailing carry the same token: it says whose mail it was, not to whom.
        for one in stated:
            for key in one.keys:
                if (copy := self._best(key, base)) is not None:
                    told = replace(_with(base, copy), key=key, address=one.address)
                    # Of several nobody knows who has complained, and who wrote which of them.
                    is_named = evidence.is_signed and len(stated_in(parsed)) == 1
                    return Found(evidence, replace(told, is_named=is_named))
        return Found(evidence, base)

    def _best(self, key: bytes, base: Match) -> _Copy | None:
        """The stream's newest copy to a recipient, of the mailing if that is known."""
        copies = [
            copy
            for copy in _copies(self._known.of_key(key, _MOST_EVENTS), [key])
            if (copy.event.tenant, copy.event.stream) == (base.tenant, base.stream)
        ]
        own = [copy for copy in copies if copy.event.mailing == base.mailing]
        return next(iter(own or copies), None)

    # ---- by weaker signs --------------------------------------------------------------------

    def _by_message_id(self, message_id: str, stated: Sequence[_Stated]) -> Match | None:
        if not message_id:
            return None
        copies = list(_copies(self._known.of_message_id(message_id, _MOST_EVENTS)))
        if len({copy.event.tenant for copy in copies}) != 1:
            return None
        for one in stated:
            for copy in copies:
                if copy.key in one.keys:
                    return _of(copy, one.address)
        is_one = len({copy.key for copy in copies}) == 1
        return _of(copies[0]) if is_one else replace(_of(copies[0]), key=b"")

    def _by_recipient(self, stated: Sequence[_Stated], now: float) -> Match | None:
        found = [
            (copy, one.address)
            for one in stated
            for key in one.keys
            for copy in _copies(self._known.of_key(key, _MOST_EVENTS), [key])
            if copy.event.at >= now - OF_LATE
        ]
        if len({copy.event.tenant for copy, _ in found}) != 1:
            return None
        return _of(*max(found, key=lambda pair: pair[0].event.at))

    def _stated(self, parsed: Parsed) -> Iterator[_Stated]:
        for text in stated_in(parsed):
            with suppress(AddressSyntaxError):  # redacted to nonsense
                named = b"exact\0" + exact_form(parse_mailbox(text)).encode()
                yield _Stated(text, tuple(self._keyring.labelled_keys(named)))


def stated_in(parsed: Parsed) -> list[str]:
    """The recipients that a report states, as they stand there, each once."""
    texts = list(parsed.complaint.recipients) if parsed.complaint else []
    texts += [one.address for one in parsed.bounce.recipients] if parsed.bounce else []
    return list(dict.fromkeys(texts))[:MOST_STATED]


def _bounced(parsed: Parsed, own: str) -> BouncedRecipient | None:
    """What became of our recipient: the only one there is (whose mail may have been forwarded, so
    that it is named otherwise), or of several the one that is stated."""
    recipients = parsed.bounce.recipients if parsed.bounce else ()
    if len(recipients) == 1:
        return recipients[0]
    return next((one for one in recipients if own and one.address == own), None)


def _copies(events: Iterable[Event], keys: Iterable[bytes] | None = None) -> Iterator[_Copy]:
    """The copies in these events that the next hop has, of these recipients or of all."""
    wanted = None if keys is None else {key.hex() for key in keys}
    for event in events:
        listed = event.detail.get("recipients")
        for entry in listed if isinstance(listed, list) and event.tenant else ():
            if not isinstance(entry, Mapping) or entry.get("state") not in _PASSED:
                continue
            key = entry.get("key")
            if isinstance(key, str) and (wanted is None or key in wanted):
                yield _Copy(event, bytes.fromhex(key), a_label(str(entry.get("domain", ""))))


def _of(copy: _Copy, address: str = "") -> Match:
    event = copy.event
    return Match(
        event.tenant,
        event.stream,
        event.mailing,
        event.domain,
        event.ref,
        copy.key,
        address=address,
        sent_at=event.at,
    )


def _with(base: Match, copy: _Copy | None) -> Match:
    """What the journal knows of the copy, added to what the tokens say."""
    if copy is None:
        return base
    event = copy.event
    return replace(
        base,
        mailing=base.mailing or event.mailing,
        domain=event.domain,
        ref=event.ref,
        sent_at=event.at,
    )
