"""What a classifier says of real images: its probabilities and entropies
(Figure 4-4), images by entropy (4-5)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lab.data.pictures import filled_up
from gan_lab.data.resident import to_float
from gan_lab.inference import undisturbed
from gan_lab.metrics import entropy, log_probabilities
from gan_lab.scoring.evaluator import Evaluator

BINS = 50  # of [0, log K]
SURE = 0.05  # nats; 99.6% of CIFAR-10 is below it under its own classifier (4.6.5)
# of log K: for ImageNet's 1,000 classes 0-1, 3-4 and 6-7 nats
LEVELS = ((0, 1 / 7), (3 / 7, 4 / 7), (6 / 7, 1))
COLUMNS, ROWS = 8, 3  # images of a level


def data_statistics(evaluator: Evaluator, split: str) -> tuple[dict[str, Any], Tensor]:
    """Figures 4-4 and 4-5 as numbers, and the images of 4-5.

    Args:
        evaluator: has the classifier and the data.
        split: of the data.

    Returns:
        The numbers. marginal: mean C(x), the extractor's K probabilities. entropies: H(C(x)) in
        nats, a histogram for each class of the data. levels: how many images have an H(C(x)) in
        each of LEVELS, the last with its end.
        And the images as (n, C, H, W) in [-1, 1], rows of COLUMNS: of each level as many as there
        is room for, evenly spread over them, in their order.
    """
    # one pass over the images; H and the mean of C(x) are sums over it
    labels = torch.from_numpy(evaluator.data.splits[split].labels)
    images = torch.from_numpy(evaluator.data.splits[split].values)
    parts = []
    total = torch.zeros(evaluator.extractor.num_classes, dtype=torch.float64)

    with undisturbed(evaluator.extractor):
        for batch in evaluator.real(split):
            log_p = log_probabilities(evaluator.extractor(batch).logits)
            parts.append(entropy(log_p).cpu())
            total += log_p.exp().sum(0).cpu()

    # Figure 4-4: what is clipped is rounding, since H is between 0 and log K
    entropies = torch.cat(parts)
    top = math.log(len(total))
    edges = np.linspace(0, top, BINS + 1)
    each = [entropies[labels == k].numpy() for k in range(evaluator.data.spec.num_classes)]

    statistics = {
        "split": split,
        "class_names": list(evaluator.data.spec.class_names),
        "marginal": (total / len(entropies)).tolist(),
        "entropies": {
            "edges": edges.tolist(),
            "histograms": [np.histogram(values.clip(0, top), edges)[0].tolist() for values in each],
        },
        "mean_entropy": [float(values.mean()) for values in each],
        f"share_below_{SURE}": [float((values < SURE).mean()) for values in each],
        f"share_below_{SURE}_of_all": float((entropies < SURE).double().mean()),
    }

    # Figure 4-5; C(x) without any preference, H = log K, is of the last level
    chosen = []
    levels = []

    for low, high in LEVELS:
        below = entropies < high * top if high < 1 else True
        within = torch.nonzero((entropies >= low * top) & below).flatten()
        levels.append({"from": low * top, "to": high * top, "images": len(within)})
        count = min(len(within), COLUMNS * ROWS)
        scattered = within[torch.linspace(0, max(0, len(within) - 1), count).long()]
        chosen.append(filled_up([to_float(images[scattered])], COLUMNS * ROWS))
        chosen.append(filled_up([to_float(images[:0])], COLUMNS))  # a white row

    return statistics | {"levels": levels}, torch.cat(chosen[:-1])
