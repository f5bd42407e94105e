"""Keeps every run's data cache out of the repository."""

from pathlib import Path

import pytest

from helpers.gan_runs import environment


@pytest.fixture(autouse=True)
def _data_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, value in environment(tmp_path_factory).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the test's programs start in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
