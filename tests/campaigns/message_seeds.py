"""What messages are mutated from: header fields and bodies as real senders write them, and worse.

`message(random)` puts some together: mostly one From, a handful of other fields in any order, a
body. Octets are as on the wire, dots stuffed or not, without the final dot.
"""

from __future__ import annotations

from random import Random

AUTHORS = (
    b"From: News <news@acme.test>\r\n",
    b"From: news@acme.test\r\n",
    b'From: "News, weekly" <news@acme.test>\r\n',
    b"From: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <news@acme.test>\r\n",
    b"From: John Q. Public (a (nested) comment) <news@acme.test>\r\n",
    b"From:\r\n\tNews\r\n <news@acme.test>\r\n",
    b"FROM : news@acme.test\r\n",
    b"From: a@acme.test, b@acme.test\r\nSender: a@acme.test\r\n",
    b"From: undisclosed: a@acme.test;\r\n",
    b"From: <@relay.test:news@acme.test>\r\n",
    b"From: a@acme.test <b@other.test>\r\n",
    b'From: "a@other.test" <news@acme.test>\r\n',
    b"From: news@b\xc3\xbccher.test\r\n",
    b"From: news@xn--bcher-kva.test\r\n",
    b"From: \xfe\xff <news@acme.test>\r\n",
    b"From: news%other.test@acme.test\r\n",
    b"From: news@acme.test\r\nFrom: evil@other.test\r\n",
    b"",
)
FIELDS = (
    b"To: anna@inbox.test\r\n",
    b"To: A Group:a@x.test, b@y.test;, <@a,@b:c@z.test>\r\n",
    b"Cc: =?iso-8859-1?B?SmF2aQ==?= <javi@inbox.test>\r\n",
    b"Bcc: secret@inbox.test,\r\n secret2@inbox.test\r\n",
    b"Resent-Bcc: secret@inbox.test\r\n",
    b"bCC:\r\n\tx@y.test\r\n",
    b"X-Consentry-Stream: weekly\r\n",
    b"x-consentry-:\r\n",
    b"Subject: " + b"=?utf-8?q?Gr=C3=BC=C3=9Fe_und_mehr?=\r\n " * 12 + b"end\r\n",
    b"Subject: 8-bit gr\xfc\xdfe\r\n",
    b"Subject:\r\n",
    b"Subject:   spaces   and\ttabs \t \r\n",
    b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n",
    b"Message-ID: <1234@acme.test>\r\n",
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="b1"\r\n',
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Received: from a.test (a.test [192.0.2.1])\r\n\tby gateway.test with ESMTP id 1;\r\n"
    b"\tFri, 21 Nov 1997 09:55:06 -0600\r\n",
    b"Received: by other.test; Fri, 21 Nov 1997 09:55:06 -0600\r\n",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.test; s=x; h=from; bh=AAAA; b=BBBB\r\n",
    b"List-Unsubscribe: <https://lists.acme.test/u?x=1>,\r\n <mailto:u@acme.test>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    b"List-Unsubscribe: <https://evil.test\\@lists.acme.test/>\r\n",
    b"List-Id: Weekly <weekly.acme.test>\r\n",
    b"Feedback-ID: a:b:c:d\r\n",
    b"Resent-From: x@acme.test\r\nResent-Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n",
    b"Sender: news@acme.test\r\n",
    b"Reply-To: " + b", ".join([b"r%d@acme.test" % n for n in range(60)]) + b"\r\n",
    b"References: " + b"\r\n ".join([b"<%d@acme.test>" % n for n in range(80)]) + b"\r\n",
    b"X-Long: " + b"y" * 980 + b"\r\n",
    b"X-Folded:" + b"\r\n " * 60 + b"z\r\n",
    b"Precedence: bulk\r\nAuto-Submitted: auto-generated\r\n",
    b"!#$%&'*+-.^_`|~: odd name\r\n",
)
BODIES = (
    b"Hello\r\n\r\nOne line.\r\n",
    b"..\r\n.. dots\r\n...\r\n.hidden\r\n",
    b"--b1\r\nContent-Type: text/plain\r\n\r\nGr=C3=BC=C3=9Fe\r\n"
    b"--b1\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
    b"\r\niVBORw0KGgo=\r\n--b1--\r\n",
    b"8-bit \xc3\xa9 \xff\xfe   trailing  \t \r\n \t\r\n\r\n\r\n",
    b"From: not@a.header\r\n\r\n.From here\r\n",
    b"x" * 998 + b"\r\n" + b"." * 998 + b"\r\n",
    b"\r\n" * 200,
    b"A line of text that is as long as lines are.\r\n" * 60,
    b" \t" * 300 + b"\r\n",
    b"",
)
NAMES = (b"From", b"Sender", b"To", b"Subject", b"Received", b"List-Unsubscribe", b"Resent-From")
UNITS = (
    *(
        b"a",
        b" ",
        b"<",
        b">",
        b"(",
        b")",
        b'"',
        b"\\",
        b"@",
        b",",
        b"=?utf-8?q?a?= ",
        b"<a>, ",
        b"a@b, ",
    ),
    *(
        b"by ",
        b"a.",
        b'"a" ',
        b"(a) ",
        b"<https://lists.acme.test/>,",
        b"\xc3\xa9",
        b":",
        b"\t",
        b"; ",
    ),
)
"""What a giant field is full of."""
WORDS = (
    *(b"\r\nFrom: evil@other.test", b"\r\nBcc: x@y.test", b"From:"),
    *(b"Sender: ", b"\r\n\r\n", b"\r\n "),
    *(b"\r\n\t", b"=?utf-8?b?", b"?=", b"<", b">,", b"()"),
    *(b"((((((((((((", b'\\"', b"@", b",", b";"),
    *(b"\r\nX-Consentry-A: b", b"\r\n.\r\n", b"\r\n..", b"\r\n.", b" \r\n"),
    *(b"\n\nBcc: a@b", b"\r\nbcc:"),
    b"Resent-From: ",
    *(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b"xn--", b"@@", b"%"),
    *(b"\xef\xbc\xa0", b"\xe3\x80\x82", b"\xc2\xad", b"\r\n:", b": ", b" :"),
    *(b"a" * 1000, b"\x7f", b"\v"),
)  # fmt: skip
"""What is inserted when a message is mutated."""


def message(random: Random) -> bytes:
    """One message of the parts above."""
    fields = random.sample(FIELDS, random.choice((0, 2, 3, 4, 6, 12)))
    fields.insert(random.randrange(len(fields) + 1), random.choice(AUTHORS))
    if random.random() < 0.002:
        fields.insert(random.randrange(len(fields) + 1), _giant(random))
    body = random.choice(BODIES)
    if random.random() < 0.02:
        body *= random.choice((50, 400))  # over a block, a slice, and the limit of size
    return b"".join(fields) + b"\r\n" + body


def _giant(random: Random) -> bytes:
    """One field of up to 280,000 octets, all alike: time must not grow by their square."""
    unit = random.choice(UNITS)
    line = unit * (900 // len(unit))
    lines = [line] * (random.choice((8_000, 60_000, 250_000, 280_000)) // len(line))
    return random.choice(NAMES) + b": " + random.choice((b"\r\n ", b"\r\n\t")).join(lines) + b"\r\n"


SEEDS = tuple(
    author + b"".join(FIELDS[at : at + 4]) + b"\r\n" + BODIES[at % len(BODIES)]
    for at, author in enumerate(AUTHORS)
)
