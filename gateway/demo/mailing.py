"""The demo's customer: sends one mailing to three people and shows the dialogue as it went.

`send` prints every command and reply from MAIL on and gives the ref of each refusal. `show` prints
what arrived: the header fields that the gateway added, and dkimpy's verdict on the signature.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from email.utils import formatdate
from pathlib import Path

import dkim

from gateway.demo.setting import (
    ANNA,
    DOMAIN,
    LOGIN,
    LOOPBACK,
    PASSWORD,
    PAUL,
    SELECTOR,
    SENDER,
    UMA,
    Setting,
)

MESSAGE = """\
From: Acme Weekly <{sender}>
To: Acme readers <{sender}>
Subject: What is new at Acme
Date: {date}
Message-ID: <1@{domain}>
Content-Type: text/plain; charset=us-ascii

Hello, this is your weekly letter.
"""
_REF = re.compile(r"ref=(\S+)")
_FIELD = re.compile(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*")
_LINK = re.compile(rb"<(http[^>]*)>")


class _Shown(smtplib.SMTP):
    """An SMTP client that shows what is said."""

    is_shown = False

    def putcmd(self, cmd: str, args: str = "") -> None:
        if self.is_shown:
            print(f"  C: {cmd.upper()} {args}".rstrip())
        super().putcmd(cmd, args)

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        if self.is_shown:
            *lines, last = text.decode().split("\n")
            for line in lines:
                print(f"  S: {code}-{line}")
            print(f"  S: {code} {last}")
        return code, text


def send(setting: Setting) -> list[str]:
    """Send to Anna, Paul and Uma; the refs of the refusals."""
    refs: list[str] = []
    message = MESSAGE.format(sender=SENDER, domain=DOMAIN, date=formatdate(localtime=True))
    with _Shown(LOOPBACK, setting.submission, timeout=30) as session:
        session.starttls(context=ssl.create_default_context(cafile=setting.certificate))
        session.login(LOGIN, PASSWORD)
        session.is_shown = True
        session.mail(SENDER)
        for address in (ANNA, PAUL, UMA):
            _, text = session.rcpt(address)
            refs += _REF.findall(text.decode())
        session.data(message.replace("\n", "\r\n").encode())
    return refs


def show(setting: Setting, path: Path) -> str:
    """Print what the gateway added to the message in `path`; its unsubscribe link."""
    raw = path.read_bytes()
    fields = _FIELD.findall(raw.partition(b"\r\n\r\n")[0] + b"\r\n")
    ours = {line.partition(":")[0].encode() for line in MESSAGE.splitlines() if ":" in line}
    added = b"".join(field for field in fields if field.partition(b":")[0] not in ours)
    for line in added.decode().splitlines():
        print(f"  {line}")
    name = f"{SELECTOR}._domainkey.{DOMAIN}."
    text = setting.dkim_record.replace('" "', "").strip('"')  # as a resolver gives it
    records = {name.encode(): text.encode()}
    is_valid = dkim.verify(raw, dnsfunc=lambda asked, timeout=5: records.get(asked))
    print(f"\n  dkimpy says of the signature: {'good' if is_valid else 'BAD'}")
    link = _LINK.search(added)
    return link[1].decode() if link else ""
