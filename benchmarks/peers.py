"""Other relays that sign, set up to do the same work on the same core, to compare with.

Postfix with OpenDKIM as milter, its next hop as `relayhost`; and Haraka with `auth/flat_file`, its
dkim plugin and `queue/smtp_proxy`, which passes mail on while the client waits, as we do. All sign
with RSA-2048, relaxed/relaxed, for the same twenty domains; otherwise they are as shipped, but that
Haraka logs errors only. Neither has policies, look-ups or unsubscribe links. Postfix does not ask
for a login. `missing` says what is not installed; a peer that is installed and fails raises.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.house import DOMAINS, LOGINS
from benchmarks.processes import MEASURED, PATH, find, on_core, stopping
from gateway.message.dkim_keys import KeyKind, new_key
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port
from tests.e2e.postfix import Postfix
from tests.faults.waiting import eventually

SELECTOR = "rsa"
HARAKA = Path(__file__).parent / "haraka/node_modules/Haraka"
_SERVICES = """\
smtp unix - - n - - smtp
scache unix - - n - 1 scache
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A relay; `run(folder, next_hop)` runs it on the measured core and gives its port."""

    name: str
    missing: str
    run: Callable[[Path, int], AbstractContextManager[int]]
    logins: Sequence[str]


@contextmanager
def _postfix(folder: Path, next_hop: int) -> Iterator[int]:
    # A Unix socket: over TCP each message would wait for two delayed acknowledgements.
    milter = folder / "milter"
    folder.chmod(0o755)
    (folder / "key.pem").write_bytes(new_key(KeyKind.RSA))
    tables = {
        "keys": [f"{domain} {domain}:{SELECTOR}:{folder}/key.pem" for domain in DOMAINS],
        "senders": [f"*@{domain} {domain}" for domain in DOMAINS],
        "opendkim.conf": [
            "Mode s",
            "Canonicalization relaxed/relaxed",
            "SignatureAlgorithm rsa-sha256",
            "OversignHeaders From",
            f"KeyTable {folder}/keys",
            f"SigningTable refile:{folder}/senders",
            f"InternalHosts {LOOPBACK}",
            "RequireSafeKeys no",
            "Syslog no",
            f"Socket local:{milter}",
            "UMask 000",
        ],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    settings = (
        "virtual_mailbox_domains =\ndefault_transport = smtp\n"
        f"relayhost = [{LOOPBACK}]:{next_hop}\n"
        f"smtpd_milters = unix:{milter}\nmynetworks = {LOOPBACK}/32\n"
    )
    command = ["opendkim", "-f", "-x", str(folder / "opendkim.conf")]
    with on_core(MEASURED):
        opendkim = subprocess.Popen(command, env={**os.environ, "PATH": PATH}, text=True)
        with stopping(opendkim):
            eventually(milter.exists)
            with Postfix((), settings=settings, service=_SERVICES) as postfix:
                yield postfix.port


@contextmanager
def _haraka(folder: Path, next_hop: int) -> Iterator[int]:
    port = free_port()
    config = folder / "config"
    shutil.copytree(HARAKA / "config", config)
    users = "\n".join(login.replace(":", "=") for login in LOGINS)
    files = {
        "me": "haraka.test",
        "plugins": "auth/flat_file\ndkim\nqueue/smtp_proxy",
        "smtp.ini": f"listen={LOOPBACK}:{port}",
        "log.ini": "[main]\nlevel=error\nformat=default",
        "smtp_proxy.ini": f"host={LOOPBACK}\nport={next_hop}\nenable_outbound=true",
        "auth_flat_file.ini": f"[core]\nmethods=PLAIN\nconstrain_sender=false\n[users]\n{users}",
        "dkim.ini": "[sign]\nenabled=true\n[canon]\nbody=relaxed\n[verify]\nenabled=false",
    }
    key = new_key(KeyKind.RSA).decode()
    for domain in DOMAINS:
        files |= {f"dkim/{domain}/private": key, f"dkim/{domain}/selector": SELECTOR}
    for name, text in files.items():
        (config / name).parent.mkdir(parents=True, exist_ok=True)
        (config / name).write_text(text + "\n")
    with (folder / "log").open("w") as log, on_core(MEASURED):
        command = ["node", str(HARAKA / "bin/haraka"), "-c", str(folder)]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, text=True)
        with stopping(process):
            try:
                wait_for_port(port)
            except TimeoutError as error:
                raise RuntimeError((folder / "log").read_text()) from error
            yield port


def peers() -> list[Peer]:
    """Every peer, installed or not."""
    without = [name for name in ("postfix", "opendkim") if not find(name)]
    haraka = "" if HARAKA.exists() and find("node") else "Haraka (npm ci in benchmarks/haraka)"
    return [
        Peer("Postfix + OpenDKIM", " and ".join(without), _postfix, ()),
        Peer("Haraka smtp_proxy + dkim", haraka, _haraka, LOGINS),
    ]


def signature_of(raw: bytes) -> str:
    """The `b=` of a message's DKIM-Signature, without white space; "" when there is none."""
    unfolded = re.sub(rb"\r\n[ \t]", b" ", raw)
    found = re.search(rb"^DKIM-Signature:.*?[; ]b=([^;\r]*)", unfolded, re.M | re.I)
    return re.sub(r"\s", "", found[1].decode()) if found else ""
