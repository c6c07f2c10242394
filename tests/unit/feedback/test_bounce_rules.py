"""The table of bounces: a test per rule, and no way for it to blame the innocent."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.feedback.bounce_rules import bounce_table
from gateway.relay.answers import refuses_us, without_addresses
from gateway.relay.outcome import HopReply
from policies.returned.bounces import FINAL, BounceTable, Refusal, Rule, Stage, read
from policies.returned.classes import BounceClass

EXAMPLE = re.compile(
    r"(?:\((?P<stage>rcpt|message|shared|report)\) )?(?:\[(?P<host>[a-z0-9.-]+)\] )?"
    r"(?:(?P<code>[45]\d\d)(?:[ -]|$))?(?:(?P<enhanced>[45]\.\d{1,3}\.\d{1,3})(?:[ -]|$))?"
    r"(?P<text>.*)",
    re.DOTALL,
)
RULES = bounce_table().rules
EXAMPLES = [(rule, example) for rule in RULES for example in rule.examples]
IDS = [f"{rule.name}-{number}" for rule in RULES for number in range(len(rule.examples))]
HURTS = {one for one in BounceClass if one.is_recipients}


def refusal_of(example: str) -> Refusal:
    """`(stage) [host] 550 5.1.1 words`, where all but the words may be missing."""
    found = EXAMPLE.fullmatch(example)
    assert found
    return Refusal(
        int(found["code"] or 0),
        found["enhanced"] or "",
        without_addresses(found["text"]),
        Stage(found["stage"] or "report"),
        found["host"] or "",
    )


def classify(example: str) -> BounceClass:
    """The class of a line."""
    return bounce_table().classify(refusal_of(example))


def table(*rules: object) -> BounceTable:
    """A table of these."""
    return read("t", {"rules": list(rules)})


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=IDS)
def test_a_rule_decides_its_examples(rule: Rule, example: str) -> None:
    """Each example is decided by the rule that it stands at."""
    found = bounce_table().rule_for(refusal_of(example))
    assert found is not None
    assert (found.name, found.bounce_class) == (rule.name, rule.bounce_class)


def test_every_rule_has_an_example() -> None:
    """A rule that nothing shows to be right is none, and every class has one."""
    assert not [rule.name for rule in RULES if not rule.examples]
    assert {rule.bounce_class for rule in RULES} == set(BounceClass) - {BounceClass.UNKNOWN}


def test_no_example_is_met_by_an_earlier_rule_of_another_class() -> None:
    """The order hides no contradiction between rules."""
    for place, rule in enumerate(RULES):
        earlier = BounceTable(RULES[:place])
        met = {example: earlier.rule_for(refusal_of(example)) for example in rule.examples}
        assert not {example: one.name for example, one in met.items() if one is not None}


@pytest.mark.parametrize(
    "example",
    [
        "550 refused",
        "550 Requested action not taken: mailbox unavailable",
        "[mx.inbox.test] 550 Requested action not taken: mailbox unavailable",
        "(message) [mx00.gmx.net] 550 Requested action not taken: mailbox unavailable",
        "[notgmx.net] 550 Requested action not taken: mailbox unavailable",
        "551 User not local; please try <anna@elsewhere.test>",
        "553 Requested action not taken: mailbox name not allowed",
        "554 5.1.0 refused",
        "550 5.1.3 refused",
        "550 5.2.0 refused",
        "550 5.3.0 refused",
        "550 5.5.0 refused",
        "550 5.0.0 refused",
        "500 5.5.1 what?",
        "",
        "a mail server was not happy",
    ],
)
def test_what_is_in_doubt_suppresses_nobody(example: str) -> None:
    """Codes that servers use for anything, and words that they use for anything, blame nobody."""
    assert classify(example) in (BounceClass.UNKNOWN, BounceClass.POLICY)


@pytest.mark.parametrize(
    "example",
    [
        "550 5.1.1 <anna@inbox.test>: Recipient address rejected: {}",
        "550 5.1.1 User unknown: {}",
        "550 {} (no such user here)",
        "5.1.2 Host not found: {}",
    ],
)
@pytest.mark.parametrize(
    "cause",
    [
        "Client host [198.51.100.7] blocked using zen.spamhaus.org",
        "your IP 198.51.100.7 is listed by bl.list.example",
        "Relay access denied",
        "relaying denied",
        "spam detected",
        "DMARC policy of sender.example",
        "SPF check failed",
        "Sender address rejected",
        "cannot find your reverse hostname",
        "message contains a virus",
        "authentication required",
        "poor reputation of your network",
    ],
)
def test_our_own_fault_is_never_the_recipients(example: str, cause: str) -> None:
    """Whatever code stands before it and whatever is said besides: what is about the sender, our
    host or our mail blames no recipient."""
    assert classify(example.format(cause)) not in HURTS


@pytest.mark.parametrize(
    "reply",
    [
        HopReply(550, "5.7.1", "<anna@inbox.test>: Relay access denied"),
        HopReply(554, "5.7.1", "Client host [198.51.100.7] blocked using zen.list.example"),
        HopReply(554, "5.7.1", "<gate.test[198.51.100.7]>: Client host rejected: Access denied"),
        HopReply(530, "5.7.0", "Must issue a STARTTLS command first"),
        HopReply(535, "5.7.8", "who are you"),
        HopReply(503, "5.5.1", "bad sequence of commands"),
        HopReply(550, "", "relay not permitted"),
        HopReply(550, "5.7.1", "Unable to relay"),
    ],
)
def test_what_the_relay_takes_for_a_refusal_of_us_is_one_here(reply: HopReply) -> None:
    """The table and the message's path agree on whom a reply is about."""
    assert refuses_us(reply)
    refusal = Refusal(reply.code, reply.enhanced, without_addresses(reply.text), Stage.RCPT)
    assert bounce_table().classify(refusal) is BounceClass.REFUSES_US


def test_what_blames_a_recipient_is_no_refusal_of_us_to_the_relay() -> None:
    """What the message's path would keep from the customer hurts no recipient here."""
    ours = 0
    for rule, example in EXAMPLES:
        refusal = refusal_of(example)
        if refuses_us(HopReply(refusal.code, refusal.enhanced, refusal.text)):
            ours += 1
            assert rule.bounce_class not in HURTS, example
    assert ours > 5


def test_an_address_that_says_something_says_nothing() -> None:
    """Words within an address are not the server's."""
    assert classify("550 5.7.1 <user.unknown@inbox.test>: refused") is BounceClass.POLICY
    assert classify("550 5.1.1 <spam@inbox.test>: User unknown") is BounceClass.INVALID_MAILBOX


def test_the_name_of_a_quoted_host_says_nothing() -> None:
    """A host may be called after what it does."""
    said = "host spam.inbox.test[192.0.2.25] said: 550 5.1.1 User unknown"
    assert classify(said) is BounceClass.INVALID_MAILBOX


def test_an_answer_to_several_recipients_is_about_none_of_them() -> None:
    """After the dot of a copy with several recipients nobody knows whose mailbox is meant."""
    for words in ("550 5.1.1 User unknown", "552 5.2.2 mailbox full", "550 5.1.2 Host unknown"):
        assert classify(f"(message) {words}") in HURTS
        assert classify(f"(shared) {words}") not in HURTS


WORDS = [
    "user unknown",
    "mailbox full",
    "host not found",
    " 550-5.1.1 ",
    "host x said: ",
    "ß",
    "\n",
]
SAID = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=300).map("".join)
CODES = st.sampled_from([0, 421, 450, 452, 500, 550, 552, 554, 556, 999])
ENHANCED = st.sampled_from(["", "4.1.1", "4.4.1", "5.1.1", "5.1.2", "5.2.2", "5.7.1", "5.1"])


@given(CODES, ENHANCED, SAID, st.sampled_from(Stage), SAID)
def test_a_refusal_for_now_is_never_for_good(
    code: int, enhanced: str, said: str, stage: Stage, host: str
) -> None:
    """Whatever a stranger says is given a class, and only what is for good makes a mailbox invalid
    or a domain dead."""
    refusal = Refusal(code, enhanced, said, stage, host)
    found = bounce_table().classify(refusal)
    if code // 100 == 4 or enhanced.startswith("4"):
        assert found not in FINAL
    if stage is Stage.SHARED:
        assert found not in HURTS


def test_only_the_beginning_of_long_words_is_looked_at() -> None:
    """What stands behind a thousand characters changes nothing."""
    refusal = Refusal(550, "", "x" * 2_000 + " user unknown")
    assert bounce_table().classify(refusal) is BounceClass.UNKNOWN


def test_a_phrase_is_of_whole_words_and_has_gaps() -> None:
    """A `*` within stands for a little of anything, at the end for the rest of a word."""
    rule = {"name": "a", "class": "spam", "says": ["mailbox * full", "block*", "user unknown"]}
    found = {
        text: table(rule).classify(Refusal(550, "", text)) is BounceClass.SPAM
        for text in (
            "Mailbox of Anna is FULL",
            "mailbox " + "x" * 70 + " full",
            "mailbox for us is fully there",
            "blocked",
            "unblocked",
            "user\n  unknown",
            "user unknowns",
            "superuser unknown",
        )
    }
    assert list(found.values()) == [True, False, False, True, False, True, False, False]


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ({"class": "spam"}, "name"),
        ({"name": "a", "class": "rude"}, "class"),
        ({"name": "a", "class": "spam", "codes": [250]}, "codes"),
        ({"name": "a", "class": "spam", "codes": ["5x0"]}, "codes"),
        ({"name": "a", "class": "spam", "enhanced": ["5.1"]}, "enhanced"),
        ({"name": "a", "class": "spam", "enhanced": ["5.*.1"]}, "enhanced"),
        ({"name": "a", "class": "spam", "says": ["Two  Words"]}, "says"),
        ({"name": "a", "class": "spam", "says": ["*"]}, "says"),
        ({"name": "a", "class": "spam", "says": "spam"}, "says"),
        ({"name": "a", "class": "spam", "hosts": ["nodot"]}, "hosts"),
        ({"name": "a", "class": "spam", "stages": ["lunch"]}, "stages"),
        ({"name": "a", "class": "spam", "because": "so"}, "because"),
    ],
)
def test_a_mistake_in_a_rule_is_named(rule: object, where: str) -> None:
    """What is wrong is said with its place."""
    with pytest.raises(ConfigurationError, match=rf"t\.rules\[0\]\.{where}"):
        table(rule)


def test_two_rules_of_one_name_are_a_mistake() -> None:
    """A name names one rule."""
    rule = {"name": "a", "class": "spam"}
    with pytest.raises(ConfigurationError, match=r"t\.rules\[1\]\.name"):
        table(rule, rule)
