"""`consentry index`: what people see of it, and how they build and prove it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from tests.servers.redis import RedisServer

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gateway as `consentry init` makes it."""
    folder = tmp_path_factory.mktemp("indexed") / "etc"
    made = CliRunner().invoke(app, ["init", str(folder), "--hostname", "mail.example.com"])
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a command on it and gives its JSON, and its exit status when that is not 0."""

    def run(*words: str, status: int = 0) -> Any:
        config = str(folder / "consentry.yaml")
        done = CliRunner().invoke(app, [*words, "--config", config, "--json"])
        assert done.exit_code == status, done.output
        return json.loads(done.stdout) if done.stdout.startswith("[") else done.output

    return run


def test_an_index_is_built_shown_and_proven(
    folder: Path, run: Run, redis_server: RedisServer
) -> None:
    """Without one every command says what is missing; with one, an entry is in force at once."""
    assert "no index is configured" in run("index", "show", status=2)
    section = redis_server.settings(index=True)
    file = folder / "consentry.yaml"
    file.write_text(f"{file.read_text()}\nredis: {json.dumps(section)}\n")
    assert {row["state"] for row in run("index", "check", status=1)} == {"unused"}
    assert not any(row["in_use"] for row in run("index", "show"))
    (built,) = run("index", "rebuild")
    run("suppress", "add", "a@x.example", "--reason", "protected", "--scope", "*")
    rows = run("index", "show")
    assert [row["shard"] for row in rows] == list(range(16))
    assert all(row["in_use"] and row["behind"] == 0 for row in rows)
    assert {row["generation"] for row in rows} == {built["generation"]}
    assert sum(row["entries"] for row in rows) == built["entries"] + 1
    assert {row["state"] for row in run("index", "check")} == {"proven"}
    assert run("index", "rebuild")[0]["removed"] == 16 * built["buckets"]
