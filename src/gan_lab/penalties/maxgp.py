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
    """weight * (max_x ||grad f(x)|| - target)^2 over the points x of a region and of the memory
    S_max (thesis 2.5.4).

    Only the point of the maximum carries gradient, so all are scored in a first-order pass and the
    second-order graph is built for that one alone: the gradient of the full graph for a fraction of
    its work. (A critic with dropout draws anew for the second pass.) At equal norms one point is
    chosen. On several processes the maximum and S_max are those of the global batch, and only the
    process that holds the point gives gradient.

    memory: size of S_max, the points of largest norm so far, scored again with every batch; the
    first batches fill it. It is part of the state. Raises UserError for a weight, target or memory
    below 0 and an unknown region.
    """

    s_max: Tensor

    def __init__(
        self, weight: float, target: float = 0.0, memory: int = 0, region: str = "interpolates"
    ) -> None:
        super().__init__(weight, target, region)
        self.memory = checks.whole("memory", memory)
        self.register_buffer(
            "s_max", torch.empty(0)
        )  # the shape of a sample is known at the first call

    def forward(
        self,
        critic_score: Score,
        real: Tensor,
        fake: Tensor,
        rng: torch.Generator | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """The penalty, 0-d; see Penalty.forward. Moves S_max."""
        points = self.points(real, fake, rng, noise).detach()
        own = len(points)
        if len(self.s_max):
            points = torch.cat([points, self.s_max])
        norms = gradient_norms(critic_score, points)
        norm = gradient_norms(
            critic_score, points.index_select(0, norms.argmax()[None]), create_graph=True
        ).squeeze()
        if self.memory:
            self._remember(points, norms, own)
        self.last_norm = parallel.largest(norm)
        holds_it = (norm.detach() == self.last_norm).to(norm.dtype)
        holders = parallel.total(
            holds_it
        )  # more than one where the point is in S_max, which all processes have
        return (
            self.weight
            * (norm - self.target).square()
            * (parallel.world_size() * holds_it / holders)
        )

    def _remember(self, points: Tensor, norms: Tensor, own: int) -> None:
        """S_max of all processes: the points of largest norm among their first `own` ones and S_max
        itself."""
        best = norms[:own].topk(min(self.memory, own)).indices
        candidates = torch.cat([parallel.gathered(points[best]), points[own:]])
        scores = torch.cat([parallel.gathered(norms[best]), norms[own:]])
        kept = candidates[scores.topk(min(self.memory, len(candidates))).indices]
        if kept.shape == self.s_max.shape:  # full: in place, where a captured step finds it
            self.s_max.copy_(kept)
        else:
            self.s_max = kept

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = state_dict.get(prefix + "s_max")
        if (
            saved is not None and len(saved) <= self.memory
        ):  # else the shapes differ, and torch says so
            self.s_max = torch.empty_like(saved, device=self.s_max.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
