"""The ResNet against a literal implementation of Table 2-3 that shares its state_dict, and its
counts and shapes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gan_lab.architectures import BatchNorm2d, ResNet
from gan_lab.architectures.layers import PooledConv2d, UpsampledConv2d
from helpers.table_2_3 import (
    DOWNS,
    EPS,
    UPS,
    LiteralCritic,
    LiteralGenerator,
    count,
    critic_parameters,
    generator_parameters,
    images,
)

SIZES = [(1, 8), (3, 8), (3, 16), (1, 32), (3, 32), (2, 64)]
C, Z = 6, 5
# An output passes at most 2 · 6 + 2 layers, each a sum of at most 16 (fused kernel) · 6 products.
ROUNDING = 14 * 16 * C * EPS


def assert_close(found: Tensor, expected: Tensor, factor: float = 1.0) -> None:
    """To rounding, relative to the largest entry."""
    assert found.shape == expected.shape
    torch.testing.assert_close(
        found, expected, rtol=0, atol=factor * ROUNDING * expected.abs().max().item()
    )


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights as they are; biases, scales and running statistics drawn, so that each of them
    matters."""
    rng = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            value.copy_(0.3 * torch.randn(value.shape, generator=rng))
        elif ("norm" in name and name.endswith("weight")) or name.endswith("running_var"):
            value.copy_(0.5 + torch.rand(value.shape, generator=rng))
    return module


def generators(image_channels: int, side: int) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(side + image_channels)
    ours = randomise(
        ResNet(channels=C, latent_dim=Z).generator(images(image_channels, side)).double()
    )
    literal = LiteralGenerator(Z, C, image_channels, UPS[side]).double()
    literal.load_state_dict(ours.state_dict(), strict=True)
    return ours, literal


def critics(image_channels: int, side: int, outputs: int = 1) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(side + image_channels)
    ours = randomise(ResNet(channels=C).critic(images(image_channels, side), outputs).double())
    literal = LiteralCritic(image_channels, C, DOWNS[side], outputs).double()
    literal.load_state_dict(ours.state_dict(), strict=True)
    return ours, literal


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def derivatives(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, gradient by input and by parameters, and the gradient of |gradient by input|² by all
    of them."""
    x = x.clone().requires_grad_()
    parameters = list(module.parameters())
    output = module(x)
    loss = (output * normal(*output.shape)).sum()
    first = torch.autograd.grad(loss, [x, *parameters], create_graph=True)
    second = torch.autograd.grad(
        first[0].pow(2).sum(), [x, *parameters], allow_unused=True, materialize_grads=True
    )
    return [output, *first, *second]


def assert_same_derivatives(ours: nn.Module, literal: nn.Module, x: Tensor) -> None:
    """Entries of one order are compared on the scale of the largest: a bias before a norm has
    gradient 0 and noise."""
    n = len(list(ours.parameters())) + 1
    assert [name for name, _ in ours.named_parameters()] == [
        name for name, _ in literal.named_parameters()
    ]
    found, expected = derivatives(ours, x), derivatives(literal, x)
    assert_close(found[0], expected[0])
    for i, part in enumerate((slice(1, 1 + n), slice(1 + n, None))):
        assert_close(
            *(torch.cat([t.flatten() for t in side[part]]) for side in (found, expected)),
            factor=10 ** (i + 1),
        )
        assert max(t.abs().max() for t in expected[part]) > 0


@pytest.mark.thorough
@pytest.mark.parametrize(("image_channels", "side"), SIZES)
@pytest.mark.parametrize("training", [True, False])
def test_generator_forward_and_both_backward_passes(image_channels, side, training):
    ours, literal = (module.train(training) for module in generators(image_channels, side))
    assert_same_derivatives(ours, literal, normal(3, Z))


@pytest.mark.parametrize(("image_channels", "side"), SIZES)
def test_critic_forward_and_both_backward_passes(image_channels, side):
    ours, literal = critics(image_channels, side, outputs=2)
    assert_same_derivatives(ours, literal, normal(2, image_channels, side, side))


@pytest.mark.thorough
def test_both_at_table_2_3s_own_size():
    """128 channels, 32 px, the initial weights, single precision in ours: 14 layers, sums of up to
    2,048 products."""
    torch.manual_seed(0)
    architecture, spec = ResNet(), images()
    generator, critic = architecture.generator(spec), architecture.critic(spec, 1)
    literal_generator, literal_critic = (
        LiteralGenerator(128, 128, 3, 3).double(),
        LiteralCritic(3, 128, 2, 1).double(),
    )
    literal_generator.load_state_dict(generator.state_dict())
    literal_critic.load_state_dict(critic.state_dict())
    z = normal(4, 128)
    with torch.no_grad():
        found, expected = generator(z.float()), literal_generator(z)
        scores, expected_scores = critic(expected.float()), literal_critic(expected)
    atol = 14 * 2048**0.5 * torch.finfo(torch.float32).eps
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=atol)
    torch.testing.assert_close(
        scores.double(),
        expected_scores,
        rtol=0,
        atol=atol * expected_scores.abs().max().clamp(min=1).item(),
    )


def test_parameter_counts_of_table_2_3():
    architecture = ResNet()
    assert (
        count(architecture.generator(images())) == 1_204_483 == generator_parameters(128, 128, 3, 3)
    )
    assert count(architecture.critic(images(), 1)) == 1_053_825 == critic_parameters(3, 128, 2, 1)


def test_parameter_counts_of_digits():
    """1×8×8 at 32 channels. G: 66,048 + 19,680 + 64 + 289. D: 9,632 + 2 · 18,496 + 33."""
    architecture = ResNet(channels=32)
    assert (
        count(architecture.generator(images(1, 8))) == 86_081 == generator_parameters(128, 32, 1, 1)
    )
    assert count(architecture.critic(images(1, 8), 1)) == 46_657 == critic_parameters(1, 32, 1, 1)


@pytest.mark.thorough
@pytest.mark.parametrize("image_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("side", sorted(UPS))
@pytest.mark.parametrize(
    ("channels", "latent_dim", "outputs"), [(8, 128, 1), (5, 7, 11), (1, 1, 2)]
)
def test_parameter_counts_elsewhere(image_channels, side, channels, latent_dim, outputs):
    architecture, spec = ResNet(channels, latent_dim), images(image_channels, side)
    with torch.device("meta"):
        generator, critic = architecture.generator(spec), architecture.critic(spec, outputs)
    assert count(generator) == generator_parameters(latent_dim, channels, image_channels, UPS[side])
    assert count(critic) == critic_parameters(image_channels, channels, DOWNS[side], outputs)


@pytest.mark.parametrize(
    ("side", "up_maps", "down_maps"),
    [
        (8, [8], [4, 4, 4]),
        (16, [8, 16], [8, 8, 8]),
        (32, [8, 16, 32], [16, 8, 8, 8]),
        (64, [8, 16, 32, 64], [32, 16, 8, 8, 8]),
        (128, [8, 16, 32, 64, 128], [64, 32, 16, 8, 8, 8]),
    ],
)
@pytest.mark.parametrize("image_channels", [1, 3])
def test_maps_of_every_block(side, up_maps, down_maps, image_channels):
    """Table 2-3's column of shapes, and other sizes by the rule of `ResNet`."""
    architecture, spec = ResNet(channels=4, latent_dim=3), images(image_channels, side)
    found: list[list[tuple[int, ...]]] = []
    for module, x in (
        (architecture.generator(spec), torch.randn(2, 3)),
        (architecture.critic(spec, 1), torch.randn(2, *spec.shape)),
    ):
        shapes: list[tuple[int, ...]] = []
        for block in module.blocks:
            block.register_forward_hook(
                lambda _, __, output, shapes=shapes: shapes.append(tuple(output.shape))
            )
        with torch.no_grad():
            module(x)
        found.append(shapes)
    assert found == [[(2, 4, s, s) for s in maps] for maps in (up_maps, down_maps)]


def test_normalisation_stands_in_the_generator_alone():
    """Two norms for each up block and a last one. Convolutions pass no norm in the critic, nor any
    other mixing."""
    generator, critic = (
        ResNet(channels=4).generator(images()),
        ResNet(channels=4).critic(images(), 1),
    )
    norms = [
        module
        for module in generator.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    assert len(norms) == 2 * 3 + 1
    assert all(type(norm) is BatchNorm2d for norm in norms)
    assert {(norm.eps, norm.momentum, norm.affine, norm.track_running_stats) for norm in norms} == {
        (1e-3, 0.01, True, True)
    }
    assert not any("norm" in type(module).__name__.lower() for module in critic.modules())
    assert not list(critic.buffers())


@pytest.mark.parametrize("training", [True, False])
def test_the_critic_looks_at_each_sample_alone(training):
    critic = critics(3, 16)[0].train(training)
    x = normal(5, 3, 16, 16)
    together, alone = critic(x), torch.cat([critic(sample) for sample in x.split(1)])
    assert_close(together, alone)
    other = x.clone()
    other[1:] *= 7
    assert_close(critic(other)[:1], together[:1])


def test_the_critic_sees_dark_pixels():
    """No ReLU on the input: below 0 too, every pixel has a gradient and scaling changes the
    score."""
    critic = critics(3, 16)[0]
    x = -normal(2, 3, 16, 16).abs().requires_grad_()
    score = critic(x)
    (gradient,) = torch.autograd.grad(score.sum(), x)
    assert (gradient != 0).all()
    assert (critic(2 * x) != score).all()


def test_every_bias_is_there():
    for module in (ResNet(4).generator(images()), ResNet(4).critic(images(), 1)):
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                assert layer.bias is not None


@pytest.mark.parametrize("shape", [(4, 4), (2, 6), (8, 2)])
def test_fused_layers_are_their_two_steps_in_every_derivative(shape):
    """Rectangles too, which no network has but the layers allow."""

    class Pooled(nn.Module):
        def __init__(self, layer: nn.Conv2d) -> None:
            super().__init__()
            self.weight, self.bias = (
                nn.Parameter(layer.weight.detach()),
                nn.Parameter(layer.bias.detach()),
            )

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.avg_pool2d(
                nn.functional.conv2d(x, self.weight, self.bias, padding=1), 2
            )

    class Upsampled(Pooled):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.conv2d(
                nn.functional.interpolate(x, scale_factor=2), self.weight, self.bias, padding=1
            )

    for kind, literal, factor in ((PooledConv2d, Pooled, 0.5), (UpsampledConv2d, Upsampled, 2)):
        torch.manual_seed(0)
        layer = kind(3, 5).double()
        x = normal(2, 3, *shape)
        assert layer(x).shape == (2, 5, shape[0] * factor, shape[1] * factor)
        squared = nn.Sequential(layer, nn.Tanh()), nn.Sequential(literal(layer), nn.Tanh())
        assert_same_derivatives(*squared, x)
