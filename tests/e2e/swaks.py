"""swaks as a person uses it to see what the gateway answers, and reading what it shows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.certificates import HOST
from tests.e2e.gateway import PASSWORD, Gateway

_REPLY = re.compile(r"^<[-~*]{2} (?P<code>\d{3})(?P<more>[ -])(?P<text>.*)$", re.MULTILINE)
_TAGGED = re.compile(
    r"(?P<enhanced>\d\.\d+\.\d+) \[(?P<tag>[A-Z0-9-]+)\] (?P<text>.*); ref=(?P<ref>\S+)"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One tagged reply with the link on its second line."""

    code: int
    enhanced: str
    tag: str
    text: str
    ref: str
    link: str


def swaks(
    gateway: Gateway,
    tls: str,
    *arguments: str,
    login: str = "acme",
    password: str = PASSWORD,
    sender: str = "news@acme.test",
    to: Sequence[str] = ("anna@inbox.test",),
) -> str:
    """The transcript of one try through 587 (`starttls`) or 465 (`implicit`)."""
    port = gateway.submission if tls == "starttls" else gateway.submissions
    command = ["swaks", "--server", HOST, "--port", str(port), "--timeout", "60"]
    command += ["--from", sender, "--to", ",".join(to), "--suppress-data"]
    if "--no-tls" not in arguments:
        command.append("--tls" if tls == "starttls" else "--tls-on-connect")
    if login:
        command += ["--auth", "PLAIN", "--auth-user", login, "--auth-password", password]
    command += [argument for argument in arguments if argument != "--no-tls"]
    done = subprocess.run(
        command, check=False, text=True, errors="replace", timeout=90,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def refusals(transcript: str) -> list[Refusal]:
    """Every tagged reply in the transcript."""
    found = []
    replies = [
        (match["code"], match["more"], match["text"].rstrip())
        for match in _REPLY.finditer(transcript)
    ]
    for index, (code, more, text) in enumerate(replies):
        if tagged := _TAGGED.fullmatch(text):
            link = ""
            if more == "-" and index + 1 < len(replies):
                link = replies[index + 1][2].partition(" ")[2]
            found.append(
                Refusal(
                    int(code),
                    tagged["enhanced"],
                    tagged["tag"],
                    tagged["text"],
                    tagged["ref"],
                    link,
                )
            )
    return found
