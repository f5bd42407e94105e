"""What is measured of a GAN beside its training: by hand, by the theory of games, and without a
trace."""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.func import functional_call

from gan_lab import build, config
from gan_lab.data import Digits, load
from gan_lab.data.resident import ResidentData
from gan_lab.errors import UserError
from gan_lab.losses import wasserstein
from gan_lab.losses.targets import NoTargets
from gan_lab.optim.schedules import Constant
from gan_lab.penalties import MaxGradientPenalty, NoPenalty
from gan_lab.theory import local_nash
from gan_lab.training import GAN, TrainingSettings
from gan_lab.training.diagnostics import (
    CriticOutputs,
    FixedBatch,
    Stationarity,
    fixed_batch,
    without_a_trace,
)
from gan_lab.training.gan import Latent
from helpers.gan_runs import compose

SETTINGS = TrainingSettings(
    seed=0,
    n_critic=1,
    batch_size=2,
    generator_batch_size=2,
    max_generator_steps=7,
    latent_dim=2,
    ema_decay=0.9,
    log_every=1,
)


def small_gan(generator, critic, penalty):
    """A WGAN of these networks."""
    sgd = functools.partial(torch.optim.SGD, lr=0.1)
    parts = (wasserstein(), penalty, NoTargets(1), sgd, sgd, Constant())
    return GAN(generator, critic, *parts, SETTINGS)


@pytest.fixture(scope="module")
def linear():
    """g(z) = z, f(x) = (3, 4) x with λ max ‖∇f‖², λ = 1/2; reals of mean (2, 1), z of mean (1, 1)."""
    generator, critic = nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        generator.weight.copy_(torch.eye(2))
        critic.weight.copy_(torch.tensor([[3.0, 4.0]]))
    real, z = torch.tensor([[1.0, 0.0], [3.0, 2.0]]), torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    noise = (torch.tensor([0.25, 0.75]),)
    batch = FixedBatch(real, torch.zeros(2, dtype=torch.int64), Latent(z, None), noise)
    return small_gan(generator, critic, MaxGradientPenalty(0.5)), batch


def test_stationarity_by_hand(linear):
    """∇_D = mean fake - mean real + 2 λ v = (-1, 0) + (3, 4), of square 20. ∇_G = -v ⊗ mean z, of
    square 25 · 2."""
    found = {name: value.item() for name, value in Stationarity().measure(*linear).items()}
    assert found == {
        "stationarity": pytest.approx(70),
        "stationarity_generator": pytest.approx(50),
        "stationarity_critic": pytest.approx(20),
    }


def test_critic_outputs_by_hand(linear):
    """(3, 4) · (2, 1) and (3, 4) · (1, 1)."""
    found = CriticOutputs().measure(*linear)
    assert {name: value.item() for name, value in found.items()} == {
        "output_real": 10,
        "output_fake": 7,
    }


def test_stationarity_is_that_of_the_theory_of_games():
    """V(u, v) = E f(x) - E f(g(z)) of small networks, as functions of their parameters alone."""
    torch.manual_seed(0)
    networks = [
        nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, out)).double() for out in (2, 1)
    ]
    gan = small_gan(*networks, NoPenalty())
    real, z = torch.randn(2, 6, 2, dtype=torch.float64)
    batch = FixedBatch(real, torch.zeros(6, dtype=torch.int64), Latent(z, None), ())

    def named(network, flat):
        parameters = dict(network.named_parameters())
        parts = flat.split([p.numel() for p in parameters.values()])
        return {
            name: part.view_as(p) for (name, p), part in zip(parameters.items(), parts, strict=True)
        }

    def value(u, v):
        generator, critic = networks
        fake = functional_call(generator, named(generator, u), (z,))
        of_real, of_fake = (
            functional_call(critic, named(critic, v), (points,)) for points in (real, fake)
        )
        return of_real.mean() - of_fake.mean()

    u, v = (nn.utils.parameters_to_vector(network.parameters()) for network in networks)
    found, expected = Stationarity().measure(gan, batch), local_nash(value, u, v)
    assert found["stationarity_generator"].item() == pytest.approx(expected.gradient_norm_u**2)
    assert found["stationarity_critic"].item() == pytest.approx(expected.gradient_norm_v**2)
    assert found["stationarity"].item() == pytest.approx(expected.stationarity)


def test_it_is_due_every_so_many_steps_and_after_the_last():
    due = []
    for step in range(1, 8):
        gan = SimpleNamespace(generator_steps=step, settings=SETTINGS)
        due += [step] if Stationarity(every=3).is_due(gan) else []
    assert due == [3, 6, 7]


@pytest.mark.parametrize("name", ["every", "samples"])
def test_a_number_out_of_range_is_refused_by_its_name(name):
    with pytest.raises(UserError, match=f"{name}=0"):
        Stationarity(**{name: 0})


# Without a trace ----------------------------------------------------------------------------------

# parts of which a pass moves something
MOVED = {
    "S_max": ("penalty=maxgp", "penalty.memory=4"),
    "spectral": ("loss=hinge", "penalty=spectral"),
    "fisher": ("loss=fisher", "penalty=none"),
    "dcgan, dropout and noise": ("architecture=dcgan", "penalty=none", "architecture.dropout=0.5"),
    "labels": ("loss=am_gan", "labels=dynamic"),
}
SMALL = {
    "resnet": ("architecture.channels=4",),
    "dcgan": ("architecture.generator_channels=4", "architecture.critic_channels=4"),
}


@pytest.fixture(scope="module")
def digits():
    return load(Digits(), None)


def made(digits, *overrides):
    kind = "dcgan" if "architecture=dcgan" in overrides else "resnet"
    cfg = compose(*SMALL[kind], *overrides)
    config.check(cfg)
    return build.gan(cfg, digits.spec, digits).train()


@pytest.mark.parametrize("overrides", MOVED.values(), ids=MOVED)
def test_nothing_is_left_behind(overrides, digits):
    """Buffers lie where they lay with the values that they had, in a second call, too."""
    gan = made(digits, *overrides)
    batch = fixed_batch(gan, ResidentData.place(digits, "cpu"), 8)
    measured = (CriticOutputs(), Stationarity())
    random_state, passes = torch.get_rng_state(), gan.passes
    before = {name: (buffer, buffer.clone()) for name, buffer in gan.named_buffers()}
    first = [one.measure(gan, batch) for one in measured]
    again = [one.measure(gan, batch) for one in measured]

    # the same numbers, whatever is random inside; and a state as it was
    assert first == again
    assert all(math.isfinite(value) for found in first for value in found.values())
    after = dict(gan.named_buffers())
    assert after.keys() == before.keys()
    for name, (buffer, values) in before.items():
        assert after[name] is buffer, name
        assert torch.equal(buffer, values) or bool(values.isnan().all()), name
    assert torch.equal(torch.get_rng_state(), random_state)
    assert gan.passes is passes
    assert all(parameter.grad is None for parameter in gan.parameters())


def test_passes_would_leave_something(digits):
    """What the test above looks for happens outside of the block."""
    gan = made(digits, *MOVED["S_max"])
    batch = fixed_batch(gan, ResidentData.place(digits, "cpu"), 8)
    objective = functools.partial(
        gan.critic_objective, batch.real, batch.labels, batch.latent, batch.noise
    )
    with without_a_trace(gan):
        objective()
        assert len(gan.penalty.s_max) == 4
    assert len(gan.penalty.s_max) == 0
    objective()
    assert len(gan.penalty.s_max) == 4


def test_the_batch_is_a_function_of_the_seed(digits):
    """Without replacement, and another one with another seed."""
    data = ResidentData.place(digits, "cpu")
    one, same, other = (
        fixed_batch(made(digits, f"seed={seed}"), data, len(data)) for seed in (0, 0, 1)
    )
    assert torch.equal(one.real, same.real)
    assert torch.equal(one.latent.z, same.latent.z)
    assert not torch.equal(one.real, other.real)
    assert not torch.equal(one.latent.z, other.latent.z)
    assert one.labels.bincount().tolist() == data.labels.bincount().tolist()


def test_a_loss_without_a_score_has_slopes_and_no_outputs(digits):
    typed = "loss=cat_gan", "penalty=none"
    gan = made(digits, *typed)
    batch = fixed_batch(gan, ResidentData.place(digits, "cpu"), 4)
    assert Stationarity().measure(gan, batch)["stationarity"].item() > 0
    config.check(compose(*typed, "diagnostics=stationarity"))
    with pytest.raises(UserError, match="add diagnostics=stationarity"):
        config.check(compose(*typed, "diagnostics=critic_outputs"))


def test_more_samples_than_there_are_are_refused(digits):
    cfg = compose("diagnostics=stationarity", "diagnostics.samples=2000")
    with pytest.raises(UserError, match=r"diagnostics\.samples=2000 .* set diagnostics\.samples="):
        build.diagnostic(cfg, digits)


def test_devices_share_the_batch():
    cfg = compose("trainer=ddp", "trainer.devices=2", "diagnostics=stationarity")
    config.check(cfg)
    cfg.diagnostics.samples = 511
    with pytest.raises(UserError, match=r"as diagnostics\.samples=512"):
        config.check(cfg)
