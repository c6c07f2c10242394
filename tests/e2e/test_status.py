"""`consentry status` of a running gateway."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from tests.e2e.certificates import Certificates
from tests.e2e.gateway import Gateway, Settings
from tests.e2e.ports import free_port
from tests.e2e.session import Session


def test_status_tells_the_tasks_of_both_processes(
    certificates: Certificates, tmp_path: Path
) -> None:
    """A session is one task, so that a leak of tasks shows."""

    def tasks() -> dict[str, int]:
        told = json.loads(gateway.run("status", "--json"))
        return {process: status["tasks"] for process, status in told.items()}

    with Gateway(tmp_path, Settings(free_port()), certificates) as gateway:
        before = tasks()
        with ExitStack() as sessions:
            for _ in range(5):
                sessions.enter_context(Session(gateway.open))
            during = tasks()
    assert during["smtp"] >= before["smtp"] + 5
    assert during["web"] > 0
