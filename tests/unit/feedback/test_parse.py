"""Reading strangers' mail: what is kept of it, whatever it is, and in how long."""

from __future__ import annotations

import base64
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feedback.automatic import says_automatic
from gateway.feedback.mime import MAX_PARTS, MAX_TEXT, decoded, read_header, read_mail
from gateway.feedback.originals import original_of
from gateway.feedback.parse import parse
from gateway.feedback.parsed import Form
from gateway.feedback.report_words import moment
from gateway.message.header import HeaderView
from tests.campaigns.feedback_seeds import BOMBS
from tests.campaigns.fuzz_feedback import one_input


def octets(message: EmailMessage) -> bytes:
    """As it crosses the wire."""
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def plain(text: str, **fields: str) -> EmailMessage:
    """A mail as programs write them."""
    message = EmailMessage()
    message["From"] = "Zoë <zoe@acme.test>"
    message["Subject"] = "Re: [C-000001] zablokowane: żółć"
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_text_subject_and_sender_are_decoded(encoding: str) -> None:
    """Whichever way a program has encoded them."""
    message = plain("")
    message.set_content("Zażółć gęślą jaźń.\nDruga linia.\n", cte=encoding)
    read = parse(octets(message))
    assert read.text == "Zażółć gęślą jaźń.\nDruga linia."
    assert read.subject == "Re: [C-000001] zablokowane: żółć"
    assert read.sender == "Zoë <zoe@acme.test>"
    assert read.form is Form.OTHER


def test_the_plain_part_is_taken_before_html_and_never_attachments() -> None:
    """Also inside multiparts, and past a text that is an attachment; HTML is what it shows."""
    message = plain("the text")
    message.add_alternative("<p>the <b>html</b></p>", subtype="html")
    message.add_attachment("an attachment", filename="a.txt")
    assert parse(octets(message)).text == "the text"
    only = EmailMessage()
    only.set_content("<style>p {}</style><p>the <b>html</b></p>", subtype="html")
    only.add_attachment("<p>an attachment</p>", subtype="html", filename="a.html")
    assert parse(octets(only)).text == "the html"
    first = EmailMessage()
    first.add_attachment("an attachment", filename="a.txt")
    first.add_attachment(b"GIF", maintype="image", subtype="gif", filename="a.gif")
    assert parse(octets(first)).text == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; x=y"},
        {"Precedence": "bulk"},
    ],
)
def test_machines_say_so(fields: dict[str, str]) -> None:
    """Vacation programs and lists are known by their header fields (RFC 3834)."""
    assert says_automatic(read_header(octets(plain("away", **fields))))
    assert not says_automatic(read_header(octets(plain("here", Auto_Submitted="no"))))


def test_copies_are_known_by_message_id() -> None:
    """The same one, whatever else a relay has added; without one, by all octets."""
    first = plain("x", Message_ID="<1@acme.test>")
    second = plain("x", Message_ID="<1@acme.test>", Received="by mx")
    assert parse(octets(first)).mail == parse(octets(second)).mail
    assert parse(octets(first)).mail != parse(octets(plain("x"))).mail
    assert parse(octets(plain("x"))).mail != parse(octets(plain("y"))).mail


ODD = {
    "nothing": b"",
    "no header": b"\r\nonly a body",
    "header only": b"Subject: x\r\n",
    "no empty line": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nonly words\r\n--b--",
    "no parts": b"Content-Type: multipart/report; boundary=b\r\n\r\nonly words",
    "punycode": b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * 5_000_000,
    "zlib": b"Content-Type: text/plain; charset=zlib\r\n\r\nx",
    "iso": b"Content-Type: text/plain; charset=iso-8859-77\r\n\r\nx",
    "word charset": b"Subject: =?unknown-8bit?q?a?= =?utf-7?q?+AGE-?=\r\n\r\nx",
    "half base64": b"Content-Transfer-Encoding: base64\r\n\r\nQUJDR",
    "half base64 words": b"Subject: =?utf-8?b?QUJDR?=\r\n\r\nx",
    "bare endings": b"Subject: x\n\nbody\r",
    "a big one": b"Subject: x\r\n\r\n" + b"word " * 2_000_000,
    "mbox": b"From x Thu Nov  5 08:12:44 2026\nSubject: x\n\nbody",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_mail_is_read_as_any_other(name: str) -> None:
    """Nothing raises, and what is promised of any mail holds."""
    one_input(ODD[name])


def test_what_is_no_multipart_is_a_text() -> None:
    """A boundary that never comes, or an empty line that somebody forgot, hides no words."""
    assert parse(ODD["no empty line"]).text == "only words"
    assert parse(ODD["no parts"]).text == "only words"
    assert parse(ODD["mbox"]).subject == "x"


def test_a_boundary_is_a_whole_line() -> None:
    """One that only begins like it, or is that of a part inside, ends nothing."""
    parts = (
        b"--b\r\n\r\nfirst\r\n--bb\r\nstill\r\n--b \t\r\nX: y\r\n\r\nsecond\r\n--b--\r\nepilogue"
    )
    mail = read_mail(b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n" + parts)
    assert [part.raw for part in mail.parts] == [b"first\n--bb\nstill", b"second"]


def test_what_lies_too_deep_or_too_far_is_not_looked_at() -> None:
    """Eight levels are followed, a hundred parts looked at."""
    deep = read_mail(BOMBS["nested"](1_000))
    assert [part.kind for part in deep.parts] == ["multipart/mixed"]
    assert len(read_mail(BOMBS["parts"](10_000)).parts) == MAX_PARTS - 1, "and the multipart"


def test_an_original_is_whole_header_fields() -> None:
    """Nothing else is kept of it, and nothing that readers of header fields disagree on."""
    original = original_of(
        read_header(b"A : b\0c\rd\r\n\te\v\r\nno field\r\nB:\f\r\n\r\nBody: words")
    )
    assert original is not None
    assert original.header == b"A: b c d\r\n\te \r\nB: \r\n"
    assert [field.name for field in HeaderView.parse(original.header).fields] == [b"a", b"b"]
    assert original_of(read_header(b"\r\nBody: words")) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Thu, 5 Nov 2026 09:12:44 +0100", 1793866364.0),
        ("2026-11-05T08:12:44Z", 1793866364.0),
        ("2026-11-05 08:12:44", 1793866364.0),
        ("Sat, 21 Nov 206 14:21:42 +0000", None),
        ("0206-11-21T14:21:42Z", None),
        ("Thu, 5 Nov 2026 09:12:44 -4800001793386370000", None),
        ("Thu, 99 Foo 2026 25:61:61 +9999", None),
        ("", None),
    ],
)
def test_a_moment_is_of_our_millennia_or_none(text: str, seconds: float | None) -> None:
    """Dates of mail and of RFC 3339 are read; what is none, or beyond them, is no date."""
    assert moment(text) == seconds


def test_words_that_were_cut_within_a_character_are_joined() -> None:
    """Encoded words of one character set are one; the space between them is none (RFC 2047)."""
    assert decoded(b"a =?utf-8?q?_=C5?= =?UTF-8?b?gmI=?= c") == "a  łb c"
    assert decoded(b"=?koi8-r*ru?B?w8Q=?=") == "цд"
    assert decoded(b"=?utf-8?x?a?= =?=") == "=?utf-8?x?a?= =?="


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"base64", b"quoted-printable", b"7bit"]),
    st.sampled_from(
        [b"text/plain", b"multipart/mixed; boundary=b", b'text/plain; charset="x', b""]
    ),
    st.binary(max_size=60),
)
def test_nothing_raises(body: bytes, encoding: bytes, kind: bytes, subject: bytes) -> None:
    """Whatever the octets, there are texts of visible characters."""
    read = parse(
        b"Subject: %b\r\nContent-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b"
        % (subject.replace(b"\n", b"").replace(b"\r", b""), kind, encoding, body)
    )
    assert read.subject.isprintable()
    assert all(line.isprintable() for line in read.text.split("\n"))


def test_base64_is_cut_where_letters_end() -> None:
    """A text longer than what is kept is still readable at its beginning."""
    body = base64.encodebytes("zażółć ".encode() * 50_000).replace(b"\n", b"\r\n")
    read = parse(b"Content-Transfer-Encoding: base64\r\n\r\n" + body)
    assert read.text.startswith("zażółć zażółć")
    assert 20_000 < len(read.text) <= MAX_TEXT
