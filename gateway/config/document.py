"""A YAML file that remembers where each key stands, so that every complaint names its line.

`read` gives a `Document` or raises `Unreadable`; `Document.line` finds the line of a key path.
YAML 1.2: `yes`, `no`, `on` and `off` are text; a key written twice is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: where it stands and what to do. Lines count from 1."""

    file: Path
    line: int
    keys: Keys
    text: str

    def __str__(self) -> str:
        key = ".".join(map(str, self.keys))
        return (
            f"{self.file}:{self.line}: {key}: {self.text}"
            if key
            else (f"{self.file}:{self.line}: {self.text}")
        )


class Unreadable(Exception):
    """The file cannot be read as YAML; `finding` says where and why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Document:
    """One file's plain data (`{}` for an empty file) and the nodes it was made from."""

    path: Path
    data: dict[str, Any]
    root: Node | None

    def finding(self, keys: Sequence[str | int], text: str) -> Finding:
        """A finding at `keys`, or as near to it as the file has something."""
        known, node = self._walk(keys)
        return Finding(self.path, node.start_mark.line + 1 if node else 1, known, text)

    def _walk(self, keys: Sequence[str | int]) -> tuple[Keys, Node | None]:
        """The part of `keys` that names something, and the node to point at.

        Parts that name nothing in the file are kept only at the end (a missing key); pydantic
        puts the names of union members in between, which are left out.
        """
        node, spot = self.root, self.root
        known: list[str | int] = []
        for index, key in enumerate(keys):
            step = _step(node, key)
            if step is not None:
                spot, node = step
                known.append(key)
            elif index == len(keys) - 1 and isinstance(node, MappingNode) and key != "[key]":
                known.append(key)
        return tuple(known), spot


def _step(node: Node | None, key: str | int) -> tuple[Node, Node] | None:
    """The node to point at and the node to go on from, for one key."""
    if isinstance(node, MappingNode):
        return next(((k, v) for k, v in node.value if k.value == str(key)), None)
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key]
    return None


def read(path: Path) -> Document:
    """Read one YAML mapping; raises Unreadable."""
    try:
        return parse(path, path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = error.strerror or "cannot be read"
        raise Unreadable(
            Finding(path, 1, (), f"{problem}; check the path and its rights")
        ) from None
    except UnicodeDecodeError:
        raise Unreadable(Finding(path, 1, (), "is not UTF-8; save it as UTF-8")) from None


def parse(path: Path, text: str) -> Document:
    """The document that `text` makes as the content of `path`; raises Unreadable."""
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        data = yaml.constructor.construct_document(root) if root is not None else {}
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Unreadable(Finding(path, line, (), f"is no valid YAML: {error.problem}")) from None
    except (YAMLError, ValueError) as error:  # ValueError: a date such as 2030-02-31
        raise Unreadable(Finding(path, 1, (), f"is no valid YAML: {error}")) from None
    if not isinstance(data, dict):
        raise Unreadable(Finding(path, 1, (), "must hold keys and values, such as `hostname: …`"))
    return Document(path, data, root)
