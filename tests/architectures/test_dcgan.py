"""The DCGAN against the table of thesis 4.B: shapes, counts by hand, the networks written out, and
its switches."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lab.architectures import DCGAN, MLP, ResNet, normalises_by_batch
from gan_lab.architectures.dcgan import GaussianNoise
from gan_lab.errors import UserError
from helpers.registry import CONF
from helpers.table_2_3 import count, images, points

SMALL = {"generator_channels": 3, "critic_channels": 2, "latent_dim": 5}
QUIET = {"noise": 0.0, "dropout": 0.0}
EPS = 1e-3  # of batch norm [code]


def weighted(network: nn.Module) -> list[nn.Module]:
    """The layers with a weight matrix or kernel, in order."""
    return [
        m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    ]


def norms(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def output_shapes(network: nn.Module, x: Tensor) -> list[tuple[int, ...]]:
    """Of one sample, behind every layer of `weighted`."""
    shapes: list[tuple[int, ...]] = []
    hooks = [
        m.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[1:])))
        for m in weighted(network)
    ]
    network(x)
    for hook in hooks:
        hook.remove()
    return shapes


# The table of 4.B ---------------------------------------------------------------------------------


@pytest.mark.parametrize("conditions", [0, 10])
def test_the_generator_of_the_table(conditions):
    """By hand, for 32×32×3: weights, bias and g of each layer, scale and shift of each batch
    norm."""
    with torch.device("meta"):
        generator = DCGAN().generator(images(3, 32), conditions)
        shapes = output_shapes(generator, torch.empty(2, 100 + conditions))
    assert shapes == [(12288,), (384, 8, 8), (192, 16, 16), (96, 32, 32), (3, 32, 32)]
    by_hand = (
        (100 + conditions) * 12_288 + 2 * 12_288 + 2 * 768
        + 768 * 384 * 9 + 4 * 384
        + 384 * 192 * 9 + 4 * 192
        + 192 * 96 * 9 + 4 * 96
        + 96 * 3 * 9 + 2 * 3
    )  # fmt: skip
    assert count(generator) == by_hand == 4_743_846 + 12_288 * conditions


@pytest.mark.parametrize(
    ("extra_layer", "outputs", "total"), [(False, 10, 1_558_996), (True, 11, 3_920_854)]
)
def test_the_critic_of_the_table(extra_layer, outputs, total):
    """4.B: the layer with a star stands only in the experiments with predefined labels."""
    with torch.device("meta"):
        critic = DCGAN(extra_layer=extra_layer).critic(images(3, 32), outputs)
        shapes = output_shapes(critic, torch.empty(2, 3, 32, 32))
    star = [(512, 4, 4)] if extra_layer else []
    assert shapes == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), *star, (outputs,)]
    by_hand = (
        3 * 64 * 9 + 4 * 64 + 64 * 128 * 9 + 4 * 128 + 128 * 256 * 9 + 4 * 256 + 256 * 512 * 9 + 4 * 512
        + (512 * 512 * 9 + 4 * 512) * extra_layer + (512 + 2) * outputs
    )  # fmt: skip
    assert count(critic) == by_hand == total


def test_the_wide_critic_of_table_4_3():
    """The author's program halves its first width, 192: 96, and 3.5 million parameters in all."""
    channels = OmegaConf.load(CONF / "experiment" / "table_4_3.yaml").architecture.critic_channels
    with torch.device("meta"):
        critic = DCGAN(critic_channels=channels).critic(images(3, 32), 10)
        shapes = output_shapes(critic, torch.empty(2, 3, 32, 32))
    assert [shape[0] for shape in shapes] == [96, 192, 384, 768, 10]
    by_hand = (
        9 * (3 * 96 + 96 * 192 + 192 * 384 + 384 * 768)
        + 4 * (96 + 192 + 384 + 768)
        + (768 + 2) * 10
    )
    assert count(critic) == by_hand == 3_499_700


BY_SIDE = {
    8: [2],
    16: [4, 2],
    32: [8, 4, 2],
    64: [16, 8, 4, 2],
}  # factors of generator_channels behind 4×4


@pytest.mark.parametrize("side", BY_SIDE)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("extra_layer", [False, True])
def test_shapes_and_counts_at_other_sizes(side, channels, extra_layer):
    """Widths double towards 4×4, whatever the side: there is one stage for each doubling of it."""
    spec, architecture = images(channels, side), DCGAN(**SMALL, extra_layer=extra_layer)
    g, c, stages = 3, 2, len(BY_SIDE[side])
    generator, critic = architecture.generator(spec), architecture.critic(spec, 4)
    fake = torch.zeros(2, channels, side, side)
    behind = [g * factor for factor in BY_SIDE[side]]  # widths at 4, 8, ..., side / 2
    after = [*behind[1:], g]
    assert output_shapes(generator, torch.randn(2, 5)) == [
        (behind[0] * 16,),
        *((width, 8 * 2**i, 8 * 2**i) for i, width in enumerate(after)),
        (channels, side, side),
    ]
    widths = [c * 2**i for i in range(stages + 1)]
    assert output_shapes(critic, fake) == [
        *((width, side // 2**i, side // 2**i) for i, width in enumerate(widths)),
        *([(widths[-1], 4, 4)] if extra_layer else []),
        (4,),
    ]
    in_generator = 5 * 16 * behind[0] + 34 * behind[0] + 9 * g * channels + 2 * channels
    in_generator += sum(9 * a * b + 4 * b for a, b in zip(behind, after, strict=True))
    inputs = [channels, *widths[:-1]]
    in_critic = sum(9 * a * b + 4 * b for a, b in zip(inputs, widths, strict=True)) + 4 * (
        widths[-1] + 2
    )
    in_critic += (9 * widths[-1] ** 2 + 4 * widths[-1]) * extra_layer
    assert (count(generator), count(critic)) == (in_generator, in_critic)


@pytest.mark.parametrize("extra_layer", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_parts_of_the_critic_in_their_order(extra_layer, batch_norm):
    critic = DCGAN(**SMALL, extra_layer=extra_layer, critic_batch_norm=batch_norm).critic(
        images(3, 16), 4
    )
    part = [nn.Conv2d, *([nn.BatchNorm2d] if batch_norm else []), nn.LeakyReLU, nn.Dropout]
    kinds = [GaussianNoise, *(part * (4 if extra_layer else 3))]
    kinds += [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Dropout, nn.Linear]
    assert len(critic) == len(kinds)
    assert all(isinstance(module, kind) for module, kind in zip(critic, kinds, strict=True))
    assert {module.p for module in critic if isinstance(module, nn.Dropout)} == {0.3}
    assert critic[0].std == 0.1
    assert {module.negative_slope for module in critic if isinstance(module, nn.LeakyReLU)} == {0.2}


def test_every_layer_is_weight_normalised_and_all_but_the_last_batch_normalised():
    """Including extra layer: w = g v/||v|| with one g for each output channel; g = ||v||, v ~ N(0,
    0.05²), bias 0."""
    torch.manual_seed(0)
    architecture = DCGAN(generator_channels=16, critic_channels=16, extra_layer=True)
    for network in (
        architecture.generator(images(3, 16), 10),
        architecture.critic(images(3, 16), 10),
    ):
        layers = weighted(network)
        for layer in layers:
            assert parametrize.is_parametrized(layer, "weight")
            g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
            axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            lengths = v.transpose(0, axis).flatten(1).norm(dim=1)
            assert g.numel() == len(lengths) == len(layer.bias)
            torch.testing.assert_close(g.flatten(), lengths)
            torch.testing.assert_close(layer.weight, v)  # as g = ||v||
            with torch.no_grad():
                g *= 3
            torch.testing.assert_close(
                layer.weight.transpose(0, axis).flatten(1).norm(dim=1), 3 * lengths
            )
            assert not layer.bias.any()
            assert v.std().item() == pytest.approx(
                0.05, rel=0, abs=5 * 0.05 / (2 * v.numel()) ** 0.5
            )
            assert v.mean().item() == pytest.approx(0, abs=5 * 0.05 / v.numel() ** 0.5)
        assert len(norms(network)) == len(layers) - 1
        assert all(
            norm.running_mean is None and norm.running_var is None for norm in norms(network)
        )
        order = [m for m in network.modules() if m in layers or m in norms(network)]
        assert [m in layers for m in order] == [True, False] * (len(layers) - 1) + [True]


# The same networks written out --------------------------------------------------------------------


def weight_of(layer: nn.Module, outputs_axis: int = 0) -> Tensor:
    """g v/||v||, output channels first, from what a checkpoint holds."""
    state = layer.state_dict()
    g, v = state["parametrizations.weight.original0"], state["parametrizations.weight.original1"]
    v = v.transpose(0, outputs_axis)
    unit = v / (v**2).flatten(1).sum(1).sqrt().view(-1, *[1] * (v.dim() - 1))
    return g.flatten().view(-1, *[1] * (v.dim() - 1)) * unit


def correlate(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    return F.conv2d(x, weight, bias, stride, padding=1)


def activated(x: Tensor, norm: nn.Module | None) -> Tensor:
    if norm is not None:
        mean = x.mean((0, 2, 3), keepdim=True)
        var = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
        x = (x - mean) / (var + EPS).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    return torch.where(x > 0, x, 0.2 * x)


def written_out_generator(network: nn.Module, z: Tensor) -> Tensor:
    """A transposed convolution of stride s: zeros between the pixels, then the flipped kernel."""
    first, *others = weighted(network)
    x = (z @ weight_of(first).T + first.bias).view(len(z), -1, 4, 4)
    for norm, layer in zip(norms(network), others, strict=True):
        x = activated(x, norm)
        kernel = weight_of(layer, 1).flip(2, 3)
        if layer is not others[-1]:
            spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
            spread[:, :, ::2, ::2] = x
            x = spread
        x = correlate(x, kernel, layer.bias)
    return torch.tanh(x)


def written_out_critic(network: nn.Module, x: Tensor, extra_layer: bool) -> Tensor:
    *convolutions, last = weighted(network)
    found = norms(network) or [None] * len(convolutions)
    for i, (layer, norm) in enumerate(zip(convolutions, found, strict=True)):
        flat = i == 0 or (extra_layer and i == len(convolutions) - 1)
        x = activated(correlate(x, weight_of(layer), layer.bias, 1 if flat else 2), norm)
    return x.mean((2, 3)) @ weight_of(last).T + last.bias


def shaken(network: nn.Module) -> nn.Module:
    """In float64 and with values in every parameter, also those that begin at 0 and 1."""
    torch.manual_seed(1)
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("training", [True, False])
def test_the_generator_written_out(side, channels, training):
    """In both modes: there are no running statistics."""
    generator = shaken(DCGAN(**SMALL).generator(images(channels, side), 4)).train(training)
    z = torch.randn(6, 9, dtype=torch.float64)
    torch.testing.assert_close(
        generator(z), written_out_generator(generator, z), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize("extra_layer", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_critic_written_out(side, extra_layer, batch_norm):
    """In eval mode as it is, and in training mode without noise and dropout."""
    switches = {"extra_layer": extra_layer, "critic_batch_norm": batch_norm}
    x = torch.randn(6, 3, side, side, dtype=torch.float64)
    evaluated = shaken(DCGAN(**SMALL, **switches).critic(images(3, side), 4)).eval()
    trained = shaken(DCGAN(**SMALL, **switches, **QUIET).critic(images(3, side), 4))
    for critic in (evaluated, trained):
        expected = written_out_critic(critic, x, extra_layer)
        torch.testing.assert_close(
            critic(x), expected, rtol=0, atol=1e-11 * expected.abs().max().item()
        )


def test_images_lie_between_minus_one_and_one():
    torch.manual_seed(0)
    generator = DCGAN(**SMALL).generator(images(3, 16)).double()
    fake = generator(torch.randn(50, 5, dtype=torch.float64))
    assert fake.abs().max() < 1
    assert fake.min() < -0.1 < 0.1 < fake.max()


def test_the_class_reaches_the_image():
    """u(y) beside z: another class, another image, of the same z."""
    torch.manual_seed(0)
    generator = DCGAN(**SMALL).generator(images(1, 8), 3)
    z, classes = torch.randn(4, 5), torch.tensor([0, 1, 2, 0])
    made = generator(torch.cat([z, F.one_hot(classes, 3)], 1))
    classes[3] = 1
    assert not torch.allclose(
        made[3], generator(torch.cat([z, F.one_hot(classes, 3)], 1))[3], atol=1e-3
    )
    with pytest.raises(RuntimeError):
        generator(z)


# Noise, dropout and who shares a batch ------------------------------------------------------------


@pytest.fixture
def x() -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize(("noise", "dropout"), [(0.1, 0.0), (0.0, 0.3), (0.1, 0.3)])
def test_noise_and_dropout_are_there_in_training_alone(noise, dropout, x):
    critic = shaken(DCGAN(**SMALL, noise=noise, dropout=dropout).critic(images(3, 8), 2))
    assert not torch.equal(critic(x), critic(x))
    torch.manual_seed(7)
    once = critic(x)
    torch.manual_seed(7)
    assert torch.equal(critic(x), once)  # both of torch's global generator
    critic.eval()
    before = torch.get_rng_state()
    assert torch.equal(critic(x), critic(x))
    assert torch.equal(torch.get_rng_state(), before)


def test_without_noise_and_dropout_nothing_random_is_drawn(x):
    critic = shaken(DCGAN(**SMALL, **QUIET).critic(images(3, 8), 2))
    before = torch.get_rng_state()
    assert torch.equal(critic(x), critic(x))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_noise_has_the_standard_deviation_asked():
    torch.manual_seed(3)
    noise = GaussianNoise(0.1)
    added = noise(torch.full((10_000,), 0.5)) - 0.5
    assert added.std().item() == pytest.approx(
        0.1, rel=0.04
    )  # 5 of its own standard deviations, 1/√20,000
    assert added.mean().item() == pytest.approx(0, abs=0.005)
    assert noise.eval()(added) is added


def test_the_generator_draws_nothing():
    torch.manual_seed(0)
    generator, z = DCGAN(**SMALL).generator(images(3, 8)), torch.randn(4, 5)
    before = torch.get_rng_state()
    assert torch.equal(generator(z), generator(z))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_critic_looks_at_one_sample_alone_exactly_without_batch_norm(batch_norm, x):
    """In eval mode too; and its gradient by a sample is that of the sample's own score."""
    architecture = DCGAN(**SMALL, critic_batch_norm=batch_norm)
    critic = shaken(architecture.critic(images(3, 8), 1)).eval()
    assert normalises_by_batch(critic) == batch_norm
    alone = torch.cat([critic(sample[None]) for sample in x])
    assert torch.allclose(critic(x), alone, rtol=0, atol=1e-12) != batch_norm
    x.requires_grad_()
    jacobian = torch.autograd.functional.jacobian(
        lambda x: critic(x).squeeze(1), x
    )  # (6, 6, 3, 8, 8)
    others = torch.stack([jacobian[i, j].abs().max() for i in range(6) for j in range(6) if i != j])
    assert bool((others == 0).all()) != batch_norm
    (summed,) = torch.autograd.grad(critic(x).sum(), x)
    own = torch.stack([jacobian[i, i] for i in range(6)])
    assert torch.allclose(summed, own, rtol=0, atol=1e-12) != batch_norm
    assert own.abs().flatten(1).max(1).values.min() > 0


def test_a_sample_of_the_generator_depends_on_those_beside_it():
    """Also in eval mode, hence batches of one size in sampling; networks with running statistics do
    not."""
    torch.manual_seed(0)
    spec = images(3, 8)
    for architecture, together in ((DCGAN(**SMALL), True), (ResNet(channels=4, latent_dim=5), False),
                                   (MLP(width=4, latent_dim=5), False)):  # fmt: skip
        generator = architecture.generator(spec).double().eval()
        z = torch.randn(6, 5, dtype=torch.float64)
        assert torch.allclose(generator(z)[:3], generator(z[:3]), rtol=0, atol=1e-12) != together
        assert normalises_by_batch(generator) == together
    assert not normalises_by_batch(ResNet(channels=4).critic(spec, 1))


# As modules ---------------------------------------------------------------------------------------


def pair(**more) -> list[tuple[nn.Module, Tensor]]:
    architecture = DCGAN(**SMALL, **QUIET, **more)
    generator, critic = (
        architecture.generator(images(3, 8), 2),
        architecture.critic(images(3, 8), 3),
    )
    z, x = (torch.randn(4, *size, dtype=torch.float64) for size in ((7,), (3, 8, 8)))
    return [(generator.double(), z), (critic.double(), x)]


def test_copies_and_states():
    """A deep copy computes the same and shares nothing; a state loads into a network of other
    weights."""
    for (network, x), (other, _) in zip(pair(), pair(), strict=True):
        clone = copy.deepcopy(network)
        assert torch.equal(clone(x), network(x))
        with torch.no_grad():
            for parameter in clone.parameters():
                parameter += 0.1
        assert not torch.equal(clone(x), network(x))
        assert not torch.equal(other(x), network(x))
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(x), network(x))
        assert not list(network.buffers())


@pytest.mark.parametrize("batch_norm", [True, False])
def test_second_derivatives_by_autograd_and_by_differences(batch_norm):
    """Of the critic's squared gradient by every parameter, along a direction: what a gradient
    penalty needs."""
    torch.manual_seed(5)
    _, (critic, x) = pair(critic_batch_norm=batch_norm)
    shaken(critic)
    parameters = list(critic.parameters())
    direction = [torch.randn_like(p) for p in parameters]

    def squared_gradient() -> Tensor:
        point = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((critic(point) ** 2).sum(), point, create_graph=True)
        return gradient.square().sum()

    slopes = torch.autograd.grad(
        squared_gradient(), parameters, allow_unused=True, materialize_grads=True
    )
    exact = sum((slope * d).sum() for slope, d in zip(slopes, direction, strict=True)).item()
    ends, h = [], 1e-6
    for step in (h, -2 * h):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += step * d
        ends.append(squared_gradient().item())
    assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(exact, rel=1e-5)
    assert abs(exact) > 1e-6


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("noise", [-0.1, float("nan"), float("inf")]),
        ("batch_norm_eps", [0.0, -1e-3, float("nan"), float("inf"), True]),
        ("dropout", [1, -0.1, 1.5, float("nan")]),
        ("extra_layer", ["no", 1, None]),
        ("critic_batch_norm", ["false", 0, None]),
        ("generator_channels", [0, 1.5, True]),
        ("critic_channels", [0, "64"]),
        ("latent_dim", [0, -1]),
    ],
)
def test_a_field_out_of_range_is_named(field, values):
    for value in values:
        with pytest.raises(UserError, match=rf"^{field}={value}: [^\n]+$"):
            DCGAN(**{field: value})


@pytest.mark.parametrize("spec", [points(2), images(3, 4), images(1, 28), images(3, 24)], ids=str)
def test_data_that_do_not_fit_are_refused(spec):
    for call in (DCGAN().generator, lambda spec: DCGAN().critic(spec, 1)):
        with pytest.raises(UserError, match=r"^architecture=dcgan [^\n]+use architecture=mlp$"):
            call(spec)
