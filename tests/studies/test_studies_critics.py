"""One step of a critic between two fixed laws, by hand; its state; its gradient."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gan_lab.architectures import MLP
from gan_lab.losses import fisher, least_squares, wasserstein
from gan_lab.optim import ExtraAdam
from gan_lab.penalties import (
    GradientPenalty,
    MaxGradientPenalty,
    Penalty,
    SpectralNorm,
    WeightClipping,
)
from gan_lab.studies.critics import CriticTraining
from gan_lab.training.state import load_state, save_state
from gan_lab.types import DataSpec
from helpers.registry import instantiate, options

LR = 0.1


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def critic_of(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def batch(seed: int) -> tuple[Tensor, Tensor]:
    draw = rng(seed)
    real = torch.randn(6, 2, generator=draw, dtype=torch.float64)
    return real, torch.randn(6, 2, generator=draw, dtype=torch.float64) + 1


def training_of(penalty: Penalty, loss=None, optimizer=None, seed: int = 0) -> CriticTraining:
    make = functools.partial(torch.optim.SGD, lr=LR) if optimizer is None else optimizer
    return CriticTraining(critic_of(seed), loss or wasserstein(), penalty, make)


# One step by hand ---------------------------------------------------------------------------------


def norms(critic: nn.Module, points: Tensor) -> Tensor:
    points = points.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return slopes.square().sum(dim=1).sqrt()


def interpolated(real: Tensor, fake: Tensor, seed: int) -> Tensor:
    u = torch.rand((len(real), 1), generator=rng(seed), dtype=real.dtype)
    return u * real + (1 - u) * fake


TERMS = {
    "none": (Penalty, lambda critic, real, fake: torch.zeros(())),
    "gp": (
        lambda: GradientPenalty(weight=2.0, target=1.0),
        lambda critic, real, fake: 2 * (norms(critic, interpolated(real, fake, 9)) - 1).pow(2).mean(),
    ),
    "maxgp": (
        lambda: MaxGradientPenalty(weight=2.0),
        lambda critic, real, fake: 2 * norms(critic, interpolated(real, fake, 9)).max().pow(2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TERMS)
def test_a_step_is_one_of_gradient_descent_on_loss_and_penalty(name):
    """wasserstein: E[f(fake)] - E[f(real)]; plain gradient descent by torch.autograd."""
    make, term = TERMS[name]
    training, mine = training_of(make()), critic_of()
    real, fake = batch(1)
    logged = training.step(real, fake, rng(9))

    value = mine(fake).mean() - mine(real).mean()
    penalty = term(mine, real, fake)
    slopes = torch.autograd.grad(value + penalty, list(mine.parameters()))
    for weight, slope, its in zip(
        mine.parameters(), slopes, training.critic.parameters(), strict=True
    ):
        torch.testing.assert_close(its, weight - LR * slope, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(logged["critic_loss"], value.detach(), rtol=1e-12, atol=0)
    assert logged["penalty"].item() == pytest.approx(penalty.item(), rel=1e-12)
    assert not logged["critic_loss"].requires_grad


def test_two_steps_of_adam_are_torchs_own_and_least_squares_by_hand():
    """least_squares: E[f(fake)^2] + E[(f(real) - 1)^2] with the targets 0 and 1."""
    adam = functools.partial(torch.optim.Adam, lr=LR)
    training, mine = training_of(Penalty(), least_squares(), adam), critic_of()
    its = adam(mine.parameters())
    for seed in (1, 2):
        real, fake = batch(seed)
        training.step(real, fake, rng())
        its.zero_grad()
        (mine(fake).square().mean() + (mine(real) - 1).square().mean()).backward()
        its.step()
    for one, other in zip(training.critic.parameters(), mine.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", TERMS)
def test_an_optimizer_that_looks_ahead_takes_its_second_gradient_there(name):
    """With an eps so large d is gradient / eps: θ - r g(θ - r g(θ)), on the same interpolates."""
    make, term = TERMS[name]
    extra = functools.partial(ExtraAdam, lr=LR * 1e9, betas=(0.0, 0.0), eps=1e9)
    training, mine = training_of(make(), optimizer=extra), critic_of()
    origin = [weight.detach().clone() for weight in mine.parameters()]
    real, fake = batch(1)
    training.step(real, fake, rng(9))

    for _ in range(2):
        value = mine(fake).mean() - mine(real).mean() + term(mine, real, fake)
        slopes = torch.autograd.grad(value, list(mine.parameters()))
        with torch.no_grad():
            for weight, start, slope in zip(mine.parameters(), origin, slopes, strict=True):
                weight.copy_(start - LR * slope)
    for its, weight in zip(training.critic.parameters(), mine.parameters(), strict=True):
        torch.testing.assert_close(its, weight, rtol=1e-7, atol=1e-9)


def test_clipping_comes_after_the_step():
    training, mine = training_of(WeightClipping(0.05)), critic_of()
    real, fake = batch(1)
    training.step(real, fake, rng())
    value = mine(fake).mean() - mine(real).mean()
    slopes = torch.autograd.grad(value, list(mine.parameters()))
    for weight, slope, its in zip(
        mine.parameters(), slopes, training.critic.parameters(), strict=True
    ):
        torch.testing.assert_close(its, (weight - LR * slope).clamp(-0.05, 0.05))


def test_a_spectral_critic_trains_what_stands_below_the_norm():
    """After steps enough for the power iteration its layers have the largest singular value 1."""
    training = training_of(SpectralNorm())
    before = [weight.detach().clone() for weight in training.critic.parameters()]
    for seed in range(60):
        training.step(*batch(seed), rng())
    after = list(training.critic.parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    training.critic.eval()
    points = batch(99)[0]
    slopes = training.gradient(points).square().sum(dim=1).sqrt()
    assert slopes.max() <= 1 + 1e-6  # tanh is 1-Lipschitz


def test_a_gradient_is_of_the_score_and_leaves_the_critic_as_it_was():
    training = training_of(Penalty())
    training.critic.train()
    points = batch(3)[0]
    slopes, step = training.gradient(points), 1e-6
    for axis in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[axis] = step
        difference = training.values(points + shift) - training.values(points - shift)
        torch.testing.assert_close(slopes[:, axis], difference / (2 * step), rtol=1e-6, atol=1e-9)
    assert training.critic.training
    assert not points.requires_grad
    assert all(weight.grad is None for weight in training.critic.parameters())


@pytest.mark.parametrize("name", ["none", "spectral"])
def test_a_look_changes_nothing_of_a_step(name):
    """The power iteration of spectral normalisation moves in training mode alone."""
    ends = []
    for looks in (0, 3):
        training = training_of(instantiate("penalty", name))
        for seed in range(3):
            for _ in range(looks):
                training.gradient(batch(7)[0])
                training.values(batch(7)[0])
            training.step(*batch(seed), rng(seed))
        ends.append(list(training.critic.state_dict().values()))
    for one, other in zip(*ends, strict=True):
        assert torch.equal(one, other)


# State --------------------------------------------------------------------------------------------


def through_a_file(training: CriticTraining, path: Path) -> dict:
    """The state, as a checkpoint keeps it."""
    save_state({"study": training.state_dict()}, path)
    return load_state(path)["study"]


def goes_on_alike(make, path: Path) -> None:
    """Three steps, a file, and three more: the same numbers as six steps, to the last bit."""
    whole, first, second = make(0), make(0), make(1)
    for seed in range(3):
        whole.step(*batch(seed), rng(seed))
        first.step(*batch(seed), rng(seed))
    second.load_state_dict(through_a_file(first, path))
    for seed in range(3, 6):
        assert whole.step(*batch(seed), rng(seed)) == second.step(*batch(seed), rng(seed))
    for one, other in zip(whole.critic.parameters(), second.critic.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", options("penalty"))
def test_a_state_goes_through_a_file_with_every_penalty(name, tmp_path):
    adam = functools.partial(torch.optim.Adam, lr=1e-2)
    goes_on_alike(
        lambda seed: training_of(instantiate("penalty", name), None, adam, seed), tmp_path / "state"
    )


def test_a_state_has_the_points_of_largest_slope(tmp_path):
    goes_on_alike(
        lambda seed: training_of(MaxGradientPenalty(weight=1.0, memory=4), seed=seed),
        tmp_path / "state",
    )


@pytest.mark.parametrize("name", options("optimizer"))
def test_a_state_goes_through_a_file_with_every_optimizer(name, tmp_path):
    make = functools.partial(instantiate, "optimizer", name)
    goes_on_alike(lambda seed: training_of(Penalty(), None, make, seed), tmp_path / "state")


def test_a_state_has_the_multiplier_of_a_loss(tmp_path):
    """Fisher's is of the loss, not of the critic; a large rho moves it visibly."""
    goes_on_alike(
        lambda seed: training_of(Penalty(), fisher(rho=0.5), seed=seed), tmp_path / "state"
    )


def test_a_critic_of_the_lab_takes_the_line():
    line = DataSpec("line", "points", (1,), 1, ("all",))
    training = CriticTraining(
        MLP(1, 4, "relu").critic(line, outputs=1),
        least_squares(),
        Penalty(),
        functools.partial(torch.optim.SGD, lr=LR),
    )
    points = torch.linspace(-1, 1, 5).unsqueeze(1)
    assert training.values(points).shape == (5,)
    assert training.gradient(points).shape == (5, 1)
