"""No penalty, and constraints on the critic's parameters.

None of them measures a gradient, see Penalty.observe.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.penalties.base import Penalty
from gan_lab.penalties.operator_norm import operator_norm


class NoPenalty(Penalty):
    """The critic as it is.

    Examples:
        >>> import torch
        >>> from gan_lab.penalties import NoPenalty
        >>> NoPenalty()(lambda x: x[:, 0], torch.ones(1, 1), torch.zeros(1, 1))
        tensor(0.)
    """


class WeightClipping(Penalty):
    """Every parameter clamped to [-clip, clip] after each critic step.

    Args:
        clip: > 0, 0.01 in the paper.

    Raises:
        UserError: for another clip.

    Source:
        Arjovsky et al. 2017 (arXiv:1701.07875), Algorithm 1.

    Examples:
        >>> import torch
        >>> from gan_lab.penalties import WeightClipping
        >>> critic = torch.nn.Linear(2, 1, bias=False)
        >>> critic.weight.data = torch.tensor([[0.5, -0.001]])
        >>> WeightClipping(clip=0.01).after_step(critic)
        >>> critic.weight.data
        tensor([[ 0.0100, -0.0010]])
    """

    def __init__(self, clip: float = 0.01) -> None:
        super().__init__()
        self.clip = checks.number("clip", clip, above=0)

    @torch.no_grad()
    def after_step(self, critic: nn.Module) -> None:
        """Clamp in place; what is not finite becomes NaN, or a run that diverged would go on."""
        parameters: list[Tensor] = list(critic.parameters())
        nothing = torch._foreach_mul(parameters, 0.0)  # infinity · 0 is NaN
        torch._foreach_clamp_min_(parameters, -self.clip)
        torch._foreach_clamp_max_(parameters, self.clip)
        torch._foreach_add_(parameters, nothing)


class SpectralNorm(Penalty):
    """W / sigma(W) in every convolution and linear layer.

    sigma is the largest singular value, estimated by the power method: that of W in a linear layer;
    in a convolution see `exact`.

    What lies between these layers is left as it is. ReLU and means over pixels have constants of at
    most 1, but that of a residual sum is only bounded by the sum of its branches' (2 for a block
    whose shortcut has constant 1), and batch norm has its own: the bound of 1 for the whole critic
    holds without either.

    Args:
        n_power_iterations: steps of the power method in every forward pass in training mode.
        exact: of a convolution, False takes sigma of W as a matrix (outputs, inputs * kernel), as
            Miyato et al. have it. It is no bound of the layer: a 3×3 convolution normalised so may
            lengthen its input by up to 3, and at 8×8 does so by about 1.5. True takes that of the
            layer as a map of images of the size it gets (stride and padding included), so that its
            Lipschitz constant is 1. A layer takes images of one size then.
        generator: whether the generator's layers are normalised, too, as in SAGAN: always by W as a
            matrix. Their vectors move in generator steps alone.

    Raises:
        UserError: unless n_power_iterations >= 1 and the flags are true or false.

    Source:
        Thesis (2-14); Miyato et al. 2018 (arXiv:1802.05957).

    Examples:
        >>> import torch
        >>> from gan_lab.penalties import SpectralNorm
        >>> critic = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
        >>> critic[0].weight.data = torch.tensor([[3.0, 4.0]])
        >>> SpectralNorm().wrap(critic)[0].weight.data
        tensor([[0.6000, 0.8000]])
    """

    def __init__(
        self, n_power_iterations: int = 1, *, exact: bool = False, generator: bool = False
    ) -> None:
        super().__init__()
        self.n_power_iterations = checks.whole("n_power_iterations", n_power_iterations, at_least=1)
        self.exact = checks.flag("exact", exact)
        self.generator = checks.flag("generator", generator)

    def wrap(self, critic: nn.Module) -> nn.Module:
        """The critic, parametrised in place.

        deepcopy and state_dict work; torch does not let such modules pickle.

        Raises:
            UserError: for a critic without such layers, or with a weight that is parametrised
                already.
        """
        layers = _layers(critic, "critic")

        # a linear layer's own norm is that of its matrix
        for layer in layers:
            if self.exact and isinstance(layer, _ConvNd):
                operator_norm(layer, self.n_power_iterations)
            else:
                spectral_norm(layer, n_power_iterations=self.n_power_iterations)

        return critic

    def wrap_generator(self, generator: nn.Module) -> nn.Module:
        """The generator, parametrised in place where it is to be.

        Raises:
            UserError: as `wrap`.
        """
        if self.generator:
            for layer in _layers(generator, "generator"):
                spectral_norm(layer, n_power_iterations=self.n_power_iterations)
        return generator


def _layers(network: nn.Module, name: str) -> list[nn.Module]:
    """The layers that can be normalised.

    Raises:
        UserError: where there is none, or a weight is parametrised already.
    """
    layers: list[nn.Module] = [
        module for module in network.modules() if isinstance(module, _ConvNd | nn.Linear)
    ]
    if not layers:
        raise UserError(
            f"penalty=spectral found no convolution or linear layer in the {name}: "
            "take penalty=maxgp"
        )
    if any(parametrize.is_parametrized(layer, "weight") for layer in layers):
        raise UserError(
            f"penalty=spectral on a {name} that has weight or spectral norm: "
            "take penalty=none or architecture=resnet"
        )
    return layers
