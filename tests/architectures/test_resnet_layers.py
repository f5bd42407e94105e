"""Initial weights, batch normalisation and its frozen statistics."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from gan_lab.architectures import BatchNorm2d, ResNet, frozen_statistics
from helpers.table_2_3 import images

# Initial weights ----------------------------------------------------------------------------------


def assert_uniform(weight: Tensor, bound: float) -> None:
    """U(±bound): nothing outside, the largest near it, mean and variance to six standard errors,
    and the shape.

    The largest of N is below (1 - d) bound with probability (1 - d)^N; d = 20 / N makes that 2e-9.
    """
    values = weight.detach().double().flatten()
    n = values.numel()
    assert n >= 100
    largest = values.abs().max().item()
    assert (1 - 20 / n) * bound < largest <= bound * (1 + 1e-6)  # the bound itself in float32
    assert abs(values.mean().item()) < 6 * bound / math.sqrt(3 * n)
    variance = values.var().item()
    assert abs(variance / (bound**2 / 3) - 1) < 6 * math.sqrt(0.8 / n)  # kurtosis 9/5
    assert stats.kstest(values.numpy(), stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-6


def expected_bound(name: str, weight: Tensor) -> float:
    """The author's program of Table 2-3: 3×3 convolutions He-uniform on fan-in; 1×1, output
    convolution and linear Glorot-uniform."""
    fan_out, fan_in = weight.shape[0] * weight[0, 0].numel(), weight[0].numel()
    if name.startswith("blocks.") and weight.shape[2:] == (3, 3):
        return math.sqrt(6 / fan_in)
    assert name in ("linear.weight", "output.weight") or weight.shape[2:] == (1, 1)
    return math.sqrt(6 / (fan_in + fan_out))


@pytest.mark.parametrize("network", ["generator", "critic"])
@pytest.mark.parametrize("outputs", [1, 40])
def test_initial_weights(network, outputs):
    torch.manual_seed(3)
    architecture, spec = ResNet(channels=48, latent_dim=20), images(3, 32)
    module = (
        architecture.generator(spec)
        if network == "generator"
        else architecture.critic(spec, outputs)
    )
    tested = 0
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all()
        elif "norm" in name:
            assert (parameter == 1).all()
        elif parameter.numel() >= 100:
            assert_uniform(parameter, expected_bound(name, parameter))
            tested += 1
    assert tested == (11 if network == "generator" else 10 + (outputs > 2))
    for name, buffer in module.named_buffers():
        assert (buffer == (1 if name.endswith("running_var") else 0)).all()


@pytest.mark.parametrize("draw", ["generator", "critic"])
def test_seeds_determine_weights(draw):
    def make(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        architecture, spec = ResNet(channels=4, latent_dim=3), images(1, 16)
        module = (
            architecture.generator(spec) if draw == "generator" else architecture.critic(spec, 2)
        )
        return dict(module.named_parameters())

    one, again, other = make(5), make(5), make(6)
    for name, parameter in one.items():
        assert torch.equal(parameter, again[name])
        drawn = parameter.dim() > 1
        assert torch.equal(parameter, other[name]) != drawn


def test_no_two_layers_have_the_same_weights():
    torch.manual_seed(0)
    critic = ResNet(channels=4).critic(images(), 1)
    squares = [p for name, p in critic.named_parameters() if p.shape == (4, 4, 3, 3)]
    assert len(squares) == 7
    for i, one in enumerate(squares):
        assert not any(torch.equal(one, other) for other in squares[:i])


# Batch normalisation ------------------------------------------------------------------------------


def batch(seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    scale, shift = (
        torch.tensor([0.1, 1, 30])[:, None, None],
        torch.tensor([5, -1, 0.0])[:, None, None],
    )
    return (torch.randn(6, 3, 4, 2, generator=rng) * scale + shift).to(dtype)


def layer() -> BatchNorm2d:
    made = BatchNorm2d(3).double()
    with torch.no_grad():
        made.weight.copy_(torch.tensor([1.0, 2.0, -0.5]))
        made.bias.copy_(torch.tensor([0.0, 0.3, 1.0]))
    return made


def statistics(module: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in module.buffers()]


def assert_same(one: list[Tensor], other: list[Tensor]) -> None:
    assert len(one) == len(other) > 0
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_training_normalises_by_the_batch():
    x, made = batch(), layer()
    flat = x.transpose(0, 1).reshape(3, -1)
    mean, var = flat.mean(1), flat.var(1, correction=0)
    shape = (slice(None), None, None)
    expected = (x - mean[shape]) / (var[shape] + 1e-3).sqrt() * made.weight[shape] + made.bias[
        shape
    ]
    torch.testing.assert_close(made(x), expected, rtol=0, atol=1e-13)
    with frozen_statistics(made):
        torch.testing.assert_close(made(x), expected, rtol=0, atol=1e-13)


def test_running_statistics_by_hand_and_as_torchs():
    """0.99 old + 0.01 new in every training pass, the variance unbiased; evaluation normalises by
    them."""
    made, peer = layer(), nn.BatchNorm2d(3, eps=1e-3, momentum=0.01).double()
    peer.load_state_dict(made.state_dict())
    mean, var = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for seed in range(7):
        flat = batch(seed).transpose(0, 1).reshape(3, -1)
        mean, var = 0.99 * mean + 0.01 * flat.mean(1), 0.99 * var + 0.01 * flat.var(1, correction=1)
        assert torch.equal(made(batch(seed)), peer(batch(seed)))
        assert made.num_batches_tracked.item() == seed + 1
    torch.testing.assert_close(made.running_mean, mean, rtol=1e-13, atol=0)
    torch.testing.assert_close(made.running_var, var, rtol=1e-13, atol=0)
    assert_same(statistics(made), statistics(peer))
    before = statistics(made)
    x, shape = batch(9), (slice(None), None, None)
    expected = (x - mean[shape]) / (var[shape] + 1e-3).sqrt() * made.weight[shape] + made.bias[
        shape
    ]
    torch.testing.assert_close(made.eval()(x), expected, rtol=0, atol=1e-12)
    assert_same(statistics(made), before)


def networks() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return ResNet(channels=4, latent_dim=3).generator(images(1, 16)), torch.randn(5, 3)


def test_frozen_statistics_stay_and_the_output_is_that_of_training():
    """Also under no_grad and autocast, in both precisions; afterwards a pass moves them again."""
    module, z = networks()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected_in_bf16 = module(z)
    before = statistics(module)
    expected = module(z).detach()
    moved = statistics(module)
    assert all(not torch.equal(a, b) for a, b in zip(before, moved, strict=True))
    with frozen_statistics(module):
        assert torch.equal(module(z), expected)
        with torch.no_grad():
            assert torch.equal(module(z), expected)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(module(z), expected_in_bf16)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
            assert torch.equal(module(z), expected_in_bf16)
        module(math.nan * z)
        module(math.inf * z)
        assert_same(statistics(module), moved)
    module(z)
    assert all(not torch.equal(a, b) for a, b in zip(moved, statistics(module), strict=True))
    counts = [
        buffer.item()
        for name, buffer in module.named_buffers()
        if name.endswith("num_batches_tracked")
    ]
    assert counts == [3] * 5


def test_gradients_inside_are_those_of_training():
    module, z = networks()
    gradients = []
    for frozen in (False, True):
        module.zero_grad()
        if frozen:
            with frozen_statistics(module):
                module(z).pow(2).sum().backward()
        else:
            module(z).pow(2).sum().backward()
        gradients.append([p.grad.clone() for p in module.parameters()])
    assert_same(*gradients)


def test_statistics_are_free_again_after_an_exception():
    module, z = networks()
    before = statistics(module)
    with pytest.raises(RuntimeError), frozen_statistics(module):  # noqa: PT012
        module(z)
        module(torch.randn(5, 4))  # not latent_dim
    assert_same(statistics(module), before)
    module(z)
    assert all(not torch.equal(a, b) for a, b in zip(before, statistics(module), strict=True))


def test_frozen_statistics_may_be_nested():
    """Around the whole and a part, and around the same twice: free only after the outermost."""
    module, z = networks()
    before = statistics(module)
    with frozen_statistics(module):
        with frozen_statistics(module.norm), frozen_statistics(module):
            module(z)
        module(z)
        with pytest.raises(KeyError), frozen_statistics(module.blocks):
            raise KeyError
        module(z)
    assert_same(statistics(module), before)
    module(z)
    assert all(not torch.equal(a, b) for a, b in zip(before, statistics(module), strict=True))


def test_a_part_is_frozen_alone():
    module, z = networks()
    part, rest = statistics(module.blocks), statistics(module.norm)
    with frozen_statistics(module.blocks):
        module(z)
    assert_same(statistics(module.blocks), part)
    assert all(not torch.equal(a, b) for a, b in zip(rest, statistics(module.norm), strict=True))


def test_another_module_is_not_frozen():
    (module, z), (other, _) = networks(), networks()
    before = statistics(other)
    with frozen_statistics(module):
        other(z)
    assert all(not torch.equal(a, b) for a, b in zip(before, statistics(other), strict=True))


def test_evaluation_is_the_same_inside():
    module, z = networks()
    for _ in range(3):
        module(z)
    module.eval()
    before, expected = statistics(module), module(z)
    with frozen_statistics(module):
        assert torch.equal(module(z), expected)
    assert torch.equal(module(z), expected)
    assert_same(statistics(module), before)
    one_by_one = torch.cat([module(row) for row in z.split(1)])  # no batch statistics
    torch.testing.assert_close(one_by_one, expected, rtol=0, atol=1e-5)


def test_a_module_is_none_the_worse_for_it():
    """Same state_dict keys, copies, pickles; a critic without norms is allowed too."""
    module, z = networks()
    keys = list(module.state_dict())
    with frozen_statistics(module):
        assert list(module.state_dict()) == keys
    clone, pickled = copy.deepcopy(module), pickle.loads(pickle.dumps(module))
    expected = module(z)
    for other in (clone, pickled):
        assert torch.equal(other(z), expected)
        assert_same(statistics(other), statistics(module))
    with frozen_statistics(ResNet(channels=4).critic(images(), 1)) as nothing:
        assert nothing is None
