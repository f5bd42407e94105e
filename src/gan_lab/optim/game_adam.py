"""Adam for games, where both players descending at once circle: optimistic Adam and extra-Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from gan_lab.errors import UserError
from gan_lab.optim.base import ListOptimizer, State, average, bias_correction, whole


class GameAdam(ListOptimizer):
    """The part that both have: Adam's moments and its direction.

        m ← β1 m + (1 - β1) g              m̂ = m / (1 - β1^t)
        v ← β2 v + (1 - β2) g²             v̂ = v / (1 - β2^t)
        direction  d = m̂ / (sqrt(v̂) + eps)

    Args:
        params: parameters, or groups of them, as every optimizer of torch takes them.
        lr: the rate, >= 0; a 0-d tensor where a CUDA graph is to read it.
        betas: (β1, β2), both in [0, 1).
        eps: added to the root, >= 0.
        foreach: True handles all tensors in a few calls; False one by one, in less memory.

    Raises:
        UserError: for arguments outside these ranges, sparse gradients and complex parameters.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        foreach: bool = True,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "foreach": foreach})

    def new_state(self, param: Tensor, group: dict[str, Any]) -> State:
        return {"first": torch.zeros_like(param), "second": torch.zeros_like(param)}

    def directions(
        self, grads: list[Tensor], states: list[State], group: dict[str, Any]
    ) -> list[Tensor]:
        """Take in the gradients; d of every parameter, in tensors of its own."""
        beta1, beta2 = group["betas"]
        steps = [state["step"] for state in states]
        firsts = [state["first"] for state in states]
        seconds = [state["second"] for state in states]
        torch._foreach_add_(steps, 1)
        average(firsts, grads, beta1)
        average(seconds, list(torch._foreach_mul(grads, grads)), beta2)

        # d = first · (root of c2 / c1) / (root of second + eps · root of c2): numbers per parameter
        count = whole(torch.stack(steps), grads[0])
        root2 = bias_correction(beta2, count).sqrt()
        denominators = torch._foreach_sqrt(seconds)
        torch._foreach_add_(denominators, (group["eps"] * root2).to(grads[0].dtype).unbind())
        directions = torch._foreach_div(firsts, denominators)
        scales = (root2 / bias_correction(beta1, count)).to(grads[0].dtype)
        torch._foreach_mul_(directions, scales.unbind())
        return list(directions)


class OptimisticAdam(GameAdam):
    """Adam that counts on its next direction being the last one again.

        θ ← θ - lr · (2 d_t - d_{t-1}),  d_0 = 0

    so that the first step is twice Adam's. The state of a parameter is `first`, `second`,
    `previous` (d_{t-1}), of its shape, and `step`.

    Args:
        params: as in GameAdam, and so are the others.

    Source:
        Daskalakis et al. 2018 (arXiv:1711.00141), Algorithm 1.

    Examples:
        d is 1 in both steps: 0.1 · 2, then 0.1 · (2 - 1).

        >>> import torch
        >>> from gan_lab.optim import OptimisticAdam
        >>> theta = torch.nn.Parameter(torch.zeros(1))
        >>> theta.grad = torch.tensor([5.0])
        >>> optimizer = OptimisticAdam([theta], lr=0.1, betas=(0.0, 0.9))
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     theta.data
        tensor([-0.2000])
        tensor([-0.3000])
    """

    def new_state(self, param: Tensor, group: dict[str, Any]) -> State:
        return {**super().new_state(param, group), "previous": torch.zeros_like(param)}

    def update(
        self, params: list[Tensor], grads: list[Tensor], states: list[State], group: dict[str, Any]
    ) -> None:
        previous = [state["previous"] for state in states]
        directions = self.directions(grads, states, group)

        # 2 d_t - d_{t-1}, then d_t takes the place of d_{t-1}
        moves = list(torch._foreach_mul(directions, 2.0))
        torch._foreach_sub_(moves, previous)
        torch._foreach_copy_(previous, directions)
        _descend(params, moves, group["lr"])


class ExtraAdam(GameAdam):
    """Adam by extragradient: it looks where a step would lead, and steps by the gradient there.

        θ' = θ - lr · d(gradient at θ)         `look_ahead`
        θ ← θ - lr · d(gradient at θ')         `step`

    Both gradients enter the same moments. In a game both players look ahead before either takes its
    second gradient; `gan_lab.training.GAN` does so, at twice the cost of a step. A `step` without a
    `look_ahead` before it is one of Adam's.

    The state of a parameter is `first`, `second`, `origin` (θ while it looks ahead), of its shape,
    and `step`, which counts gradients.

    Args:
        params: as in GameAdam, and so are the others.

    Source:
        Gidel et al. 2019 (arXiv:1802.10551), Algorithm 4; Korpelevich 1976.

    Examples:
        Of f(θ) = θ²/2 the gradients at 1 and at 0.9 count, and with eps as large as here d is about
        gradient / eps.

        >>> import torch
        >>> from gan_lab.optim import ExtraAdam
        >>> theta = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = ExtraAdam([theta], lr=1e6, betas=(0.0, 0.0), eps=1e7)
        >>> for move in (optimizer.look_ahead, optimizer.step):
        ...     theta.grad = theta.detach().clone()
        ...     move()
        ...     theta.data
        tensor([0.9000])
        tensor([0.9100])
    """

    # class attributes, for a copy of an optimizer has its groups and state alone
    _looks_ahead = False  # in this call
    _is_ahead = False  # parameters stand at θ'; never so between two iterations

    def new_state(self, param: Tensor, group: dict[str, Any]) -> State:
        return {**super().new_state(param, group), "origin": torch.zeros_like(param)}

    def look_ahead(self) -> None:
        """Go to θ', from where `step` comes back.

        Raises:
            UserError: where the last `look_ahead` was not followed by a step.
        """
        if self._is_ahead:
            raise UserError("ExtraAdam.look_ahead twice: call step() between the two")
        self._looks_ahead = True
        try:
            super().step()
        finally:
            self._looks_ahead = False
        self._is_ahead = True

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step from θ; the closure, if there is one, is called at θ'."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()

        # back to θ, also a parameter that had no gradient at θ'
        if self._is_ahead:
            for param, state in self.state.items():
                param.copy_(state["origin"])
            self._is_ahead = False
        super().step()
        return loss

    def update(
        self, params: list[Tensor], grads: list[Tensor], states: list[State], group: dict[str, Any]
    ) -> None:
        if self._looks_ahead:
            torch._foreach_copy_([state["origin"] for state in states], params)
        _descend(params, self.directions(grads, states, group), group["lr"])


def _descend(params: list[Tensor], moves: list[Tensor], rate: float | Tensor) -> None:
    """θ ← θ - rate · move, in place; the moves are used up."""
    torch._foreach_mul_(moves, rate)
    torch._foreach_sub_(params, moves)
