"""Pages in the reader's language: templates filled with the texts of `gateway.web.texts`.

Takes a request and the name of a template, gives an HTML response. The language is the one that
`?lang=` names, as the link for switching does without a cookie; else the one that Accept-Language
(RFC 9110 section 12.5.4) likes best. Everything filled in is escaped. Knows Polish and English;
English is what a reader gets who asks for neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.web.texts import PROBLEMS, TEXTS

STYLE_SHEET = files("gateway.web").joinpath("static/consentry.css").read_bytes()
DEFAULT_LANGUAGE = "en"
NAMES = {"en": "English", "pl": "Polski"}
"""What each language calls itself."""


class Pages:
    """Renders the templates."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("gateway.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(
        self,
        request: Request,
        template: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> Response:
        """The page `template` in the reader's language, with `values` filled in."""
        language = language_of(request)
        body = self._templates.get_template(f"{template}.html").render(
            language=language,
            # Links between our pages keep a language that was chosen by hand.
            query=f"?lang={language}" if request.query_params.get("lang") == language else "",
            others={other: name for other, name in NAMES.items() if other != language},
            t=TEXTS[language],
            **values,
        )
        response = HTMLResponse(body, status, headers)
        response.headers["Content-Language"] = language
        response.headers["Vary"] = "Accept-Language"
        return response

    def problem(
        self, request: Request, status: HTTPStatus, headers: Mapping[str, str] | None = None
    ) -> Response:
        """The page that says why there is no other; the same for every cause of one status."""
        known = PROBLEMS[language_of(request)]
        title, text = known.get(status, known[HTTPStatus.INTERNAL_SERVER_ERROR])
        return self.page(request, "problem", status, headers, title=title, text=text)


def language_of(request: Request) -> str:
    """The language to answer a request in."""
    wanted = request.query_params.get("lang", "")
    return (
        wanted if wanted in TEXTS else choose_language(request.headers.get("accept-language", ""))
    )


def choose_language(accepted: str) -> str:
    """The language of ours that an Accept-Language field likes best."""
    best, best_quality = DEFAULT_LANGUAGE, 0.0
    for item in accepted.split(",")[:20]:
        tag, _, parameter = item.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _quality(parameter)
        if language in TEXTS and quality > best_quality:
            best, best_quality = language, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
