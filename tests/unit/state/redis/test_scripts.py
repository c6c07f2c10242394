"""Scripts as they are packaged: every one loads, and says what it takes."""

from __future__ import annotations

from importlib.resources import files

import pytest

from gateway.state.redis import scripts

FOLDER = files("gateway.state.redis").joinpath("scripts")
SHARED = {
    part.strip()
    for file in FOLDER.iterdir()
    for first in [file.read_text().partition("\n")[0]]
    if first.startswith(scripts.USES)
    for part in first.removeprefix(scripts.USES).split(",")
}
NAMES = sorted(file.name.removesuffix(".lua") for file in FOLDER.iterdir())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHARED])
def test_a_script_is_the_parts_that_it_uses_and_its_own(name: str) -> None:
    """What it calls is in it, and its digest is of the whole."""
    loaded = scripts.load(name)
    own = FOLDER.joinpath(f"{name}.lua").read_text()
    assert loaded.source.endswith(own)
    for part in SHARED:
        text = FOLDER.joinpath(f"{part}.lua").read_text()
        first = own.partition("\n")[0]
        is_used = first.startswith(scripts.USES) and part in first
        assert (text in loaded.source) is is_used
    assert scripts.script(name, loaded.source).digest == loaded.digest
    assert scripts.script(name, loaded.source + " ").digest != loaded.digest
