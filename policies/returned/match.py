"""Whose a mail that came back is: what was found for it, and what speaks for that. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from policies.returned.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Match:
    """The mail of ours that a returned one is about. Empty: not known.

    `key` (exact) is the recipient that may be acted on, and empty where only the tenant is sure.
    `address` is that recipient as the report states it, never anybody else. `domain` is the
    sender's, `ref` the transaction, `sent_at` (Unix seconds) when it went out.
    """

    evidence: Evidence
    tenant: str = ""
    stream: str = ""
    mailing: str = ""
    domain: str = ""
    ref: str = ""
    key: bytes = b""
    address: str = ""
    sent_at: float | None = None
