"""Progressive growing: its schedule by hand, fades that are continuous, counts by hand, layers in
numpy, and runs that stop in the middle of a fade."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from gan_lab import config
from gan_lab.architectures import Progressive
from gan_lab.architectures.progressive import EqualConv2d, MinibatchDeviation, growth
from gan_lab.errors import UserError
from gan_lab.penalties import GradientPenalty
from helpers.gan_runs import Killed, compose, kill_after, resume, train, weights
from helpers.table_2_3 import count, images

SMALL = Progressive(channels=6, latent_dim=5, phase_steps=10)
SPEC = images(3, 16)


def both(architecture=SMALL, spec=SPEC):
    """The generator with latents, the critic with samples, in float64."""
    torch.manual_seed(0)
    yield architecture.generator(spec).double(), torch.randn(3, 5, dtype=torch.float64)
    yield (
        architecture.critic(spec, 2).double(),
        torch.rand(3, *spec.shape, dtype=torch.float64) * 2 - 1,
    )


def test_the_schedule_by_hand():
    """Ten steps at 4, ten of fading to 8, ten at 8, ten of fading to 16, then 16 for ever."""
    expected = (
        [(0, 1.0)] * 10
        + [(1, i / 10) for i in range(10)]
        + [(1, 1.0)] * 10
        + [(2, i / 10) for i in range(10)]
        + [(2, 1.0)] * 20
    )
    assert [growth(step, phase_steps=10, doublings=2) for step in range(60)] == expected


def test_a_fade_begins_with_the_network_before_and_ends_with_the_grown_one():
    """Both networks at both doublings: α = 0 is the end of the phase before, α = 1 the settled one,
    and in between the output moves by no more than α does."""
    for network, inputs in both():
        for fade in (10, 30):
            network.grow(fade - 1)
            before = network(inputs)
            network.grow(fade)
            assert network.fading
            torch.testing.assert_close(network(inputs), before, rtol=0, atol=1e-12)
            path = [before]
            for alpha in np.linspace(0.01, 1, 100):
                network.alpha.fill_(alpha)
                path.append(network(inputs))
            network.grow(fade + 10)
            assert not network.fading
            torch.testing.assert_close(network(inputs), path[-1], rtol=0, atol=1e-12)
            whole = (path[-1] - before).abs().max()
            steps = [(b - a).abs().max() for a, b in itertools.pairwise(path)]
            assert whole > 1e-3
            assert max(steps) < 0.1 * (whole + 1)


def test_what_is_drawn_has_the_resolution_of_the_phase():
    """Squares of equal pixels, which the critic's means undo."""
    (generator, z), (critic, x) = both()
    for step, square in ((0, 4), (20, 2), (40, 1)):
        generator.grow(step)
        image = generator(z)
        blocks = image.reshape(3, 3, 16 // square, square, 16 // square, square)
        spread = blocks.amax((3, 5)) - blocks.amin((3, 5))
        assert spread.max() == 0
        critic.grow(step)
        averaged = x.reshape(blocks.shape).mean((3, 5), keepdim=True).expand(blocks.shape)
        torch.testing.assert_close(critic(averaged.reshape(x.shape)), critic(x), rtol=0, atol=1e-12)


def test_networks_that_nobody_told_a_step_are_grown():
    for network, inputs in both():
        untold = network(inputs)
        network.grow(10_000)
        assert torch.equal(network(inputs), untold)


def test_parameters_by_hand():
    """C = 6, 16 pixels. Generator: 5·96 + 96; 3×3 of 6·6·9 + 6, five of them; to the image three of
    6·3 + 3. Critic: from it three of 3·6 + 6; five 3×3; 96·6 + 6; 6·2 + 2."""
    (generator, _), (critic, _) = both()
    three = 6 * 6 * 9 + 6
    assert count(generator) == 5 * 96 + 96 + 5 * three + 3 * (6 * 3 + 3)
    assert count(critic) == 3 * (3 * 6 + 6) + 5 * three + 96 * 6 + 6 + 6 * 2 + 2
    deviating = Progressive(channels=6, minibatch_deviation=True).critic(SPEC, 2)
    assert count(deviating) == count(critic) + 6 * 9


def test_equalised_weights():
    """W ~ N(0, 1), used as W sqrt(2 / fan_in): a unit input has about a second moment of 2."""
    torch.manual_seed(0)
    layer = EqualConv2d(64, 64, 3).double()
    x = torch.randn(4, 64, 16, 16, dtype=torch.float64)
    assert layer.weight.std().item() == pytest.approx(1, abs=0.01)
    assert layer(x)[..., 1:-1, 1:-1].square().mean().item() == pytest.approx(2, rel=0.1)
    plain = nn.functional.conv2d(x, layer.weight * (2 / (64 * 9)) ** 0.5, padding=1)
    torch.testing.assert_close(layer(x), plain)


def test_minibatch_deviation_in_numpy():
    x = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    out = MinibatchDeviation()(x).numpy()
    np.testing.assert_array_equal(out[:, :3], x.numpy())
    expected = np.sqrt(x.numpy().var(axis=0) + 1e-8).mean()
    np.testing.assert_allclose(out[:, 3], expected, rtol=0, atol=1e-12)


def test_minibatch_deviation_and_gradient_penalties_are_refused():
    typed = ["architecture=progressive", "architecture.minibatch_deviation=true", "penalty=gp"]
    with pytest.raises(UserError, match=r"minibatch deviation mixes samples; add penalty=none, "):
        config.check(compose(*typed))
    config.check(compose(*typed, "architecture.minibatch_deviation=false"))
    config.check(compose(*typed, "penalty=spectral"))
    critic = Progressive(channels=6, minibatch_deviation=True).critic(SPEC, 1)
    with pytest.raises(UserError, match=r"minibatch deviation \(deviation\) mixes samples"):
        GradientPenalty().wrap(critic)


RUN = ("architecture=progressive", "architecture.channels=6", "architecture.phase_steps=4")
RUN += ("max_generator_steps=7", "n_critic=1", "checkpoint_every=1", "log_every=1")


def test_a_run_that_stops_within_a_fade_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    """Killed after six steps, at α = 1/2 of the fade from 4 to 8 pixels."""
    whole = train(tmp_path / "whole", *RUN)
    kill_after(monkeypatch, 6)
    with pytest.raises(Killed):
        train(tmp_path / "killed", *RUN)
    resume(tmp_path / "killed")
    assert weights(tmp_path / "killed") == weights(whole)


def test_saved_runs_are_as_grown_as_they_were(tmp_path):
    """Two steps at 4 pixels: what is drawn of the run has squares of four equal pixels."""
    import gan_lab

    run_dir = train(tmp_path / "run", *RUN, "max_generator_steps=2")
    drawn = gan_lab.load_generator(run_dir, device="cpu")
    values = drawn.sample(3).reshape(3, 1, 4, 2, 4, 2)
    assert (values.amax((3, 5)) - values.amin((3, 5))).max() == 0
    assert drawn.gan.generator_steps == 2
