"""Stamping: what is added, what is removed, and that no other octet changes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import stamp as stamping
from gateway.message.header import HeaderView
from gateway.message.stamp import StampPlan, message_id_of, stamp
from gateway.message.trace_fields import TRACE_FIELDS

PLAN = StampPlan(
    hostname="mx.b.org",
    helo="app.a.org",
    client="192.0.2.1",
    protocol="ESMTPSA",
    ref="r1",
    now=0,
    tenant="acme",
    stream="weekly",
    mailing="m1",
    mailing_token="tok",
)
LIST_PLAN = dataclasses.replace(
    PLAN, is_list=True, stamps_unsubscribe=True, unsubscribe_hosts=frozenset({"u.a.org"})
)
OURS = (b"list-unsubscribe", b"list-unsubscribe-post", b"consentry-trace")
PAIR = (
    b"List-Unsubscribe: <https://u.a.org/1>\r\n",
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
)

KEPT = [
    b"From: a@a.org\r\n",
    b"To: b@b.org,\r\n \t c@c.org\r\n",
    b"subject:  caf\xe9 \r\n",
    b"Received: from x\r\n\tby y\r\n",
    b"X-Other:\r\n",
    b"BccX: kept\r\n",
    b"DATE: today\r\n",
    b"message-id: <1@a.org>\r\n",
    b"LIST-ID: <x.a.org>\r\n",
]
REMOVED = [
    b"Bcc: secret@a.org,\r\n more@a.org\r\n",
    b"RESENT-BCC: secret@a.org\r\n",
    b"X-Consentry-Anything: 1\r\n",
    b"x-consentry-: 1\r\n",
    b"Feedback-ID: mine\r\n",
    b"CONSENTRY-trace: mine\r\n",
    b"cfbl-address: fbl@a.org;\r\n report=arf\r\n",
    b"CFBL-Feedback-ID: mine\r\n",
    b"List-Unsubscribe: <mailto:u@a.org>\r\n",
]


@given(st.lists(st.sampled_from(KEPT + REMOVED), max_size=25))
def test_no_other_octet_changes(raws: list[bytes]) -> None:
    """What stays is octet for octet, in order, below what we add; the rest is gone."""
    stamped = stamp(HeaderView.parse(b"".join(raws)), LIST_PLAN)
    kept = [raw for raw in raws if raw in KEPT]
    octets = stamped.shared.octets
    top = len(octets) - len(b"".join(kept))
    assert octets[top:] == b"".join(kept)
    expected = [b"received", b"date", b"message-id", b"feedback-id", b"list-id"]
    present = {raw.partition(b":")[0].lower() for raw in kept} - {b"received"}
    added = HeaderView.parse(octets[:top])
    assert [field.name for field in added.fields] == [n for n in expected if n not in present]
    assert stamped.shared.fields == HeaderView.parse(octets).fields


def test_the_message_id_that_copies_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is the one that is stamped, and is made for a message without one only."""
    bare = HeaderView.parse(b"From: a@a.org\r\n")
    ours = stamp(bare, PLAN).shared.first(b"message-id")
    assert ours is not None
    assert message_id_of(bare, PLAN.ref, PLAN.hostname) == ours.value == b"<r1@mx.b.org>"

    def not_needed(ref: str, hostname: str) -> bytes:
        raise AssertionError("made for nothing")

    monkeypatch.setattr(stamping, "_own_message_id", not_needed)
    named = HeaderView.parse(b"message-ID: <1@a.org>\r\n")
    assert message_id_of(named, PLAN.ref, PLAN.hostname) == b"<1@a.org>"


def test_adds_what_is_missing() -> None:
    """A bare message gets every field of ours; recipients are in none of them."""
    stamped = stamp(HeaderView.parse(b"From: a@a.org\r\n"), LIST_PLAN)
    assert stamped.shared.octets == (
        b"Received: from app.a.org ([192.0.2.1])\r\n"
        b"\tby mx.b.org with ESMTPSA id r1;\r\n"
        b"\tThu, 01 Jan 1970 00:00:00 +0000\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
        b"Message-ID: <r1@mx.b.org>\r\n"
        b"Feedback-ID: m1.tok:weekly:acme:consentry\r\n"
        b"List-Id: <weekly.acme.mx.b.org>\r\n"
        b"From: a@a.org\r\n"
    )
    assert stamped.own == OURS


@pytest.mark.parametrize("plan", [PLAN, LIST_PLAN])
@pytest.mark.parametrize(
    "link",
    [
        b"<https://u.a.org/u/%b>" % (b"a2" * 26),
        b"<https://u.a.org/U/%b ?x=1>" % (b"A2" * 26),
        b"<https://u.a.org/x>,\r\n <mailto:u+%b\r\n %b@a.org>" % (b"a2" * 20, b"a2" * 6),
        b"<https://u.a.org/x>, <MAILTO:unsubscribe+%b@a.org>" % (b"a2" * 26),
    ],
)
def test_no_pair_stays_that_would_be_read_as_ours(plan: StampPlan, link: bytes) -> None:
    """Nobody can have what comes back doubted by a text in a token's place, on any stream."""
    stamped = stamp(HeaderView.parse(b"List-Unsubscribe: " + link + b"\r\n" + PAIR[1]), plan)
    assert b"list-unsubscribe" not in stamped.shared
    assert stamped.own == (OURS if plan is LIST_PLAN else ())


@pytest.mark.parametrize("name", [*TRACE_FIELDS, b"return-path"])
def test_marks_of_others_are_removed(name: bytes) -> None:
    """What a customer's mail brings under the names of ours never leaves, in any case or twice."""
    theirs = name.upper() + b": theirs,\r\n folded\r\n" + name + b": theirs\r\n"
    assert b"theirs" not in stamp(HeaderView.parse(theirs), PLAN).shared.octets


@pytest.mark.parametrize("is_single", [False, True])
@pytest.mark.parametrize("domain", ["", "fbl.example"])
def test_where_reports_are_asked_for(domain: str, is_single: bool) -> None:
    """CFBL-Address stands in every copy where there is a domain for reports; only copies with one
    recipient name them, in fields of their own."""
    plan = dataclasses.replace(PLAN, feedback_domain=domain, is_single=is_single)
    stamped = stamp(HeaderView.parse(b"From: a@a.org\r\n"), plan)
    asked = [field.raw for field in stamped.shared.all(b"cfbl-address")]
    assert asked == ([b"CFBL-Address: fbl@fbl.example; report=arf\r\n"] if domain else [])
    own = (b"consentry-trace", b"cfbl-feedback-id") if domain else (b"consentry-trace",)
    assert stamped.own == (own if is_single else ())


def test_own_pair_kept_only_when_valid_and_registered() -> None:
    """A tenant's pair that leads to its host stays; any other is replaced, or left by the plan."""
    own = HeaderView.parse(b"From: a@a.org\r\n" + b"".join(PAIR))
    kept = stamp(own, LIST_PLAN)
    assert kept.own == ()
    assert kept.shared.octets.endswith(own.octets)
    replaced = stamp(own, dataclasses.replace(LIST_PLAN, unsubscribe_hosts=frozenset()))
    assert replaced.own == OURS
    assert b"list-unsubscribe" not in replaced.shared
    assert b"list-unsubscribe-post" not in replaced.shared
    left = stamp(own, PLAN)
    assert left.own == ()
    assert left.shared.octets.endswith(own.octets)
    assert b"list-id" not in left.shared


@pytest.mark.parametrize(
    "change",
    [
        {"mailing": "m1\r\nBcc: x"},
        {"stream": "a:b"},
        {"tenant": "a b"},
        {"tenant": "ä"},
        {"ref": "\x00"},
        {"hostname": "mx b"},
        {"mailing_token": "t\r\n"},
        {"feedback_domain": "f.example; report=xarf"},
    ],
)
def test_plan_cannot_break_out(change: dict[str, str]) -> None:
    """Names that would end or corrupt a field never get into one."""
    with pytest.raises(ValueError, match="stamp"):
        dataclasses.replace(PLAN, **change)
