"""`consentry --help`, and every other command, loaded the library that draws proofs as PDF: a fifth
of its time and 25 MB."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("fpdf", "fontTools", "PIL", "authlib", "dns", "segno", "fastapi", "uvicorn")


def test_commands_load_only_what_they_share() -> None:
    """What draws, asks the DNS or serves pages is loaded by what needs it."""
    program = f"import gateway.cli, sys; print(*sorted(sys.modules.keys() & set({HEAVY})))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""
