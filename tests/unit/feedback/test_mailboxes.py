"""Which recipients are ours, and that nobody can tell the others apart."""

from __future__ import annotations

import pytest

from gateway.feedback.mailboxes import Kind, Mailboxes
from suppression.keys import Generation, Keyring
from suppression.tokens import Purpose, Tokens

TOKENS = Tokens(Keyring([Generation(0, b"a" * 32, b"b" * 32, b"c" * 32)]))
"""The same in every process that collects these tests: tokens are part of their names."""
OURS = Mailboxes(TOKENS, "back.test", "mailto.test", "cases.test")
KEY = bytes(range(16))
TEXT = {purpose: TOKENS.make(purpose, 7, KEY) for purpose in Purpose}


@pytest.mark.parametrize(
    ("recipient", "kind"),
    [
        ("fbl@back.test", Kind.REPORTS),
        ("FBL@BACK.test.", Kind.REPORTS),
        ("abuse@back.test", Kind.ABUSE),
        (f"bounce+{TEXT[Purpose.RETURN_PATH]}@back.test", Kind.BOUNCES),
        (f"Bounce+{TEXT[Purpose.RETURN_PATH].upper()}@Back.Test", Kind.BOUNCES),
        (f"u+{TEXT[Purpose.UNSUBSCRIBE]}@back.test", Kind.UNSUBSCRIBE),
        (f"u+{TEXT[Purpose.UNSUBSCRIBE]}@mailto.test", Kind.UNSUBSCRIBE),
        (f"unsubscribe+{TEXT[Purpose.UNSUBSCRIBE]}@mailto.test", Kind.UNSUBSCRIBE),
        (f"case+{TEXT[Purpose.REPLY]}@cases.test", Kind.REPLIES),
    ],
)
def test_mailboxes_of_ours_are_found(recipient: str, kind: Kind) -> None:
    """Without case, a token with what it names."""
    found = OURS.find(recipient)
    assert found is not None
    assert (found.kind, found.address) == (kind, recipient)
    is_own = "+" in recipient
    assert (found.token is not None) == is_own
    if found.token is not None:
        assert (found.token.stream_number, found.token.key) == (7, KEY)


@pytest.mark.parametrize(
    "recipient",
    [
        "fbl@mailto.test",
        "fbl@other.test",
        "fbl+x@back.test",
        "abuse@cases.test",
        "postmaster@back.test",
        "fbl",
        "",
        "@back.test",
        "bounce@back.test",
        f"bounce+{TEXT[Purpose.UNSUBSCRIBE]}@back.test",
        f"bounce+{TEXT[Purpose.RETURN_PATH]}@mailto.test",
        f"bounce+{TEXT[Purpose.RETURN_PATH][:-2]}aa@back.test",
        f"u+{TEXT[Purpose.RETURN_PATH]}@back.test",
        f"u+{TEXT[Purpose.UNSUBSCRIBE]}x@back.test",
        f"u+{TEXT[Purpose.UNSUBSCRIBE]}@cases.test",
        f"case+{TEXT[Purpose.CASE]}@cases.test",
        f"case+{TEXT[Purpose.REPLY]}@back.test",
        f"{TEXT[Purpose.REPLY]}@cases.test",
    ],
)
def test_every_other_recipient_is_nobodys(recipient: str) -> None:
    """Strangers, tokens of another kind or domain, and forged ones."""
    assert OURS.find(recipient) is None


def test_a_domain_that_is_not_configured_is_nobodys() -> None:
    """An empty name in the configuration matches no empty domain."""
    none = Mailboxes(TOKENS, "", "", "")
    for local in ("fbl", f"u+{TEXT[Purpose.UNSUBSCRIBE]}", f"case+{TEXT[Purpose.REPLY]}"):
        assert none.find(f"{local}@") is None
        assert none.find(f"{local}@.") is None
