"""Pages that explain the tags of refusals: the link on the second line of a reply leads here.

`/replies/<TAG>` explains one tag, `/replies/` lists all. Texts come from `gateway.replies` in
English and from `gateway.web.polish` in Polish. Shows nothing about any message or customer.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from gateway.replies import BY_TAG, CATALOGUE
from gateway.reply import Reply
from gateway.web.pages import Pages
from gateway.web.polish import EXPLANATIONS

_PLACEHOLDER = re.compile(r"\{\w+\}")


def router(pages: Pages) -> APIRouter:
    """The routes below `/replies/`."""
    routes = APIRouter()

    @routes.api_route("/replies", methods=["GET", "HEAD"])
    async def without_slash() -> Response:
        # Links on the page are relative, so it must be seen below the slash.
        return RedirectResponse("replies/", HTTPStatus.PERMANENT_REDIRECT)

    @routes.api_route("/replies/", methods=["GET", "HEAD"])
    async def catalogue(request: Request) -> Response:
        replies = sorted(CATALOGUE, key=lambda reply: reply.tag)
        return pages.page(request, "replies", replies=replies, explained=explained)

    @routes.api_route("/replies/{tag}", methods=["GET", "HEAD"])
    async def explanation(request: Request, tag: str) -> Response:
        reply = BY_TAG.get(tag.upper())
        if reply is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return pages.page(
            request, "reply", reply=reply, sentence=sentence(reply), explained=explained
        )

    return routes


def explained(reply: Reply, language: str) -> str:
    """What the reply means, in Polish or English."""
    return EXPLANATIONS[reply.tag] if language == "pl" else reply.explanation


def sentence(reply: Reply) -> str:
    """The reply's sentence with an ellipsis where a value will stand."""
    return _PLACEHOLDER.sub("\N{HORIZONTAL ELLIPSIS}", reply.text)
