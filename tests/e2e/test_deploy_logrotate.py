"""deploy/logrotate: logrotate takes the file, and turns over a log that is still written to."""

from __future__ import annotations

import getpass
import grp
import os
import subprocess
from pathlib import Path

from tests.e2e.deployed import DEPLOY

FILE = DEPLOY / "logrotate/consentry"


def test_an_open_log_is_turned_over_without_its_writer_knowing(tmp_path: Path) -> None:
    """What was written is in the copy, what comes next in the file, and nothing is lost."""
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o700)
    user, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
    text = FILE.read_text()
    assert "/var/log/consentry/" in text
    text = text.replace("/var/log/consentry", str(logs))
    config = tmp_path / "consentry"
    config.write_text(text.replace("su consentry consentry", f"su {user} {group}"))
    config.chmod(0o600)
    command = ["logrotate", "--force", "--state", tmp_path / "state", config]
    with (logs / "serve.log").open("a", buffering=1) as log:
        log.write("before\n")
        done = subprocess.run(command, check=True, text=True, capture_output=True)
        log.write("after\n")
    assert done.stderr == ""
    assert (logs / "serve.log.1").read_text() == "before\n"
    assert (logs / "serve.log").read_text() == "after\n"
