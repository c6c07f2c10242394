"""Why a mail could not be delivered: the table of rules that gives a refusal its class.

The rules are data: bounces.yaml, read by gateway/feedback/bounce_rules.py. `read` takes what that
file holds and gives a `BounceTable`; every mistake is a ConfigurationError that names the key path.
The first rule that matches decides. Whatever the rules say, a refusal for now makes no mailbox
invalid and no domain dead, and the answer to a message with several recipients says nothing about
any one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from policies.returned.classes import BounceClass
from policies.sanctions.reading import mapping, sequence, text, word, wrong

MAX_WORDS = 1_000
"""Characters of a refusal's words that are looked at."""
GAP = 60
"""Characters that a `*` stands for at most."""
FINAL = frozenset({BounceClass.INVALID_MAILBOX, BounceClass.DEAD_DOMAIN})
"""Classes that only a refusal for good can have."""

_RULE = {"name", "class", "codes", "enhanced", "says", "hosts", "stages", "examples"}
_CODES = re.compile(r"[45](?:xx|\d\d)", re.ASCII)
_ENHANCED = re.compile(r"[45*]\.(?:\*|\d{1,3}\.(?:\*|\d{1,3}))", re.ASCII)
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)
_PREFIX = re.compile(r"(?<![\w.])[45]\d\d[ -]+(?:[45](?:\.\d{1,3}){2}(?![\w.])[ -]*)?", re.ASCII)
_QUOTER = re.compile(r"\bhost \S{1,300} said: ?")


class Stage(StrEnum):
    """When it was said."""

    RCPT = "rcpt"
    """To one recipient's RCPT."""
    MESSAGE = "message"
    """To the message, which had this one recipient."""
    SHARED = "shared"
    """To the message, which had more recipients than this one."""
    REPORT = "report"
    """By a delivery report about this recipient, which does not say when."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was said. `code` 0 and `enhanced` "" when unknown; `text` without addresses in it
    (gateway.relay.answers.without_addresses); `host` is who said it, "" when unknown."""

    code: int
    enhanced: str
    text: str
    stage: Stage = Stage.REPORT
    host: str = ""

    @property
    def is_for_now(self) -> bool:
        """Whether code or enhanced code speaks of a passing trouble."""
        return self.code // 100 == 4 or self.enhanced.startswith("4.")


class Phrase(NamedTuple):
    """Words to be found in a text: whole words in this order, where `*` stands for up to GAP
    characters, and at the end for the rest of a word. Made by `phrase`."""

    first: str
    """What comes before any `*`: where it is missing, the pattern need not be tried."""
    pattern: re.Pattern[str]


def phrase(source: str) -> Phrase:
    """The phrase in `source`, lower case with one space between words."""
    parts = [part for part in source.split("*") if part]
    pattern = f".{{0,{GAP}}}?".join(map(re.escape, parts))
    before = r"(?<!\w)" if source[0].isalnum() else ""
    after = r"(?!\w)" if source[-1].isalnum() else ""
    return Phrase(parts[0], re.compile(before + pattern + after))


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. Empty conditions are met by anything; `examples` are reply lines that
    it is there for."""

    name: str
    bounce_class: BounceClass
    codes: tuple[str, ...] = ()
    """Beginnings of the code."""
    enhanced: frozenset[str] = frozenset()
    subjects: tuple[str, ...] = ()
    """Beginnings of the enhanced code."""
    says: tuple[Phrase, ...] = ()
    hosts: tuple[str, ...] = ()
    stages: frozenset[Stage] = frozenset(Stage)
    examples: tuple[str, ...] = ()

    def matches(self, refusal: Refusal, words: str) -> bool:
        """Whether it is about this refusal, whose words are `words`."""
        if self.bounce_class in FINAL and refusal.is_for_now:
            return False
        if self.bounce_class.is_recipients and refusal.stage is Stage.SHARED:
            return False
        if refusal.stage not in self.stages:
            return False
        if self.codes and not str(refusal.code).startswith(self.codes):
            return False
        if (self.enhanced or self.subjects) and not (
            refusal.enhanced in self.enhanced or refusal.enhanced.startswith(self.subjects)
        ):
            return False
        if self.hosts and not f".{refusal.host}".endswith(self.hosts):
            return False
        # A pattern costs a hundred times what `in` does, and hardly ever has to be tried.
        for first, pattern in self.says:
            if first in words and pattern.search(words):
                return True
        return not self.says


@dataclass(frozen=True, slots=True)
class BounceTable:
    """All rules, in order."""

    rules: tuple[Rule, ...]

    def rule_for(self, refusal: Refusal) -> Rule | None:
        """The first rule that matches."""
        words = _words(refusal.text)
        for rule in self.rules:
            if rule.matches(refusal, words):
                return rule
        return None

    def classify(self, refusal: Refusal) -> BounceClass:
        """Its class; UNKNOWN when no rule matches."""
        rule = self.rule_for(refusal)
        return BounceClass.UNKNOWN if rule is None else rule.bounce_class


def _words(said: str) -> str:
    """Lower case, in one line, without the codes that every line of a reply begins with, and
    without the name of who is quoted: it may be called spam.inbox.test."""
    words = _PREFIX.sub("", _QUOTER.sub("", said[:MAX_WORDS]))
    return " ".join(words.lower().split())


def read(name: str, data: object) -> BounceTable:
    """The table that the data describes."""
    entry = mapping(name, data, {"rules"})
    rules = tuple(_rule(*one) for one in sequence(f"{name}.rules", entry.get("rules")))
    seen: set[str] = set()
    for number, rule in enumerate(rules):
        if rule.name in seen:
            raise wrong(f"{name}.rules[{number}].name", "another rule has this name")
        seen.add(rule.name)
    return BounceTable(rules)


def _rule(path: str, data: object) -> Rule:
    entry = mapping(path, data, _RULE)
    enhanced = _texts(f"{path}.enhanced", entry.get("enhanced", ()), _ENHANCED)
    both = [
        one.replace("*", digit, 1) if one[0] == "*" else one for one in enhanced for digit in "45"
    ]
    codes = _texts(f"{path}.codes", entry.get("codes", ()), _CODES)
    stages = [
        word(where, one, Stage)
        for where, one in sequence(f"{path}.stages", entry.get("stages", ()))
    ]
    return Rule(
        name=text(f"{path}.name", entry.get("name")),
        bounce_class=word(f"{path}.class", entry.get("class"), BounceClass),
        codes=tuple(one.rstrip("x") for one in codes),
        enhanced=frozenset(one for one in both if "*" not in one),
        subjects=tuple(dict.fromkeys(one.partition("*")[0] for one in both if "*" in one)),
        says=tuple(_phrase(*one) for one in sequence(f"{path}.says", entry.get("says", ()))),
        hosts=tuple(f".{one}" for one in _texts(f"{path}.hosts", entry.get("hosts", ()), _HOST)),
        stages=frozenset(stages or Stage),
        examples=tuple(
            text(*one) for one in sequence(f"{path}.examples", entry.get("examples", ()))
        ),
    )


def _texts(path: str, value: object, form: re.Pattern[str]) -> Iterable[str]:
    found = []
    for where, one in sequence(path, value):
        if not form.fullmatch(shown := str(one)):
            raise wrong(where, f"{shown} is none")
        found.append(shown)
    return found


def _phrase(path: str, value: object) -> Phrase:
    source = text(path, value)
    if source != _words(source) or not source.strip("* ") or source[0] == "*":
        raise wrong(path, "words in lower case are needed, with one space between them")
    return phrase(source)
