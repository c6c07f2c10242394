"""What may be in a message: structure, authors, the unsubscribe pair."""

from __future__ import annotations

import pytest

from gateway.words import StreamKind
from policies.from_alignment import FromAlignmentPolicy
from policies.message_sanity import MessageSanityPolicy
from policies.unsubscribe_required import UnsubscribeRequiredPolicy

FROM = "From: Acme <news@acme.example>"
OURS = "Received: from x ([192.0.2.1])\r\n\tby gw.example with ESMTPS id 1; now"
NEAR = "Received: from x by gw.example.org with ESMTP; now"
THEIRS = "Received: from x by other.example with ESMTP; now"
VERIFIED = {"kind": StreamKind.TRANSACTIONAL, "is_verified": True}


def tag(verdict):
    return verdict.reply.tag if verdict.reply else ""


@pytest.mark.parametrize(
    ("fields", "stream", "expected"),
    [
        ([FROM, "To: a@b.example", "Subject: x", "X-A: 1", "X-A: 2"], {}, ""),
        ([], {}, "BAD-MESSAGE"),
        (["To: a@b.example"], {}, "FROM-ALIGN"),
        ([FROM, FROM], {}, "FROM-ALIGN"),
        ([FROM, "Subject: a", "subject: b"], {}, "BAD-MESSAGE"),
        ([FROM, "Date: a", "Date: b"], {}, "BAD-MESSAGE"),
        ([FROM, "Message-ID: <a@b>", "Message-Id: <c@d>"], {}, "BAD-MESSAGE"),
        ([FROM, *[THEIRS] * 50], {}, ""),
        ([FROM, *[THEIRS] * 51], {}, "LOOP"),
        ([FROM, OURS, *[NEAR] * 3], {}, ""),
        ([FROM, OURS, THEIRS, OURS], {}, "LOOP"),
        ([FROM], VERIFIED, ""),
        ([FROM, "Precedence: first-class"], VERIFIED, ""),
        ([FROM, "Precedence: Bulk"], VERIFIED, "POLICY"),
        ([FROM, "List-Id: <a.example>"], VERIFIED, "POLICY"),
        ([FROM, "List-Id: <a.example>"], {"kind": StreamKind.TRANSACTIONAL}, ""),
    ],
)
def test_structure_loops_and_bulk_marks(world, fields, stream, expected):
    """RFC 5322's single fields, mail loops, and bulk mail where only contractual mail goes."""
    t, policy = world.transaction(**stream), MessageSanityPolicy("gw.example")
    assert tag(policy.at_message(t, *world.message(*fields))) == expected


def test_the_reply_names_the_field_that_is_there_twice(world):
    """The customer reads what to mend."""
    message = world.message(FROM, "Reply-To: a@b.example", "Reply-To: c@d.example")
    verdict = MessageSanityPolicy("gw.example").at_message(world.transaction(), *message)
    assert verdict.reply.text.startswith("There are several Reply-To fields")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([FROM], ""),
        (["From: news@ACME.example"], ""),
        (["From: a@x.acme.test", "Sender: b@acme.example"], ""),
        (["From: a@other.example"], "FROM-ALIGN"),
        ([FROM, "Sender: a@other.example"], "FROM-ALIGN"),
        ([FROM, "Resent-From: a@acme.example", "Resent-From: b@acme.example"], ""),
        ([FROM, "Resent-From: a@other.example"], "FROM-ALIGN"),
        ([FROM, "Resent-Sender: a@other.example"], "FROM-ALIGN"),
        ([FROM, "From: a@other.example"], "FROM-ALIGN"),
        (["From: a@acme.example, b@acme.example"], "FROM-ALIGN"),
        ([FROM, "Sender: a@acme.example", "Sender: b@acme.example"], "FROM-ALIGN"),
        (["From: a@acme.example <b@other.example>"], "FROM-ALIGN"),
        (["From: group: a@acme.example;"], "FROM-ALIGN"),
        (["To: a@b.example"], "FROM-ALIGN"),
    ],
)
@pytest.mark.parametrize("mail_from", ["news@acme.example", None])
def test_the_one_author_and_the_sender_belong_to_the_tenant(world, mail_from, fields, expected):
    """One From address, at most one Sender, both in registered domains, whatever MAIL FROM was."""
    t = world.transaction(mail_from, kind=StreamKind.TRANSACTIONAL)
    assert tag(FromAlignmentPolicy().at_message(t, *world.message(*fields))) == expected


LINK = "List-Unsubscribe: <https://acme.example/u/1>, <mailto:u@acme.example>"
POST = "List-Unsubscribe-Post: List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("fields", "stream", "expected"),
    [
        ([LINK, POST], {}, ""),
        ([], {}, "UNSUB-REQUIRED"),
        ([LINK], {}, "UNSUB-REQUIRED"),
        ([POST], {}, "UNSUB-REQUIRED"),
        ([LINK, LINK, POST], {}, "UNSUB-REQUIRED"),
        (["List-Unsubscribe: <https://evil.example/>", POST], {}, "UNSUB-REQUIRED"),
        (["List-Unsubscribe: <mailto:u@acme.example>", POST], {}, "UNSUB-REQUIRED"),
        ([], {"stamps_unsubscribe": True}, ""),
        ([], {"kind": StreamKind.INQUIRY}, ""),
    ],
)
def test_a_list_that_brings_its_own_pair_must_bring_a_working_one(world, fields, stream, expected):
    """Where the gateway does not stamp the pair, one on a registered host is required."""
    t = world.transaction(**{"stamps_unsubscribe": False, **stream})
    verdict = UnsubscribeRequiredPolicy().at_message(t, *world.message(FROM, *fields))
    assert tag(verdict) == expected
