"""What a check of a domain's DNS comes to: a mark, and words that say what to do about it.

`Finding` names the record that was asked for and what was found as a `Say`; `sentence` puts it
into English or Polish. What strangers publish stands in `record` and in the values, as text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.sender_dns.texts import SENTENCES, Say


class Mark(StrEnum):
    """How good it is."""

    OK = "ok"
    WARNING = "warning"
    """There is a record, and receivers will not read it as it is meant."""
    MISSING = "missing"
    UNKNOWN = "unknown"
    """Nobody answered in time."""


_MARKS = {
    Say.DKIM_OK: Mark.OK,
    Say.SPF_OK: Mark.OK,
    Say.SPF_COVERED: Mark.OK,
    Say.DMARC_OK: Mark.OK,
    Say.DMARC_WATCHES: Mark.OK,
    Say.MX_OK: Mark.OK,
    Say.DKIM_MISSING: Mark.MISSING,
    Say.DKIM_NO_KEY: Mark.MISSING,
    Say.SPF_MISSING: Mark.MISSING,
    Say.DMARC_MISSING: Mark.MISSING,
    Say.MX_MISSING: Mark.MISSING,
    Say.UNKNOWN: Mark.UNKNOWN,
}
"""Whatever is not here is a warning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result. `name` is the record's DNS name, `record` what stands there, if one
    does; `values` fill the sentence."""

    name: str
    say: Say
    record: str = ""
    values: dict[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> Mark:
        """How good it is."""
        return _MARKS.get(self.say, Mark.WARNING)

    def sentence(self, language: str) -> str:
        """What it means and what to do, as plain text in `en` or `pl`."""
        return SENTENCES[language][self.say].format(name=self.name, **self.values)


@dataclass(frozen=True, slots=True)
class DomainState:
    """Everything that was found about one sender domain; `dkim` has one finding for each key."""

    domain: str
    dkim: tuple[Finding, ...]
    spf: Finding
    dmarc: Finding
    mx: Finding

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """All of them, with the mechanism's name."""
        keys = tuple(("DKIM", finding) for finding in self.dkim)
        return (*keys, ("SPF", self.spf), ("DMARC", self.dmarc), ("MX", self.mx))
