"""Complaints as five kinds of provider write them, about a copy that really went out.

Each shape takes a name for its Message-ID, the header section of the copy as it lay in the mailbox
(LF), and whose it is; it gives the mail's octets. `signed` is dkimpy's, not the gateway's own.
`flip`, `without_tokens` and `replace_trace` give a header section as forgers and strangers have it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.returned_mail import DOMAIN

Shape = Callable[[str, str, str], bytes]
LISTED = "loops.isp.test"
"""The domain that signs, as an operator lists it."""
SELECTOR = "s1"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_PEM = _KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.NoEncryption(),
)
_PUBLIC = _KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
RECORD = f"v=DKIM1; k=rsa; p={base64.b64encode(_PUBLIC).decode()}"
"""What the DNS has at `SELECTOR._domainkey.LISTED`."""


def signed(octets: bytes, domain: str = LISTED) -> bytes:
    """The mail with a DKIM signature of `domain` under the key above."""
    covered = [b"from", b"to", b"subject", b"message-id"]
    signature: bytes = dkim.sign(
        octets, SELECTOR.encode(), domain.encode(), _PEM, include_headers=covered
    )
    return signature + octets


def full(name: str, header: str, recipient: str) -> bytes:
    """ARF with everything in it, as loops that work by DKIM domain send it."""
    fields = (
        "Feedback-Type: abuse\nUser-Agent: Mail-Feedback/2.0\nVersion: 0.1\n"
        f"Original-Mail-From: <news@acme.test>\nOriginal-Rcpt-To: {recipient}\n"
        "Received-Date: Thu, 5 Nov 2026 08:12:50 GMT\nReported-Domain: acme.test\n"
        "Authentication-Results: mx.isp.test; dkim=pass (ok)\n header.i=@acme.test\n"
    )
    return _arf(name, f'"Mail Feedback" <feedback@{LISTED}>', fields, "message/rfc822", header)


def sparse(name: str, header: str, _recipient: str) -> bytes:
    """ARF with the three fields that RFC 5965 asks for, and header fields of the mail only."""
    fields = "Feedback-Type: abuse\nUser-Agent: ExampleLoop/2.1\nVersion: 1\n"
    return _arf(name, "loop@mailbox.test", fields, "text/rfc822-headers", header)


def outlook(name: str, header: str, recipient: str) -> bytes:
    """No report at all: the mail itself, attached."""
    return _crlf(
        f"From: <staff@hotmail.com>\nTo: fbl@{DOMAIN}\n"
        f"Subject: complaint about message from 192.0.2.25\nMessage-ID: <{name}@hotmail.test>\n"
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
        "--b\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\n"
        f"X-HmXmrOriginalRecipient: {recipient}\n{header}\n\nHello.\n\n--b--\n"
    )


def redacted(name: str, header: str, recipient: str) -> bytes:
    """ARF that names the recipient nowhere."""
    fields = (
        "Feedback-Type: abuse\nUser-Agent: ExampleFBL/1.0\nVersion: 0.1\n"
        f"Original-Mail-From: news@acme.test\nOriginal-Rcpt-To: {name}@redacted.invalid\n"
        "Source-IP: 192.0.2.25\nAbuse-Type: complaint\n"
    )
    hidden = header.replace(recipient, f"{name}@redacted.invalid")
    return _arf(name, "fbl@cable.test", fields, "message/rfc822", hidden)


def xarf(name: str, header: str, recipient: str) -> bytes:
    """XARF 4: JSON in base64 with the mail in it, once more in base64."""
    evidence = base64.b64encode(_crlf(f"{header}\n\nHello.\n")).decode()
    whose = {"org": "Traps", "contact": "reports@traps.test", "domain": "traps.test"}
    told = {
        "xarf_version": "4.0.0",
        "report_id": name,
        "timestamp": "2026-11-05T08:12:44Z",
        "reporter": whose,
        "sender": whose,
        "source_identifier": "192.0.2.25",
        "category": "messaging",
        "type": "spam",
        "protocol": "smtp",
        "smtp_from": "news@acme.test",
        "smtp_to": recipient,
        "evidence": [{"content_type": "message/rfc822", "payload": evidence}],
    }
    content = base64.encodebytes(json.dumps(told).encode()).decode()
    return _crlf(
        f"From: reports@traps.test\nTo: fbl@{DOMAIN}\nSubject: Report {name}\n"
        f"Message-ID: <{name}@traps.test>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nUnwanted mail; the report is attached.\n\n"
        "--b\nContent-Type: application/json; name=xarf.json\n"
        f"Content-Transfer-Encoding: base64\n\n{content}\n--b--\n"
    )


UNSIGNED: tuple[Shape, ...] = (sparse, outlook, redacted, xarf)


def flip(header: str) -> str:
    """With one letter of every token changed."""

    def flipped(token: re.Match[str]) -> str:
        return token[0][:30] + ("b" if token[0][30] == "a" else "a") + token[0][31:]

    return re.sub(r"[a-z2-7]{52}", flipped, header)


def without_tokens(header: str) -> str:
    """As a provider gives it back that keeps none of our fields."""
    ours = "Return-Path|Feedback-ID|Consentry-Trace|CFBL-[-A-Za-z]+|List-Unsubscribe"
    return re.sub(rf"^(?:{ours}):.*\n(?:[ \t].*\n)*", "", header + "\n", flags=re.M).rstrip("\n")


def replace_trace(header: str, token: str) -> str:
    """With another Consentry-Trace."""
    return re.sub(r"(?m)^Consentry-Trace: .*$", f"Consentry-Trace: {token}", header)


def _arf(name: str, sender: str, fields: str, kind: str, original: str) -> bytes:
    body = "\n\nHello.\n" if kind == "message/rfc822" else "\n"
    return _crlf(
        f"From: {sender}\nTo: fbl@{DOMAIN}\nSubject: Complaint\nMessage-ID: <{name}@isp.test>\n"
        "MIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain; charset=us-ascii\n\nSomebody called this unwanted.\n\n"
        f"--b\nContent-Type: message/feedback-report\n\n{fields}\n"
        f"--b\nContent-Type: {kind}\n\n{original}{body}\n--b--\n"
    )


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()
