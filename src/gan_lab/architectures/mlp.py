"""Fully connected networks, for points and for flattened images of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from torch import nn

from gan_lab import checks
from gan_lab.architectures.layers import glorot_uniform
from gan_lab.types import DataSpec


def leaky_relu() -> nn.Module:
    """max(x, 0.2 x): the slope of thesis 4.B."""
    return nn.LeakyReLU(0.2)


# name -> (layer, gain). With weights of variance gain²/fan_in the scale of a signal stays from
# layer to layer where 1/gain² is the mean square that the activation leaves of a standard normal
# input (He et al. 2015, arXiv:1502.01852); selu has 1 by construction. By that rule tanh had 1.59,
# which multiplies gradients a hundredfold in 64 layers.
ACTIVATIONS: dict[str, tuple[Callable[[], nn.Module], float]] = {
    "relu": (nn.ReLU, sqrt(2)),
    "leaky_relu": (leaky_relu, sqrt(2 / 1.04)),
    "elu": (nn.ELU, 1.2452),
    "selu": (nn.SELU, 1.0),
    "tanh": (nn.Tanh, 1.0),
}


@dataclass(frozen=True)
class MLP:
    """`depth` hidden layers of `width` units each, in the generator and in the critic.

    Images are flattened on the way in; generated images end in tanh, generated points are
    unbounded.

    Initial weights come from torch's global generator: hidden weights ~ U(±gain·sqrt(3 / fan_in))
    with the activation's gain, hidden biases ~ U(±1 / sqrt(fan_in)) (without biases the kinks of a
    ReLU net in the plane would all meet at the origin), output layer Glorot-uniform with bias 0.

    Args:
        depth: hidden layers in each network.
        width: units in a hidden layer.
        activation: relu, leaky_relu, elu, selu or tanh.
        latent_dim: the length of z.

    Raises:
        UserError: for a size that is no whole number >= 1 and for an unknown activation.

    Examples:
        >>> import torch
        >>> from gan_lab.architectures import MLP
        >>> from gan_lab.types import DataSpec
        >>> plane = DataSpec("plane", "points", (2,), 1, ("all",))
        >>> points = MLP(depth=2, width=16, latent_dim=4).generator(plane)(torch.randn(5, 4))
        >>> points.shape, MLP(depth=2, width=16).critic(plane, outputs=1)(points).shape
        (torch.Size([5, 2]), torch.Size([5, 1]))
    """

    depth: int = 3
    width: int = 512
    activation: str = "relu"
    latent_dim: int = 128

    def __post_init__(self) -> None:
        for name in ("depth", "width", "latent_dim"):
            checks.whole(name, getattr(self, name), at_least=1)
        checks.choice("activation", self.activation, ACTIVATIONS)

    def generator(self, spec: DataSpec, conditions: int = 0) -> nn.Module:
        """A network (n, latent_dim + conditions) -> samples (n, *spec.shape); images in [-1, 1]."""
        squash = [nn.Tanh()] if spec.kind == "images" else []
        return nn.Sequential(
            *self._layers(self.latent_dim + conditions, spec.size),
            *squash,
            nn.Unflatten(1, spec.shape),
        )

    def critic(self, spec: DataSpec, outputs: int) -> nn.Module:
        """A network from samples (n, *spec.shape) -> (n, outputs), unbounded."""
        return nn.Sequential(nn.Flatten(), *self._layers(spec.size, outputs))

    def _layers(self, inputs: int, outputs: int) -> list[nn.Module]:
        """`depth` hidden layers and the output layer."""
        # torch's default biases of a linear layer are those of the class's docstring
        activation, gain = ACTIVATIONS[self.activation]
        layers: list[nn.Module] = []
        for fan_in in [inputs] + [self.width] * (self.depth - 1):
            linear = nn.Linear(fan_in, self.width)
            bound = gain * sqrt(3 / fan_in)
            nn.init.uniform_(linear.weight, -bound, bound)
            layers += [linear, activation()]
        return [*layers, glorot_uniform(nn.Linear(self.width, outputs))]
