"""A house whose mail comes back: gateway, a real Postfix behind it, and a mailing of a thousand.

Postfix takes every recipient and finds out later, as a next hop for the world does: `inbox.test`
has mailboxes, `crowd.test` readers whom nobody looks at and people it does not know; the rest is
at another server (`mx`), or nowhere. What cannot be delivered it returns to the gateway by itself.
"""

from __future__ import annotations

import random
import re
import smtplib
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from gateway.cli import app
from gateway.message.address import parse_mailbox
from suppression.keys import Keyring
from suppression.tokens import Purpose
from tests.e2e.certificates import HOST, Certificates
from tests.e2e.complaints import LISTED, RECORD, SELECTOR
from tests.e2e.gateway import DOMAIN, Settings, acme, customer, write_private
from tests.e2e.name_server import NameServer, txt
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port
from tests.e2e.postfix import Postfix
from tests.e2e.receiver import SECRET, Receiver
from tests.e2e.returned_mail import DOMAIN as BACK
from tests.e2e.returned_mail import token_maker
from tests.e2e.session import Session, letter, wait_until
from tests.e2e.sink import Sink
from tests.faults.houses import Served

SENDER, OTHER_SENDER = "news@acme.test", "news@shoes.test"
"""The second is of another domain of the same customer, which no block of the first stops."""
OFFICE = "office@inbox.test"
NOBODY = "550 5.1.1 no such recipient here"
TAKEN = "250 2.0.0 taken"


def _named(name: str, count: int, domain: str) -> tuple[str, ...]:
    return tuple(f"{name}-{number}@{domain}" for number in range(count))


READERS = _named("reader", 40, "inbox.test")
"""Who has a mailbox that a test may look into."""
UNKNOWN = _named("unknown", 90, "crowd.test")
"""Whom Postfix itself does not know."""
STRANGE = _named("strange", 3, "far.test")
"""Whom another server does not know."""
FULL = _named("full", 6, "full.test")
DEAD = _named("dead", 4, "dead.test")
STORMY, CLOSED = _named("stormy", 8, "stormy.test"), _named("closed", 8, "closed.test")
SLOW = _named("slow", 4, "slow.test")
"""None of the mailing: their server wants to be asked later."""
_APART = (*READERS, *UNKNOWN, *STRANGE, *FULL, *DEAD, *STORMY, *CLOSED)
CROWD = _named("crowd", 1000 - len(_APART), "crowd.test")
MAILING = tuple(random.Random(7).sample((*_APART, *CROWD), 1000))
"""Mixed, as lists are: a hundred unknown people in a row would be a storm."""

_SETTINGS = """\
smtpd_reject_unlisted_recipient = no
smtp_dns_support_level = disabled
delay_warning_time = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_maps = inline:{{ {routes} }}
"""
_SERVICE = """\
smtp    unix - - n - - smtp
discard unix - - n - - discard
scache  unix - - n - 1 scache
"""
_NO_DOMAIN = (
    "error:5.4.4 Host or domain name not found."
    " Name service error for name=dead.test type=AAAA: Host not found"
)
"""What smtp(8) says of a domain that is none, so that no test asks the DNS of the world."""
_KEPT = {
    "suppressions": "hex(key), scope, code, lifted_at",
    "standing_index": "hex(key), scope, code",
    "cases": "id, ladder, phase, counted, state ->> 'facts', state ->> 'domains'",
    "facts": "id, kind, tenant, hex(key)",
    "blocks": "id, tenant, domain, lifted_at",
    "fees": "id",
    "notices": "id, kind",
    "bounces": "id, class, state",
    "storms": "id, provider, decision",
    "webhook_deliveries": "id",
    "figures WHERE what NOT IN ('offered', 'delivered')": "tenant, stream, what, amount",
}
"""All that mail which comes back may change, for senders and recipients."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A suppression in force: whose (an address of the mailing, else the key), where and why."""

    whose: str
    scope: str
    reason: str


class Coming:
    """The running house; `port` is where mail comes back to."""

    def __init__(
        self, house: Served, postfix: Postfix, mx: Sink, receiver: Receiver, port: int
    ) -> None:
        self.house, self.postfix, self.mx, self.receiver = house, postfix, mx, receiver
        self.port = port
        self._make = token_maker(house.folder / "keys/keyring.json")
        self._keyring = Keyring.load(house.folder / "keys/keyring.json")
        self._people: dict[bytes, str] = {}
        self.meet((*MAILING, *SLOW))
        self._headers: dict[str, str] = {}

    def meet(self, people: Sequence[str]) -> None:
        """Know these from now on, wherever they stand in the records."""
        keys = (self._keyring.exact_key, self._keyring.loose_key)
        self._people |= {key(parse_mailbox(one)): one for one in people for key in keys}

    def send(self, recipients: Sequence[str], sender: str = SENDER) -> None:
        """A list mailing, a hundred recipients a message; all must be taken."""
        with Session(self.house.open, "acme/weekly") as session:
            for at in range(0, len(recipients), 100):
                said = session.send(sender, recipients[at : at + 100], letter(sender))
                assert said.code == 250, said

    def header(self, reader: str) -> str:
        """The header section of a reader's copy of the mailing, as it lies in the mailbox."""
        if reader not in self._headers:
            (raw,) = self.postfix.take(reader)
            self._headers[reader] = raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")
        return self._headers[reader]

    def return_path(self, to: str) -> str:
        """The return path of somebody's copy."""
        return f"bounce+{self.token(Purpose.RETURN_PATH, to)}@{BACK}"

    def token(self, purpose: Purpose, to: str, tenant: str = "acme") -> str:
        """A token of a customer's list for a recipient."""
        name = "weekly" if tenant == "acme" else "mail"
        query = f"SELECT number FROM streams WHERE tenant='{tenant}' AND name='{name}'"
        ((number,),) = self.house.rows(query)
        return self._make(purpose, number, to)

    def mail(self, to: str, *mails: bytes, sender: str = f"bounces@{LISTED}") -> list[str]:
        """What the listener says to each: the refusal of the recipient, or the final answer."""
        said = []
        with smtplib.SMTP(LOOPBACK, self.port, timeout=60) as client:
            client.ehlo("mx.isp.test")
            for octets in mails:
                client.mail(sender)
                code, text = client.rcpt(to)
                if code == 250:
                    code, text = client.data(octets)
                else:
                    client.rset()
                said.append(f"{code} {text.decode()}")
        return said

    def entries(self) -> set[Entry]:
        """Every suppression in force."""
        query = (
            "SELECT s.key, streams.tenant, streams.name, s.code FROM suppressions s"
            " LEFT JOIN streams ON streams.number = s.scope WHERE s.lifted_at IS NULL"
        )
        return {
            Entry(
                self._people.get(key, key.hex()),
                f"{tenant}/{name}" if name else tenant or "*",
                _reason(code),
            )
            for key, tenant, name, code in self.house.rows(query)
        }

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that mail which comes back may change."""
        with closing(sqlite3.connect(self.house.database)) as records:
            return {
                table: sorted(records.execute(f"SELECT {what} FROM {table}"), key=repr)
                for table, what in _KEPT.items()
            }

    def answers(self, recipients: Sequence[str], sender: str = OTHER_SENDER) -> dict[str, str]:
        """What the very next RCPT gets, each."""
        said: dict[str, str] = {}
        with Session(self.house.open, "acme/weekly") as session:
            for at in range(0, len(recipients), 100):
                some = recipients[at : at + 100]
                assert session.mail(sender).code == 250
                said |= dict(zip(some, (one.short for one in session.rcpt(*some)), strict=True))
                session.command("RSET")
        return said

    def run(self, *arguments: str) -> str:
        """What a command prints, run in this process: starting one takes a second."""
        done = CliRunner().invoke(app, [*arguments, "--config", str(self.house.config)])
        assert done.exit_code == 0, done.output
        return done.stdout

    def measured(self, metric: str) -> float:
        """A metric's value, of these labels if any are named; else all its lines together."""
        with urllib.request.urlopen(f"http://{HOST}:{self.house.web}/metrics", timeout=60) as page:
            text = page.read().decode()
        found = re.findall(rf"^{re.escape(metric)}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))

    def bounces(self) -> Counter[tuple[str, str]]:
        """How many of each class and state."""
        return Counter(
            {
                (name, state): count
                for name, state, count in self.house.rows(
                    "SELECT class, state, count(*) FROM bounces GROUP BY class, state"
                )
            }
        )


def _reason(code: int) -> str:
    """By suppression/precedence: the reasons that mail which comes back can lead to."""
    names = {3: "complaint", 4: "unsubscribe", 5: "hard_bounce", 7: "soft_bounce"}
    return names.get((code - 16) // 8, f"code {code}")


def at_mx(recipient: str) -> str | None:
    """What the other server says to RCPT."""
    match recipient.partition("@")[2]:
        case "full.test":
            return f"552 5.2.2 <{recipient}>: mailbox full, over quota"
        case "far.test":
            return f"550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"
        case "slow.test":
            return "450 4.2.0 greylisted, try again later"
        case _:
            return None


@contextmanager
def coming_back(
    folder: Path, certificates: Certificates, readers: Sequence[str] = READERS
) -> Iterator[Coming]:
    """The house, before its mailing; `readers` have mailboxes."""
    port = free_port()
    with ExitStack() as stack:
        mx = stack.enter_context(Sink(refuse=at_mx))
        zone = {(f"{SELECTOR}._domainkey.{LISTED}", "TXT"): [txt(RECORD)]}
        dns = stack.enter_context(NameServer(zone))
        receiver = stack.enter_context(Receiver(certificates))
        postfix = stack.enter_context(
            Postfix([*readers, OFFICE], settings=_settings(mx.port, port), service=_SERVICE)
        )
        (folder / "keys").mkdir(parents=True)
        write_private(folder / "keys/acme.webhook", f"{SECRET}\n".encode())
        settings = _house(postfix.port, dns.port, receiver.port, port, certificates)
        house = stack.enter_context(Served(folder, settings, certificates))
        wait_for_port(port)
        yield Coming(house, postfix, mx, receiver, port)


def _settings(mx: int, port: int) -> str:
    routes = {
        "crowd.test": "discard:",
        **dict.fromkeys(UNKNOWN, "virtual:"),
        **dict.fromkeys(("stormy.test", "closed.test"), "discard:"),
        **dict.fromkeys(("far.test", "full.test", "slow.test"), f"smtp:[{LOOPBACK}]:{mx}"),
        "beta.test": f"smtp:[{LOOPBACK}]:{mx}",
        "dead.test": _NO_DOMAIN,
        BACK: f"smtp:[{LOOPBACK}]:{port}",
    }
    return _SETTINGS.format(routes=", ".join(f"{{{to} = {how}}}" for to, how in routes.items()))


def _house(hop: int, dns: int, receiver: int, port: int, certificates: Certificates) -> Settings:
    own = acme()
    key = {"dkim": [{"selector": "ed", "key_file": "keys/ed.pem"}]}
    own["domains"] = dict.fromkeys((DOMAIN, "shoes.test"), key)
    own["streams"]["weekly"] = {"kind": "list", "verp": True}
    own["contact"] = {"email": OFFICE, "language": "en"}
    own["webhook"] = {
        "url": f"https://{HOST}:{receiver}/hook",
        "secret_file": "keys/acme.webhook",
        "allow_private_targets": ["127.0.0.0/8", "::1/128"],
        "ca_file": str(certificates.authority),
    }
    gateway = {
        "feedback": {
            "listen": f"{LOOPBACK}:{port}",
            "domain": BACK,
            "dkim": [{"selector": "ed", "key_file": "keys/ed.pem"}],
            "bounces": {"dead_domain": 1, "mailbox_full": 1},
            "storm": {"count": 6, "within": "3s"},
        },
        "sanctions": {"feedback_sources": [LISTED]},
        "sender_dns": {"resolvers": [f"{LOOPBACK}:{dns}"], "patience": "1s"},
    }
    streams = {
        "mail": {"kind": "transactional", "default": True},
        "back": {"kind": "transactional", "verp": True},
    }
    beta = customer("beta", streams=streams)
    tenants = {"acme": own, "beta": beta}
    return Settings(hop, trusted=None, gateway=gateway, tenants=tenants)


def send_the_mailing(coming: Coming) -> None:
    """A thousand go out; until all that comes back by itself is settled."""
    coming.send(MAILING)
    expected = len(UNKNOWN) + len(STRANGE) + len(FULL) + len(DEAD)
    delivered = "SELECT sum(amount) FROM figures WHERE what='delivered'"
    wait_until(lambda: coming.house.rows(delivered) == [(len(MAILING),)])
    wait_until(lambda: sum(coming.bounces().values()) == expected)
    wait_until(lambda: all(state == "believed" for _, state in coming.bounces()))
