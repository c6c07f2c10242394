"""Every single-bit flip of API tokens and of link tokens is refused, with one and the same answer.

    python -m tests.campaigns.token_flips          (make token-flips)

A thousand tokens of each kind, every bit of their text, over the whole web application (ASGI, with
the records of a gateway of its own): `Authorization: Bearer` of API tokens, GET and POST of
unsubscribe and status links, GET of confirmation links. Promise: status, body and headers of a
refusal never differ, nothing is written, and each token still works. A link may be typed in another
case, so a flip of its case bit is the same token and is left out. Exit status 1 when a promise is
broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from starlette.types import ASGIApp, Message

from gateway.config.api import ApiSettings
from gateway.config.example import TENANT, write_example
from gateway.config.load import load
from gateway.records import audit
from gateway.records.api_tokens import Permission, issue
from gateway.records.case_store import Clocks, insert_case
from gateway.records.case_view import find_case
from gateway.records.streams import stream_number
from gateway.web.server import WebProcess
from policies.sanctions.case import Case
from policies.sanctions.words import Phase
from suppression.keys import KEY_OCTETS
from suppression.tokens import Purpose, Tokens
from tests.campaigns.vitals import say

ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = (b"content-type", b"application/x-www-form-urlencoded")
PARTS = (b"content-type", b"multipart/form-data; boundary=x")
ASKS_CODE = b'--x\r\nContent-Disposition: form-data; name="do"\r\n\r\ncode\r\n--x--\r\n'
Answer = tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]


def flips(text: bytes) -> Iterator[bytes]:
    """`text` with each of its bits flipped, one at a time."""
    for place in range(len(text)):
        for bit in range(8):
            yield text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]


async def ask(
    app: ASGIApp,
    method: str,
    path: bytes,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    body: bytes = b"",
) -> Answer:
    """What `app` answers; `path` is octets as they are after percent-decoding."""
    sent: list[Message] = []
    received = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return received.pop() if received else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path.decode("utf-8", "replace"),
        "raw_path": b"".join(b"%%%02X" % octet for octet in path),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"mail.example.com"), *headers],
        "client": ("192.0.2.1", 50_000),
        "server": ("127.0.0.1", 8080),
    }
    await app(scope, receive, send)
    parts = [message for message in sent if message["type"] == "http.response.body"]
    return (
        sent[0]["status"],
        b"".join(part.get("body", b"") for part in parts),
        tuple(sorted(sent[0]["headers"])),
    )


@dataclass(slots=True)
class Tally:
    """Flips tried by kind, how many answers there were to them, and what was not as promised."""

    tried: Counter[str] = field(default_factory=Counter)
    answers: dict[str, set[Answer]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def refuse(self, kind: str, text: bytes, answer: Answer, status: int) -> None:
        """Count one flip that must get the one answer of its kind."""
        self.tried[kind] += 1
        known = self.answers.setdefault(kind, set())
        if answer[0] != status or (known and answer not in known):
            self.broken.append(f"{kind}: {text!r} got {answer[0]} {answer[1][:200]!r}")
        known.add(answer)


class Site:
    """The web application of one gateway, not listening, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        write_example(folder, "mail.example.com")
        loaded = load(folder / "consentry.yaml")
        most = ApiSettings(requests_per_minute=1_000_000, refused_tokens_per_minute=1_000_000)
        loaded.config.__dict__["api"] = most
        self.process = WebProcess(loaded)
        self.app: ASGIApp = self.process._http.config.app  # type: ignore[assignment]
        self.database = self.process.database

    def api_token(self, random: Random) -> bytes:
        """A token in force, of staff or of the tenant."""
        tenant = random.choice(("", TENANT))
        with self.database.transaction() as connection:
            name = random.randbytes(8).hex()
            permissions = [Permission.AUDIT_READ]
            text, _ = issue(connection, name, tenant, permissions, None, "test", time.time())
        return text.encode()

    def link_token(self, random: Random, purpose: Purpose) -> bytes:
        """A token of this gateway's that names a list and somebody."""
        with self.database.transaction() as connection:
            number = stream_number(connection, TENANT, "weekly")
        tokens = Tokens(self.process._api_parts.keyring)
        return tokens.make(purpose, number, random.randbytes(KEY_OCTETS)).encode()

    def status_token(self) -> bytes:
        """A token of this gateway's that names the tenant and a case of its own."""
        case = Case(0, TENANT, "protected", "protected", "", "", Phase.OPEN, time.time())
        with self.database.transaction() as connection:
            made = insert_case(connection, case, Clocks(None, 100)).id
            stored = find_case(connection, made)
            assert stored is not None
            number = stream_number(connection, TENANT)
        tokens = Tokens(self.process._api_parts.keyring)
        return tokens.make(Purpose.CASE, number, stored.tracking).encode()

    def head(self) -> tuple[int, bytes]:
        """The end of the trail, which every change moves."""
        with self.database.reading() as connection:
            return audit.head(connection)


async def flip_api_token(site: Site, text: bytes, tally: Tally) -> None:
    """Every flip of one API token."""
    for flipped in flips(text):
        answer = await ask(site.app, "GET", b"/v1/me", ((b"authorization", b"Bearer " + flipped),))
        tally.refuse("API token", flipped, answer, 401)
    works = await ask(site.app, "GET", b"/v1/me", ((b"authorization", b"Bearer " + text),))
    if works[0] != 200:
        tally.broken.append(f"{text!r} itself got {works[0]}")


async def flip_unsubscribe(site: Site, text: bytes, tally: Tally) -> None:
    """Every flip of one unsubscribe link, shown and pressed."""
    for flipped in flips(text):
        if flipped.lower() == text:
            continue
        shown = await ask(site.app, "GET", b"/u/" + flipped)
        tally.refuse("unsubscribe GET", flipped, shown, 404)
        pressed = await ask(site.app, "POST", b"/u/" + flipped, (FORM,), ONE_CLICK)
        tally.refuse("unsubscribe POST", flipped, pressed, 404)
    works = await ask(site.app, "GET", b"/u/" + text)
    if works[0] != 200:
        tally.broken.append(f"{text!r} itself got {works[0]}")


async def flip_confirm(site: Site, text: bytes, tally: Tally) -> None:
    """Every flip of one confirmation link."""
    for flipped in flips(text):
        if flipped.lower() != text:
            shown = await ask(site.app, "GET", b"/c/" + flipped)
            tally.refuse("confirm GET", flipped, shown, 404)


async def flip_status(site: Site, text: bytes, tally: Tally) -> None:
    """Every flip of one link to a case, shown and acted on."""
    for flipped in flips(text):
        if flipped.lower() != text:
            shown = await ask(site.app, "GET", b"/status/" + flipped)
            tally.refuse("status GET", flipped, shown, 404)
            pressed = await ask(site.app, "POST", b"/status/" + flipped, (PARTS,), ASKS_CODE)
            tally.refuse("status POST", flipped, pressed, 404)
    works = await ask(site.app, "GET", b"/status/" + text)
    if works[0] != 200:
        tally.broken.append(f"{text!r} itself got {works[0]}")


async def run(site: Site, count: int, seed: int) -> Tally:
    """`count` tokens of each kind."""
    random, tally, started = Random(seed), Tally(), time.monotonic()
    api = [site.api_token(random) for _ in range(count)]
    unsubscribe = [site.link_token(random, Purpose.UNSUBSCRIBE) for _ in range(count)]
    confirm = [site.link_token(random, Purpose.CONFIRM) for _ in range(count)]
    status = [site.status_token() for _ in range(count)]
    before = site.head()
    for number in range(count):
        await flip_api_token(site, api[number], tally)
        await flip_unsubscribe(site, unsubscribe[number], tally)
        await flip_confirm(site, confirm[number], tally)
        await flip_status(site, status[number], tally)
        if number % 50 == 49:
            say(f"{number + 1} of {count} tokens, {time.monotonic() - started:.0f} s")
    if site.head() != before:
        tally.broken.append("something was written")
    return tally


def main() -> int:
    """Run it and say what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=1000, help="of each kind (default 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        site = Site(Path(folder))
        tally = asyncio.run(run(site, options.tokens, options.seed))
        asyncio.run(site.process.stop())
    answers = {kind: len(known) for kind, known in tally.answers.items()}
    if options.json:
        print(json.dumps({"tried": tally.tried, "answers": answers, "broken": tally.broken}))
    else:
        for kind, tried in tally.tried.items():
            print(f"{kind}: {tried:,} flips, {answers[kind]} answer")
        print(*tally.broken[:20], sep="\n")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
