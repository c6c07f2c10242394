"""The listener's DATA: the octets of a mail as they came, bounded, and no cost for each line."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.config.model import GatewayConfig
from gateway.feedback.intake import Intake
from gateway.feedback.listener import MAX_ENDS, FeedbackListener
from gateway.feedback.mailboxes import Kind, Mailbox

MOST = 2_000_000
TAKEN = b"250 2.0.0 taken\r\n"
COMMANDS = (b"EHLO x.test", b"MAIL FROM:<a@x.test>", b"RCPT TO:<fbl@back.test>", b"DATA")


class House:
    """Takes every mail, for any recipient."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def find(self, recipient: str) -> Mailbox:
        """Everybody is one of ours."""
        return Mailbox(Kind.REPORTS, recipient)

    async def take(self, boxes: object, sender: object, octets: bytes, client: object) -> str:
        """It is kept."""
        self.mails.append(octets)
        return "250 2.0.0 taken"


async def answered(house: House, *mails: tuple[bytes, ...]) -> list[bytes]:
    """What is said to mails that come on one connection, each in these pieces."""
    config = SimpleNamespace(
        feedback=SimpleNamespace(max_bytes=MOST, max_connections=2), hostname="h.test", tls=None
    )
    server = socket.create_server(("127.0.0.1", 0))
    listener = FeedbackListener(cast(GatewayConfig, config), cast(Intake, house), server)
    await listener.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        await reader.readline()
        said = []
        for pieces in mails:
            for command in COMMANDS:
                writer.write(command + b"\r\n")
                while (await reader.readline())[3:4] == b"-":
                    pass
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            said.append(await reader.readline())
        writer.close()
        return said
    finally:
        await listener.close()


@pytest.mark.parametrize(
    ("pieces", "mail"),
    [
        ((b".\r\n",), b""),
        ((b"a: b\r\n\r\nx\r\n.\r\n",), b"a: b\r\n\r\nx\r\n"),
        ((b"..a\r\n..\r\n...\r\n.\r\n",), b".a\r\n.\r\n..\r\n"),
        ((b"a\n.\nb\n.\r\nc\r.\rd\r\n.\n\r\n.\r\n",), b"a\n.\nb\n.\r\nc\r.\rd\r\n\n\r\n"),
        ((b"a\r", b"\n", b".", b"\r\n"), b"a\r\n"),
        ((b"a\r\n" * 5_000, b".", b"\r\n"), b"a\r\n" * 5_000),
        ((b"x" * 999 + b"\r\n.\r\n",), b"x" * 999 + b"\r\n"),
    ],
)
async def test_a_mail_is_taken_as_it_came(pieces: tuple[bytes, ...], mail: bytes) -> None:
    """However it is cut on its way; dots are as before, and only CRLF.CRLF ends it."""
    house = House()
    again = (b"next\r\n.\r\n",)
    assert await answered(house, pieces, again) == [TAKEN, TAKEN]
    assert house.mails == [mail, b"next\r\n"]


async def test_what_is_over_a_limit_is_read_and_refused() -> None:
    """The mail's size, its lines' number or one's length; the connection serves on."""
    house = House()
    large, line = b"0123456\r\n" * (MOST // 9 + 1), b"x" * 1_000 + b"\r\n"
    many = b"\n\r" * (MAX_ENDS // 2 + 1)
    mails = ((large, b".\r\n"), (many, b"\r\n.\r\n"), (b"a\r\n", line, b".\r\n"), (b"a\r\n.\r\n",))
    said = [one[:4] for one in await answered(house, *mails)]
    assert said == [b"552 ", b"552 ", b"500 ", b"250 "]
    assert house.mails == [b"a\r\n"]


async def test_a_mail_of_empty_lines_costs_no_more_than_another() -> None:
    """A line at a time they took fifty times their size, and the loop for seconds."""
    house = House()
    lines = b"\r\n" * (MAX_ENDS // 2)
    tracemalloc.start()
    try:
        assert await answered(house, (lines, b".\r\n")) == [TAKEN]
        assert tracemalloc.get_traced_memory()[1] < 10 * len(lines)
    finally:
        tracemalloc.stop()
    assert house.mails == [lines]
