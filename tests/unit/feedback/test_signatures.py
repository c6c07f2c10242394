"""Who counts as having signed a report: listed, aligned, over all of it, and the DNS says so."""

from __future__ import annotations

from functools import cache

import pytest

from gateway.feedback.signatures import KEPT_SECONDS, Keys, read_signed, signed_by
from gateway.message.body import RelaxedBodyHash
from gateway.message.dkim import Signer, sign
from gateway.message.dkim_keys import KeyKind, dns_record, load_key, new_key
from gateway.sender_dns.lookups import Unanswered
from tests.e2e.returned_mail import narrowly_signed

NOW = 1_800_000_000.0
LOOP = "loops.isp.test"
LISTED = frozenset({LOOP, "other.test"})
BODY = b"a report\r\n"
SUBJECT = b"Subject: complaint\r\n"


@cache
def pem() -> bytes:
    """One key for all domains."""
    return new_key(KeyKind.ED25519)


class Dns:
    """Answers for selector `s1` of every domain but those in `silent`; notes what was asked."""

    def __init__(self, *silent: str) -> None:
        self.silent = silent
        self.asked: list[str] = []

    async def texts(self, name: str) -> list[str]:
        """The key, or none, or no answer."""
        self.asked.append(name)
        if name.endswith(self.silent):
            raise Unanswered(name)
        return [dns_record(pem()).strip('"')] if name.startswith("s1.") else []


def mail(
    domain: str = LOOP,
    sender: str = "",
    selector: str = "s1",
    head: bytes = SUBJECT,
    body: bytes = BODY,
) -> bytes:
    """A mail that `domain` has signed."""
    header = b"From: Loop <fbl@%b>\r\n%b" % ((sender or domain).encode(), head)
    hashed = RelaxedBodyHash()
    hashed.add(body)
    signer = Signer(domain, selector, load_key(pem()))
    return sign([signer], header, hashed.digest(), NOW) + header + b"\r\n" + body


async def source_of(octets: bytes, dns: Dns | None = None) -> str:
    """The listed domain that signed it."""
    keys = Keys()
    found = await signed_by(read_signed(octets, LISTED, keys, NOW), dns or Dns(), keys, NOW)
    return found.domain if found else ""


@pytest.mark.parametrize("sender", [LOOP, f"mail.{LOOP}", LOOP.upper()])
async def test_a_listed_domain_signs_for_itself_and_what_is_under_it(sender: str) -> None:
    """Its own From domain or a parent of that."""
    assert await source_of(mail(sender=sender)) == LOOP


@pytest.mark.parametrize(
    "octets",
    [
        mail("stranger.test"),
        mail(sender="isp.test"),
        mail(sender=f"x{LOOP}"),
        mail(sender="other.test"),
        b"From: fbl@%b\r\n%b\r\n%b" % (LOOP.encode(), SUBJECT, BODY),
        mail().replace(b"subject:", b"x-subject:"),
        b"From: a@b.test\r\n" + mail(),
        b"Subject: another\r\nSubject: and another\r\n" + mail(),
        mail() + b"more\r\n",
        mail(body=b"a\r\n").replace(b"\r\n\r\na\r\n", b"\r\n\r\na\n"),
        mail(selector="gone"),
    ],
)
async def test_nobody_else_counts(octets: bytes) -> None:
    """Not listed, not the author's, unsigned, Subject uncovered or added, changed, key gone."""
    assert not await source_of(octets)


def narrow(head: bytes, body: bytes) -> bytes:
    """A mail of the loop with no more signed than must be."""
    octets = b"From: fbl@%b\r\n%b\r\n%b" % (LOOP.encode(), head, body)
    return narrowly_signed(octets, Signer(LOOP, "s1", load_key(pem())))


TYPED = SUBJECT + b'Content-Type: multipart/report; boundary="b1"\r\n'
PARTS = b"A report.\r\n--b1\r\n\r\ntext\r\n--evil\r\n\r\nmore\r\n--b1--\r\n"


async def test_whoever_has_a_signed_report_gives_it_no_other_meaning() -> None:
    """A Content-Type that is not signed may name no boundary but the first that stands there, or a
    mail that the report gives back, which anybody may have written, would become the report."""
    signed = narrow(TYPED, PARTS)
    assert await source_of(signed) == LOOP
    for changed in (b"multipart/report; boundary=evil", b"message/feedback-report", b"text/plain"):
        forged = signed.replace(b'multipart/report; boundary="b1"', changed)
        assert forged != signed
        assert not await source_of(forged)
    assert not await source_of(narrow(TYPED, BODY))
    assert await source_of(mail(head=TYPED)) == LOOP


async def test_a_token_in_the_reports_own_header_is_signed_or_nobody_has_signed_it() -> None:
    """Else anybody could add theirs to a report about something else."""
    plain = narrow(SUBJECT, PARTS)
    token = b"CFBL-Feedback-ID: " + b"a" * 52 + b"\r\n"
    assert await source_of(plain) == LOOP
    assert not await source_of(token + plain)


async def test_strangers_cause_no_question_to_the_dns() -> None:
    """Neither with a domain that is not listed nor with a listed one that is not the author's."""
    dns = Dns()
    assert not await source_of(mail("stranger.test"), dns)
    assert not await source_of(mail("other.test", sender="stranger.test"), dns)
    assert dns.asked == []
    many = mail().split(b"From:")[0].replace(b"s=s1", b"s=gone") * 20 + mail(selector="gone")
    assert not await source_of(many, dns)
    assert len(dns.asked) == 3


async def test_a_dns_that_cannot_answer_is_not_an_answer() -> None:
    """Unless another signature of it is valid."""
    with pytest.raises(Unanswered):
        await source_of(mail(), Dns(LOOP))
    broken = mail(selector="s2").split(b"From:")[0]
    both = broken + mail()
    assert await source_of(both, Dns(f"s2._domainkey.{LOOP}")) == LOOP


async def test_without_sources_nothing_is_looked_at() -> None:
    """The operator lists none."""
    assert read_signed(mail(), frozenset(), Keys(), NOW).signatures == ()


async def test_a_key_is_asked_for_once_a_minute() -> None:
    """And what it did not sign is asked about anew: the key may be another one by now."""
    dns, keys = Dns(), Keys()
    for at, asked in ((NOW, 1), (NOW + 1, 1), (NOW + KEPT_SECONDS, 2)):
        signed = read_signed(mail(), LISTED, keys, at)
        assert (found := await signed_by(signed, dns, keys, at)) is not None
        assert found.domain == LOOP
        assert len(dns.asked) == asked
    forged = read_signed(mail() + b"more\r\n", LISTED, keys, NOW + KEPT_SECONDS)
    assert not await signed_by(forged, dns, keys, NOW + KEPT_SECONDS)
    assert len(dns.asked) == 3
