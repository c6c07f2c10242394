"""Which recipients are ours: the mailboxes of mail that comes back, and the tokens in their names.

Takes a recipient as the client wrote it, gives a `Mailbox`, or None for every other: a stranger, a
forged token and a token of another kind are told apart by nobody. Local parts and domains are read
without case. Asks no store, raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.config.model import GatewayConfig
from suppression.tokens import Purpose, Token, Tokens


class Kind(StrEnum):
    """What a mailbox takes."""

    REPORTS = "fbl"
    ABUSE = "abuse"
    BOUNCES = "bounce"
    UNSUBSCRIBE = "u"
    REPLIES = "case"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One of ours. `address` as it was written; `token` for those that are somebody's own."""

    kind: Kind
    address: str
    token: Token | None = None


_PLAIN = {kind.value: kind for kind in (Kind.REPORTS, Kind.ABUSE)}
_OWN = {
    "bounce": (Kind.BOUNCES, Purpose.RETURN_PATH),
    "u": (Kind.UNSUBSCRIBE, Purpose.UNSUBSCRIBE),
    "unsubscribe": (Kind.UNSUBSCRIBE, Purpose.UNSUBSCRIBE),
}
"""By the local part before the `+`; `unsubscribe` is what mail of earlier versions says."""


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Those of one configuration; domains in lower case, "" where there is none."""

    tokens: Tokens
    feedback: str
    mailto: str
    notices: str

    @classmethod
    def of(cls, config: GatewayConfig, tokens: Tokens) -> Mailboxes:
        """As the configuration says."""
        feedback = config.feedback.domain if config.feedback else None
        return cls(
            tokens,
            (feedback or "").lower(),
            (config.web.mailto_domain or "").lower(),
            (config.notices.domain or "").lower(),
        )

    def find(self, recipient: str) -> Mailbox | None:
        """The mailbox with this address (`local@domain`)."""
        local, _, domain = recipient.rpartition("@")
        domain = domain.lower().rstrip(".")
        prefix, plus, text = local.lower().partition("+")
        if not domain:
            return None
        if prefix == Kind.REPLIES and domain == self.notices:
            return self._own(Kind.REPLIES, Purpose.REPLY, text, recipient)
        if not plus and domain == self.feedback and prefix in _PLAIN:
            return Mailbox(_PLAIN[prefix], recipient)
        if prefix not in _OWN:
            return None
        kind, purpose = _OWN[prefix]
        places = (self.feedback,) if kind is Kind.BOUNCES else (self.feedback, self.mailto)
        return self._own(kind, purpose, text, recipient) if domain in places else None

    def _own(self, kind: Kind, purpose: Purpose, text: str, recipient: str) -> Mailbox | None:
        token = self.tokens.read(purpose, text)
        return None if token is None else Mailbox(kind, recipient, token)
