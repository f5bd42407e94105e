"""What the training step asks of a penalty, and the gradients that all of them share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from gan_lab import parallel
from gan_lab.checks import renamed_argument
from gan_lab.errors import UserError
from gan_lab.penalties.regions import Noise, interpolates

Score = Callable[[Tensor], Tensor]  # samples (n, *sample) -> (n,), each from its own sample alone


def gradients(critic_score: Score, points: Tensor, *, create_graph: bool = False) -> Tensor:
    """grad_x f(x) at every point.

    The critic may run under autocast. Where critic_score has an attribute `first_order`, a pass
    without a graph calls that: the same scores, for one derivative by the samples.

    Args:
        critic_score: f: samples (n, *sample) -> (n,), each from its own sample alone.
        points: (n, *sample).
        create_graph: let the gradients carry gradient to the critic's parameters.

    Returns:
        (n, *sample), in the precision of `points`.

    Raises:
        UserError: unless there is one score per point.

    Examples:
        A linear critic has its weight for a gradient, everywhere:

        >>> import torch
        >>> from gan_lab.penalties import gradients
        >>> gradients(lambda x: x @ torch.tensor([3.0, 4.0]), torch.zeros(2, 2))
        tensor([[3., 4.],
                [3., 4.]])
    """
    if not create_graph:
        critic_score = getattr(critic_score, "first_order", critic_score)
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        scores = critic_score(points)
        if scores.shape != points.shape[:1]:
            raise UserError(
                f"critic_score gave {tuple(scores.shape)} for {len(points)} samples: "
                "it must give one each"
            )

        # the sum's gradient is each point's own
        with torch.autocast(points.device.type, enabled=False):
            (found,) = torch.autograd.grad(scores.sum(), points, create_graph=create_graph)
            return found


def gradient_norms(critic_score: Score, points: Tensor, *, create_graph: bool = False) -> Tensor:
    """||grad_x f(x)||, Euclidean, at every point; see `gradients`.

    The norm is not taken under autocast. Where a gradient is zero, so is that of its norm.

    Args:
        critic_score: f: samples (n, *sample) -> (n,), each from its own sample alone.
        points: (n, *sample).
        create_graph: let the norms carry gradient to the critic's parameters.

    Returns:
        (n,), in float32 or wider.

    Raises:
        UserError: unless there is one score per point.

    Examples:
        >>> import torch
        >>> from gan_lab.penalties import gradient_norms
        >>> gradient_norms(lambda x: x @ torch.tensor([3.0, 4.0]), torch.zeros(2, 2))
        tensor([5., 5.])
    """
    found = gradients(critic_score, points, create_graph=create_graph)

    # half precision would overflow in the squares
    with torch.enable_grad(), torch.autocast(points.device.type, enabled=False):
        wide = torch.promote_types(found.dtype, torch.float32)
        return torch.linalg.vector_norm(found.flatten(1), dim=1, dtype=wide)


class Penalty(nn.Module):
    """What keeps the critic Lipschitz: a term of its loss, or a constraint on its parameters.

    Attributes:
        last_norm: the largest Euclidean gradient norm seen in the last call or `observe`, 0-d on
            the device of the samples, NaN before the first; not part of the state.
        measures_norm: whether a call sets last_norm, by gradients of single samples; where not, ask
            `observe` now and then. A class with a `forward` of its own says which it is: training
            refuses silence where batch norm in the critic mixes samples.

    Examples:
        >>> import torch
        >>> from gan_lab.penalties import Penalty
        >>> class Largest(Penalty):
        ...     def forward(self, critic_score, real, fake, *others, **named):
        ...         return critic_score(torch.cat([real, fake])).abs().max()
        >>> Largest()(lambda x: x[:, 0], torch.tensor([[1.0]]), torch.tensor([[-2.0]]))
        tensor(2.)
    """

    measures_norm: ClassVar[bool] = False
    last_norm: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last_norm", torch.tensor(math.nan), persistent=False)

    __call__ = renamed_argument(old="generator", new="rng")(nn.Module.__call__)

    def wrap(self, critic: nn.Module) -> nn.Module:
        """The critic to train, made before its optimizer.

        Raises:
            UserError: for a critic that cannot be penalised.
        """
        return critic

    def wrap_generator(self, generator: nn.Module) -> nn.Module:
        """The generator to train, made before its optimizer."""
        return generator

    @renamed_argument(old="generator", new="rng")
    def draw(self, real: Tensor, rng: torch.Generator | None = None) -> Noise:
        """All that is random in a call for a batch of real samples, for its `noise`.

        Args:
            real: the real samples, (n, *sample).
            rng: draws it; the default one if None.
        """
        return ()

    def forward(
        self,
        critic_score: Score,
        real: Tensor,
        fake: Tensor,
        rng: torch.Generator | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """The term to add to the critic's loss, 0-d: zero here, without evaluating the critic.

        Gradient flows to the critic's parameters only. `generator=`, the old name of `rng`, still
        works, with a DeprecationWarning.

        Args:
            critic_score: f.
            real: samples of shape (n, *sample), used as constants.
            fake: likewise.
            rng: draws what is random where `noise` is None; the default one if None.
            noise: of `draw`. Nothing random is left in the call then.
        """
        return real.new_zeros(())

    def after_step(self, critic: nn.Module) -> None:
        """Change the critic in place; called after every optimizer step of the critic."""

    @renamed_argument(old="generator", new="rng")
    def observe(
        self,
        critic_score: Score,
        real: Tensor,
        fake: Tensor,
        rng: torch.Generator | None = None,
    ) -> None:
        """Set last_norm from the interpolates of a batch, without a gradient for the parameters.

        The forward pass is an ordinary one: put a critic with dropout, spectral or batch norm in
        eval mode meanwhile, or how often one looks changes the run.
        """
        self.last_norm = gradient_norms(critic_score, interpolates(real, fake, rng)).max()
        self.last_norm = parallel.largest(self.last_norm)
