"""A gateway with one customer whose lists have names that need escaping, and a sink behind it."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.certificates import HOST, Certificates
from tests.e2e.gateway import Gateway, Settings, acme
from tests.e2e.session import Session, letter
from tests.e2e.sink import Sink

SENDER = "news@acme.test"
OK, UNSUB, COMPLAINT = "250 2.1.5", "550 5.7.1 [UNSUB]", "550 5.7.1 [COMPLAINT]"
NO_OPTIN = "550 5.7.1 [NO-OPTIN]"
PRIVACY = "https://acme.test/privacy?of=readers&in=en"
ASKS = {"sender": SENDER, "privacy": PRIVACY}
STREAMS: dict[str, dict[str, Any]] = {
    "weekly": {"kind": "list", "display_name": "Wieści ogrodnicze <&>"},
    "monthly": {"kind": "list"},
    "seeds": {"kind": "list", "display_name": "Nasiona", "consent_level": 4, "opt_in": ASKS},
    "orders": {"kind": "transactional", "verified": True, "default": True},
    "notices": {"kind": "transactional"},
}


class House(NamedTuple):
    """The gateway and the mail it has passed on."""

    gateway: Gateway
    sink: Sink

    def link(self, reader: str) -> str:
        """The unsubscribe link in a message of `acme/weekly` to `reader`."""
        with Session(self.gateway.open, "acme/weekly") as session:
            assert session.send(SENDER, [reader], letter(SENDER)).code == 250
        raw = next(one.raw for one in self.sink.messages if one.recipients == (reader,))
        found = re.search(rb"^List-Unsubscribe: <(http[^>]+)>", raw, re.MULTILINE)
        assert found
        return found[1].decode()

    def asked(self, stream: str, reader: str) -> str:
        """What the next RCPT of a stream for `reader` comes to."""
        with Session(self.gateway.open, f"acme/{stream}") as session:
            session.mail(SENDER)
            return session.rcpt(reader)[0].short

    def token(self) -> str:
        """A new token of acme's for consents."""
        command = ("token", "add", "shop", "--tenant", "acme", "--json")
        allowed = ("--allow", "consents:read", "--allow", "consents:write")
        (made,) = json.loads(self.gateway.run(*command, *allowed))
        return str(made["secret"])

    def call(self, token: str, path: str, body: object = None) -> Any:
        """What the API answers to a GET, or to a POST of `body`."""
        return json.loads(self.fetch(token, path, "application/json", body))

    def fetch(self, token: str, path: str, kind: str, body: object = None) -> bytes:
        """The same in another media type."""
        headers = {"Content-Type": "application/json", "Accept": kind}
        request = urllib.request.Request(
            f"http://{HOST}:{self.gateway.web}/v1{path}",
            None if body is None else json.dumps(body).encode(),
            {**headers, "Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            octets = answer.read()
            assert answer.headers.get_content_type() == kind
        assert isinstance(octets, bytes)
        return octets

    def believe_proxies(self) -> None:
        """Have the gateway take what stands in X-Forwarded-For, as behind a TLS proxy."""
        config = json.loads(self.gateway.config.read_text())
        config["web"]["proxy_from"] = ["127.0.0.1/32", "::1/128"]
        self.gateway.config.write_text(json.dumps(config))
        self.gateway.run("reload")


@contextmanager
def house(folder: Path, certificates: Certificates) -> Iterator[House]:
    """The gateway before a next hop that takes everything."""
    tenant = acme(streams=STREAMS, display_name="Ogród Acme", limits={"batches": 4})
    with Sink() as sink:
        settings = Settings(sink.port, trusted=None, tenants={"acme": tenant})
        with Gateway(folder, settings, certificates) as gateway:
            running = House(gateway, sink)
            running.believe_proxies()
            yield running
