"""The words of sanctions: kinds of fact, grades of evidence, phases, decisions, notices.

Every word is stored and shown, so each is public: renaming one needs a migration.
"""

from __future__ import annotations

from enum import StrEnum


class FactKind(StrEnum):
    """What can be held against a tenant: seen by the gateway, or opened by a person."""

    PROTECTED_HIT = "protected-hit"
    """A recipient refused because the address is protected."""
    BATCH_DEFIANCE = "batch-defiance"
    """A MAIL on a further connection within 60 s after [BATCH-BUSY]."""
    COMPLAINT = "complaint"
    """A report about a mail of the tenant's that counts: grade A, or a person counted it."""
    COMPLAINT_IGNORED = "complaint-ignored"
    """A recipient refused because it complained before: the tenant did not delete it."""
    HARD_BOUNCE = "hard-bounce"
    """A mailbox that is none."""
    SPAM = "spam"
    COPYRIGHT = "copyright"
    OPEN_RELAY = "open-relay"
    COMPROMISED = "compromised"
    ZERO_TOLERANCE = "zero-tolerance"
    OVERUSE = "overuse"
    ILLEGAL = "illegal"
    DANGER = "danger"
    ADVERTISED = "advertised"
    """Spam sent elsewhere for what is hosted here: there is no message of ours."""
    INSTRUCTION = "instruction"
    """An operator's instruction that the tenant must answer."""
    EMERGENCY = "emergency"
    """A person blocked at once: overload, likely spam, resale."""
    LEGAL_REQUEST = "legal-request"
    """An authority asks for disclosure: two people approve."""
    GRIEVANCE = "grievance"
    """The tenant's own formal complaint about the operator."""


class Grade(StrEnum):
    """How good the evidence of a report is."""

    A = "A"
    """Our valid token, DKIM-signed by a listed feedback source: may block by itself."""
    B = "B"
    """Our valid token, any other reporter: suppresses; a person decides the rest."""
    C = "C"
    """Matched by Message-ID or recipient only: a person decides."""
    D = "D"
    """Unmatched, forged or contradictory: stored, nothing changes."""


class Excuse(StrEnum):
    """Why a fact is recorded and gives no strike."""

    YOUNG = "young"
    """The entry was younger than 24 h."""
    CLEARED = "cleared"
    """A valid pre-check receipt had cleared the address."""


class Phase(StrEnum):
    """Where a case stands. CLOSED and TERMINATED are the ends."""

    WATCHING = "watching"
    """Facts below the ladder's first threshold: warned at most, nothing is asked."""
    UNDECIDED = "undecided"
    """Nothing happens until a person confirms or dismisses it."""
    OPEN = "open"
    """The sanction is in force and the tenant has something to do; the longest clock runs."""
    SUBMITTED = "submitted"
    """Everything asked for is in; the longest clock rests, the review clock runs."""
    OVERDUE = "overdue"
    """The longest clock ran out: a person may terminate or lift. Nothing more happens by itself."""
    PROBATION = "probation"
    """Lifted, with less volume and lower thresholds for a while."""
    CLOSED = "closed"
    TERMINATED = "terminated"

    @property
    def is_over(self) -> bool:
        """Nothing can happen to it any more but an appeal."""
        return self in (Phase.CLOSED, Phase.TERMINATED)


class Decision(StrEnum):
    """What only a person does to a case; each carries actor and reason."""

    CONFIRM = "confirm"
    """Act on an UNDECIDED case: its step's sanction begins."""
    DISMISS = "dismiss"
    """There was no violation: everything ends and it counts towards no later step."""
    ACCEPT = "accept"
    """What was handed in is good: the sanction is lifted (or goes into probation)."""
    REJECT = "reject"
    """What was handed in is not good; the requirement named is open again."""
    MET = "met"
    """Staff note a requirement as met (told by telephone, an invoice that was paid)."""
    EXTEND = "extend"
    """A later deadline; never an earlier one."""
    LIFT = "lift"
    """End the sanction without its requirements."""
    BLOCK = "block"
    """Block although the step does not, at once."""
    PROPOSE_TERMINATION = "propose-termination"
    CONFIRM_TERMINATION = "confirm-termination"
    """By another person than who proposed it."""
    WITHDRAW_TERMINATION = "withdraw-termination"
    ISSUE_FEE = "issue-fee"
    WAIVE_FEE = "waive-fee"
    PAY_FEE = "pay-fee"
    BILL = "bill"
    """Minutes of clean-up work, at the preset's rate: a proposed fee."""
    STOP = "stop"
    """The next automatic action does not happen until `RESUME`."""
    RESUME = "resume"
    APPEAL = "appeal"
    """The tenant objects."""
    UPHOLD = "uphold"
    """The appeal is right: as DISMISS. Not by the sanction's author."""
    DENY = "deny"
    """The appeal is wrong: everything stands. Not by the sanction's author."""
    APPROVE = "approve"
    """A legal request: the first or second approval."""
    ANSWERED = "answered"
    """The tenant answered (a reply, an instruction carried out): silence is over."""
    REOPEN = "reopen"
    """Undo of an end within its minute, or staff's second thought: the phase before returns."""


class NoticeKind(StrEnum):
    """What a tenant is told about a case."""

    WARNING = "warning"
    """A third of a threshold is reached."""
    OPENED = "opened"
    """The first notice: facts, clause, what is blocked, what to do, until when, how to appeal."""
    REMINDER_HALF = "reminder-half"
    REMINDER_LATE = "reminder-late"
    """At half and at nine tenths of the longest clock."""
    SUSPENDED = "suspended"
    """Blocked now, because nobody answered in time."""
    BLOCKED = "blocked"
    """Blocked now by a person, after the first notice."""
    OVERDUE = "overdue"
    REJECTED = "rejected"
    EXTENDED = "extended"
    UNBLOCKED = "unblocked"
    FEE = "fee"
    TERMINATED = "terminated"
    APPEAL_DECIDED = "appeal-decided"
    REPORT = "report"
    """A complaint passed on, with the complaining address where the contract says so."""
