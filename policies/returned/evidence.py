"""Which grade of evidence a report is, and what it may do by itself.

Pure. What is known of a report comes as `Evidence`: whose tokens it carries, whether a feedback
source that the operator lists has signed it, and what was found by weaker signs. Believed is what
only somebody who had our mail can know; whoever lacks that reaches a person and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from policies.sanctions.words import Grade


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a report.

    `has_token`: it carries at least one valid token of ours. `agrees`: all tokens in it, valid or
    not, name one tenant and at most one recipient. `is_signed`: a listed feedback source has
    signed it. `is_matched`: a Message-ID or recipient of it is one that we relayed.
    """

    has_token: bool
    agrees: bool
    is_signed: bool
    is_matched: bool


def grade(evidence: Evidence) -> Grade:
    """A, B, C or D, as the table of grades says; what contradicts itself is D."""
    if not evidence.agrees:
        return Grade.D
    if evidence.has_token:
        return Grade.A if evidence.is_signed else Grade.B
    return Grade.C if evidence.is_matched else Grade.D
