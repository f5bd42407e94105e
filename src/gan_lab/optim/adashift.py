"""AdaShift: Adam's step size from gradients that the step itself does not use."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from gan_lab import checks
from gan_lab.optim.base import ListOptimizer, State, average, bias_correction, descend, whole


def largest_square(grads: list[Tensor]) -> list[Tensor]:
    """φ(g²) = max_i g[i]²."""
    # of the ends of g: they are found in one reading of it, and rounding keeps the order of squares
    ends = [torch.stack(torch.aminmax(grad)) for grad in grads]
    return list(torch._foreach_max(torch._foreach_mul(ends, ends)))


def mean_square(grads: list[Tensor]) -> list[Tensor]:
    """φ(g²) = mean_i g[i]²."""
    return [square.mean() for square in torch._foreach_mul(grads, grads)]


def squares(grads: list[Tensor]) -> list[Tensor]:
    """φ(g²) = g²: one value per element."""
    return list(torch._foreach_mul(grads, grads))


SPATIAL = {"max": largest_square, "mean": mean_square, "none": squares}


class AdaShift(ListOptimizer):
    """AdaShift with temporal shift n and spatial function φ.

    Per parameter tensor, at its step t:

        v ← β2 v + (1 - β2) φ(g²_{t-n})            v̂ = v / (1 - β2^{t-n})
        θ ← θ - lr · m_t / (sqrt(v̂) + eps)         m_t = Σ_{i<m} β1^i g_{t-i} / Σ_{i<m} β1^i

    During the first n steps nothing moves. The state of a parameter is `queue` (n, *shape), a ring
    of the last n gradients; `second`, v of shape () or *shape; and `step`, t.

    Args:
        params: parameters, or groups of them, as every optimizer of torch takes them.
        lr: the rate, >= 0; with spatial="max" a good one is about ten times Adam's (3.F.2).
        betas: β1 in [0, 1], of which 1 is the plain mean, and β2 in [0, 1).
        n: by how many steps v lags behind, >= 1.
        m: how many gradients m_t averages, from 1 to n; None: n.
        spatial: φ of the squares: their "max" or "mean" over the whole tensor, or "none", each
            element for itself ("non-AdaShift").
        eps: added to the root, >= 0.
        foreach: True handles all tensors in a few calls; False one by one, with the same values and
            in less memory.

    Raises:
        UserError: for arguments outside these ranges, sparse gradients and complex parameters.

    Source:
        Thesis Algorithm 3-2 and (3-16), (3-17), (3-44); Zhou et al. 2019 (arXiv:1810.00143).

    Examples:
        With n = 1 the second step divides by the largest gradient of the first one:

        >>> import torch
        >>> from gan_lab.optim import AdaShift
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> optimizer = AdaShift([theta], lr=0.1, n=1)
        >>> for gradient in ([4.0, 1.0], [2.0, 1.0]):
        ...     theta.grad = torch.tensor(gradient)
        ...     optimizer.step()
        >>> theta.data
        tensor([-0.0500, -0.0250])
    """

    beta1_may_be_1 = True  # the plain mean

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        n: int = 10,
        m: int | None = None,
        spatial: str = "max",
        eps: float = 1e-10,
        foreach: bool = True,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "n": n,
            "m": m,
            "spatial": spatial,
            "eps": eps,
            "foreach": foreach,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        n, m = group["n"], group["m"]
        checks.whole("n", n, at_least=1, beside=" (optimizer=adam_spatial has no shift)")
        if m is not None:
            checks.whole("m", m, 1, n, beside=", which is n, or null for n")
        checks.choice("spatial", group["spatial"], SPATIAL)

    def new_state(self, param: Tensor, group: dict[str, Any]) -> State:
        second = torch.zeros_like(param) if group["spatial"] == "none" else param.new_zeros(())
        return {"queue": param.new_zeros((group["n"], *param.shape)), "second": second}

    def update(
        self, params: list[Tensor], grads: list[Tensor], states: list[State], group: dict[str, Any]
    ) -> None:
        n, (beta1, beta2) = group["n"], group["betas"]
        m = n if group["m"] is None else group["m"]
        steps = [state["step"] for state in states]
        queues = [state["queue"] for state in states]
        seconds = [state["second"] for state in states]

        # The oldest gradient leaves each ring, and the new one takes its row. While the queue
        # fills, the oldest ones are its initial zeros: v stays 0.
        past = torch.stack(steps)  # (P,): gradients before this one
        rows = (past % n).unsqueeze(1)
        average(seconds, SPATIAL[group["spatial"]](_rows(queues, rows)), beta2)
        _fill(queues, rows, grads)
        torch._foreach_add_(steps, 1)

        # The thesis prints sqrt(v) / (1 - β2^k); the author's programs correct inside the root, as
        # Adam does.
        correction = bias_correction(beta2, whole((past - n + 1).clamp(min=1), params[0])).sqrt()

        # an infinite floor while the queue fills: no move
        floors = torch.where(past >= n, group["eps"] * correction, math.inf)
        means = grads if m == 1 or beta1 == 0 else _weighted_means(queues, rows, beta1, m)
        descend(params, means, seconds, floors, group["lr"] * correction)


def _rows(queues: list[Tensor], rows: Tensor) -> list[Tensor]:
    """One gradient of each ring, a list of tensors of shape *shape: copies, or the only one itself.

    Rows (P, 1) are tensors: reading a count back would wait for the device.
    """
    if len(queues[0]) == 1:
        return [queue.squeeze(0) for queue in queues]
    return [queue.index_select(0, row).squeeze(0) for queue, row in zip(queues, rows, strict=True)]


def _fill(queues: list[Tensor], rows: Tensor, grads: list[Tensor]) -> None:
    """Write a gradient into a row of each ring."""
    if len(queues[0]) == 1:
        torch._foreach_copy_([queue.squeeze(0) for queue in queues], grads)
        return
    for queue, row, grad in zip(queues, rows, grads, strict=True):
        queue.index_copy_(0, row, grad.unsqueeze(0))


def _weighted_means(queues: list[Tensor], newest: Tensor, beta1: float, m: int) -> list[Tensor]:
    """Σ_{i<m} β1^i g_{t-i} / Σ_{i<m} β1^i, a list of tensors of shape *shape.

    Args:
        queues: P rings of n gradients, (n, *shape) each.
        newest: (P, 1), the row of the newest gradient in each.
        beta1: the weight of a gradient by its age.
        m: how many of the newest are averaged.
    """
    # a row's age in steps, and from it its weight
    n = len(queues[0])
    ages = (newest - torch.arange(n, device=newest.device)) % n
    total = sum(beta1**i for i in range(m))
    weights = torch.where(ages < m, beta1 ** whole(ages, queues[0]), 0) / total

    # one product of matrix and vector for each queue
    return [
        torch.mv(queue.view(n, -1).T, weight).view(queue.shape[1:])
        for queue, weight in zip(queues, weights.to(queues[0].dtype), strict=True)
    ]
