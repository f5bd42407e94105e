"""Layers that the architectures share. Source: thesis Table 2-3 and the author's programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    """3×3 convolution (padding 1), then the mean of each 2×2 square: (n, in, H, W) -> (n, out, H/2,
    W/2), H and W even.

    A mean of shifted convolutions is the convolution with the mean of the shifted kernels: one 4×4
    convolution of stride 2, with 4/9 of the multiplications. Equal to the two steps up to rounding,
    in every derivative too.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, _sum_of_shifts(self.weight) / 4, self.bias, stride=2, padding=1)


class UpsampledConv2d(nn.Conv2d):
    """Every pixel doubled in both directions, then a 3×3 convolution (padding 1): (n, in, H, W) ->
    (n, out, 2H, 2W).

    Computed as the transpose of `PooledConv2d`'s convolution, with 4/9 of the multiplications of
    the two steps.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        kernel = _sum_of_shifts(self.weight).flip(2, 3).transpose(0, 1)
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


def _sum_of_shifts(kernel: Tensor) -> Tensor:
    """(out, in, 3, 3) -> (out, in, 4, 4): the kernel added up at the four positions it has in a 4×4
    square."""
    rows = F.pad(kernel, (0, 0, 0, 1)) + F.pad(kernel, (0, 0, 1, 0))
    return F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of (n, C, H, W) with eps 1e-3 and running statistics that move by 0.01
    [code].

    In training mode every pass normalises by its own batch; the running statistics, which eval mode
    uses, move only outside `frozen_statistics`. (0.01 is torch's `momentum`; TensorFlow calls the
    same thing decay 0.99.)
    """

    statistics_frozen: bool = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-3,
        momentum: float = 0.01,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps=eps, momentum=momentum, track_running_stats=track_running_stats
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.training and parallel.world_size() > 1:
            return self._over_processes(x)
        if self.training and self.statistics_frozen:
            # momentum=0 is no substitute: 0 · nan would spoil the running statistics.
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return super().forward(x)

    def _over_processes(self, x: Tensor) -> Tensor:
        """By the statistics of the global batch: torch's SyncBatchNorm refuses the CPU and has no
        second derivative."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = parallel.mean(wide.mean((0, 2, 3)))
        centred = wide - mean[:, None, None]
        variance = parallel.mean(centred.square().mean((0, 2, 3)))
        if (
            self.running_mean is not None
            and self.running_var is not None
            and not self.statistics_frozen
        ):
            count = parallel.world_size() * x.numel() // x.shape[1]
            assert self.momentum is not None
            assert self.num_batches_tracked is not None
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * (count / (count - 1)), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Inside, training-mode passes of `module` leave running statistics and `num_batches_tracked`
    as they are.

    For the generator in critic steps: only generator steps move its statistics [code]. May be
    nested.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, BatchNorm2d)]
    before = [layer.statistics_frozen for layer in layers]
    try:
        for layer in layers:
            layer.statistics_frozen = True
        yield
    finally:
        for layer, frozen in zip(layers, before, strict=True):
            layer.statistics_frozen = frozen


def normalises_by_batch(module: nn.Module) -> bool:
    """Whether an output depends on the samples beside it even in eval mode: batch norm without
    running statistics."""
    return any(
        isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is None
        for layer in module.modules()
    )


def square_image(spec: DataSpec, architecture: str) -> tuple[int, int]:
    """(image channels, side). Raises UserError unless the samples are square images with a side of
    8, 16, 32, ..."""
    if spec.kind == "images" and len(spec.shape) == 3:
        channels, height, width = spec.shape
        if height == width and height >= 8 and height.bit_count() == 1:
            return channels, height
    shape = "×".join(map(str, spec.shape))
    raise UserError(
        f"architecture={architecture} draws square images with a side of 8, 16, 32, 64, ..., and "
        f"{spec.name} has "
        f"{spec.kind} of shape {shape}: use architecture=mlp"
    )
