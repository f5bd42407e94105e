"""How good a classifier is, and how well its probabilities agree with how often it is right."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.classifier.networks import standardise

_EVALUATION_BATCH = 500
_CALIBRATION_BINS = 15


def quality(log_p: Tensor, labels: Tensor) -> dict[str, float]:
    """How good log-probabilities are, as records hold it.

    Args:
        log_p: (n, K), log-probabilities.
        labels: int64 (n,).

    Returns:
        Expected calibration error, mean negative log-likelihood and mean entropy, in nats.
    """
    return {
        "expected_calibration_error": expected_calibration_error(log_p, labels).item(),
        "negative_log_likelihood": F.nll_loss(log_p, labels).item(),
        "mean_entropy": torch.special.entr(log_p.exp()).sum(1).mean().item(),
    }


@torch.no_grad()
def log_probabilities(network: nn.Module, images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The network's log-probabilities of images, in the network's precision.

    Args:
        network: standardised images -> logits (n, K).
        images: uint8 (n, C, H, W).
        mean: (C,), of the pixels, on the scale 0..255; `std` likewise.
        std: (C,).

    Returns:
        float64 (n, K).
    """
    log_p = []
    for images_of_batch in images.split(_EVALUATION_BATCH):
        x = standardise(images_of_batch, mean, std).contiguous(memory_format=torch.channels_last)
        log_p.append(network(x).double().log_softmax(1))
    return torch.cat(log_p)


def expected_calibration_error(
    log_p: Tensor, labels: Tensor, bins: int = _CALIBRATION_BINS
) -> Tensor:
    """Σ_b |B_b| / n · |accuracy(B_b) - mean confidence(B_b)| over intervals B_b of max p.

    Args:
        log_p: (n, K), log-probabilities.
        labels: int64 (n,).
        bins: how many equal intervals of the confidence max p.

    Returns:
        0-d, in [0, 1].

    Source:
        Guo et al. 2017 (arXiv:1706.04599), (3).
    """
    confidence, predicted = log_p.exp().max(1)
    gap = (predicted == labels).to(confidence.dtype) - confidence

    # |B_b| times the difference of the means is the sum of the differences
    index = (confidence * bins).ceil().long().clamp(1, bins) - 1
    of_bins = torch.zeros(bins, dtype=gap.dtype, device=gap.device).index_add_(0, index, gap)
    return of_bins.abs().sum() / len(labels)
