from __future__ import annotations

from gateway.events import Event
from gateway.explanation import explain, narrow, show

REF = "3575v0bdn1t3t"


def said(policy: str, decision: str = "accept", **more: object) -> dict[str, object]:
    return {"policy": policy, "decision": decision, "tag": "", "reason": "", "inputs": {}, **more}


REFUSED = Event(
    "rcpt.refused",
    2.0,
    ref=f"{REF}.3",
    tag="UNSUB",
    domain="b.example",
    detail={
        "n": 3,
        "reply": "550 5.7.1 [UNSUB] The recipient unsubscribed",
        "trail": [
            said("consent", "reject", tag="NO-OPTIN", observed=True),
            said("suppression", "reject", tag="UNSUB", reason="entry", inputs={"entry": 17}),
        ],
    },
)
RELAYED = Event(
    "message.relayed",
    3.0,
    ref=REF,
    detail={
        "size": 4096,
        "recipients": [
            {"n": 1, "key": "0123456789abcdef", "domain": "a.example", "state": "taken",
             "code": 250, "text": "queued as 42"},
            {"n": 2, "address": "bob@b.example", "state": "refused", "code": 550, "text": "no"},
        ],
        "trail": {"mail": [said("batch")], "message": [said("bytes")], "unsettled": "late"},
    },
)  # fmt: skip


def test_a_refusal_names_each_policy_with_its_inputs() -> None:
    """The verdicts in order, which of them was only observed, and what they judged by."""
    (section,) = explain([REFUSED])
    assert ("reply", "550 5.7.1 [UNSUB] The recipient unsubscribed") in section.facts
    assert [(row["stage"], row["policy"], row["decision"]) for row in section.policies] == [
        ("rcpt", "consent", "reject (observed only)"),
        ("rcpt", "suppression", "reject"),
    ]
    assert section.policies[1]["inputs"] == "entry=17"


def test_a_relay_names_each_recipient_and_every_stage() -> None:
    """The next hop's words per recipient; an address only when the operator had it recorded."""
    (section,) = explain([RELAYED])
    assert [(row["recipient"], row["state"], row["text"]) for row in section.recipients] == [
        ("01234567...@a.example", "taken", "queued as 42"),
        ("bob@b.example", "refused", "no"),
    ]
    assert [row["stage"] for row in section.policies] == ["mail", "message"]
    assert ("unsettled", "late") in section.facts


def test_one_recipient_can_be_asked_for() -> None:
    """The others' refusals and outcomes are left out, what concerns all stays."""
    opened = Event("mail.noted", 1.0, ref=REF)
    events = [opened, REFUSED, RELAYED]
    assert narrow(events, None) == events
    assert narrow(events, 3) == [opened, REFUSED]
    kept, relayed = narrow(events, 2)
    assert kept is opened
    assert [entry["n"] for entry in relayed.detail["recipients"]] == [2]  # type: ignore[attr-defined]


def test_texts_of_strangers_cannot_drive_the_terminal() -> None:
    """Control characters are replaced wherever they are nested."""
    assert show({"text": ["a\x1b[31m", "\r\n"]}) == "text=a\ufffd[31m, \ufffd\ufffd"
