"""A real Postfix of our own in a temporary folder, as next hop: own queue, own settings, own ports.

Takes mail for `DOMAINS` on a loopback port (STARTTLS offered) and delivers it to one Maildir for
each known address; other addresses are refused at RCPT. Nothing leaves the machine. Everything
not named here is as Postfix ships it, so that a test against it meets the stock limits; `service`
takes the text of a further master.cf service, as deploy/postfix shows. Needs root or sudo, as
Postfix does. Raises RuntimeError with Postfix's own log when it does not start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from types import TracebackType

from tests.e2e.certificates import Certificates
from tests.e2e.ports import LOOPBACK, free_port, wait_for_port

DOMAINS = ("inbox.test", "acme.test")
MAX_MESSAGE = 30 * 1024 * 1024
NOBODY = 65534

_MAIN = """\
compatibility_level = 3.6
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = next-hop.test
inet_interfaces = {loopback}
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
default_transport = error:no mail leaves the test
message_size_limit = {max_message}
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
{tls}
{settings}
"""

_MASTER = """\
{loopback}:{port} inet n - n - - smtpd
{loopback}:{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup   unix  n - n -     0 cleanup
qmgr      unix  n - n 300   1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -     - trivial-rewrite
bounce    unix  - - n -     0 bounce
defer     unix  - - n -     0 bounce
trace     unix  - - n -     0 bounce
proxymap  unix  - - n -     - proxymap
error     unix  - - n -     - error
retry     unix  - - n -     - error
virtual   unix  - n n -     - virtual
anvil     unix  - - n -     1 anvil
postlog   unix-dgram n - n - 1 postlogd
{service}
"""


class Postfix:
    """One Postfix instance; a context manager that starts and stops it."""

    def __init__(
        self,
        mailboxes: Sequence[str],
        *,
        certificates: Certificates | None = None,
        settings: str = "",
        service: str = "",
    ) -> None:
        """`settings` and `service` are text added to main.cf and master.cf."""
        self.mailboxes = tuple(mailboxes)
        self.certificates = certificates
        self.settings = settings
        self.service = service
        self.port = free_port()
        self.tls_port = free_port()
        # Not under pytest's folder: Postfix's own user must be able to walk the path.
        self.folder = Path(tempfile.mkdtemp(prefix="consentry-postfix-"))
        self._root = () if os.geteuid() == 0 else ("sudo", "-n")

    def __enter__(self) -> Postfix:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        if self._root and (not which("sudo") or self._run("true").returncode != 0):
            raise RuntimeError(
                "Postfix needs root: run the tests as root, or `sudo -v` before them"
            )
        owner = os.geteuid() or NOBODY
        self.folder.chmod(0o755)
        for name in ("etc", "queue", "data", "mail"):
            (self.folder / name).mkdir()
        if owner == NOBODY:
            os.chown(self.folder / "mail", NOBODY, NOBODY)
        lines = [f"{address} {address}/" for address in self.mailboxes]
        (self.folder / "mailboxes").write_text("\n".join(lines) + "\n")
        (self.folder / "etc/main.cf").write_text(
            _MAIN.format(
                folder=self.folder,
                loopback=LOOPBACK,
                max_message=MAX_MESSAGE,
                domains=" ".join(DOMAINS),
                owner=owner,
                tls=self._tls_settings(),
                settings=self.settings,
            )
        )
        (self.folder / "etc/master.cf").write_text(
            _MASTER.format(
                loopback=LOOPBACK, port=self.port, tls_port=self.tls_port, service=self.service
            )
        )
        self._own("etc", "root")
        self._own("data", "postfix")
        self._own("queue", "root")
        started = self._run("postfix", "-c", f"{self.folder}/etc", "start")
        if started.returncode != 0:
            raise RuntimeError(f"Postfix did not start: {started.stdout}{self.log}")
        wait_for_port(self.port)

    def _tls_settings(self) -> str:
        if self.certificates is None:
            return ""
        return (
            "smtpd_tls_security_level = may\n"
            f"smtpd_tls_cert_file = {self.certificates.certificate}\n"
            f"smtpd_tls_key_file = {self.certificates.key}"
        )

    def _own(self, name: str, user: str) -> None:
        self._run("chown", "-R", user, f"{self.folder / name}").check_returncode()

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return subprocess.run(
            [*self._root, *command],
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path},
        )

    @property
    def log(self) -> str:
        """What Postfix has logged so far."""
        return self._run("cat", f"{self.folder}/log").stdout

    @property
    def queued(self) -> list[str]:
        """The files of messages that it has taken and not delivered."""
        folders = [f"{self.folder}/queue/{name}" for name in ("incoming", "active", "deferred")]
        return self._run("find", *folders, "-type", "f").stdout.split()

    def stop(self) -> None:
        """Stop this instance by its master's process id, and remove its folder."""
        pid = self._run("cat", f"{self.folder}/queue/pid/master.pid").stdout.strip()
        if pid.isdigit():
            self._run("sh", "-c", f"kill {pid}")  # the shell's own: the program is a package
            deadline = time.monotonic() + 30
            while (
                self._run("sh", "-c", f"kill -0 {pid}").returncode == 0
                and time.monotonic() < deadline
            ):
                time.sleep(0.02)
        if self._root:
            self._run("rm", "-rf", f"{self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def take(self, address: str, count: int = 1, seconds: float = 60.0) -> list[bytes]:
        """Wait until `address` has `count` messages, give all with CRLF line ends, and empty it.

        Raises TimeoutError with Postfix's log.
        """
        folder = self.folder / "mail" / address / "new"
        deadline = time.monotonic() + seconds
        while len(files := sorted(folder.iterdir()) if folder.exists() else []) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(files)} of {count} at {address}\n{self.log[-2000:]}")
            time.sleep(0.02)
        messages = [file.read_bytes().replace(b"\n", b"\r\n") for file in files]
        for file in files:
            file.unlink()
        return messages

    def empty(self) -> None:
        """Remove what is in the mailboxes."""
        for file in (self.folder / "mail").glob("*/new/*"):
            file.unlink()
