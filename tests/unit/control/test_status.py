from __future__ import annotations

from gateway.commands.service import lines


def test_a_status_of_any_shape_becomes_rows() -> None:
    """Nested names are joined, items of a list are called by their names, times are readable."""
    status = {
        "smtp": {
            "started": 1_750_000_000.0,
            "sessions": 1234,
            "draining": False,
            "warnings": [],
            "next_hops": [{"name": "postfix", "state": "up"}, {"name": "spare", "state": "down"}],
        },
        "web": {"error": "away"},
    }
    assert list(lines(status)) == [
        ("smtp started", "2025-06-15 15:06:40Z"),
        ("smtp sessions", "1,234"),
        ("smtp draining", "no"),
        ("smtp warnings", "-"),
        ("smtp next hops postfix state", "up"),
        ("smtp next hops spare state", "down"),
        ("web error", "away"),
    ]
