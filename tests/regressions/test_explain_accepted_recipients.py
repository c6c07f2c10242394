"""`explain` left out what the policies had said of the recipients whom a message reached."""

from __future__ import annotations

from gateway.events import Event
from gateway.explanation import explain, narrow

REF = "3575v0bdn1t3t"


def verdict(tag: str) -> dict[str, object]:
    """One entry of a trail."""
    return {"policy": "suppression", "decision": "reject", "tag": tag, "observed": True}


RELAYED = Event(
    "message.relayed",
    1.0,
    ref=REF,
    detail={
        "recipients": [{"n": number, "domain": "b.example"} for number in (1, 2, 3, 5, 6)],
        "trail": {
            "rcpt": [
                {"n": [1, 2, 3, 5], "trail": [verdict("PROTECTED")]},
                {"n": [6], "trail": [verdict("UNSUB")]},
            ]
        },
    },
)


def test_groups_are_told() -> None:
    """Each group of recipients has a row for each verdict on them, with their numbers."""
    (section,) = explain([RELAYED])
    assert [(row["stage"], row["tag"]) for row in section.policies] == [
        ("rcpt 1-3, 5", "PROTECTED"),
        ("rcpt 6", "UNSUB"),
    ]


def test_other_groups_are_left_out() -> None:
    """Asked about one recipient it tells that one's verdicts only."""
    (section,) = explain(narrow([RELAYED], 6))
    assert [(row["stage"], row["tag"]) for row in section.policies] == [("rcpt 6", "UNSUB")]
