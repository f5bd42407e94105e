"""A convolution divided by its norm as a linear map of images."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from gan_lab.errors import UserError

FIRST_ITERATIONS = 15  # before the first estimate, as many as torch's spectral_norm makes
_TINY = 1e-12


def operator_norm(layer: _ConvNd, n_power_iterations: int = 1) -> _ConvNd:
    """Parametrise a convolution's weight as W / sigma(A), in place; returns the layer.

    A is the layer's map of one image to one image without its bias, whatever its `forward` makes of
    the weight. Before its first batch, which tells the size of the images, the weight is W itself.

    Args:
        layer: the convolution.
        n_power_iterations: see `OperatorNorm`.
    """
    # The size must be known before the weight is asked for, which the layer's forward does.
    parametrize.register_parametrization(layer, "weight", OperatorNorm(layer, n_power_iterations))
    layer.register_forward_pre_hook(_tell_size)
    return layer


class OperatorNorm(nn.Module):
    """W -> W / sigma, where sigma = ||A v|| and v follows the power method on A'A.

    A' is the transpose of A.

    Args:
        layer: the convolution whose weight it is.
        n_power_iterations: steps of the power method with every use of the weight in training mode.

    Attributes:
        v: the image that A lengthens most, of shape (1, channels, *size), the only state: empty
            before the first batch, and as large as a loaded state's. It is the same in every
            process, since nothing in it depends on the batch.
    """

    v: Tensor

    def __init__(self, layer: _ConvNd, n_power_iterations: int) -> None:
        super().__init__()
        self.n_power_iterations = n_power_iterations
        self.register_buffer("v", layer.weight.new_empty(0))
        self._map = _LinearMap(layer)

    def forward(self, weight: Tensor) -> Tensor:
        """W / sigma, with the gradient of sigma; W itself before the first batch."""
        if not self.v.numel():
            return weight

        with torch.autocast(weight.device.type, enabled=False):
            if self.training:
                self._iterate(weight, self.n_power_iterations)

            # A later pass moves v in place, which this one's backward pass must not see.
            return weight / self._map(weight, self.v.clone()).norm()

    def right_inverse(self, weight: Tensor) -> Tensor:
        """W from a weight that is assigned: the weight itself."""
        return weight

    def see(self, weight: Tensor, size: torch.Size) -> None:
        """Begin with images of one shape.

        Args:
            weight: W.
            size: the shape of an image, (channels, ...).

        Raises:
            UserError: where images were of another shape before.
        """
        if not self.v.numel():
            # from a seed of its own, so that v is the same in every process
            rng = torch.Generator().manual_seed(0)
            first = torch.randn((1, *size), generator=rng, dtype=torch.float64)
            self.v = F.normalize(first.flatten(), dim=0).view_as(first).to(weight)
            self._iterate(weight, FIRST_ITERATIONS)

        # v and the norm belong to one size
        elif self.v.shape[1:] != size:
            before, now = ("×".join(map(str, shape)) for shape in (self.v.shape[1:], size))
            raise UserError(
                f"exact=true: a convolution got images of shape {before} and then {now}, and its "
                "norm depends on their size: set penalty.exact=false for this critic"
            )

    @torch.no_grad()
    def _iterate(self, weight: Tensor, times: int) -> None:
        """v becomes A'A v / ||A'A v||, so many times."""
        with torch.autocast(weight.device.type, enabled=False):
            for _ in range(times):
                # A'A v is the gradient of ||A v||² / 2
                with torch.enable_grad():
                    v = self.v.detach().clone().requires_grad_()
                    image = self._map(weight.detach(), v)
                (back,) = torch.autograd.grad(image, v, image.detach())
                self.v.copy_(back / back.norm().clamp(min=_TINY))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take v of any size where there is none yet."""
        saved = state_dict.get(prefix + "v")
        if saved is not None and not self.v.numel():
            self.v = torch.empty_like(saved, device=self.v.device, dtype=self.v.dtype)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class _LinearMap:
    """(weight, image) -> a layer's output without its bias.

    It is the layer's own `forward`, in a copy that holds no parameter.
    """

    def __init__(self, layer: _ConvNd) -> None:
        self._layer = copy.copy(layer)
        self._layer._parameters, self._layer._modules = {}, {}
        self._layer.bias = None

    def __call__(self, weight: Tensor, image: Tensor) -> Tensor:
        self._layer.weight = weight  # any tensor will do
        try:
            result: Tensor = self._layer.forward(image)  # past hooks
        finally:
            del self._layer.weight
        return result


def _tell_size(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Before a layer's forward pass: let its norm see the size of the images."""
    parametrizations = layer.get_submodule("parametrizations.weight")
    norm = parametrizations.get_submodule("0")
    assert isinstance(norm, OperatorNorm)
    norm.see(parametrizations.get_parameter("original"), inputs[0].shape[1:])
