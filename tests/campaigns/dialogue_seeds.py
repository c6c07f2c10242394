"""What dialogues are mutated from: those in tests/dialogs, and longer ones that go to the end.

A dialogue is octets; `PAUSE` in them is where the customer waits for its replies before it goes on.
What stands between two pauses is pipelined. Next hops' replies and PROXY headers are here too.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from tests.dialogs.dialog import _octets, read

PAUSE = b"\xff"
"""An octet that occurs in no UTF-8 text."""
LOGIN, PASSWORD = "acme", "correct horse"

_PLAIN = b64encode(f"\0{LOGIN}\0{PASSWORD}".encode())
_NAME, _SECRET = b64encode(LOGIN.encode()), b64encode(PASSWORD.encode())
_MESSAGE = (
    b"From: News <news@acme.test>\r\nTo: anna@inbox.test\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n..\r\n.. two dots\r\n\r\nbye\r\n.\r\n"
)
_ENVELOPE = b"MAIL FROM:<news@acme.test>\r\nRCPT TO:<anna@inbox.test>\r\nDATA\r\n"
_TLS = b"EHLO client.test\r\n\xffSTARTTLS\r\n\xffEHLO client.test\r\n\xff"

_OWN = (
    b"EHLO client.test\r\n\xff" + _ENVELOPE + b"\xff" + _MESSAGE + b"\xffQUIT\r\n",
    b"EHLO client.test\r\n" + _ENVELOPE + _MESSAGE + _ENVELOPE + _MESSAGE + b"QUIT\r\n",
    _TLS + b"AUTH PLAIN " + _PLAIN + b"\r\n\xff" + _ENVELOPE + b"\xff" + _MESSAGE + b"QUIT\r\n",
    _TLS + b"AUTH LOGIN\r\n\xff" + _NAME + b"\r\n\xff" + _SECRET + b"\r\n\xff"
    + _ENVELOPE + _MESSAGE,
    _TLS + b"AUTH LOGIN " + _NAME + b"\r\n\xff*\r\n\xffAUTH PLAIN\r\n\xff" + _PLAIN
    + b"\r\nNOOP\r\n",
    b"EHLO client.test\r\nAUTH PLAIN " + _PLAIN + b"\r\n" + _ENVELOPE + _MESSAGE,
    b"EHLO a\r\nSTARTTLS\r\nEHLO b\r\nMAIL FROM:<evil@acme.test>\r\nRCPT TO:<x@y.test>\r\nDATA\r\n"
    b"\xffEHLO client.test\r\n\xffNOOP\r\n",
    b"HELO client.test\r\nMAIL FROM:<>\r\nRCPT TO:<anna@inbox.test>\r\nRSET\r\nDATA\r\n\xff"
    + _ENVELOPE + b"\xff.\r\nNOOP\r\n",
    b"EHLO [127.0.0.1]\r\nMAIL FROM:<news@acme.test> SIZE=200 BODY=8BITMIME SMTPUTF8\r\n"
    b"RCPT TO:<anna@inbox.test>\r\nRCPT TO:<no.such@inbox.test>\r\nRCPT TO:<later@inbox.test>\r\n"
    b'RCPT TO:<"a b"@inbox.test>\r\nRCPT TO:\xc3\xa9\r\nRCPT TO:<\xc3\xa9@b\xc3\xbccher.test>\r\n'
    b"DATA\r\n" + _MESSAGE + b"VRFY anna\r\nHELP\r\nEXPN list\r\nQUIT\r\n",
    b"EHLO client.test\r\nMAIL FROM:<news@acme.test>\r\nRCPT TO:<anna@inbox.test>\r\n"
    b"BDAT 20\r\n12345678901234567\r\n\r\nBDAT 5 LAST\r\nQUIT\r\nNOOP\r\n",
    b"EHLO client.test\r\n" + _ENVELOPE + b"\xffSubject: x\r\n\r\n" + b"0123456789\r\n" * 200
    + b".\r\nNOOP\r\n",
    b"EHLO client.test\r\n" + _ENVELOPE + b"\xff" + b"a" * 997 + b"\r\n" + b"b" * 1100
    + b"\r\n.\r\nQUIT\r\n",
    b"EHLO client.test\r\nMAIL FROM:<weekly@acme.test>\r\n"
    + b"".join(b"RCPT TO:<r%d@inbox.test>\r\n" % n for n in range(30)) + b"DATA\r\n\xff" + _MESSAGE,
    b"EHLO client.test\r\nMAIL FROM:<@a,@b:news@acme.test>\r\nMAIL FROM:<news@acme.test>\r\n"
    b"RCPT TO:<a%b@inbox.test>\r\nRCPT TO:<a!b@inbox.test>\r\nRCPT TO:<a@[127.0.0.1]>\r\n"
    b"RCPT TO:<A@INBOX.TEST> NOTIFY=NEVER\r\nRCPT TO:<>\r\nDATA\r\n",
    b"EHLO client.test\r\n" + b"NOOP\r\n" * 40 + b"RSET\r\n" * 40 + b"VRFY x\r\n" * 30,
    b"GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
)  # fmt: skip

COMPLETE = (*_OWN[:4], _OWN[8], _OWN[12])
"""Those in which a message is taken."""
WORDS = (
    *(b"EHLO ", b"HELO ", b"STARTTLS\r\n", b"AUTH PLAIN ", b"AUTH LOGIN\r\n", b"AUTH CRAM-MD5\r\n"),
    *(b"MAIL FROM:", b"RCPT TO:", b"DATA\r\n", b"RSET\r\n", b"NOOP\r\n", b"VRFY ", b"HELP\r\n"),
    *(b"QUIT\r\n", b"BDAT 12 LAST\r\n", b"EXPN ", b"ETRN ", b"TURN\r\n"),
    b"XCLIENT ADDR=1.2.3.4\r\n",
    *(b"<anna@inbox.test>", b"<no.one@inbox.test>", b"<>"),
    *(b"<later@inbox.test>", b" SIZE=", b"*\r\n"),
    *(b" BODY=8BITMIME", b" SMTPUTF8", b" AUTH=<>", b" RET=HDRS", b"=\r\n"),
    *(b".\r\n", b"..\r\n", PAUSE),
    *(b"SIZE=99999999999999999999", b"\r\n\r\n", b"From: x@y\r\n"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    *(_ENVELOPE, _MESSAGE, _PLAIN + b"\r\n", b"\xff" + _ENVELOPE + b"\xff"),
)  # fmt: skip
"""What is inserted when a dialogue is mutated."""

PROXY_HEADERS = (
    b"PROXY TCP4 192.0.2.7 198.51.100.9 56324 25\r\n",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\7\xc6\x33\x64\x09\xdc\x04\0\x19",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(range(32)) + b"\xdc\x04\0\x19",
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\x00",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x15\xc0\0\2\7\xc6\x33\x64\x09\xdc\x04\0\x19\x04\0\6sphinx",
)


def dialogues() -> tuple[bytes, ...]:
    """Every dialogue to begin from, at least forty."""
    return (*_OWN, *(_from_file(path) for path in sorted(_DIALOGS.glob("*.txt"))))


_DIALOGS = Path(__file__).resolve().parents[1] / "dialogs"


def _from_file(path: Path) -> bytes:
    """The customer's half of a dialogue file."""
    octets = b""
    for step in read(path)[1]:
        if step.verb in ("C:", "C>"):
            octets += _octets(step.text) + (b"\r\n" if step.verb == "C:" else b"")
        elif octets and not octets.endswith(PAUSE):
            octets += PAUSE
    return octets
