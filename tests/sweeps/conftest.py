"""Makes the helpers of tests/training importable, and keeps every run's data cache out of the
repository."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))

from gan_runs import environment


@pytest.fixture(autouse=True)
def _data_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, value in environment(tmp_path_factory).items():
        monkeypatch.setenv(name, value)
