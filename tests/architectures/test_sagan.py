"""The self-attention GAN against the ResNet, an attention in numpy, and counts by hand; its class-
conditional batch norm and its projection critic."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from gan_lab import build, config
from gan_lab.architectures import SAGAN, ConditionalBatchNorm2d, ResNet, frozen_statistics
from gan_lab.architectures.sagan import Attention
from gan_lab.data import load
from gan_lab.data.digits import Digits
from gan_lab.errors import UserError
from gan_lab.losses import ProjectedLoss, am_gan, hinge, relativistic
from gan_lab.penalties import SpectralNorm
from helpers.gan_runs import compose
from helpers.table_2_3 import count, images

SMALL = {"channels": 16, "latent_dim": 5}


def attention_by_loops(attention: Attention, x: np.ndarray) -> np.ndarray:
    """Zhang et al. 2019, section 3, position by position; x (n, C, H, W)."""
    matrix = {
        name: layer.weight.detach().numpy()[:, :, 0, 0]
        for name, layer in attention.named_children()
    }
    n, channels, height, width = x.shape
    y = np.empty_like(x)
    for sample in range(n):
        points = x[sample].reshape(channels, -1).T
        for i, point in enumerate(points):
            scores = np.array(
                [(matrix["query"] @ point) @ (matrix["key"] @ other) for other in points]
            )
            shares = np.exp(scores) / np.exp(scores).sum()
            attended = sum(
                share * (matrix["value"] @ other)
                for share, other in zip(shares, points, strict=True)
            )
            moved = point + attention.gamma.item() * (matrix["output"] @ attended)
            y[sample, :, i // width, i % width] = moved
    assert height * width == len(points)
    return y


def test_attention_equals_numpy():
    torch.manual_seed(0)
    attention = Attention(16).double()
    nn.init.constant_(attention.gamma, 0.7)
    x = torch.randn(2, 16, 3, 4, dtype=torch.float64)
    expected = attention_by_loops(attention, x.numpy())
    np.testing.assert_allclose(attention(x).detach().numpy(), expected, rtol=0, atol=1e-12)
    assert np.abs(expected - x.numpy()).max() > 0.1


@pytest.mark.parametrize("spec", [images(1, 8), images(3, 32)])
def test_with_a_gate_of_zero_it_is_the_resnet_bit_for_bit(spec):
    """Same seed, same weights; then the gate opens, and both networks differ."""
    z, x = torch.randn(3, 5), torch.randn(3, *spec.shape)
    outputs = []
    for architecture in (ResNet(**SMALL), SAGAN(**SMALL)):
        for make, inputs in (
            (architecture.generator, (spec,)),
            (architecture.critic, (spec, 2)),
        ):
            torch.manual_seed(1)
            outputs.append(make(*inputs))
    plain_generator, plain_critic, generator, critic = outputs
    assert torch.equal(generator(z), plain_generator(z))
    assert torch.equal(critic(x), plain_critic(x))
    for network, plain, inputs in ((generator, plain_generator, z), (critic, plain_critic, x)):
        nn.init.constant_(network.attention.gamma, 1.0)
        assert not torch.allclose(network(inputs), plain(inputs))


@pytest.mark.parametrize(
    ("side", "asked", "in_generator", "in_critic"),
    [
        (32, 16, 16, 16),
        (32, 8, 8, 8),
        (32, 64, 32, 16),
        (8, 16, 8, 4),
        (8, 4, 4, 4),
        (64, 1, 4, 8),
    ],
)
def test_where_it_attends(side, asked, in_generator, in_critic):
    architecture, spec = SAGAN(**SMALL, attention_side=asked), images(3, side)
    seen = []
    for network, inputs in (
        (architecture.generator(spec), torch.randn(2, 5)),
        (architecture.critic(spec, 1), torch.randn(2, *spec.shape)),
    ):
        network.attention.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[2]))
        network(inputs)
    assert seen == [in_generator, in_critic]


def test_parameters_by_hand():
    """At 32 pixels and 128 channels: 1,204,483 and 1,053,825 of Table 2-3; attention has three times
    128·16, once 16·128, and γ. By class: six norms of 2·10·128 in place of 2·128. The projection:
    10·128."""
    spec, attention = images(3, 32), 4 * 128 * 16 + 1
    assert count(SAGAN().generator(spec)) == 1_204_483 + attention
    assert count(SAGAN().critic(spec, 1)) == 1_053_825 + attention
    conditional = SAGAN(conditional_batch_norm=True, projection=True)
    by_class = 6 * (2 * 10 * 128 - 2 * 128)
    assert count(conditional.generator(spec, 10)) == 1_204_483 + attention + by_class
    assert count(conditional.critic(spec, 10)) == 1_053_825 + attention + 10 * 128


def test_conditional_batch_norm_is_batch_norm_with_the_gain_and_bias_of_the_class():
    torch.manual_seed(0)
    norm = ConditionalBatchNorm2d(3, classes=2).double()
    nn.init.normal_(norm.gain)
    nn.init.normal_(norm.bias)
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    classes = torch.tensor([0, 1, 1, 0])
    y = norm(x, torch.eye(2, dtype=torch.float64)[classes]).detach().numpy()
    values = x.numpy()
    mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3))
    plain = (values - mean[:, None, None]) / np.sqrt(variance + 1e-3)[:, None, None]
    gain, bias = (p.detach().numpy()[classes.numpy()] for p in (norm.gain, norm.bias))
    expected = plain * gain[:, :, None, None] + bias[:, :, None, None]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


def test_the_class_enters_the_generator_through_batch_norm_alone():
    spec = images(1, 8)
    generator = SAGAN(**SMALL, conditional_batch_norm=True).generator(spec, 3)
    assert generator.linear.in_features == 5
    z = torch.randn(1, 5).repeat(3, 1)
    inputs = torch.cat([z, torch.eye(3)], 1)
    generator.eval()
    assert torch.equal(*generator(inputs)[:2])  # gains 1 and biases 0 at the beginning
    nn.init.normal_(generator.blocks[0].norm1.gain)
    assert not torch.allclose(*generator(inputs)[:2])


def test_the_projection_critic_is_psi_plus_an_inner_product():
    torch.manual_seed(0)
    critic, x = (
        SAGAN(**SMALL, projection=True).critic(images(1, 8), 3).double(),
        torch.rand(4, 1, 8, 8),
    )
    seen = []
    critic.output.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    logits = critic(x.double())
    (features,) = seen
    psi = features @ critic.output.weight[0] + critic.output.bias
    for label in range(3):
        expected = psi + features @ critic.embedding.weight[label]
        torch.testing.assert_close(logits[:, label], expected, rtol=0, atol=1e-12)


def test_a_projected_loss_is_the_loss_of_each_samples_own_logit():
    real, fake = torch.randn(4, 3), torch.randn(5, 3)
    labels, targets = torch.tensor([0, 2, 1, 2]), torch.tensor([1, 1, 0, 2, 2])
    own_real = torch.stack([row[k] for row, k in zip(real, labels, strict=True)])
    own_fake = torch.stack([row[k] for row, k in zip(fake, targets, strict=True)])
    projected = ProjectedLoss(hinge())
    assert projected.outputs(3) == 3
    assert torch.equal(
        projected.critic(real, fake, labels, targets), hinge().critic(own_real, own_fake)
    )
    assert torch.equal(projected.generator(fake, targets), hinge().generator(own_fake))
    for other in (relativistic(), am_gan()):
        with pytest.raises(UserError, match=r"^loss: a projection takes"):
            ProjectedLoss(other)
    with pytest.raises(UserError, match=r"^num_classes=1: "):
        projected.outputs(1)


def test_conditional_batch_norm_without_classes_is_refused():
    with pytest.raises(UserError, match=r"set architecture\.conditional_batch_norm=false"):
        SAGAN(conditional_batch_norm=True).generator(images(3, 32))


# Spectral norm in the generator -------------------------------------------------------------------


def test_spectral_norm_of_the_generator():
    """Largest singular values near 1 after many passes; frozen passes move no vector."""
    torch.manual_seed(0)
    penalty, plain = SpectralNorm(n_power_iterations=30, generator=True), SAGAN(**SMALL)
    generator = penalty.wrap_generator(plain.generator(images(1, 8)))
    z = torch.randn(6, 5)
    with frozen_statistics(generator):
        before = copy.deepcopy(generator.state_dict())
        generator(z)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    generator(z)
    assert any(
        not torch.equal(value, before[name]) for name, value in generator.state_dict().items()
    )
    layers = [m for m in generator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert layers
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.01)
    untouched = SpectralNorm().wrap_generator(plain.generator(images(1, 8)))
    assert not any(parametrize.is_parametrized(module) for module in untouched.modules())


# In a config --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return load(Digits(), None)


def test_the_published_setting_composes(digits):
    """experiment=sagan with both conditional fields: what is made of it."""
    job = compose(
        "experiment=sagan",
        "labels=predefined",
        "architecture.conditional_batch_norm=true",
        "architecture.projection=true",
    )
    config.check(job)
    gan = build.gan(job, digits.spec, digits)
    assert isinstance(gan.loss, ProjectedLoss)
    assert gan.own_classes == 10
    assert not gan.classes_by_critic
    generator, critic = gan.configure_optimizers()
    rates = [optimizer.param_groups[0]["lr"] for optimizer in (generator, critic)]
    assert rates == [1e-4, 4e-4]
    assert [list(optimizer.param_groups[0]["betas"]) for optimizer in (generator, critic)] == [
        [0.0, 0.9]
    ] * 2
    assert gan.settings.n_critic == 1
    for network in (gan.generator, gan.critic):
        assert parametrize.is_parametrized(network.attention.query)


PROJECTION = ("architecture=sagan", "architecture.projection=true", "labels=predefined")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["architecture=sagan", "architecture.projection=true"], "add labels=predefined or"),
        ([*PROJECTION, "penalty=gp"], "add penalty=spectral, or set architecture.projection=false"),
    ],
)
def test_pairs_that_do_not_fit_are_refused_before_torch(typed, words):
    with pytest.raises(UserError, match=words):
        config.check(compose(*typed))


@pytest.mark.parametrize(
    ("loss", "classes", "words"),
    [
        ("relativistic", 10, "architecture.projection=true takes a loss.*: add loss=hinge"),
        ("hinge", 1, "architecture.projection=true judges.*set architecture.projection=false"),
    ],
)
def test_a_config_has_the_field_that_asks_for_a_projection(loss, classes, words, digits):
    job = compose(*PROJECTION, "penalty=spectral", f"loss={loss}")
    with pytest.raises(UserError, match=words):
        build.gan(job, replace(digits.spec, num_classes=classes))


def test_missing_labels_are_refused(digits):
    job = compose(
        *PROJECTION, "penalty=spectral", "loss=hinge", "supervision.labelled_fraction=0.5"
    )
    config.check(job)
    with pytest.raises(UserError, match=r"set supervision\.labelled_fraction=1, or"):
        build.gan(job, digits.spec, digits)
