"""Writing a training state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def save_state(state: dict[str, Any], path: Path) -> None:
    """torch.save to `path`. Raises OSError where the disk is full, of which torch alone says "unexpected pos"."""
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
