"""The Fisher loss: the augmented Lagrangian, its multiplier, and when the multiplier moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.loss_probes import EPS, column, loss, on_fake, slope
from helpers.registry import instantiate


def fisher(rho: float = 0.5, multiplier: float = 0.0):
    made = instantiate("loss", "fisher", rho=rho)
    made.multiplier.fill_(multiplier)
    return made


def second_moment(real, fake) -> float:
    return (np.mean(np.square(real)) + np.mean(np.square(fake))) / 2


def lagrangian(real, fake, rho: float, multiplier: float) -> float:
    """L of Mroueh and Sercu 2017, eq. 9, to be maximised by the critic."""
    omega = second_moment(real, fake)
    return np.mean(real) - np.mean(fake) + multiplier * (1 - omega) - rho / 2 * (omega - 1) ** 2


logits = st.lists(st.floats(-3, 3), min_size=1, max_size=5)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(logits, logits, st.floats(1e-6, 5), st.floats(-2, 2))
def test_value_and_step_of_the_multiplier(real, fake, rho, multiplier):
    """J_D = -L with the multiplier from before the call; then it descends along dL/dlambda = 1 -
    Omega."""
    made = fisher(rho, multiplier)
    value = made.critic(column(*real), column(*fake)).item()
    size = 6 + (2 + rho * 10) * 10  # of the terms
    assert value == pytest.approx(
        -lagrangian(real, fake, rho, multiplier), rel=0, abs=32 * EPS * size
    )
    expected = multiplier - rho * (1 - second_moment(real, fake))
    assert made.multiplier.item() == pytest.approx(expected, rel=0, abs=32 * EPS * size)
    assert made.generator(column(*fake)).item() == pytest.approx(
        -np.mean(fake), rel=0, abs=32 * EPS
    )


def test_by_hand():
    """real 1, fake 3, rho 1/2: Omega = 5, J = 2 + 1/4 16 = 6, lambda 0 -> 2; again: J = 2 + 2 4 + 4
    = 14, 2 -> 4."""
    made = fisher()
    assert made.critic(column(1.0), column(3.0)).item() == 6
    assert made.multiplier.item() == 2
    assert made.critic(column(1.0), column(3.0)).item() == 14
    assert made.multiplier.item() == 4


def test_below_the_constraint_the_multiplier_falls():
    made = fisher(multiplier=1.0)
    made.critic(column(0.0), column(0.0))
    assert made.multiplier.item() == 0.5


def test_the_multiplier_moves_in_training_mode_only():
    made = fisher().eval()
    first = made.critic(column(1.0), column(3.0)).item()
    assert made.critic(column(1.0), column(3.0)).item() == first == 6
    assert made.multiplier.item() == 0
    made.train().critic(column(1.0), column(3.0))
    assert made.multiplier.item() == 2


def test_the_generators_objective_moves_nothing():
    made = fisher()
    made.generator(column(3.0))
    made.score(column(3.0))
    assert made.multiplier.item() == 0


def test_two_calls_before_one_backward():
    """Gradient accumulation: each call's graph keeps the multiplier that its value was made
    with."""
    made = fisher(multiplier=0.25)
    fakes = [column(3.0).requires_grad_(), column(-2.0).requires_grad_()]
    (made.critic(column(1.0), fakes[0]) + made.critic(column(1.0), fakes[1])).backward()
    # dJ/ds = 1 + (lambda + rho (Omega - 1)) s; Omega = 5 then 2.5; lambda = 0.25 then 0.25 + 0.5 *
    # 4
    assert fakes[0].grad.item() == 1 + (0.25 + 0.5 * 4) * 3
    assert fakes[1].grad.item() == 1 + (2.25 + 0.5 * 1.5) * -2


def test_the_multiplier_carries_no_graph():
    made = fisher()
    made.critic(column(1.0).requires_grad_(), column(3.0).requires_grad_())
    assert not made.multiplier.requires_grad
    assert list(made.parameters()) == []
    assert list(made.state_dict()) == ["multiplier"]


def test_small_steps_of_the_multiplier_add_up():
    """At 0.5 one step of 1e-6 * 0.01 = 1e-8 is a third of a float32 ulp; a thousand of them make
    1e-5."""
    made = fisher(rho=1e-6, multiplier=0.5)
    logit = torch.full((4, 1), 1.01**0.5)
    for _ in range(1000):
        made.critic(logit, logit)
    # Omega itself is known to float32 only: 1.01 within 2^-22, so each step within rho 2.4e-7
    assert made.multiplier.item() - 0.5 == pytest.approx(1e-5, rel=0, abs=1000 * 1e-6 * 2.4e-7)


def test_curvature_is_as_documented():
    """d2J/dt2 = (lambda + rho (Omega - 1)) / n + rho t^2 / n^2 in one of n fake values: real 0,
    fakes t and 1."""
    made, t, rho, multiplier = loss("fisher", rho=0.5), 0.3, 0.5, 0.1
    made.multiplier.fill_(multiplier)
    omega = (t**2 + 1) / 2 / 2
    expected = (multiplier + rho * (omega - 1)) / 2 + rho * t**2 / 4
    measured = slope(lambda x: made.critic(column(0.0), torch.cat([x, column(1.0)])), t, order=2)
    assert measured == pytest.approx(expected, rel=1e-14, abs=0)
    assert expected < 0
    assert slope(on_fake(made), 0.0, order=2) < 0
