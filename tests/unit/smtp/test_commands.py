"""Command lines: what is taken, what is refused and with which tag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp import commands
from gateway.smtp.commands import Auth, Hello, Invalid, Mail, Rcpt, parse
from gateway.smtp.parameters import EnvelopeParameters, ParameterError, read_mail_parameters
from gateway.words import Body


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"ehlo client.example", Hello("client.example", extended=True)),
        (b"HELO [192.0.2.7]", Hello("[192.0.2.7]", extended=False)),
        (b"mail from:<>", Mail("<>")),
        (
            b"MAIL FROM: <a@b> size=5 BODY=8BITMIME",
            Mail("<a@b>", {"SIZE": "5", "BODY": "8BITMIME"}),
        ),
        (b'RCPT TO:<"a b>c"@d>', Rcpt('<"a b>c"@d>')),
        ("RCPT TO:<zażółć@przykład.pl>".encode(), Rcpt("<zażółć@przykład.pl>")),
        (b"AUTH plain AGEAYg==", Auth("PLAIN", "AGEAYg==")),
        (b"AUTH LOGIN", Auth("LOGIN", None)),
        (b"NOOP whatever", commands.Noop()),
        (b"VRFY root", commands.Verify()),
        (b"quit", commands.Quit()),
    ],
)
def test_commands_are_read(line, expected):
    """Verbs in any case, arguments as written."""
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        (b"", "SYNTAX"),
        (b"GET / HTTP/1.1", "SYNTAX"),
        (b"MAIL <a@b>", "ARGUMENTS"),
        (b"MAIL FROM:a@b", "SENDER-SYNTAX"),
        (b"MAIL FROM:<a@b> SIZE=1 SIZE=2", "ARGUMENTS"),
        (b"MAIL FROM:<a@b>> X", "SENDER-SYNTAX"),
        (b"MAIL FROM:<a@b> =x", "ARGUMENTS"),
        (b"RCPT TO:a@b", "RCPT-SYNTAX"),
        (b"RCPT TO:<a@b", "RCPT-SYNTAX"),
        (b"DATA now", "ARGUMENTS"),
        (b"EHLO", "ARGUMENTS"),
        (b"EHLO a b", "ARGUMENTS"),
        (b"AUTH", "ARGUMENTS"),
        (b"AUTH PLAIN a b", "ARGUMENTS"),
        (b"BDAT 10", "NOT-IMPLEMENTED"),
        (b"MAIL FROM:<\xff@b>", "ARGUMENTS"),
    ],
)
def test_what_is_no_command_gets_the_reply_for_it(line, tag):
    """Each malformed line has its tag."""
    command = parse(line)
    assert isinstance(command, Invalid)
    assert command.reply.tag == tag


@given(st.binary(max_size=300))
def test_any_line_parses(line):
    """Nothing raises, whatever the line holds."""
    parse(line)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({}, EnvelopeParameters()),
        ({"SIZE": "12", "SMTPUTF8": None}, EnvelopeParameters(12, smtputf8=True)),
        ({"BODY": "8bitmime", "AUTH": "<>"}, EnvelopeParameters(body=Body.EIGHT_BIT)),
    ],
)
def test_mail_parameters(given_, expected):
    """What EHLO offers is understood."""
    assert read_mail_parameters(given_) == expected


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ({"SIZE": "x"}, 501),
        ({"SIZE": "9" * 21}, 501),
        ({"SIZE": None}, 501),
        ({"BODY": "BINARYMIME"}, 501),
        ({"SMTPUTF8": "yes"}, 501),
        ({"RET": "FULL"}, 555),
    ],
)
def test_other_mail_parameters_are_refused(given_, code):
    """What EHLO does not offer gets 555; what is malformed 501."""
    with pytest.raises(ParameterError) as caught:
        read_mail_parameters(given_)
    assert caught.value.reply.code == code
