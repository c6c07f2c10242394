"""What `consentry.yaml` may say under `desk`: how staff sign in to their pages.

Pure values with defaults and meanings. Raises ValueError for an issuer that is not https (plain
http is for loopback).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, WithJsonSchema

from gateway.config.values import Location, Settings, is_loopback
from gateway.words import Role


class Totp(StrEnum):
    """Whether staff need a second factor beside their password."""

    REQUIRED = "required"
    OFFERED = "offered"


def as_zone(name: str) -> str:
    """`name`, which must be a time zone; ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!a} is no time zone; write one such as Europe/Warsaw") from error
    return name


def _issuer(url: str) -> str:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
    if not is_safe or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("an issuer must be an https address")
    return url


Zone = Annotated[
    str,
    AfterValidator(as_zone),
    WithJsonSchema({"type": "string", "title": "time zone", "examples": ["Europe/Warsaw"]}),
]
"""An IANA time zone."""


class OidcSettings(Settings):
    """Sign-in through an OpenID provider: authorization code with PKCE, state and nonce."""

    issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        description="Its issuer, exactly as its discovery document names it; https."
    )
    client_id: str = Field(min_length=1, description="Ours there.")
    client_secret_file: Location | None = Field(
        default=None,
        description="File whose first line is our secret there, mode 0600; none for a public "
        "client.",
    )
    name: str = Field(
        default="OpenID", min_length=1, max_length=40, description="What the button calls it."
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email"), description="What is asked for."
    )
    role_claim: str | None = Field(
        default=None,
        description="Claim of the ID token that gives the role, a text or a list. Who has one of "
        "`roles` in it needs no `consentry staff add`; who has none is refused.",
    )
    roles: dict[str, Role] = Field(
        default={},
        description="Value of the claim to role: abuse, lead, operator or auditor; the first in "
        "this order that the claim has counts.",
    )


class DeskSettings(Settings):
    """The pages for staff below `/desk` of the web listener."""

    totp: Totp = Field(
        default=Totp.REQUIRED,
        description="required: who signs in with a password must show a second factor; offered: "
        "those who enrolled one must. An OpenID provider sees to its own.",
    )
    zone: Zone = Field(default="UTC", description="Time zone of staff who choose none.")
    oidc: OidcSettings | None = Field(default=None, description="An OpenID provider.")
