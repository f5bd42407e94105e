"""One run that nobody disturbs, for all tests."""

import pytest

from helpers.fault_runs import straight_run


@pytest.fixture(scope="session")
def straight(tmp_path_factory):
    """The run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    straight_run(folder / "first")  # the data cache is filled now
    return straight_run(folder / "run")
