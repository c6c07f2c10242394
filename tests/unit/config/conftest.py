"""A freshly initialised configuration folder for each test, copied from one made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config.example import write_example
from gateway.config.load import Inspection, Loaded, inspect, load


@dataclass(frozen=True)
class Folder:
    """A configuration on disk that a test may change and read again."""

    path: Path

    @property
    def gateway(self) -> Path:
        return self.path / "consentry.yaml"

    @property
    def tenant(self) -> Path:
        return self.path / "tenants/example.yaml"

    def replace(self, file: Path, old: str, new: str) -> None:
        text = file.read_text()
        assert old in text, f"{file.name} no longer has {old!r}"
        file.write_text(text.replace(old, new, 1))

    def load(self) -> Loaded:
        return load(self.gateway)

    def inspect(self) -> Inspection:
        return inspect(self.gateway)


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    write_example(folder, "mail.acme.net")
    return folder


@pytest.fixture
def folder(_made_once: Path, tmp_path: Path) -> Folder:
    path = tmp_path / "consentry"
    shutil.copytree(_made_once, path)
    return Folder(path)


@pytest.fixture
def errors(folder: Folder) -> Callable[[], list[str]]:
    """What is wrong, each as `file:line: key: text` with the file's bare name."""
    return lambda: [
        str(finding).replace(f"{finding.file.parent}/", "", 1)
        for finding in folder.inspect().errors
    ]


@pytest.fixture
def warnings(folder: Folder) -> Callable[[], list[str]]:
    """What is unsafe, in the same form."""
    return lambda: [
        str(finding).replace(f"{finding.file.parent}/", "", 1)
        for finding in folder.inspect().warnings
    ]
