"""What to do about a value the configuration does not take, in one plain sentence.

Takes pydantic's error details; gives text for the operator, with the nearest known key for a
misspelt one. Never repeats a value whose key speaks of a password.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails


def advice(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """One sentence for one error found while validating `model`."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "is missing; add it"
        case "extra_forbidden":
            return _unknown(detail["loc"], model)
        case "value_error":
            return str(context["error"])
        case "enum" | "literal_error":
            return f"{_shown(detail)} is not possible; write {context['expected']}"
        case "string_pattern_mismatch":
            return f"{_shown(detail)} must match {context['pattern']}"
        case "too_short":
            return "must not be empty"
        case _:
            return f"{_shown(detail)} does not fit: {detail['msg'].lower()}"


def _shown(detail: ErrorDetails) -> str:
    if any("password" in str(part) for part in detail["loc"]):
        return "the value"
    text = repr(detail["input"])
    return text if len(text) <= 60 else f"{text[:57]}…"


def _unknown(location: Sequence[str | int], model: type[BaseModel]) -> str:
    known = _keys_at(location[:-1], model)
    near = get_close_matches(str(location[-1]), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"is no setting here; {hint}"


def _keys_at(location: Sequence[str | int], model: type[BaseModel]) -> list[str]:
    """The keys that `model` takes at `location`, read off its JSON Schema."""
    schema = model.model_json_schema()
    node = schema
    for part in location:
        node = next((found for s in _variants(schema, node) if (found := _child(s, part))), node)
    return [key for variant in _variants(schema, node) for key in variant.get("properties", {})]


def _variants(schema: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """`node` with its reference followed, or the members of its union."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    members = node.get("anyOf") or node.get("oneOf")
    return [v for member in members for v in _variants(schema, member)] if members else [node]


def _child(node: dict[str, Any], part: str | int) -> Any:
    if isinstance(part, int):
        return node.get("items")
    other = node.get("additionalProperties")
    return node.get("properties", {}).get(part) or (other if isinstance(other, dict) else None)
