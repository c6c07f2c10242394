"""What a token must allow before a route runs, as FastAPI dependencies.

`bearer` refuses a caller whose token lacks a permission of the route (403 with RFC 6750's
`insufficient_scope`); it also puts the permission into the OpenAPI document. The token itself was
judged by `gate` before.
"""

from __future__ import annotations

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from gateway.web.api.errors import INVALID, PERMISSION, Flaw, Problem
from gateway.web.api.gate import CHALLENGE
from gateway.web.api.parts import Caller


class Bearer(SecurityBase):
    """Gives the caller, if the token allows what the route asks for."""

    model = HTTPBearer(
        bearerFormat="cs_ and 52 characters",
        description="A token of `consentry token add`. A tenant's sees that tenant only.",
    )
    scheme_name = "token"

    async def __call__(self, request: Request, scopes: SecurityScopes) -> Caller:
        """The caller; Problem PERMISSION without the route's permissions."""
        check_query(request)
        caller: Caller = request.state.caller
        if missing := [name for name in scopes.scopes if name not in caller.token.permissions]:
            need = " ".join(missing)
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{need}"'
            raise Problem(PERMISSION, f"it lacks {need}", headers={"WWW-Authenticate": challenge})
        return caller


bearer = Bearer()


def check_query(request: Request) -> None:
    """Refuse parameters that the operation does not have, or that come twice.

    A misspelt filter would list everything, and of two, proxies and we may read different ones.
    """
    known = queries(request.scope["route"].dependant)
    names = [name for name, _ in request.query_params.multi_items()]
    flaws = [
        Flaw("is no parameter of this call", parameter=name)
        for name in dict.fromkeys(names)
        if name not in known
    ]
    flaws += [Flaw("is given twice", parameter=name) for name in known if names.count(name) > 1]
    if flaws:
        raise Problem(INVALID, errors=flaws)


def queries(dependant: Dependant) -> frozenset[str]:
    """The query parameters of an operation."""
    own = frozenset(parameter.alias for parameter in dependant.query_params)
    return own.union(*map(queries, dependant.dependencies))


def staff_only(caller: Caller) -> None:
    """Refuse a tenant's token where the house as a whole is concerned."""
    if not caller.is_staff:
        raise Problem(PERMISSION, "only staff tokens may do this")
