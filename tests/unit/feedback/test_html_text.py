"""HTML: what it shows is read, and it can do no more than the same words as a plain text."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.feedback.html_text import MAX_MARKUP, visible_text
from gateway.feedback.parse import parse
from gateway.feedback.parsed import Form


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain  words\n of\tone line", "plain words of one line"),
        ("<p>a</p>\n\n<p>b<br>\n c</p>", "a\n\nb\nc"),
        ("user un<b>kno</b>wn", "user unknown"),
        ("<table><tr><td>550<td>no</tr><tr><th>x</th></tr></table>", "550 no\n\nx"),
        ("<pre>To: a\n\tb\nFrom: c</pre>", "To: a\n\tb\nFrom: c"),
        (
            "&lt;anna@inbox.test&gt;&nbsp;&#53;&#x35;0 &amp;lt; &bogus; &",
            "<anna@inbox.test> 550 &lt; &bogus; &",
        ),
        ("&#99999999999; &#0; &#xD800; &#x110000;", "\ufffd9999; \ufffd \ufffd \ufffd"),
        ("in\u200bvi\u00adsible", "invisible"),
        ("<style>p {}</style>a<script>'<p>'</script>b<title>c</title>", "ab"),
        ("a<!-- b --> c <!--> d --> e <!doctype x> <?y z> </>f", "a c d --> e f"),
        ("<a title=\"x > y\" href='z>'>b</a>", "b"),
        ("<p title=it's>a</p> b", "a\nb"),
        ("1 < 2 and <3, a<b", "1 < 2 and <3, a"),
        ("seen <!-- and the rest", "seen"),
        ("seen <style> and the rest", "seen"),
        ("seen <a href='and the rest", "seen"),
        ("", ""),
    ],
)
def test_what_is_shown_is_read(html: str, text: str) -> None:
    """Lines as blocks make them, no markup, and nothing behind markup that does not end."""
    assert visible_text(html) == text


def test_only_so_much_markup_is_read() -> None:
    """What stands behind it is left out."""
    text = visible_text("<b>a" * MAX_MARKUP + "<b>z")
    assert len(text) == MAX_MARKUP - 1
    assert "z" not in text


MARKUP = ["<p>", "<br>", "</p>", "<pre>", "</pre>", "<td>", "<!--", "-->", "<b", ">", "'", '"', "="]
SAID = [
    *(
        "undeliverable",
        "anna@inbox.test",
        "<anna@inbox.test>: ",
        "550 5.1.1 User unknown",
        " ",
        "\n",
    ),
    *("\n\n", "Original message headers:", "Received: by mx\n", "Message-ID: <1@acme.test>\n"),
    *("Final-Recipient: rfc822; a@b.test\n", "Action: failed\n", "Feedback-Type: abuse\n"),
    *('{"xarf_version": "4.0.0"}', "Report-Type: spam\n", "ż", "\u00a0"),
]
HEADS = st.sampled_from(
    [
        "From: MAILER-DAEMON@mx.test\r\n",
        "From: Bob <bob@inbox.test>\r\n",
        "From: Bob <bob@inbox.test>\r\nReturn-Path: <>\r\nAuto-Submitted: auto-replied\r\n",
        "From: MAILER-DAEMON@mx.test\r\nX-XARF: PLAIN\r\n",
        "From: staff@hotmail.com\r\n",
    ]
)
PIECES = st.sampled_from(MARKUP) | st.sampled_from(SAID).map(escape) | st.sampled_from(SAID)


@given(HEADS, st.lists(PIECES, max_size=25).map("".join))
@example("From: MAILER-DAEMON@mx.test\r\nX-XARF: PLAIN\r\n", "Report-Type: spam\n")
@example("From: MAILER-DAEMON@mx.test\r\n", "undeliverable<br>&lt;anna@inbox.test&gt;: 550 no")
def test_html_does_no_more_than_its_words_as_a_plain_text(head: str, html: str) -> None:
    """Whoever writes it: it is no report, and else what that text would be."""
    mail = head + "Content-Type: text/{}; charset=utf-8\r\n\r\n"
    found = parse((mail.format("html") + html).encode())
    plain = parse((mail.format("plain") + visible_text(html)).encode())
    if plain.form in (Form.ARF, Form.XARF, Form.DSN):
        assert found.complaint is None
    elif plain.form is Form.OTHER:
        assert replace(found, mail=plain.mail, original=plain.original) == plain
    else:
        assert replace(found, mail=plain.mail) == plain
