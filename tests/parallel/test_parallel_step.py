"""Two gloo processes take the steps of one with the whole batch, in every objective that is not a
mean over samples; their scores are those of one, and each has dropout of its own."""

from __future__ import annotations

import math

import pytest
import torch

from helpers import gloo
from helpers.parallel_worker import CASES, everything
from helpers.sharded_cases import COUNTS, EVERY_SCORE, LABELS

WORKER = "helpers.parallel_worker"
FLOAT32 = [f"{name}, one step in float32" for name in CASES]


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[dict]:
    """What one process made of everything, and each of two."""
    results, said = gloo.results(WORKER, tmp_path_factory.mktemp("processes"), gloo.TWO)
    assert said == ["", ""]
    return [everything(0, 1), *results]


@pytest.fixture(scope="module")
def trained(two) -> list[dict]:
    """Of that the steps of every case."""
    return [results["steps"] for results in two]


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


@pytest.mark.parametrize("case", COUNTS)
def test_scores_of_two_processes_are_those_of_one(two, case):
    """Of the same images of a generator with batch statistics; every number of every entry, to
    1e-9."""
    alone, first, second = (results["scores"][case] for results in two)
    assert alone.keys() == first.keys() == second.keys()
    assert {name.split("_")[0] for name in alone} >= set(EVERY_SCORE) - {"prdc"} | {
        "precision",
        "coverage",
    }
    for name, entry in alone.items():
        assert first[name].keys() == entry.keys()
        for key, value in entry.items():
            if isinstance(value, float | list):
                assert second[name][key] == pytest.approx(
                    first[name][key], rel=0, abs=0, nan_ok=True
                ), (name, key)
                assert first[name][key] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), (
                    name,
                    key,
                )
            else:
                assert second[name][key] == first[name][key] == value, (name, key)
    assert any(
        math.isfinite(entry["value"]) for name, entry in alone.items() if name.startswith("msssim")
    )


@pytest.mark.parametrize("labels", LABELS)
def test_each_process_has_dropout_of_its_own_and_the_same_state(two, labels):
    _, first, second = (results["dropout"][labels] for results in two)
    assert len(first["masks"]) == len(second["masks"]) >= 20
    for mine, its in zip(first["masks"], second["masks"], strict=True):
        assert mine.shape == its.shape
        assert not torch.equal(mine, its)
        assert 0.4 < mine.float().mean() < 0.9  # dropout 0.3 of units
    assert first["state"].keys() == second["state"].keys()
    for name, value in first["state"].items():
        assert torch.equal(value, second["state"][name]), name
        assert torch.isfinite(value).all(), name


@pytest.mark.slow
def test_four_processes_too(tmp_path):
    """Of a maximum that any of four may hold, and sums in another order than those of two."""
    places = ((0, 1), *((rank, 4) for rank in range(4)))
    every = gloo.results(WORKER, tmp_path, places, seconds=800)[0]
    alone, *four = (results["steps"] for results in every)
    for name in CASES:
        assert difference(alone[name]["state"], four[0][name]["state"]) <= 1e-9, name
        assert all(
            difference(four[0][name]["state"], other[name]["state"]) == 0 for other in four[1:]
        ), name
