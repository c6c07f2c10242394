"""A labelled counter that one process has counted was missing from the node's metrics while another
process, asked before it, had counted nothing with it yet; so was what a process had counted before
it was started anew."""

from __future__ import annotations

from pathlib import Path

from gateway.events import Event
from gateway.metrics import Metrics, WebMetrics
from gateway.metrics_merge import Totals

COUNTED = 'consentry_reports_total{grade="A",type="abuse"} 1.0'


def test_what_only_one_process_counts_is_told(tmp_path: Path) -> None:
    """Whoever is asked first, and however little it has to say."""
    web = WebMetrics()
    web.count(Event("report.received", 1.0, detail={"type": "abuse", "grade": "A"}))
    totals = Totals(tmp_path / "totals")
    assert COUNTED in totals.merge({"smtp": Metrics().text(), "web": web.text()})
    later = WebMetrics().text()  # its next life
    assert COUNTED in totals.merge({"smtp": Metrics().text(), "web": later})
