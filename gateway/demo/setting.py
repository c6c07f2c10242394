"""The demo's configuration: one customer, loopback only, everything in one folder made anew.

`build` removes what an earlier demo left in the folder (and refuses a folder that is no demo's),
writes the configuration with fresh keys and gives a `Setting`. The password is published here,
which is why `demo: true` stands in the file: the gateway then refuses to listen off loopback.
Raises FileExistsError for somebody else's folder.
"""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from gateway.config import write
from gateway.config.certificate import self_signed
from gateway.config.edit import hash_password
from gateway.message.dkim_keys import KeyKind, dns_record, new_key
from suppression.keys import Keyring

LOOPBACK = "127.0.0.1"
LOGIN, PASSWORD = "acme/weekly", "demo-password"  # published on purpose
STAFF = "demo"
SENDER = "news@acme.example"
ANNA, PAUL, UMA = "anna@inbox.example", "paul@inbox.example", "uma@inbox.example"
DOMAIN, SELECTOR = "acme.example", "demo"
MARK = ".consentry-demo"
"""A file that says: this folder is the demo's and may be made anew."""

_GATEWAY = """\
# The demo's gateway. `consentry init` writes one for real use.
hostname: gateway.example
demo: true                    # its password is published: loopback only
state_dir: state
tenants_dir: tenants
keyring: keys/keyring.json
tls:
  certificate: keys/gateway.crt
  key: keys/gateway.key
listeners:
  - name: submission
    listen: {loopback}:{submission}
    tls: starttls
  - name: submissions
    listen: {loopback}:{submissions}
    tls: implicit
next_hops:
  - name: demo
    host: {loopback}
    port: {next_hop}
web:
  listen: {loopback}:{web}
  base_url: http://{loopback}:{web}
desk:
  totp: offered               # a password alone will do here
"""

_TENANT = """\
# The demo's customer.
state: open
contact:
  email: postmaster@{domain}
domains:
  {domain}:
    dkim:
      - selector: {selector}
        key_file: keys/dkim.pem
logins:
  - name: acme
    password_hash: {password_hash}
streams:
  weekly:
    kind: list
    default: true
  orders:
    kind: transactional
    verified: true
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where everything is. `dkim_record` is the TXT record that a verifier would look up."""

    folder: Path
    submission: int
    submissions: int
    web: int
    next_hop: int
    dkim_record: str

    @property
    def config(self) -> Path:
        """The gateway file."""
        return self.folder / "consentry.yaml"

    @property
    def certificate(self) -> Path:
        """The gateway's certificate, which signs itself."""
        return self.folder / "keys/gateway.crt"

    @property
    def arrived(self) -> Path:
        """Where the next hop keeps what it gets."""
        return self.folder / "arrived"


def build(folder: Path) -> Setting:
    """Make `folder` anew."""
    if folder.exists():
        if not (folder / MARK).exists():
            raise FileExistsError(f"{folder} is not the demo's; move it away")
        shutil.rmtree(folder)
    pem = new_key(KeyKind.RSA)
    setting = Setting(
        folder=folder,
        submission=_port(2587),
        submissions=_port(2465),
        web=_port(8080),
        next_hop=_port(2525),
        dkim_record=dns_record(pem),
    )
    certificate, key = self_signed("gateway.example")
    gateway = _GATEWAY.format(
        loopback=LOOPBACK,
        submission=setting.submission,
        submissions=setting.submissions,
        next_hop=setting.next_hop,
        web=setting.web,
    )
    tenant = _TENANT.format(domain=DOMAIN, selector=SELECTOR, password_hash=hash_password(PASSWORD))
    for name, content in {
        MARK: b"",
        "consentry.yaml": gateway.encode(),
        "tenants/acme.yaml": tenant.encode(),
        "keys/gateway.crt": certificate,
        "keys/gateway.key": key,
        "keys/dkim.pem": pem,
    }.items():
        write.create(folder / name, content)
    Keyring.create(folder / "keys/keyring.json")
    setting.arrived.mkdir()
    return setting


def _port(wanted: int) -> int:
    """`wanted`, or any free port when somebody has it already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
