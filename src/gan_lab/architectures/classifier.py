"""Image classifiers: a trunk whose features the scores use, and a linear layer on top."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.architectures.layers import PooledConv2d
from gan_lab.types import DataSpec, UserError


class Classifier(nn.Module):
    """`features(x)`: images (n, *spec.shape) -> (n, num_features); calling it: -> logits (n, num_classes).

    features = mean over the last map of `trunk`; logits = linear(features).
    """

    def __init__(self, trunk: nn.Module, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.output = nn.Linear(num_features, num_classes)

    @property
    def num_features(self) -> int:
        """d, the number of values that describe an image."""
        return self.output.in_features

    def features(self, x: Tensor) -> Tensor:
        return self.trunk(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x))


@dataclass(frozen=True)
class ResNetClassifier:
    """A small residual classifier that trains in minutes on a processor.

    conv3 of `width` channels, then stages until the side is 4 (or odd): conv3 + mean 2×2 to twice the channels (at
    most 8 width), then a residual block of two conv3; every convolution is followed by BN and ReLU.
    For 3×32×32, width 32 and ten classes: 1,941,994 parameters, 256 features.

    Errors: UserError for a width below 1 and for samples that are no images.
    """

    width: int = 32

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or self.width < 1:
            raise UserError(f"classifier.network.width={self.width}: use a whole number of at least 1")

    def network(self, spec: DataSpec) -> Classifier:
        """A classifier of `spec.num_classes` classes; initial weights from torch's global generator."""
        channels, height, width = image_shape(spec)
        last = self.width
        layers: list[nn.Module] = [ConvBlock(nn.Conv2d(channels, last, 3, padding=1, bias=False))]
        while min(height, width) >= 8 and height % 2 == 0 and width % 2 == 0:
            wider = min(2 * last, 8 * self.width)
            layers += [ConvBlock(PooledConv2d(last, wider)), ResidualBlock(wider)]
            last, height, width = wider, height // 2, width // 2
        return Classifier(nn.Sequential(*layers), last, spec.num_classes)


class ConvBlock(nn.Module):
    """A convolution, BN, ReLU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class ResidualBlock(nn.Module):
    """Two conv3 blocks beside the identity. The shape stays."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(ConvBlock(nn.Conv2d(channels, channels, 3, padding=1, bias=False)) for _ in range(2))
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.blocks(x)


def image_shape(spec: DataSpec) -> tuple[int, int, int]:
    """(channels, height, width), or a UserError."""
    if spec.kind != "images" or len(spec.shape) != 3:
        raise UserError(f"{spec.name} holds {spec.kind}, and classifiers take images: add evaluation=off")
    channels, height, width = spec.shape
    return channels, height, width
