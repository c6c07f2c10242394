"""`/me`: what a token is and may do. `/problems/{name}`: what a problem means."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Security
from pydantic import BaseModel, Field

from gateway.records.api_tokens import Permission
from gateway.web.api.call import Call, reading
from gateway.web.api.errors import CATALOGUE, NOT_FOUND, Problem, documented
from gateway.web.api.moments import Moment, moment

routes = APIRouter()
Reads = Annotated[Call, Security(reading)]


class Me(BaseModel):
    """The token that was sent."""

    token: int = Field(description="Its number, as `consentry token list` shows it.")
    name: str
    tenant: str | None = Field(description="The tenant whose it is; null for staff.")
    permissions: list[Permission]
    scopes: list[str] = Field(description="Tenants and streams it may name; `*` is all tenants.")
    ends: Moment | None


class Explanation(BaseModel):
    """One kind of problem."""

    type: str
    title: str
    status: int
    meaning: str = Field(description="What to do about it.")


@routes.get("/me", tags=["token"])
async def me(call: Reads) -> Me:
    """Show what the token is and may do."""
    token = call.caller.token
    names = [
        scope
        for tenant, settings in sorted(call.parts.tenants.items())
        for scope in (tenant, *(f"{tenant}/{stream}" for stream in sorted(settings.streams)))
    ]
    scopes = ["*", *names] if token.is_staff else [name for name in names if call.caller.owns(name)]
    return Me(
        token=token.id,
        name=token.name,
        tenant=token.tenant or None,
        permissions=sorted(token.permissions),
        scopes=scopes,
        ends=moment(token.ends_at),
    )


@routes.get("/problems/{name}", tags=["problems"], responses=documented(NOT_FOUND))
async def problem(
    name: Annotated[str, Path(description="The end of a problem's `type`.")],
) -> Explanation:
    """Explain one kind of problem; needs no token."""
    kind = CATALOGUE.get(name)
    if kind is None:
        raise Problem(NOT_FOUND, f"known are {', '.join(CATALOGUE)}")
    return Explanation(
        type=kind.path, title=kind.title, status=kind.status.value, meaning=kind.meaning
    )
