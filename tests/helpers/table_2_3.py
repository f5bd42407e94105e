"""Table 2-3 a second time, literally and from torch.nn.functional alone; and its parameter counts
by hand.

Every module is a plain holder of weights under the names of a checkpoint of ours, so that both
share a state_dict.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.types import DataSpec

EPS = float(torch.finfo(torch.float64).eps)


def images(channels: int = 3, side: int = 32) -> DataSpec:
    return DataSpec("some-images", "images", (channels, side, side), 1, ("all",))


def points(dimension: int = 2) -> DataSpec:
    return DataSpec("some-points", "points", (dimension,), 1, ("all",))


class Weights(nn.Module):
    """A weight and a bias, filled from a state_dict."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape[:1]))


class Norm(Weights):
    """Batch normalisation written out: (x - mean) / sqrt(var + 1e-3) · weight + bias over (n, h,
    w)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))
        self.register_buffer("num_batches_tracked", torch.empty((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean = x.mean((0, 2, 3))
            var = ((x - mean[:, None, None]) ** 2).mean((0, 2, 3))
        normal = (x - mean[:, None, None]) / (var[:, None, None] + 1e-3).sqrt()
        return normal * self.weight[:, None, None] + self.bias[:, None, None]


def conv3(layer: nn.Module, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, padding=1)


def conv1(layer: nn.Module, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias)


def up(x: Tensor) -> Tensor:
    """Nearest neighbour, twice the size."""
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def pool(x: Tensor) -> Tensor:
    """The mean of every 2×2 square."""
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


class LiteralUp(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = Norm(c), Weights(c, c, 3, 3)
        self.norm2, self.conv2 = Norm(c), Weights(c, c, 3, 3)
        self.shortcut = Weights(c, c, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = conv3(self.conv1, up(F.relu(self.norm1(x))))
        h = conv3(self.conv2, F.relu(self.norm2(h)))
        return h + conv1(self.shortcut, up(x))


class LiteralGenerator(nn.Module):
    def __init__(self, latent_dim: int, c: int, image_channels: int, ups: int) -> None:
        super().__init__()
        self.c = c
        self.linear = Weights(16 * c, latent_dim)
        self.blocks = nn.Sequential(*(LiteralUp(c) for _ in range(ups)))
        self.norm = Norm(c)
        self.output = Weights(image_channels, c, 3, 3)

    def forward(self, z: Tensor) -> Tensor:
        x = (z @ self.linear.weight.T + self.linear.bias).reshape(-1, self.c, 4, 4)
        for block in self.blocks:
            x = block(x)
        return torch.tanh(conv3(self.output, F.relu(self.norm(x))))


class LiteralFirst(nn.Module):
    """conv3, ReLU, conv3, pool; shortcut pool then 1×1; no ReLU on the input."""

    def __init__(self, image_channels: int, c: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Weights(c, image_channels, 3, 3), Weights(c, c, 3, 3)
        self.shortcut = Weights(c, image_channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = pool(conv3(self.conv2, F.relu(conv3(self.conv1, x))))
        return h + conv1(self.shortcut, pool(x))


class LiteralDown(nn.Module):
    """ReLU, conv3, ReLU, conv3, pool; shortcut 1×1 then pool."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.shortcut = (
            Weights(c, c, 3, 3),
            Weights(c, c, 3, 3),
            Weights(c, c, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = pool(conv3(self.conv2, F.relu(conv3(self.conv1, F.relu(x)))))
        return h + pool(conv1(self.shortcut, x))


class LiteralFlat(nn.Module):
    """ReLU, conv3, ReLU, conv3; identity shortcut."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Weights(c, c, 3, 3), Weights(c, c, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + conv3(self.conv2, F.relu(conv3(self.conv1, F.relu(x))))


class LiteralCritic(nn.Module):
    def __init__(self, image_channels: int, c: int, downs: int, outputs: int) -> None:
        super().__init__()
        blocks = [LiteralFirst(image_channels, c), *(LiteralDown(c) for _ in range(downs - 1))]
        self.blocks = nn.Sequential(*blocks, LiteralFlat(c), LiteralFlat(c))
        self.output = Weights(outputs, c)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.blocks(x))
        h = h.sum((2, 3)) / (h.shape[2] * h.shape[3])
        return h @ self.output.weight.T + self.output.bias


UPS = {8: 1, 16: 2, 32: 3, 64: 4, 128: 5}  # 4 -> side, doubling
DOWNS = {8: 1, 16: 1, 32: 2, 64: 3, 128: 4}  # side -> 8, halving, and at least once


def generator_parameters(z: int, c: int, image_channels: int, ups: int) -> int:
    """linear 16c (z + 1); a block: two norms 4c, two conv3 2 (9c² + c), conv1 c² + c; norm 2c;
    conv3 to the image."""
    return 16 * c * (z + 1) + ups * (19 * c * c + 7 * c) + 2 * c + (9 * c + 1) * image_channels


def critic_parameters(image_channels: int, c: int, downs: int, outputs: int) -> int:
    """First block: conv3 and conv1 from the image, (10 i + 2) c, and 9c² + c; others 19c² + 3c;
    flat 18c² + 2c."""
    first = (10 * image_channels + 2) * c + 9 * c * c + c
    return first + (downs - 1) * (19 * c * c + 3 * c) + 2 * (18 * c * c + 2 * c) + outputs * (c + 1)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
