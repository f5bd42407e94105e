"""A run on the CPU uses freed memory again, without a page fault, and does not slow down at tiny
numbers."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest
import torch

from gan_lab.runs.session import Session
from gan_lab.training import host
from helpers.gan_runs import train

PROGRAM = """
import json, resource
import torch
from gan_lab.training import host

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(4_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
faults()
before, kept = faults(), host.keep_freed_memory()
faults()
after = faults()

torch.set_num_threads(2)
with host.prepared():
    smallest = (torch.full((1_000_000,), 1e-38) * 0.1).max().item()
print(json.dumps({"before": before, "after": after, "kept": kept, "smallest": smallest}))
"""


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    """Of a process that has done nothing yet: page faults of ten tensors, before and after freed
    memory is kept, and the product of two tiny numbers in two threads."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_tensor_takes_the_place_of_the_one_before(measured):
    """Ten tensors of 16 MB have 39,063 pages of 4 kB."""
    assert measured["kept"]
    assert measured["after"] <= measured["before"] / 10
    assert measured["after"] < 100


def test_numbers_that_slow_a_processor_down_are_zero_in_every_thread(measured):
    assert measured["smallest"] == 0.0


def test_a_run_rounds_them_to_zero_and_leaves_the_process_as_it_was(tmp_path, monkeypatch):
    def product() -> float:
        return (torch.tensor(1e-38) * 0.1).item()

    seen, export = [], Session.export
    monkeypatch.setattr(Session, "export", lambda self: (seen.append(product()), export(self))[1])
    assert product() == pytest.approx(1e-39, rel=1e-4)
    train(tmp_path / "run", "max_generator_steps=1")
    assert seen == [0.0]
    assert product() == pytest.approx(1e-39, rel=1e-4)
    with host.prepared(), host.prepared():
        pass
    assert product() == pytest.approx(1e-39, rel=1e-4)
