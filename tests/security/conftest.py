"""Makes the helpers of tests/training importable and keeps data caches out of the repository."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))

from gan_runs import environment

from gan_lab import trust


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, value in environment(tmp_path_factory).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(trust, "OWN", ())
