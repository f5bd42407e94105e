"""Scores of generated samples: each a torchmetrics.Metric and a function.

They take logits of a classifier, features of an extractor, or images.
"""

from gan_lab.metrics.am_score import AMScore, AMScoreValue, am_score
from gan_lab.metrics.class_histogram import ClassHistogram, ClassHistogramValue
from gan_lab.metrics.frechet import (
    FrechetDistance,
    Moments,
    frechet_distance,
    load_reference,
    moments,
    save_reference,
)
from gan_lab.metrics.inception_score import InceptionScore, InceptionScoreValue, inception_score
from gan_lab.metrics.kernel import KernelDistance, KernelDistanceValue, kernel_distance
from gan_lab.metrics.log_space import entropy, log_probabilities
from gan_lab.metrics.manifold import (
    ManifoldValue,
    PrecisionRecallDensityCoverage,
    precision_recall_density_coverage,
)
from gan_lab.metrics.mode_coverage import ModeCoverage, ModeCoverageValue
from gan_lab.metrics.mode_score import ModeScore, ModeScoreValue, mode_score
from gan_lab.metrics.ms_ssim import MSSSIM, MSSSIMValue, ms_ssim

__all__ = [
    "MSSSIM",
    "AMScore",
    "AMScoreValue",
    "ClassHistogram",
    "ClassHistogramValue",
    "FrechetDistance",
    "InceptionScore",
    "InceptionScoreValue",
    "KernelDistance",
    "KernelDistanceValue",
    "MSSSIMValue",
    "ManifoldValue",
    "ModeCoverage",
    "ModeCoverageValue",
    "ModeScore",
    "ModeScoreValue",
    "Moments",
    "PrecisionRecallDensityCoverage",
    "am_score",
    "entropy",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "load_reference",
    "log_probabilities",
    "mode_score",
    "moments",
    "ms_ssim",
    "precision_recall_density_coverage",
    "save_reference",
]
