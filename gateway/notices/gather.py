"""Gathers what one notice says from the records as they are now, and from who is told.

`draft` takes a notice on record and gives the `Draft` to compose. What a case looks like counts
when it is told: a first notice names all facts that have folded into its case until then. Reads
only; LookupError for a case or policy that is not on record.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from gateway.config.load import Loaded
from gateway.config.signers import signers_of_keys
from gateway.message.dkim import Signer
from gateway.notices.letter import Draft
from gateway.notices.words import LANGUAGES
from gateway.records.blocks import ALL_DOMAINS, case_id, list_blocks
from gateway.records.case_rules import Contact, Rules
from gateway.records.case_view import find_case
from gateway.records.database import Connection
from gateway.records.notice_facts import particulars
from gateway.records.notices import Notice
from gateway.records.policy_versions import preset_of
from gateway.records.streams import find_number
from gateway.relay.configured import configured_hops
from gateway.relay.settings import NextHopSettings
from policies.sanctions.case import Case
from policies.sanctions.ladder import Step
from policies.sanctions.words import NoticeKind, Phase
from suppression.case_links import case_link
from suppression.tokens import Purpose, Tokens

NAMING = (NoticeKind.OPENED, NoticeKind.REPORT)
"""Notices that name who complained, where the preset passes that on."""
REPLY = "case"
"""Local part of the address that answers go to, before `+` and the token."""


@dataclass(frozen=True, slots=True)
class House:
    """What one configuration says of notices. `domain` is where answers arrive, or ""."""

    hostname: str
    sender: str
    sender_name: str
    domain: str
    signers: tuple[Signer, ...]
    hops: tuple[NextHopSettings, ...]
    rules: Rules
    tokens: Tokens

    @classmethod
    def of(cls, loaded: Loaded, rules: Rules) -> House:
        """Raises ConfigurationError for keys or passwords that cannot be read."""
        config = loaded.config
        sender = config.notices.sender_of(config.hostname)
        domain = sender.rpartition("@")[2]
        return cls(
            config.hostname,
            sender,
            config.notices.name,
            config.notices.domain or "",
            signers_of_keys(domain, config.notices.dkim),
            configured_hops(config),
            rules,
            Tokens(rules.keyring),
        )

    def contact(self, notice: Notice) -> Contact | None:
        """Whom a notice goes to: the first contact who has not refused it."""
        contacts = self.rules.of(notice.tenant).contacts
        refused = int(notice.extra.get("refused_by", 0))
        return contacts[min(refused, len(contacts) - 1)] if contacts else None


def draft(
    connection: Connection, house: House, notice: Notice, contact: Contact, now: float
) -> Draft:
    """What the notice says now, to this contact."""
    stored = find_case(connection, notice.case)
    if stored is None:
        raise LookupError(f"there is no case {case_id(notice.case)}")
    case = stored.case
    preset = preset_of(connection, house.rules, case.tenant, case.policy)
    ladder = preset.ladder(case.ladder)
    step = next(step for step in ladder.steps if step.name == case.step)
    language = contact.language if contact.language in LANGUAGES else LANGUAGES[0]
    told = particulars(
        connection,
        house.rules.keyring,
        case.id,
        with_addresses=preset.passes_complainer_on and notice.kind in NAMING,
    )
    number = find_number(connection, case.tenant)
    reply_to, link = house.sender, ""
    if number is not None:
        if house.domain:
            token = house.tokens.make(Purpose.REPLY, number, stored.tracking)
            reply_to = f"{REPLY}+{token}@{house.domain}"
        if house.rules.link:
            link = case_link(house.rules.link, house.tokens, number, stored.tracking)
    own_id = notice.message_id or f"<{os.urandom(12).hex()}.notice@{house.hostname}>"
    is_free = case.phase is Phase.PROBATION and notice.kind is NoticeKind.UNBLOCKED
    return Draft(
        kind=notice.kind,
        language=language,
        message_id=own_id,
        sender=house.sender,
        sender_name=house.sender_name,
        recipient=contact.email,
        reply_to=reply_to,
        return_path=reply_to,
        at=int(now),
        zone=house.rules.zone,
        case=stored.id,
        tenant=house.rules.of(case.tenant).shown_name or case.tenant,
        title=ladder.title.get(language) or next(iter(ladder.title.values()), ladder.name),
        preset=preset.title,
        clause=step.clause,
        clause_text=preset.clauses.get(step.clause, {}).get(language, ""),
        blocked=_blocked(connection, case.tenant),
        facts=told.seen,
        mailing=case.mailing,
        refs=told.refs,
        more_refs=told.more_refs,
        addresses=told.addresses,
        more_addresses=told.more_addresses,
        requirements=case.requirements,
        fees=case.fees,
        link=link,
        deadline=_deadline(case, step, now),
        then=step.then.value,
        review=case.review_due_at if case.phase is Phase.SUBMITTED else None,
        probation=case.probation_until if is_free else None,
        appeal_seconds=preset.appeal,
        is_over=case.phase.is_over or notice.kind is NoticeKind.UNBLOCKED,
        reason=str(notice.extra.get("reason", "")),
        requirement=str(notice.extra.get("requirement", "")),
        upheld=bool(notice.extra.get("upheld", False)),
        thread=tuple(one for one in told.thread if one != own_id),
    )


def _deadline(case: Case, step: Step, now: float) -> float | None:
    """When the longest clock runs out. Before the first notice has gone out it has not begun: it
    will run from then, so that what is promised here is never later than what is kept."""
    if case.due_at is not None or case.notified_at is not None:
        return case.due_at
    if case.until is not None:
        return case.until
    return None if step.deadline is None else now + step.deadline


def _blocked(connection: Connection, tenant: str) -> tuple[str, ...]:
    """Every domain of the tenant that is blocked, whichever case did it."""
    domains = {block.domain for block in list_blocks(connection, tenant)}
    return tuple(sorted(domains - {ALL_DOMAINS})) or tuple(domains)
