"""What is to become a suppression, and whether the suppression table allows it.

`check` gives the code of an entry (`gateway.records.codes`), `key_of` the key that it stands under;
both take an address, a whole domain, a row of a hashed list, or a key. Raises `Refused` with what
is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import ConsentryError
from gateway.records.codes import encode
from gateway.words import Address
from suppression.hashes import Digest, HashKind, entry_key
from suppression.keys import Keyring
from suppression.precedence import RULES, Lifter, width
from suppression.standing import Reason, Stops


class Refused(ConsentryError):
    """The suppression table does not allow this; the text says what it does allow."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be made. `stops` and `ends_at` may be given for `manual` only.

    `scope` is `*`, `tenant` or `tenant/stream`; `setter` in what capacity it is set, which decides
    who may lift a manual entry; `actor` who does it, for the audit trail, the setter by default;
    `why` what the audit trail says besides, never the free words of a recipient.
    """

    reason: Reason
    scope: str
    setter: str
    source: str
    stops: Stops | None = None
    ends_at: float | None = None
    is_disclosable: bool = True
    actor: str = ""
    why: str = ""

    @property
    def audited(self) -> str:
        """Who the audit trail names."""
        return self.actor or self.setter

    @property
    def is_told(self) -> bool:
        """Whether the tenant may hear of it: about its own mail, disclosable, not by itself."""
        return self.scope != "*" and self.is_disclosable and self.setter != Lifter.TENANT


def check(
    draft: Draft, target: Address | str | bytes | Digest, hashed: HashKind | None = None
) -> int:
    """The code of a draft for an address, a domain, a digest or a key; raises Refused.

    `hashed` says that a key is of a hashed list.
    """
    if isinstance(target, Digest):
        hashed = target.kind
    rule = RULES[draft.reason]
    if width(draft.scope) not in rule.widths:
        allowed = ", ".join(sorted(rule.widths))
        raise Refused(f"{draft.reason} has the scope {allowed}, not {draft.scope}")
    if draft.reason is not Reason.MANUAL:
        if draft.stops is not None or draft.ends_at is not None:
            raise Refused(f"what {draft.reason} stops, and until when, is fixed")
        is_domain = isinstance(target, str) or (hashed is not None and hashed.is_domain)
        if is_domain and draft.reason is not Reason.PROTECTED:
            which = f"the domain {target}" if isinstance(target, str) else "a whole domain"
            raise Refused(f"{draft.reason} is about one address, not {which}")
    return encode(draft.reason, draft.stops or rule.stops, draft.is_disclosable, hashed)


def key_of(keyring: Keyring, reason: Reason, target: Address | str | bytes | Digest) -> bytes:
    """The key that an entry of this reason stands under."""
    if isinstance(target, bytes):
        return target
    if isinstance(target, Digest):
        return entry_key(keyring, target, RULES[reason].is_loose)
    if isinstance(target, str):
        return keyring.domain_key(target)
    if RULES[reason].is_loose:
        return keyring.loose_key(target)
    return keyring.exact_key(target)
