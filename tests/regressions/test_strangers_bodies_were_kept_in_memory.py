"""Calls that need no token could leave a MiB each in memory, on every connection at once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import Response
from starlette.types import Receive, Scope, Send

from gateway.web.api.gate import OPEN_BODY, Gate


async def _taken(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(status_code=204)(scope, receive, send)


@pytest.mark.parametrize("path", ["/openapi.json", "/problems/token"])
@pytest.mark.parametrize(("size", "status"), [(OPEN_BODY, 204), (OPEN_BODY + 1, 413)])
async def test_a_body_without_a_token_is_small(path: str, size: int, status: int) -> None:
    """What is longer is 413 before more of it is read."""
    parts: Any = None
    transport = httpx.ASGITransport(Gate(_taken, lambda: parts))
    async with httpx.AsyncClient(transport=transport, base_url="https://mail.test") as client:
        answer = await client.post(path, content=b"x" * size)
    assert answer.status_code == status
