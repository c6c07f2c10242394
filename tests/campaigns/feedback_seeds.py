"""Mail that comes back for the fuzzers: the fixtures, words that steer the parsers, and bombs.

`SEEDS` are the fixtures as they cross the wire; `WORDS` what the parsers look for; `BOMBS` make one
mail that is big in one way, of `size` repetitions.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

FIXTURES = Path(__file__).parents[1] / "unit" / "feedback" / "fixtures"
SEEDS = tuple(
    path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    for path in sorted(FIXTURES.glob("*.eml"))
)
WORDS = (
    *(b"\r\n--=_part-7f\r\n", b"\r\n--=_part-7f--\r\n", b'boundary="=_part-7f"', b"boundary="),
    *(b'Content-Type: multipart/mixed; boundary="=_part-7f"\r\n\r\n', b"--", b"\r\n\r\n"),
    *(b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: text/rfc822-headers\r\n\r\n"),
    *(b"Content-Type: message/feedback-report\r\n\r\n", b"report-type=feedback-report;"),
    *(b"Content-Type: message/delivery-status\r\n\r\n", b"report-type=delivery-status;"),
    *(b"Content-Type: application/json; name=xarf.json\r\n\r\n", b'{"xarf_version": "4.0.0"}'),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n"),
    *(b"Feedback-Type: abuse\r\n", b"Feedback-Type: xarf\r\n", b"Feedback-Type: not-spam\r\n"),
    *(
        b"Original-Rcpt-To: <a@b.example>\r\n",
        b"Removal-Recipient: ",
        b"Incidents: 99999999999\r\n",
    ),
    *(b"Final-Recipient: rfc822; a@b.example\r\n", b"Action: failed\r\n", b"Status: 5.1.1\r\n"),
    *(b"Action: delayed\r\n", b"Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n", b"rfc822;"),
    *(
        b"From: MAILER-DAEMON@mx.example\r\n",
        b"Auto-Submitted: auto-replied\r\n",
        b"X-XARF: PLAIN\r\n",
    ),
    *(b"From: staff@hotmail.com\r\n", b"Message-ID: <1@acme.test>\r\n", b"Received: by mx\r\n"),
    *(b"=?utf-8?b?", b"=?utf-8?q?=C5=82?=", b"=?koi8-r?B?w8Q=?=", b"=?utf-16?q?x?=", b"?="),
    *(b"[", b"]", b"{", b"}", b'"', b"\\u0000", b"\\ud800", b": *a", b": &a", b"1e999", b"NaN"),
    *(b"Arrival-Date: Thu, 99 Foo 2026 25:61:61 +9999\r\n", b"Source-IP: [IPv6:::1%x]\r\n"),
    *(b"Content-Type: text/html; charset=windows-1250\r\n\r\n", b"<p>", b"<br>", b"</td>"),
    *(b"<!--", b"-->", b"<style>", b"</style", b"<pre>", b"<a b='", b'="', b"&lt;", b"&#64;"),
    *(b"&#xD800;", b"&", b"=?iso-2022-jp?B?GyRCPSo=?=", b"charset=iso-2022-jp", b"\x1b$B"),
    *(b"\x1b(B", b"charset=utf-16", b"charset=iso-8859-2", b"charset=gb18030", b"\xff\xfe"),
    *(b"From x Thu Nov  5 08:12:44 2026\r\n", b"charset=punycode", b"charset=utf-7", b"+2B", b"\0"),
)


def _headed(kind: bytes, body: bytes) -> bytes:
    return b"From: a@b.example\r\nContent-Type: " + kind + b"\r\n\r\n" + body


def _mixed(part: bytes, size: int) -> bytes:
    return _headed(b"multipart/report; boundary=b", (b"--b\r\n" + part) * size + b"--b--\r\n")


def _nested(size: int) -> bytes:
    levels = [b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n)
              for n in range(size)]  # fmt: skip
    return b"".join(levels) + b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse"


def _report(octets: bytes) -> bytes:
    return _headed(b"message/feedback-report", octets)


def _html(octets: bytes) -> bytes:
    server = b"From: MAILER-DAEMON@mx.example\r\n"
    return server + _headed(b"text/html", b"<p>undeliverable" + octets)


def _json(octets: bytes) -> bytes:
    return _headed(b"application/json; name=xarf.json", octets)


BOMBS: dict[str, Callable[[int], bytes]] = {
    "nested": _nested,
    "nested alike": lambda size: (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * size + b"\r\nx"
    ),
    "attached mails": lambda size: b"Content-Type: message/rfc822\r\n\r\n" * size,
    "parts": lambda size: _mixed(b"\r\nx\r\n", size),
    "report parts": lambda size: _mixed(
        b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n", size
    ),
    "quoted parts": lambda size: _mixed(b"\r\n" + b"Received: x\r\nTo: y\r\n\r\n" * 9, size),
    "no newline": lambda size: b"a" * size,
    "colons": lambda size: b"a:" * size,
    "long field": lambda size: b"Subject: " + b"a" * size + b"\r\n\r\nx",
    "folds": lambda size: b"Subject: x" + b"\r\n y" * size + b"\r\n\r\nx",
    "fields": lambda size: b"X: y\r\n" * size + b"\r\nx",
    "empty lines": lambda size: _report(b"\r\n" * size + b"Feedback-Type: abuse\r\n"),
    "encoded words": lambda size: b"Subject: " + b"=?utf-8?q?a?= " * size + b"\r\n\r\nx",
    "open words": lambda size: b"Subject: " + b"=?" * size + b"\r\n\r\nx",
    "parameters": lambda size: _headed(b"text/plain" + b'; charset="' * size, b"x"),
    "comments": lambda size: b"From: " + b"(" * size + b"\r\n\r\nx",
    "angles": lambda size: _report(b"Feedback-Type: abuse\r\nOriginal-Rcpt-To: " + b"<" * size),
    "almost boundaries": lambda size: _mixed(b"--bb\r\n" * size, 3),
    "boundaries": lambda size: _mixed(b"", size),
    "long boundary": lambda size: _headed(b"multipart/mixed; boundary=" + b"b" * size, b"--b"),
    "spaces behind a boundary": lambda size: _mixed(b"", 1) + b"\r\n--b" + b" " * size + b"x",
    "recipients": lambda size: _report(
        b"Feedback-Type: abuse\r\n" + b"Original-Rcpt-To: <a@b.example>\r\n" * size
    ),
    "status groups": lambda size: _headed(
        b"message/delivery-status",
        b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n" * size,
    ),
    "server's words": lambda size: (
        b"From: MAILER-DAEMON@mx.example\r\n\r\n"
        + b"<a@b.example>: 550 5.1.1 user unknown, could not be delivered\r\n" * size
    ),
    "words without space": lambda size: (
        b"From: MAILER-DAEMON@mx.example\r\n\r\ncould not be delivered " + b"a@" * size
    ),
    "json lists": lambda size: _json(b'{"xarf_version": "4.0.0", "a": ' + b"[" * size),
    "json objects": lambda size: _json(
        b'{"xarf_version": "4.0.0", "evidence": [' + b'{"a":{}},' * size + b"1]}"
    ),
    "json strings": lambda size: _json(b'{"' + b'\\"' * size),
    "json number": lambda size: _json(b'{"xarf_version": "4.0.0", "a": ' + b"9" * size + b"}"),
    "yaml lines": lambda size: (
        b"X-XARF: PLAIN\r\n"
        + _headed(b"text/plain", b"Report-Type: spam\r\n" + b"a: *a\r\n" * size)
    ),
    "base64": lambda size: (
        b"Content-Transfer-Encoding: base64\r\n" + _report(b64encode(b"Feedback-Type: " * size))
    ),
    "soft line ends": lambda size: (
        b"Content-Transfer-Encoding: quoted-printable\r\n" + _report(b"=\r\n" * size)
    ),
    "html tags": lambda size: _html(b"<br>a@b.example" * size),
    "html without ends": lambda size: _html(b"<" * size),
    "html comments": lambda size: _html(b"<!--" * size),
    "html values": lambda size: _html(b"<a b='" * size + b'<a b="' * size),
    "html styles": lambda size: _html(b"<style></styl" * size),
    "html references": lambda size: _html(b"&#" + b"9" * size + b"&nbsp;" * size),
    "html preformatted": lambda size: _html(b"<pre>" + b" " * size + b"x" + b"\r\n " * size),
    "shifts of character set": lambda size: _headed(
        b"text/plain; charset=iso-2022-jp", b"\x1b$B!!\x1b(B" * size
    ),
    "nothing but NUL": lambda size: b"\0" * size,
    "nothing but CR": lambda size: b"\r" * size,
}
