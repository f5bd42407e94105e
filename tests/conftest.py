"""Tiny tensors stay on one thread: threads that wait for one another on a busy machine cost more
than the tests.

OMP_NUM_THREADS asks for another number, as `make test-portable` does.
"""

import os
from collections.abc import Iterator

import pytest
import torch

# also of the processes that tests start: two jobs with two threads each crawl
THREADS = int(os.environ.setdefault("OMP_NUM_THREADS", "1"))


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)
