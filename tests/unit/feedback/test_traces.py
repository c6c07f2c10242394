"""Tokens in mail that came back: found where ours stand, and believed only when all agree."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.feedback.parsed import Complaint, FeedbackType, Form, Original, Parsed
from gateway.feedback.traces import Traces, read_traces
from suppression.keys import Generation, Keyring
from suppression.tokens import MAX_STREAM, Purpose, Tokens

TOKENS = Tokens(Keyring([Generation.fresh(3)]))
MAILING = "261120-9f3c01ab"
RECIPIENT, SENDER, REPORT = "recipient", "sender", "report"
PURPOSES = {
    RECIPIENT: Purpose.RETURN_PATH,
    SENDER: Purpose.RETURN_PATH,
    REPORT: Purpose.FEEDBACK,
    "Consentry-Trace": Purpose.FEEDBACK,
    "CFBL-Feedback-ID": Purpose.FEEDBACK,
    "Return-Path": Purpose.RETURN_PATH,
    "List-Unsubscribe": Purpose.UNSUBSCRIBE,
    "mailto": Purpose.UNSUBSCRIBE,
    "old mailto": Purpose.UNSUBSCRIBE,
    "Feedback-ID": Purpose.MAILING,
}
"""Every place of a token."""
LINES = {
    "Return-Path": "<bounce+{}@fbl.test>",
    "List-Unsubscribe": "<https://gate.test/u/{}>",
    "mailto": "<https://gate.test/else>,\r\n\t<mailto:u+{}@fbl.test>",
    "old mailto": "<mailto:unsubscribe+{}@u.test?subject=x>",
    "Feedback-ID": MAILING + ".{}:weekly:acme:consentry",
}
PLACES = st.sets(st.sampled_from(list(PURPOSES)), min_size=1)
STREAMS = st.integers(0, MAX_STREAM)
KEYS = st.binary(min_size=16, max_size=16)
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def token(place: str, stream: int = 7, key: bytes = b"k" * 16, mailing: str = MAILING) -> str:
    """An authentic token for a place."""
    purpose = PURPOSES[place]
    name = mailing.encode().ljust(16, b"\0") if purpose is Purpose.MAILING else key
    return TOKENS.make(purpose, stream, name)


def read(said: Mapping[str, str], end: str = "\r\n") -> Traces:
    """What is made of a report that has these texts at these places."""
    names = {"mailto": "List-Unsubscribe", "old mailto": "List-Unsubscribe"}
    lines = ["Received: from a by b", "Message-ID: <1@acme.test>"]
    in_header = [place for place in said if place not in (RECIPIENT, SENDER, REPORT)]
    lines += [f"{names.get(p, p)}: {LINES.get(p, '{}').format(said[p])}" for p in in_header]
    header = "".join(f"{line}\r\n" for line in lines).replace("\r\n", end)
    complaint = Complaint(
        FeedbackType.ABUSE,
        mail_from=f"bounce+{said[SENDER]}@fbl.test" if SENDER in said else "",
        feedback_id=said.get(REPORT, ""),
    )
    parsed = Parsed(
        Form.ARF, "mail", complaint=complaint, original=Original(header.encode("utf-8", "replace"))
    )
    recipient = f"BOUNCE+{said[RECIPIENT]}@fbl.test" if RECIPIENT in said else "fbl@fbl.test"
    return read_traces(parsed, recipient, TOKENS, "fbl.test")


@given(PLACES, STREAMS, KEYS, st.sampled_from(["\r\n", "\n", "\r"]))
def test_any_place_is_enough(places: set[str], stream: int, key: bytes, end: str) -> None:
    """Whatever a provider has left: every token is found, in any case, behind any line ending."""
    found = read({place: token(place, stream, key).upper() for place in places}, end)
    assert found.agrees
    assert found.has_token
    assert found.stream_number == stream
    assert found.key == (b"" if places == {"Feedback-ID"} else key)
    assert found.mailing == (MAILING if "Feedback-ID" in places else "")
    assert found.message_id == "<1@acme.test>"


@given(st.data(), st.sets(st.sampled_from(list(PURPOSES)), min_size=2))
def test_two_never_agree(data: st.DataObject, places: set[str]) -> None:
    """One token of another stream or recipient among others, and none of them counts."""
    odd = data.draw(st.sampled_from(sorted(places)))
    is_other_stream = PURPOSES[odd] is Purpose.MAILING or data.draw(st.booleans())
    if not is_other_stream and places - {odd} == {"Feedback-ID"}:
        return  # which names no recipient to disagree with
    changed = {"stream": 8} if is_other_stream else {"key": b"l" * 16}
    found = read({p: token(p, **changed) if p == odd else token(p) for p in places})  # type: ignore[arg-type]
    assert not found.agrees
    assert (found.stream_number, found.key, found.mailing) == (None, b"", "")
    assert found.has_token


@given(st.data(), PLACES)
def test_a_forged_token_spoils_all(data: st.DataObject, places: set[str]) -> None:
    """A character that was changed, a token for another purpose, one of another gateway's: never
    believed, and nothing beside it either."""
    odd = data.draw(st.sampled_from(sorted(places)))
    said = {place: token(place) for place in places}
    how = data.draw(st.sampled_from(["changed", "purpose", "gateway"]))
    if how == "changed":
        at = data.draw(st.integers(0, 51))
        other = data.draw(st.sampled_from([c for c in BASE32 if c != said[odd][at]]))
        said[odd] = said[odd][:at] + other + said[odd][at + 1 :]
    elif how == "purpose":
        purposes = [purpose for purpose in Purpose if purpose is not PURPOSES[odd]]
        said[odd] = TOKENS.make(data.draw(st.sampled_from(purposes)), 7, b"k" * 16)
    else:
        said[odd] = Tokens(Keyring([Generation.fresh(3)])).make(PURPOSES[odd], 7, b"k" * 16)
    found = read(said)
    assert not found.agrees
    assert (found.stream_number, found.key, found.mailing) == (None, b"", "")
    assert found.has_token == (len(places) > 1)


@pytest.mark.parametrize("place", PURPOSES)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "redacted",
        BASE32[:31] + BASE32[:20],
        BASE32 + BASE32[:21],
        "\u212a" + BASE32 + BASE32[:19],
        "x" * 52,
    ],
)
def test_redacted_is_absent(place: str, text: str) -> None:
    """What is not shaped like a token was redacted: it says nothing, and spoils nothing."""
    assert read({place: text}) == Traces(
        message_id="<1@acme.test>", feedback_id=feedback_id(place, text)
    )
    beside = "Consentry-Trace" if place != "Consentry-Trace" else RECIPIENT
    assert read({place: text, beside: token(beside)}).key == b"k" * 16


def feedback_id(place: str, text: str) -> str:
    """The original's Feedback-ID as it would be shown."""
    return LINES[place].format(text) if place == "Feedback-ID" else ""


def test_a_mailings_name_is_not_changed_beside_its_token() -> None:
    """Feedback-ID with the token of one mailing and the name of another is forged."""
    assert not read({"Feedback-ID": token("Feedback-ID", mailing="261121-00000000")}).agrees


def test_folded_as_rfc_9477_lets_it() -> None:
    """Whitespace in a CFBL-Feedback-ID is none of its own."""
    whole = token("CFBL-Feedback-ID")
    assert read({"CFBL-Feedback-ID": f"{whole[:20]}\r\n\t {whole[20:]}"}).key == b"k" * 16


def test_people_are_told_where_tokens_stood() -> None:
    """Each place once, with whether what stands there is ours; what was masked is not named."""
    said = {RECIPIENT: token(RECIPIENT), "Feedback-ID": "a" + BASE32 + BASE32[:19]}
    found = read(said | {"Return-Path": "x" * 52})
    assert found.places == (("feedback-id", False), ("recipient", True))


def test_of_two_fields_both_count() -> None:
    """A second Consentry-Trace above ours does not hide it."""
    ours, other = token("Consentry-Trace"), token("Consentry-Trace", stream=9)
    assert not read({"Consentry-Trace": f"{other}\r\nConsentry-Trace: {ours}"}).agrees


def test_return_paths_at_other_domains_are_not_ours() -> None:
    """A customer whose own return paths look like ours, or hold another's token, spoils nothing."""
    ours = token("Consentry-Trace")
    for theirs in (token(SENDER, stream=9), BASE32 + BASE32[:20]):
        header = f"Return-Path: <bounce+{theirs}@acme.test>\r\nConsentry-Trace: {ours}\r\n"
        complaint = Complaint(FeedbackType.ABUSE, mail_from=f"bounce+{theirs}@acme.test")
        original = Original(header.encode())
        parsed = Parsed(Form.ARF, "mail", complaint=complaint, original=original)
        assert read_traces(parsed, "fbl@fbl.test", TOKENS, "fbl.test").key == b"k" * 16


@given(st.binary(max_size=300), st.text(max_size=80))
def test_whatever_it_is_nothing_is_raised(octets: bytes, recipient: str) -> None:
    """Octets and recipients of strangers never raise, and name nobody."""
    lines = b"Feedback-ID:%b\nList-Unsubscribe: <mailto:u+%b\nReturn-Path: <bounce+%b" % (
        (octets,) * 3
    )
    for header in (octets, lines):
        parsed = Parsed(Form.OTHER, "mail", original=Original(header))
        found = read_traces(parsed, recipient, TOKENS, "fbl.test")
        assert (found.stream_number, found.key, found.has_token) == (None, b"", False)
