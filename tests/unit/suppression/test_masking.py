"""Addresses in texts of staff never reach the records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suppression.masking import mask, mask_all
from suppression.standing import Reason

PIECES = st.text("jan kowalski.+@\"'<>(),;:%40=?&\uff20é", max_size=60)
LOCALS = st.from_regex(r"[a-z][a-z0-9._+-]{2,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("jan.kowalski@example.org", "j***@example.org"),
        ("the owner, <Jan+x@example.org>, asked", "the owner, <J***@example.org>, asked"),
        ('"jan kowalski"@example.org called', "***@example.org called"),
        ("mailto:jan@example.org?subject=x", "mailto:j***@example.org?subject=x"),
        ("https://x.example/?a=jan%40example.org", "https://x.example/?a=j***@example.org"),
        ("łukasz@przykład.pl", "ł***@przykład.pl"),
        ("jan\uff20example.org", "j***@example.org"),
        ("a@x.example,bo@x.example", "***@x.example,b***@x.example"),
        ("import:list of jan@x.example.csv", "import:list of j***@x.example.csv"),
        ("jan@kowalski@x.example", "j***@x.example"),
        ("@example.org is a domain", "@example.org is a domain"),
        ("ticket 4711, mail of 3 May", "ticket 4711, mail of 3 May"),
    ],
)
def test_the_local_part_goes_and_the_rest_stays(text: str, masked: str) -> None:
    """Whatever stands around an address stays readable."""
    assert mask(text) == masked


@given(PIECES)
def test_masking_twice_is_masking_once(text: str) -> None:
    """A text that is stored, shown and stored again does not change any more."""
    assert mask(mask(text)) == mask(text)


@given(PIECES, LOCALS, PIECES)
def test_no_local_part_survives(before: str, local: str, after: str) -> None:
    """Between any surroundings, an address set off by blanks is not found in the result."""
    assert f"{local}@" not in mask(f"{before} {local}@example.org {after}")


def test_values_are_masked_to_any_depth() -> None:
    """Details of an audit record are lists and mappings; numbers and reasons stay themselves."""
    detail = {"why": "jan@x.example", "of": [1, {"note": "bo@x.example"}], "reason": Reason.MANUAL}
    assert mask_all(detail) == {
        "why": "j***@x.example",
        "of": [1, {"note": "b***@x.example"}],
        "reason": Reason.MANUAL,
    }
