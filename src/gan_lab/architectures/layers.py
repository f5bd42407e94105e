"""Layers that the architectures share. Source: thesis Table 2-3 and the author's programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lab import parallel
from gan_lab.errors import UserError
from gan_lab.types import DataSpec

Layer = TypeVar("Layer", bound=nn.Conv2d | nn.Linear)


def he_uniform(layer: Layer) -> Layer:
    """Weight ~ U(±sqrt(6 / fan_in)), bias 0, in place; returns the layer."""
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def glorot_uniform(layer: Layer) -> Layer:
    """Weight ~ U(±sqrt(6 / (fan_in + fan_out))), bias 0, in place; returns the layer."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class PooledConv2d(nn.Conv2d):
    """3×3 convolution (padding 1), then the mean of each 2×2 square.

    Shapes: (n, in, H, W) -> (n, out, H/2, W/2), H and W even.

    A mean of shifted convolutions is the convolution with the mean of the shifted kernels: one 4×4
    convolution of stride 2, with 4/9 of the multiplications. Equal to the two steps up to rounding,
    in every derivative too.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, _sum_of_shifts(self.weight) / 4, self.bias, stride=2, padding=1)


class UpsampledConv2d(nn.Conv2d):
    """Every pixel doubled in both directions, then a 3×3 convolution (padding 1).

    Shapes: (n, in, H, W) -> (n, out, 2H, 2W).

    Computed as the transpose of `PooledConv2d`'s convolution, with 4/9 of the multiplications of
    the two steps.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        kernel = _sum_of_shifts(self.weight).flip(2, 3).transpose(0, 1)
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


def _sum_of_shifts(kernel: Tensor) -> Tensor:
    """The kernel added up at its four positions in a 4×4 square: (out, in, 3, 3) -> (.., 4, 4)."""
    rows = F.pad(kernel, (0, 0, 0, 1)) + F.pad(kernel, (0, 0, 1, 0))
    return F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of (n, C, H, W) over the samples of all processes.

    In training mode every pass normalises by its own batch; the running statistics, which eval mode
    uses, move only outside `frozen_statistics`.

    Args:
        num_features: C.
        eps: added to variances, 1e-3 [code].
        momentum: by how much running statistics move, 0.01 [code]; TensorFlow calls the same thing
            decay 0.99.
        track_running_stats: False: eval mode, too, normalises by its batch.
        affine: False: without gain and bias.

    Examples:
        >>> import torch
        >>> from gan_lab.architectures import BatchNorm2d
        >>> norm = BatchNorm2d(1)
        >>> _ = norm(torch.tensor([1.0, 3.0]).view(2, 1, 1, 1))  # mean 2
        >>> norm.running_mean
        tensor([0.0200])
    """

    statistics_frozen: bool = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-3,
        momentum: float = 0.01,
        track_running_stats: bool = True,
        affine: bool = True,
    ) -> None:
        super().__init__(
            num_features,
            eps=eps,
            momentum=momentum,
            track_running_stats=track_running_stats,
            affine=affine,
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.training and parallel.world_size() > 1:
            return self._over_processes(x)

        # momentum=0 is no substitute: 0 · nan would spoil the running statistics
        if self.training and self.statistics_frozen:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return super().forward(x)

    def _over_processes(self, x: Tensor) -> Tensor:
        """Normalise by the statistics of the global batch.

        torch's SyncBatchNorm refuses the CPU and has no second derivative.
        """
        # float32 at least: the sum of many squares in bfloat16 loses most of its digits
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = parallel.mean(wide.mean((0, 2, 3)))
        centred = wide - mean[:, None, None]
        variance = parallel.mean(centred.square().mean((0, 2, 3)))

        # as torch does it: the running variance is the unbiased one
        tracks = self.running_mean is not None and self.running_var is not None
        if tracks and not self.statistics_frozen:
            self._move_statistics(mean.detach(), variance.detach(), x.numel() // x.shape[1])

        scale = (variance + self.eps).rsqrt()
        if not self.affine:
            return (centred * scale[:, None, None]).to(x.dtype)
        scale = self.weight * scale
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    def _move_statistics(self, mean: Tensor, variance: Tensor, values_here: int) -> None:
        """Move the running statistics towards those of a batch with so many values a channel."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        count = parallel.world_size() * values_here
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        self.num_batches_tracked += 1


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalisation whose gain and bias are those of a class.

    The code of a class is one-hot; that of a way between two classes has the gain and the bias in
    between.

    Shapes: (n, C, H, W) and the code (n, classes) -> (n, C, H, W).

    Args:
        num_features: C.
        classes: how many.

    Source:
        Dumoulin et al. 2017 (arXiv:1610.07629); in GANs Miyato and Koyama 2018 (arXiv:1802.05637).

    Examples:
        >>> import torch
        >>> from gan_lab.architectures import ConditionalBatchNorm2d
        >>> norm = ConditionalBatchNorm2d(num_features=1, classes=2)
        >>> norm.bias.data = torch.tensor([[0.0], [5.0]])
        >>> x = torch.tensor([-1e3, 1e3]).view(2, 1, 1, 1)
        >>> norm(x, torch.eye(2)).flatten().round()
        tensor([-1.,  6.], grad_fn=<RoundBackward0>)
    """

    def __init__(self, num_features: int, classes: int) -> None:
        super().__init__()
        self.norm = BatchNorm2d(num_features, affine=False)

        # no linear layers: spectral norm of the generator would divide biases of 0 by their norm
        self.gain = nn.Parameter(torch.ones(classes, num_features))
        self.bias = nn.Parameter(torch.zeros(classes, num_features))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        gain, bias = code @ self.gain, code @ self.bias
        normalised: Tensor = self.norm(x)
        return normalised * gain[:, :, None, None] + bias[:, :, None, None]


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Inside, training-mode passes of `module` do not move its running statistics.

    For the generator in critic steps: only generator steps move its statistics [code], and the
    vectors by which spectral norm estimates. May be nested.

    Args:
        module: its layers of `BatchNorm2d`, at any depth, are held, and its parametrisations.

    Examples:
        >>> import torch
        >>> from gan_lab.architectures import BatchNorm2d, frozen_statistics
        >>> norm = BatchNorm2d(1)
        >>> with frozen_statistics(norm):
        ...     _ = norm(torch.tensor([1.0, 3.0]).view(2, 1, 1, 1))
        >>> norm.running_mean
        tensor([0.])
    """
    layers = [layer for layer in module.modules() if isinstance(layer, BatchNorm2d)]
    before = [layer.statistics_frozen for layer in layers]

    # parametrisations have no such switch: spectral norm moves its vectors in training mode alone
    moving = [
        parametrisation
        for parametrisations in module.modules()
        if isinstance(parametrisations, parametrize.ParametrizationList)
        for parametrisation in parametrisations
        if parametrisation.training
    ]

    # even where the body raises: a network must not stay frozen
    try:
        for layer in layers:
            layer.statistics_frozen = True
        for parametrisation in moving:
            parametrisation.training = False
        yield
    finally:
        for layer, frozen in zip(layers, before, strict=True):
            layer.statistics_frozen = frozen
        for parametrisation in moving:
            parametrisation.training = True


def normalises_by_batch(module: nn.Module) -> bool:
    """Whether an output depends on the samples beside it even in eval mode.

    It does where a batch norm has no running statistics.

    Examples:
        >>> from torch import nn
        >>> from gan_lab.architectures import normalises_by_batch
        >>> normalises_by_batch(nn.Sequential(nn.BatchNorm2d(3)))
        False
        >>> normalises_by_batch(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)))
        True
    """
    return any(
        isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is None
        for layer in module.modules()
    )


def square_image(spec: DataSpec, architecture: str) -> tuple[int, int]:
    """The channels and the side of square images.

    Args:
        spec: the facts of the data.
        architecture: its option, for the message.

    Returns:
        (channels, side).

    Raises:
        UserError: unless the samples are square images with a side of 8, 16, 32, ...
    """
    if spec.kind == "images" and len(spec.shape) == 3:
        channels, height, width = spec.shape
        if height == width and height >= 8 and height.bit_count() == 1:
            return channels, height

    shape = "×".join(map(str, spec.shape))
    raise UserError(
        f"architecture={architecture} draws square images with a side of 8, 16, 32, 64, ..., and "
        f"{spec.name} has {spec.kind} of shape {shape}: use architecture=mlp"
    )
