"""Who may be mailed: suppression and consent."""

from __future__ import annotations

import pytest

from gateway.words import StreamKind
from policies.consent import ConsentPolicy
from policies.suppression import REPLIES, SuppressionPolicy
from suppression.standing import Match, Reason, Stops


def tag(verdict):
    return verdict.reply.tag if verdict.reply else ""


def match(reason, stops=Stops.EVERYTHING, **more):
    return Match(1, reason, stops, "acme", **more)


@pytest.mark.parametrize(
    ("matches", "stream", "expected"),
    [
        ([], {}, ""),
        ([match(Reason.PROTECTED)], {}, "PROTECTED"),
        ([match(Reason.ERASURE)], {}, "UNSUB"),
        ([match(Reason.OBJECTION)], {}, "UNSUB"),
        ([match(Reason.COMPLAINT)], {}, "COMPLAINT"),
        ([match(Reason.UNSUBSCRIBE)], {}, "UNSUB"),
        ([match(Reason.HARD_BOUNCE)], {}, "BOUNCED"),
        ([match(Reason.SOFT_BOUNCE)], {}, "BOUNCED"),
        ([match(Reason.ROBINSON)], {}, "UNSUB"),
        ([match(Reason.MANUAL)], {}, "POLICY"),
        ([match(Reason.UNSUBSCRIBE), match(Reason.PROTECTED)], {}, "PROTECTED"),
        ([match(Reason.PROTECTED, is_disclosable=False)], {}, "POLICY"),
        (
            [match(Reason.PROTECTED, is_disclosable=False), match(Reason.UNSUBSCRIBE)],
            {},
            "UNSUB",
        ),
        (
            [match(Reason.UNSUBSCRIBE, Stops.MARKETING)],
            {"kind": StreamKind.TRANSACTIONAL},
            "",
        ),
    ],
)
def test_the_highest_disclosable_reason_that_stops_the_stream_gives_the_tag(
    world, matches, stream, expected
):
    """Every reason has its tag, what must not be disclosed is [POLICY], other mail passes."""
    group = world.recipients(2, matches=tuple(matches))
    verdicts = SuppressionPolicy().at_rcpt(world.transaction(**stream), group)
    assert [tag(verdict) for verdict in verdicts] == [expected] * 2


def test_every_reason_has_a_permanent_reply():
    """No reason is forgotten, and none is answered with a 4xx."""
    assert set(REPLIES) == set(Reason)
    assert all(reply.is_permanent for reply in REPLIES.values())


@pytest.mark.parametrize(
    ("required", "has", "attested", "expected"),
    [
        (0, 0, True, ""),
        (1, 1, True, ""),
        (3, 2, True, "NO-OPTIN"),
        (1, 0, True, "NO-OPTIN"),
        (1, 0, False, ""),
        (2, 1, False, "NO-OPTIN"),
        (3, 2, False, "NO-OPTIN"),
        (4, 3, False, "NO-OPTIN"),
        (4, 4, False, ""),
    ],
)
def test_consent_of_the_streams_level_is_needed_once_the_tenant_attested(
    world, required, has, attested, expected
):
    """Less than the level is [NO-OPTIN]; level 1 is only reported before the first attestation."""
    group = world.recipients(1, consent=has, has_attested=attested)
    (verdict,) = ConsentPolicy().at_rcpt(world.transaction(consent_level=required), group)
    assert tag(verdict) == expected
    if has < required:
        assert verdict.inputs["required"] == required
