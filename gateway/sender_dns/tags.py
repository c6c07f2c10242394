"""Tag lists, `name=value; name=value`, as in DKIM (RFC 6376 section 3.2) and DMARC records."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def read_tags(text: str) -> dict[str, str]:
    """The tags in their order; ValueError is the item that is wrong."""
    tags: dict[str, str] = {}
    for item in text.rstrip("; \t\r\n").split(";"):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not _NAME.fullmatch(name) or name in tags:
            raise ValueError(item.strip()[:80])
        tags[name] = value
    return tags
