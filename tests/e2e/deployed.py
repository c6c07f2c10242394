"""The next hop set up as deploy/postfix shows: its two fragments, verbatim but for the port."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.ports import LOOPBACK, free_port

FOLDER = Path(__file__).parents[2] / "deploy" / "postfix"
DOCUMENTED = f"{LOOPBACK}:10025"


def deployed_service() -> tuple[int, str, str]:
    """The port, the text for main.cf and the text for master.cf."""
    port = free_port()
    service = (FOLDER / "master.cf").read_text()
    assert DOCUMENTED in service
    return (
        port,
        (FOLDER / "main.cf").read_text(),
        service.replace(DOCUMENTED, f"{LOOPBACK}:{port}"),
    )
