"""The OpenAPI 3.1 document of the API, served at `/v1/openapi.json`.

What every call can meet (token, rate, store, a wrong request) is added here to each operation, so
that routes document their own answers only.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.web.api.errors import (
    IN_FLIGHT,
    INVALID,
    KEY_REUSED,
    NOT_JSON,
    PERMISSION,
    RATE,
    TOKEN,
    TOO_LARGE,
    TOO_SLOW,
    UNAVAILABLE,
    UNREADABLE,
    Kind,
    ProblemModel,
    documented,
)
from gateway.web.api.gate import OPEN

DESCRIPTION = """\
Suppressions, consents and what belongs to them, for programs of tenants and of the operator's
staff. Every call carries a token; a tenant's token sees that tenant only. What a call has confirmed
is in force for the very next RCPT. Errors are problem details (RFC 9457)."""
_FIELDS = {
    "RateLimit": "What is left of the quota, and seconds until it is whole again.",
    "RateLimit-Policy": "Calls in a window of so many seconds.",
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document of every route that `app` has."""
    made = get_openapi(
        title="Consentry",
        version="1",
        openapi_version="3.1.0",
        description=DESCRIPTION,
        routes=app.routes,
        servers=[{"url": "/v1"}],
    )
    schemas = made["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = ProblemModel.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    made["components"]["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in _FIELDS.items()
    }
    for path, operations in made["paths"].items():
        for operation in operations.values():
            _complete(operation, path.startswith(OPEN))
    return made


def _complete(operation: dict[str, Any], is_open: bool) -> None:
    kinds: list[Kind] = []
    if not is_open:
        kinds += [TOKEN, PERMISSION, RATE]
    if "requestBody" in operation:
        kinds += [NOT_JSON, TOO_SLOW, TOO_LARGE, UNREADABLE]
    kinds.append(INVALID)
    if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ())):
        kinds += [IN_FLIGHT, KEY_REUSED]
    answers = operation["responses"]
    answers.pop("422", None)
    for status, answer in documented(*kinds, UNAVAILABLE).items():
        own = answers.get(str(status))
        if own:
            answer["description"] = f"{own['description']}; or: {answer['description']}"
        answers[str(status)] = answer
    for status, answer in answers.items():
        answer.setdefault("description", "Done.")
        if status.startswith("2") and not is_open:
            fields = {name: {"$ref": f"#/components/headers/{name}"} for name in _FIELDS}
            answer["headers"] = answer.get("headers", {}) | fields
    operation["responses"] = dict(sorted(answers.items()))
