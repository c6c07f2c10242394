"""Writes docs/api.md from the OpenAPI document: every call, what it takes and what it needs.

`markdown()` gives the page's text; `consentry docs api` prints it. A test checks that the committed
page is current, another runs every example on it against a running gateway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from gateway.web.api.app import routed
from gateway.web.api.errors import CATALOGUE

TITLES = {"token": "The token itself", "pre-checks": "Pre-checks", "problems": ""}
"""Headings of tags that are not just the tag; "" leaves its calls to the text."""


def markdown() -> str:
    """The whole page."""
    document = routed().openapi()
    head = files("gateway.web.api").joinpath("api.md").read_text(encoding="utf-8")
    tags = dict.fromkeys(operation["tags"][0] for _, _, operation in _operations(document))
    parts = [head, "\n## Calls\n"]
    for tag in tags:
        title = TITLES.get(tag, tag.capitalize())
        if title:
            parts += [f"\n### {title}\n", *_calls(document, tag)]
    parts += ["\n## Bodies\n", *_bodies(document)]
    parts.append("\n## Problems\n\n| type | status | title | what to do |\n|---|---|---|---|\n")
    parts += [
        f"| `{kind.path}` | {kind.status.value} | {kind.title} | {kind.meaning} |\n"
        for kind in CATALOGUE.values()
    ]
    return "".join(parts)


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _calls(document: Mapping[str, Any], tag: str) -> Iterator[str]:
    yield "\n| call | allow | takes | gives | what it does |\n|---|---|---|---|---|\n"
    for method, path, operation in _operations(document):
        if operation["tags"][0] == tag:
            needs = [name for need in operation.get("security", ()) for name in need["token"]]
            query = [
                f"`{parameter['name']}`"
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "query"
            ]
            body = operation.get("requestBody")
            takes = ", ".join([*query, *([_taken(body)] if body else [])]) or "-"
            status, answer = next(iter(operation["responses"].items()))
            gives = f"{status} {_linked(_content(answer))}"
            allow = ", ".join(f"`{name}`" for name in needs) or "-"
            what = " ".join(operation["description"].split())
            yield f"| `{method} {path}` | {allow} | {takes} | {gives} | {what} |\n"


def _taken(body: Mapping[str, Any]) -> str:
    """The body of a call: an object, or octets of a media type."""
    media_type = next(iter(body["content"]))
    return _linked(_content(body)) if media_type == "application/json" else f"`{media_type}`"


def _content(part: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = part["content"]["application/json"]["schema"]
    return schema


def _linked(schema: Mapping[str, Any]) -> str:
    name = schema["$ref"].rpartition("/")[2]
    return f"[{_title(name)}](#{_title(name).lower()})"


def _title(name: str) -> str:
    """`Page_Suppression_` as people read it."""
    return name.replace("_", "")


def _bodies(document: Mapping[str, Any]) -> Iterator[str]:
    """A table for each object in the document, in the order of their names."""
    for name, schema in sorted(document["components"]["schemas"].items()):
        if "properties" not in schema:
            continue
        required = schema.get("required", ())
        yield f"\n### {_title(name)}\n"
        if text := " ".join(schema.get("description", "").split()):
            yield f"\n{text}\n"
        yield "\n| field | type | | meaning |\n|---|---|---|---|\n"
        for field, value in schema["properties"].items():
            mark = "required" if field in required else ""
            meaning = value.get("description", "").replace("|", "\\|")
            yield f"| `{field}` | {_shape(document, value)} | {mark} | {meaning} |\n"


def _shape(document: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """A short word for what may stand there."""
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        target = document["components"]["schemas"][name]
        return _linked(node) if "properties" in target else _shape(document, target)
    if "type" not in node and "anyOf" in node:
        shapes = [_shape(document, variant) for variant in node["anyOf"]]
        return " or ".join(dict.fromkeys(shapes))
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    if node.get("format") == "date-time":
        return "time"
    if node.get("type") == "array":
        return f"list of {_shape(document, node['items'])}"
    words = {"boolean": "true, false", "string": "text", "integer": "number", "object": "object"}
    return words.get(str(node.get("type")), str(node.get("type", "any")))
