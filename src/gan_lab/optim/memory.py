"""What optimizers keep between steps."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer


def state_copies(optimizer: Optimizer) -> float:
    """The bytes of an optimizer's state over those of its parameters.

    Examples:
        AdaShift keeps n gradients and, with spatial="max", two numbers more:

        >>> import torch
        >>> from gan_lab.optim import AdaShift
        >>> from gan_lab.optim.memory import state_copies
        >>> theta = torch.nn.Parameter(torch.zeros(1000))
        >>> theta.grad = torch.ones(1000)
        >>> optimizer = AdaShift([theta], n=10)
        >>> optimizer.step()
        >>> round(state_copies(optimizer), 2)
        10.0
    """
    state = sum(
        value.nbytes
        for values in optimizer.state.values()
        for value in values.values()
        if isinstance(value, Tensor)
    )
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    return state / sum(parameter.nbytes for parameter in parameters)
