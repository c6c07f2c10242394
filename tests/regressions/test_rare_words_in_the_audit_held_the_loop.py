"""A name that stands nowhere in a million audit records was looked for on the event loop."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.web.desk import audit
from gateway.words import Role
from tests.contract.desk.conftest import opened


async def test_the_trail_is_searched_off_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unsubscribe pages, which the same loop serves, do not wait for it."""
    threads = []
    search = audit.search

    def seen(*given: Any, **named: Any) -> Any:
        threads.append(threading.current_thread())
        return search(*given, **named)

    monkeypatch.setattr(audit, "search", seen)
    with opened(tmp_path) as world:
        answer = await world.as_(Role.AUDITOR).get("audit", actor="nobody")
    assert answer.status_code == 200
    assert threads
    assert threading.main_thread() not in threads
