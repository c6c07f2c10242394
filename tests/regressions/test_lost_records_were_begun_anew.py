"""A process that found no database made an empty one, and from then on nobody was suppressed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.records.database import open_database


@pytest.mark.parametrize("loss", ["missing", "empty"])
def test_records_are_made_once_only(loss: str, tmp_path: Path) -> None:
    """Records that were there before must come back, or be given up by hand."""
    path = tmp_path / "consentry.db"
    open_database(path).close()
    path.rename(tmp_path / "backup.db")
    if loss == "empty":
        path.touch()
    with pytest.raises(StoreUnavailable, match="is missing or empty"):
        open_database(path)
    (tmp_path / "backup.db").replace(path)
    open_database(path).close()
    path.unlink()
    (tmp_path / "consentry.db.made").unlink()
    open_database(path).close()
