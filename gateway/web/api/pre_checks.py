"""`/pre-checks`: what RCPT would answer to each address of a list, and a receipt for 24 hours.

A list comes as JSON, or as `text/csv` with the stream in the query. It is judged slice by slice, so
that nobody waits for a long one. A tenant's token checks for its own streams, within the tenant's
allowance (429); staff are not held to it. Answers name lines, never addresses.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from itertools import islice, starmap
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response, Security
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidatorFunctionWrapHandler
from pydantic.functional_validators import WrapValidator

from gateway.pre_check.check import PreCheck
from gateway.records import receipts
from gateway.records.api_tokens import Permission
from gateway.records.database import Connection
from gateway.records.receipts import Receipt, TooMuch
from gateway.web.api.call import Call, Change, changing, reading
from gateway.web.api.errors import (
    INVALID,
    NOT_FOUND,
    RATE,
    TOO_LARGE,
    UNREADABLE,
    Flaw,
    Problem,
    documented,
    invalid,
)
from gateway.web.api.moments import Moment, moment
from gateway.web.api.texts import StreamText
from suppression.listfile import BadRow, Row, as_text, read_rows
from suppression.pre_check import MAX_ADDRESSES, Answer, Asked, ask, ask_row

routes = APIRouter(prefix="/pre-checks", tags=["pre-checks"])
Writes = Annotated[Change, Security(changing, scopes=[Permission.PRE_CHECKS_WRITE])]
Reads = Annotated[Call, Security(reading, scopes=[Permission.PRE_CHECKS_WRITE])]
ReceiptId = Annotated[
    str,
    Path(
        pattern="^rcpt_[0-9a-f]{32}$",
        description="The receipt.",
        examples=["rcpt_0123456789abcdef0123456789abcdef"],
    ),
]
CSV = "text/csv"
PART = 500
"""Lines read between two chances for others."""


class NewPreCheck(BaseModel):
    """A list to be checked for one stream."""

    model_config = ConfigDict(extra="forbid")
    stream: StreamText
    addresses: list[StrictStr] = Field(
        min_length=1,
        max_length=MAX_ADDRESSES,
        description="What is no address is answered with RCPT-SYNTAX.",
        examples=[["jan@example.org", "ewa@example.org"]],
    )


def _or_csv(body: object, handler: ValidatorFunctionWrapHandler) -> NewPreCheck | None:
    """FastAPI gives octets when the body is of another type than JSON."""
    made: NewPreCheck | None = None if isinstance(body, bytes) else handler(body)
    return made


Wish = Annotated[NewPreCheck, WrapValidator(_or_csv)]
CSV_BODY = {
    "requestBody": {
        "content": {
            CSV: {
                "schema": {
                    "type": "string",
                    "description": "CSV with a column `address`, or one address a line.",
                }
            }
        }
    }
}


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on one line."""

    line: Annotated[
        int, Field(description="Its place in the list, or its line in the CSV; from 1.")
    ]
    verdict: Literal["cleared", "refused"]
    tag: Annotated[str | None, Field(description="The tag of RCPT's reply; null when cleared.")]


class PreCheckReceipt(BaseModel):
    """A pre-check: how much it has cleared, and until when."""

    receipt: str
    stream: str
    asked: int
    cleared: int
    complete: bool = Field(description="False while it runs, or when it was broken off.")
    made_at: Moment
    valid_until: Moment = Field(description="Until then what is cleared may be mailed.")


class PreChecked(PreCheckReceipt):
    """A pre-check with the verdict on each line, in order."""

    refused: dict[str, int] = Field(description="How many were refused, by tag.")
    results: list[Checked]


@routes.post("", status_code=201, response_model=PreChecked, openapi_extra=CSV_BODY)
async def pre_check(
    call: Writes,
    wish: Wish,
    stream: Annotated[
        StreamText | None, Query(description="With CSV only: the stream, as tenant/stream.")
    ] = None,
) -> Response:
    """Check up to 100,000 addresses (JSON or CSV) for one stream.

    429 with `Retry-After` when the tenant has checked as much as it may.
    """
    scope, lines, count = await _read(call, wish, stream)
    made: list[PreChecked] = []

    async def check() -> None:
        made.append(await _check(call, scope, lines, count))

    return await call.commit(lambda _: made[0], 201, check)


@routes.get("/{receipt}", responses=documented(NOT_FOUND))
async def get_pre_check(call: Reads, receipt: ReceiptId) -> PreCheckReceipt:
    """Show a receipt: whether it is complete, and until when it holds."""

    def work(connection: Connection) -> Receipt:
        found = receipts.find(connection, receipt)
        if found is None or not call.caller.owns(found.scope):
            raise Problem(NOT_FOUND, f"there is no receipt {receipt}")
        return found

    return PreCheckReceipt.model_validate(_shown(await call.read(work)))


async def _read(
    call: Change, wish: NewPreCheck | None, stream: str | None
) -> tuple[str, Iterable[Asked], int]:
    """The stream, the questions and their number; Problem for what is not the caller's to ask."""
    if wish is not None:
        if stream is not None:
            flaw = Flaw("stands in the body when that is JSON", parameter="stream")
            raise Problem(INVALID, errors=[flaw])
        call.check_scope(wish.stream, "#/stream")
        return wish.stream, starmap(ask, enumerate(wish.addresses, 1)), len(wish.addresses)
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != CSV:
        raise Problem(UNREADABLE)
    if stream is None or not (call.parts.is_scope(stream) and call.caller.owns(stream)):
        text = "is missing" if stream is None else f"{stream}: no such tenant or stream"
        raise Problem(INVALID, errors=[Flaw(text, parameter="stream")])
    rows = await asyncio.to_thread(_rows, await call.request.body())
    if len(rows) > MAX_ADDRESSES:
        raise Problem(TOO_LARGE, f"it has more than {MAX_ADDRESSES} addresses")
    if not rows:
        raise invalid("#", "there is no address in it")
    return stream, map(ask_row, rows), len(rows)


def _rows(body: bytes) -> list[Row | BadRow]:
    with as_text(BytesIO(body)) as file:
        return list(islice(read_rows(file), MAX_ADDRESSES + 1))


async def _check(call: Change, scope: str, lines: Iterable[Asked], count: int) -> PreChecked:
    parts, caller = call.parts, call.caller
    check = PreCheck(
        parts.database,
        parts.keyring,
        parts.loaded,
        scope,
        caller.actor,
        parts.emit,
        parts.clock,
    )
    results: list[Checked] = []
    try:
        await check.begin(count, is_limited=not caller.is_staff)
        rest = iter(lines)
        while part := list(islice(rest, PART)):
            results += map(_result, await check.answer(part))
        receipt = await check.finish()
    except TooMuch as error:
        raise Problem(RATE, str(error), headers={"Retry-After": str(error.seconds)}) from None
    finally:
        await check.close()
    refused = Counter(result.tag for result in results if result.tag is not None)
    return PreChecked.model_validate({**_shown(receipt), "refused": refused, "results": results})


def _result(answer: Answer) -> Checked:
    verdict: Literal["cleared", "refused"] = "cleared" if answer.reply is None else "refused"
    return Checked(line=answer.asked.line, verdict=verdict, tag=answer.tag or None)


def _shown(receipt: Receipt) -> dict[str, object]:
    return {
        "receipt": receipt.id,
        "stream": receipt.scope,
        "asked": receipt.asked,
        "cleared": receipt.cleared,
        "complete": receipt.is_complete,
        "made_at": moment(receipt.made_at),
        "valid_until": moment(receipt.ends_at),
    }
