"""docs/redis.md names the commands that the gateway gives to Redis, all of them and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contract.state.redis.acl import rules

ROOT = Path(__file__).parents[4]
SCRIPTS = [path.read_text() for path in (ROOT / "gateway/state/redis/scripts").glob("*.lua")]
MODULES = [
    path.read_text()
    for folder in ("gateway/state/redis", "gateway/records")
    for path in (ROOT / folder).glob("*.py")
    if "state.redis" in path.read_text()
]
NOT_SENT = {"readonly", "sentinel", "auth"}
"""An error of the same name; what only Sentinels are asked; what every user may do."""


def test_the_user_may_do_what_is_done_and_nothing_else(redis_server) -> None:
    """A command that is missing would defer all mail; one too many is one too many."""
    with redis_server.client() as client:
        words = {word.lower() for word in client.command()}
    sent = set()
    for source in SCRIPTS:
        sent |= {found.lower() for found in re.findall(r"redis\.call\(\s*'([A-Z]+)'", source)}
    for source in MODULES:
        found = {word.lower() for word in re.findall(r"""[(\[]\s*"([A-Z]{3,})"[,)]""", source)}
        sent |= found & words
    sent = {"cluster|slots" if word == "cluster" else word for word in sent - NOT_SENT}
    assert {word[1:] for word in rules() if word.startswith("+")} == sent


def test_everything_is_found_that_a_script_does() -> None:
    """No script calls Redis in a way that the test above does not see."""
    for source in SCRIPTS:
        calls = len(re.findall(r"redis\.p?call", source))
        assert calls == len(re.findall(r"redis\.call\(\s*'[A-Z]+'", source))
