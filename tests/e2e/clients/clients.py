"""Six pieces of mailing software that we did not write, behind one interface.

A `Job` says where and what to send; a client sends it exactly as its users would and gives a
`Result`. TLS is verified against the job's authority by every client but swaks, which never does.
Each client connects, speaks, stuffs dots and ends the message by itself; the comments say what
each cannot do. Programs that are missing raise FileNotFoundError: nothing is skipped.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent
SECONDS = 90


@dataclass(frozen=True, slots=True)
class Job:
    """One message to send: `file` holds it with CRLF line ends; no login means no AUTH."""

    host: str
    port: int
    tls: Literal["none", "starttls", "implicit"]
    mail_from: str
    recipients: tuple[str, ...]
    file: Path
    login: str = ""
    password: str = ""
    authority: Path | None = None
    smtputf8: bool = False
    """Ask for SMTPUTF8 where the client can; the others send the same octets without asking."""


@dataclass(frozen=True, slots=True)
class Result:
    """`accepted` when the client reports success; `transcript` holds the server's words."""

    accepted: bool
    transcript: str


def smtplib_client(job: Job) -> Result:
    """Python's standard library: one command at a time, no pipelining."""
    context = ssl.create_default_context(cafile=job.authority)
    connect = smtplib.SMTP_SSL if job.tls == "implicit" else smtplib.SMTP
    extra = {"context": context} if job.tls == "implicit" else {}
    try:
        with connect(job.host, job.port, timeout=SECONDS, **extra) as session:
            if job.tls == "starttls":
                session.starttls(context=context)
            if job.login:
                session.login(job.login, job.password)
            refused = session.sendmail(
                job.mail_from,
                job.recipients,
                job.file.read_bytes(),
                mail_options=["BODY=8BITMIME", *(["SMTPUTF8"] if job.smtputf8 else [])],
            )
    except smtplib.SMTPException as error:
        return Result(False, str(error))
    return Result(True, str(refused))


def aiosmtplib_client(job: Job) -> Result:
    """The asyncio client that many Python mailers use."""
    return _run([sys.executable, str(FOLDER / "send.py")], _json(job))


def swaks_client(job: Job) -> Result:
    """swaks sends what it is given: its own mending of data adds an empty line at the end."""
    wire = job.file.with_suffix(".wire")
    wire.write_bytes(_stuffed(job.file.read_bytes()) + b".")
    command = ["swaks", "--server", job.host, "--port", str(job.port), "--timeout", str(SECONDS)]
    command += ["--from", job.mail_from, "--to", ",".join(job.recipients)]
    command += ["--data", f"@{wire}", "--no-data-fixup", "--suppress-data"]
    command += {"none": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[job.tls]
    if job.login:
        command += ["--auth", "PLAIN,LOGIN", "--auth-user", job.login]
        command += ["--auth-password", job.password]
    return _run(command)


def msmtp_client(job: Job) -> Result:
    """msmtp, as a sendmail in scripts: it takes LF line ends on standard input."""
    command = ["msmtp", "--host", job.host, "--port", str(job.port), "--timeout", str(SECONDS)]
    command += ["--file=/dev/null", "--debug", "--from", job.mail_from]
    command += ["--tls=off" if job.tls == "none" else "--tls=on"]
    command += [f"--tls-starttls={'on' if job.tls == 'starttls' else 'off'}"]
    if job.authority:
        command += ["--tls-trust-file", str(job.authority)]
    if job.login:
        command += ["--auth=plain", "--user", job.login, f"--passwordeval=echo '{job.password}'"]
    return _run([*command, "--", *job.recipients], job.file.read_bytes().replace(b"\r\n", b"\n"))


def nodemailer_client(job: Job) -> Result:
    """Nodemailer asks for SMTPUTF8 by itself, only for addresses that need it."""
    return _run(["node", str(FOLDER / "send.js")], _json(job))


def phpmailer_client(job: Job) -> Result:
    """PHPMailer knows no SMTPUTF8; it breaks lines over 998 octets."""
    return _run(["php", str(FOLDER / "send.php")], _json(job))


CLIENTS: dict[str, Callable[[Job], Result]] = {
    "smtplib": smtplib_client,
    "aiosmtplib": aiosmtplib_client,
    "swaks": swaks_client,
    "msmtp": msmtp_client,
    "nodemailer": nodemailer_client,
    "phpmailer": phpmailer_client,
}


def _json(job: Job) -> bytes:
    return json.dumps(asdict(job), default=str).encode()


def _stuffed(raw: bytes) -> bytes:
    return raw.replace(b"\r\n.", b"\r\n..")


def _run(command: list[str], standard_input: bytes = b"") -> Result:
    done = subprocess.run(
        command,
        check=False,
        input=standard_input,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
    )
    return Result(done.returncode == 0, done.stdout.decode(errors="replace"))
