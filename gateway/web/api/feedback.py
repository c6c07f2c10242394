"""`/feedback`: a mail that came back and was delivered elsewhere, such as to a feedback loop.

Takes the mail itself as the body, does what the feedback listener would, and says what became of
it. The same mail once more changes nothing. For staff tokens: whose mail it is, only reading shows.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Security
from pydantic import BaseModel, Field

from gateway.errors import StoreUnavailable
from gateway.feedback.intake import NoMail
from gateway.records.api_tokens import Permission
from gateway.records.case_replies import TooManyReplies
from gateway.sender_dns.lookups import Unanswered
from gateway.web.api.call import Call, reading
from gateway.web.api.errors import (
    INVALID,
    RATE,
    TOO_LARGE,
    TOO_SLOW,
    UNREADABLE,
    Problem,
    documented,
    invalid,
)
from gateway.web.api.security import staff_only
from policies.returned.words import FeedbackType, Form
from policies.sanctions.words import Grade

MEDIA_TYPE = "message/rfc822"
AGAIN_AFTER = "3600"
"""Seconds, once a case has had its replies for today."""
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "The mail as it was delivered, header and all; at most 10 MiB.",
                }
            }
        },
    }
}
routes = APIRouter(prefix="/feedback", tags=["feedback"])
Writes = Annotated[Call, Security(reading, scopes=[Permission.FEEDBACK_WRITE])]


class TakenIn(BaseModel):
    """What became of a mail that came back."""

    what: Literal["report", "bounce", "unsubscribed", "reply", "nothing"] = Field(
        description="What it was taken for; `nothing` when its case is gone."
    )
    new: bool = Field(description="False when it was taken before and nothing more has happened.")
    form: Form
    type: FeedbackType | None = Field(description="What a report complains of.")
    tenant: str | None = Field(description="Whose mail it is about; null when nobody knows.")
    stream: str | None
    grade: Grade | None = Field(description="How good its evidence is.")
    report: int | None = Field(description="Its number, as the desk shows it.")
    state: str | None = Field(description="Where that report stands.")


@routes.post("", openapi_extra=BODY, responses=documented(INVALID, TOO_SLOW, TOO_LARGE, UNREADABLE))
async def take_feedback(call: Writes) -> TakenIn:
    """Take in a mail that came back: a report, a bounce, a request to be mailed no more."""
    staff_only(call.caller)
    declared = call.request.headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Problem(UNREADABLE)
    try:
        done = await call.parts.intake.ingest(await call.request.body(), "api")
    except NoMail as error:
        raise invalid("#", str(error)) from None
    except TooManyReplies:
        raise Problem(RATE, headers={"Retry-After": AGAIN_AFTER}) from None
    except Unanswered as error:
        raise StoreUnavailable(str(error)) from error
    return TakenIn.model_validate(done.shown())
