"""Single values changed in YAML text, everything else left as it was."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gateway.config.splice import append, set_value

TEXT = """\
state: closed   # why
logins:  # the first
  - name: a
    hash: x   # old

# about streams
streams: {}
"""
PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)


def data(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


def test_a_value_is_replaced_in_place() -> None:
    """Only the scalar's own characters change; comments stay where they were."""
    assert set_value(TEXT, ("state",), "open") == TEXT.replace("closed", "open")
    assert set_value(TEXT, ("logins", 0, "hash"), "$y") == TEXT.replace("hash: x", 'hash: "$y"')


def test_a_missing_key_is_added_at_the_end() -> None:
    """A top-level key that is not there goes behind the rest, also without a final newline."""
    assert set_value("a: b", ("state",), "open") == "a: b\nstate: open\n"


def test_an_item_follows_the_last_one() -> None:
    """A new item stands right behind the last, before the comment of what comes next."""
    assert append(TEXT, "logins", {"name": "b", "hash": "z"}) == TEXT.replace(
        "# old\n", "# old\n  - name: b\n    hash: z\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1",
        "logins:",
        "logins:\n# remark\na: 1\n",
        "logins: []  # none\na: 1\n",
        "logins: [{name: a}]\n",
        "logins:\n- name: a\n- name: c\n  more: {x: [1]}\n# end",
        "logins:\n    -   name: |\n          a\n          b\na: 1\n",
        "logins:\n  - name: a",
    ],
)
def test_every_way_to_write_a_list(text: str) -> None:
    """Block or flow, empty or absent: the list gets the item and nothing else changes."""
    before = data(text) or {}
    items = before.get("logins") or []
    after = data(append(text, "logins", {"name": "new", "hash": "a, b: #c"}))
    assert after == {**before, "logins": [*items, {"name": "new", "hash": "a, b: #c"}]}


@given(PRINTABLE)
@example("Null")
@example("~")
@example("\ufffe\U0001f600\U0001ffff\u200b")
def test_any_printable_value_survives(value: str) -> None:
    """Whatever is written is read back, whatever YAML would make of it unquoted."""
    assert data(set_value(TEXT, ("state",), value)) == {**data(TEXT), "state": value}
    assert data(append(TEXT, "logins", {"name": value}))["logins"][-1] == {"name": value}
