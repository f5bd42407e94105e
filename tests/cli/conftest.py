"""Programs start in an empty folder."""

from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the test's programs start in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
