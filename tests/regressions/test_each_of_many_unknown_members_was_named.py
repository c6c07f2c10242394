"""A body of a MiB got an answer of six, one wrong place for each member that nobody knows."""

from __future__ import annotations

from fastapi import Request

from gateway.web.api.handlers import MAX_FLAWS, wrong_request


def test_an_answer_names_so_many_wrong_places_and_no_more() -> None:
    """The first ones, in the order in which they were found."""
    request = Request({"type": "http", "headers": [(b"content-type", b"application/json")]})
    found = [
        {"type": "extra_forbidden", "loc": ("body", f"m{number}"), "msg": "is not known"}
        for number in range(10 * MAX_FLAWS)
    ]
    errors = wrong_request(request, found).errors
    assert [flaw.pointer for flaw in errors] == [f"#/m{number}" for number in range(MAX_FLAWS)]
