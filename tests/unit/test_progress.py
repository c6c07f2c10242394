"""What an import tells of its progress where no bars can be shown."""

import pytest
import typer

from gateway.commands import progress
from gateway.commands.progress import Phase, import_bars
from suppression.listfile import BadRow


def test_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines a second since the first were done; what an earlier try had done is no speed."""
    clock = iter([100.0, 104.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    phase = Phase("reading", 10_000)
    phase.advance(6_000)
    phase.advance(2_000)
    assert str(phase) == "reading: 8,000 of some 10,000 lines, 500/s, 0:00:04 left"


def test_lines_take_the_place_of_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Off a terminal both halves are told as lines on standard error, bad lines too."""
    monkeypatch.setattr(progress, "TOLD_EVERY", 0.0)
    with import_bars(2_000, as_json=True, dry_run=False) as bars:
        bars.reading(0)
        bars.reading(2_000)
        bars.on_bad(BadRow(7, "no address"))
        bars.merging(1_500)
    told = capsys.readouterr()
    assert not told.out
    first, second, bad, third = told.err.splitlines()
    assert first == "reading: 0 of some 2,000 lines"
    assert second.startswith("reading: 2,000 of some 2,000 lines, ")
    assert second.endswith("/s, 0:00:00 left")
    assert bad == "line 7: no address"
    assert third == "storing: 1,500 of some 2,000 lines"


def test_often_enough_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    """A short import tells nothing."""
    with import_bars(2_000, as_json=False, dry_run=False) as bars:
        bars.reading(2_000)
        bars.merging(2_000)
    assert not capsys.readouterr().err


def test_an_interruption_says_what_is_stored(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends the command with how far it came and what to do."""

    def interrupted() -> None:
        with import_bars(900, as_json=False, dry_run=False) as bars:
            bars.merging(300)
            raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        interrupted()
    assert ended.value.exit_code == 130
    assert "300 of some 900 lines are stored; run it again to complete" in capsys.readouterr().err
