"""On which of a tenant's names a block falls."""

from __future__ import annotations

import pytest

from policies.senders import blockable


@pytest.mark.parametrize(
    ("mail_from", "expected"),
    [
        ("a@acme.example", ["acme.example"]),
        ("a@x.acme.test", ["acme.test"]),
        (None, ["acme.example", "acme.test"]),
    ],
)
def test_a_block_falls_on_the_registered_name(world, mail_from, expected):
    """A name under a `*.` entry blocks the parent, the empty sender all the tenant's domains."""
    assert blockable(world.transaction(mail_from)) == expected
