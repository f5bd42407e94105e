"""The penalty of the thesis: the largest gradient norm stands for the Lipschitz constant (2-17)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_lab import checks, parallel
from gan_lab.penalties.base import Score, gradient_norms
from gan_lab.penalties.gradient import PointPenalty
from gan_lab.penalties.regions import Noise


class MaxGradientPenalty(PointPenalty):
    """weight * (max_x ||grad f(x)|| - target)^2 over the points of a region and of S_max.

    Only the point of the maximum carries gradient, so all are scored in a first-order pass and the
    second-order graph is built for that one alone: the gradient of the full graph for a fraction of
    its work. (A critic with dropout draws anew for the second pass.) At equal norms one point is
    chosen. On several processes the maximum and S_max are those of the global batch, and only the
    process that holds the point gives gradient.

    Args:
        weight: lambda >= 0.
        target: c >= 0.
        memory: the size of S_max, the points of largest norm so far, scored again with every batch;
            the first batches fill it. It is part of the state.
        region: where x lies: interpolates, real, fake or perturbed.

    Raises:
        UserError: for a weight, target or memory below 0 and an unknown region.

    Source:
        Thesis 2.5.4 and (2-17); Zhou et al. 2019 (arXiv:1902.05687).

    Examples:
        A linear critic whose gradient has length 5: 0.1 · 5².

        >>> import torch
        >>> from gan_lab.penalties import MaxGradientPenalty
        >>> penalty = MaxGradientPenalty(weight=0.1)
        >>> penalty(lambda x: x @ torch.tensor([3.0, 4.0]), torch.ones(4, 2), torch.zeros(4, 2))
        tensor(2.5000)
        >>> penalty.last_norm.item()
        5.0
    """

    s_max: Tensor

    def __init__(
        self, weight: float, target: float = 0.0, memory: int = 0, region: str = "interpolates"
    ) -> None:
        super().__init__(weight, target, region)
        self.memory = checks.whole("memory", memory)
        # empty: the shape of a sample is known at the first call
        self.register_buffer("s_max", torch.empty(0))

    def forward(
        self,
        critic_score: Score,
        real: Tensor,
        fake: Tensor,
        rng: torch.Generator | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """The penalty, 0-d; see Penalty.forward. It moves S_max."""
        # this batch's points, and those of the memory
        points = self.points(real, fake, rng, noise).detach()
        own = len(points)
        if len(self.s_max):
            points = torch.cat([points, self.s_max])

        # all in a first-order pass, then the largest alone with a graph
        norms = gradient_norms(critic_score, points)
        norm = gradient_norms(
            critic_score, points.index_select(0, norms.argmax()[None]), create_graph=True
        ).squeeze()

        if self.memory:
            self._remember(points, norms, own)

        # Only who holds the largest of all processes gives gradient. A point in S_max is held by
        # all of them, and averaging gradients divides by their number.
        self.last_norm = parallel.largest(norm)
        holds_it = (norm.detach() == self.last_norm).to(norm.dtype)
        share = parallel.world_size() * holds_it / parallel.total(holds_it)
        return self.weight * (norm - self.target).square() * share

    def _remember(self, points: Tensor, norms: Tensor, own: int) -> None:
        """Make S_max the points of largest norm of all processes and of S_max so far.

        Args:
            points: this process's batch, then S_max.
            norms: at these points, (n,).
            own: how many of them are of the batch.
        """
        # a process sends no more points than S_max can keep
        best = norms[:own].topk(min(self.memory, own)).indices
        candidates = torch.cat([parallel.gathered(points[best]), points[own:]])
        scores = torch.cat([parallel.gathered(norms[best]), norms[own:]])
        kept = candidates[scores.topk(min(self.memory, len(candidates))).indices]

        # once full, in place, where a captured step finds it
        if kept.shape == self.s_max.shape:
            self.s_max.copy_(kept)
        else:
            self.s_max = kept

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take S_max as far as it was filled; with another memory shapes differ, as torch says."""
        saved = state_dict.get(prefix + "s_max")
        if saved is not None and len(saved) <= self.memory:
            self.s_max = torch.empty_like(saved, device=self.s_max.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
