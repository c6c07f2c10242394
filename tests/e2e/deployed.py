"""What tests run as deploy/ has it: the next hop's two fragments, and the unit's command line."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.e2e.ports import LOOPBACK, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "systemd/consentry.service"
PROGRAM, CONFIGURATION = "/opt/consentry/bin/consentry", "/etc/consentry/consentry.yaml"
FOLDER = DEPLOY / "postfix"
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


def unit_command(key: str, program: Path, config: Path) -> list[str]:
    """The unit's command line `key` (ExecStart, ExecReload) with this program and configuration."""
    lines = UNIT.read_text().splitlines()
    (command,) = (line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}="))
    ours = {PROGRAM: str(program), CONFIGURATION: str(config)}
    words = shlex.split(command)
    assert ours.keys() <= set(words)
    return [ours.get(word, word) for word in words]
