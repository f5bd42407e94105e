"""Adam with one step size per tensor: AdaShift's spatial function without its temporal shift."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from gan_lab.optim.base import ListOptimizer, State, average, bias_correction, descend, whole


class AdamSpatial(ListOptimizer):
    """Adam whose second moment is one number per parameter tensor.

    It comes from the largest squared gradient. At step t:

        m ← β1 m + (1 - β1) g_t                                   m̂ = m / (1 - β1^t)
        v ← β2 v + (1 - β2) max_i g_t[i]²                         v̂ = v / (1 - β2^t)
        θ ← θ - lr · m̂ / (sqrt(v̂) + eps)

    The state of a parameter is `first`, m of its shape; `second`, v, 0-d; and `step`, t.

    Args:
        params: parameters, or groups of them, as every optimizer of torch takes them.
        lr: the rate, >= 0; a 0-d tensor where a CUDA graph is to read it.
        betas: (β1, β2), both in [0, 1).
        eps: added to the root, >= 0.
        foreach: True handles all tensors in a few calls; False one by one, in less memory.

    Raises:
        UserError: for arguments outside these ranges, sparse gradients and complex parameters.

    Source:
        Thesis 3.E, "spatial-only AdaShift", and 3.G.

    Examples:
        The first step is lr · g / max|g|:

        >>> import torch
        >>> from gan_lab.optim import AdamSpatial
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([4.0, 1.0])
        >>> AdamSpatial([theta], lr=0.1).step()
        >>> theta.data
        tensor([-0.1000, -0.0250])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        foreach: bool = True,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "foreach": foreach})

    def new_state(self, param: Tensor, group: dict[str, Any]) -> State:
        return {"first": torch.zeros_like(param), "second": param.new_zeros(())}

    def update(
        self, params: list[Tensor], grads: list[Tensor], states: list[State], group: dict[str, Any]
    ) -> None:
        beta1, beta2 = group["betas"]
        steps = [state["step"] for state in states]
        firsts = [state["first"] for state in states]
        seconds = [state["second"] for state in states]

        # both moments take in the new gradients
        torch._foreach_add_(steps, 1)
        average(firsts, grads, beta1)
        largest_squares = list(torch._foreach_max(torch._foreach_mul(grads, grads)))
        average(seconds, largest_squares, beta2)

        # The corrections go into eps and the rate: numbers per parameter, not per element.
        count = whole(torch.stack(steps), params[0])
        correction1 = bias_correction(beta1, count)
        correction2 = bias_correction(beta2, count).sqrt()
        floors = group["eps"] * correction2
        rates = group["lr"] * correction2 / correction1
        descend(params, firsts, seconds, floors, rates)
