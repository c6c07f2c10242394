"""The OpenAPI document and the API agree, whatever is sent: made-up requests by schemathesis.

Every check of it runs: no fault, only documented statuses, media types, headers and bodies, wrong
requests refused, right ones taken, no operation without its token. `make api-fuzz` tries more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING

import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import settings
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.api.app import ROUTERS, routed
from gateway.web.api.security import queries
from tests.campaigns.api_document import with_names

if TYPE_CHECKING:
    from conftest import House

EXAMPLES = 5


class Opened:
    """Stands for the application while tests are collected; the fixture puts it in."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


seen: set[tuple[str, int]] = set()
opened = Opened()
schema = schemathesis.openapi.from_dict(with_names(routed().openapi(), "example"))
schema.app = opened
operations = {found.ok().label: found.ok() for found in schema.get_all_operations()}


@pytest.fixture(scope="session")
def document(
    made: Path, open_house: Callable[[Path], House], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The document of an API with nothing in its records, called by staff."""
    folder = tmp_path_factory.mktemp("document")
    copytree(made, folder, dirs_exist_ok=True)
    house = open_house(folder)
    house.limit(requests_per_minute=1_000_000, refused_tokens_per_minute=1_000_000)
    opened.app = house.app
    # What no schema can say: evidence must be believable.
    accepted = schema.config.checks.positive_data_acceptance
    accepted.expected_statuses = [*accepted.expected_statuses, "422"]
    yield {"Authorization": f"Bearer {house.token()}"}
    house.database.close()
    # Else every answer could be a refusal at the gate, and each of those as documented.
    reached = {label for label, status in seen if status != 401}
    assert reached == {label for label, _ in seen}


@settings(max_examples=EXAMPLES, derandomize=True)
def answer_as_documented(case: schemathesis.Case, document: dict[str, str]) -> None:
    """The answer to one request."""
    answer = case.call_and_validate(headers=document)
    seen.add((case.operation.label, answer.status_code))


@pytest.mark.parametrize("operation", operations, ids=operations)
def test_every_answer_is_as_documented(operation: str, document: dict[str, str]) -> None:
    """Whatever is sent to an operation, right or wrong, its answer is one of those described."""
    # Not `schema.parametrize`: that makes the requests up while tests are collected, in each of
    # pytest's processes, and takes as long as collecting all others.
    try_it = build_operation_test(
        config=schema.config,
        operation=operations[operation],
        test_func=answer_as_documented,
        given_kwargs={},
        feedback=FeedbackSources(),
    )
    try_it(document=document)


def test_every_operation_says_what_its_token_must_allow() -> None:
    """All but the explanations of problems and the description of the token itself."""
    needs = {
        f"{method.upper()} {path}": operation.get("security")
        for path, operations in routed().openapi()["paths"].items()
        for method, operation in operations.items()
    }
    assert needs.pop("GET /problems/{name}") is None
    assert needs.pop("GET /me") == [{"token": []}]
    assert all(need and need[0]["token"] for need in needs.values()), needs


def test_what_a_call_takes_is_what_the_document_says() -> None:
    """The parameters that are not refused as unknown are those that are documented."""
    documented = {
        operation["operationId"]: {
            parameter["name"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        for operations in routed().openapi()["paths"].values()
        for operation in operations.values()
    }
    routes = [route for router in ROUTERS for route in router.routes]
    assert documented == {
        route.name: queries(route.dependant) for route in routes if isinstance(route, APIRoute)
    }
    assert documented["list_suppressions"] > {"scope", "cursor"}
