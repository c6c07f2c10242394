"""*Today*: what is overdue, what soon will be, and what waits for a person."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.web.desk.gate import Anyone
from gateway.web.desk.pages import page
from gateway.web.desk.parts import Parts

routes = APIRouter()

TEXTS: dict[str, dict[str, str]] = {"en": {}, "pl": {}}


@routes.get("/")
async def today(request: Request, _staff: Anyone, _parts: Parts) -> Response:
    """The first page."""
    return page(request, "today", TEXTS)
