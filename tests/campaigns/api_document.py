"""What schemathesis is told about the API that no OpenAPI document can say.

Addresses that are ones, and the tenants and lists that there are in place of the patterns of their
names. Imported by the test of the document, and by the `schemathesis` command as its hooks
(SCHEMATHESIS_HOOKS=tests.campaigns.api_document), where `acme` of the tests' gateway is meant.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st

from gateway.web.api.texts import SCOPE, STREAM

_ATOM = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
_ADDRESS = st.builds("{}@{}.example".format, _ATOM, _ATOM)

schemathesis.openapi.format("email", _ADDRESS)
schemathesis.openapi.format("email-or-domain", _ADDRESS)
_MAIL = st.builds("From: {}\r\nSubject: {}\r\n\r\n{}\r\n".format, _ADDRESS, _ATOM, st.text())
schemathesis.openapi.media_type(
    "message/rfc822", _MAIL.map(lambda text: text.encode("utf-8", "replace"))
)


def with_names(part: Any, tenant: str) -> Any:
    """A part of the document, naming the tenant and its list `weekly` where a scope is wanted."""
    if isinstance(part, list):
        return [with_names(item, tenant) for item in part]
    if not isinstance(part, dict):
        return part
    if part.get("pattern") == SCOPE:
        return {"type": "string", "enum": ["*", tenant, f"{tenant}/weekly"]}
    if part.get("pattern") == STREAM:
        return {"type": "string", "enum": [f"{tenant}/weekly"]}
    return {name: with_names(value, tenant) for name, value in part.items()}


@schemathesis.hook
def before_load_schema(_context: object, raw_schema: dict[str, Any]) -> None:
    """Name what the gateway of the campaign has."""
    raw_schema["paths"] = with_names(raw_schema["paths"], "acme")
    raw_schema["components"] = with_names(raw_schema["components"], "acme")
