from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.supervisor import Supervisor

CHILD = """
import signal, sys, time
from pathlib import Path
log, name = Path(sys.argv[1]), sys.argv[2]
def note(what):
    with log.open("a") as file:
        file.write(f"{name} {what}\\n")
def hup(*_): note("hup")
def term(*_):
    note("term")
    sys.exit(0)
signal.signal(signal.SIGHUP, hup)
signal.signal(signal.SIGTERM, term if "deaf" not in sys.argv else hup)
note("started")
starts = log.read_text().count(f"{name} started")
if "crash" in sys.argv and starts == 1: sys.exit(3)
if "config" in sys.argv: sys.exit(78)
if "drained" in sys.argv: sys.exit(0)
while True: time.sleep(0.02)
"""
PARENT = """
import asyncio, sys
from gateway import supervisor
supervisor.FIRST_DELAY = 0.05
def child(name, *how): return [sys.executable, "-c", sys.argv[2], sys.argv[1], name, *how]
commands = {"smtp": child("smtp", *sys.argv[3:]), "web": child("web")}
async def main(): return await supervisor.Supervisor(commands, patience=0.3).run()
sys.exit(asyncio.run(main()))
"""


class Service:
    """A supervisor with two small children that write what happens to them into a file."""

    def __init__(self, log: Path, *how: str) -> None:
        log.touch()
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(log), CHILD, *how],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )

    def wait_for(self, line: str, count: int = 1) -> None:
        deadline = time.monotonic() + 60
        while self.log.read_text().count(f"{line}\n") < count:
            assert time.monotonic() < deadline, f"no {line!r} in {self.log.read_text()!r}"
            time.sleep(0.01)

    def end(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


def test_signals_reach_both_children_and_the_service_ends(tmp_path: Path) -> None:
    """SIGHUP reloads both, SIGTERM ends both, and the status is 0."""
    service = Service(tmp_path / "log")
    for name in ("smtp", "web"):
        service.wait_for(f"{name} started")
    service.process.send_signal(signal.SIGHUP)
    for name in ("smtp", "web"):
        service.wait_for(f"{name} hup")
    service.process.send_signal(signal.SIGTERM)
    assert service.end() == (0, "")
    assert {"smtp term", "web term"} <= set(service.log.read_text().splitlines())


def test_a_crashed_child_is_started_again(tmp_path: Path) -> None:
    """The other one does not notice."""
    service = Service(tmp_path / "log", "crash")
    service.wait_for("smtp started", 2)
    service.process.send_signal(signal.SIGINT)
    status, errors = service.end()
    assert status == 0
    assert "smtp ended with status 3; starting it again in 0.05 s" in errors
    assert service.log.read_text().count("web started") == 1


@pytest.mark.parametrize(("how", "status"), [("config", 78), ("drained", 0)])
def test_the_end_of_one_child_can_end_the_service(tmp_path: Path, how: str, status: int) -> None:
    """A configuration error is not tried again, and a drained service is over."""
    service = Service(tmp_path / "log", how)
    assert service.end()[0] == status
    assert service.log.read_text().count("smtp started") == 1


SERVING = """
import asyncio, sys
from pathlib import Path
from gateway.sockets import Sockets
name, folder = sys.argv[1], Path(sys.argv[2])
log = folder / "log"
def note(what):
    with log.open("a") as file: print(name, what, file=file)
async def main():
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, ended.set)
    note("started")
    if name != "dumb" or log.read_text().count("dumb started") == 1:
        note("serves")
        Sockets(folder, name).ready([])
    await ended.wait()
    note("ended")
asyncio.run(main())
"""
ORDERS = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway import supervisor
from gateway.socket_keeper import SocketKeeper
supervisor.FIRST_DELAY = 0.05
supervisor.START_PATIENCE = float(sys.argv[4])
folder = Path(sys.argv[1])
def commands(names):
    child = [sys.executable, "-c", sys.argv[5]]
    return {name: [*child, name, str(folder)] for name in names.split(",")}
async def main():
    dropped = []
    keeper = SocketKeeper(folder, lambda pid: running.serves(pid))
    running = supervisor.Supervisor(commands(sys.argv[2]), 5.0, dropped.append)
    await keeper.start()
    service = asyncio.create_task(running.run())
    while not all(child["serves"] for child in running.describe()) or not running.describe():
        await asyncio.sleep(0.01)
    both = [asyncio.create_task(running.restart(commands(sys.argv[3]))) for _ in range(2)]
    for said in await asyncio.gather(*both, return_exceptions=True):
        print(said if isinstance(said, Exception) else [line.split(" after")[0] for line in said])
    print(dropped, [(child["name"], child["restarts"]) for child in running.describe()])
    os.kill(os.getpid(), signal.SIGTERM)
    await service
    await keeper.close()
asyncio.run(main())
"""


def restarted(folder: Path, before: str, after: str, patience: float = 60) -> tuple[str, list[str]]:
    """What a restart from some children to others prints, and what the children did, in order."""
    (folder / "log").touch()
    done = subprocess.run(
        [sys.executable, "-c", ORDERS, str(folder), before, after, str(patience), SERVING],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=100,
        check=True,
    )
    return done.stdout, (folder / "log").read_text().splitlines()


def test_a_restart_takes_one_child_after_the_other(tmp_path: Path) -> None:
    """The next one ends only when the successor of the last serves; one restart at a time."""
    said, did = restarted(tmp_path, "a,b", "a,b")
    assert said.splitlines() == [
        "['a serves again', 'b serves again']",
        "a restart is under way already",
        "[] [('a', 1), ('b', 1)]",
    ]
    after = did[4:10]  # both have started and serve
    assert after == [f"{name} {what}" for name in "ab" for what in ("ended", "started", "serves")]


def test_a_restart_adds_and_drops_children(tmp_path: Path) -> None:
    """Those that are not wanted end first, so that their successors can take up what they had."""
    said, did = restarted(tmp_path, "a,old", "a,new")
    assert said.splitlines()[0] == "['old ended for good', 'a serves again', 'new serves again']"
    assert said.splitlines()[2] == "['old'] [('a', 1), ('new', 0)]"
    assert did[4:9] == ["old ended", "a ended", "a started", "a serves", "new started"]


def test_a_restart_goes_no_further_than_a_child_that_does_not_serve(tmp_path: Path) -> None:
    """The others are left as they are: they still serve."""
    patience = 1.0 - 5.0  # beyond what the old one may take to end
    said, did = restarted(tmp_path, "dumb,b", "dumb,b", patience)
    assert said.startswith("dumb does not serve, the rest was left")
    assert "('b', 0)" in said
    assert did.index("b ended") > did.index("dumb ended")


def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    """After the patience given, so that a restart of the service cannot hang."""
    service = Service(tmp_path / "log", "deaf")
    service.wait_for("smtp started")
    service.wait_for("web started")
    service.process.send_signal(signal.SIGTERM)
    status, errors = service.end()
    assert status == 0
    assert "smtp did not end within 0.3 s; killing it" in errors


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's own")
def test_children_do_not_outlive_a_killed_supervisor() -> None:
    """A child that asked to end with its parent is gone when the parent is killed."""
    child = "from gateway.supervisor import end_with_parent as e; e(); "
    child += "import time; print('started', flush=True); time.sleep(60)"
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', "
    parent += f"{child!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.kill()
    process.wait()
    assert process.stdout.read() == ""  # the pipe ends when the child, its last writer, has gone
    process.stdout.close()


async def test_children_that_are_heard_before_they_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each serves, also when another's start is known first: nobody waits for it in vain."""
    start, early = asyncio.create_subprocess_exec, []
    both = asyncio.Event()

    async def slowly(*command: str, **options: bool) -> asyncio.subprocess.Process:
        process = await start(*command, **options)
        service.serves(process.pid)
        early.append(process.pid)
        if len(early) == len(commands):
            both.set()
        await both.wait()
        return process

    monkeypatch.setattr("asyncio.create_subprocess_exec", slowly)
    commands = dict.fromkeys(("smtp", "web"), ("sleep", "300"))
    service = Supervisor(commands, patience=60)
    running = asyncio.create_task(service.run())
    await asyncio.wait_for(both.wait(), 60)
    for _ in range(10):  # turns of the loop, for both to be known
        await asyncio.sleep(0)
    assert [child["serves"] for child in service.describe()] == [True, True]
    service._stop.set()
    assert await asyncio.wait_for(running, 60) == 0
