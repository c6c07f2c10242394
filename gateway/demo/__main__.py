"""Runs the demo: makes its folder, starts the next hop and the gateway, sends, and stays up.

Needs nothing but this project. Ends on Ctrl-C or SIGTERM, or with status 1 when the gateway ends
by itself or does not start; what it did stays in ./demo-state until the next run.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from gateway.demo import mailing
from gateway.demo.inbox import Inbox
from gateway.demo.setting import (
    ANNA,
    LOGIN,
    LOOPBACK,
    PASSWORD,
    PAUL,
    SENDER,
    STAFF,
    UMA,
    Setting,
    build,
)

FOLDER = Path("demo-state")
COMMAND = Path(sys.executable).with_name("consentry")
START_SECONDS = 30.0


def main() -> int:
    """The exit status."""
    try:
        setting = build(FOLDER)
    except FileExistsError as error:
        sys.exit(str(error))
    print("Customer acme has three readers:")
    _prepare(setting)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    inbox = Inbox(setting.arrived, setting.next_hop)
    inbox.start()
    # In a session of its own: Ctrl-C is for us, and we stop the gateway as an operator would.
    log = (setting.folder / "serve.log").open("wb")
    gateway = subprocess.Popen(  # noqa: S603  # our own command
        [COMMAND, "serve", "--config", setting.config],
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        _wait_until_up(setting, gateway)
        _three_outcomes(setting)
        print("Ctrl-C ends the demo.", flush=True)
        gateway.wait()
        print(f"the gateway ended by itself; see {setting.folder}/serve.log")
        return 1
    except KeyboardInterrupt:
        print("\nStopping.")
        return 0
    finally:
        gateway.terminate()
        gateway.wait()
        inbox.stop()
        log.close()


def _prepare(setting: Setting) -> None:
    attested = setting.folder / "readers.csv"
    attested.write_text(f"{ANNA}\n{UMA}\n")
    _say(f"{ANNA} agreed to get the letter (so did uma, once)")
    _consentry(setting, "consent", "import", str(attested), "--scope", LOGIN, "--source", "form")
    _say(f"{PAUL} had the address protected: no offers from anyone")
    _consentry(setting, "suppress", "add", PAUL, "--reason", "protected", "--scope", "*")
    _say(f"{UMA} has unsubscribed")
    _consentry(setting, "suppress", "add", UMA, "--reason", "unsubscribe", "--scope", LOGIN)
    _consentry(
        setting, "staff", "add", STAFF, "--role", "operator", "--password", "stdin", say=PASSWORD
    )


def _three_outcomes(setting: Setting) -> None:
    print("\nIt sends one letter to all three:\n")
    refs = mailing.send(setting)
    (arrived,) = sorted(setting.arrived.iterdir())
    print(f"\nThe next hop got one copy, {arrived}. The gateway added:\n")
    link = mailing.show(setting, arrived)
    status = _consentry(setting, "status-link", "acme")
    command, config = os.path.relpath(COMMAND), f"--config {setting.config}"
    print(f"""
It stays up. Try by hand:

  swaks --server {LOOPBACK}:{setting.submission} --tls --auth-user {LOGIN} \\
        --auth-password {PASSWORD} --from {SENDER} --to {PAUL}
  the same with --server {LOOPBACK}:{setting.submissions} --tls-on-connect
  anna's unsubscribe page   {link}
  the abuse desk            http://{LOOPBACK}:{setting.web}/desk  ({STAFF}, {PASSWORD})
  acme's status page        {status.strip()}
  why paul was refused      {command} explain {refs[0]} {config}
  events as they happen     {command} tail {config}
  metrics and health        http://{LOOPBACK}:{setting.web}/metrics  /healthz  /readyz
  what arrives              {setting.arrived}/
""")


def _wait_until_up(setting: Setting, gateway: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    for port in (setting.submission, setting.web):
        while True:
            try:
                socket.create_connection((LOOPBACK, port), timeout=1).close()
                break
            except OSError:
                if gateway.poll() is not None or time.monotonic() > deadline:
                    sys.exit((setting.folder / "serve.log").read_text() or "it did not start")
                time.sleep(0.05)


def _consentry(setting: Setting, *arguments: str, say: str = "") -> str:
    done = subprocess.run(  # noqa: S603  # our own command
        [COMMAND, *arguments, "--config", setting.config],
        check=False,
        input=say,
        text=True,
        capture_output=True,
    )
    if done.returncode != 0:
        sys.exit(f"consentry {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
