"""What the API says when it does not do what was asked: problem details (RFC 9457).

`CATALOGUE` has every kind with its status; its `type` is the path of a page that explains it. A
`Problem` is raised anywhere below a route and becomes `application/problem+json`. Answers never
hold a stack trace or anything that was not the caller's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import ConsentryError
from gateway.web.api.moments import Moment

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "30"
"""Seconds after which a store that could not serve is worth another try."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem. `meaning` tells a programmer what to do about it."""

    name: str
    status: HTTPStatus
    title: str
    meaning: str

    @property
    def path(self) -> str:
        """Where it is explained: the `type` of its answers."""
        return f"/v1/problems/{self.name}"


NOT_JSON = Kind(
    "not-json",
    HTTPStatus.BAD_REQUEST,
    "The body is not valid JSON",
    "Send one JSON value in UTF-8; `detail` says where reading ended.",
)
TOKEN = Kind(
    "token",
    HTTPStatus.UNAUTHORIZED,
    "No valid token",
    "Send `Authorization: Bearer cs_...` with a token that is in force. A missing, mistyped, "
    "revoked or ended token gets this same answer.",
)
PERMISSION = Kind(
    "permission",
    HTTPStatus.FORBIDDEN,
    "The token does not allow this",
    "Ask the operator for a token that allows what `WWW-Authenticate` names.",
)
NOT_FOUND = Kind(
    "not-found",
    HTTPStatus.NOT_FOUND,
    "There is no such thing",
    "It does not exist, or is not this token's to see.",
)
METHOD = Kind(
    "method",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "This method is not possible here",
    "Use one of the methods that `Allow` names.",
)
TOO_SLOW = Kind(
    "too-slow",
    HTTPStatus.REQUEST_TIMEOUT,
    "The body took too long",
    "Send it again over a better connection, or less of it at once.",
)
IN_FLIGHT = Kind(
    "in-flight",
    HTTPStatus.CONFLICT,
    "A call with this Idempotency-Key is still being worked on",
    "Wait a second and send the same call again: it gets the first one's answer.",
)
REFUSED = Kind(
    "refused",
    HTTPStatus.CONFLICT,
    "The rules do not allow this",
    "`detail` says which rule, and what it does allow. Sending it again will not help.",
)
TOO_LARGE = Kind(
    "too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The body is too large",
    "Divide it over several calls.",
)
UNREADABLE = Kind(
    "media-type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "The body is of another type than this takes",
    "Send `Content-Type: application/json`, for a pre-check also `text/csv`, and for a mail that "
    "came back `message/rfc822`.",
)
INVALID = Kind(
    "invalid",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The request does not say what it should",
    "`errors` names the wrong places, at most 100: a JSON pointer into the body, or a parameter.",
)
KEY_REUSED = Kind(
    "key-reused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The Idempotency-Key came with another request before",
    "Use a new key for each new request; a key is kept for 24 hours.",
)
RATE = Kind(
    "rate",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many calls",
    "Wait as many seconds as `Retry-After` says.",
)
FAULT = Kind(
    "fault",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Something went wrong on our side",
    "Give the operator the `ref`.",
)
UNAVAILABLE = Kind(
    "unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Please try again shortly",
    "The records could not be read or written in time. Do not count on what was asked; send the "
    "same call again after `Retry-After` seconds, with the same Idempotency-Key.",
)
CATALOGUE = {
    kind.name: kind
    for kind in (
        *(NOT_JSON, TOKEN, PERMISSION, NOT_FOUND, METHOD, TOO_SLOW, IN_FLIGHT, REFUSED),
        *(TOO_LARGE, UNREADABLE, INVALID, KEY_REUSED, RATE, FAULT, UNAVAILABLE),
    )
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """One wrong place: `pointer` (RFC 6901, as a fragment) into the body, or a `parameter`."""

    detail: str
    pointer: str = ""
    parameter: str = ""

    def shown(self) -> dict[str, str]:
        """As it stands in `errors`."""
        place = {"pointer": self.pointer, "parameter": self.parameter}
        return {"detail": self.detail} | {name: value for name, value in place.items() if value}


@dataclass(eq=False)
class Problem(ConsentryError):
    """Ends a call. `detail` is this occurrence, `errors` the wrong places when it is INVALID.

    `more` are further members, each a field of `ProblemModel`.
    """

    kind: Kind
    detail: str = ""
    errors: Sequence[Flaw] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)

    def response(self, ref: str) -> Response:
        """The answer; `ref` names the call to the operator. TOKEN is the same for everybody."""
        kind = self.kind
        body: dict[str, object] = {
            "type": kind.path,
            "title": kind.title,
            "status": kind.status.value,
            "detail": self.detail or kind.meaning,
        }
        body |= self.more
        if kind is not TOKEN:
            body["ref"] = ref
        if self.errors:
            body["errors"] = [flaw.shown() for flaw in self.errors]
        return Response(json.dumps(body), kind.status, dict(self.headers), MEDIA_TYPE)


def invalid(pointer: str, detail: str) -> Problem:
    """One wrong place in the body, such as `#/scope`."""
    return Problem(INVALID, errors=[Flaw(detail, pointer=pointer)])


def unavailable() -> Problem:
    """The records cannot serve."""
    return Problem(UNAVAILABLE, headers={"Retry-After": RETRY_AFTER})


class WrongPlace(BaseModel):
    """One wrong place of a request."""

    detail: str = Field(description="What is wrong with it.")
    pointer: str | None = Field(
        default=None, description="JSON pointer into the body, as a fragment.", examples=["#/scope"]
    )
    parameter: str | None = Field(default=None, description="Name of the parameter or header.")


class ProblemModel(BaseModel):
    """Why a call was not done (RFC 9457)."""

    model_config = ConfigDict(title="Problem")
    type: str = Field(
        description="Path of a page that explains this kind; stable, for programs.",
        examples=["/v1/problems/not-found"],
    )
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status code.")
    detail: str = Field(description="This occurrence in words.")
    ref: str | None = Field(default=None, description="Names this call to the operator.")
    tag: str | None = Field(
        default=None,
        description="When somebody may not be asked: the tag of the reply that mail would get, or "
        "OPTIN-LIMIT.",
    )
    again_at: Moment | None = Field(
        default=None, description="With OPTIN-LIMIT: when the address may be asked again."
    )
    errors: list[WrongPlace] | None = Field(
        default=None, description="Each wrong place of the request."
    )


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can meet `kinds`, for the OpenAPI document."""
    answers: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        known = answers.get(kind.status.value)
        text = f"{known['description']}; or: {kind.title}" if known else kind.title
        schema = {"$ref": "#/components/schemas/Problem"}
        answers[kind.status.value] = {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
    return answers
