"""The evidence sheet as plain values, for HTML and PDF alike.

Takes what was gathered, the language and the time zone of the bracketed times; gives `Sheet`, in
which every text is final. Pure and deterministic: the same records give the same sheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.config.tenant import TenantConfig
from gateway.evidence.gather import ChainState, Gathered, Story
from gateway.evidence.texts import TEXTS
from gateway.records.proofs import Proof, StepRecord
from suppression.consent import Status

LANGUAGES = tuple(TEXTS)
_TIMES = ("form_at", "subscribed_at", "confirmed_at")
_FACTS = (
    *("form_at", "subscribed_at", "confirmed_at", "letter", "message_id", "sha256"),
    *("is_repeat", "is_assumed", "hop", "by", "why"),
)
_PERSONAL = (
    *("subscribed_ip", "confirmed_ip", "ip", "port", "user_agent", "source", "message_id"),
    *("line", "reply"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One titled part: pairs of label and value, words to be quoted exactly, or a paragraph."""

    title: str
    rows: tuple[tuple[str, str], ...] = ()
    quote: str = ""
    text: str = ""
    is_minor: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole sheet. `made_at` is Unix seconds."""

    language: str
    title: str
    intro: str
    rows: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    page: str
    made_at: float


@dataclass(frozen=True, slots=True)
class Frame:
    """What a sheet is made under: whose gateway, for which address, when, and in which words."""

    hostname: str
    address: str
    made_at: float
    language: str
    zone: ZoneInfo
    tenants: Mapping[str, TenantConfig]

    def time(self, at: float) -> str:
        """An instant in UTC, and in brackets in the frame's zone."""
        utc = datetime.fromtimestamp(at, UTC)
        local = utc.astimezone(self.zone)
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC ({local:%Y-%m-%d %H:%M:%S %Z})"

    def word(self, name: str, **values: object) -> str:
        """One of the language's texts, filled in."""
        return TEXTS[self.language][name].format(**values)


def make_sheet(gathered: Gathered, frame: Frame) -> Sheet:
    """The sheet of these stories."""
    parts: list[Part] = []
    for story in gathered.stories:
        parts += _story(story, frame)
    parts += [_chain(tenant, chain, frame) for tenant, chain in gathered.chains.items()]
    parts.append(Part(frame.word("how"), text=frame.word("how_text")))
    return Sheet(
        language=frame.language,
        title=frame.word("title"),
        intro=frame.word("intro", hostname=frame.hostname, zone=frame.zone.key),
        rows=(
            (frame.word("address"), frame.address),
            (frame.word("made"), frame.time(frame.made_at)),
        ),
        parts=tuple(parts),
        page=frame.word("page"),
        made_at=frame.made_at,
    )


def _story(story: Story, frame: Frame) -> Iterator[Part]:
    proof = story.proof
    tenant = frame.tenants.get(proof.tenant)
    sender = tenant.shown_name if tenant else proof.tenant
    shown = tenant.shown_stream(proof.stream) if tenant else proof.stream
    yield Part(
        frame.word("proof", number=proof.number),
        (
            (frame.word("number"), proof.number),
            (frame.word("address"), proof.address or frame.word("erased")),
            (frame.word("sender"), _named(sender, proof.tenant)),
            (frame.word("list"), _named(shown, f"{proof.tenant}/{proof.stream}")),
            (frame.word("level"), frame.word(f"level_{int(proof.level)}")),
            (frame.word("status"), _status(proof, frame)),
            (frame.word("language"), proof.language),
        ),
    )
    digest = ((frame.word("words_sha256"), proof.text_digest.hex()),)
    yield Part(frame.word("words"), digest, quote=proof.text, is_minor=True)
    for step in story.steps:
        yield _step(step, frame)


def _status(proof: Proof, frame: Frame) -> str:
    if proof.status is Status.CONFIRMED and proof.has_ended:
        return frame.word("consent_ended")
    return frame.word(proof.status.value)


def _step(step: StepRecord, frame: Frame) -> Part:
    rows = [(frame.word("at"), frame.time(step.at))]
    rows += _rows(_FACTS, step.facts, frame)
    if step.personal is not None:
        rows += _rows(_PERSONAL, step.personal, frame)
    rows.append((frame.word("digest"), step.digest.hex()))
    text = frame.word("destroyed") if step.is_destroyed else ""
    title = frame.word("step", number=step.number, what=frame.word(f"step_{step.step}"))
    return Part(title, tuple(rows), text=text, is_minor=True)


def _rows(
    names: tuple[str, ...], values: Mapping[str, Any], frame: Frame
) -> Iterator[tuple[str, str]]:
    for name in names:
        value = values.get(name)
        if value in (None, "", False):
            continue
        if name in _TIMES:
            yield frame.word(name), frame.time(value)
        elif value is True:
            yield frame.word(name), frame.word("yes")
        else:
            is_word = name == "letter"
            yield frame.word(name), frame.word(value) if is_word else str(value)


def _chain(tenant: str, chain: ChainState, frame: Frame) -> Part:
    state = frame.word("chain_holds")
    if chain.flaw is not None:
        state = frame.word("chain_broken", number=chain.flaw.number, why=chain.flaw.why)
    return Part(
        frame.word("chain", tenant=tenant),
        (
            (frame.word("chain_head"), str(chain.head.number)),
            (frame.word("chain_digest"), chain.head.digest.hex()),
            (frame.word("chain_state"), state),
        ),
    )


def _named(shown: str, name: str) -> str:
    return name if shown == name else f"{shown} ({name})"
