"""Progressive growing: both networks begin at 4×4 pixels, and resolutions fade in one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_lab import checks, parallel
from gan_lab.architectures.layers import square_image
from gan_lab.types import DataSpec


@dataclass(frozen=True)
class Progressive:
    """Networks that grow with the generator step.

    The first `phase_steps` generator steps are at 4×4 pixels. Every further resolution takes as
    many steps to fade in, α from 0 to 1, and then as many to settle; the last one stays. So the
    phase is a function of the generator step alone. Networks that nobody told a step are grown.

    Both always have samples of the data's size: the generator enlarges what it draws by copying
    pixels, and the critic takes means of squares, which undoes it. So losses, penalties and scores
    see what they always see; a gradient by the pixels is smaller by 2 for each halving.

    Other than in the paper, the generator ends in tanh, real samples are not faded, all layers are
    equally wide and minibatch deviation is that of the whole batch.

    Args:
        channels: the width of all layers.
        latent_dim: the length of z.
        phase_steps: generator steps of a phase, >= 1.
        minibatch_deviation: the critic sees how much a batch varies. Its score of a sample depends
            on the batch then, which gradient penalties refuse.

    Raises:
        UserError: for a number out of range; from `generator` and `critic` for samples that are no
            square images with a side of 8, 16, 32, ...

    Source:
        Karras et al. 2018 (arXiv:1710.10196).

    Examples:
        >>> import torch
        >>> from gan_lab.architectures import Progressive
        >>> from gan_lab.types import DataSpec
        >>> spec = DataSpec("squares", "images", (1, 8, 8), 2, ("empty", "full"))
        >>> generator = Progressive(channels=4, latent_dim=16, phase_steps=10).generator(spec)
        >>> generator.grow(3)
        >>> image = generator(torch.randn(1, 16))[0, 0]
        >>> torch.equal(image[:2, :2], image[0, 0].expand(2, 2))  # 4×4 pixels, each as 2×2
        True
    """

    channels: int = 128
    latent_dim: int = 128
    phase_steps: int = 600
    minibatch_deviation: bool = False

    def __post_init__(self) -> None:
        for name in ("channels", "latent_dim", "phase_steps"):
            checks.whole(name, getattr(self, name), at_least=1)
        checks.flag("minibatch_deviation", self.minibatch_deviation)

    def generator(self, spec: DataSpec, conditions: int = 0) -> nn.Module:
        """A network (n, latent_dim + conditions) -> images (n, *spec.shape) in [-1, 1]."""
        image_channels, side = square_image(spec, "progressive")
        inputs = self.latent_dim + conditions
        return GrowingGenerator(inputs, self.channels, image_channels, side, self.phase_steps)

    def critic(self, spec: DataSpec, outputs: int) -> nn.Module:
        """A network from images (n, *spec.shape) -> (n, outputs), unbounded."""
        image_channels, side = square_image(spec, "progressive")
        return GrowingCritic(
            image_channels,
            side,
            self.channels,
            outputs,
            self.phase_steps,
            deviation=self.minibatch_deviation,
        )


def growth(step: int, phase_steps: int, doublings: int) -> tuple[int, float]:
    """How far networks are grown in a generator step.

    Args:
        step: generator steps before it.
        phase_steps: steps of a phase.
        doublings: how often 4 pixels double to the data's side.

    Returns:
        (k, α): the resolution is 4 · 2^k, and α in [0, 1] is how much of it has faded in.

    Examples:
        >>> from gan_lab.architectures.progressive import growth
        >>> [growth(step, phase_steps=10, doublings=2) for step in (9, 10, 15, 20, 35, 99)]
        [(0, 1.0), (1, 0.0), (1, 0.5), (1, 1.0), (2, 0.5), (2, 1.0)]
    """
    # a phase at 4 pixels, then two for each doubling: fading and settling
    phase = step // phase_steps
    if phase == 0:
        return 0, 1.0
    doubled = (phase + 1) // 2
    if doubled > doublings:
        return doublings, 1.0
    fading = phase % 2 == 1
    return doubled, (step % phase_steps) / phase_steps if fading else 1.0


class Growing(nn.Module):
    """The part that both networks have: how far they are grown.

    Attributes:
        doublings: how often 4 pixels double to the data's side.
        doubled: how often they have, k.
        alpha: 0-d, how much of the resolution 4 · 2^k has faded in.

    Examples:
        >>> from gan_lab.architectures import Growing
        >>> network = Growing(side=16, phase_steps=10)
        >>> network.grow(15)
        >>> network.doubled, network.alpha  # 8×8 pixels, half faded in
        (1, tensor(0.5000))
    """

    alpha: Tensor

    def __init__(self, side: int, phase_steps: int) -> None:
        super().__init__()
        self.phase_steps = phase_steps
        self.doublings = (side // 4).bit_length() - 1
        self.doubled = self.doublings
        self.fading = False

        # a tensor, so that a compiled network is the same for all of a phase; no part of the state
        self.register_buffer("alpha", torch.ones(()), persistent=False)

    def grow(self, generator_step: int) -> None:
        """Be as grown as in this generator step."""
        self.doubled, alpha = growth(generator_step, self.phase_steps, self.doublings)
        self.fading = alpha < 1
        self.alpha.fill_(alpha)

    def blended(self, old: Tensor, new: Tensor) -> Tensor:
        """(1 - α) old + α new."""
        return torch.lerp(old, new, self.alpha.to(new.dtype))


class GrowingGenerator(Growing):
    """Pixel norm, linear to 4×4, convolution; then doublings of two convolutions each.

    Leaky ReLU and pixel norm after every layer, a 1×1 convolution to the image for every
    resolution, tanh.

    Shapes: (n, inputs) -> (n, image_channels, side, side), in [-1, 1].
    """

    def __init__(
        self, inputs: int, channels: int, image_channels: int, side: int, phase_steps: int
    ) -> None:
        super().__init__(side, phase_steps)
        self.channels = channels
        self.linear = EqualLinear(inputs, channels * 4 * 4)
        self.first = EqualConv2d(channels, channels, 3)
        self.blocks = nn.ModuleList(
            nn.ModuleList(EqualConv2d(channels, channels, 3) for _ in range(2))
            for _ in range(self.doublings)
        )
        self.to_image = nn.ModuleList(
            EqualConv2d(channels, image_channels, 1, gain=1.0) for _ in range(self.doublings + 1)
        )

    def forward(self, z: Tensor) -> Tensor:
        # at 4×4
        x = self.linear(_pixel_norm(z)).unflatten(1, (self.channels, 4, 4))
        x = _pixel_norm(F.leaky_relu(x, 0.2))
        x = _pixel_norm(F.leaky_relu(self.first(x), 0.2))

        # doubled as often as it is grown
        before = x
        for block in self.blocks[: self.doubled]:
            assert isinstance(block, nn.ModuleList)
            before = x
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            for convolution in block:
                x = _pixel_norm(F.leaky_relu(convolution(x), 0.2))

        # the image, while the last doubling fades in between it and the one before, enlarged
        image = self.to_image[self.doubled](x)
        if self.fading:
            old = F.interpolate(
                self.to_image[self.doubled - 1](before), scale_factor=2, mode="nearest"
            )
            image = self.blended(old, image)
        enlarged = 2 ** (self.doublings - self.doubled)
        return torch.tanh(F.interpolate(image, scale_factor=enlarged, mode="nearest"))


class GrowingCritic(Growing):
    """Halvings of two convolutions each, down to 4×4; convolution, linear, linear.

    Leaky ReLU after every layer but the last, a 1×1 convolution from the image for every
    resolution.

    Shapes: (n, image_channels, side, side) -> (n, outputs).
    """

    def __init__(
        self,
        image_channels: int,
        side: int,
        channels: int,
        outputs: int,
        phase_steps: int,
        *,
        deviation: bool,
    ) -> None:
        super().__init__(side, phase_steps)
        self.from_image = nn.ModuleList(
            EqualConv2d(image_channels, channels, 1) for _ in range(self.doublings + 1)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(EqualConv2d(channels, channels, 3) for _ in range(2))
            for _ in range(self.doublings)
        )
        self.deviation = MinibatchDeviation() if deviation else None
        self.last = EqualConv2d(channels + bool(deviation), channels, 3)
        self.linear = EqualLinear(channels * 4 * 4, channels)
        self.output = EqualLinear(channels, outputs, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        # the image at the resolution that the network is grown to
        pooled = 2 ** (self.doublings - self.doubled)
        image = F.avg_pool2d(x, pooled) if pooled > 1 else x
        x = F.leaky_relu(self.from_image[self.doubled](image), 0.2)

        # halved down to 4×4; the first halving fades in beside the image that is halved itself
        for k in reversed(range(self.doubled)):
            block = self.blocks[k]
            assert isinstance(block, nn.ModuleList)
            for convolution in block:
                x = F.leaky_relu(convolution(x), 0.2)
            x = F.avg_pool2d(x, 2)
            if self.fading and k == self.doubled - 1:
                old = F.leaky_relu(self.from_image[k](F.avg_pool2d(image, 2)), 0.2)
                x = self.blended(old, x)

        # to one score
        if self.deviation is not None:
            x = self.deviation(x)
        x = F.leaky_relu(self.last(x), 0.2)
        score: Tensor = self.output(F.leaky_relu(self.linear(x.flatten(1)), 0.2))
        return score


class EqualConv2d(nn.Conv2d):
    """A convolution that keeps the size, by W · gain / sqrt(fan_in) with W ~ N(0, 1); bias 0.

    So Adam moves all weights at the same relative speed. Under spectral norm W alone is normalised.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, gain: float = math.sqrt(2)
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.scale = gain / math.sqrt(in_channels * kernel_size**2)
        nn.init.normal_(self.weight)
        _zero_bias(self)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, _scaled(self, self.scale), self.bias, padding=self.padding)


class EqualLinear(nn.Linear):
    """A linear layer by W · gain / sqrt(in_features), as `EqualConv2d`."""

    def __init__(self, in_features: int, out_features: int, gain: float = math.sqrt(2)) -> None:
        super().__init__(in_features, out_features)
        self.scale = gain / math.sqrt(in_features)
        nn.init.normal_(self.weight)
        _zero_bias(self)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, _scaled(self, self.scale), self.bias)


class MinibatchDeviation(nn.Module):
    """One more channel, everywhere the same: the mean over (c, h, w) of the standard deviation over
    the samples of all processes.

    Shapes: (n, C, H, W) -> (n, C + 1, H, W).
    """

    mixes_samples = True  # a score depends on the samples beside it

    def forward(self, x: Tensor) -> Tensor:
        mean = parallel.mean(x.mean(0))
        variance = parallel.mean((x - mean).square().mean(0))
        deviation = (variance + 1e-8).sqrt().mean()
        return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)


def _pixel_norm(x: Tensor) -> Tensor:
    """x / sqrt(mean over channels of x² + 1e-8), at every pixel."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def _scaled(layer: nn.Module, scale: float) -> Tensor:
    """The weight that a layer computes with."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight if parametrize.is_parametrized(layer, "weight") else weight * scale


def _zero_bias(layer: nn.Conv2d | nn.Linear) -> None:
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
