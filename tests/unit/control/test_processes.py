from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from gateway.config.example import write_example
from gateway.config.load import load
from gateway.config.model import GatewayConfig
from gateway.config.redis import RedisSettings
from gateway.control import ControlError
from gateway.journal import Journal
from gateway.node import CHECKS, health_of, smtp_status
from gateway.processes import (
    JOBS,
    SMTP,
    WEB,
    Process,
    Role,
    intents_left,
    is_running,
    locked_journal,
    processes_in,
    processes_of,
)

SECOND = Process(Role.SMTP, 2)
WELL = dict.fromkeys(CHECKS, True)
AWAY = ControlError("no gateway answers", is_away=True)


@pytest.fixture
def config(tmp_path: Path) -> GatewayConfig:
    write_example(tmp_path, "mail.example.com")
    return load(tmp_path / "consentry.yaml").config


def test_the_first_worker_is_called_as_the_only_one() -> None:
    """Whoever goes from one worker to several finds everything where it was."""
    assert (SMTP.name, SMTP.socket, SMTP.journal, SMTP.intents) == (
        "smtp",
        "control.sock",
        "smtp",
        "intents",
    )
    assert (SECOND.name, SECOND.socket, SECOND.journal, SECOND.intents) == (
        "smtp-2",
        "smtp-2.sock",
        "smtp.2",
        "intents-2",
    )


def test_processes_follow_from_the_configuration(config: GatewayConfig) -> None:
    """The web process has the jobs until there is a Redis."""
    assert processes_of(config) == [SMTP, WEB]
    many = config.model_copy(update={"workers": 2, "redis": RedisSettings()})
    assert processes_of(many) == [SMTP, SECOND, WEB, JOBS]


def test_processes_are_known_by_their_journals(tmp_path: Path) -> None:
    """By the files that they hold, rotated ones and strangers aside, and whether one lives."""
    folder = tmp_path / "journal"
    for process in (JOBS, SECOND, SMTP):
        Journal(folder, process.journal, 10_000, 3).close()
    for name in ("smtp.2-20260101T000000000000Z.jsonl", "smtp.x.jsonl", "else.jsonl"):
        (folder / name).touch()
    assert processes_in(tmp_path) == [SMTP, SECOND, JOBS]
    living = Journal(folder, SECOND.journal, 10_000, 3)
    assert [one for one in processes_in(tmp_path) if is_running(tmp_path, one)] == [SECOND]
    assert not is_running(tmp_path, WEB)
    with pytest.raises(BlockingIOError), locked_journal(tmp_path, SECOND, fcntl.LOCK_EX):
        pass
    living.close()
    with locked_journal(tmp_path, WEB, fcntl.LOCK_EX, os.O_CREAT):
        assert is_running(tmp_path, WEB)


def test_a_rotated_journal_of_a_worker_is_its_own(tmp_path: Path) -> None:
    """The first worker prunes no file of the second one's."""
    second = Journal(tmp_path, SECOND.journal, 10_000, 1)
    first = Journal(tmp_path, SMTP.journal, 10_000, 1)
    (tmp_path / f"{SECOND.journal}-20260101T000000000000Z.jsonl").touch()
    first._prune()
    assert len(list(tmp_path.glob("smtp.2*.jsonl"))) == 2
    first.close()
    second.close()


def test_intents_of_workers_that_are_no_more_are_left(config: GatewayConfig) -> None:
    """Of four workers two go: what they have open is the first one's, once they have ended."""
    config = config.model_copy(update={"workers": 2})
    state = config.state_dir
    for number in (2, 3, 4):
        (state / Process(Role.SMTP, number).intents).mkdir(parents=True)
    living = Journal(state / "journal", Process(Role.SMTP, 4).journal, 10_000, 3)
    assert intents_left(config) == [state / "intents-3"]
    living.close()
    assert intents_left(config) == [state / "intents-3", state / "intents-4"]


def status(sessions: int, used: int) -> dict[str, object]:
    return {
        "started": 10.0 + sessions,
        "config": "abc",
        "sessions": sessions,
        "in_progress": 1,
        "tasks": 5,
        "draining": False,
        "memory": {"used": used, "total": 100},
        "batches": {"acme": {"open": 2, "waiting": 1}},
        "bytes_24h": {"acme": 7000},
    }


def test_one_status_of_all_workers() -> None:
    """Sums where a sum is meant; what all see alike once; a row for each, also one that is away."""
    third = Process(Role.SMTP, 3)
    found = smtp_status({SMTP: status(3, 10), SECOND: AWAY, third: status(4, 20)})
    assert (found["sessions"], found["in_progress"]) == (7, 2)
    assert found["memory"] == {"used": 30, "total": 200}
    assert found["batches"] == {"acme": {"open": 2, "waiting": 1}}
    assert found["bytes_24h"] == {"acme": 7000}
    rows = found["workers"]
    assert isinstance(rows, list)
    assert [(row["name"], row.get("sessions"), row.get("error")) for row in rows] == [
        ("smtp", 3, None),
        ("smtp-2", None, "no gateway answers"),
        ("smtp-3", 4, None),
    ]


def test_one_worker_is_told_as_it_tells_itself() -> None:
    """Without rows; and when nobody answers, only why."""
    assert smtp_status({SMTP: status(3, 10)}) == status(3, 10)
    assert smtp_status({SMTP: AWAY, SECOND: AWAY}) == {"error": "no gateway answers"}


def test_a_node_is_ready_while_a_worker_is() -> None:
    """What only some lack is named and no bar to mail; a check not answered counts as wrong."""
    lame = WELL | {"state": False}
    health = health_of({SMTP: lame, SECOND: WELL, Process(Role.SMTP, 3): AWAY})
    assert health.is_ready
    assert health.problems == (
        "smtp: Redis does not answer",
        "smtp-3: does not answer: no gateway answers",
    )
    assert health.stores == {"database": True, "state": True}
    assert not health_of({SMTP: lame, SECOND: lame}).is_ready
    assert health_of({SMTP: lame}).stores == {"database": True, "state": False}
    assert health_of({SMTP: WELL}).problems == ()
    assert len(health_of({SMTP: {"listening": True}}).problems) == len(CHECKS) - 1
    assert not health_of({SMTP: None}).is_ready
