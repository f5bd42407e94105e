"""Bounds of Lipschitz constants: exact ones by hand, norms by dense matrices and the power method."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gan_lab.architectures import DCGAN, MLP, ResNet
from gan_lab.architectures.layers import PooledConv2d, UpsampledConv2d
from gan_lab.architectures.resnet import DownBlock, FlatBlock, UpBlock
from gan_lab.errors import UserError
from gan_lab.penalties import SpectralNorm, WeightClipping
from gan_lab.penalties.operator_norm import operator_norm
from gan_lab.theory import lipschitz_estimate
from gan_lab.types import DataSpec

SQUARES = DataSpec("squares", "images", (3, 8, 8), 2, ("empty", "full"))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mlp(*widths: int, seed: int = 0, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1]).double()


def estimate(network, *shape, starts=4, steps=10, **settings_):
    return lipschitz_estimate(network, shape, rng=rng(), starts=starts, steps=steps, **settings_)


def dense_norm(network: nn.Module, *shape: int) -> float:
    """The norm of an affine network's matrix, from its values at the unit vectors."""
    size = int(np.prod(shape))
    with torch.no_grad():
        base = network(torch.zeros(1, *shape, dtype=torch.float64))
        rows = network(torch.eye(size, dtype=torch.float64).view(size, *shape)) - base
    return float(np.linalg.norm(rows.flatten(1).numpy(), ord=2))


# Known constants ----------------------------------------------------------------------------------


def test_weights_at_the_clip_in_three_layers():
    """By hand: 0.01³ 2¹⁶ = 0.065536 for 1-256-256-1, where both bounds meet."""
    network = mlp(1, 256, 256, 1)
    for parameter in network.parameters():
        nn.init.constant_(parameter, 5.0)
    WeightClipping(clip=0.01).after_step(network)
    found = estimate(network, 1)
    assert found.upper == pytest.approx(0.01**3 * 2**16, rel=1e-14)
    assert found.lower == pytest.approx(0.01**3 * 2**16, rel=1e-13)
    assert [name for name, _ in found.factors] == ["0", "1", "2", "3", "4"]
    assert [norm for _, norm in found.factors] == pytest.approx([0.16, 1, 2.56, 1, 0.16], rel=1e-14)


def test_clipping_bounds_the_constant_by_the_widths():
    """Any weights in ±c: ‖W‖ <= c sqrt(in · out), so the product is at most c³ · 256² here."""
    for seed in range(5):
        network = mlp(1, 256, 256, 1, seed=seed)
        WeightClipping(clip=0.01).after_step(network)
        assert estimate(network, 1, steps=0).upper <= 0.065536 * (1 + 1e-12)


def test_spectral_norm_brings_the_constant_to_one_at_most():
    """500 iterations of the power method leave (s_2/s_1)^1000 of the first error."""
    network = SpectralNorm(n_power_iterations=10).wrap(mlp(2, 32, 32, 1))
    for _ in range(50):
        network(torch.ones(1, 2, dtype=torch.float64))
    found = estimate(network, 2)
    assert found.upper == pytest.approx(1, rel=0, abs=1e-9)
    assert 0.01 < found.lower <= 1 + 1e-9
    assert network.training  # a copy was taken


@pytest.mark.thorough
def test_exact_spectral_norm_of_convolutions():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 1)
    ).double()
    network = SpectralNorm(n_power_iterations=10, exact=True).wrap(network)
    for _ in range(100):
        network(torch.ones(1, 2, 6, 6, dtype=torch.float64))
    assert estimate(network, 2, 6, 6).upper == pytest.approx(1, rel=0, abs=1e-6)


@pytest.mark.parametrize("widths", [(3, 1), (1, 4), (5, 3)])
def test_a_linear_network_has_its_singular_value(widths):
    network = mlp(*widths)
    sigma = np.linalg.norm(network[0].weight.detach().numpy(), ord=2)
    found = estimate(network, widths[0])
    assert found.lower == pytest.approx(sigma, rel=1e-12)
    assert found.upper == pytest.approx(sigma, rel=1e-12)


@pytest.mark.thorough
def test_the_lower_bound_finds_the_steepest_wide_piece():
    """On a line f has few pieces, between kinks -b/w of the first layer: all slopes are known.

    A piece of length 0.1 within 1 of the standard deviations of 3 gets about 512 · 0.1 · 0.24/3 = 4
    of the random points; shorter and farther ones may be missed, so the bound is one from below.
    """
    for seed in range(20):
        network = mlp(1, 12, 1, seed=seed)
        first, last = network[0], network[2]
        w, b = first.weight.detach().numpy()[:, 0], first.bias.detach().numpy()
        a = last.weight.detach().numpy()[0]
        kinks = np.sort(np.append(-b / w, [-1e3, 1e3]))
        middles = (kinks[1:] + kinks[:-1]) / 2
        slopes = np.array([abs(np.sum(a * w * (w * x + b > 0))) for x in middles])
        wide = np.minimum(kinks[1:], 3) - np.maximum(kinks[:-1], -3) > 0.1
        found = lipschitz_estimate(network, (1,), rng=rng(), scale=3.0)
        assert slopes[wide].max() * (1 - 1e-12) <= found.lower <= slopes.max() * (1 + 1e-12)


def test_the_ascent_beats_random_points():
    """8-128-128-1: the ascent from 512 points ends above the steepest of 20,000 random points."""
    network = mlp(8, 128, 128, 1)
    x = 3 * torch.randn(20_000, 8, generator=rng(1), dtype=torch.float64)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(network(x).sum(), x)
    found = lipschitz_estimate(network, (8,), rng=rng())
    assert found.lower > slope.norm(dim=1).max().item()
    assert found.lower <= found.upper

    # the point that it names has that slope
    point = torch.from_numpy(found.point)[None].requires_grad_()
    (slope,) = torch.autograd.grad(network(point).sum(), point)
    assert slope.norm().item() == pytest.approx(found.lower, rel=1e-12)


def test_a_smooth_peak_is_found():
    """sum of tanh(x_i): the largest slope is sqrt(d), at 0 alone."""
    network = nn.Sequential(nn.Tanh(), nn.Linear(3, 1)).double()
    nn.init.constant_(network[1].weight, 1.0)
    found = lipschitz_estimate(network, (3,), rng=rng(), steps=200)
    assert found.upper == pytest.approx(3**0.5, rel=1e-14)
    assert 0.999 * 3**0.5 < found.lower <= 3**0.5


@pytest.mark.thorough
@settings(derandomize=True, deadline=None, max_examples=20)
@given(
    st.lists(st.integers(1, 12), min_size=2, max_size=5),
    st.sampled_from(
        [nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.ELU, nn.SELU, nn.Sigmoid, nn.Softplus, nn.CELU]
    ),
    st.integers(0, 10**6),
)
def test_lower_never_exceeds_upper_and_no_pair_does(widths, activation, seed):
    network = mlp(*widths, seed=seed, activation=activation)
    found = estimate(network, widths[0])
    assert found.lower <= found.upper * (1 + 1e-12)
    x, y = 5 * torch.randn(2, 500, widths[0], generator=rng(seed), dtype=torch.float64)
    rise = (network(x) - network(y)).norm(dim=1)
    assert bool((rise <= found.upper * (x - y).norm(dim=1) + 1e-12).all())


@pytest.mark.parametrize(
    ("layer", "slope"),
    [
        (nn.LeakyReLU(3.0), 3.0),
        (nn.LeakyReLU(-2.0), 2.0),
        (nn.ELU(alpha=4.0), 4.0),
        (nn.SELU(), 1.7580993408473766),
        (nn.Sigmoid(), 0.25),
        (nn.Softplus(beta=7.0), 1.0),
        (nn.Hardtanh(), 1.0),
        (nn.ReLU6(), 1.0),
        (nn.Softsign(), 1.0),
        (nn.CELU(alpha=5.0), 1.0),
        (nn.Tanh(), 1.0),
    ],
)
def test_slopes_of_activations_on_a_fine_grid(layer, slope):
    x = torch.linspace(-8, 8, 160_001, dtype=torch.float64).requires_grad_()
    (slopes,) = torch.autograd.grad(layer(x).sum(), x)
    steepest = slopes.abs().max().item()
    assert estimate(nn.Sequential(layer), 1, steps=0).upper == pytest.approx(slope, rel=1e-15)
    assert slope * (1 - 1e-3) < steepest <= slope * (1 + 1e-12)


# Norms of layers ----------------------------------------------------------------------------------

LAYERS = [
    (nn.Conv1d(2, 3, 3, padding=1), (2, 40)),
    (nn.Conv2d(2, 4, 3, padding=1), (2, 7, 9)),
    (nn.Conv2d(2, 4, 3, stride=2, padding=1), (2, 8, 8)),
    (nn.Conv2d(4, 4, 3, padding=1, groups=2), (4, 6, 6)),
    (nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), (3, 6, 6)),
    (nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular", dilation=2), (3, 8, 8)),
    (nn.Conv3d(2, 2, 3, padding=1), (2, 4, 4, 4)),
    (nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1), (3, 5, 5)),
    (PooledConv2d(3, 4), (3, 8, 8)),
    (UpsampledConv2d(3, 4), (3, 5, 5)),
    (nn.AvgPool2d(2), (3, 8, 8)),
    (nn.AvgPool2d(3, stride=1), (3, 8, 8)),
    (nn.AdaptiveAvgPool2d(1), (2, 8, 8)),
    (nn.Upsample(scale_factor=2, mode="nearest"), (2, 6, 6)),
    (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 6, 6)),
    (nn.BatchNorm2d(3), (3, 5, 5)),
    (nn.Linear(5, 4), (3, 5)),
]


@pytest.mark.thorough
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=[str(layer) for layer, _ in LAYERS])
def test_the_norm_of_a_layer_is_that_of_its_dense_matrix(layer, shape):
    """To 1e-12: Lanczos' error is of second order in its residual. A bias of 1e8 costs no digits
    (it does in the dense matrix, so the layer is compared before it gets one)."""
    torch.manual_seed(0)
    if hasattr(layer, "reset_parameters"):  # the same numbers in every run
        layer.reset_parameters()
    network = nn.Sequential(layer).double().eval()
    if isinstance(layer, nn.BatchNorm2d):
        layer.running_var.uniform_(0.1, 3)
        nn.init.normal_(layer.weight)
    expected = dense_norm(network, *shape)
    assert estimate(network, *shape, starts=1, steps=0).upper == pytest.approx(expected, rel=1e-12)
    if getattr(layer, "bias", None) is not None:
        nn.init.constant_(layer.bias, 1e8)
        found = estimate(network, *shape, starts=1, steps=0)
        assert found.upper == pytest.approx(expected, rel=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["plain", "pooled"])
def test_the_norm_of_a_convolution_agrees_with_the_power_method(kind):
    """`operator_norm` after 3,000 iterations, from below: singular values lie close."""
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 4, 3, padding=1) if kind == "plain" else PooledConv2d(2, 3)
    layer = layer.double()
    found = estimate(nn.Sequential(layer), 2, 8, 8, starts=1, steps=0).upper
    weight = layer.weight.detach().clone()
    operator_norm(layer, n_power_iterations=3000)
    layer(torch.zeros(1, 2, 8, 8, dtype=torch.float64))
    sigma = (weight.norm() / layer.eval().weight.norm()).item()
    assert found == pytest.approx(sigma, rel=1e-7)
    assert sigma <= found * (1 + 1e-12)


@pytest.mark.parametrize("channels", [1, 4])  # written out, and by Lanczos
def test_a_layer_of_zeros(channels):
    layer = nn.Conv2d(channels, channels, 3, padding=1)
    nn.init.zeros_(layer.weight)
    found = estimate(nn.Sequential(layer), channels, 6, 6, starts=1, steps=3)
    assert (found.lower, found.upper) == (0, 0)


@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_huge_and_small_weights(factor):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)).double()
    with torch.no_grad():
        network[0].weight *= factor
    sigma = (network[1].weight @ network[0].weight).norm().item()
    assert estimate(network, 3).lower == pytest.approx(sigma, rel=1e-10)


def test_weights_beyond_float64_are_refused():
    network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 1, bias=False)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1e200)
    with pytest.raises(UserError, match="smaller weights"):
        estimate(network, 3)


def test_layers_that_work_in_place():
    torch.manual_seed(0)
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 1), nn.ReLU(inplace=True)).double()
    plain = nn.Sequential(nn.ReLU(), network[1], nn.ReLU())
    assert estimate(network, 3).lower == estimate(plain, 3).lower


def test_the_empty_network_is_the_identity():
    found = estimate(nn.Sequential(), 3)
    assert (found.lower, found.upper) == (pytest.approx(1, rel=1e-14), 1)


# Blocks -------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_branches_add():
    """A flat block: 1 + σ_1 σ_2; a down block: σ_1 σ_2 + σ_s/2; an up block: σ_1 σ_2 / (1 + eps)
    (two batch norms of running variance 1) + 2 σ_s."""
    torch.manual_seed(0)
    flat, down, up = FlatBlock(3).double(), DownBlock(3, 4).double(), UpBlock(3).double().eval()

    def norm(layer, *shape):
        return dense_norm(layer, *shape)

    cases = [
        (flat, 1 + norm(flat.conv1, 3, 6, 6) * norm(flat.conv2, 3, 6, 6)),
        (
            down,
            norm(down.conv1, 3, 6, 6) * norm(down.conv2, 4, 6, 6)
            + norm(down.shortcut, 3, 3, 3) / 2,
        ),
        (
            up,
            norm(up.conv1, 3, 6, 6) * norm(up.conv2, 3, 12, 12) / (1 + 1e-3)
            + 2 * norm(up.shortcut, 3, 6, 6),
        ),
    ]
    for block, expected in cases:
        found = estimate(nn.Sequential(block), 3, 6, 6, starts=1, steps=0)
        assert found.upper == pytest.approx(expected, rel=1e-11)


@pytest.mark.thorough
@pytest.mark.parametrize("part", ["critic", "generator"])
@pytest.mark.parametrize("architecture", [ResNet(4, 6), MLP(2, 8, latent_dim=6)])
def test_networks_of_the_lab(architecture, part):
    """Both bounds, in order; every parameter's layer is among the factors."""
    torch.manual_seed(0)
    if part == "critic":
        network, shape = architecture.critic(SQUARES, 1), SQUARES.shape
    else:
        network, shape = architecture.generator(SQUARES), (6,)
    found = estimate(network, *shape, starts=2, steps=3)
    assert 0 < found.lower <= found.upper
    layers = {name.rsplit(".", 1)[0] for name, _ in network.named_parameters()}
    assert layers <= {name for name, _ in found.factors}
    x, y = torch.randn(2, 50, *shape, generator=rng(1))
    rise = (network.eval()(x) - network(y)).flatten(1).norm(dim=1)
    assert bool((rise <= found.upper * (x - y).flatten(1).norm(dim=1)).all())


def test_a_network_with_weight_norm():
    torch.manual_seed(0)
    network = DCGAN(critic_channels=4, critic_batch_norm=False).critic(SQUARES, 1)
    found = estimate(network, *SQUARES.shape, starts=2, steps=3)
    assert 0 < found.lower <= found.upper


# The caller's side --------------------------------------------------------------------------------


def test_the_network_and_the_global_rng_stay_as_they_were():
    network = mlp(2, 8, 1).float().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = (estimate(network, 2) for _ in range(2))
    assert first.lower == second.lower
    assert np.array_equal(first.point, second.point)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert all(
        parameter.requires_grad and parameter.grad is None for parameter in network.parameters()
    )
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dtype == torch.float32


class Own(nn.Module):
    def forward(self, x):
        return x


REFUSED = [
    (lambda: estimate(nn.Sequential(nn.Linear(2, 2), Own()), 2), r"layer 1 \(.*Own\) is not known"),
    (lambda: estimate(nn.Sequential(nn.Softmax(1)), 2), "Softmax"),
    (lambda: estimate(Own(), 2), "Own"),
    (lambda: estimate(DCGAN(critic_channels=4).critic(SQUARES, 1), 3, 8, 8), "running statistics"),
    (lambda: estimate(nn.Sequential(nn.Flatten(0)), 2), "first axis"),
    (lambda: estimate(mlp(2, 1), 2, starts=0), "starts"),
    (lambda: estimate(mlp(2, 1), 2, steps=-1), "steps"),
    (lambda: estimate(mlp(2, 1), 2, scale=0.0), "scale"),
    (lambda: estimate(mlp(2, 1), 0), "sample_shape"),
    (lambda: estimate(mlp(2, 1), 3), "the network refuses it"),
    (lambda: estimate(mlp(2, 1)), "shape of one sample"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_is_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()


def test_parameters_that_are_not_finite_are_refused():
    network = mlp(2, 1)
    nn.init.constant_(network[0].bias, float("nan"))
    with pytest.raises(UserError, match="finite"):
        estimate(network, 2)
