"""What `streams.<name>.opt_in` may say: how people are asked whether they agree to a list.

Pure values with defaults and meanings. What needs the rest of the tenant's file to judge (whose
domain the sender is, whether it signs) is in `check`.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AnyHttpUrl, Field, model_validator

from gateway.config.values import Duration, Sender, Settings
from policies.terms import DAY
from suppression.consent import EXPIRES_AFTER

Days = Annotated[Duration, Field(ge=DAY, le=30 * DAY)]


class OptInSettings(Settings):
    """Hosted double opt-in: the gateway asks by mail, and keeps the proof (level 4)."""

    sender: Sender = Field(
        description="From address of confirmation mails; in a domain of the tenant's that signs."
    )
    privacy: AnyHttpUrl = Field(
        description="The tenant's privacy notice, https; people are led there before they agree."
    )
    reminder_after: Days | None = Field(
        default=3.0 * DAY,
        description="How long after the mail one reminder goes out; `null` for none.",
    )
    expires_after: Days = Field(
        default=float(EXPIRES_AFTER),
        description="How long after the mail it can be confirmed; 1 to 30 days.",
    )

    @model_validator(mode="after")
    def _reminds_in_time(self) -> Self:
        if self.privacy.scheme != "https":
            raise ValueError("`privacy` must be an https link")
        if self.reminder_after is not None and self.reminder_after >= self.expires_after:
            raise ValueError("`reminder_after` must be less than `expires_after`, or null")
        return self
