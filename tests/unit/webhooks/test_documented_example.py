"""The example in docs/webhooks.md, run as it stands, against signatures as calls have them."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.webhooks.signing import signature

PAGE = Path(__file__).parents[3] / "docs/webhooks.md"
OLD, NEW = bytes(32), bytes(range(32))
SECRET = "whsec_" + b64encode(NEW).decode()
BODY = b'{"type":"unsubscribed"}'


@pytest.fixture(scope="module")
def is_genuine() -> Callable[[dict[str, str], bytes, str], bool]:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    example: Callable[[dict[str, str], bytes, str], bool] = names["is_genuine"]
    return example


def headers(*secrets: bytes, at: int | None = None) -> dict[str, str]:
    """The fields of a call, by default of one made now."""
    at = int(time.time()) if at is None else at
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secrets, "msg_1", at, BODY),
    }


def test_it_takes_what_is_signed(
    is_genuine: Callable[[dict[str, str], bytes, str], bool],
) -> None:
    """With the secret, also where another one signs besides."""
    assert is_genuine(headers(NEW), BODY, SECRET)
    assert is_genuine(headers(OLD, NEW), BODY, SECRET)


def test_it_takes_nothing_else(is_genuine: Callable[[dict[str, str], bytes, str], bool]) -> None:
    """Another secret, body, id or time, or a call recorded long ago."""
    assert not is_genuine(headers(OLD), BODY, SECRET)
    assert not is_genuine(headers(NEW), BODY + b" ", SECRET)
    assert not is_genuine(headers(NEW) | {"webhook-id": "msg_2"}, BODY, SECRET)
    later = {"webhook-timestamp": str(int(time.time()) + 1)}
    assert not is_genuine(headers(NEW, at=int(time.time()) - 1) | later, BODY, SECRET)
    assert not is_genuine(headers(NEW, at=int(time.time()) - 3600), BODY, SECRET)
