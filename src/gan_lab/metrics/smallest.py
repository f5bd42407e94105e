"""The first samples of every class, chosen on the device: the host reads no number."""

from __future__ import annotations

import torch
from torch import Tensor

# the index of a sample that is not there: it sorts behind all others
NONE = torch.iinfo(torch.int64).max


def smallest_of_class(index: Tensor, classes: Tensor, num_classes: int, count: int) -> Tensor:
    """The samples of smallest index in each class.

    Args:
        index: int64 (n,).
        classes: int64 (n,). Every class must have at least `count` samples; fill up with samples of
            the index NONE.
        num_classes: K.
        count: how many of each class.

    Returns:
        int64 (K, count), where these samples stand among the n, in the order of their indices.
    """
    # by class, and within a class by index
    order = torch.argsort(index, stable=True)
    order = order[torch.argsort(classes[order], stable=True)]

    # where each class begins in that order
    sizes = torch.zeros(num_classes, dtype=torch.int64, device=index.device)
    sizes = sizes.index_add(0, classes, torch.ones_like(classes))
    first = sizes.cumsum(0) - sizes
    return order[first[:, None] + torch.arange(count, device=index.device)]
