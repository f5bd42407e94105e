"""The first samples of every class, chosen without a look at the numbers from the host."""

from __future__ import annotations

import torch
from torch import Tensor

NONE = torch.iinfo(
    torch.int64
).max  # the index of a sample that is not there: sorts behind all others


def smallest_of_class(index: Tensor, classes: Tensor, num_classes: int, count: int) -> Tensor:
    """Where the `count` samples of smallest index in each class stand, in their order:
    (num_classes, count).

    index and classes: int64 (n,). Every class must have at least `count` samples; fill up with the
    index NONE.
    """
    order = torch.argsort(index, stable=True)
    order = order[torch.argsort(classes[order], stable=True)]
    sizes = torch.zeros(num_classes, dtype=torch.int64, device=index.device)
    sizes = sizes.index_add(0, classes, torch.ones_like(classes))
    first = sizes.cumsum(0) - sizes
    return order[first[:, None] + torch.arange(count, device=index.device)]
