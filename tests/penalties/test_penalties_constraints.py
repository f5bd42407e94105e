"""Weight clipping and spectral normalisation: what they do to a critic's parameters, by numpy."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_lab.architectures.layers import PooledConv2d
from gan_lab.errors import UserError
from helpers.penalty_probes import batch, conv_critic, rng
from helpers.registry import fields, instantiate


def mlp(*widths: int, seed: int = 0) -> nn.Sequential:
    """A ReLU net in float64 with one logit per sample."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Flatten(0)).double()


# Clipping -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("clip", [0.01, 0.2])
def test_clip_clamps_every_parameter_in_place(clip):
    critic = conv_critic()
    before = [p.detach().clone() for p in critic.parameters()]
    identities = [p.data_ptr() for p in critic.parameters()]
    instantiate("penalty", "clip", clip=clip).after_step(critic)
    for parameter, old, place in zip(critic.parameters(), before, identities, strict=True):
        assert np.array_equal(parameter.detach().numpy(), np.clip(old.numpy(), -clip, clip))
        assert parameter.data_ptr() == place  # the optimizer holds these very tensors
        assert parameter.requires_grad
    changed = [not torch.equal(p, old) for p, old in zip(critic.parameters(), before, strict=True)]
    assert any(changed)


def test_clip_hides_no_divergence():
    """An infinite weight is not the bound: `GAN.check_finite` looks at parameters alone."""
    critic = torch.nn.Linear(3, 1, bias=False)
    critic.weight.data = torch.tensor([[float("inf"), float("nan"), -5.0]])
    instantiate("penalty", "clip", clip=0.1).after_step(critic)
    assert critic.weight.isnan().tolist() == [[True, True, False]]
    assert critic.weight[0, 2].item() == pytest.approx(-0.1)


def test_clip_after_an_optimizer_step():
    critic, (real, fake) = conv_critic(), batch(4, 2, 6, 6)
    penalty = instantiate("penalty", "clip", clip=0.05)
    for _ in range(3):
        parameters = list(critic.parameters())
        slopes = torch.autograd.grad(critic(fake).mean() - critic(real).mean(), parameters)
        with (
            torch.no_grad()
        ):  # RMSprop's first step, by hand: importing torch's optimizers takes seconds
            for parameter, slope in zip(parameters, slopes, strict=True):
                parameter -= 0.1 * slope.sign()
        assert max(p.abs().max().item() for p in parameters) > 0.05
        penalty.after_step(critic)
        assert max(p.abs().max().item() for p in critic.parameters()) == 0.05


def test_the_lipschitz_constant_under_clipping():
    """A 3-layer ReLU net 1-256-256-1 with every weight at 0.01 has slope 0.01^3 2^16 =
    0.065536."""
    critic, penalty = mlp(1, 256, 256, 1), instantiate("penalty", "clip", clip=0.01)
    for parameter in critic.parameters():
        nn.init.constant_(parameter, 5.0)
    penalty.after_step(critic)
    real, fake = torch.ones(4, 1, dtype=torch.float64), torch.full((4, 1), 2.0, dtype=torch.float64)
    penalty.observe(critic, real, fake, rng())
    assert penalty.last_norm.item() == pytest.approx(0.065536, rel=1e-13, abs=0)


def test_the_default_is_that_of_the_paper():
    assert fields("penalty", "clip") == {"clip": 0.01}


# Spectral normalisation ---------------------------------------------------------------------------


def with_spectrum(rows: int, columns: int, seed: int) -> Tensor:
    """A matrix with singular values 3, 1.5, 0.75, ...: the power method gains a factor 4 per
    iteration."""
    rng_ = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng_.normal(size=(rows, rows)))
    right, _ = np.linalg.qr(rng_.normal(size=(columns, columns)))
    rank = min(rows, columns)
    return torch.tensor(left[:, :rank] @ np.diag(3 * 0.5 ** np.arange(rank)) @ right[:, :rank].T)


def known_critic() -> nn.Sequential:
    """Convolution, transposed convolution and linear layers whose weight matrices have a known
    spectrum."""
    critic = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 2, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(48, 5),
        nn.ReLU(),
        nn.Linear(5, 1),
        nn.Flatten(0),
    ).double()
    with torch.no_grad():
        critic[0].weight.copy_(with_spectrum(4, 18, 0).reshape(4, 2, 3, 3))
        critic[2].weight.copy_(with_spectrum(3, 16, 1).reshape(3, 4, 2, 2).transpose(0, 1))
        critic[5].weight.copy_(with_spectrum(5, 48, 2))
        critic[7].weight.copy_(with_spectrum(1, 5, 3))
    return critic


def matrices(critic: nn.Module) -> list[np.ndarray]:
    """The effective weights as matrices (outputs, inputs * kernel)."""
    found = []
    for layer in critic.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            found.append(layer.weight.detach().transpose(0, 1).flatten(1).numpy())
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            found.append(layer.weight.detach().flatten(1).numpy())
    return found


def wrapped(critic: nn.Module, **settings) -> nn.Module:
    torch.manual_seed(0)  # the first vector of the power method
    return instantiate("penalty", "spectral", **settings).wrap(critic)


def test_the_largest_singular_value_of_every_layer_becomes_one():
    """After 30 passes the power method's error is 4^-30 times what the first vector lacked:
    rounding remains."""
    plain = known_critic()
    critic = wrapped(deepcopy(plain))
    x = torch.ones(2, 2, 2, 2, dtype=torch.float64)
    for _ in range(30):
        critic(x)
    critic.eval()
    for effective, original in zip(matrices(critic), matrices(plain), strict=True):
        assert np.linalg.svd(effective)[1][0] == pytest.approx(1, rel=0, abs=1e-12)
        assert effective == pytest.approx(original / 3, rel=0, abs=1e-12)


def test_a_random_critic_comes_close_after_enough_passes():
    """Each of 500 iterations multiplies the error of the estimate by (s_2 / s_1)^2 < 0.97^2: 1e-13
    of it is left."""
    critic = wrapped(conv_critic(), n_power_iterations=10)
    x = torch.ones(2, 2, 6, 6, dtype=torch.float64)
    for _ in range(50):
        critic(x)
    critic.eval()
    for effective in matrices(critic):
        singular_values = np.linalg.svd(effective)[1]
        assert singular_values[0] == pytest.approx(1, rel=0, abs=1e-11)
        assert len(singular_values) == 1 or singular_values[1] < 0.97


def test_biases_are_left_alone():
    plain = known_critic()
    critic = wrapped(deepcopy(plain))
    for index in (0, 2, 5, 7):
        assert torch.equal(critic[index].bias, plain[index].bias)


def test_each_training_pass_makes_so_many_power_iterations():
    """Five passes with one iteration are one pass with five; and each pass moves the estimate at
    all."""
    one, five = (
        wrapped(mlp(6, 5, 4, 1), n_power_iterations=1),
        wrapped(mlp(6, 5, 4, 1), n_power_iterations=5),
    )
    for layer in (0, 2, 4):
        five[layer].load_state_dict(one[layer].state_dict())
    x = torch.ones(2, 6, dtype=torch.float64)
    before = deepcopy(one.state_dict())
    for _ in range(5):
        one(x)
    five(x)
    assert not torch.equal(
        one.state_dict()["0.parametrizations.weight.0._u"], before["0.parametrizations.weight.0._u"]
    )
    for key, value in one.state_dict().items():
        assert five.state_dict()[key].numpy() == pytest.approx(value.numpy(), rel=0, abs=1e-14)


def test_an_evaluation_pass_changes_nothing():
    critic = wrapped(mlp(6, 5, 1)).eval()
    before = deepcopy(critic.state_dict())
    real, fake = batch(4, 6)
    critic(real)
    instantiate("penalty", "spectral").observe(critic, real, fake, rng())
    for key, value in critic.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_relu_net_is_one_lipschitz():
    """The product of the layers' largest singular values bounds every slope: |f(x) - f(y)| <= ||x -
    y||."""
    critic, penalty = (
        wrapped(mlp(6, 32, 32, 1), n_power_iterations=10),
        instantiate("penalty", "spectral"),
    )
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter *= 10  # slopes of thousands without the constraint
    real, fake = batch(200, 6)
    for _ in range(60):
        critic(real[:1])
    critic.eval()
    bound = np.prod([np.linalg.svd(matrix)[1][0] for matrix in matrices(critic)])
    assert bound == pytest.approx(1, rel=0, abs=1e-6)
    rises = (critic(real) - critic(fake)).abs() / (real - fake).norm(dim=1)
    assert rises.max().item() <= bound
    penalty.observe(critic, real, fake, rng())
    assert 0 < penalty.last_norm.item() <= bound + 1e-12


def test_the_scale_of_a_weight_does_not_matter():
    """W / sigma(W) is the same for 7 W: the function, and that training cannot grow it."""
    critic, larger = wrapped(mlp(6, 5, 1)), wrapped(mlp(6, 5, 1))
    with torch.no_grad():
        for layer in (0, 2):
            larger[layer].parametrizations.weight.original.mul_(8)
    x, _ = batch(4, 6)
    assert larger(x).detach().numpy() == pytest.approx(critic(x).detach().numpy(), rel=0, abs=1e-14)


def test_gradients_reach_the_original_weights():
    critic = wrapped(mlp(6, 5, 1))
    critic(batch(4, 6)[0]).sum().backward()
    originals = [critic[layer].parametrizations.weight.original for layer in (0, 2)]
    assert {id(p) for p in originals} <= {id(p) for p in critic.parameters()}
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in originals)


def test_a_wrapped_critic_copies_and_round_trips():
    critic = wrapped(conv_critic())
    x, _ = batch(3, 2, 6, 6)
    critic(x)
    copy, loaded = deepcopy(critic), wrapped(conv_critic(seed=5))
    loaded.load_state_dict(critic.state_dict())
    expected = critic(x)
    assert torch.equal(copy(x), expected)
    assert torch.equal(loaded(x), expected)


def test_a_critic_without_a_layer_to_normalise_is_refused():
    with pytest.raises(UserError, match=r"penalty=spectral .*penalty="):
        wrapped(nn.Sequential(nn.Flatten(), nn.PReLU()))


@pytest.mark.parametrize("name", ["spectral_norm", "weight_norm"])
def test_a_critic_with_a_parametrised_weight_is_refused(name):
    critic = mlp(6, 5, 1)
    getattr(nn.utils.parametrizations, name)(critic[2])
    before = list(critic.state_dict())
    with pytest.raises(UserError, match="penalty=spectral"):
        wrapped(critic)
    assert list(critic.state_dict()) == before  # nothing half done


# The norm of a convolution as a map of images -----------------------------------------------------

LAYERS = {  # a layer and the side of the images that it gets
    "3x3 on 8x8": (lambda: nn.Conv2d(3, 5, 3, padding=1), 8),
    "3x3 on 4x4": (lambda: nn.Conv2d(6, 4, 3, padding=1), 4),
    "3x3, stride 2, on 8x8": (lambda: nn.Conv2d(3, 5, 3, 2, padding=1), 8),
    "3x3, stride 2, on 4x4": (lambda: nn.Conv2d(3, 5, 3, 2, padding=1), 4),
    "3x3 without padding": (lambda: nn.Conv2d(3, 5, 3), 8),
    "3x3, stride 2, without padding": (lambda: nn.Conv2d(3, 5, 3, 2, bias=False), 8),
    "1x1": (lambda: nn.Conv2d(4, 3, 1), 8),
    "1x1, stride 2": (lambda: nn.Conv2d(4, 3, 1, 2), 4),
    "reflected border": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), 4),
    "two groups": (lambda: nn.Conv2d(4, 4, 3, padding=1, groups=2), 4),
    "transposed, stride 2": (
        lambda: nn.ConvTranspose2d(3, 2, 3, 2, padding=1, output_padding=1),
        4,
    ),
    "with a mean of 2x2": (lambda: PooledConv2d(3, 4), 8),
}


def made(name: str) -> tuple[nn.Module, Tensor]:
    """A layer in float64 and a batch for it."""
    make, side = LAYERS[name]
    torch.manual_seed(1)
    layer = make().double()
    return layer, torch.randn(2, layer.in_channels, side, side, dtype=torch.float64)


def dense(layer: nn.Module, x: Tensor) -> np.ndarray:
    """A layer's map without its bias as a matrix: its columns are the outputs of unit images."""
    units = torch.eye(x[0].numel(), dtype=x.dtype).view(-1, *x.shape[1:])
    with torch.no_grad():
        return (layer(units) - layer(torch.zeros_like(units[:1]))).flatten(1).numpy().T


def settled(layer: nn.Module, x: Tensor, passes: int = 100, **settings) -> nn.Module:
    """The layer under penalty=spectral after so many training passes, in eval mode."""
    layer = wrapped(layer, **{"n_power_iterations": 5, "exact": True, **settings})
    for _ in range(passes):
        layer(x)
    return layer.eval()


@pytest.mark.thorough
@pytest.mark.parametrize("name", LAYERS)
def test_the_norm_of_a_convolution_becomes_one(name):
    """By numpy's singular values of the whole map; the bias stays, and the effective weight is W
    over its norm."""
    plain, x = made(name)
    layer = settled(deepcopy(plain), x)
    assert np.linalg.svd(dense(layer, x))[1][0] == pytest.approx(1, rel=0, abs=1e-3)
    norm = np.linalg.svd(dense(plain, x))[1][0]
    assert layer.weight.detach().numpy() == pytest.approx(
        plain.weight.detach().numpy() / norm, rel=1e-3, abs=0
    )
    if plain.bias is not None:
        assert torch.equal(layer.bias, plain.bias)


@pytest.mark.thorough
def test_the_reshaped_kernel_is_no_bound_of_a_convolution():
    """16 to 16 channels on 8x8: normalised as a matrix (16, 144) it lengthens an image by about
    1.5."""
    torch.manual_seed(0)
    plain, x = (
        nn.Conv2d(16, 16, 3, padding=1).double(),
        torch.randn(2, 16, 8, 8, dtype=torch.float64),
    )
    norms = [
        np.linalg.svd(dense(settled(deepcopy(plain), x, exact=exact), x))[1][0]
        for exact in (False, True)
    ]
    assert 1.2 < norms[0] < 1.8
    assert norms[1] == pytest.approx(1, rel=0, abs=1e-3)


def exact_critic(seed: int = 0) -> nn.Module:
    return wrapped(conv_critic(seed=seed), exact=True)


def test_linear_layers_are_normalised_as_before():
    one, other = (wrapped(mlp(6, 5, 1), exact=exact) for exact in (False, True))
    assert list(one.state_dict()) == list(other.state_dict())
    x, _ = batch(4, 6)
    assert torch.equal(one(x), other(x))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", ["3x3, stride 2, on 8x8", "with a mean of 2x2", "transposed, stride 2"]
)
def test_the_gradient_goes_through_the_norm(name):
    """Of sum C * W / sigma(W) along a direction, against central differences with numpy's singular
    values."""
    plain, x = made(name)
    layer = settled(deepcopy(plain), x, passes=200)
    c, direction = torch.randn_like(plain.weight), torch.randn_like(plain.weight)
    (c * layer.weight).sum().backward()
    found = (layer.parametrizations.weight.original.grad * direction).sum().item()

    def exact(step: float) -> float:
        moved = deepcopy(plain)
        with torch.no_grad():
            moved.weight += step * direction
        return (c * moved.weight).sum().item() / np.linalg.svd(dense(moved, x))[1][0]

    assert found == pytest.approx((exact(1e-5) - exact(-1e-5)) / 2e-5, rel=1e-4)


def test_second_derivatives_exist_and_are_right():
    """Of the squared gradient by the samples, by every parameter along a direction: by central
    differences."""
    critic, (x, _) = exact_critic(), batch(3, 2, 6, 6)
    for _ in range(300):
        critic(x)
    critic.eval()
    parameters = list(critic.parameters())
    direction = [torch.randn_like(p) for p in parameters]

    def squared() -> Tensor:
        point = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic(point).square().sum(), point, create_graph=True)
        return slope.square().sum()

    slopes = torch.autograd.grad(squared(), parameters, allow_unused=True, materialize_grads=True)
    expected, ends = sum((g * d).sum().item() for g, d in zip(slopes, direction, strict=True)), []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += step * d
        ends.append(squared().item())
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(expected, rel=1e-4)
    assert abs(expected) > 1e-6


def test_two_passes_before_one_backward():
    """As of real and fake samples: the second pass moves the vector that the first one's graph has
    used."""
    critic, (real, fake) = exact_critic(), batch(4, 2, 6, 6)
    (critic(fake).mean() - critic(real).mean()).backward()
    originals = [critic[layer].parametrizations.weight.original for layer in (0, 2)]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in originals)


def test_a_state_loads_before_the_first_pass():
    """A resumed run builds its critic anew and has seen no image when the state comes; copies are
    whole too."""
    critic, (x, _) = exact_critic(), batch(3, 2, 6, 6)
    for _ in range(3):
        critic(x)
    copied, loaded = deepcopy(critic), exact_critic(seed=5)
    loaded.load_state_dict(critic.state_dict())
    for _ in range(2):
        expected = critic(x)
        assert torch.equal(copied(x), expected)
        assert torch.equal(loaded(x), expected)
    assert [name for name in critic.state_dict() if name.endswith(".v")] == [
        f"{layer}.parametrizations.weight.0.v" for layer in (0, 2)
    ]
    exact_critic().load_state_dict(
        exact_critic().state_dict()
    )  # of a run that has seen nothing yet


def test_an_evaluation_pass_does_not_iterate_and_no_pass_draws():
    critic, (x, fake) = exact_critic(), batch(3, 2, 6, 6)
    random_state = torch.get_rng_state()
    critic(x)
    assert torch.equal(torch.get_rng_state(), random_state)  # dropout of the run is left alone
    critic.eval()
    before = deepcopy(critic.state_dict())
    assert torch.equal(critic(x), critic(x))
    instantiate("penalty", "spectral", exact=True).observe(
        lambda x: critic(x).flatten(), x, fake, rng()
    )
    assert all(torch.equal(value, before[key]) for key, value in critic.state_dict().items())
    critic.train()(x)
    moved = critic.state_dict()
    assert not torch.equal(
        moved["0.parametrizations.weight.0.v"], before["0.parametrizations.weight.0.v"]
    )


def test_images_of_another_size_are_refused():
    critic = wrapped(
        nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.AdaptiveAvgPool2d(1)), exact=True
    )
    critic(torch.zeros(4, 2, 8, 8))
    critic(torch.zeros(9, 2, 8, 8))
    with pytest.raises(UserError, match=r"2×8×8 and then 2×6×6.*penalty\.exact=false"):
        critic(torch.zeros(4, 2, 6, 6))


def test_the_norm_is_not_rounded_by_autocast():
    """Under bf16 the map is still of norm 1 to 1e-3 of float32: bf16 itself has steps of 4e-3."""
    torch.manual_seed(0)
    layer, x = (
        wrapped(nn.Conv2d(3, 5, 3, padding=1), exact=True, n_power_iterations=5),
        torch.randn(2, 3, 8, 8),
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for _ in range(60):
            layer(x)
    assert np.linalg.svd(dense(layer.eval(), x))[1][0] == pytest.approx(1, rel=0, abs=1e-3)
