"""Whatever goes wrong below a route, as an answer of `errors`.

`add_handlers(app)` makes every exception a problem: wrong requests name each wrong place, a refusal
of the suppression table and a store that cannot serve have their own, and a fault of ours tells
nothing but its ref (the server's log has the rest).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from gateway.errors import StoreUnavailable
from gateway.records.suppressions import Refused
from gateway.web.api.errors import (
    FAULT,
    INVALID,
    METHOD,
    NOT_FOUND,
    NOT_JSON,
    REFUSED,
    UNREADABLE,
    Flaw,
    Kind,
    Problem,
    unavailable,
)

_PLACES = {"query", "path", "header", "cookie"}
MAX_FLAWS = 100
"""Wrong places that one answer names: a MiB may hold 100,000 of them, its answer was six."""


def add_handlers(app: FastAPI) -> None:
    """Give `app` the handlers of this module."""

    def answer(request: Request, problem: Problem) -> Response:
        return problem.response(request.state.ref)

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return answer(request, problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        # `GET /suppressions/search` reads as an entry's number; it is the search, without POST.
        if request.method not in (allowed := methods(app.openapi()["paths"], _path(request))):
            return answer(request, wrong_method(allowed))
        return answer(request, wrong_request(request, error.errors()))

    @app.exception_handler(Refused)
    async def on_refused(request: Request, error: Refused) -> Response:
        return answer(request, Problem(REFUSED, str(error)))

    @app.exception_handler(StoreUnavailable)
    async def on_unavailable(request: Request, error: StoreUnavailable) -> Response:
        request.state.parts.tell(error, request.state.ref)
        return answer(request, unavailable())

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return answer(request, wrong_method(methods(app.openapi()["paths"], _path(request))))
        return answer(request, Problem(_KINDS.get(error.status_code, FAULT)))

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        request.state.parts.tell(error, request.state.ref)
        return answer(request, Problem(FAULT))


_KINDS: dict[int, Kind] = {HTTPStatus.BAD_REQUEST: NOT_JSON, HTTPStatus.NOT_FOUND: NOT_FOUND}


def wrong_request(request: Request, errors: Iterable[Mapping[str, Any]]) -> Problem:
    """What FastAPI found wrong with a request. What was sent is not repeated."""
    errors = list(errors)
    if any(error["type"] == "json_invalid" for error in errors):
        error = errors[0]
        return Problem(NOT_JSON, f"{error['ctx']['error']} at character {error['loc'][-1]}")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or errors[0]["type"] == "missing"
    if errors[0]["loc"] == ("body",) and not is_json:
        return Problem(UNREADABLE)
    told = errors[:MAX_FLAWS]
    return Problem(INVALID, errors=[_flaw(error["loc"], error["msg"]) for error in told])


def wrong_method(allowed: Iterable[str]) -> Problem:
    """A method that the path does not have; `allowed` are those it has."""
    return Problem(METHOD, headers={"Allow": ", ".join(allowed)})


def methods(paths: Mapping[str, Mapping[str, object]], path: str) -> list[str]:
    """The methods that the OpenAPI document has for `path` (RFC 9110 section 15.5.6: all)."""
    matching = (
        [paths[path]]
        if path in paths
        else [
            operations
            for template, operations in paths.items()
            if compile_path(template)[0].match(path)
        ]
    )
    return sorted(method.upper() for operations in matching for method in operations)


def _flaw(place: tuple[str | int, ...], text: str) -> Flaw:
    detail = text.removeprefix("Value error, ")
    if place and place[0] in _PLACES:
        return Flaw(detail, parameter=str(place[-1]))
    return Flaw(detail, pointer="#" + "".join(f"/{_escape(str(step))}" for step in place[1:]))


def _escape(step: str) -> str:
    """A reference token of RFC 6901 section 3."""
    return step.replace("~", "~0").replace("/", "~1")


def _path(request: Request) -> str:
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))
