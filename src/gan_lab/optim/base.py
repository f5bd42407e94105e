"""The base of our optimizers: checks, the loop over groups, the arithmetic of a step.

State is tensors only, in the parameter's dtype and on its device. Every parameter counts its own
steps, since one without a gradient sits a step out, and what follows from the counts (ring
positions, warm-up, bias corrections) is tensor arithmetic over the list of parameters. Python never
reads a value back: a step waits for nothing and can be captured in a CUDA graph (with a tensor for
`lr`, if it changes).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.optim import Optimizer

from gan_lab import checks
from gan_lab.errors import UserError

State = dict[str, Tensor]


@runtime_checkable
class LooksAhead(Protocol):
    """An optimizer of two gradients a step: training takes the second where `look_ahead` leads."""

    def look_ahead(self) -> None:
        """Move to where the second gradient is taken; `step` moves from where it was before."""


def moves(optimizer: Optimizer) -> tuple[Callable[[], Any], ...]:
    """The calls that a step consists of, one after each gradient: two where the optimizer looks
    ahead.
    """
    if isinstance(optimizer, LooksAhead):
        return optimizer.look_ahead, optimizer.step
    return (optimizer.step,)


class ListOptimizer(Optimizer, ABC):
    """An optimizer that moves a list of tensors at once.

    Groups carry `lr`, `betas`, `eps` and `foreach`; a subclass says what the state of a parameter
    is (`new_state`) and how tensors move (`update`).

    Attributes:
        beta1_may_be_1: whether β1 = 1 has a meaning; where m is an average it would keep m at 0.
    """

    beta1_may_be_1: ClassVar[bool] = False

    @abstractmethod
    def new_state(self, param: Tensor, group: dict[str, Any]) -> State:
        """The state of one parameter before its first step, without `step`."""

    @abstractmethod
    def update(
        self, params: list[Tensor], grads: list[Tensor], states: list[State], group: dict[str, Any]
    ) -> None:
        """One step, in place, of parameters that share dtype and device."""

    def check(self, group: dict[str, Any]) -> None:
        """Check the hyperparameters of a group.

        Raises:
            UserError: for one outside its range.
        """
        lr = group["lr"]
        checks.number("lr", lr.item() if isinstance(lr, Tensor) else lr, at_least=0)
        checks.number("eps", group["eps"], at_least=0)
        checks.betas("betas", group["betas"], first_may_be_1=self.beta1_may_be_1)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As torch's, with every hyperparameter checked; the constructor comes through here too."""
        self.check({**self.defaults, **param_group})
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient.

        Args:
            closure: evaluates the loss again and returns it; it runs with gradients on.

        Returns:
            What the closure returned; None without one.

        Raises:
            UserError: for sparse gradients and complex parameters.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()

        # outside autocast, which would make the matrix products of a step in half precision
        for group in self.param_groups:
            for params in _lists(group):
                states = [self._state_of(param, group) for param in params]
                with _no_autocast(params[0].device.type):
                    self.update(params, [param.grad for param in params], states, group)  # type: ignore[misc]
        return loss

    def _state_of(self, param: Tensor, group: dict[str, Any]) -> State:
        if not self.state[param]:
            step = torch.zeros((), dtype=torch.int64, device=param.device)
            self.state[param] = {"step": step, **self.new_state(param, group)}
        return self.state[param]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Bring `step` to the parameter's device.

        load_state_dict calls this; it moves and casts all other tensors itself.
        """
        super().__setstate__(state)
        for param, values in self.state.items():
            if "step" in values:
                values["step"] = values["step"].to(param.device)


def _lists(group: dict[str, Any]) -> Iterator[list[Tensor]]:
    """The parameters with a gradient: in lists of one dtype and device, singly without `foreach`.

    Raises:
        UserError: for sparse gradients and complex parameters.
    """
    lists: dict[Any, list[Tensor]] = {}
    for i, param in enumerate(group["params"]):
        if param.grad is None:
            continue

        # refused in the step: whether a gradient is sparse shows only now
        if param.grad.layout != torch.strided:
            raise UserError(
                "the optimizer takes dense gradients only: build the embedding with sparse=False"
            )
        if param.is_complex():
            raise UserError(
                "the optimizer takes real parameters only: "
                "pass torch.view_as_real of the complex ones"
            )

        # torch._foreach_ is fast for tensors of one dtype on one device
        lists.setdefault((param.dtype, param.device) if group["foreach"] else i, []).append(param)
    yield from lists.values()


def _no_autocast(device_type: str) -> AbstractContextManager[Any]:
    available = torch.amp.is_autocast_available(device_type)
    return torch.autocast(device_type, enabled=False) if available else nullcontext()


def whole(count: Tensor, like: Tensor) -> Tensor:
    """Counts as floats of `like`'s precision, at least single: bfloat16 cannot count past 256."""
    return count.to(torch.promote_types(like.dtype, torch.float32))


def bias_correction(beta: float, count: Tensor) -> Tensor:
    """1 - beta^count for count >= 1, exact also where beta^count is close to 1."""
    return -torch.expm1(count * (math.log(beta) if beta > 0 else -math.inf))


def average(moments: list[Tensor], values: list[Tensor], beta: float) -> None:
    """moment ← beta · moment + (1 - beta) · value."""
    torch._foreach_mul_(moments, beta)
    torch._foreach_add_(moments, values, alpha=1 - beta)


def descend(
    params: list[Tensor], means: list[Tensor], seconds: list[Tensor], floors: Tensor, rates: Tensor
) -> None:
    """θ ← θ - rate · m / (sqrt(v) + floor), in place.

    Args:
        params: P parameters θ.
        means: m, of the parameters' shapes.
        seconds: v, of the parameters' shapes or 0-d.
        floors: (P,), one for each parameter.
        rates: (P,), likewise.
    """
    denominators = torch._foreach_sqrt(seconds)
    torch._foreach_add_(denominators, floors.to(params[0].dtype).unbind())
    torch._foreach_div_(denominators, rates.to(params[0].dtype).unbind())
    torch._foreach_addcdiv_(params, means, denominators, value=-1.0)
