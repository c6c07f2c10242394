"""Read and check the whole configuration: the gateway file and every tenant's file.

`load` gives a `Loaded` or raises ConfigurationError with one line per error, each
`file:line: key.path: what to do`. `inspect` gives errors and warnings as values, for
`consentry check-config`; `check_reload` says whether one may follow another, `not_yet` what of it
waits for a restart. Reads keys and certificates to check them; changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config import check
from gateway.config.advice import advice
from gateway.config.document import Document, Finding, Unreadable, parse, read
from gateway.config.model import GatewayConfig
from gateway.config.problem import GATEWAY
from gateway.config.tenant import TenantConfig
from gateway.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)


NEEDS_RESTART = (
    "state_dir",
    "keyring",
    "opt_out_log",
    "ledger",
    "node",
    "workers",
    "redis",
    "postgresql",
)
"""Keys of the gateway file that a reload may not change."""
SET_AT_START = (
    ("web", "listen"),
    ("feedback", "listen"),
    ("feedback", "max_bytes"),
    ("feedback", "max_connections"),
)
"""Keys that it may change, but that a listener reads when it opens."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that may be put in force. `hash` names its content in every event."""

    path: Path
    config: GatewayConfig
    tenants: dict[str, TenantConfig]
    hash: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What reading the configuration found; `loaded` is None when there is an error."""

    loaded: Loaded | None
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def load(path: Path) -> Loaded:
    """The configuration at `path`; raises ConfigurationError listing every error."""
    inspection = inspect(path)
    if inspection.loaded is None:
        raise ConfigurationError("\n".join(map(str, inspection.errors)))
    return inspection.loaded


def check_reload(old: Loaded, new: Loaded) -> None:
    """Raises ConfigurationError when `new` may not take the place of `old` without a restart."""
    for key in NEEDS_RESTART:
        if getattr(old.config, key) != getattr(new.config, key):
            raise ConfigurationError(f"{new.path}: {key}: a change needs a restart")
    if old.tenants and not new.tenants:
        # Rather a folder that was moved or not mounted than customers who all left at once.
        raise ConfigurationError(
            f"{new.path}: tenants_dir: no tenant is left in {new.config.tenants_dir}; put the "
            "files back (an empty house needs a restart)"
        )


def not_yet(old: Loaded, new: Loaded) -> tuple[str, ...]:
    """A warning for each key that `new` changes and that waits for a restart all the same."""
    return tuple(
        f"{new.path}: {section}.{key}: takes effect after a restart"
        for section, key in SET_AT_START
        if _set(old, section, key) != _set(new, section, key)
    )


def _set(loaded: Loaded, section: str, key: str) -> object:
    return getattr(getattr(loaded.config, section), key, None)


def inspect(path: Path) -> Inspection:
    """Read everything, find every error and every unsafe setting; raises nothing."""
    path = path.absolute()
    errors: list[Finding] = []
    documents: dict[str, Document] = {}
    tenants: dict[str, TenantConfig] = {}
    config: GatewayConfig | None = None
    try:
        documents[GATEWAY] = read(path)
        config = _validate(GatewayConfig, documents[GATEWAY], path.parent)
    except Unreadable as unreadable:
        errors.append(unreadable.finding)
    except ValidationError as error:
        errors.extend(_findings(error, documents[GATEWAY], GatewayConfig))
    warnings: list[Finding] = []
    for file in _tenant_files(config.tenants_dir if config else path.parent / "tenants"):
        if file.suffix != ".yaml":
            warnings.append(Finding(file, 1, (), f"is not read; call it {file.stem}.yaml"))
            continue
        try:
            documents[file.stem] = document = read(file)
            tenants[file.stem] = _tenant(path, document)
        except Unreadable as unreadable:
            errors.append(unreadable.finding)
        except ValidationError as error:
            errors.extend(_findings(error, document, TenantConfig))
    if config:
        for problem in check.problems(config, tenants, known=frozenset(documents)):
            finding = documents[problem.where].finding(problem.keys, problem.text)
            (errors if problem.is_error else warnings).append(finding)
    if config is None or errors:
        return Inspection(None, tuple(errors), tuple(warnings))
    loaded = Loaded(path, config, tenants, _hash(documents), tuple(map(str, warnings)))
    return Inspection(loaded, (), tuple(warnings))


def _tenant_files(folder: Path) -> list[Path]:
    files = [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    return sorted(file for file in files if not file.name.startswith("."))


def read_tenant(gateway_file: Path, path: Path, text: str) -> TenantConfig:
    """What `text` would mean as the tenant file `path`; raises Unreadable or ValidationError."""
    return _tenant(gateway_file, parse(path, text))


def _tenant(gateway_file: Path, document: Document) -> TenantConfig:
    document.data.setdefault("name", document.path.stem)
    return _validate(TenantConfig, document, gateway_file.parent)


def _validate(model: type[Model], document: Document, folder: Path) -> Model:
    return model.model_validate(document.data, context={"folder": folder})


def _findings(
    error: ValidationError, document: Document, model: type[BaseModel]
) -> Iterator[Finding]:
    for detail in error.errors(include_url=False):
        # Two kinds only follow from other errors: a default that could not be computed, and a
        # list that is too short because its items are wrong.
        follows = detail["type"] == "default_factory_not_called" or (
            detail["type"] == "too_short" and detail["input"]
        )
        if not follows:
            yield document.finding(detail["loc"], advice(detail, model))


def _hash(documents: dict[str, Document]) -> str:
    """Twelve hex digits over what the files say; comments and layout do not count."""
    content = {name: document.data for name, document in documents.items()}
    canonical = json.dumps(content, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
