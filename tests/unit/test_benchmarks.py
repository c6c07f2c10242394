"""The benchmark's own arithmetic: what it sends, how it groups samples, how it judges figures."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from benchmarks import lists
from benchmarks.beside import Beside
from benchmarks.lists import Import
from benchmarks.load import new_sender
from benchmarks.peers import signature_of
from benchmarks.processes import Load, Result, taken
from benchmarks.report import Report, Row, as_text, targets
from benchmarks.shares import LOOP, PROJECT, SIGNING, group

SMALL = "4 KiB, 20 connections"


@pytest.mark.parametrize("load", [Load(), Load(size=102_400)])
def test_message_has_its_size(load: Load) -> None:
    """A message has the octets it is said to have, and as many as MAIL says."""
    sender = new_sender("customer0.test", "customer0:secret", load.size, count())
    message = sender.message(7)
    assert message.endswith(b"\r\n.\r\n")
    assert len(message) - len(b".\r\n") == load.size
    assert sender.envelope(7)[0].endswith(b" SIZE=%d\r\n" % load.size)


def test_taken_reads_the_last_count(tmp_path: Path) -> None:
    """The sink rewrites one line; the count is its last complete one."""
    file = tmp_path / "count"
    file.write_bytes(b"")
    assert taken(file) == 0
    file.write_bytes(b"sess=1 quit=0 mesg=9\rsess=1 quit=0 mesg=10\rsess=1 quit=0 me")
    assert taken(file) == 10


def test_signature_is_found() -> None:
    """The b= of a folded DKIM-Signature is found, its bh= is not taken for it."""
    raw = b"To: a\r\nDKIM-Signature: v=1; bh=aGFzaA==;\r\n\tb=c2ln\r\n\tbmVk;\r\nFrom: b\r\n\r\nx"
    assert signature_of(raw) == "c2lnbmVk"
    assert signature_of(b"From: b\r\n\r\nDKIM") == ""


def test_samples_are_grouped() -> None:
    """A sample counts for its innermost folder of ours, or for what its line calls; waiting does
    not count."""
    dkim = f"{PROJECT}/gateway/message/dkim.py"
    lines = (PROJECT / "gateway/message/dkim.py").read_text().splitlines()
    signing = next(n for n, line in enumerate(lines, 1) if "self.key.sign(digest, _" in line)
    database = PROJECT / "gateway/records/database.py"
    waiting = next(
        n for n, line in enumerate(database.read_text().splitlines(), 1) if "_queue.get()" in line
    )
    loop = f"run_smtp ({PROJECT}/{LOOP[0]}:1)"
    stacks = (
        f"{loop};fields ({dkim}:1);sign ({dkim}:{signing}) 4\n"
        f"{loop};fields ({dkim}:1);b64encode (/usr/lib/python3/base64.py:58) 3\n"
        f"{loop};at_mail ({PROJECT}/policies/batch.py:1);set ({PROJECT}/.venv/lib/x.py:1) 2\n"
        f"{loop};run (/usr/lib/python3/asyncio/runners.py:1) 1\n"
        f"_bootstrap (threading.py:1);_run ({database}:{waiting}) 90\n"
    )
    found = group(stacks)
    assert found.parts == {SIGNING: 0.4, "gateway/message": 0.3, "policies": 0.2, LOOP[1]: 0.1}
    assert found.functions["fields (gateway/message/dkim.py)"] == 0.3
    assert found.whole["fields (gateway/message/dkim.py)"] == 0.7


def test_samples_without_a_signature_are_refused() -> None:
    """A grouping that finds no signature would hide the largest part: it raises."""
    with pytest.raises(RuntimeError, match="signature"):
        group(f"at_mail ({PROJECT}/policies/batch.py:1) 2\n")


def _row(relay: str, rate: int) -> Row:
    return Row(relay, SMALL, [Result(rate, 1.0, 2.0, 3.0, 400.0)], None, (5000.0,))


def test_targets_are_judged() -> None:
    """An aim is met from its figure on; what was not measured is not judged."""
    report = Report(1, 1.0, [_row("gateway", 2000), _row("Haraka", 501)])
    judged = {target.what.rpartition(": ")[2]: target for target in targets(report)}
    assert judged["msg/s"].is_met
    assert judged["part of the RSA ceiling"].reached == "40%"
    assert not judged["times Haraka"].is_met
    assert "times Postfix" not in judged
    assert "missed" in as_text(report, with_functions=False)


def test_lists_are_judged() -> None:
    """Each figure of an import is set against its aim; a tenth of the list is shown beside it."""
    tenth = Import(100_000, 3.0, 2.5, 100 * lists.MIB, 33.0, 150.0, 21.0)
    whole = Import(1_000_000, 481.0, 30.0, 110 * lists.MIB, 60.0, 180.0, 21.0)
    report = lists.Report([tenth, whole], 2.0, 3.0, [Beside("Redis SET", 2.0, 84.0, 0.1, 0.2)])
    shown = lists.as_text(report)
    assert [line.split("  ")[0] for line in shown.splitlines() if line.endswith("missed")] == [
        "seconds to import"
    ]
    assert "Redis SET" in shown
    assert "500,000" in shown
