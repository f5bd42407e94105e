"""Weight normalisation's start from data: against a pass in numpy, in every network, and what it
leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lab.architectures import DCGAN, MLP, ResNet, initialise_from_data
from gan_lab.architectures.weight_norm import weight_normalised
from helpers.table_2_3 import images

QUIET = {"noise": 0.0, "dropout": 0.0}


def layers_of(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if parametrize.is_parametrized(m, "weight")]


def g_of(layer: nn.Module) -> Tensor:
    return layer.parametrizations.weight.original0


def v_of(layer: nn.Module) -> Tensor:
    return layer.parametrizations.weight.original1


def outputs_of(network: nn.Module, batch: Tensor) -> list[np.ndarray]:
    """What every weight-normalised layer gives for the batch."""
    seen: list[np.ndarray] = []
    hooks = [
        m.register_forward_hook(lambda _, __, out: seen.append(out.numpy().copy()))
        for m in layers_of(network)
    ]
    with torch.no_grad():
        network(batch)
    for hook in hooks:
        hook.remove()
    return seen


def dcgan_networks(side: int, channels: int, **more) -> list[tuple[nn.Module, Tensor]]:
    """Generator and critic in float64, with a batch for each."""
    torch.manual_seed(0)
    architecture = DCGAN(
        generator_channels=4, critic_channels=3, latent_dim=5, extra_layer=True, **QUIET, **more
    )
    spec = images(channels, side)
    generator, critic = (
        architecture.generator(spec, 2).double(),
        architecture.critic(spec, 4).double(),
    )
    return [
        (generator, torch.randn(9, 7, dtype=torch.float64)),
        (critic, torch.randn(9, *spec.shape, dtype=torch.float64)),
    ]


# By hand ------------------------------------------------------------------------------------------


def test_two_layers_in_numpy():
    """t = v·x/||v|| with g and b as they begin; g ← g/σ, b ← (b - μ)/σ; the next layer sees what
    comes of it."""
    torch.manual_seed(0)
    first, second = (
        weight_normalised(nn.Linear(4, 3)).double(),
        weight_normalised(nn.Linear(3, 2)).double(),
    )
    with torch.no_grad():
        for layer, g, b in (
            (first, [2.0, 3.0, 0.5], [1.0, -1.0, 0.0]),
            (second, [1.0, 7.0], [0.5, 5.0]),
        ):
            g_of(layer).copy_(torch.tensor(g)[:, None])
            layer.bias.copy_(torch.tensor(b))
    x = torch.randn(20, 4, dtype=torch.float64)
    values, expected = x.numpy(), []
    for layer in (first, second):
        g, v, b = (
            item.detach().numpy().copy() for item in (g_of(layer)[:, 0], v_of(layer), layer.bias)
        )
        output = values @ (g[:, None] * v / np.sqrt((v**2).sum(1, keepdims=True))).T + b
        mean, std = output.mean(0), np.sqrt(((output - output.mean(0)) ** 2).mean(0))
        expected.append((g / std, (b - mean) / std, v))
        normal = (output - mean) / std
        values = np.where(normal > 0, normal, 0.2 * normal)
    initialise_from_data(nn.Sequential(first, nn.LeakyReLU(0.2), second), x)
    for layer, (g, b, v) in zip((first, second), expected, strict=True):
        np.testing.assert_allclose(g_of(layer).detach().numpy()[:, 0], g, rtol=1e-12)
        np.testing.assert_allclose(layer.bias.detach().numpy(), b, rtol=1e-11)
        np.testing.assert_array_equal(v_of(layer).detach().numpy(), v)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_a_convolution_in_numpy(kind):
    """Over samples and places, for each output channel, which ConvTranspose2d has second."""
    torch.manual_seed(1)
    layer = weight_normalised(kind(2, 5, 3, padding=1)).double()
    x = torch.randn(6, 2, 4, 4, dtype=torch.float64)
    g, (output,) = g_of(layer).detach().numpy().copy(), outputs_of(layer, x)
    mean, std = output.mean((0, 2, 3)), output.std((0, 2, 3))
    initialise_from_data(layer, x)
    np.testing.assert_allclose(g_of(layer).detach().numpy().ravel(), g.ravel() / std, rtol=1e-12)
    np.testing.assert_allclose(layer.bias.detach().numpy(), -mean / std, rtol=1e-10)


def test_a_constant_channel_keeps_its_scale():
    """Its input is constant: the bias takes the mean away and g stays, for there is no σ to divide
    by."""
    torch.manual_seed(0)
    layer = weight_normalised(nn.Linear(2, 2)).double()
    with torch.no_grad():
        v_of(layer).copy_(
            torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        )  # channel 0 sees the first input alone
        g_of(layer).copy_(torch.tensor([[3.0], [5.0]]))
    x = torch.tensor([[4.0, 0.0], [4.0, 2.0]], dtype=torch.float64)
    initialise_from_data(layer, x)  # outputs 12, 12 and 0, 10
    assert g_of(layer).flatten().tolist() == [3.0, 1.0]
    assert layer.bias.tolist() == [-12.0, -1.0]
    assert layer(x).tolist() == [[0.0, -1.0], [0.0, 1.0]]


def test_a_batch_of_one_stays_finite():
    torch.manual_seed(0)
    architecture = DCGAN(generator_channels=4, critic_channels=3, latent_dim=5)
    for network, batch in ((architecture.generator(images(1, 8)), torch.randn(1, 5)),
                           (architecture.critic(images(1, 8), 2), torch.randn(1, 1, 8, 8))):  # fmt: skip
        initialise_from_data(network, batch)
        assert all(torch.isfinite(p).all() for p in network.parameters())
        assert torch.isfinite(network(batch)).all()


# In the networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (16, 3)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_every_layer_has_mean_0_and_variance_1_on_its_batch(side, channels, batch_norm):
    for network, batch in dcgan_networks(side, channels, critic_batch_norm=batch_norm):
        before = outputs_of(network, batch)
        directions = [v_of(layer).detach().clone() for layer in layers_of(network)]
        initialise_from_data(network, batch)
        after = outputs_of(network, batch)
        assert len(after) == len(before) == len(layers_of(network)) > 2
        for was, output in zip(before, after, strict=True):
            over = tuple(axis for axis in range(output.ndim) if axis != 1)
            assert np.abs(was.var(over) - 1).max() > 0.05
            np.testing.assert_allclose(output.mean(over), 0, atol=1e-11)
            np.testing.assert_allclose(output.var(over), 1, atol=1e-9)
        for layer, direction in zip(layers_of(network), directions, strict=True):
            assert torch.equal(v_of(layer), direction)


def test_a_second_time_on_the_same_batch_changes_nothing():
    for network, batch in dcgan_networks(8, 3):
        initialise_from_data(network, batch)
        once = [p.detach().clone() for p in network.parameters()]
        initialise_from_data(network, batch)
        for parameter, before in zip(network.parameters(), once, strict=True):
            torch.testing.assert_close(parameter, before, rtol=0, atol=1e-9)


def test_it_leaves_no_hook_and_no_gradient_behind():
    for network, batch in dcgan_networks(8, 3):
        initialise_from_data(network, batch)
        assert not any(module._forward_hooks for module in network.modules())
        assert all(p.grad is None and p.requires_grad and p.is_leaf for p in network.parameters())
        network(batch).sum().backward()
        assert all(p.grad is not None for p in network.parameters())
        with pytest.raises(RuntimeError):
            initialise_from_data(network, batch[:, :-1])
        assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(
    "architecture", [ResNet(channels=4, latent_dim=5), MLP(width=4, latent_dim=5)], ids=repr
)
def test_networks_without_weight_norm_are_not_even_called(architecture):
    torch.manual_seed(0)
    spec = images(1, 8)
    for network, batch in ((architecture.generator(spec), torch.randn(4, 5)),
                           (architecture.critic(spec, 1), torch.randn(4, 1, 8, 8))):  # fmt: skip
        state = {key: value.clone() for key, value in network.state_dict().items()}
        random_state = torch.get_rng_state()
        network.register_forward_hook(lambda *_: pytest.fail("it was called"))
        initialise_from_data(network, batch)
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
        assert torch.equal(torch.get_rng_state(), random_state)
