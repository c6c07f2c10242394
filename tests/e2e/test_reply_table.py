"""Each row of the reply table, as swaks shows it through 587 and 465.

Every refusal carries code, enhanced code, tag, ref and link; the link is a page that explains the
tag, and `consentry explain <ref>` tells the operator the rest. The rows that need a gateway of
their own (a next hop in trouble, tight limits) name it; it is started when first asked for.
"""

from __future__ import annotations

import base64
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial

import pytest

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import PASSWORD, Gateway, Settings, acme, customer
from tests.e2e.ports import LOOPBACK, free_port
from tests.e2e.reply_rows import check
from tests.e2e.sink import Sink
from tests.e2e.swaks import swaks
from tests.e2e.troubled_hop import TroubledHop

LIST = "acme/weekly"
TLS = ("starttls", "implicit")
TEXT = "A line of some length, so that a few of them make a message.\\n" * 50
"""A body of about 3 kB in swaks' notation."""

TENANTS = {
    "acme": acme(),
    "closed": customer("closed", state="closed"),
    "gone": customer("gone", state="disabled"),
    "blocked": customer("blocked"),
    "shut": customer("shut", streams={"mail": {"kind": "transactional", "open": False}}),
    "small": customer("small", limits={"message_bytes": 2000}),
    "tiny": customer("tiny", limits={"bytes_per_day": 6000}),
    "slow": customer("slow", limits={"rates": [{"unit": "messages", "count": 1, "per": "1h"}]}),
    "busy": customer("busy", limits={"batch_wait": "1s"}),
    "checked": customer(
        "checked",
        streams={"mail": {"kind": "transactional", "verified": True, "pre_check": "required"}},
    ),
    "bare": acme(
        domains={"bare.test": acme()["domains"]["acme.test"]},
        logins=customer("bare")["logins"],
        streams={"news": {"kind": "list", "unsubscribe": "own"}},
    ),
}
SUPPRESSED = {
    "protected": "*",
    "objection": "acme",
    "unsubscribe": LIST,
    "complaint": "acme",
    "hard_bounce": "acme",
    "manual": "acme",
}
REFUSED_BY_HOP = {"unknown": "550 5.1.1 No such user", "later": "450 4.2.1 Try again"}


def as_(tenant: str) -> dict[str, str]:
    """The options that make swaks this tenant."""
    return {"login": tenant, "sender": f"news@{tenant}.test"}


Before = Callable[[Gateway], AbstractContextManager[object]]


def nothing(_gateway: Gateway) -> AbstractContextManager[object]:
    """No preparation."""
    return nullcontext()


@contextmanager
def open_transaction(gateway: Gateway, tenant: str) -> Iterator[None]:
    """Another connection of the tenant is in the middle of a transaction."""
    context = ssl.create_default_context(cafile=gateway.certificates.authority)
    with smtplib.SMTP_SSL(HOST, gateway.submissions, context=context) as session:
        session.login(tenant, PASSWORD)
        assert session.mail(f"news@{tenant}.test")[0] == 250
        yield


@contextmanager
def connections(gateway: Gateway, count: int) -> Iterator[None]:
    """So many connections are open from this address."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = socket.create_connection((LOOPBACK, gateway.submission))
            assert stack.enter_context(connection).recv(100).startswith(b"220")
        yield


@contextmanager
def failed_sign_ins(gateway: Gateway, count: int) -> Iterator[None]:
    """So many sign-ins of acme have failed, or the lock is on already."""
    context = ssl.create_default_context(cafile=gateway.certificates.authority)
    wrong = base64.b64encode(b"\0acme\0wrong").decode()
    code = 535
    while count and code == 535:
        with smtplib.SMTP_SSL(HOST, gateway.submissions, context=context) as session:
            session.ehlo()
            for _ in range(4):
                code, _text = session.docmd("AUTH", f"PLAIN {wrong}")
                count -= 1
                if code != 535:
                    break
    yield


@contextmanager
def sent_before(gateway: Gateway, tenant: str) -> Iterator[None]:
    """The tenant has sent a message already, or was refused as it will be now."""
    swaks(gateway, "implicit", "--body", TEXT, **as_(tenant))
    yield


def row(
    tag: str,
    code: int,
    enhanced: str,
    *arguments: str,
    name: str = "",
    house: str = "main",
    before: Before = nothing,
    only: str = "",
    **options: object,
) -> list[object]:
    """One row for each way in: what must be shown, and the swaks call that brings it about."""
    return [
        pytest.param(
            tls, house, before, arguments, options, (code, enhanced, tag), id=f"{name or tag}-{tls}"
        )
        for tls in TLS
        if only in ("", tls)
    ]


def to(*names: str) -> tuple[str, ...]:
    """Addresses at the test's inbox."""
    return tuple(f"{name}@inbox.test" for name in names)


ROWS = [
    # session
    *row("CONN-LIMIT", 421, "4.7.0", house="narrow", before=partial(connections, count=3)),
    *row("TLS-REQUIRED", 530, "5.7.0", "--no-tls", login="", only="starttls"),
    *row("AUTH-REQUIRED", 530, "5.7.0", login=""),
    *row("AUTH", 535, "5.7.8", password="wrong"),
    *row("AUTH", 535, "5.7.8", name="no-such-stream", login="acme/nosuch"),
    *row("AUTH-LOCK", 421, "4.7.0", house="locked", before=partial(failed_sign_ins, count=20)),
    *row("TERMINATED", 525, "5.7.13", **as_("gone")),
    # MAIL
    *row("SENDER", 553, "5.7.1", sender="news@other.test"),
    *row("SENDER-SYNTAX", 553, "5.1.7", sender="news@acme..test"),
    *row("DOMAIN-BLOCKED", 550, "5.7.1", **as_("blocked")),
    *row("TENANT-CLOSED", 451, "4.7.1", **as_("closed")),
    *row("STREAM-CLOSED", 451, "4.7.1", **as_("shut")),
    *row("BATCH-BUSY", 451, "4.7.1", before=partial(open_transaction, tenant="busy"),
         **as_("busy")),
    *row("RATE", 451, "4.7.1", before=partial(sent_before, tenant="slow"), **as_("slow")),
    # RCPT
    *row("PROTECTED", 550, "5.7.1", login=LIST, to=to("protected")),
    *row("UNSUB", 550, "5.7.1", login=LIST, to=to("unsubscribe")),
    *row("UNSUB", 550, "5.7.1", name="objection", login=LIST, to=to("objection")),
    *row("COMPLAINT", 550, "5.7.1", login=LIST, to=to("complaint")),
    *row("BOUNCED", 550, "5.1.1", to=to("hard_bounce")),
    *row("POLICY", 550, "5.7.1", login=LIST, to=to("manual")),
    *row("NO-OPTIN", 550, "5.7.1", login=LIST, to=to("stranger")),
    *row("PRE-CHECK", 451, "4.7.1", **as_("checked")),
    *row("RCPT-SYNTAX", 553, "5.1.3", to=("anna@inbox..test",)),
    *row("NEEDS-SMTPUTF8", 553, "5.6.7", to=("zażółć@inbox.test",)),
    *row("RCPT-LIMIT", 452, "4.5.3", to=to(*(f"reader{n}" for n in range(101)))),
    *row("RCPT-REFUSALS", 421, "4.7.0", to=("unknown@inbox.test",) * 100),
    # end of data
    *row("FROM-ALIGN", 550, "5.7.1", "--h-From", "boss@other.test"),
    *row("BAD-MESSAGE", 550, "5.6.0", "--data", "this is no header field\\n\\ntext\\n"),
    *row("LOOP", 550, "5.4.6", "--header", "\\n".join(["Received: by a.test; Thu"] * 120)),
    *row("TOO-BIG", 552, "5.3.4", "--body", TEXT, **as_("small")),
    *row("BYTES", 451, "4.7.1", "--body", TEXT, before=partial(sent_before, tenant="tiny"),
         **as_("tiny")),
    *row("UNSUB-REQUIRED", 550, "5.7.1", **as_("bare")),
    # relay
    *row("RELAY-REFUSED", 550, "5.1.1", to=to("unknown")),
    *row("RELAY-TEMP", 450, "4.2.1", to=to("later")),
    *row("NEXT-HOP-AWAY", 451, "4.4.1", house="away"),
    *row("NEXT-HOP", 451, "4.3.5", house="refuses"),
    *row("NEXT-HOP-SILENT", 451, "4.4.2", house="breaks-off"),
    *row("PARTIAL", 451, "4.4.0", house="defers-bert", login=LIST, to=to("anna", "bert")),
]  # fmt: skip


@pytest.fixture(scope="module")
def houses(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Gateway]]:
    """Gateways by name, each started when first asked for."""
    started: dict[str, Gateway] = {}
    with ExitStack() as stack:

        def start(name: str) -> Gateway:
            if name in started:
                return started[name]
            settings = {
                "main": lambda: Settings(
                    stack.enter_context(Sink(refuse=refuse)).port, tenants=TENANTS
                ),
                "narrow": lambda: Settings(free_port(), gateway={"session": {"per_address": 3}}),
                "locked": lambda: Settings(free_port()),
                "away": lambda: Settings(free_port()),
            }.get(name, lambda: Settings(stack.enter_context(TroubledHop(name)).port))()
            gateway = Gateway(tmp_path_factory.mktemp(name), settings, certificates)
            started[name] = stack.enter_context(gateway)
            if name == "main":
                prepare_records(gateway)
            return gateway

        yield start


def refuse(address: str) -> str | None:
    """What the main gateway's next hop says of a recipient."""
    return REFUSED_BY_HOP.get(address.partition("@")[0])


def prepare_records(gateway: Gateway) -> None:
    """Suppressions, one consent (from then on consent is asked for), one block."""
    entries = gateway.folder / "entries.csv"
    rows = [f"{reason}@inbox.test,{reason},{scope}" for reason, scope in SUPPRESSED.items()]
    entries.write_text("\n".join(["address,reason,scope", *rows]))
    gateway.run("suppress", "import", str(entries), "--reason", "manual", "--scope", "acme")
    consents = gateway.folder / "consents.csv"
    consents.write_text("anna@inbox.test\n")
    gateway.run("consent", "import", str(consents), "--scope", LIST, "--source", "a test")
    gateway.run("block", "add", "blocked.test", "--reason", "a test")


@pytest.mark.parametrize(("tls", "house", "before", "arguments", "options", "shown"), ROWS)
def test_row(
    tls: str,
    house: str,
    before: Before,
    arguments: tuple[str, ...],
    options: dict[str, object],
    shown: tuple[int, str, str],
    houses: Callable[[str], Gateway],
) -> None:
    """The row is shown whole, its link explains the tag, and its ref explains the case."""
    gateway = houses(house)
    with before(gateway):
        transcript = swaks(gateway, tls, *arguments, **options)
    check(gateway, transcript, shown)
