"""The steps of AdaShift against hand-computed values, Algorithm 3-2 as a loop and its closed
form."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_lab.errors import UserError
from gan_lab.optim import AdamSpatial, AdaShift
from helpers.optim_reference import (
    PHI,
    SHAPES,
    STEPS,
    AdaShiftLoop,
    adashift_steps,
    by_hand,
    gradients,
    parameters,
    rates,
    run,
    set_gradients,
    starts,
)

WINDOWS = [(1, None), (2, None), (2, 1), (10, None), (10, 1), (10, 3), (10, 9)]
BETA1 = [0.0, 0.5, 0.9, 1.0]


def test_the_reference_knows_every_spatial_function():
    """The error message lists the choices."""
    with pytest.raises(UserError) as error:
        AdaShift(parameters(starts()), spatial="maximum")
    assert set(str(error.value).partition("choose one of ")[2].split(", ")) == set(PHI)


@pytest.mark.thorough
@pytest.mark.parametrize("beta1", BETA1)
@pytest.mark.parametrize("spatial", PHI)
@pytest.mark.parametrize(("n", "m"), WINDOWS)
def test_equals_the_loop_of_algorithm_3_2(n, m, spatial, beta1):
    """1e-12 is the bar of the issue. Rounding: 45 steps of at most 0.4, each to about 1e-16 / (1 -
    β2) = 1e-14."""
    settings = {"n": n, "m": m, "betas": (beta1, 0.99), "spatial": spatial, "eps": 1e-10}
    params = parameters(starts())
    run(AdaShift(params, **settings), gradients(), rates())
    for i, (param, start) in enumerate(zip(params, starts(), strict=True)):
        loop = AdaShiftLoop(start, **settings)
        for values, lr in zip(gradients(), rates(), strict=True):
            loop.step(values[i], lr)
        assert np.abs(loop.theta - start).max() > 1e-2  # it did move
        np.testing.assert_allclose(param.detach().numpy(), loop.theta, rtol=0, atol=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize("spatial", PHI)
@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("eps", [0.0, 1e-2])
def test_equals_the_closed_form_for_other_beta2_and_eps(spatial, beta2, eps):
    settings = {"n": 3, "m": 2, "betas": (0.7, beta2), "spatial": spatial, "eps": eps}
    params = parameters(starts())
    run(AdaShift(params, **settings), gradients(), rates())
    for i, (param, start) in enumerate(zip(params, starts(), strict=True)):
        steps = adashift_steps([values[i] for values in gradients()], **settings)
        expected = start - sum(lr * step for lr, step in zip(rates(), steps, strict=True))
        np.testing.assert_allclose(param.detach().numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.thorough
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_equals_the_closed_form_for_any_setting_and_missing_gradients(data):
    """Every parameter counts the gradients that it got; a step without one leaves it alone."""
    n = data.draw(st.integers(1, 12), "n")
    m = data.draw(st.integers(1, n), "m")
    fields = {
        "betas": (data.draw(st.floats(0, 1), "beta1"), data.draw(st.floats(0, 0.999), "beta2")),
        "spatial": data.draw(st.sampled_from(sorted(PHI)), "spatial"),
        "eps": 1e-10,
    }
    shapes = data.draw(
        st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3).map(tuple), "shapes"
    )
    values, lrs = gradients(30, shapes), rates(30)
    present = data.draw(
        st.lists(st.lists(st.booleans(), min_size=30, max_size=30), min_size=3, max_size=3),
        "present",
    )
    params = parameters(starts(shapes))
    optimizer = AdaShift(params, n=n, m=m, foreach=data.draw(st.booleans(), "foreach"), **fields)
    run(
        optimizer,
        [[g if present[i][t] else None for i, g in enumerate(values[t])] for t in range(30)],
        lrs,
    )
    for i, (param, start) in enumerate(zip(params, starts(shapes), strict=True)):
        seen = [t for t in range(30) if present[i][t]]
        steps = adashift_steps([values[t][i] for t in seen], n, m, **fields) if seen else []
        expected = start - sum(lrs[t] * step for t, step in zip(seen, steps, strict=True))
        np.testing.assert_allclose(param.detach().numpy(), expected, rtol=0, atol=1e-12)


def test_one_number_by_hand():
    """β1 = 0, β2 = 1/2, n = 1. v: 2, then 2/2 + 36/2 = 19; v̂: 2 / (1/2) = 4, then 19 / (3/4)."""
    path = by_hand([2, 6, -3], n=1, betas=(0.0, 0.5), spatial="none", eps=0.0)
    assert path == pytest.approx(
        [1, 1 - 0.1 * 6 / 2, 0.7 + 0.1 * 3 / sqrt(76 / 3)], rel=0, abs=1e-15
    )


def test_two_steps_of_shift_by_hand():
    """n = 2, β1 = 1/2: m = (g_t + g_{t-1}/2) / (3/2). v̂ from g_1 = 2 alone, then from 2 and 6 (β2
    = 1/2)."""
    path = by_hand([2, 6, -3, 9], n=2, betas=(0.5, 0.5), spatial="none", eps=0.0)
    third = 1 - 0.1 * (-3 + 3) / 1.5 / 2
    fourth = third - 0.1 * (9 - 1.5) / 1.5 / sqrt(76 / 3)
    assert path == pytest.approx([1, 1, third, fourth], rel=0, abs=1e-15)


@pytest.mark.parametrize(
    ("spatial", "roots"), [("max", [4, 4]), ("mean", [sqrt(12.5)] * 2), ("none", [3, 4])]
)
def test_spatial_functions_by_hand(spatial, roots):
    """The shifted gradient is (3, -4): squares 9 and 16, square first and then φ."""
    theta = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = AdaShift([theta], lr=1.0, n=1, betas=(0.0, 0.9), spatial=spatial, eps=0.0)
    for g in ([3.0, -4.0], [2.0, 5.0]):
        set_gradients([theta], [np.array(g)])
        optimizer.step()
    assert theta.tolist() == pytest.approx([-2 / roots[0], -5 / roots[1]], rel=1e-15, abs=0)


@pytest.mark.parametrize("spatial", PHI)
def test_without_averages_the_step_is_the_gradient_over_the_root_of_the_one_before(spatial):
    """Thesis (3-16), (3-17) with n = 1, β1 = 0: g_t / sqrt(v̂(g²_{t-1})). At β2 = 0 v̂ is
    φ(g²_{t-1}) itself."""
    params = parameters(starts())
    optimizer = AdaShift(params, n=1, betas=(0.0, 0.0), spatial=spatial, eps=0.0)
    values = gradients(6)
    for t in range(6):
        before = [param.detach().clone() for param in params]
        run(optimizer, values[t : t + 1], [0.125])
        for i, param in enumerate(params):
            step = (
                0.125 * values[t][i] / np.sqrt(PHI[spatial](values[t - 1][i] ** 2))
                if t
                else 0 * values[0][i]
            )
            np.testing.assert_allclose(
                (before[i] - param.detach()).numpy(), step, rtol=0, atol=4e-15
            )


@pytest.mark.parametrize("beta1", BETA1)
@pytest.mark.parametrize("m", [None, 10, 4, 1])
@pytest.mark.parametrize("beta2", [0.0, 0.999])
def test_the_first_applied_moment_is_the_mean_of_gradients_2_to_11(beta1, m, beta2):
    """One known port leaves the warm-up out of m. Here g_k = k + 4, in exact rational arithmetic;
    v̂ is 25 = g_1²."""
    window, weight = m or 10, Fraction(beta1)
    weights = [weight**i for i in range(window)]
    mean = sum(w * (11 - i + 4) for i, w in enumerate(weights)) / sum(weights)
    for spatial in PHI:
        path = by_hand(
            [k + 4 for k in range(1, 12)], n=10, m=m, betas=(beta1, beta2), spatial=spatial, eps=0.0
        )
        assert path[:10] == [1.0] * 10
        assert path[10] == pytest.approx(1 - 0.1 * float(mean) / 5, rel=0, abs=1e-14)


@pytest.mark.parametrize("spatial", PHI)
@pytest.mark.parametrize("n", [1, 2, 10, 30])
@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_nothing_moves_in_the_first_n_steps_and_all_in_the_next(spatial, n, beta1):
    params = parameters([0 * start for start in starts()])  # at 0 no step is too small to be seen
    optimizer = AdaShift(params, n=n, betas=(beta1, 0.999), spatial=spatial)
    values = gradients(n + 1)
    run(optimizer, values[:n], [1e3] * n)
    assert all((param == 0).all() for param in params)
    run(optimizer, values[n:], [1e-2])
    for param in params:
        assert (param != 0).all()
        assert torch.isfinite(param).all()


def test_the_first_gradient_enters_the_queue_once():
    """Another known port pushes it twice and divides 0 by 0. v sees 4 = g_1² in step 3 and 36 =
    g_2² in step 4."""
    theta = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    optimizer = AdaShift([theta], n=2, betas=(0.9, 0.0), spatial="max", eps=0.0)
    seconds = []
    for g in (2.0, 6.0, 7.0, 8.0):
        theta.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        seconds.append(optimizer.state[theta]["second"].item())
        assert torch.isfinite(theta)
    assert seconds == [0, 0, 4, 36]


def test_eps_stands_beside_the_root_of_the_corrected_second_moment():
    """θ - lr m / (sqrt(v̂) + eps): v̂ = 4 whatever β2 is, so lr 1, eps 6 and m = 16 give a step of
    2."""
    for beta2 in (0.0, 0.5, 0.999):
        path = by_hand([2, 16], lr=1.0, n=1, betas=(0.0, beta2), spatial="none", eps=6.0)
        assert path == pytest.approx([1, -1], rel=0, abs=1e-14)


@pytest.mark.parametrize("spatial", PHI)
@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_gradients_that_stay_zero_move_nothing(spatial, beta1):
    """A dead unit: 0 / (0 + eps) = 0."""
    params = parameters(starts())
    run(
        AdaShift(params, n=2, betas=(beta1, 0.999), spatial=spatial),
        [[g * 0 for g in gradients(1)[0]]] * 9,
        [1.0] * 9,
    )
    for param, start in zip(params, starts(), strict=True):
        np.testing.assert_array_equal(param.detach().numpy(), start)


@pytest.mark.parametrize("spatial", PHI)
@pytest.mark.parametrize("beta1", [0.0, 0.5, 1.0])
def test_steps_do_not_depend_on_the_scale_of_the_gradients(spatial, beta1):
    """With eps = 0 a power of two is exact all the way."""
    paths = []
    for scale in (1.0, 2.0**-20):
        params = parameters(starts())
        optimizer = AdaShift(params, n=2, betas=(beta1, 0.9), spatial=spatial, eps=0.0)
        run(optimizer, [[scale * g for g in values] for values in gradients()], rates())
        paths.append([param.detach() for param in params])
    for one, other in zip(*paths, strict=True):
        assert torch.equal(one, other)


@pytest.mark.thorough
@pytest.mark.parametrize("spatial", PHI)
@pytest.mark.parametrize(("n", "m"), [(1, None), (10, 3)])
@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_lists_and_single_tensors_step_alike(spatial, n, m, beta1):
    """foreach=True and False: bitwise, with two precisions in one group and gradients missing now
    and then."""
    results = []
    for foreach in (True, False):
        params = parameters(starts()) + parameters(starts(), torch.float32)
        optimizer = AdaShift(
            params, n=n, m=m, betas=(beta1, 0.99), spatial=spatial, foreach=foreach
        )
        values = [
            [None if (t + i) % 4 == 0 else g for i, g in enumerate(v + v)]
            for t, v in enumerate(gradients(24))
        ]
        run(optimizer, values, rates(24))
        results.append(params)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(results[0][2], torch.tensor(starts()[2]))


@pytest.mark.parametrize("spatial", PHI)
@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_memory_layout_makes_no_difference(spatial, beta1):
    """Networks are channels_last (training/build.py); a gradient may also be an expanded view."""
    start = torch.tensor(np.random.default_rng(3).normal(size=(4, 3, 2, 2)))
    plain, last = (
        nn.Parameter(start.clone()),
        nn.Parameter(start.to(memory_format=torch.channels_last)),
    )
    assert not last.is_contiguous()
    settings = {"lr": 0.05, "n": 3, "betas": (beta1, 0.9), "spatial": spatial}
    optimizers = AdaShift([plain], **settings), AdaShift([last], **settings)
    rng = np.random.default_rng(4)
    for t in range(12):
        g = torch.tensor(rng.normal(size=start.shape))
        if t % 3 == 0:
            g = g[:1, :, :1, :1].expand(start.shape)
        plain.grad, last.grad = (
            g.clone(),
            g if t % 3 == 0 else g.to(memory_format=torch.channels_last),
        )
        for optimizer in optimizers:
            optimizer.step()
    np.testing.assert_allclose(plain.detach().numpy(), last.detach().numpy(), rtol=0, atol=1e-14)
    assert not torch.equal(plain, start)
    assert last.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("spatial", PHI)
@pytest.mark.parametrize("beta1", [0.0, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_follows_float64(spatial, beta1, dtype):
    """Each of 20 steps is at most 4 lr = 0.04 on a value of order 1.

    Its relative error is some roundings (of g, v, m, root, quotient; v over 20 updates), taken as
    40; θ itself is rounded once in every step.
    """
    params, exact = (
        parameters(starts(), dtype),
        [p.detach().double().numpy() for p in parameters(starts(), dtype)],
    )
    settings = {"n": 2, "betas": (beta1, 0.999), "spatial": spatial}
    run(AdaShift(params, **settings), gradients(20), [0.01] * 20)
    eps = torch.finfo(dtype).eps
    for i, param in enumerate(params):
        loop = AdaShiftLoop(exact[i], m=None, eps=1e-10, **settings)
        for values in gradients(20):
            loop.step(values[i], 0.01)
        size = np.abs(exact[i]).max() + 20 * 0.04
        atol = 20 * (0.04 * 40 * eps + size * eps / 2)
        np.testing.assert_allclose(param.detach().double().numpy(), loop.theta, rtol=0, atol=atol)


@pytest.mark.parametrize("kind", [AdaShift, AdamSpatial])
@pytest.mark.parametrize("beta2", [0.99, 0.999, 0.99999])
def test_bias_correction_in_float32_does_not_cancel(kind, beta2):
    """Gradients of size 1 make steps of lr = 1 whatever β2 is, here to ten roundings; 1 - β2^k
    alone would be off by 6e-8 / (1 - β2)."""
    theta = nn.Parameter(torch.zeros((), dtype=torch.float32))
    optimizer = kind(
        [theta], lr=1.0, betas=(0.0, beta2), eps=0.0, **({"n": 1} if kind is AdaShift else {})
    )
    steps = []
    for _ in range(4):
        before = theta.item()
        theta.grad = torch.ones(())
        optimizer.step()
        steps.append(before - theta.item())
    assert steps[1:] == pytest.approx([1, 1, 1], rel=0, abs=10 * torch.finfo(torch.float32).eps)


def test_groups_have_settings_of_their_own():
    """Each group steps as an optimizer of its own would, with the constructor's values where it has
    none."""
    wholes, parts = parameters(starts()), parameters(starts())
    groups = [
        {"params": wholes[:2], "n": 1, "betas": (0.0, 0.9), "spatial": "none"},
        {"params": wholes[2:3], "lr": 0.3, "m": 2, "eps": 1e-3},
        {"params": wholes[3:], "spatial": "mean", "foreach": False},
    ]
    together = AdaShift(groups, lr=0.02, n=4, betas=(0.9, 0.99))
    apart = [
        AdaShift(parts[:2], lr=0.02, n=1, betas=(0.0, 0.9), spatial="none"),
        AdaShift(parts[2:3], lr=0.3, n=4, m=2, betas=(0.9, 0.99), eps=1e-3),
        AdaShift(parts[3:], lr=0.02, n=4, betas=(0.9, 0.99), spatial="mean"),
    ]
    for values in gradients(20):
        set_gradients(wholes, values)
        set_gradients(parts, values)
        for optimizer in (together, *apart):
            optimizer.step()
    for one, other in zip(wholes, parts, strict=True):
        assert torch.equal(one, other)


def test_a_group_added_later_starts_its_own_warm_up():
    params = parameters(starts())
    optimizer = AdaShift(params[:1], lr=0.1, n=3)
    values = gradients(12)
    for t in range(12):
        if t == 5:
            optimizer.add_param_group({"params": params[1:], "n": 4})
        set_gradients(params, values[t])
        optimizer.step()
        moved = [
            not np.array_equal(p.detach().numpy(), s) for p, s in zip(params, starts(), strict=True)
        ]
        assert moved == [t >= 3, *[t >= 9] * (len(params) - 1)]


def test_gradients_are_left_as_they_are():
    for spatial in PHI:
        params = parameters(starts())
        optimizer = AdaShift(params, n=1, betas=(0.0, 0.9), spatial=spatial)
        for values in gradients(4):
            set_gradients(params, values)
            optimizer.step()
            for param, value in zip(params, values, strict=True):
                np.testing.assert_array_equal(param.grad.numpy(), value)


def test_the_gradient_is_copied_not_kept():
    """zero_grad(set_to_none=False) writes zeros into the same tensor; the queue must not see
    them."""
    results = []
    for in_place in (True, False):
        params = parameters(starts())
        optimizer = AdaShift(params, lr=0.1, n=2)
        for values in gradients(8):
            set_gradients(params, values)
            optimizer.step()
            optimizer.zero_grad(set_to_none=not in_place)
            if in_place:
                assert all((param.grad == 0).all() for param in params)
        results.append(params)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_a_closure_is_evaluated_with_gradients_and_its_value_returned():
    theta = nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
    optimizer = AdaShift([theta], lr=0.1, n=1, betas=(0.0, 0.9), spatial="none", eps=0.0)

    def closure():
        optimizer.zero_grad()
        loss = (theta**2).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 13
        assert optimizer.step(closure).item() == 13  # nothing had moved
    assert theta.tolist() == pytest.approx([2.9, -1.9], rel=0, abs=1e-15)
    assert optimizer.step() is None


@pytest.mark.parametrize("foreach", [True, False])
def test_gradients_of_the_parameters_themselves(foreach):
    """f = θ' A θ / 2 with curvature 1 to 10, 60 steps: the gradients follow the path, as in
    training."""
    a, start = np.diag([1.0, 3.0, 10.0]) + 0.1, np.array([1.0, -2.0, 0.5])
    settings = {"n": 3, "m": None, "betas": (0.9, 0.999), "spatial": "max", "eps": 1e-10}
    loop, theta = AdaShiftLoop(start, **settings), nn.Parameter(torch.tensor(start))
    optimizer = AdaShift([theta], lr=0.01, foreach=foreach, **settings)
    for _ in range(60):
        loop.step(a @ loop.theta, 0.01)
        optimizer.zero_grad()
        (theta @ torch.tensor(a) @ theta / 2).backward()
        optimizer.step()
    assert np.abs(loop.theta - start).max() > 0.1
    np.testing.assert_allclose(theta.detach().numpy(), loop.theta, rtol=0, atol=1e-12)


def test_steps_stay_exact_over_many_updates():
    """float64, 800 steps of one number at β2 = 0.999: the recursion of v keeps to its closed
    form."""
    steps = 800
    values = [g[0] for g in gradients(steps, ((),))]
    theta = nn.Parameter(torch.zeros((), dtype=torch.float64))
    optimizer = AdaShift([theta], lr=1.0, n=2, betas=(0.5, 0.999), spatial="none", eps=0.0)
    for value in values[:-1]:
        theta.grad = torch.tensor(value)
        optimizer.step()
    before = theta.item()
    theta.grad = torch.tensor(values[-1])
    optimizer.step()
    powers = 0.999 ** np.arange(steps - 2)[::-1]
    v = (powers * np.array(values[:-2]) ** 2).sum() / powers.sum()
    mean = (values[-1] + 0.5 * values[-2]) / 1.5
    assert before - theta.item() == pytest.approx(
        mean / sqrt(v), rel=1e-11, abs=1e-14 * abs(before)
    )
    assert optimizer.state[theta]["step"].item() == steps
    assert STEPS >= 40  # of the grid above
