"""Values and gradients of the registered losses against numbers worked out by hand and formulas at
60 digits."""

from __future__ import annotations

import math

import pytest
import torch
from mpmath import mpf

from helpers.loss_formulas import FORMULAS, PSI, Curve
from helpers.loss_probes import (
    EPS,
    ONE_LOGIT,
    SCALAR,
    column,
    loss,
    on_fake,
    on_generated,
    on_real,
    slope,
)
from helpers.registry import check_complete, fields, stable

LN2, LN3, LN4 = math.log(2), math.log(3), math.log(4)

# option: (real logits, fake logits, J_D, J_G), each worked out on paper
BY_HAND = {
    "wasserstein": ([3, 5], [1, 2, 6], 3 - 4, -3),
    "exp": ([LN4], [LN2, LN3], (2 + 3) / 2 + 1 / 4, -(LN2 + LN3) / 2),
    "logistic": ([LN3], [LN3], LN4 + math.log(4 / 3), -LN3),
    "sqrt": ([-4 / 3], [3 / 4], (3 / 4 + 5 / 4) + (4 / 3 + 5 / 3), -3 / 4),
    "quadratic": ([3], [2], 9 + 4, -2),
    "hinge": ([0], [0.5, -2], (1.5 + 0) / 2 + 1, 0.75),
    "vanilla": ([LN3], [LN3], LN4 + math.log(4 / 3), -LN4),
    "nonsaturating": ([LN3], [LN3], LN4 + math.log(4 / 3), math.log(4 / 3)),
    "least_squares": ([3], [2, 0], (4 + 0) / 2 + 4, (1 + 1) / 2),
    "relativistic": ([LN3], [LN3 + LN2], math.log(3), math.log(1 + 1 / 6)),  # J_G beside r = 0
    "fisher": ([1], [3], 2 + 0.5e-6 * 16, -3),  # Omega = 5, multiplier 0
}


STABLE = stable("loss", ONE_LOGIT)
WITH_FORMULA = [option for option in SCALAR if option in FORMULAS]


def test_every_loss_of_one_logit_is_worked_out_by_hand():
    check_complete(
        BY_HAND,
        "loss",
        ONE_LOGIT,
        "tests/losses/test_losses_values.py, BY_HAND",
        "real logits, fake logits, and J_D and J_G worked out on paper",
    )


def test_every_scalar_loss_has_its_formula():
    check_complete(
        FORMULAS,
        "loss",
        SCALAR,
        "tests/helpers/loss_formulas.py, FORMULAS",
        "phi, varphi, psi and their derivatives with mpmath",
    )


@pytest.mark.parametrize("option", BY_HAND)
def test_hand_computed(option):
    real, fake, critic, generator = BY_HAND[option]
    made = loss(option)
    assert made.critic(column(*real), column(*fake)).item() == pytest.approx(
        critic, rel=1e-15, abs=0
    )
    assert on_generated(made)(column(*fake)).item() == pytest.approx(generator, rel=1e-15, abs=0)


GRID = [
    -9.75,
    -3.5,
    -1.25,
    -0.5,
    0.0,
    0.25,
    0.75,
    1.5,
    4.0,
    12.5,
]  # exact in binary, off the kinks of hinge


def tolerance(expected: float, t: float, eps: float = EPS) -> float:
    """A value e^x carries the rounding of x: |log value| ulps; besides, a few operations and the
    size of t."""
    size = abs(math.log(abs(expected))) if expected else 0.0
    return 8 * eps * (abs(expected) * (1 + size) + eps * abs(t))


def rounded(value: mpf) -> float:
    """The nearest double, infinite beyond the largest one."""
    return float(value)


@pytest.mark.parametrize("option", WITH_FORMULA)
@pytest.mark.parametrize("t", GRID)
def test_values_and_slopes_in_float64(option, t):
    """With the other batch at 1/4; sums of two numbers that no cancellation shrinks by more than
    10."""
    made, formula = loss(option), FORMULAS[option]
    total = formula.phi.value(mpf(t)) + formula.varphi.value(mpf(0.25))
    assert made.critic(column(0.25), column(t)).item() == pytest.approx(
        rounded(total), rel=1e-13, abs=0
    )
    total = formula.phi.value(mpf(0.25)) + formula.varphi.value(mpf(t))
    assert made.critic(column(t), column(0.25)).item() == pytest.approx(
        rounded(total), rel=1e-13, abs=0
    )
    for value, curve in (
        (on_fake(made), formula.phi),
        (on_real(made), formula.varphi),
        (made.generator, formula.psi),
    ):
        expected = rounded(curve.slope(mpf(t)))
        assert slope(value, t) == pytest.approx(expected, rel=0, abs=tolerance(expected, t))
    expected = rounded(formula.psi.value(mpf(t)))
    assert made.generator(column(t)).item() == pytest.approx(
        expected, rel=0, abs=tolerance(expected, t)
    )


@pytest.mark.parametrize("option", STABLE)
def test_gradients_are_those_of_the_values(option):
    """Central differences: error h^2/6 times the third derivative (below 8 e^2 here) and EPS |J| /
    h of rounding."""
    made, h = loss(option), 1e-5
    bound = h**2 / 6 * 8 * math.e**2 + 40 * EPS / h
    for value in (on_fake(made, real=0.3), on_real(made, fake=0.3), on_generated(made)):
        for t in (-1.3, -0.4, 0.1, 0.6, 1.7):
            difference = (value(column(t + h)) - value(column(t - h))).item() / (2 * h)
            assert slope(value, t) == pytest.approx(difference, rel=0, abs=bound)


@pytest.mark.parametrize("option", WITH_FORMULA)
def test_the_gradient_of_a_mean_is_shared_out(option):
    made, formula = loss(option), FORMULAS[option]
    real, fake = column(0.25, -0.5, 1.5).requires_grad_(), column(-0.75, 2.0).requires_grad_()
    made.critic(real, fake).backward()
    for logits, curve in ((real, formula.varphi), (fake, formula.phi)):
        expected = [rounded(curve.slope(mpf(t))) / len(logits) for t in logits.flatten().tolist()]
        assert logits.grad.flatten().tolist() == pytest.approx(expected, rel=1e-14, abs=1e-16)


EXTREME = [-1e8, -1e4, -700.0, -100.0, -40.0, -25.0, 25.0, 40.0, 100.0, 700.0, 1e4, 1e8]


def check_extreme(
    curve: Curve, value: float, measured_slope: float, t: float, eps: float, largest: float
) -> None:
    for measured, exact in ((value, curve.value(mpf(t))), (measured_slope, curve.slope(mpf(t)))):
        if abs(exact) > largest:  # no such number in this precision: an honest overflow
            assert math.isinf(measured)
            assert (measured > 0) == (exact > 0)
        else:
            expected = rounded(exact)
            smallest = (
                1e-300 if eps < 1e-10 else 1e-37
            )  # below, numbers lose digits and then vanish
            assert measured == pytest.approx(
                expected, rel=0, abs=tolerance(expected, t, eps) + smallest
            )


@pytest.mark.parametrize("option", WITH_FORMULA)
@pytest.mark.parametrize("t", EXTREME)
@pytest.mark.parametrize(("dtype", "largest"), [(torch.float64, 1.7e308), (torch.float32, 3.4e38)])
def test_extreme_logits(option, t, dtype, largest):
    """Finite, and right, wherever the number exists in the precision at hand; slopes as well as
    values."""
    made, formula = loss(option), FORMULAS[option]
    cases = (
        (
            lambda x: made.critic(column(0.0, dtype=dtype), x),
            formula.phi,
            formula.varphi.value(mpf(0)),
        ),
        (
            lambda x: made.critic(x, column(0.0, dtype=dtype)),
            formula.varphi,
            formula.phi.value(mpf(0)),
        ),
        (made.generator, formula.psi, mpf(0)),
    )
    for function, curve, constant in cases:
        point = column(t, dtype=dtype).requires_grad_()
        value = function(point)
        (gradient,) = torch.autograd.grad(value, point)
        shifted = Curve(lambda x, c=curve, k=constant: c.value(x) + k, curve.slope)
        check_extreme(shifted, value.item(), gradient.item(), t, torch.finfo(dtype).eps, largest)


def test_logistic_far_out():
    """log(1 + e^1e4) = 1e4 to the last digit, log(1 + e^-1e4) = 0; slopes 1 and 0."""
    made = loss("logistic")
    assert made.critic(column(-1e4), column(1e4)).item() == 2e4
    assert made.critic(column(1e4), column(-1e4)).item() == 0
    assert slope(on_fake(made), 1e4) == 1
    assert slope(on_fake(made), -1e4) == 0


def test_sqrt_keeps_its_slope_far_left():
    """t + sqrt(t^2 + 1) = 1 / (sqrt(t^2 + 1) - t): at t = -1e4 the slope is 1/(2 t^2), 5e-9, lost
    by a naive sum."""
    expected = 1 / (1e8 + 1 + 1e4 * math.sqrt(1e8 + 1))
    assert slope(on_fake(loss("sqrt")), -1e4) == pytest.approx(expected, rel=1e-14, abs=0)
    point = column(-1e4, dtype=torch.float32).requires_grad_()
    loss("sqrt").critic(column(0.0, dtype=torch.float32), point).backward()
    assert point.grad.item() == pytest.approx(expected, rel=1e-5, abs=0)


@pytest.mark.parametrize("option", STABLE)
def test_float32_agrees_with_float64(option):
    """The logits are the same numbers, so only the arithmetic differs: a few ulps of the largest
    term, e^4."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (4 * torch.rand(64, 1, generator=generator) - 2 for _ in range(2))
    made = loss(option)
    bound = 16 * torch.finfo(torch.float32).eps * math.e**2
    for single, double in (
        (made.critic(real, fake), made.critic(real.double(), fake.double())),
        (on_generated(made)(fake), on_generated(made)(fake.double())),
    ):
        assert single.dtype == torch.float32
        assert double.dtype == torch.float64
        assert single.item() == pytest.approx(double.item(), rel=0, abs=bound)


@pytest.mark.parametrize("option", STABLE)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_widened_before_anything_else(option, dtype):
    made = loss(option)
    real, fake = column(0.3, -1.2, 2.3, dtype=dtype), column(0.1, 0.4, dtype=dtype).requires_grad_()
    assert made.score(real).dtype == torch.float32
    value = made.critic(real, fake)
    assert value.dtype == torch.float32
    assert torch.equal(value, made.critic(real.float(), fake.float()))
    assert torch.equal(on_generated(made)(fake), on_generated(made)(fake.float()))
    value.backward()
    assert fake.grad.dtype == dtype


WITH_PSI = [
    option for option in stable("loss", SCALAR) if "generator_objective" in fields("loss", option)
]


@pytest.mark.parametrize("option", WITH_PSI)
@pytest.mark.parametrize("name", PSI)
def test_choices_of_psi(option, name):
    """psi is chosen apart from phi and varphi: J_D stays."""
    made, plain = loss(option, generator_objective=name), loss(option)
    for t in GRID:
        expected = rounded(PSI[name].value(mpf(t)))
        assert made.generator(column(t)).item() == pytest.approx(
            expected, rel=0, abs=tolerance(expected, t)
        )
    real, fake = column(0.3, -1.2), column(0.1, 0.4)
    assert torch.equal(made.critic(real, fake), plain.critic(real, fake))
    assert (made.increasing, made.strictly_convex, made.member) == (
        plain.increasing,
        plain.strictly_convex,
        plain.member,
    )


def test_there_is_a_loss_with_a_choice_of_psi():
    assert WITH_PSI


@pytest.mark.parametrize("alpha", [0.25, 3.0])
def test_the_alpha_of_the_thesis(alpha):
    """Worked out on paper for any alpha: phi at 2, varphi at -1/2, psi = -2, and the author's (2 -
    alpha)^2."""
    fake, real = column(2.0), column(-0.5)
    expected = {
        "sqrt": 2 + math.sqrt(4 + alpha) + 0.5 + math.sqrt(0.25 + alpha),
        "quadratic": (2 + alpha) ** 2 + (0.5 + alpha) ** 2,
        "hinge": 2 + alpha + 0.5 + alpha,
    }
    for option, value in expected.items():
        assert loss(option, alpha=alpha).critic(real, fake).item() == pytest.approx(
            value, rel=4 * EPS, abs=0
        )
        assert loss(option, alpha=alpha).generator(fake).item() == -2
        assert fields("loss", option)["alpha"] == 1
    for option, aim in (
        ("quadratic", alpha),
        ("hinge", alpha),
        ("sqrt", 1.0),
    ):  # alpha of sqrt is no place on the axis
        made = loss(option, alpha=alpha, generator_objective="quadratic")
        assert made.generator(fake).item() == pytest.approx((2 - aim) ** 2, rel=EPS, abs=0)


def test_targets_of_least_squares():
    """D: (s - a)^2 + (r - b)^2 with a for fake and b for real; G: (s - c)^2; no 1/2."""
    made = loss("least_squares", a=-1.5, b=0.5, c=0.25)
    assert made.critic(column(2.0), column(1.0)).item() == 2.5**2 + 1.5**2
    assert made.generator(column(1.0)).item() == 0.75**2
