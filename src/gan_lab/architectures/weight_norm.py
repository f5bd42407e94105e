"""Weight normalisation: torch's own, and its start from data.

Source: Salimans and Kingma 2016 (arXiv:1602.07868).
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

Layer = TypeVar("Layer", bound=nn.Conv2d | nn.ConvTranspose2d | nn.Linear)


def weight_normalised(layer: Layer) -> Layer:
    """w = g v/||v|| with one g for each output channel, in place; returns the layer.

    v ~ N(0, 0.05²), g = ||v||, bias 0.
    """
    nn.init.normal_(layer.weight, std=0.05)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return weight_norm(layer, dim=1 if isinstance(layer, nn.ConvTranspose2d) else 0)


@torch.no_grad()
def initialise_from_data(network: nn.Module, batch: Tensor) -> None:
    """Set every weight-normalised layer so that its outputs have mean 0 and variance 1 on a batch.

    One pass, each layer on what the layers before it make once they are set: g ← g/σ, b ← (b - μ)/σ
    with mean μ and standard deviation σ of each output channel. A channel that is constant on the
    batch keeps its scale. Nothing happens, and nothing random is drawn, where no layer is
    weight-normalised.

    Args:
        network: its layers are set in place.
        batch: what `network` takes.

    Source:
        Salimans and Kingma 2016, section 3; the author's program [code].

    Examples:
        >>> import torch
        >>> from torch.nn.utils.parametrizations import weight_norm
        >>> from gan_lab.architectures import initialise_from_data
        >>> layer = weight_norm(torch.nn.Linear(1, 1))
        >>> batch = torch.tensor([[1.0], [3.0]])  # mean 2, standard deviation 1
        >>> initialise_from_data(layer, batch)
        >>> layer(batch).abs().round(decimals=4).flatten().tolist()
        [1.0, 1.0]
    """
    layers = [layer for layer in network.modules() if parametrize.is_parametrized(layer, "weight")]

    # A hook on a layer sets it and passes on the output that it would now give, so that one pass
    # sets all layers.
    def normalise(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        # over all axes but the channels'
        dims = [dim for dim in range(output.ndim) if dim != 1]
        shape = [-1 if dim == 1 else 1 for dim in range(output.ndim)]
        std, mean = torch.std_mean(output, dims, correction=0)
        std = torch.where(std > 1e-6, std, 1.0)

        length: Tensor = layer.parametrizations.weight.original0  # type: ignore[union-attr, assignment]
        length.div_(std.view_as(length))
        layer.bias.sub_(mean).div_(std)  # type: ignore[operator]
        return (output - mean.view(shape)) / std.view(shape)

    hooks = [layer.register_forward_hook(normalise) for layer in layers]
    try:
        if layers:
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
