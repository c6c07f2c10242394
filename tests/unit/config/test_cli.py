"""The commands that write and check the configuration."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner, Result

from gateway.cli import app, main
from gateway.config.load import load


def run(*arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def test_init_makes_a_configuration_that_starts(tmp_path: Path) -> None:
    """A new folder passes check-config, its secrets are private, its password fits."""
    result = run("init", tmp_path / "new", "--hostname", "Mail.Acme.net")
    assert result.exit_code == 0, result.output
    loaded = load(tmp_path / "new/consentry.yaml")
    assert loaded.config.hostname == "mail.acme.net"
    assert loaded.warnings == ()
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert len(files) == 6
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    password = result.output.split("password ")[1].split()[0]
    assert PasswordHasher().verify(loaded.tenants["example"].logins[0].password_hash, password)


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    """One file in the way, and nothing at all is written."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/gateway.key").write_text("mine")
    result = run("init", tmp_path, "--hostname", "mail.acme.net")
    assert result.exit_code == 2
    assert "exists already; nothing was written" in result.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["gateway.key"]
    assert (tmp_path / "keys/gateway.key").read_text() == "mine"


def test_check_config(folder) -> None:
    """Exit status 0 when the gateway would start, 2 when not; --strict minds warnings."""
    assert run("check-config", "-c", folder.gateway).exit_code == 0
    folder.replace(folder.gateway, "  - consent: enforce\n", "")
    assert run("check-config", "-c", folder.gateway).exit_code == 0
    assert run("check-config", "-c", folder.gateway, "--strict").exit_code == 2
    folder.replace(folder.gateway, "port: 25", "prt: 25")
    result = run("check-config", "-c", folder.gateway)
    assert result.exit_code == 2
    line = "next_hops.0.prt: is no setting here; did you mean port?"
    assert line in result.output
    rows = json.loads(run("check-config", "-c", folder.gateway, "--json").stdout)
    assert {"severity", "file", "line", "key", "text"} == set(rows[0])
    assert rows[0]["key"] == "next_hops.0.prt"


def test_the_life_of_a_tenant(folder) -> None:
    """Added closed with a key and a password, opened with a confirmation, disabled."""
    config = ("-c", folder.gateway)
    result = run("tenant", "add", "acme", "--domain", "acme.example", "--stream", "w:list", *config)
    assert result.exit_code == 0, result.output
    assert "consentry._domainkey.acme.example. IN TXT" in result.output
    assert folder.load().tenants["acme"].state == "closed"
    password = "correct horse battery"
    assert run("tenant", "passwd", "acme", "--password", "stdin", *config, stdin=password + "\n")
    acme = folder.load().tenants["acme"]
    assert PasswordHasher().verify(acme.logins[0].password_hash, password)
    assert password not in (folder.path / "tenants/acme.yaml").read_text()
    run("tenant", "open", "acme", "--confirmation", "signed", "--by", "ana", *config)
    assert folder.load().tenants["acme"].state == "open"
    run("tenant", "disable", "acme", *config)
    rows = json.loads(run("tenant", "list", "--json", *config).stdout)
    assert [(row["tenant"], row["state"]) for row in rows] == [
        ("acme", "disabled"),
        ("example", "starter"),
    ]


def test_a_failed_add_leaves_no_key(folder) -> None:
    """When the tenant cannot be added, its DKIM key is taken away again."""
    folder.replace(folder.gateway, "  base_url: http://127.0.0.1:8080\n", "")
    folder.replace(folder.tenant, "kind: list", "kind: transactional")
    result = run("tenant", "add", "acme", "--domain", "acme.example", "-c", folder.gateway)
    assert result.exit_code == 1
    assert "set `web.base_url`" in str(result.exception)
    assert len(list((folder.path / "keys/dkim").iterdir())) == 1


def test_errors_are_one_line(
    folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A known trouble ends with status 2 and a sentence, not with a stack trace."""
    arguments = ["consentry", "tenant", "disable", "nobody", "-c", str(folder.gateway)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "there is no tenant nobody; there is example\n"


@pytest.mark.parametrize("command", [("tail", "--no-follow"), ("explain", "0bm7k2w9xq4tn")])
def test_a_journal_that_cannot_be_read_is_one_line(
    folder,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is not taken for an empty one, and gives no stack trace."""
    journal = folder.load().config.state_dir / "journal"
    journal.parent.mkdir(exist_ok=True)
    journal.write_text("no folder")
    monkeypatch.setattr("sys.argv", ["consentry", *command, "-c", str(folder.gateway)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == f"{journal}: Not a directory\n"


def consentry(folder, *arguments: object, stdout: int) -> tuple[int, str]:
    """Exit status and complaints of the command as a process, for what an interpreter does last."""
    program = "import sys; from gateway.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments), "-c", folder.gateway],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_full_disk_behind_standard_output_is_one_line(folder) -> None:
    """The command says so, once, with a status of failure."""
    with open("/dev/full", "wb") as full:
        said = consentry(folder, "tenant", "list", stdout=full.fileno())
    assert said == (1, "No space left on device\n")


def test_a_confirmation_that_cannot_be_shown_is_refused(folder) -> None:
    """What is kept as proof can be read; the tenant's file stays as it was."""
    before = folder.tenant.read_text()
    said = run("tenant", "open", "example", "--confirmation", "\udcff", "-c", folder.gateway)
    assert said.exit_code == 2
    assert folder.tenant.read_text() == before


def test_a_folder_without_write_rights_is_one_line(
    folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command names what it may not write."""

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder.tenant))

    monkeypatch.setattr("gateway.config.write.tempfile.mkstemp", deny)
    arguments = ["consentry", "tenant", "disable", "example", "-c", str(folder.gateway)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == f"{folder.tenant}: Permission denied\n"


def test_a_reader_that_has_read_enough_is_no_trouble(folder) -> None:
    """`suppress export | head -1` ends without a word about the records."""
    ours, theirs = os.pipe()
    os.close(ours)
    status, complaints = consentry(folder, "suppress", "export", stdout=theirs)
    os.close(theirs)
    assert status == 1
    assert not complaints


def test_without_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none, the command says how to name or make one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONSENTRY_CONFIG", raising=False)
    monkeypatch.setattr("gateway.commands.shared.SEARCHED", (Path("consentry.yaml"),))
    result = run("tenant", "list")
    assert result.exit_code == 2
    assert "consentry init" in result.stderr


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command below `group`, as the words that call it."""
    found = []
    for name, command in group.commands.items():
        inner = isinstance(command, TyperGroup)
        found += commands(command, (*path, name)) if inner else [(*path, name)]
    return found


@pytest.mark.parametrize("command", commands(get_command(app)), ids=" ".join)
def test_every_command_teaches(command: tuple[str, ...]) -> None:
    """Each command shows an example of its use."""
    assert "Example: " in run(*command, "--help").output


@pytest.mark.parametrize(
    ("command", "free_of"),
    [
        ("check-config", {"sqlalchemy", "sqlite3", "httpx", "fastapi", "uvicorn"}),
        ("tenant list", {"fastapi", "uvicorn"}),
        ("tail --no-follow", {"sqlalchemy", "fastapi", "uvicorn"}),
    ],
)
def test_a_command_loads_what_it_runs(folder, command: str, free_of: set[str]) -> None:
    """What is called often and at start-up does not wait for the libraries of other commands."""
    program = (
        "import atexit, sys; from gateway.cli import main;"
        " atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    words = [sys.executable, "-c", program, *command.split(), "-c", folder.gateway]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert loaded >= {"typer", "gateway.config.load"}
    assert not loaded & (free_of | {"redis", "psycopg"})


def test_a_shell_completes_and_a_typo_is_helped() -> None:
    """Names of commands that are not loaded yet are known."""
    words = {"_CONSENTRY_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    told = CliRunner(env={**words, "COMP_WORDS": "consentry tenant pass"}).invoke(
        app, [], prog_name="consentry"
    )
    assert told.stdout.split() == ["passwd"]
    assert "Did you mean 'check-config'?" in run("check-confg").output


def test_the_groups_are_wired() -> None:
    """The command offers everything an operator and the abuse desk need."""
    words = {" ".join(words) for words in commands(get_command(app))}
    assert words >= {
        *("init", "check-config", "schema", "docs", "serve", "status", "reload", "drain"),
        *("tail", "explain", "dkim new", "dkim dns", "consent import"),
        *(f"tenant {word}" for word in ("add", "passwd", "open", "disable", "list")),
        *(f"suppress {word}" for word in ("add", "lift", "find", "import", "export")),
        *(f"block {word}" for word in ("list", "add", "lift")),
    }
