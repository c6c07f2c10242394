"""`consentry --help`, every other command and every start of the web process loaded the library
that draws proofs as PDF: a fifth of their time and 25 MB."""

from __future__ import annotations

import subprocess
import sys

import pytest

DRAWS = ("fpdf", "fontTools")
HEAVY = (*DRAWS, "PIL", "authlib", "dns", "segno", "fastapi", "uvicorn")


@pytest.mark.parametrize(
    ("module", "heavy"), [("gateway.cli", HEAVY), ("gateway.web.server", DRAWS)]
)
def test_processes_load_only_what_they_share(module: str, heavy: tuple[str, ...]) -> None:
    """What draws, asks the DNS or serves pages is loaded by what needs it."""
    program = f"import {module}, sys; print(*sorted(sys.modules.keys() & set({heavy})))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""
