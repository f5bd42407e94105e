"""The DCGAN of chapter 4 (thesis 4.B), for square images with a power-of-two side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_lab import checks
from gan_lab.architectures.layers import BatchNorm2d, square_image
from gan_lab.architectures.weight_norm import weight_normalised
from gan_lab.types import DataSpec


@dataclass(frozen=True)
class DCGAN:
    """Convolutional generator and critic with weight normalisation in every layer.

    For images of side S = 2^k >= 8 there are log2(S/4) stages between 4×4 and S×S. All layers but
    the last of each network are a convolution, batch norm, leaky ReLU (slope 0.2), and in the
    critic dropout.

    The generator: linear to 4×4, then 3×3 transposed convolutions of stride 2, generator_channels
    wide at S×S and twice as wide a stage earlier (768, 384, 192, 96 for 32 pixels); one of
    stride 1, tanh.

    The critic: Gaussian noise on its input; 3×3 convolutions, the first of stride 1 and
    critic_channels wide at S×S, then of stride 2 and twice as wide a stage (64, 128, 256, 512);
    mean over the 4×4 map, linear.

    Batch norm has no running statistics: sampling, too, normalises by its batch, of the training's
    size [code]. Initial weights come from torch's global generator, v ~ N(0, 0.05²);
    `initialise_from_data` sets the scales [code]. The thesis lists a layer's parts without their
    order; batch norm before the activation is DCGAN's (Radford 2015).

    Args:
        generator_channels: the generator's width at S×S.
        critic_channels: the critic's width at S×S.
        latent_dim: the length of z.
        extra_layer: one more 3×3 convolution of the critic at 4×4, for predefined labels.
        critic_batch_norm: False makes each sample's score its own, which gradient penalties need.
        batch_norm_eps: added to variances, 1e-3 as in the author's program [code].
        noise: the standard deviation of the noise on the critic's input.
        dropout: the share of the critic's activations that is dropped, in [0, 1).

    Raises:
        UserError: for a number out of range; from `generator` and `critic` for samples that are no
            square images with a side of 8, 16, 32, ...

    Source:
        Thesis 4.B and the author's program.

    Examples:
        >>> import torch
        >>> from gan_lab.architectures import DCGAN
        >>> from gan_lab.types import DataSpec
        >>> spec = DataSpec("squares", "images", (1, 8, 8), 2, ("empty", "full"))
        >>> architecture = DCGAN(generator_channels=4, critic_channels=4, latent_dim=16)
        >>> images = architecture.generator(spec)(torch.randn(5, 16))
        >>> images.shape, architecture.critic(spec, outputs=3)(images).shape
        (torch.Size([5, 1, 8, 8]), torch.Size([5, 3]))
    """

    generator_channels: int = 96
    critic_channels: int = 64
    latent_dim: int = 100
    extra_layer: bool = False
    critic_batch_norm: bool = True
    batch_norm_eps: float = 1e-3
    noise: float = 0.1
    dropout: float = 0.3

    def __post_init__(self) -> None:
        for name in ("generator_channels", "critic_channels", "latent_dim"):
            checks.whole(name, getattr(self, name), at_least=1)
        for name in ("extra_layer", "critic_batch_norm"):
            checks.flag(name, getattr(self, name))
        checks.number("noise", self.noise, at_least=0)
        checks.number("batch_norm_eps", self.batch_norm_eps, above=0)
        checks.number("dropout", self.dropout, at_least=0, below=1)

    def generator(self, spec: DataSpec, conditions: int = 0) -> nn.Module:
        """A network (n, latent_dim + conditions) -> images (n, *spec.shape) in [-1, 1]."""
        # from z to maps of 4×4
        image_channels, side = square_image(spec, "dcgan")
        stages = _stages(side)
        width = self.generator_channels * 2**stages
        layers: list[nn.Module] = [
            weight_normalised(nn.Linear(self.latent_dim + conditions, width * 4 * 4)),
            nn.Unflatten(1, (width, 4, 4)),
            *self._activated(width, batch_norm=True),
        ]

        # a stage doubles the side and halves the width
        for _ in range(stages):
            up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
            width //= 2
            layers += [weight_normalised(up), *self._activated(width, batch_norm=True)]

        # to the image, without batch norm
        last = weight_normalised(nn.ConvTranspose2d(width, image_channels, 3, padding=1))
        return nn.Sequential(*layers, last, nn.Tanh())

    def critic(self, spec: DataSpec, outputs: int) -> nn.Module:
        """A network from images (n, *spec.shape) -> (n, outputs), unbounded."""
        # at the full side
        image_channels, side = square_image(spec, "dcgan")
        width = self.critic_channels
        layers: list[nn.Module] = [
            GaussianNoise(self.noise),
            *self._convolution(image_channels, width, stride=1),
        ]

        # a stage halves the side and doubles the width
        for _ in range(_stages(side)):
            layers += self._convolution(width, 2 * width, stride=2)
            width *= 2

        # at 4×4, then over the whole map
        if self.extra_layer:
            layers += self._convolution(width, width, stride=1)
        pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(self.dropout)]
        return nn.Sequential(*layers, *pooled, weight_normalised(nn.Linear(width, outputs)))

    def _convolution(self, inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        """One layer of the critic."""
        convolution = weight_normalised(nn.Conv2d(inputs, outputs, 3, stride, padding=1))
        activated = self._activated(outputs, batch_norm=self.critic_batch_norm)
        return [convolution, *activated, nn.Dropout(self.dropout)]

    def _activated(self, channels: int, *, batch_norm: bool) -> list[nn.Module]:
        """Batch norm where asked for, and leaky ReLU."""
        activation = nn.LeakyReLU(0.2)
        if not batch_norm:
            return [activation]
        norm = BatchNorm2d(channels, eps=self.batch_norm_eps, track_running_stats=False)
        return [norm, activation]


class GaussianNoise(nn.Module):
    """x + std · ε with ε ~ N(0, I) from torch's global generator; in eval mode x itself."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        return x + self.std * torch.randn_like(x) if self.training and self.std else x


def _stages(side: int) -> int:
    """log2(side / 4): how often 4 pixels double to `side`."""
    return (side // 4).bit_length() - 1
