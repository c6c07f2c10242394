from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.replies import BY_TAG, CATALOGUE
from gateway.web.pages import choose_language
from gateway.web.polish import EXPLANATIONS
from gateway.web.texts import PROBLEMS, TEXTS

if TYPE_CHECKING:
    from conftest import Gateway

PATHS = ["/u/" + "a" * 52, "/c/" + "b" * 52, "/replies/", "/replies/UNSUB", "/replies/nothing", "/"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("pl", "pl"),
        ("pl-PL,pl;q=0.9,en;q=0.8", "pl"),
        ("en-GB,en;q=0.9,pl;q=0.1", "en"),
        ("de,pl;q=0.5,en;q=0.7", "en"),
        ("de-DE, PL ; q=0.3", "pl"),
        ("pl;q=0", "en"),
        ("pl;q=oops", "en"),
        ("*", "en"),
    ],
)
def test_the_reader_gets_the_language_they_prefer(accepted: str, language: str) -> None:
    """Polish or English, English when neither is asked for."""
    assert choose_language(accepted) == language


async def test_the_language_can_be_switched_without_a_cookie(client: httpx.AsyncClient) -> None:
    """Each page links to itself in the other language, which counts more than the browser's; a
    language that we do not speak counts for nothing."""
    for path in PATHS:
        english = await client.get(path, headers={"Accept-Language": "en"})
        assert '<a href="?lang=pl" lang="pl" hreflang="pl" rel="alternate">Polski</a>' in (
            english.text
        )
        polish = await client.get(f"{path}?lang=pl", headers={"Accept-Language": "en"})
        assert polish.headers["content-language"] == "pl"
        assert polish.status_code == english.status_code
        assert '<a href="?lang=en"' in polish.text
    other = await client.get(f"{PATHS[0]}?lang=%22%3E", headers={"Accept-Language": "pl"})
    assert other.headers["content-language"] == "pl"
    assert 'href="./?lang=pl">' in (await client.get("/replies/UNSUB?lang=pl")).text


def test_both_languages_say_everything() -> None:
    """No text is missing in one of them."""
    assert TEXTS["en"].keys() == TEXTS["pl"].keys()
    assert PROBLEMS["en"].keys() == PROBLEMS["pl"].keys()
    assert EXPLANATIONS.keys() == BY_TAG.keys()


@pytest.mark.parametrize("tag", [reply.tag for reply in CATALOGUE])
async def test_every_tag_has_its_page(client: httpx.AsyncClient, tag: str) -> None:
    """The link in a reply leads to its explanation, in either language."""
    english = await client.get(f"/replies/{tag}")
    assert english.status_code == 200
    assert f"[{tag}]" in english.text
    polish = await client.get(f"/replies/{tag.lower()}", headers={"Accept-Language": "pl"})
    assert polish.headers["content-language"] == "pl"
    assert "Co to znaczy" in polish.text


class Audit(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.language = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag == "html":
            self.language = dict(attrs)["lang"] or ""


@pytest.mark.parametrize("language", ["en", "pl"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_plain_and_accessible(
    client: httpx.AsyncClient, path: str, language: str
) -> None:
    """One main heading, its language said, no script, nothing inline, nothing from elsewhere."""
    response = await client.get(path, headers={"Accept-Language": language})
    page = Audit(response.text)
    assert page.language == language == response.headers["content-language"]
    assert (page.tags.count("h1"), page.tags.count("main")) == (1, 1)
    assert not {"script", "style", "img", "iframe"} & set(page.tags)
    assert not any(name == "style" or name.startswith("on") for name in page.attributes)
    # Relative, so that the pages also work below a path of the operator's web site.
    assert not re.findall(r"(?:src|href|action)=\"[^\"]*(?::|//)", response.text)
    assert not re.findall(r"(?:src|href|action)=\"/", response.text)


@pytest.mark.parametrize("path", [*PATHS, "/healthz", "/readyz", "/static/consentry.css"])
async def test_every_answer_carries_the_security_headers(
    client: httpx.AsyncClient, path: str
) -> None:
    """A strict policy without scripts, no framing, no referrer with a token in it, no cookie."""
    headers = (await client.get(path)).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "script" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "max-age" in headers["strict-transport-security"]
    assert "set-cookie" not in headers


async def test_hsts_is_not_promised_on_plain_http(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    """A demo on http stays reachable."""
    gateway.use(is_https=False)
    assert "strict-transport-security" not in (await client.get("/healthz")).headers


async def test_the_catalogue_is_found_without_its_slash(client: httpx.AsyncClient) -> None:
    """HELP names the address without one; the page is shown all the same."""
    answer = await client.get("/replies", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.url.path == "/replies/"


async def test_nothing_else_is_served(client: httpx.AsyncClient) -> None:
    """No schema, no documentation of an interface, no folder, no redirect."""
    for path in ("/docs", "/redoc", "/openapi.json", "/static/", "/static/../app.py", "/u/", "/u"):
        assert (await client.get(path)).status_code == 404
