"""Two gloo processes take the steps of one with the whole batch: every objective that is not a mean
over samples."""

from __future__ import annotations

import pytest
import torch

from helpers import gloo
from helpers.parallel_worker import CASES, every_case

WORKER = "helpers.parallel_worker"
FLOAT32 = [f"{name}, one step in float32" for name in CASES]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> list[dict]:
    """What one process made of every case, and each of two."""
    two = gloo.results(WORKER, tmp_path_factory.mktemp("processes"), gloo.TWO)[0]
    return [every_case(0, 1), *two]


def difference(one: dict, two: dict) -> float:
    """Largest over all numbers of two states."""
    assert one.keys() == two.keys()
    return max(
        (one[name].double() - two[name].double()).abs().max().item()
        for name in one
        if one[name].numel()
    )


@pytest.mark.parametrize("name", CASES)
def test_five_steps_of_adam_in_float64(trained, name):
    alone, first, second = (results[name] for results in trained)
    assert difference(alone["state"], first["state"]) <= 1e-9
    assert difference(first["state"], second["state"]) == 0, "the processes drift apart"
    for one, two, other in zip(alone["metrics"], first["metrics"], second["metrics"], strict=True):
        assert two == pytest.approx(one, rel=1e-9, abs=1e-12, nan_ok=True), (
            "the log of two is not that of one"
        )
        assert other == pytest.approx(two, rel=0, abs=0, nan_ok=True)
    assert first["diagnostics"] == pytest.approx(alone["diagnostics"], rel=1e-9)
    assert first["diagnostics"] == second["diagnostics"]


@pytest.mark.parametrize("name", FLOAT32)
def test_the_gradients_of_one_step_in_float32(trained, name):
    """Relative to the length of the whole gradient: that of a bias before batch norm is nothing but
    rounding."""
    alone, first, _ = (results[name]["gradient"] for results in trained)
    assert float((alone - first).norm() / alone.norm()) <= 1e-5


@pytest.mark.parametrize("name", ["exp + maxgp", "exp + maxgp, S_max"])
def test_the_maximum_lies_now_here_now_there(trained, name):
    """Only the process that holds it has a penalty, twice as large; with S_max both may hold it."""
    alone, first, second = (results[name]["own penalties"] for results in trained)
    assert any(f > 0 == s for f, s in zip(first, second, strict=True)), (
        "never in the first process alone"
    )
    assert any(s > 0 == f for f, s in zip(first, second, strict=True)), (
        "never in the second process alone"
    )
    halves = [(f + s) / 2 for f, s in zip(first, second, strict=True)]
    assert halves == pytest.approx(alone, rel=1e-9)


def test_s_max_is_one_memory(trained):
    alone, first, second = (
        results["exp + maxgp, S_max"]["state"]["penalty.s_max"] for results in trained
    )
    assert len(alone) == 6
    assert torch.equal(first, second)
    assert torch.allclose(alone, first, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_four_processes_too(tmp_path):
    """Of a maximum that any of four may hold, and sums in another order than those of two."""
    places = ((0, 1), *((rank, 4) for rank in range(4)))
    alone, *four = gloo.results(WORKER, tmp_path, places, seconds=800)[0]
    for name in CASES:
        assert difference(alone[name]["state"], four[0][name]["state"]) <= 1e-9, name
        assert all(
            difference(four[0][name]["state"], other[name]["state"]) == 0 for other in four[1:]
        ), name
