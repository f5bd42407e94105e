"""DenseNet-BC, the classifier behind the thesis's AM Score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.classifier.networks import Classifier, image_shape
from gan_lab.errors import UserError
from gan_lab.types import DataSpec


@dataclass(frozen=True)
class DenseNetBC:
    """DenseNet-BC of depth L, growth rate k and compression θ, for small images.

    conv3 to 2k channels; three dense blocks of (L - 4) / 6 layers; a layer is BN, ReLU, conv1 to
    4k, BN, ReLU, conv3 to k, concatenated to its input; between blocks BN, ReLU, conv1 to floor(θ ·
    channels), mean 2×2; BN, ReLU, mean, linear. Convolutions are without bias. Initial weights come
    from torch's global generator: N(0, 2 / (k_h k_w out)), linear bias 0. At L = 40, k = 40,
    θ = 0.5 for 3×32×32 and ten classes: 1,901,930 parameters.

    Args:
        depth: L = 6 m + 4 with m >= 1.
        growth: k >= 1.
        compression: θ in (0, 1].

    Raises:
        UserError: for numbers outside these ranges; from `network` for samples that are no images.

    Source:
        Huang et al. 2017 (arXiv:1608.06993); thesis 4.5 and the author's programs for L, k, θ.
    """

    depth: int = 40
    growth: int = 40
    compression: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.depth, int) or not 10 <= self.depth < 1000 or (self.depth - 4) % 6:
            raise UserError(f"depth={self.depth}: use 6 m + 4 below 1000, for example 40 or 100")
        checks.whole("growth", self.growth, at_least=1)
        checks.number("compression", self.compression, above=0, at_most=1)

    def network(self, spec: DataSpec) -> Classifier:
        """A classifier of `spec.num_classes` classes."""
        # three dense blocks, each layer wider than the one before
        image_channels, _, _ = image_shape(spec)
        width = 2 * self.growth
        layers: list[nn.Module] = [nn.Conv2d(image_channels, width, 3, padding=1, bias=False)]
        for block in range(3):
            for _ in range((self.depth - 4) // 6):
                layers.append(DenseLayer(width, self.growth))
                width += self.growth

            # a transition after the first two, which narrows again
            if block < 2:
                narrower = math.floor(self.compression * width)
                convolution = nn.Conv2d(width, narrower, 1, bias=False)
                layers += [nn.BatchNorm2d(width), nn.ReLU(), convolution, nn.AvgPool2d(2)]
                width = narrower
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        network = Classifier(nn.Sequential(*layers), width, spec.num_classes)

        # the initial weights of the paper (He et al. 2015)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(network.output.bias)
        return network


class DenseLayer(nn.Module):
    """BN, ReLU, conv1 to 4k, BN, ReLU, conv3 to k, beside the input.

    Shapes: (n, C, H, W) -> (n, C + k, H, W).
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(h)))], 1)
