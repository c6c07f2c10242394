"""Unsubscribing with one request (RFC 8058), and the page for people who follow the same link.

GET shows a page with a form and changes nothing, whoever follows the link. POST with
`List-Unsubscribe=One-Click` in its body, from the form or from a mailbox provider, makes the
choice durable and then answers 200 with a page that says what is in force. The form may add what
the person chose: everything from the sender, a fixed reason, that it was spam. A token that is not
ours is 404, always with the same body and without asking the store; a store that cannot serve is
503 with Retry-After.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from gateway.errors import StoreUnavailable
from gateway.records.choices import ONE_CLICK, PAGE
from gateway.web.forms import Said, read_form
from gateway.web.pages import Pages
from gateway.web.parts import Current, Subscription
from suppression.choices import Choice, Why
from suppression.tokens import Purpose, Token

RETRY_AFTER = "60"
_WISH = ("list-unsubscribe", "one-click")
_EVERYTHING = ("from", "sender")
_SPAM = ("spam", "yes")


def router(current: Current, pages: Pages) -> APIRouter:
    """The routes below `/u/`."""
    routes = APIRouter()

    def token_of(text: str) -> Token:
        token = current().tokens.read(Purpose.UNSUBSCRIBE, text)
        if token is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return token

    def page(request: Request, name: str, found: Subscription) -> Response:
        return pages.page(request, name, found=found, reasons=tuple(Why))

    @routes.api_route("/u/{text}", methods=["GET", "HEAD"])
    async def ask(request: Request, text: str) -> Response:
        token = token_of(text)
        try:
            found = await current().recipients.look(token)
        except StoreUnavailable:
            raise come_back() from None
        return page(request, "unsubscribed" if found.in_force.is_any else "unsubscribe", found)

    @routes.post("/u/{text}")
    async def unsubscribe(request: Request, text: str) -> Response:
        token = token_of(text)
        form = await read_form(request)
        choice = choice_of(form)
        if choice is None:
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        source = PAGE if {"from", "spam"} & {name for name, _ in form} else ONE_CLICK
        try:
            found = await current().recipients.choose(token, choice, source)
        except StoreUnavailable:
            raise come_back() from None
        return page(request, "unsubscribed", found)

    return routes


def choice_of(form: Said) -> Choice | None:
    """What a form asks for, or None when it does not ask at all (RFC 8058 section 3.2).

    Of two contradicting answers the wider one counts.
    """
    if _WISH not in form:
        return None
    why = next((why for why in Why if ("why", why.value) in form), None)
    return Choice(is_wide=_EVERYTHING in form, is_spam=_SPAM in form, why=why)


def come_back() -> HTTPException:
    """503: nothing is confirmed, the same request may be made again."""
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": RETRY_AFTER})
