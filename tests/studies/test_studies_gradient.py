"""The first study's laws, optimum and scores, against second computations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from gan_lab.losses import hinge, least_squares
from gan_lab.reporting.thesis.reproduction.words import OPTIONS
from gan_lab.reporting.thesis.unconstrained_critics import SETTINGS
from gan_lab.studies.gradient_uninformativeness import (
    LAYOUTS,
    GradientUninformativeness,
    _least_squares_optimum,
)

LAWS = [pytest.param(law, id=f"{name}_{i}") for name, laws in LAYOUTS.items() for i, law in enumerate(laws)]  # fmt: skip
EDGES = (-2.0, -1.0, 1.0, 2.0)


def made(layout: str = "covered", loss=None, **fields) -> GradientUninformativeness:
    sizes = {"setting": 1, "max_steps": 3, "batch_size": 16} | fields
    study = GradientUninformativeness(loss or least_squares(), layout=layout, **sizes)
    study.begin(seed=0)
    return study


@pytest.mark.parametrize("law", LAWS)
def test_a_density_integrates_to_one(law):
    total, _ = quad(lambda x: float(law.density(np.array([x]))[0]), -6, 6, points=EDGES, limit=200)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_samples_are_of_the_density(law):
    """The empirical distribution function stays within the band of Dvoretzky, Kiefer and
    Wolfowitz, P(sup > e) <= 2 exp(-2 n e^2), here 1e-6."""
    n = 20_000
    samples = law.sample(n, torch.Generator().manual_seed(0)).squeeze(1).double().sort()[0].numpy()
    grid = np.linspace(-5, 5, 100_001)
    density = law.density(grid)
    cumulated = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * 1e-4)])
    expected = np.interp(samples, grid, cumulated)
    largest = max(
        np.abs(expected - np.arange(1, n + 1) / n).max(), np.abs(expected - np.arange(n) / n).max()
    )
    assert largest < np.sqrt(np.log(2 / 1e-6) / (2 * n)) + 1e-3  # the edges of the grid


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (-1.0, 1.0), (0.5, -2.0)])
@pytest.mark.parametrize(("fake", "real"), [(0.3, 0.7), (1.0, 0.0), (0.0, 2.0), (0.01, 5.0)])
def test_the_optimum_minimises_the_loss_at_a_point(a, b, fake, real):
    loss = least_squares(a=a, b=b)

    def value(t: float) -> float:
        logit = torch.tensor([t], dtype=torch.float64)
        return float(fake * loss.phi(logit) + real * loss.varphi(logit))

    best = minimize_scalar(value, bounds=(-5, 5), method="bounded", options={"xatol": 1e-9}).x
    optimum = _least_squares_optimum(loss, np.array([fake]), np.array([real]))[0]
    assert optimum == pytest.approx(best, abs=1e-6)


def test_the_optimum_of_another_loss_is_not_known():
    study = made(loss=hinge())
    study.step(1)
    result = study.result()
    assert np.isnan(result.scores["optimum_error"])
    assert not np.isnan(result.scores["transport_agreement"])
    assert set(result.drawn["optimum"]) == {None}


class Linear:
    """A critic's training whose gradient and values are given."""

    def __init__(self, gradient, values) -> None:
        self.gradient, self.values = gradient, values


@pytest.mark.parametrize(
    ("gradient", "agreement", "changes"),
    [(torch.ones_like, 1.0, 0.0), (lambda x: -torch.ones_like(x), 0.0, 0.0)],
)
def test_agreement_is_one_where_every_gradient_points_at_the_reals(gradient, agreement, changes):
    """Disjoint: every real sample is right of every fake one."""
    study = made("disjoint")
    study.training = Linear(gradient, lambda x: torch.full((len(x),), 1.0))
    scores = study.result().scores
    assert (scores["transport_agreement"], scores["sign_changes"]) == (agreement, changes)
    assert scores["gradient_spread"] == pytest.approx(0, abs=1e-6)


def test_the_error_is_that_of_the_optimum_along_the_line():
    """Disjoint with targets 0 and 1: the optimum is 0 on the fakes and 1 on the reals, of equal
    weight, so the constant 1/4 has the root mean square sqrt((1/16 + 9/16) / 2)."""
    study = made("disjoint")
    study.training = Linear(torch.ones_like, lambda x: torch.full((len(x),), 0.25))
    assert study.result().scores["optimum_error"] == pytest.approx(np.sqrt(10 / 32), rel=1e-6)


def test_the_order_on_the_line_is_the_optimal_plan(monkeypatch):
    """Against every plan of six samples, of the squared distance."""
    monkeypatch.setattr("gan_lab.studies.gradient_uninformativeness._FAKES", 6)
    study = made("overlapping")
    seen = []

    def gradient(points):
        seen.append(points)
        return torch.ones_like(points)

    study.training = Linear(gradient, lambda x: torch.zeros(len(x)))
    agreement = study.result().scores["transport_agreement"]

    # the same draws
    from gan_lab.training.randomness import generator_for

    rng = generator_for(0, "fakes that are looked at")
    fakes, reals = (law.sample(6, rng).squeeze(1).double() for law in (study.fake, study.real))
    assert torch.equal(seen[-1].squeeze(1).double(), fakes.sort()[0])
    plans = itertools.permutations(range(6))
    best = min(plans, key=lambda plan: float((fakes - reals[list(plan)]).square().sum()))
    assert agreement == pytest.approx(float((reals[list(best)] > fakes).double().mean()))


def test_a_step_depends_on_seed_and_number_alone():
    """As a resumed study takes it."""
    one, other = made(), made()
    one.step(1), one.step(2)
    other.step(1)
    torch.rand(7)
    other.step(2)
    for mine, its in zip(
        one.training.critic.parameters(), other.training.critic.parameters(), strict=True
    ):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_makes_its_network(setting):
    optimizer, lr, _, depth, width = SETTINGS[setting]
    study = made(setting=setting)
    layers = [
        layer for layer in study.training.critic.modules() if isinstance(layer, torch.nn.Linear)
    ]
    assert [layer.out_features for layer in layers] == [width] * depth + [1]
    made_by = study.training.optimizer
    assert (type(made_by).__name__.lower(), made_by.param_groups[0]["lr"]) == (optimizer, lr)


def test_figures_and_the_page_name_the_setting_that_the_study_trains():
    assert str(SETTINGS[2]) == "Adam 1e-2, ReLU, 4×1024 units"
    assert str(SETTINGS[5]) == "SGD 1e-4, SELU, 64×128 units"
    assert OPTIONS["study.setting"]["5"] == "5: SGD 1e-4, SELU, 64×128 units"
