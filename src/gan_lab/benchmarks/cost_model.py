"""FLOP and bytes of a generator step of the ResNet (Table 2-3), by part, worked out from the sizes
of its layers.

A multiplication with an addition counts as two FLOP. Bytes are a lower bound: each convolution
reads its input and its kernel once and writes its output once, in every pass; what stands between
convolutions is left to the fusing compiler.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Convolution:
    """One convolution of one sample. A linear layer is one of side 1.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        taps: kernel positions of each product: 9 of 3×3, 16 of the 4×4 one that pooling or
            upsampling makes of it.
        side: of the smaller of its two maps, on which the products are counted.
        side_in: of the map that comes in.
        side_out: of the map that goes out.
    """

    inputs: int
    outputs: int
    taps: int
    side: int
    side_in: int
    side_out: int

    @property
    def flop(self) -> float:
        """Of one pass of one sample: forwards, to its input, or to its kernel."""
        return 2.0 * self.inputs * self.outputs * self.taps * self.side**2

    @property
    def values(self) -> int:
        """Numbers of its input and its output, for one sample."""
        return self.inputs * self.side_in**2 + self.outputs * self.side_out**2

    @property
    def weights(self) -> int:
        """Numbers of its kernel as it is stored: 3×3 where pooling or upsampling makes 4×4 of
        it."""
        return self.inputs * self.outputs * (9 if self.taps == 16 else self.taps)


def _plain(inputs: int, outputs: int, side: int, taps: int = 9) -> Convolution:
    return Convolution(inputs, outputs, taps, side, side, side)


def generator_layers(
    channels: int, image_channels: int, side: int, latent_dim: int = 128
) -> list[Convolution]:
    """The generator for images of side 2^k >= 8."""
    layers = [Convolution(latent_dim, channels * 16, 1, 1, 1, 1)]
    now = 4
    while now < side:
        layers.append(Convolution(channels, channels, 16, now, now, 2 * now))  # upsampled, then 3×3
        layers.append(_plain(channels, channels, 2 * now))
        layers.append(_plain(channels, channels, now, taps=1))  # shortcut, before it is upsampled
        now *= 2
    return [*layers, _plain(channels, image_channels, side)]


def critic_layers(
    channels: int, image_channels: int, side: int, outputs: int = 1
) -> list[Convolution]:
    """The critic for images of side 2^k >= 8."""
    layers, now, inputs = [], side, image_channels
    for _ in range(max(1, (side // 8).bit_length() - 1)):
        layers.append(_plain(inputs, channels, now))
        layers.append(
            Convolution(channels, channels, 16, now // 2, now, now // 2)
        )  # 3×3, then the mean of 2×2
        layers.append(_plain(inputs, channels, now // 2, taps=1))  # shortcut, after the mean
        now, inputs = now // 2, channels
    layers += [_plain(channels, channels, now) for _ in range(4)]
    return [*layers, Convolution(channels, outputs, 1, 1, 1, 1)]


@dataclass(frozen=True)
class Part:
    """A part of a generator step: its FLOP, and the numbers that its convolutions read and
    write."""

    flop: float
    values: float

    def __add__(self, other: Part) -> Part:
        return Part(self.flop + other.flop, self.values + other.values)


def _passes(layers: Iterable[Convolution], samples: int, passes: float) -> Part:
    """So many passes of a batch through layers."""
    kept = list(layers)
    flop = passes * samples * sum(layer.flop for layer in kept)
    return Part(flop, passes * sum(samples * layer.values + layer.weights for layer in kept))


PENALTIES = ("none", "maxgp", "gp")


def step_parts(
    channels: int = 128,
    side: int = 32,
    *,
    image_channels: int = 3,
    n_critic: int = 5,
    batch_size: int = 64,
    generator_batch_size: int = 128,
    penalty: str = "maxgp",
) -> dict[str, Part]:
    """The parts of one generator step as gan_lab does it.

    The critic's steps: fakes without a graph; one pass of real and fake samples and its gradients
    of the kernels and of all inputs but the images; and the penalty. maxgp differentiates f on the
    whole batch once, and a second time on the sample of largest norm alone; gp on the whole batch,
    which costs six passes. The generator's step: its own three passes, and two through the critic,
    whose kernels need no gradient.
    """
    generator = generator_layers(channels, image_channels, side)
    critic = critic_layers(channels, image_channels, side)
    of_images = [
        layer for layer in critic if layer.inputs == image_channels
    ]  # their inputs need no gradient
    twice = {
        "none": Part(0, 0),
        "maxgp": _passes(critic, 1, 6),
        "gp": _passes(critic, batch_size, 6),
    }[penalty]
    once = _passes(critic, batch_size, 2) if penalty == "maxgp" else Part(0, 0)
    one_step = {
        "fakes of the critic": _passes(generator, batch_size, 1),
        "critic, forwards and backwards": _passes(critic, 2 * batch_size, 3)
        + _passes(of_images, 2 * batch_size, -1),
        "penalty": once + twice,
    }
    parts = {
        name: Part(n_critic * part.flop, n_critic * part.values) for name, part in one_step.items()
    }
    own = _passes(generator, generator_batch_size, 3) + _passes(
        generator[:1], generator_batch_size, -1
    )
    return parts | {"generator's step": own + _passes(critic, generator_batch_size, 2)}


def total(parts: dict[str, Part]) -> Part:
    """Of the whole step."""
    return Part(
        sum(part.flop for part in parts.values()), sum(part.values for part in parts.values())
    )
