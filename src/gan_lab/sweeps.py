"""A sweep's directory: what became of its cells. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gan_lab import records


def note_lost(run_dir: Path, overrides: Sequence[str], reason: str) -> None:
    """Write into the record of a cell whose process ended without a word that it was interrupted, and how."""
    if (run_dir / records.FILE_NAME).exists():
        record = records.read(run_dir)
        if record["status"] != "running":
            return
    else:  # before it had a record
        record = records.RunRecord(run_dir, {"schema": records.SCHEMA, "command": list(overrides)})
    record.update(status="interrupted", reason=reason)
