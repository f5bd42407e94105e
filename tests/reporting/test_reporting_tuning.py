"""The fair comparison of optimizers: its four numbers by hand, and its figure from made-up records."""

import itertools
import math

import pytest

from gan_lab.errors import UserError
from gan_lab.reporting.collection import selected
from gan_lab.reporting.figures.draw import FIGURES
from gan_lab.reporting.figures.request import NothingRecorded, Request
from gan_lab.reporting.tuning import (
    median_best,
    performance_profile,
    share_within,
    steps_to,
    workloads,
)

STEPS = [10, 20, 30, 40]
NUMBERS = itertools.count()


def record(optimizer, curves, seed=0, workload="mlp on digits", copies=1.0, typed=(), **fields):
    """Rates 0.1, 1, ...; a curve that is too short diverged. fields: of the optimizer."""
    return {
        "status": "finished",
        "run_id": f"run{next(NUMBERS)}",
        "seed": seed,
        "config": {"seed": seed, "optimizer": {"name": optimizer} | fields, "study": {}},
        "choices": {"study": "optimizers", "optimizer": optimizer},
        "command": ["study.py", *typed],
        "scores": {"state_copies": {"value": copies}},
        "drawn": {
            "workload": workload,
            "metric": "error",
            "rates": [0.1 * 10**i for i in range(len(curves))],
            "steps": STEPS,
            "valid": curves,
            "test": [curve[-1] if len(curve) == 4 else None for curve in curves],
        },
    }


def adam(**fields):
    """The second rate is the better one; after 30 of 40 steps it is at 0.3."""
    return record("adam", [[0.9, 0.9, 0.9, 0.8], [0.8, 0.5, 0.3, 0.2]], copies=2.0, **fields)


def test_median_best_is_that_of_all_ways_to_draw_trials():
    """The lower median of the best of each subset, infinite scores among them."""
    scores = [0.4, math.inf, 0.1, 0.3, 0.3, math.inf, 0.2]
    for k in range(1, len(scores) + 1):
        bests = sorted(min(subset) for subset in itertools.combinations(scores, k))
        assert median_best(scores, k) == bests[(len(bests) - 1) // 2], k


def test_steps_to_a_target():
    assert steps_to(0.3, STEPS, [0.8, 0.5, 0.3, 0.2]) == 30
    assert steps_to(0.1, STEPS, [0.8, 0.5, 0.3, 0.2]) == math.inf
    assert steps_to(0.5, STEPS, [0.8]) == math.inf  # diverged after the first


def test_performance_profile_by_hand():
    """Three problems, of which nobody solves the last. Times 1, 4 of a; 2, 2 of b; 6 of c on the
    second alone: ratios 1, 4/2; 2, 1; 6/2."""
    inf = math.inf
    profile = performance_profile({"a": [1, 4, inf], "b": [2, 2, inf], "c": [inf, 6, inf]})
    assert profile == {"a": [1, 2, inf], "b": [1, 2, inf], "c": [3, inf, inf]}
    shares = [share_within(profile["a"], factor) for factor in (1, 1.9, 2, 100)]
    assert shares == [1 / 3, 1 / 3, 2 / 3, 2 / 3]
    assert [share_within(profile["c"], factor) for factor in (2.9, 3)] == [0, 1 / 3]


def test_a_rate_is_chosen_for_all_seeds_and_the_reference_sets_the_target():
    """sgd: rate 0.1 ends at 0.5 and 0.3, mean 0.4; rate 1 at 0.2 and diverged."""
    sgd = [
        record("sgd", [[0.9, 0.8, 0.6, 0.5], [0.7, 0.4, 0.3, 0.2]]),
        record("sgd", [[0.9, 0.3, 0.3, 0.3], [0.7]], seed=1),
    ]
    (workload,) = workloads([adam(), adam(seed=1), *reversed(sgd)])
    assert workload.seeds == (0, 1)
    assert workload.target == 0.3
    tuned = workload.tuned["sgd"]
    assert tuned.finals == [pytest.approx(0.4), math.inf]
    assert tuned.best == 0
    assert tuned.steps_to(workload.target) == [math.inf, 20]
    assert tuned.tests == ((0.5, 0.2), (0.3, None))


@pytest.mark.parametrize(
    ("seeds", "remedy"),
    [
        ((0,), "'select={seed:[0]}'"),
        ((1, 2), "'select={seed:[1]}'"),
        ((2, 3), None),
    ],
)
def test_seeds_are_matched_by_their_numbers(seeds, remedy):
    """adam has 0 and 1. Those of one number have the same weights and batches; 1 beside 2 has not.
    The remedy is typed."""
    sgd = [record("sgd", [[0.5] * 4, [0.4] * 4], seed=seed) for seed in seeds]
    records = [adam(), adam(seed=1), *sgd]
    words = f"mlp on digits: adam was tuned with seeds 0, 1, and sgd with {str(seeds)[1:-1]}"
    with pytest.raises(UserError) as refused:
        workloads(records)
    assert str(refused.value).startswith(words.rstrip(","))
    assert "run the missing ones" in str(refused.value)
    assert ("select" in str(refused.value)) == (remedy is not None)
    if remedy:
        assert remedy in str(refused.value)
        (workload,) = workloads(selected(records, {"seed": [int(remedy[-4])]}))
        assert workload.seeds == (int(remedy[-4]),)


def test_what_is_no_seed_of_an_optimizer_is_refused():
    with pytest.raises(UserError, match=r"mlp on digits, adam, seed 0: runs run\w+ and run\w+ are"):
        workloads([adam(), adam()])
    with pytest.raises(UserError, match=r"differ in config\.optimizer\.beta"):
        workloads([adam(beta=0), adam(beta=0.5, seed=1)])
    other = record("sgd", [[0.5] * 4, [0.4] * 4])
    other["config"]["study"]["batch_size"] = 7
    with pytest.raises(UserError, match=r"differ in config\.study\.batch_size"):
        workloads([adam(), other])


def test_a_class_that_was_typed_has_its_own_name():
    typed = record(
        "sgd", [[0.5] * 4], typed=["optimizer=sgd", "optimizer._target_=torch.optim.RAdam"]
    )
    (workload,) = workloads([record("sgd", [[0.5] * 4]), typed])
    assert list(workload.tuned) == ["RAdam", "sgd"]


def test_other_budgets_and_a_missing_reference_are_refused():
    with pytest.raises(UserError, match="other rates or steps"):
        workloads([adam(), record("sgd", [[0.5] * 4])])
    (workload,) = workloads([record("sgd", [[0.5] * 4])])
    with pytest.raises(UserError, match="optimizer=adam"):
        _ = workload.target


def test_the_figure_says_which_optimizer_reached_the_target_and_which_missed_it():
    """adam reaches 0.3 at step 30 with both seeds, adashift at 10 with one: ratios 3 and 1; inf."""
    adashift = [
        record("adashift", [[0.3, 0.3, 0.3, 0.3], [0.3]], copies=10.0, seed=2),
        record("adashift", [[0.6, 0.6, 0.6, 0.6], [0.3]], copies=10.0, seed=5),
    ]
    drawing = FIGURES["optimizers"](Request(studies=[adam(seed=2), adam(seed=5), *adashift]))
    assert drawing.figure.get_suptitle().endswith("seeds: 2")
    rows = {
        panel: [
            (row["optimizer"], row["x"], row["y"])
            for row in drawing.numbers
            if row["panel"] == panel
        ]
        for panel in ("steps to target", "profile", "state", "rate")
    }
    assert rows["steps to target"] == [
        ("adam", 2, 30), ("adam", 5, 30), ("adashift", 2, 10), ("adashift", 5, "missed"),
    ]  # fmt: skip
    assert rows["profile"] == [
        ("adam", 1.0, 0.5), ("adam", 3.0, 1.0), ("adashift", 1.0, 0.5),
    ]  # fmt: skip
    assert rows["state"] == [("adam", "copies", 2.0), ("adashift", "copies", 10.0)]
    assert ("adashift", 1.0, "missed") in rows["rate"]
    with pytest.raises(NothingRecorded, match="optimizers_logistic"):
        FIGURES["optimizers"](Request())


def test_the_title_counts_the_seeds_of_every_workload():
    """Two of the first, one of the last. Six workloads: there are five markers."""
    many = [adam(workload=f"mlp on data{i}") for i in range(6)]
    drawing = FIGURES["optimizers"](Request(studies=[*many, adam(workload="mlp on data0", seed=1)]))
    assert drawing.figure.get_suptitle().endswith("seeds: 1 or 2")
    times = [row["workload"] for row in drawing.numbers if row["panel"] == "steps to target"]
    assert len(set(times)) == 6
