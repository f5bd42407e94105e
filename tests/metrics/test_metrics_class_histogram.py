"""ClassHistogram by hand and against numpy; what it shares with the other metrics is in
test_metrics_states.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.metrics import ClassHistogram
from helpers.metrics_cases import flat
from helpers.metrics_reference import normal, shannon, softmax

LOG2, LOG3, INF = math.log(2), math.log(3), math.inf
H_PAIR = 2 * LOG2 - 0.75 * LOG3  # of (3/4, 1/4)


def histogram(logits: torch.Tensor, num_classes: int, batch: int = 1000):
    metric = ClassHistogram(num_classes)
    for part in logits.split(batch):
        metric.update(part)
    return metric.compute()


def by_numpy(logits: np.ndarray, num_classes: int) -> tuple[float, list[int], list[float]]:
    """One pass for each class over the samples whose largest probability it has."""
    p = softmax(logits)
    entropies, likeliest = [shannon(row) for row in p], [int(np.argmax(row)) for row in p]
    members = [
        [h for h, k in zip(entropies, likeliest, strict=True) if k == c] for c in range(num_classes)
    ]
    return (
        float(np.mean(entropies)),
        [len(m) for m in members],
        [float(np.mean(m)) if m else math.nan for m in members],
    )


def test_by_hand():
    """C = (3/4, 1/4, 0), twice (0, 1, 0), and (1/4, 3/4, 0): entropies H, 0, 0, H; class 2 has no
    sample."""
    logits = torch.tensor(
        [[LOG3, 0, -INF], [0, 1e3, 0], [0, 1e3, 0], [0, LOG3, -INF]], dtype=torch.float64
    )
    found = histogram(logits, 3)
    assert found._fields == ("value", "histogram", "per_class")
    assert found.histogram.tolist() == [1, 3, 0]
    assert found.histogram.dtype == torch.int64
    assert found.value.shape == ()
    assert found.value.item() == pytest.approx(H_PAIR / 2, rel=1e-14, abs=0)
    assert found.per_class.tolist() == pytest.approx(
        [H_PAIR, H_PAIR / 3, math.nan], rel=1e-14, abs=0, nan_ok=True
    )


def test_unsure_samples():
    """Uniform over 4: log 4 each, and all in one class, as no other is likelier."""
    found = histogram(torch.zeros(5, 4), 4)
    assert found.value.item() == pytest.approx(2 * LOG2, rel=1e-15, abs=0)
    assert sorted(found.histogram.tolist()) == [0, 0, 0, 5]


def test_one_class():
    found = histogram(normal(6, 1), 1)
    assert flat(found) == [0, 6, 0]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    st.integers(1, 40),
    st.integers(2, 9),
    st.sampled_from([1e-3, 1.0, 10.0, 1e4]),
    st.integers(0, 10**6),
)
def test_against_numpy_in_any_order_and_batch(n, num_classes, scale, seed):
    logits = normal(n, num_classes, seed=seed, scale=scale)
    value, counts, per_class = by_numpy(logits.numpy(), num_classes)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    for found in (
        histogram(logits, num_classes),
        histogram(logits[order], num_classes),
        histogram(logits[order], num_classes, batch=3),
    ):
        assert found.value.item() == pytest.approx(value, rel=1e-12, abs=1e-13)
        assert found.histogram.tolist() == counts
        assert found.per_class.tolist() == pytest.approx(
            per_class, rel=1e-12, abs=1e-13, nan_ok=True
        )


def test_the_value_is_the_mean_over_samples_not_over_classes():
    logits = torch.tensor([[0.0, 0.0]] + [[1e3, 0.0]] * 3 + [[0.0, 1e3]] * 4)
    found = histogram(logits, 2)
    assert found.value.item() == pytest.approx(LOG2 / 8, rel=1e-14, abs=0)
    assert found.per_class.tolist() == pytest.approx([LOG2 / 4, 0], rel=1e-14, abs=0)


def test_without_a_sample():
    with pytest.raises(UserError, match="no samples"):
        ClassHistogram(3).compute()
    metric = ClassHistogram(3)
    metric.update(torch.zeros(0, 3))
    with pytest.raises(UserError, match="no samples"):
        metric.compute()


@pytest.mark.parametrize("shape", [(4, 2), (4, 4), (0, 2)])
def test_logits_of_another_number_of_classes(shape):
    metric = ClassHistogram(3)
    with pytest.raises(UserError, match=f"logits have {shape[1]} classes and the histogram 3"):
        metric.update(torch.zeros(shape))
    metric.update(torch.zeros(1, 3))
    assert metric.compute().histogram.sum() == 1  # nothing of the refused batch stayed


@pytest.mark.parametrize("shape", [(3,), (), (2, 3, 1)])
def test_other_shapes(shape):
    with pytest.raises(UserError, match="one row of class logits per sample"):
        ClassHistogram(3).update(torch.zeros(shape))


@pytest.mark.parametrize("row", [[0.0, math.nan, 0.0], [INF, 0.0, 0.0], [-INF, -INF, -INF]])
def test_logits_without_a_softmax(row):
    metric = ClassHistogram(3)
    metric.update(torch.tensor([[0.0, 1.0, 2.0], row]))
    with pytest.raises(UserError, match=r"no softmax.*diverged"):
        metric.compute()
    metric.reset()
    metric.update(torch.tensor([[0.0, 1.0, 2.0]]))
    assert metric.compute().histogram.tolist() == [0, 0, 1]


@pytest.mark.parametrize("num_classes", [0, 2.5])
def test_the_number_of_classes_is_a_whole_one(num_classes):
    with pytest.raises(UserError, match=f"num_classes={num_classes}: use a whole number"):
        ClassHistogram(num_classes)
