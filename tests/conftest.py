"""Tiny tensors stay on one thread: threads that wait for one another on a busy machine cost more than the tests."""

import os
from collections.abc import Iterator

import pytest
import torch

os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start; two jobs with two threads each crawl


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
