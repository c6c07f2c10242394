"""Mail that comes back, as tests write it: reports, bounces and wishes that carry our tokens."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from gateway.message.address import parse_mailbox
from gateway.message.body import RelaxedBodyHash
from gateway.message.dkim import Signer, canonical
from gateway.message.header import Field, HeaderView
from suppression.keys import Keyring
from suppression.tokens import Purpose, Tokens

DOMAIN = "back.test"
"""`feedback.domain` of the tests' gateways."""
LOOP = "fbl@loops.isp.test"


def token_maker(keyring: Path) -> Callable[[Purpose, int, str], str]:
    """Makes the token of a purpose, stream number and recipient, as the gateway itself would."""
    secrets = Keyring.load(keyring)
    tokens = Tokens(secrets)
    return lambda purpose, number, address: tokens.make(
        purpose, number, secrets.exact_key(parse_mailbox(address))
    )


def report(
    name: str, original: str, *, kind: str = "abuse", recipient: str = "", sender: str = LOOP
) -> bytes:
    """An ARF report (RFC 5965) with Message-ID `name`, about a mail with this header section."""
    stated = f"Original-Rcpt-To: {recipient}\n" if recipient else ""
    return _crlf(
        f"From: {sender}\nTo: fbl@{DOMAIN}\nSubject: complaint\nMessage-ID: <{name}@isp.test>\n"
        "MIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is a complaint.\n\n"
        "--b\nContent-Type: message/feedback-report\n\n"
        f"Feedback-Type: {kind}\nUser-Agent: Loop/1.0\nVersion: 1\n{stated}\n"
        f"--b\nContent-Type: message/rfc822\n\n{original}\n\nHello.\n\n--b--\n"
    )


def dsn(
    name: str,
    recipient: str,
    *,
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "550 5.1.1 user unknown",
    original: str = "Subject: hello",
) -> bytes:
    """A delivery status notification (RFC 3464) with Message-ID `name`."""
    return _crlf(
        f"From: Mail Delivery System <MAILER-DAEMON@inbox.test>\nTo: bounce@{DOMAIN}\n"
        f"Subject: Undelivered Mail\nMessage-ID: <{name}@inbox.test>\nMIME-Version: 1.0\n"
        "Auto-Submitted: auto-replied\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nYour mail could not be delivered.\n\n"
        "--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.inbox.test\n\nFinal-Recipient: rfc822; {recipient}\n"
        f"Action: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {said}\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\n{original}\n\n--b--\n"
    )


def sent_on(notification: bytes) -> bytes:
    """The mail of a person who attaches it."""
    return (
        b"From: Olga <olga@isp.test>\r\nSubject: Fwd\r\nMessage-ID: <f@isp.test>\r\n"
        b'Content-Type: multipart/mixed; boundary="out"\r\n\r\n--out\r\n\r\nSee below.\r\n\r\n'
        b"--out\r\nContent-Type: message/rfc822\r\n\r\n" + notification + b"\r\n--out--\r\n"
    )


def plain(
    name: str, text: str = "Please stop.", sender: str = "me@inbox.test", extra: str = ""
) -> bytes:
    """A mail as people write them; `extra` are further header lines."""
    return _crlf(
        f"From: {sender}\nSubject: hello\nMessage-ID: <{name}@inbox.test>\n{extra}\n{text}\n"
    )


def narrowly_signed(octets: bytes, signer: Signer) -> bytes:
    """A mail of which From, Subject and body alone are signed, as some loops do."""
    head, _, body = octets.partition(b"\r\n\r\n")
    header = HeaderView.parse(head + b"\r\n")
    hashed = RelaxedBodyHash()
    hashed.add(body)
    draft = (
        f"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d={signer.domain};"
        f" s={signer.selector}; h=from:subject; bh={b64encode(hashed.digest()).decode()}; b="
    ).encode()
    named = [*header.all(b"from"), *header.all(b"subject"), Field(b"dkim-signature", draft)]
    digest = sha256(b"".join(map(canonical, named)).removesuffix(b"\r\n")).digest()
    return draft + b64encode(signer.sign(digest)) + b"\r\n" + octets


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()
