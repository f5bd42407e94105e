"""What holds for every test: one thread, one data cache for the session, no network for W&B.

Tiny tensors stay on one thread: threads that wait for one another on a busy machine cost more than
the tests. OMP_NUM_THREADS asks for another number, as `make test-portable` does.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from helpers.gan_runs import environment

# also of the processes that tests start: two jobs with two threads each crawl
THREADS = int(os.environ.setdefault("OMP_NUM_THREADS", "1"))


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def data_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data cache of every run and program of the session, outside the repository."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(tmp_path_factory).items():
            patch.setenv(name, value)
        yield Path(os.environ["GAN_LAB_DATA_CACHE"])
