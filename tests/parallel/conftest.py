"""Keeps every run's data cache out of the repository."""

import pytest

from helpers.gan_runs import environment


@pytest.fixture(autouse=True, scope="module")
def _data_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(tmp_path_factory).items():
            patch.setenv(name, value)
        yield
