"""Where a command takes a password from: makes it, asks for it, or reads it."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from gateway.config.edit import new_password


class PasswordFrom(StrEnum):
    """Where a password comes from."""

    GENERATE = "generate"
    ASK = "ask"
    STDIN = "stdin"


PasswordOption = Annotated[
    PasswordFrom,
    typer.Option(
        "--password",
        help="generate one and print it once, ask for it, or read the first line of stdin.",
    ),
]


def take_password(source: PasswordFrom) -> tuple[str, str]:
    """The password, and once more when it was made here and must be shown."""
    match source:
        case PasswordFrom.GENERATE:
            made = new_password()
            return made, made
        case PasswordFrom.ASK:
            return typer.prompt("Password", hide_input=True, confirmation_prompt=True), ""
        case PasswordFrom.STDIN:
            return sys.stdin.readline().rstrip("\r\n"), ""
