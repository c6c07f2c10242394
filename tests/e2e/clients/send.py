"""Sends one raw message with aiosmtplib. The job is JSON on standard input (see clients.py).

A program of its own because aiosmtplib leaves a TLS connection to be closed by the event loop after
it has ended. Prints the server's last reply; exits 1 with the error when the server refuses.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import aiosmtplib


async def send(job: dict[str, Any], raw: bytes) -> str:
    """What the server said."""
    client = aiosmtplib.SMTP(
        hostname=job["host"],
        port=job["port"],
        use_tls=job["tls"] == "implicit",
        start_tls=job["tls"] == "starttls",
        tls_context=ssl.create_default_context(cafile=job["authority"]),
        timeout=60,
    )
    options = ["BODY=8BITMIME", *(["SMTPUTF8"] if job["smtputf8"] else [])]
    async with client:
        if job["login"]:
            await client.login(job["login"], job["password"])
        refused, reply = await client.sendmail(
            job["mail_from"], job["recipients"], raw, mail_options=options
        )
    return f"{refused} {reply}"


if __name__ == "__main__":
    try:
        job = json.load(sys.stdin)
        print(asyncio.run(send(job, Path(job["file"]).read_bytes())))
    except aiosmtplib.SMTPException as error:
        sys.exit(str(error))
