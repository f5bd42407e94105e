"""Optimal critics that are known exactly: Table 2-1 on a finite support, and LGANs with one fake
and one real point."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mpmath import mpf
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor

from helpers.loss_formulas import FORMULAS, SOFTPLUS
from helpers.loss_probes import EPS, SCALAR, loss, minimised, slope
from helpers.registry import instantiate, stable

# A support of six points; how often each is drawn, real and fake, out of twenty.
REAL_COUNTS, FAKE_COUNTS = np.array([1, 2, 3, 4, 8, 2]), np.array([6, 2, 1, 7, 1, 3])
P_REAL, P_FAKE = REAL_COUNTS / 20, FAKE_COUNTS / 20
REAL = torch.tensor(np.repeat(np.arange(6), REAL_COUNTS))
FAKE = torch.tensor(np.repeat(np.arange(6), FAKE_COUNTS))

LOG_RATIO = [option for option in SCALAR if option in FORMULAS and FORMULAS[option].phi is SOFTPLUS]


def objective(measured):
    """J_D as a function of the critic's values on the support, free of any constraint."""
    return lambda values: measured.critic(values[REAL].unsqueeze(1), values[FAKE].unsqueeze(1))


def gradient(value, point: np.ndarray) -> np.ndarray:
    t = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(value(t), t)[0].numpy()


@pytest.mark.parametrize("option", LOG_RATIO)
def test_the_optimal_critic_of_the_vanilla_objective_is_the_log_ratio(option):
    """Table 2-1. The Hessian at f* is P_r P_g / (P_r + P_g) >= 0.037, so f is within gradient /
    0.02 of f*."""
    value, exact = objective(loss(option)), np.log(P_REAL / P_FAKE)
    assert np.abs(gradient(value, exact)).max() <= 16 * EPS
    found, residual = minimised(value, torch.zeros(6, dtype=torch.float64))
    assert residual < 1e-7
    assert found.numpy() == pytest.approx(exact, rel=0, abs=residual / 0.02 + 1e-14)


def test_its_minimum_is_the_jensen_shannon_divergence():
    """J_D* = log 4 - 2 JS(P_r, P_g)."""
    mean = (P_REAL + P_FAKE) / 2
    divergence = (P_REAL * np.log(P_REAL / mean) + P_FAKE * np.log(P_FAKE / mean)).sum() / 2
    exact = torch.tensor(np.log(P_REAL / P_FAKE))
    assert objective(loss("vanilla"))(exact).item() == pytest.approx(
        math.log(4) - 2 * divergence, rel=8 * EPS, abs=0
    )


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (-0.3, 1.7), (2.0, -1.0)])
def test_the_optimal_critic_of_least_squares(a, b):
    """P_g (f - a)^2 + P_r (f - b)^2 is least at f = (a P_g + b P_r) / (P_r + P_g); the thesis
    prints a and b swapped.

    The Hessian is 2 (P_r + P_g) >= 0.4.
    """
    value = objective(loss("least_squares", a=a, b=b))
    exact = (a * P_FAKE + b * P_REAL) / (P_REAL + P_FAKE)
    assert np.abs(gradient(value, exact)).max() <= 16 * EPS
    found, residual = minimised(value, torch.zeros(6, dtype=torch.float64))
    assert residual < 1e-7
    assert found.numpy() == pytest.approx(exact, rel=0, abs=residual / 0.4 + 1e-14)
    swapped = (b * P_FAKE + a * P_REAL) / (P_REAL + P_FAKE)
    assert np.abs(gradient(value, swapped)).max() > 0.1


def test_least_squares_on_disjoint_supports():
    """Where P_r = 0 the optimum is a, where P_g = 0 it is b; nothing is left to pay."""
    measured = loss("least_squares", a=-0.3, b=1.7)
    values = torch.tensor([-0.3, 1.7], dtype=torch.float64, requires_grad=True)
    value = measured.critic(values[1:].unsqueeze(1), values[:1].unsqueeze(1))
    assert value.item() == 0
    assert torch.autograd.grad(value, values)[0].abs().max() == 0


def fisher_optimum() -> tuple[np.ndarray, float]:
    """f* = (P_r - P_g) / mu / F with mu = (P_r + P_g) / 2 and F = ||(P_r - P_g) / mu|| in
    L2(mu)."""
    mu = (P_REAL + P_FAKE) / 2
    ratio = (P_REAL - P_FAKE) / mu
    norm = math.sqrt((mu * ratio**2).sum())
    return ratio / norm, norm


@pytest.mark.parametrize("rho", [1e-6, 0.5, 3.0])
def test_the_fisher_optimum_is_stationary(rho):
    """P_r - P_g = 2 lambda mu f and Omega = 1 give lambda* = F / 2, whatever rho; J_D* = -F."""
    exact, norm = fisher_optimum()
    measured = loss("fisher", rho=rho)
    measured.multiplier.fill_(norm / 2)
    assert np.abs(gradient(objective(measured), exact)).max() <= 16 * EPS * (1 + rho)
    assert objective(measured)(torch.tensor(exact)).item() == pytest.approx(
        -norm, rel=16 * EPS, abs=0
    )
    measured.multiplier.fill_(norm)
    assert np.abs(gradient(objective(measured), exact)).max() > 0.01


def test_fisher_finds_its_optimum():
    """The method of multipliers through the loss alone: minimise J_D in eval mode, then one call in
    training mode.

    With s = Omega - 1 the minimiser satisfies F = 2 (lambda + rho s) sqrt(1 + s), so near the end
    ds/dlambda = -1 / (rho + lambda / 2), and of an error in lambda one step leaves lambda / (2 rho
    + lambda) = 1 part in 12 or less; ten steps leave 1e-11. The Hessian in f is at least 2 lambda
    min(mu) > 0.1.
    """
    exact, norm = fisher_optimum()
    measured = instantiate("loss", "fisher", rho=3.0)
    assert (norm / 2) / (6 + norm / 2) < 1 / 12
    value, values = objective(measured), torch.tensor(P_REAL - P_FAKE)
    for _ in range(10):
        measured.eval()
        values, residual = minimised(value, values)
        measured.train()
        value(values)
    assert residual < 1e-7
    assert values.numpy() == pytest.approx(exact, rel=0, abs=residual / 0.1 + 1e-10)
    assert measured.multiplier.item() == pytest.approx(
        norm / 2, rel=0, abs=3.0 * 4 * residual / 0.1 + 1e-10
    )


# One fake, one real -------------------------------------------------------------------------------

FAKE_POINT, REAL_POINT = (
    torch.tensor([[0.5, -1.0]], dtype=torch.float64),
    torch.tensor([[2.0, 1.0]], dtype=torch.float64),
)
D = 2.5  # their distance: (1.5, 2, 2.5)


def lgan(measured, weight: float):
    """J_D + weight k^2 of the critic f(x) = w . x + b, a function of (w, b), through the registered
    maxgp."""
    penalty = instantiate("penalty", "maxgp", weight=weight)

    def value(parameters: Tensor) -> Tensor:
        def score(x: Tensor) -> Tensor:
            return measured.score((x @ parameters[:2] + parameters[2]).unsqueeze(1))

        critic = measured.critic(score(REAL_POINT), score(FAKE_POINT))
        return critic + penalty(score, REAL_POINT, FAKE_POINT, torch.Generator().manual_seed(0))

    return value


def solved(option: str, weight: float) -> tuple[np.ndarray, float, float]:
    """w*, b* and how far ||w*|| may be off: J_D is convex, so J is 2 weight-strongly convex in
    w."""
    found, residual = minimised(
        lgan(loss(option), weight), torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)
    )
    assert residual < 1e-6
    return found[:2].numpy(), found[2].item(), residual / (2 * weight) + 1e-12


@pytest.mark.parametrize("weight", [0.3, 1.0, 10.0])
def test_one_fake_one_real_wasserstein(weight):
    """-k d + weight k^2 is least at k* = d / (2 weight); f rises straight from the fake to the
    real."""
    w, _, error = solved("wasserstein", weight)
    assert np.linalg.norm(w) == pytest.approx(D / (2 * weight), rel=0, abs=error)
    assert w == pytest.approx(D / (2 * weight) * np.array([1.5, 2.0]) / D, rel=0, abs=error)


def test_its_minimum():
    """J* = -d^2 / (4 weight)."""
    at_optimum = torch.tensor([1.5 / 0.6, 2.0 / 0.6, 7.0], dtype=torch.float64)
    assert lgan(loss("wasserstein"), 0.3)(at_optimum).item() == pytest.approx(
        -(D**2) / 1.2, rel=16 * EPS, abs=0
    )


@pytest.mark.parametrize("weight", [0.3, 1.0, 10.0])
def test_one_fake_one_real_exp(weight):
    """f(real) = -f(fake) = a with 8 weight a / d^2 = 2 e^-a. In b, J is 2 e^-a-strongly convex."""
    a = brentq(lambda a: 8 * weight * a / D**2 - 2 * math.exp(-a), 0, 50, xtol=1e-14)
    w, b, error = solved("exp", weight)
    assert np.linalg.norm(w) == pytest.approx(2 * a / D, rel=0, abs=error)
    ends = np.array([REAL_POINT.numpy()[0] @ w + b, FAKE_POINT.numpy()[0] @ w + b])
    assert ends == pytest.approx([a, -a], rel=0, abs=1e-6)


CENTRES = {"least_squares": 0.5}  # about which phi and varphi mirror each other; 0 for the others
SYMMETRIC = [
    option
    for option, formula in FORMULAS.items()
    if loss(option).convex
    and formula.phi.value(mpf(CENTRES.get(option, 0)) - 1)
    == formula.varphi.value(mpf(CENTRES.get(option, 0)) + 1)
]


def test_the_losses_of_table_2_2_are_symmetric():
    assert set(SYMMETRIC) >= {"wasserstein", "exp", "logistic", "sqrt", "quadratic", "hinge"}
    assert "least_squares" in SYMMETRIC


@pytest.mark.parametrize("option", SYMMETRIC)
@pytest.mark.parametrize("weight", [2.0, 5.0])
def test_one_fake_one_real_any_convex_loss(option, weight):
    """k* minimises min_s phi(s) + varphi(s + k d) + weight k^2: a convex problem in two numbers,
    solved apart.

    The inner minimum is at s = c - k d / 2 by the symmetry of phi and varphi about c (0; 1/2 for
    least squares). A scalar minimiser knows a flat valley to the square root of the value's
    rounding: sqrt(1e-15 * 4 / weight) < 5e-8.
    """
    formula, centre = FORMULAS[option], CENTRES.get(option, 0.0)

    def along(k: float) -> float:
        s = mpf(centre) - mpf(k) * D / 2
        return float(formula.phi.value(s) + formula.varphi.value(s + mpf(k) * D)) + weight * k**2

    k = minimize_scalar(
        along, bounds=(0, D / weight + 2), method="bounded", options={"xatol": 1e-10}
    ).x
    w, _, error = solved(option, weight)
    assert k > 0.01
    assert np.linalg.norm(w) == pytest.approx(k, rel=0, abs=error + 5e-8)
    assert w / np.linalg.norm(w) == pytest.approx(np.array([1.5, 2.0]) / D, rel=0, abs=1e-6)


@pytest.mark.parametrize(
    "option",
    [
        option
        for option in stable("loss", SCALAR)
        if loss(option).strictly_convex and loss(option).member
    ],
)
def test_equal_distributions_have_k_zero(option):
    """Thm 2.3 d: where P_r = P_g, a strictly convex member has k* = 0 and sits where phi' + varphi'
    = 0."""
    measured, penalty = loss(option), instantiate("penalty", "maxgp", weight=0.1)
    points = torch.cat([FAKE_POINT, REAL_POINT, FAKE_POINT - REAL_POINT])

    def value(parameters: Tensor) -> Tensor:
        def score(x: Tensor) -> Tensor:
            return x @ parameters[:2] + parameters[2]

        penalised = penalty(score, points, points, torch.Generator().manual_seed(0))
        return measured.critic(score(points).unsqueeze(1), score(points).unsqueeze(1)) + penalised

    found, residual = minimised(value, torch.tensor([0.7, -0.4, 0.3], dtype=torch.float64))
    assert residual < 1e-6
    assert found[:2].norm().item() <= residual / (2 * 0.1) + 1e-12
    assert abs(slope(lambda t: measured.critic(t, t), found[2].item())) <= 1e-6
