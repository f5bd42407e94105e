"""Optimistic Adam and extra-Adam against loops in numpy, and on the bilinear game.

With eps far above every gradient d is gradient / eps, and both are the methods of theory.games with
s = lr / eps.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gan_lab.errors import UserError
from gan_lab.optim import ExtraAdam, OptimisticAdam
from gan_lab.theory import BilinearGame, game_trajectory, update_matrix
from helpers.optim_reference import gradients, parameters, rates, run, set_gradients, starts

BETAS = [(0.0, 0.9), (0.9, 0.999), (0.5, 0.0)]
MATRIX = [[1.0, 0.4], [-0.3, 0.8]]
START = np.array([1.0, -0.5, 0.3, 0.7])
PLAIN = {"betas": (0.0, 0.0), "eps": 1e9}  # d is gradient / eps up to 1e-9 of it


class AdamDirection:
    """Kingma & Ba, Algorithm 1, for one block."""

    def __init__(self, betas, eps):
        self.betas, self.eps, self.m, self.v, self.t = betas, eps, 0.0, 0.0, 0

    def __call__(self, g):
        beta1, beta2 = self.betas
        self.t += 1
        self.m = beta1 * self.m + (1 - beta1) * g
        self.v = beta2 * self.v + (1 - beta2) * g**2
        return self.m / (1 - beta1**self.t) / (np.sqrt(self.v / (1 - beta2**self.t)) + self.eps)


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("betas", BETAS)
def test_optimistic_adam_equals_the_loop(betas, foreach):
    params = parameters(starts())
    run(OptimisticAdam(params, betas=betas, foreach=foreach), gradients(), rates())
    for i, (param, theta) in enumerate(zip(params, starts(), strict=True)):
        direction, before = AdamDirection(betas, 1e-8), 0.0
        for values, lr in zip(gradients(), rates(), strict=True):
            d = direction(values[i])
            theta = theta - lr * (2 * d - before)
            before = d
        np.testing.assert_allclose(param.detach().numpy(), theta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("betas", BETAS)
def test_extra_adam_equals_the_loop(betas, foreach):
    """Gradients in turn at θ and at θ', one pair of moments for both; 22 steps of 44 gradients."""
    params = parameters(starts())
    optimizer = ExtraAdam(params, betas=betas, foreach=foreach)
    moves = [optimizer.look_ahead, optimizer.step] * 22
    for values, lr, move in zip(gradients()[:44], rates()[:44], moves, strict=True):
        set_gradients(params, values)
        optimizer.param_groups[0]["lr"] = lr
        move()
    for i, (param, theta) in enumerate(zip(params, starts(), strict=True)):
        direction = AdamDirection(betas, 1e-8)
        for t in range(44):
            d = direction(gradients()[t][i])
            theta = theta - rates()[t] * d if t % 2 else theta
        np.testing.assert_allclose(param.detach().numpy(), theta, rtol=0, atol=1e-12)


def test_ahead_is_where_adam_would_step():
    params, others = parameters(starts()), parameters(starts())
    optimizer, adam = ExtraAdam(params, lr=0.1), torch.optim.Adam(others, lr=0.1)
    for one, move in ((params, optimizer.look_ahead), (others, adam.step)):
        set_gradients(one, gradients()[0])
        move()
    for one, other in zip(params, others, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


def play(kind, steps, lr=0.1, **fields):
    """The path of both players on the bilinear game, each with an optimizer of its own."""
    game = BilinearGame(MATRIX)
    players = [nn.Parameter(torch.tensor(part)) for part in (START[:2], START[2:])]
    optimizers = [kind([player], lr=lr, **fields) for player in players]
    path = [START]
    for _ in range(steps):
        for name in ("look_ahead", "step"):
            if not hasattr(optimizers[0], name):
                continue
            field = game.field(torch.cat(players).detach().numpy())
            for player, part, optimizer in zip(
                players, np.split(field, 2), optimizers, strict=True
            ):
                player.grad = torch.tensor(part)
                getattr(optimizer, name)()
        path.append(torch.cat(players).detach().numpy())
    return np.stack(path)


def test_extra_adam_is_extragradient_on_the_bilinear_game():
    expected = game_trajectory(BilinearGame(MATRIX), "extragradient", START, 0.3, 40)
    path = play(ExtraAdam, 40, lr=0.3e9, **PLAIN)
    np.testing.assert_allclose(path, np.concatenate([expected.u, expected.v], 1), rtol=0, atol=1e-6)
    assert expected.growth < 1


def test_optimistic_adam_is_optimistic_descent_on_the_bilinear_game():
    """F(z_{-1}) = 0 is that of z_{-1} = 0: (z_t, z_{t-1}) is the t-th power of the update's matrix."""
    matrix = update_matrix(BilinearGame(MATRIX), "optimistic", 0.3)
    path = play(OptimisticAdam, 40, lr=0.3e9, **PLAIN)
    pair = np.concatenate([START, np.zeros(4)])
    for point in path[1:]:
        pair = matrix @ pair
        np.testing.assert_allclose(point, pair[:4], rtol=0, atol=1e-6)
    assert np.linalg.norm(path[-1]) < np.linalg.norm(START)


@pytest.mark.thorough
def test_on_the_bilinear_game_both_come_closer_than_adam():
    """The mean distance from the equilibrium over the last 100 of 800 steps at 0.01, betas (0, 0.9).

    d is about ±1 whatever the distance, so none converges: Adam circles at 0.12 from a start of
    1.35, optimistic Adam at 0.03, extra-Adam at 0.015.
    """
    distances = {
        kind.__name__: np.linalg.norm(play(kind, 800, lr=0.01, betas=(0.0, 0.9)), axis=1)
        for kind in (torch.optim.Adam, OptimisticAdam, ExtraAdam)
    }
    last = {name: path[-100:].mean() for name, path in distances.items()}
    assert last["OptimisticAdam"] < last["Adam"] / 2
    assert last["ExtraAdam"] < last["Adam"] / 4


def test_a_step_alone_is_adams():
    params, others = parameters(starts()), parameters(starts())
    run(ExtraAdam(params, betas=(0.5, 0.9)), gradients(), rates())
    run(torch.optim.Adam(others, betas=(0.5, 0.9), foreach=False), gradients(), rates())
    for one, other in zip(params, others, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_parameter_without_a_second_gradient_comes_back():
    """It looked ahead, and does not take part in the step."""
    theta = nn.Parameter(torch.tensor([1.0]))
    optimizer = ExtraAdam([theta], lr=0.5)
    theta.grad = torch.tensor([2.0])
    optimizer.look_ahead()
    assert theta.item() == pytest.approx(0.5, rel=1e-6)
    theta.grad = None
    optimizer.step()
    assert theta.item() == 1.0


def test_looking_ahead_twice_is_refused():
    theta = nn.Parameter(torch.ones(1))
    optimizer = ExtraAdam([theta])
    theta.grad = torch.ones(1)
    optimizer.look_ahead()
    with pytest.raises(UserError, match=r"call step\(\) between the two"):
        optimizer.look_ahead()


def test_a_closure_is_called_ahead():
    theta = nn.Parameter(torch.ones(1))
    optimizer = ExtraAdam([theta], lr=0.5)
    theta.grad = torch.ones(1)
    optimizer.look_ahead()
    seen = []

    def closure():
        seen.append(theta.item())
        theta.grad = theta.detach().clone()
        return 7.0

    assert optimizer.step(closure) == 7.0
    assert seen == pytest.approx([0.5], rel=1e-6)
