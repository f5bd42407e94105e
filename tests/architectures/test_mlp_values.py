"""The MLP against a numpy forward pass, parameter counts and initial weights by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor, nn

from gan_lab.architectures import MLP
from gan_lab.errors import UserError
from gan_lab.types import DataSpec
from helpers.table_2_3 import count, images, points

SELU = 1.0507009873554805, 1.6732632423543772  # λ, α of Klambauer et al. 2017
FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.maximum(x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(np.minimum(x, 0))),
    "tanh": np.tanh,
}
SPECS = [
    points(2),
    points(7),
    images(1, 8),
    images(3, 4),
    DataSpec("tall", "images", (2, 3, 5), 1, ("all",)),
]


def test_an_unknown_activation_is_refused_with_the_choices():
    """And the choices are those that these tests know."""
    for word in ("relo", "ReLU", "", None):
        with pytest.raises(UserError, match=rf"^activation={word}: choose one of ") as error:
            MLP(activation=word)
        assert "\n" not in str(error.value)
        assert str(error.value).partition("choose one of ")[2].split(", ") == list(FUNCTIONS)
    for word in FUNCTIONS:
        MLP(activation=word)


def forward(module: nn.Module, x: np.ndarray, activation: str) -> np.ndarray:
    """Matrices and biases in the order of the state_dict, the activation between them."""
    values = [value.numpy() for value in module.state_dict().values()]
    x = x.reshape(len(x), -1)
    for i in range(0, len(values), 2):
        x = x @ values[i].T + values[i + 1]
        if i + 2 < len(values):
            x = FUNCTIONS[activation](x)
    return x


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: str(spec.shape))
def test_equals_numpy(activation, depth, spec):
    """depth hidden layers; images end in tanh, points do not. Sums of at most 64 products in 6
    layers."""
    torch.manual_seed(depth)
    architecture = MLP(depth=depth, width=11, activation=activation, latent_dim=4)
    rng = np.random.default_rng(0)
    generator, critic = architecture.generator(spec).double(), architecture.critic(spec, 3).double()
    assert len(generator.state_dict()) == len(critic.state_dict()) == 2 * (depth + 1)
    for module in (generator, critic):
        with torch.no_grad():
            for value in module.state_dict().values():
                if value.dim() == 1:
                    value.normal_()
    z, x = rng.normal(size=(6, 4)), rng.normal(size=(6, *spec.shape))
    expected = forward(generator, z, activation).reshape(6, *spec.shape)
    if spec.kind == "images":
        expected = np.tanh(expected)
    np.testing.assert_allclose(
        generator(torch.tensor(z)).detach().numpy(), expected, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        critic(torch.tensor(x)).detach().numpy(),
        forward(critic, x, activation),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize(
    ("architecture", "spec", "outputs", "generator_count", "critic_count"),
    [
        # 3 hidden layers of 512: 128·512 + 512, 2 (512² + 512), 512·64 + 64; and 64·512 + 512, the
        # same, 513
        (MLP(), images(1, 8), 1, 66_048 + 525_312 + 32_832, 33_280 + 525_312 + 513),
        # thesis Figure 2-9: 4×1024 in the plane: 3·1024, 3·(1024² + 1024), 1025
        (
            MLP(depth=4, width=1024, latent_dim=2),
            points(2),
            1,
            3_072 + 3_148_800 + 2_050,
            3_072 + 3_148_800 + 1_025,
        ),
        # 64×128
        (
            MLP(depth=64, width=128, latent_dim=2),
            points(2),
            1,
            384 + 63 * 16_512 + 258,
            384 + 63 * 16_512 + 129,
        ),
        (MLP(depth=1, width=1, latent_dim=1), points(2), 10, 2 + 4, 3 + 20),
    ],
)
def test_parameter_counts_by_hand(architecture, spec, outputs, generator_count, critic_count):
    assert count(architecture.generator(spec)) == generator_count
    assert count(architecture.critic(spec, outputs)) == critic_count


def gain(activation: str) -> float:
    """1 / sqrt(E[act(x)²]), x ~ N(0, 1), by quadrature. 1 for tanh, whose 1.59 makes deep nets
    explode."""
    if activation == "tanh":
        return 1.0
    square, *_ = integrate.quad(
        lambda x: float(FUNCTIONS[activation](x)) ** 2 * stats.norm.pdf(x), -12, 12, points=[0]
    )
    return 1 / math.sqrt(square)


def assert_uniform(values: Tensor, bound: float) -> None:
    """Nothing outside, the largest near the bound, the variance within six standard errors; see
    test_resnet_layers."""
    values, n = values.detach().double().flatten(), values.numel()
    assert (1 - 20 / n) * bound < values.abs().max().item() <= bound * (1 + 1e-6)
    assert abs(values.var().item() / (bound**2 / 3) - 1) < 6 * math.sqrt(0.8 / n)
    assert abs(values.mean().item()) < 6 * bound / math.sqrt(3 * n)


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_initial_weights(activation):
    """Hidden: weights U(±gain sqrt(3 / fan_in)), biases U(±1 / sqrt(fan_in)). Output:
    Glorot-uniform, bias 0."""
    torch.manual_seed(1)
    architecture = MLP(depth=3, width=200, activation=activation, latent_dim=50)
    for module in (architecture.generator(images(1, 8)), architecture.critic(images(1, 8), 30)):
        linears = [layer for layer in module if isinstance(layer, nn.Linear)]
        assert [type(layer) for layer in module].count(nn.Linear) == 4
        for layer in linears[:-1]:
            bound = gain(activation) * math.sqrt(3 / layer.in_features)
            assert_uniform(layer.weight, bound * (1 + 1e-4))  # gains are written to five digits
            assert_uniform(layer.bias, 1 / math.sqrt(layer.in_features))
        assert_uniform(
            linears[-1].weight, math.sqrt(6 / (linears[-1].in_features + linears[-1].out_features))
        )
        assert (linears[-1].bias == 0).all()


@pytest.mark.thorough
@pytest.mark.parametrize("activation", FUNCTIONS)
def test_signals_pass_a_deep_net(activation):
    """The 64×128 net of thesis Figures 2-11 and 2-12: neither the signal nor its gradient vanishes
    or explodes at the start.

    A factor per layer that is off by 10% would be off by 400 after 63 layers: bounds of 1/100 and
    100 separate.
    """
    torch.manual_seed(0)
    critic = MLP(depth=64, width=128, activation=activation).critic(points(2), 1).double()
    x = torch.randn(256, 2, dtype=torch.float64, requires_grad=True)
    hidden = critic[:-1](x)
    assert 0.01 < hidden.pow(2).mean().item() < 100
    (gradient,) = torch.autograd.grad(critic(x).sum(), x)
    norm = gradient.norm(dim=1).mean().item()
    assert 1e-2 < norm < 1e2


def test_flattening_is_that_of_the_sample():
    """One hidden unit that looks at a single pixel finds it again in every layout."""
    spec = DataSpec("tall", "images", (2, 3, 5), 1, ("all",))
    critic = MLP(depth=1, width=1).critic(spec, 1)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.zero_()
        critic[1].weight[0, 1 * 15 + 2 * 5 + 3] = 1
        critic[-1].weight.fill_(1)
    x = torch.zeros(1, *spec.shape)
    x[0, 1, 2, 3] = 7
    assert critic(x).item() == 7
    assert critic(x.to(memory_format=torch.channels_last)).item() == 7
    assert critic(x.flip(3)).item() == 0
