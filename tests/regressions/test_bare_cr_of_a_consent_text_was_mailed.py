"""A bare CR in a consent text went into the confirmation mail, where only CRLF may stand."""

from __future__ import annotations

from gateway.message.dkim import Signer
from gateway.message.dkim_keys import KeyKind, load_key, new_key
from gateway.opt_in.letter import Draft, compose
from gateway.records.proof_mailing import Letter


def test_every_line_of_the_mail_ends_with_crlf() -> None:
    """The next hop would change the mail, and neither signature nor recorded hash would fit it."""
    draft = Draft(
        letter=Letter.QUESTION,
        language="en",
        sender="lists@acme.test",
        sender_name="Acme",
        list_name="Weekly",
        address="jan@example.org",
        text="I agree\rto this\r\nand\nthat.\r",
        link="https://gateway.test/c/a",
        privacy="https://acme.test/privacy",
        number="0" * 32,
        hostname="gateway.test",
        at=1_800_000_000,
        until=1_800_600_000,
    )
    signers = (Signer("acme.test", "s", load_key(new_key(KeyKind.ED25519))),)
    rest = compose(draft, signers).octets.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest
