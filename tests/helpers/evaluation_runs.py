"""Scripts run in this process, composed presets, folders of images, and scores by hand in numpy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
from omegaconf import DictConfig
from PIL import Image
from rich.console import Console

from gan_lab import config
from helpers.gan_runs import CONF, Ended, command

SMALL_RUN = (
    "evaluation=classifier",
    "evaluation.samples=60",
    "evaluation.samples_in_training=40",
    "evaluation.splits=2",
    "evaluation.batch_size=25",
    "evaluate_every=2",
    "n_critic=1",
    "max_generator_steps=4",
    "batch_size=16",
    "generator_batch_size=16",
    "log_every=3",
)


def silent() -> Console:
    return Console(file=open(os.devnull, "w"))


def composed(primary: str, *overrides: str) -> DictConfig:
    """A primary config of conf/ as its script composes it."""
    config.register()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(primary, list(overrides))


def preset(*overrides: str) -> Any:
    """The recipe of a classifier, as scripts/classifier.py makes it."""
    from gan_lab import build

    return build.make("classifier", composed("classifier", *overrides).classifier)


def classifier(data: Any, recipe: Any, folder: Path, device: str = "cpu") -> Any:
    from gan_lab.classifier.store import classifier_of

    return classifier_of(data, recipe, folder, device, silent())


def script(capsys: pytest.CaptureFixture[str], name: str, *arguments: str) -> Ended:
    """scripts/<name>.py, or train.py, from its first line to its exit code, in this process."""
    return command(
        capsys, *arguments, program="train.py" if name == "train" else f"scripts/{name}.py"
    )


def save_images(folder: Path, pixels: np.ndarray) -> Path:
    """uint8 (N, C, H, W) as PNG files."""
    folder.mkdir(parents=True)
    for index, image in enumerate(np.asarray(pixels)):
        made = (
            Image.fromarray(image[0])
            if len(image) == 1
            else Image.fromarray(image.transpose(1, 2, 0))
        )
        made.save(folder / f"{index:04}.png")
    return folder


# Scores by hand -----------------------------------------------------------------------------------


def softmax(logits: Any) -> np.ndarray:
    logits = np.asarray(logits, dtype=np.float64)
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return (p * (np.log(p) - np.log(q))).sum(-1)


def inception_score(logits: Any) -> float:
    p = softmax(logits)
    return float(np.exp(kl(p, p.mean(0)).mean()))


def am_score(logits: Any, train: Any) -> float:
    p = softmax(logits)
    return float(kl(np.asarray(train), p.mean(0)) - (p * np.log(p)).sum(1).mean())


def mode_score(logits: Any, train: Any) -> float:
    p = softmax(logits)
    return float(np.exp(kl(p, np.asarray(train)).mean() - kl(p.mean(0), np.asarray(train))))


def frechet(a: Any, b: Any) -> float:
    """|μ_a - μ_b|² + tr Σ_a + tr Σ_b - 2 tr (Σ_a Σ_b)^½.

    With centred rows A = X_a / √(n_a - 1), B = X_b / √(n_b - 1) the eigenvalues of Σ_a Σ_b = AᵀA
    BᵀB other than zero are the squared singular values of A Bᵀ, so the last trace is the sum of
    these: exact, also for n < d.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    x, y = (side - side.mean(0) for side in (a, b))
    x, y = x / np.sqrt(len(x) - 1), y / np.sqrt(len(y) - 1)
    cross = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + (x**2).sum() + (y**2).sum() - 2 * cross)


def kernel_distance(x: Any, y: Any) -> float:
    """Unbiased MMD² of all of x and y under (x·y / d + 1)³."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    within = 0.0
    for side in (x, y):
        gram = (side @ side.T / side.shape[1] + 1) ** 3
        within += (gram.sum() - np.trace(gram)) / (len(side) * (len(side) - 1))
    return float(within - 2 * ((x @ y.T / x.shape[1] + 1) ** 3).mean())
