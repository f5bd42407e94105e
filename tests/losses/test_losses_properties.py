"""What losses declare of themselves, measured through critic() alone, and the operations that make
new losses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.losses import ScalarLoss, combine, scale, shift
from helpers.loss_probes import (
    EPS,
    MEMBERS,
    ONE_LOGIT,
    balance,
    column,
    loss,
    on_fake,
    on_real,
    slope,
)
from helpers.registry import stable

ONE_SIDE = {"phi": (on_fake, 1.0), "varphi": (on_real, -1.0)}
repeatable = settings(derandomize=True, deadline=None, max_examples=40)


def increasing(measured) -> bool:
    """phi' > 0 and varphi' < 0, up to |t| = 200: e^-200 is a number, and Fisher turns at -(2 /
    rho)^(1/3) = -126."""
    grid = np.linspace(-200, 200, 162)  # no whole numbers: hinge has its kinks there
    return all(
        sign * slope(side(measured), t) > 0 for side, sign in ONE_SIDE.values() for t in grid
    )


def second_differences(measured) -> list[tuple[float, float]]:
    """J(t - h) - 2 J(t) + J(t + h) and the rounding it may carry, for both sides on a grid over
    [-8, 8]."""
    h, result = 0.5, []
    for side, _ in ONE_SIDE.values():
        for t in np.linspace(-7.5, 7.5, 62):
            values = [side(measured)(column(t + step)).item() for step in (-h, 0, h)]
            rounding = (
                32 * EPS * (1 + max(map(abs, values)))
            )  # t + h is rounded too: eps |t| |slope|
            result.append((values[0] - 2 * values[1] + values[2], rounding))
    return result


def convex(measured) -> bool:
    return all(difference >= -rounding for difference, rounding in second_differences(measured))


def strictly_convex(measured) -> bool:
    return all(difference > rounding for difference, rounding in second_differences(measured))


def agrees(made, declared, measured):
    assert measured == getattr(made, declared), f"{made.name} is to declare {declared}={measured}"


@pytest.mark.parametrize("option", ONE_LOGIT)
class TestDeclaredIsMeasured:
    """Both ways: a promise is kept, and what a registered loss does not promise it does violate
    somewhere."""

    def test_increasing(self, option):
        agrees(loss(option), "increasing", increasing(loss(option)))

    def test_convex(self, option):
        agrees(loss(option), "convex", convex(loss(option)))

    def test_strictly_convex(self, option):
        agrees(loss(option), "strictly_convex", strictly_convex(loss(option)))

    @pytest.mark.thorough
    def test_member_of_2_11(self, option):
        made = loss(option)
        measured = increasing(made) and convex(made) and balance(made, bound=50) is not None
        agrees(made, "member", measured)


@pytest.mark.parametrize("option", MEMBERS)
def test_a_member_declares_what_membership_needs(option):
    assert loss(option).increasing
    assert loss(option).convex


def test_where_the_base_losses_fail():
    """Table 2-2 by name: quadratic turns at -1, hinge is flat below -1, linear has no curvature."""
    assert slope(on_fake(loss("quadratic")), -3.0) == -4
    assert slope(on_real(loss("quadratic")), 3.0) == 4
    assert slope(on_fake(loss("hinge")), -1.5) == 0
    assert slope(on_real(loss("hinge")), 1.5) == 0
    assert slope(on_fake(loss("wasserstein")), 0.7, order=2) == 0
    assert slope(on_fake(loss("least_squares")), -1.0) == -2
    assert slope(on_real(loss("least_squares")), 2.0) == 2
    assert slope(on_fake(loss("fisher")), -2000.0) < 0
    assert slope(on_fake(loss("fisher")), 0.0, order=2) < 0


def test_a_linear_critic_objective_does_not_know_its_offset():
    """Why f*+c is optimal for every c under wasserstein, and not under a strictly convex loss."""
    real, fake = column(0.3, -1.2, 2.5), column(0.1, 0.4)
    moved = loss("wasserstein").critic(real + 3, fake + 3) - loss("wasserstein").critic(real, fake)
    assert abs(moved.item()) <= 8 * EPS * 6
    moved = loss("exp").critic(real + 3, fake + 3) - loss("exp").critic(real, fake)
    assert abs(moved.item()) > 1


# Operations ---------------------------------------------------------------------------------------

weights = st.floats(0.1, 10)
logits = st.lists(st.floats(-3, 3), min_size=1, max_size=5)


@st.composite
def members(draw) -> ScalarLoss:
    """phi(c (t + o)) of a registered member: its a is -o."""
    base = loss(draw(st.sampled_from(stable("loss", MEMBERS))))
    return shift(scale(base, draw(st.floats(0.25, 2))), draw(st.floats(-3, 3)))


@st.composite
def combinations(draw) -> ScalarLoss:
    """Up to three members, each with its own a, scaled and shifted again as one."""
    parts = draw(st.lists(members(), min_size=1, max_size=3))
    total = combine(parts, [draw(weights) for _ in parts])
    return shift(scale(total, draw(st.floats(0.5, 2))), draw(st.floats(-2, 2)))


@pytest.mark.thorough
@repeatable
@given(combinations())
def test_made_of_members_is_a_member(made):
    """Measured with first and second derivatives (no cancellation: arguments stay below 2 (2 (4 +
    2) + 3) = 30).

    The inner a_i lie in [-3, 3], so the a of the whole lies in [-3 / 0.5 - 2, 8].
    """
    assert made.member
    assert made.increasing
    assert made.convex
    for t in (-4.0, -1.7, -0.2, 0.4, 1.3, 4.0):
        for side, sign in ONE_SIDE.values():
            assert sign * slope(side(made), t) > 0
            curvature = slope(side(made), t, order=2)
            assert (
                curvature > 0 if made.strictly_convex else curvature == 0
            )  # among members, only linear ones are flat
    assert balance(made, bound=8.5) is not None


@repeatable
@given(st.lists(st.sampled_from(stable("loss", ONE_LOGIT)), min_size=1, max_size=3), st.data())
def test_a_combination_promises_no_more_than_its_parts(names, data):
    parts = [made for made in map(loss, names) if isinstance(made, ScalarLoss)]
    if not parts:
        return
    made = combine(parts, [data.draw(weights) for _ in parts])
    assert made.member == all(part.member for part in parts)
    assert made.increasing == all(part.increasing for part in parts)
    assert made.convex == all(part.convex for part in parts)
    assert made.strictly_convex == (made.convex and any(part.strictly_convex for part in parts))


@repeatable
@given(st.lists(st.tuples(members(), weights), min_size=1, max_size=4), logits, logits)
def test_combine_adds(parts, real, fake):
    losses, factors = zip(*parts, strict=True)
    made = combine(losses, factors)
    terms = [w * part.critic(column(*real), column(*fake)).item() for part, w in parts]
    assert made.critic(column(*real), column(*fake)).item() == pytest.approx(
        math.fsum(terms), rel=0, abs=32 * EPS * math.fsum(map(abs, terms))
    )
    assert torch.equal(made.generator(column(*fake)), losses[0].generator(column(*fake)))


@repeatable
@given(members(), st.floats(0.05, 5), logits, logits)
def test_scale_multiplies_both_logits(base, factor, real, fake):
    made = scale(base, factor)
    expected = base.critic(factor * column(*real), factor * column(*fake))
    assert torch.equal(made.critic(column(*real), column(*fake)), expected)
    assert torch.equal(made.generator(column(*fake)), base.generator(column(*fake)))


@repeatable
@given(members(), st.floats(-5, 5), logits, logits)
def test_shift_adds_to_both_logits(base, offset, real, fake):
    made = shift(base, offset)
    expected = base.critic(column(*real) + offset, column(*fake) + offset)
    assert torch.equal(made.critic(column(*real), column(*fake)), expected)
    assert torch.equal(made.generator(column(*fake)), base.generator(column(*fake)))


def test_where_the_balance_moves():
    """exp balances at 0; phi(t + o) at -o; phi(c t) after it at -o / c."""
    moved = shift(loss("exp"), 1.5)
    assert balance(moved, bound=8) == pytest.approx(-1.5, abs=1e-12)
    assert balance(scale(moved, 2.0), bound=8) == pytest.approx(-0.75, abs=1e-12)


def test_balance_of_two_members_with_different_balances():
    """w (e^(a+1) - e^(-a-1)) + v (e^(a-3) - e^(3-a)) = 0 at e^(2a) = (w e^-1 + v e^3) / (w e + v
    e^-3)."""
    w, v = 0.7, 2.5
    made = combine([shift(loss("exp"), 1.0), shift(loss("exp"), -3.0)], [w, v])
    expected = math.log((w * math.exp(-1) + v * math.exp(3)) / (w * math.e + v * math.exp(-3))) / 2
    assert -1 < expected < 3
    assert balance(made, bound=8) == pytest.approx(expected, abs=1e-12)


def test_2t_against_minus_t_is_no_member():
    """The condition needs one a for both: 2 - 1 is never 0. `scale` therefore scales both, and 2 -
    2 is."""
    both = scale(loss("wasserstein"), 2.0)
    assert slope(on_fake(both), 0.3) == 2
    assert slope(on_real(both), 0.3) == -2
    assert balance(both, bound=50) is not None
    one = replace(both, varphi=loss("wasserstein").varphi)
    assert slope(on_real(one), 0.3) == -1
    assert balance(one, bound=50) is None


def test_names_are_formulas():
    made = combine([loss("exp"), scale(loss("sqrt"), 2.0)], [0.5, 3.0])
    assert "exp" in made.name
    assert "sqrt" in made.name
    assert made.name != shift(made, 1.0).name != scale(made, 2.0).name


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_combine_refuses_a_weight(weight):
    with pytest.raises(UserError, match=r"weights .* positive"):
        combine([loss("exp"), loss("sqrt")], [1.0, weight])


@pytest.mark.parametrize(("count", "given_weights"), [(0, []), (2, [1.0]), (1, [1.0, 2.0])])
def test_combine_refuses_odd_lengths(count, given_weights):
    with pytest.raises(UserError, match=f"{count} losses and {len(given_weights)} weights"):
        combine([loss("exp")] * count, given_weights)


def test_combine_refuses_a_loss_with_a_state():
    with pytest.raises(UserError, match="FisherLoss"):
        combine([loss("exp"), loss("fisher")], [1.0, 1.0])


@pytest.mark.parametrize("factor", [0.0, -2.0, math.nan, math.inf])
def test_scale_refuses_a_factor(factor):
    with pytest.raises(UserError, match=f"factor={factor}"):
        scale(loss("exp"), factor)


@pytest.mark.parametrize("offset", [math.nan, math.inf, -math.inf])
def test_shift_refuses_an_offset(offset):
    with pytest.raises(UserError, match=f"offset={offset}"):
        shift(loss("exp"), offset)
