"""Who lifts what on the desk follows the suppression table, and protections need a lead."""

from __future__ import annotations

import pytest

from gateway.records.suppressions import Entry
from gateway.web.desk.entry_acts import capacity
from gateway.words import Role
from suppression.precedence import RULES, Lifter
from suppression.standing import Reason


def entry(reason: Reason, setter: str = "operator", lifted_at: int | None = None) -> Entry:
    """An entry in force, or lifted."""
    return Entry(
        id=1,
        key=bytes(16),
        reason=reason,
        stops=RULES[reason].stops,
        scope="acme",
        is_disclosable=True,
        address="",
        setter=setter,
        source="test",
        created_at=1,
        ends_at=None,
        lifted_at=lifted_at,
        lifted_by=None,
        lifted_reason=None,
    )


@pytest.mark.parametrize("reason", list(Reason))
def test_nobody_lifts_what_the_table_leaves_to_others(reason: Reason) -> None:
    """A capacity is one that the table names for the reason; an auditor has none, ever."""
    for role in Role:
        by = capacity(entry(reason), role)
        if role is Role.AUDITOR:
            assert by is None
        elif by is not None:
            assert by in RULES[reason].lifters or reason is Reason.MANUAL
        assert capacity(entry(reason, lifted_at=5), role) is None


def test_protections_and_robinson_lists_need_a_lead() -> None:
    """Abuse staff lift complaints and what the operator set by hand, no more."""
    lifted = {role: {r for r in Reason if capacity(entry(r), role)} for role in Role}
    assert lifted[Role.ABUSE] == {Reason.COMPLAINT, Reason.MANUAL}
    assert lifted[Role.LEAD] == lifted[Role.ABUSE] | {Reason.PROTECTED, Reason.ROBINSON}
    assert lifted[Role.OPERATOR] == lifted[Role.LEAD]
    assert capacity(entry(Reason.ROBINSON), Role.LEAD) is Lifter.LIST_OWNER


@pytest.mark.parametrize("setter", ["tenant", "subject", "recipient"])
def test_what_others_set_by_hand_only_they_lift(setter: str) -> None:
    """A tenant's own entry and a person's restriction are not the operator's to end here."""
    assert all(capacity(entry(Reason.MANUAL, setter), role) is None for role in Role)
