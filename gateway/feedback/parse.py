"""Reads a mail that came back: in which form it is, and what it says.

`parse` takes the octets of a whole mail and gives `Parsed`, whatever they are; it never raises.
The forms are tried from the strictest: feedback reports (xarf.py, arf.py), delivery status
notifications (dsn.py), what answers by itself (automatic.py), the words of mail servers
(plain_bounce.py), a notification that somebody has sent on (dsn.py). Nothing here believes what it
reads. Time is linear in the octets; run it in a thread.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from gateway.feedback.arf import read_arf
from gateway.feedback.automatic import is_marked, read_automatic
from gateway.feedback.dsn import read_dsn, read_forwarded_dsn
from gateway.feedback.mime import Mail, read_mail, shown
from gateway.feedback.originals import original_in_mail
from gateway.feedback.parsed import Form, Parsed
from gateway.feedback.plain_bounce import read_plain_bounce
from gateway.feedback.report_words import ReportMail
from gateway.feedback.server_words import BounceMail, is_of_a_server
from gateway.feedback.xarf import read_xarf

MAX_SENDER = 320
MAX_SUBJECT = 500
MAX_MESSAGE_ID = 1_000


def parse(octets: bytes) -> Parsed:
    """What the mail says."""
    mail = read_mail(octets)
    parsed = Parsed(
        Form.OTHER,
        digest(mail, octets),
        mail.header.text("from", MAX_SENDER),
        mail.header.text("subject", MAX_SUBJECT),
        mail.text(),
        shown(mail.header.first("message-id").decode("utf-8", "replace"), MAX_MESSAGE_ID),
    )
    if (report := read_xarf(mail)) is not None:
        return _report(parsed, Form.XARF, report)
    if (report := read_arf(mail)) is not None:
        return _report(parsed, Form.ARF, report)
    if (bounce := read_dsn(mail)) is not None:
        return _bounce(parsed, Form.DSN, bounce)
    if (form := read_automatic(mail)) is not None:
        return replace(parsed, form=form)
    if (bounce := read_plain_bounce(mail)) is not None:
        return _bounce(parsed, Form.PLAIN_BOUNCE, bounce)
    if (bounce := read_forwarded_dsn(mail)) is not None:
        return _bounce(parsed, Form.FORWARDED_DSN, bounce)
    if is_marked(mail.header) and not is_of_a_server(parsed.sender):
        return replace(parsed, form=Form.AUTO_REPLY)
    return replace(parsed, original=original_in_mail(mail))


def digest(mail: Mail, octets: bytes) -> str:
    """The same for copies of one mail: of its Message-ID, or of all of it without one."""
    return sha256(mail.header.first("message-id") or octets).hexdigest()[:32]


def _report(parsed: Parsed, form: Form, report: ReportMail) -> Parsed:
    return replace(
        parsed,
        form=form,
        complaint=report.complaint,
        original=report.original,
        fields=report.fields,
        trouble=report.trouble,
    )


def _bounce(parsed: Parsed, form: Form, found: BounceMail) -> Parsed:
    return replace(
        parsed, form=form, bounce=found.bounce, original=found.original, fields=found.fields
    )
