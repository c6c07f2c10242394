"""Answers given to calls with an Idempotency-Key, so that a repeated call changes nothing twice.

`marks` names a request, and the caller's key, without storing it: HMAC-SHA-256 under the keyring,
because either may hold an address, and a bare digest of one could be guessed. `recall` and `keep`
run in the transaction of the change itself, so that there is never one without the other. Answers
hold no address. Raises `KeyReused` when the key came with another request before.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from gateway.errors import ConsentryError
from gateway.records.tables import idempotency
from suppression.keys import Keyring, Mac

KEPT_SECONDS = 86_400
_PURPOSE = b"api-request\0"
_KEY = b"key\0"
"""Before a key; a request begins with its method."""


class KeyReused(ConsentryError):
    """The same Idempotency-Key came with another request less than a day ago."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and the text of a JSON body."""

    status: int
    body: str


def marks(keyring: Keyring, request: bytes) -> list[bytes]:
    """What `request` may be stored as, under the newest generation of secrets first."""
    return [
        Mac(generation.token)(_PURPOSE + request) for generation in keyring.generations.values()
    ]


def key_marks(keyring: Keyring, key: str) -> list[str]:
    """What an Idempotency-Key may be stored as, under the newest generation first."""
    return [mark.hex() for mark in marks(keyring, _KEY + key.encode())]


def recall(
    connection: Connection, token: int, key: list[str], request: list[bytes], now: float
) -> Answer | None:
    """The answer that this request was given before, by what `key_marks` and `marks` give."""
    row = connection.execute(
        select(idempotency).where(
            idempotency.c.token == token,
            idempotency.c.key.in_(key),
            idempotency.c.at > int(now) - KEPT_SECONDS,
        )
    ).first()
    if row is None:
        return None
    if row.request not in request:
        raise KeyReused("this Idempotency-Key came with another request; use a new one")
    return Answer(row.status, row.response)


def keep(
    connection: Connection,
    token: int,
    key: list[str],
    request: list[bytes],
    answer: Answer,
    now: float,
) -> None:
    """Store an answer, in place of one that is too old to be given again."""
    same = (idempotency.c.token == token) & idempotency.c.key.in_(key)
    connection.execute(delete(idempotency).where(same))
    connection.execute(
        insert(idempotency),
        {
            "token": token,
            "key": key[0],
            "request": request[0],
            "at": int(now),
            "status": answer.status,
            "response": answer.body,
        },
    )
