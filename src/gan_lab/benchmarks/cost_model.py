"""FLOP and bytes of a generator step of the ResNet (Table 2-3), by part, from its layers' sizes.

A multiplication with an addition counts as two FLOP. Bytes are a lower bound: each convolution
reads its input and its kernel once and writes its output once, in every pass; what stands between
convolutions is left to the fusing compiler.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LATENT_DIM = 128
IMAGE_CHANNELS = 3


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
        """Numbers of its kernel as it is stored: 3×3 also where pooling or upsampling makes 4×4."""
        return self.inputs * self.outputs * (9 if self.taps == 16 else self.taps)


def _plain(inputs: int, outputs: int, side: int, taps: int = 9) -> Convolution:
    return Convolution(inputs, outputs, taps, side, side, side)


def generator_layers(channels: int, side: int) -> list[Convolution]:
    """The layers of the generator for images of side 2^k >= 8."""
    layers = [Convolution(LATENT_DIM, channels * 16, 1, 1, 1, 1)]
    now = 4
    while now < side:
        layers.append(Convolution(channels, channels, 16, now, now, 2 * now))  # upsampled, then 3×3
        layers.append(_plain(channels, channels, 2 * now))
        layers.append(_plain(channels, channels, now, taps=1))  # shortcut, before it is upsampled
        now *= 2
    return [*layers, _plain(channels, IMAGE_CHANNELS, side)]


def critic_layers(channels: int, side: int) -> list[Convolution]:
    """The layers of the critic for images of side 2^k >= 8."""
    layers, now, inputs = [], side, IMAGE_CHANNELS
    for _ in range(max(1, (side // 8).bit_length() - 1)):
        half = now // 2
        layers.append(_plain(inputs, channels, now))
        layers.append(Convolution(channels, channels, 16, half, now, half))  # 3×3, mean of 2×2
        layers.append(_plain(inputs, channels, half, taps=1))  # shortcut, after the mean
        now, inputs = half, channels

    # two blocks without pooling
    layers += [_plain(channels, channels, now) for _ in range(4)]
    return [*layers, Convolution(channels, 1, 1, 1, 1, 1)]


@dataclass(frozen=True)
class Part:
    """A part of a generator step."""

    flop: float
    values: float  # numbers that its convolutions read and write

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
    n_critic: int = 5,
    batch_size: int = 64,
    generator_batch_size: int = 128,
    penalty: str = "maxgp",
) -> dict[str, Part]:
    """Count the parts of one generator step as gan_lab does it: FLOP and values by name."""
    # one pass of real and fake samples, with the gradients of the kernels and of all inputs but
    # the images
    generator = generator_layers(channels, side)
    critic = critic_layers(channels, side)
    of_images = [layer for layer in critic if layer.inputs == IMAGE_CHANNELS]
    both = 2 * batch_size
    forwards_and_backwards = _passes(critic, both, 3) + _passes(of_images, both, -1)

    # to differentiate f twice costs six passes: for gp on the whole batch; for maxgp on the sample
    # of largest norm alone, which one gradient of the whole batch finds
    none = Part(0, 0)
    in_two_orders = {
        "none": none,
        "maxgp": _passes(critic, batch_size, 2) + _passes(critic, 1, 6),
        "gp": _passes(critic, batch_size, 6),
    }

    critic_step = {
        "fakes of the critic": _passes(generator, batch_size, 1),  # without a graph
        "critic, forwards and backwards": forwards_and_backwards,
        "penalty": in_two_orders[penalty],
    }

    # n_critic of them for a step of the generator
    parts = {
        name: Part(n_critic * part.flop, n_critic * part.values)
        for name, part in critic_step.items()
    }

    # three passes of its own, whose latents need no gradient; two through the critic, whose kernels
    # need none
    size = generator_batch_size
    own = _passes(generator, size, 3) + _passes(generator[:1], size, -1)
    return parts | {"generator's step": own + _passes(critic, size, 2)}


def total(parts: dict[str, Part]) -> Part:
    """Add up the whole step."""
    return sum(parts.values(), start=Part(0, 0))
