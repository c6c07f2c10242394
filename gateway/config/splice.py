"""Changes single values in YAML text and leaves every other character as it was.

A round trip through a YAML library keeps comments but moves them and lays out lines anew; an
operator's file deserves better. Each function takes and gives text. The caller parses the result
again and compares: a form that is not foreseen here (anchors, say) must not slip through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

NO_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""What YAML 1.1 or 1.2 reads as something else than text."""


def set_value(text: str, keys: tuple[str | int, ...], value: str) -> str:
    """`text` with the scalar at `keys` replaced, or a missing top-level key added at the end."""
    node = _find(_compose(text), keys)
    quoted = _quote(value)
    if node is None:
        return f"{_ended(text)}{keys[0]}: {quoted}\n"
    return text[: node.start_mark.index] + quoted + text[node.end_mark.index :]


def append(text: str, key: str, entry: Mapping[str, str]) -> str:
    """`text` with `entry` as the last item of the top-level list `key`, made when absent."""
    pairs = [f"{name}: {_quote(value)}" for name, value in entry.items()]
    node = _find(_compose(text), (key,))
    if node is None:
        return f"{_ended(text)}\n{key}:\n" + _item(pairs, 2)
    if isinstance(node, SequenceNode) and not node.flow_style and node.value:
        at = _line_end(text, _last(node).end_mark.index)
        return _ended(text[:at]) + _item(pairs, node.start_mark.column) + text[at:]
    if isinstance(node, SequenceNode) and node.flow_style:
        at = node.end_mark.index - 1
        comma = ", " if node.value else ""
        return f"{text[:at]}{comma}{{{', '.join(pairs)}}}{text[at:]}"
    at = _line_end(text, node.end_mark.index)  # `key:` with nothing behind it
    return _ended(text[:at]) + _item(pairs, 2) + text[at:]


def _compose(text: str) -> Node | None:
    root: Node | None = YAML(typ="safe", pure=True).compose(text)
    return root


def _find(node: Node | None, keys: tuple[str | int, ...]) -> Node | None:
    for key in keys:
        if isinstance(node, MappingNode):
            node = next((v for k, v in node.value if k.value == key), None)
        elif isinstance(node, SequenceNode) and isinstance(key, int):
            node = node.value[key]
    return node


def _last(node: Node) -> Node:
    """The last node inside: a block's own end mark lies behind the comments that follow it."""
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        return node
    return _last(node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1])


def _line_end(text: str, index: int) -> int:
    """The index behind the line that ends at or after `index`."""
    if index and text[index - 1] == "\n":
        return index
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _ended(text: str) -> str:
    return text if text.endswith("\n") or not text else f"{text}\n"


def _item(pairs: list[str], indent: int) -> str:
    """A block item whose dash stands at column `indent`."""
    return "".join(
        f"{' ' * indent}{'- ' if index == 0 else '  '}{pair}\n" for index, pair in enumerate(pairs)
    )


def _quote(value: str) -> str:
    """A double-quoted scalar (JSON strings are YAML), unless the value is a plain word."""
    if value.isalpha() and value.lower() not in NO_WORDS:
        return value
    # What cannot be seen is escaped: some of it may not stand in YAML (U+FFFE), none of it should.
    return "".join(
        one if one.isprintable() else f"\\U{ord(one):08x}"
        for one in json.dumps(value, ensure_ascii=False)
    )
