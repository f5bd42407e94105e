"""The Dirac-GAN as it trains against its recurrence in gan_lab.theory."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from gan_lab import build
from gan_lab.architectures import Dirac
from gan_lab.data.resident import ResidentData, ResidentLoader
from gan_lab.errors import UserError
from gan_lab.theory import DiracGAN, game_trajectory
from gan_lab.types import DataSpec
from helpers.gan_runs import compose

STEPS = 60
LINE = DataSpec("line", "points", (1,), 1, ("all",))


class Trainer:
    """As much of Lightning's Trainer as the module asks for."""

    def __init__(self, optimizers):
        self.optimizers = optimizers


@functools.cache
def trained(*overrides: str) -> np.ndarray:
    """(θ, ψ) before and after each generator step of experiment=dirac_gan, in float64."""
    config = compose("experiment=dirac_gan", f"max_generator_steps={STEPS}", *overrides)
    data = build.loaded(config.dataset, config.data_cache)
    gan = build.gan(config, data.spec, data).double()
    trainer = Trainer(gan.configure_optimizers())
    gan.trainer = trainer

    path = [(gan.generator.theta.item(), gan.critic.weight.item())]
    loader = ResidentLoader(ResidentData.place(data, "cpu"), 1, 1, 0, stop=STEPS)
    for batch, (real, labels) in enumerate(loader):
        gan.training_step((real.double(), labels), batch)
        path.append((gan.generator.theta.item(), gan.critic.weight.item()))
    return np.array(path)


@pytest.mark.parametrize(
    ("overrides", "game"),
    [
        ([], DiracGAN()),
        (["penalty=r1", "penalty.weight=0.5"], DiracGAN(penalty=1.0)),
        (["loss=wasserstein"], DiracGAN("wasserstein")),
    ],
    ids=["vanilla", "r1", "wasserstein"],
)
def test_it_trains_as_the_alternating_updates_of_theory(overrides, game):
    """The critic moves first here and the point there: from (θ_0, ψ_1) on they are one sequence,
    with ψ of the other sign."""
    path = trained(*overrides)
    theta, psi = path[:, 0], path[:, 1]
    expected = game_trajectory(game, "alternating", [theta[0], -psi[1]], 0.1, STEPS - 1)
    np.testing.assert_allclose(theta[:-1], expected.u[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(psi[1:], -expected.v[:, 0], rtol=0, atol=1e-12)


def test_the_point_circles_without_a_penalty_and_comes_with_one():
    """Mescheder et al. 2018, Lemma 2.4 and Theorem 4.1: the radius stays, or decays."""
    circling = np.linalg.norm(trained(), axis=1)
    coming = np.linalg.norm(trained("penalty=r1", "penalty.weight=0.5"), axis=1)
    assert circling.min() > 1.2
    assert coming[-1] < 0.5 * coming[0]


def test_networks_begin_where_they_are_told_and_refuse_what_they_cannot_be():
    plane = DataSpec("plane", "points", (2,), 1, ("all",))
    made = Dirac(theta=0.5, psi=-2.0)
    points = made.generator(plane)(torch.randn(3, 1))
    assert points.tolist() == [[0.5, 0.5]] * 3
    assert made.critic(plane, 1)(points).flatten().tolist() == [-2.0] * 3
    with pytest.raises(UserError, match="no class to aim at"):
        made.generator(LINE, conditions=10)
