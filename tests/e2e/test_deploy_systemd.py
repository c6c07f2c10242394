"""deploy/systemd: what systemd itself says of the unit, and that it agrees with the gateway.

That the end-to-end tests run its command line, tests/e2e/gateway.py sees to; that the gateway works
within its limits, the shared `gateway` of tests/e2e/conftest.py shows.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from gateway.commands.service import DRAIN_MARGIN
from gateway.config.model import GatewayConfig
from gateway.processes import Role
from tests.e2e.deployed import PROGRAM, UNIT, unit_command
from tests.e2e.gateway import COMMAND, Gateway

README = UNIT.with_name("README.md")
ROLE = UNIT.with_name("role.conf")


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze` with these words."""
    command = ["systemd-analyze", "--no-pager", *words]
    return subprocess.run(command, check=False, text=True, capture_output=True)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is installed here, as `verify` looks whether it is there."""
    made = tmp_path / UNIT.name
    made.write_text(UNIT.read_text().replace(PROGRAM, str(COMMAND)))
    return made


@pytest.mark.parametrize("with_role", [False, True])
def test_systemd_takes_the_unit(unit, with_role):
    """`systemd-analyze verify` finds nothing to say, with the drop-in for one role and without."""
    if with_role:
        drop_in = unit.with_name(f"{unit.name}.d")
        drop_in.mkdir()
        (drop_in / ROLE.name).write_text(ROLE.read_text().replace(PROGRAM, str(COMMAND)))
    done = analyze("verify", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_documented_score_is_reached(unit):
    """Exposure is at most what the README says, and every check that fails is explained there."""
    readme = README.read_text()
    (score,) = re.findall(r"gives \*\*(\d+\.\d)\*\*", readme)
    threshold = f"--threshold={score.replace('.', '')}"
    assert analyze("security", "--offline=true", threshold, unit).returncode == 0
    checks = json.loads(analyze("security", "--offline=true", "--json=short", unit).stdout)
    failed = {check["name"] for check in checks if not check["set"] and check["exposure"]}
    assert failed
    unexplained = {name for name in failed if name.replace("|", r"\|") not in readme}
    assert not unexplained


def test_the_drop_in_names_a_role():
    """It runs the unit's command line with one role that there is."""
    (start,) = re.findall("^ExecStart=.*", UNIT.read_text(), re.MULTILINE)
    *_, reset, for_role = re.findall("^ExecStart=.*", ROLE.read_text(), re.MULTILINE)
    assert reset == "ExecStart="
    command, _, role = for_role.partition(" --role ")
    assert command == start
    assert role in set(Role)


def test_systemd_waits_as_long_as_the_supervisor():
    """Nobody is killed by systemd whom the supervisor would still wait for."""
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert int(seconds) > GatewayConfig.model_fields["drain_seconds"].default + DRAIN_MARGIN


def test_reload_is_the_units_command(gateway: Gateway):
    """ExecReload asks the running gateway, and says what is in force."""
    command = unit_command("ExecReload", COMMAND, gateway.config)
    done = subprocess.run(command, check=True, text=True, capture_output=True)
    assert "is in force" in done.stdout
