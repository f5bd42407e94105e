"""The scores a second time, in numpy and mpmath, slow and literal: one loop per sum of the
definition."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import mpmath
import numpy as np
import scipy.linalg
import torch
from torch import Tensor

EPS = float(np.finfo(np.float64).eps)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """float64 normals."""
    return scale * torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def simplex(classes: int, seed: int = 0) -> Tensor:
    """A probability vector without zeros."""
    return normal(classes, seed=seed).softmax(0)


def one_hot_logits(classes: Tensor, num_classes: int, gap: float) -> Tensor:
    """logits 0, and `gap` at the class of the sample."""
    return gap * torch.nn.functional.one_hot(classes, num_classes).double()


# Scores of logits ---------------------------------------------------------------------------------


def softmax(logits: Any) -> np.ndarray:
    raised = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x log y with 0 log y = 0."""
    safe = np.where(x == 0, 1.0, y)
    with np.errstate(divide="ignore"):
        return np.where(x == 0, 0.0, x * np.log(safe))


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float((xlogy(p, p) - xlogy(p, q)).sum())


def shannon(p: np.ndarray) -> float:
    return float(-xlogy(p, p).sum())


def inception_score(logits: Any) -> dict[str, float]:
    """(4-25) by its definition, exp(E KL(C(x) || mean C)), and the two terms of (4-26)."""
    p = softmax(np.asarray(logits, dtype=np.float64))
    marginal = p.mean(axis=0)
    return {
        "value": float(np.exp(np.mean([kl(row, marginal) for row in p]))),
        "marginal_entropy": shannon(marginal),
        "conditional_entropy": float(np.mean([shannon(row) for row in p])),
    }


def am_score(logits: Any, train: Any) -> dict[str, float]:
    """(4-32): KL(train || mean C) + E H(C(x))."""
    p = softmax(np.asarray(logits, dtype=np.float64))
    divergence = kl(np.asarray(train), p.mean(axis=0))
    entropy = float(np.mean([shannon(row) for row in p]))
    return {
        "value": divergence + entropy,
        "marginal_divergence": divergence,
        "conditional_entropy": entropy,
    }


def mode_score(logits: Any, train: Any) -> float:
    """(4-30): exp(E KL(C(x) || train) - KL(mean C || train))."""
    p, train = softmax(np.asarray(logits, dtype=np.float64)), np.asarray(train)
    return float(np.exp(np.mean([kl(row, train) for row in p]) - kl(p.mean(axis=0), train)))


def am_score_mp(logits: Any, train: Any, digits: int = 60) -> dict[str, float]:
    """(4-32) with arbitrary exponents: nothing underflows."""
    with mpmath.workdps(digits):
        rows = []
        for row in np.asarray(logits, dtype=np.float64).tolist():
            log_norm = mpmath.log(
                mpmath.fsum(mpmath.exp(mpmath.mpf(x) - max(row)) for x in row)
            ) + max(row)
            rows.append([mpmath.mpf(x) - log_norm for x in row])
        entropy = -mpmath.fsum(mpmath.exp(lp) * lp for row in rows for lp in row) / len(rows)
        divergence = mpmath.mpf(0)
        for column, t in enumerate(np.asarray(train, dtype=np.float64).tolist()):
            if t:
                mean = mpmath.fsum(mpmath.exp(row[column]) for row in rows) / len(rows)
                divergence += t * (mpmath.log(t) - mpmath.log(mean))
        return {
            "value": float(divergence + entropy),
            "marginal_divergence": float(divergence),
            "conditional_entropy": float(entropy),
        }


def over_splits(values: list[float]) -> tuple[float, float]:
    """Mean and population standard deviation."""
    return float(np.mean(values)), float(np.std(values, ddof=0))


# Distances of features ----------------------------------------------------------------------------


def frechet(x: Any, y: Any) -> float:
    """|mu1 - mu2|^2 + tr S1 + tr S2 - 2 sum sqrt(eigenvalues of S1 S2), S with n - 1."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return frechet_of(x.mean(axis=0), covariance(x), y.mean(axis=0), covariance(y))


def frechet_of(mu1: np.ndarray, s1: np.ndarray, mu2: np.ndarray, s2: np.ndarray) -> float:
    roots = np.sqrt(np.maximum(scipy.linalg.eigvals(s1 @ s2).real, 0))
    return float(((mu1 - mu2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * roots.sum())


def covariance(x: np.ndarray) -> np.ndarray:
    """Unbiased, by the loop over samples."""
    centred = x - x.mean(axis=0)
    total = np.zeros((x.shape[1], x.shape[1]))
    for row in centred:
        total += np.outer(row, row)
    return total / (len(x) - 1)


def kernel(x: np.ndarray, y: np.ndarray) -> float:
    return float((x @ y / len(x) + 1) ** 3)


def mmd(real: Any, fake: Any) -> float:
    """Unbiased MMD^2 with (x.y/d + 1)^3: the pairs i != j within a side, all pairs across."""
    real, fake = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)
    within = [
        np.mean(
            [kernel(side[i], side[j]) for i in range(len(side)) for j in range(len(side)) if i != j]
        )
        for side in (real, fake)
    ]
    return float(sum(within) - 2 * np.mean([kernel(x, y) for x in real for y in fake]))


def mmd_of_all_subsets(real: Any, fake: Any, size: int) -> np.ndarray:
    """Every value that a draw of `size` of either side can give."""
    real, fake = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)
    sides = [list(combinations(range(len(side)), size)) for side in (real, fake)]
    return np.array([mmd(real[list(i)], fake[list(j)]) for i in sides[0] for j in sides[1]])


def manifold(real: Any, fake: Any, k: int) -> dict[str, float]:
    """Precision, recall (Kynkäänniemi et al. 2019), density, coverage (Naeem et al. 2020): distance
    < radius."""
    real, fake = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)

    def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))

    def radii(a: np.ndarray) -> np.ndarray:
        between = distances(a, a)
        return np.array([np.sort(np.delete(between[i], i))[k - 1] for i in range(len(a))])

    across, real_radii, fake_radii = distances(real, fake), radii(real), radii(fake)
    return {
        "precision": np.mean([(across[:, j] < real_radii).any() for j in range(len(fake))]),
        "recall": np.mean([(across[i] < fake_radii).any() for i in range(len(real))]),
        "density": np.mean([(across[:, j] < real_radii).sum() / k for j in range(len(fake))]),
        "coverage": np.mean([across[i].min() < real_radii[i] for i in range(len(real))]),
    }


# MS-SSIM ------------------------------------------------------------------------------------------

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ms_ssim(a: Any, b: Any, levels: int, variant: str = "abs") -> float:
    """Wang, Simoncelli and Bovik (2003) for one pair (C, H, W), window by window.

    prod over j < M of (mean cs_j)^w_j, times (mean of luminance * cs at level M)^w_M, means clamped
    at 0. variant "abs": the absolute value of every covariance.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    weights = exponents(levels)
    score = 1.0
    for level in range(levels):
        similarity, contrast = ssim_means(a, b, variant)
        score *= max(similarity if level == levels - 1 else contrast, 0.0) ** weights[level]
        if level < levels - 1:
            a, b = halve(a), halve(b)
    return score


def exponents(levels: int) -> np.ndarray:
    """The published five as they are (they sum to 1.0001); fewer are scaled to sum to 1."""
    return np.array(WEIGHTS[:levels]) / (1 if levels == 5 else sum(WEIGHTS[:levels]))


def ssim_means(a: np.ndarray, b: np.ndarray, variant: str) -> tuple[float, float]:
    size = min(11, *a.shape[1:])
    at = np.arange(size) - (size - 1) / 2
    bell = np.exp(-(at**2) / (2 * (1.5 * size / 11) ** 2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarities, contrasts = [], []
    for channel in range(len(a)):
        for top in range(a.shape[1] - size + 1):
            for left in range(a.shape[2] - size + 1):
                x = a[channel, top : top + size, left : left + size]
                y = b[channel, top : top + size, left : left + size]
                mx, my = (window * x).sum(), (window * y).sum()
                vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
                vxy = (window * (x - mx) * (y - my)).sum()
                vxy = abs(vxy) if variant == "abs" else vxy
                cs = (2 * vxy + c2) / (vx + vy + c2)
                contrasts.append(cs)
                similarities.append(cs * (2 * mx * my + c1) / (mx**2 + my**2 + c1))
    return float(np.mean(similarities)), float(np.mean(contrasts))


def halve(a: np.ndarray) -> np.ndarray:
    return (a[:, ::2, ::2] + a[:, 1::2, ::2] + a[:, ::2, 1::2] + a[:, 1::2, 1::2]) / 4
