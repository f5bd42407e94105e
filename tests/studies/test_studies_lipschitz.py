"""Lipschitz constants of small critics beside the printed ones (docs/thesis.md)."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from gan_lab.architectures import MLP
from gan_lab.losses import wasserstein
from gan_lab.penalties import (
    GradientPenalty,
    MaxGradientPenalty,
    NoPenalty,
    SpectralNorm,
    WeightClipping,
)
from gan_lab.studies.lipschitz_estimates import LipschitzEstimates

GP = functools.partial(GradientPenalty, 10.0, 1.0)


def made(penalty, width=256, steps=2) -> LipschitzEstimates:
    sgd = functools.partial(torch.optim.SGD, lr=1e-3)
    parts = (wasserstein(), penalty, sgd, MLP(depth=2, width=width))
    study = LipschitzEstimates(*parts, shift=2.0, max_steps=steps, batch_size=8)
    study.begin(seed=0)
    return study


@pytest.mark.parametrize(
    ("penalty", "optimum", "published"),
    [
        (WeightClipping(0.01), 0.065536, 0.06554),  # 0.01³ · sqrt(256) · 256 · sqrt(256)
        (SpectralNorm(), 1.0, 0.9993),
        (GP(), 1.1, 1.1),  # 1 + 2 / (2 · 10)
        (GP(one_sided=True), 1.1, None),
        (MaxGradientPenalty(5.0, 0.0), 0.2, None),
        (NoPenalty(), None, None),
    ],
)
def test_the_optimum_and_the_published_number(penalty, optimum, published):
    """Of a critic that is f(x) = 3 x: all that is measured is 3."""
    study = made(penalty)
    straight = nn.Sequential(nn.Flatten(), nn.Linear(1, 1))
    nn.init.constant_(straight[1].weight, 3.0)
    study.training.critic = straight
    scores = study.result().scores
    for name, expected in (("optimal_slope", optimum), ("seed_004", published)):
        if expected is None:
            assert scores[name] != scores[name]
        else:
            assert scores[name] == pytest.approx(expected)
    for name in ("lower", "upper", "mean_slope"):
        assert scores[name] == pytest.approx(3)
    assert scores["w1_ratio"] == pytest.approx(3, abs=0.03)  # 3 · 0.5 · sqrt(2 / 10,000) / 2 · 5


def test_the_mean_slope_of_the_best_penalised_critic_is_the_closed_form():
    """f' = c + (F_g - F_r) / (2 λ ρ): its mean over interpolates, of density ρ, is c + W1 / (2 λ),
    by an integral over the line."""
    x = torch.linspace(-6, 6, 100_001, dtype=torch.float64)
    normal = torch.distributions.Normal(torch.tensor([[-1.0], [1.0]], dtype=torch.float64), 0.5)
    below = normal.cdf(x)
    mean = 1 + float(torch.trapezoid(below[0] - below[1], x)) / (2 * 10)
    assert made(GP())._optimal_slope() == pytest.approx(mean, abs=1e-9)


def test_steps_lower_the_objective_and_bounds_keep_their_order():
    study = made(GP(), width=8, steps=30)
    before = study.step(1)
    for number in range(2, 31):
        after = study.step(number)
    assert float(after["critic_loss"]) < float(before["critic_loss"])
    scores = study.result().scores
    assert 0 < scores["mean_slope"] <= scores["lower"] * (1 + 1e-5) <= scores["upper"]
