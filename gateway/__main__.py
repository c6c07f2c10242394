"""`python -m gateway` is the `consentry` command."""

from __future__ import annotations

from gateway.cli import main

main()
