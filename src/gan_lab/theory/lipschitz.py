"""How steep a network is: a lower and an upper bound of its Lipschitz constant."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, svds
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from gan_lab import checks
from gan_lab.architectures import BatchNorm2d
from gan_lab.architectures.dcgan import GaussianNoise
from gan_lab.architectures.layers import PooledConv2d, UpsampledConv2d
from gan_lab.architectures.resnet import (
    DownBlock,
    FlatBlock,
    ResNetCritic,
    ResNetGenerator,
    UpBlock,
)
from gan_lab.errors import UserError

Shape = tuple[int, ...]

POOL = 16  # random points to one start
FINAL = 4  # points of each kind whose whole Jacobian is taken
TINY = 1e-300
DENSE = 64  # a map with fewer inputs or outputs is written out as a matrix


@dataclass(frozen=True)
class LipschitzEstimate:
    """Bounds of k(f) = sup ||f(x) - f(y)|| / ||x - y||, Euclidean norms on both sides.

    Args:
        lower: the largest ||f'(x)||_2 that was met; a network cannot be flatter.
        upper: the product of the layers' norms, where branches that are summed add.
        point: where `lower` was met, float64 of the sample's shape.
        factors: (name, norm) of every layer, in the order in which samples pass.

    Examples:
        >>> import torch
        >>> from gan_lab.theory import lipschitz_estimate
        >>> network = torch.nn.Sequential(torch.nn.Linear(2, 1))
        >>> network[0].weight.data = torch.tensor([[3.0, 4.0]])
        >>> estimate = lipschitz_estimate(network, (2,), rng=torch.Generator())
        >>> [(name, round(norm, 12)) for name, norm in estimate.factors]
        [('0', 5.0)]
    """

    lower: float
    upper: float
    point: NDArray[np.float64]
    factors: tuple[tuple[str, float], ...]


def lipschitz_estimate(
    network: nn.Module,
    sample_shape: Sequence[int],
    *,
    rng: torch.Generator,
    starts: int = 32,
    steps: int = 100,
    scale: float = 1.0,
) -> LipschitzEstimate:
    """Bound a network's Lipschitz constant from both sides.

    The network is taken as it is evaluated (eval mode, effective weights of weight and spectral
    norm), in a copy of float64 on the CPU.

    The lower bound climbs ||f(x) - f(y)|| / ||x - y|| over pairs, not ||f'(x)||, which is constant
    almost everywhere in a ReLU network and shows no way up. Pairs begin at the steepest of 16 times
    as many random points; the largest ||f'||_2 at some of their ends and middles is taken.

    The upper bound multiplies the norms of the layers as linear maps, convolutions included (of
    images of the size that they get), and the largest slopes of the activations.

    Args:
        network: samples (n, *sample_shape) -> (n,) or (n, ...). `gan_lab`'s MLP and ResNet, and
            Sequential ones of linear, convolution, pooling and batch norm layers and activations.
        sample_shape: the shape of one sample.
        rng: draws the pairs, on the CPU.
        starts: pairs at once.
        steps: of the ascent, 0 for none: the best of the random points and their pairs.
        scale: x ~ N(0, scale² I), the scale of the data.

    Returns:
        Both bounds. The last step takes a backward pass for each of the network's outputs.

    Raises:
        UserError: for a layer whose norm is not known, by its name; for numbers out of range; for
            values that are not finite.

    Source:
        Upper bound: Szegedy et al. 2014 (arXiv:1312.6199).

    Examples:
        Weights of 0.01 everywhere in 256 units, twice: 0.01³ · 2¹⁶.

        >>> import torch
        >>> from torch import nn
        >>> from gan_lab.theory import lipschitz_estimate
        >>> network = nn.Sequential(
        ...     nn.Linear(1, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1)
        ... ).double()
        >>> for parameter in network.parameters():
        ...     _ = nn.init.constant_(parameter, 0.01)
        >>> estimate = lipschitz_estimate(network, (1,), rng=torch.Generator())
        >>> round(estimate.lower, 9), round(estimate.upper, 9)
        (0.065536, 0.065536)
    """
    # what was asked
    shape = tuple(checks.whole("sample_shape", size, at_least=1) for size in sample_shape)
    if not shape:
        raise UserError("sample_shape=(): give the shape of one sample, (features,)")
    checks.whole("starts", starts, at_least=1)
    checks.whole("steps", steps)
    checks.number("scale", scale, above=0)

    # a copy, so that nothing of the caller's network changes
    network = copy.deepcopy(network).eval().to("cpu", torch.float64)
    network.requires_grad_(requires_grad=False)

    try:
        outputs = network(torch.zeros(2, *shape, dtype=torch.float64))
    except (RuntimeError, IndexError) as error:
        raise UserError(f"sample_shape={shape}: the network refuses it: {error}") from error
    if outputs.shape[:1] != (2,) or not bool(outputs.isfinite().all()):
        raise UserError(
            f"network gave {tuple(outputs.shape)}, finite: {bool(outputs.isfinite().all())}, for "
            f"2 samples of shape {shape}: it must give finite values, the first axis the samples'"
        )

    # layers that are refused are told before the longer part
    walk = _Walk(network)
    upper = walk.norm([network], shape)
    points = _steep_points(network, shape, rng, starts, steps, scale)

    norms = _jacobian_norms(network, points)
    best = int(norms.argmax())
    return LipschitzEstimate(
        lower=float(norms[best]),
        upper=upper,
        point=points[best].numpy(),
        factors=tuple(walk.factors),
    )


# The lower bound ----------------------------------------------------------------------------------


def _steep_points(
    network: nn.Module, shape: Shape, rng: torch.Generator, starts: int, steps: int, scale: float
) -> Tensor:
    """The steepest of many random points, and where pairs that begin there climb to."""
    # a copy of points at each pass, which layers may overwrite (ReLU in place);
    # begin where it is steep already, in a random direction of the outputs
    drawn = scale * torch.randn(POOL * starts, *shape, generator=rng, dtype=torch.float64)

    scores = network(drawn[:1]).numel()
    directions = torch.randn(len(drawn), scores, generator=rng, dtype=torch.float64)
    slopes = torch.cat(
        [
            _slopes(network, *batch)
            for batch in zip(drawn.split(starts), directions.split(starts), strict=True)
        ]
    )

    steepest = drawn[slopes.topk(starts).indices]
    apart = scale * torch.randn(steepest.shape, generator=rng, dtype=torch.float64)
    pairs = torch.stack([steepest, steepest + apart])

    # each pair moves by its own unit gradient; the steps shrink to nothing
    stride = 0.1 * scale * math.sqrt(math.prod(shape))
    for step in range(steps):
        pairs.requires_grad_()
        x, y = network(pairs.flatten(0, 1).clone()).reshape(2, starts, -1)
        rise = (x - y).square().sum(1)
        run = (pairs[0] - pairs[1]).flatten(1).square().sum(1)
        ratio = rise.clamp(min=TINY).log() - run.clamp(min=TINY).log()
        (slope,) = torch.autograd.grad(ratio.sum(), pairs)

        slope = slope.transpose(0, 1).flatten(1)
        length = slope.norm(dim=1, keepdim=True).clamp(min=TINY)
        move = (stride * (1 - step / steps) * slope / length).view(starts, 2, *shape)
        pairs = pairs.detach() + move.transpose(0, 1)

    # the best of them, in the direction in which each pair differs
    x, y = network(pairs.flatten(0, 1)).reshape(2, starts, -1)
    points = torch.cat([pairs[0], pairs[1], pairs.mean(0)]).detach()
    slopes = torch.cat([_slopes(network, part, x - y) for part in points.split(starts)])
    return torch.cat([steepest[:FINAL], points[slopes.topk(min(FINAL, len(points))).indices]])


def _slopes(network: nn.Module, points: Tensor, directions: Tensor) -> Tensor:
    """||f'(x)' w|| / ||w|| at every point, with its own w: (n,)."""
    points = points.detach().requires_grad_()
    unit = directions / directions.norm(dim=1, keepdim=True).clamp(min=TINY)
    outputs = network(points.clone()).reshape(len(points), -1)
    (slope,) = torch.autograd.grad((outputs * unit).sum(), points)
    return slope.flatten(1).norm(dim=1)


def _jacobian_norms(network: nn.Module, points: Tensor) -> Tensor:
    """||f'(x)||_2 at every point, (n,)."""
    points = points.detach().requires_grad_()
    outputs = network(points.clone()).reshape(len(points), -1)
    rows = [
        torch.autograd.grad(column.sum(), points, retain_graph=True)[0].flatten(1)
        for column in outputs.unbind(1)
    ]
    jacobians = torch.stack(rows, 1)
    if not jacobians.isfinite().all():
        raise UserError("network: its derivative is not finite everywhere: use smaller weights")
    norms: Tensor = torch.linalg.matrix_norm(jacobians, ord=2)
    return norms


# The upper bound ----------------------------------------------------------------------------------


def _one(_: nn.Module) -> float:
    return 1.0


def _quarter(_: nn.Module) -> float:
    return 0.25


def _leaky(layer: nn.Module) -> float:
    assert isinstance(layer, nn.LeakyReLU)
    return max(1.0, abs(layer.negative_slope))


def _elu(layer: nn.Module) -> float:
    assert isinstance(layer, nn.ELU)
    return max(1.0, abs(layer.alpha))


def _selu(_: nn.Module) -> float:
    # scale · alpha, the slope just below 0 (Klambauer et al. 2017)
    return 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


# the largest slope of what acts on each number alone, or moves numbers about
SLOPES: dict[type[nn.Module], Callable[[nn.Module], float]] = {
    nn.CELU: _one,
    nn.Dropout: _one,
    nn.ELU: _elu,
    nn.Flatten: _one,
    nn.Hardtanh: _one,
    nn.Identity: _one,
    nn.LeakyReLU: _leaky,
    nn.ReLU: _one,
    nn.ReLU6: _one,
    nn.SELU: _selu,
    nn.Sigmoid: _quarter,
    nn.Softplus: _one,
    nn.Softsign: _one,
    nn.Tanh: _one,
    nn.Unflatten: _one,
    GaussianNoise: _one,  # none in eval mode
}

AFFINE: set[type[nn.Module]] = {
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.Upsample,
    BatchNorm2d,
    PooledConv2d,
    UpsampledConv2d,
}


def _sequential(module: nn.Module) -> list[list[nn.Module]]:
    return [list(module.children())]


def _flat_block(module: nn.Module) -> list[list[nn.Module]]:
    assert isinstance(module, FlatBlock)
    return [[nn.Identity()], [module.conv1, module.conv2]]


def _down_block(module: nn.Module) -> list[list[nn.Module]]:
    assert isinstance(module, DownBlock)
    return [[module.conv1, module.conv2], [nn.AvgPool2d(2), module.shortcut]]


def _up_block(module: nn.Module) -> list[list[nn.Module]]:
    assert isinstance(module, UpBlock)
    return [
        [module.norm1, module.conv1, module.norm2, module.conv2],
        [module.shortcut, nn.Upsample(scale_factor=2, mode="nearest")],
    ]


def _resnet_critic(module: nn.Module) -> list[list[nn.Module]]:
    assert isinstance(module, ResNetCritic)
    return [[module.blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), module.output]]


def _resnet_generator(module: nn.Module) -> list[list[nn.Module]]:
    assert isinstance(module, ResNetGenerator)
    unflatten = nn.Unflatten(1, (module.channels, 4, 4))
    return [[module.linear, unflatten, module.blocks, module.norm, module.output]]


# The branches whose sum a module is, each a chain of modules. ReLU and tanh between them, whose
# slopes are at most 1, are left out.
BRANCHES: dict[type[nn.Module], Callable[[nn.Module], list[list[nn.Module]]]] = {
    nn.Sequential: _sequential,
    DownBlock: _down_block,
    FlatBlock: _flat_block,
    ResNetCritic: _resnet_critic,
    ResNetGenerator: _resnet_generator,
    UpBlock: _up_block,
}


class _Walk:
    """The norms of a network's layers, from its input to its output."""

    def __init__(self, network: nn.Module) -> None:
        self._names = {id(module): name for name, module in network.named_modules()}
        self.factors: list[tuple[str, float]] = []

    def norm(self, chain: list[nn.Module], shape: Shape) -> float:
        """The product over modules of which each feeds the next."""
        product = 1.0
        for module in chain:
            product *= self._of_module(module, shape)
            shape = tuple(module(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:])
        return product

    def _of_module(self, module: nn.Module, shape: Shape) -> float:
        kind = type_before_parametrizations(module)
        if kind in BRANCHES:
            return sum(self.norm(chain, shape) for chain in BRANCHES[kind](module))

        # a layer
        name = self._names.get(id(module)) or kind.__name__
        if kind in SLOPES:
            norm = SLOPES[kind](module)
        elif kind in AFFINE:
            _refuse_batch_statistics(module, name)
            norm = _affine_norm(module, shape)
        else:
            known = ", ".join(sorted(known.__name__ for known in {*SLOPES, *AFFINE, *BRANCHES}))
            raise UserError(
                f"the norm of layer {name} ({kind.__module__}.{kind.__name__}) is not known: "
                f"use layers of {known}"
            )

        self.factors.append((name, norm))
        return norm


def _refuse_batch_statistics(module: nn.Module, name: str) -> None:
    """A sample's output that depends on other samples has no Lipschitz constant of its own."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
        raise UserError(
            f"layer {name} normalises by its batch in eval mode too: use batch norm with "
            "running statistics (track_running_stats=True), or none"
        )


def _affine_norm(layer: nn.Module, shape: Shape) -> float:
    """||A||_2 of a layer x -> A x + b on samples of one shape, to about 15 digits.

    `penalties.operator_norm` follows the power method, which approaches the norm from below: no
    upper bound. This is the matrix's own norm, or Lanczos on the same map.
    """
    if isinstance(layer, nn.Linear):
        return float(torch.linalg.matrix_norm(layer.weight, ord=2))

    # derivatives at 0 hold no bias, so a large one costs no digits
    zero = torch.zeros(1, *shape, dtype=torch.float64)
    image, pull_back = torch.func.vjp(layer, zero)[:2]

    def forwards(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        tangent = torch.from_numpy(vector.copy()).view_as(zero)
        moved: Tensor = torch.func.jvp(layer, (zero,), (tangent,))[1]
        return moved.flatten().numpy()

    def backwards(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        (back,) = pull_back(torch.from_numpy(vector.copy()).view_as(image))
        return back.flatten().numpy()

    # the smaller side written out
    if min(zero.numel(), image.numel()) <= DENSE:
        by_rows = image.numel() < zero.numel()
        smaller, apply = (image, backwards) if by_rows else (zero, forwards)
        matrix = np.stack([apply(unit) for unit in np.eye(smaller.numel())])
        return float(np.linalg.norm(matrix, ord=2))

    # ARPACK refuses the zero map
    start = np.random.default_rng(0).standard_normal(min(zero.numel(), image.numel()))
    if not np.any(forwards(np.random.default_rng(0).standard_normal(zero.numel()))):
        return 0.0
    operator = LinearOperator(
        (image.numel(), zero.numel()), matvec=forwards, rmatvec=backwards, dtype=np.float64
    )
    (norm,) = svds(operator, k=1, v0=start, return_singular_vectors=False)
    return float(norm)
