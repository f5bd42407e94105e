"""One data cache, and one run that nobody disturbs, for all tests."""

import pytest

from helpers.fault_runs import straight_run
from helpers.gan_runs import environment


@pytest.fixture(autouse=True, scope="session")
def _surroundings(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(tmp_path_factory).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def straight(tmp_path_factory, _surroundings):
    """The run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    straight_run(folder / "first")  # the data cache is filled now
    return straight_run(folder / "run")
