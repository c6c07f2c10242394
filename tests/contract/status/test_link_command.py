"""`consentry status-link` gives staff the link that refusals and notices carry."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from gateway.cli import app
from tests.contract.status.world import BASE, World


def test_the_command_prints_the_page_s_link(world: World) -> None:
    """Of a tenant and of one case; another tenant's case and unknown names are refused."""
    case, other = world.open(), world.open("beta")

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(
            app, ["status-link", *arguments, "--config", str(world.loaded.path)]
        )
        return done.exit_code, done.stdout.strip()

    assert run("acme") == (0, BASE + world.link())
    assert run("acme", "--case", case.id) == (0, BASE + world.link_of(case))
    status, printed = run("acme", "--case", case.id, "--json")
    assert status == 0
    assert json.loads(printed)[0]["link"] == BASE + world.link_of(case)
    assert run("acme", "--case", other.id)[0] == 1
    assert run("acme", "--case", "7")[0] == 2
    assert run("nobody")[0] == 2
