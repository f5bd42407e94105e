"""Image classifiers: a trunk whose features the scores use, and a linear layer on top."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.architectures.layers import PooledConv2d
from gan_lab.errors import UserError
from gan_lab.types import DataSpec


def standardise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(x - mean) / std per channel, float32 (n, C, H, W).

    Args:
        images: uint8 (n, C, H, W).
        mean: (C,), of the pixels on the scale 0..255.
        std: (C,), likewise.
    """
    return (images.float() - mean[:, None, None]) / std[:, None, None]


class Classifier(nn.Module):
    """A network from standardised images (n, C, H, W) to logits (n, num_classes).

        features = mean over the last map of `trunk`, (n, num_features)
        logits = linear(features)

    Args:
        trunk: (n, C, H, W) -> (n, num_features, h, w).
        num_features: d, the number of values that describe an image.
        num_classes: K.
    """

    def __init__(self, trunk: nn.Module, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.output = nn.Linear(num_features, num_classes)

    def fit_statistics(self, images: Tensor) -> None:
        """Show training images (n, C, H, W) to the layers that depend on the data, if any."""
        for layer in self.trunk.modules():
            if isinstance(layer, PatchWhitening):
                layer.fit(images)

    @property
    def num_features(self) -> int:
        """d, the number of values that describe an image."""
        return self.output.in_features

    def features(self, x: Tensor) -> Tensor:
        """Standardised images (n, C, H, W) -> (n, num_features): what FID and its like compare."""
        return self.trunk(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x))


@dataclass(frozen=True)
class ResNetClassifier:
    """A small residual classifier that trains in minutes on a processor.

    Patch whitening, then stages until the side is below 8: conv3 + mean 2×2 (where a side is odd,
    conv3 of stride 2) to 2, 4, 8, 8, ... times `width` channels, then a residual block of two
    conv3; every convolution but the whitening is followed by BN and ReLU. For 3×32×32, width 32 and
    ten classes: 1,953,792 parameters, 256 features.

    Args:
        width: half the channels of the first stage.

    Raises:
        UserError: for a width below 1; from `network` for samples that are no images.
    """

    width: int = 32

    def __post_init__(self) -> None:
        checks.whole("width", self.width, at_least=1)

    def network(self, spec: DataSpec) -> Classifier:
        """A classifier of `spec.num_classes` classes, its weights from torch's global generator."""
        channels, height, width = image_shape(spec)
        whitening = PatchWhitening(channels)
        layers: list[nn.Module] = [whitening]

        # a stage halves the sides, rounded up, and doubles the channels up to a bound
        last, wider = whitening.out_channels, 2 * self.width
        while min(height, width) >= 8:
            layers += [ConvBlock(_halving(last, wider, height, width)), ResidualBlock(wider)]
            last, wider = wider, min(2 * wider, 8 * self.width)
            height, width = (height + 1) // 2, (width + 1) // 2
        return Classifier(nn.Sequential(*layers), last, spec.num_classes)


def _halving(channels: int, wider: int, height: int, width: int) -> nn.Conv2d:
    """A convolution from (height, width) to half of it, rounded up."""
    if height % 2 or width % 2:
        return nn.Conv2d(channels, wider, 3, stride=2, padding=1, bias=False)
    return PooledConv2d(channels, wider)


class PatchWhitening(nn.Module):
    """A fixed conv3 whose outputs are uncorrelated over the training images.

    Its outputs and their negatives, a bias, ReLU: (n, C, H, W) -> (n, 18 C, H, W). The rows of the
    kernel are the eigenvectors of the covariance of 3×3 patches over the root of their eigenvalue +
    0.01, so that training does not wait for the many directions in which pixels vary little. `fit`
    sets the kernel, zero until then.

    Args:
        channels: C.

    Source:
        Page 2019, "How to train your ResNet"; Jordan 2024 (arXiv:2404.00498).
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = 2 * 9 * channels
        self.register_buffer("kernel", torch.zeros(self.out_channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(self.out_channels))

    def fit(self, images: Tensor) -> None:
        """Set the kernel from standardised training images, float (n, C, H, W)."""
        # every 3×3 patch as a row of 9 C values
        patches = (
            images.unfold(2, 3, 1)
            .unfold(3, 3, 1)
            .permute(0, 2, 3, 1, 4, 5)
            .flatten(3)
            .flatten(0, 2)
            .double()
        )

        # 0.01 keeps directions without variance from being blown up
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        rows = (vectors / (values + 1e-2).sqrt()).T.reshape(-1, *self.kernel.shape[1:])
        self.kernel.copy_(torch.cat([rows, -rows]))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.conv2d(x, self.kernel, self.bias, padding=1))


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
    """The shape of images, (channels, height, width).

    Raises:
        UserError: for samples that are no images.
    """
    if spec.kind != "images" or len(spec.shape) != 3:
        raise UserError(
            f"{spec.name} holds {spec.kind}, and classifiers take images: choose another data set"
        )
    channels, height, width = spec.shape
    return channels, height, width
