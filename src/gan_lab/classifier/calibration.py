"""How good a classifier is, and how well its probabilities agree with how often it is right."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lab.classifier.networks import standardise

_EVALUATION_BATCH = 500
_CALIBRATION_BINS = 15


def quality(log_p: Tensor, labels: Tensor) -> dict[str, float]:
    """Expected calibration error, mean negative log-likelihood and mean entropy (nats) of
    log-probabilities (n, K)."""
    return {
        "expected_calibration_error": expected_calibration_error(log_p, labels).item(),
        "negative_log_likelihood": F.nll_loss(log_p, labels).item(),
        "mean_entropy": torch.special.entr(log_p.exp()).sum(1).mean().item(),
    }


@torch.no_grad()
def log_probabilities(network: nn.Module, images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """The network's log-probabilities of uint8 images (n, C, H, W), float64 (n, K), in the
    network's precision."""
    batches = [standardise(batch, mean, std) for batch in images.split(_EVALUATION_BATCH)]
    layout = torch.channels_last
    return torch.cat(
        [
            network(batch.contiguous(memory_format=layout)).double().log_softmax(1)
            for batch in batches
        ]
    )


def expected_calibration_error(
    log_p: Tensor, labels: Tensor, bins: int = _CALIBRATION_BINS
) -> Tensor:
    """Σ_b |B_b| / n · |accuracy(B_b) - mean confidence(B_b)| over `bins` equal intervals of the
    confidence max p.

    log_p: (n, K) log-probabilities. labels: int64 (n,). Returns a 0-d tensor in [0, 1].
    Source: Guo et al. 2017 (arXiv:1706.04599), (3).
    """
    confidence, predicted = log_p.exp().max(1)
    gap = (predicted == labels).to(confidence.dtype) - confidence
    index = (confidence * bins).ceil().long().clamp(1, bins) - 1
    return torch.zeros(bins, dtype=gap.dtype, device=gap.device).index_add_(
        0, index, gap
    ).abs().sum() / len(labels)
