"""The ResNet of Table 2-3 (that of WGAN-GP), for square images with a power-of-two side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.architectures.layers import (
    BatchNorm2d,
    PooledConv2d,
    UpsampledConv2d,
    glorot_uniform,
    he_uniform,
    square_image,
)
from gan_lab.types import DataSpec


@dataclass(frozen=True)
class ResNet:
    """Residual generator and critic, all layers `channels` wide.

    For images of side S = 2^k >= 8 with any number of channels: the generator has log2(S/4) up
    blocks; the critic max(1, log2(S/8)) down blocks and two flat ones, so its last maps are 8×8,
    and 4×4 for S = 8. At 3×32×32 and 128 channels: 1,204,483 and (one output) 1,053,825 parameters.

    Initial weights come from torch's global generator [code]: 3×3 convolutions of the blocks
    He-uniform; 1×1, output and linear layers Glorot-uniform; biases 0.

    Args:
        channels: the width of all layers.
        latent_dim: the length of z.

    Raises:
        UserError: for a size that is no whole number >= 1; from `generator` and `critic` for
            samples that are no square images with a side of 8, 16, 32, ...

    Source:
        Thesis Table 2-3; Gulrajani et al. 2017 (arXiv:1704.00028), appendix.

    Examples:
        >>> from gan_lab.architectures import ResNet
        >>> from gan_lab.types import DataSpec
        >>> cifar = DataSpec("cifar10", "images", (3, 32, 32), 10, tuple("0123456789"))
        >>> sum(parameter.numel() for parameter in ResNet().generator(cifar).parameters())
        1204483
    """

    channels: int = 128
    latent_dim: int = 128

    def __post_init__(self) -> None:
        for name in ("channels", "latent_dim"):
            checks.whole(name, getattr(self, name), at_least=1)

    def generator(self, spec: DataSpec, conditions: int = 0) -> nn.Module:
        """A network (n, latent_dim + conditions) -> images (n, *spec.shape) in [-1, 1]."""
        image_channels, side = square_image(spec, "resnet")
        return ResNetGenerator(self.latent_dim + conditions, self.channels, image_channels, side)

    def critic(self, spec: DataSpec, outputs: int) -> nn.Module:
        """A network from images (n, *spec.shape) -> (n, outputs), unbounded."""
        image_channels, side = square_image(spec, "resnet")
        return ResNetCritic(image_channels, side, self.channels, outputs)


class ResNetGenerator(nn.Module):
    """Linear to (channels, 4, 4); up blocks; BN, ReLU, conv3, tanh.

    Shapes: (n, inputs) -> (n, image_channels, side, side), in [-1, 1].
    """

    def __init__(self, inputs: int, channels: int, image_channels: int, side: int) -> None:
        super().__init__()
        self.channels = channels
        self.linear = glorot_uniform(nn.Linear(inputs, channels * 4 * 4))
        ups = (side // 4).bit_length() - 1
        self.blocks = nn.Sequential(*(UpBlock(channels) for _ in range(ups)))
        self.norm = BatchNorm2d(channels)
        self.output = glorot_uniform(nn.Conv2d(channels, image_channels, 3, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        x = self.linear(z).unflatten(1, (self.channels, 4, 4))
        return torch.tanh(self.output(F.relu_(self.norm(self.blocks(x)))))


class ResNetCritic(nn.Module):
    """Down blocks; two flat blocks; ReLU, mean over the map, linear. No normalisation.

    Shapes: (n, image_channels, side, side) -> (n, outputs).
    """

    def __init__(self, image_channels: int, side: int, channels: int, outputs: int) -> None:
        super().__init__()
        downs = max(1, (side // 8).bit_length() - 1)
        self.blocks = nn.Sequential(
            DownBlock(image_channels, channels, activate_input=False),
            *(DownBlock(channels, channels) for _ in range(downs - 1)),
            FlatBlock(channels),
            FlatBlock(channels),
        )
        self.output = glorot_uniform(nn.Linear(channels, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(F.relu(self.blocks(x)).mean((2, 3)))


class UpBlock(nn.Module):
    """BN, ReLU, nearest ×2, conv3, BN, ReLU, conv3, beside nearest ×2, conv1.

    Shapes: (n, C, H, W) -> (n, C, 2H, 2W).

    Where the batch norms are conditional ones, a call takes the code of a class for them.
    """

    norm1: nn.Module
    norm2: nn.Module

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = BatchNorm2d(channels)
        self.conv1 = he_uniform(UpsampledConv2d(channels, channels))
        self.norm2 = BatchNorm2d(channels)
        self.conv2 = he_uniform(nn.Conv2d(channels, channels, 3, padding=1))
        self.shortcut = glorot_uniform(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor, *code: Tensor) -> Tensor:
        h = self.conv1(F.relu_(self.norm1(x, *code)))
        h = self.conv2(F.relu_(self.norm2(h, *code)))
        # A 1×1 convolution commutes with copying pixels: done first, on a quarter of them.
        return h.add_(F.interpolate(self.shortcut(x), scale_factor=2, mode="nearest"))


class DownBlock(nn.Module):
    """ReLU, conv3, ReLU, conv3, mean 2×2, beside conv1, mean 2×2.

    Shapes: (n, in, H, W) -> (n, out, H/2, W/2).

    The critic's first block sees the image itself: `activate_input=False` omits the first ReLU, and
    the convolution that widens comes first.
    """

    def __init__(self, in_channels: int, out_channels: int, activate_input: bool = True) -> None:
        super().__init__()
        self.activate_input = activate_input
        self.conv1 = he_uniform(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        self.conv2 = he_uniform(PooledConv2d(out_channels, out_channels))
        self.shortcut = glorot_uniform(nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.relu(x) if self.activate_input else x)
        h = self.conv2(F.relu_(h))
        # Table 2-3 pools first in the first block only; a 1×1 convolution commutes with the mean,
        # and costs less after.
        return h.add_(self.shortcut(F.avg_pool2d(x, 2)))


class FlatBlock(nn.Module):
    """ReLU, conv3, ReLU, conv3, beside the identity. The shape stays."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = he_uniform(nn.Conv2d(channels, channels, 3, padding=1))
        self.conv2 = he_uniform(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu_(self.conv1(F.relu(x)))).add_(x)
