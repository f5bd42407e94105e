"""Published numbers, to be printed beside ours and never tuned to.

Source: Zhou 2020 (doctoral thesis, SJTU), Table 2-2 and section 2.6.5. Their ± is the standard deviation over 10 chunks
of 50,000 samples, for IS and for FID; it says nothing of training seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Zhou 2020, Table 2-2 (WGAN-GP: section 2.6.5)"
PLUS_MINUS = "standard deviation over 10 chunks of 50,000 samples of one run"
EXTRACTOR = "inception"
CHANNELS = 128
MAX_GENERATOR_STEPS = 200_000
DATASETS = {"cifar10": "CIFAR-10", "tiny_imagenet": "Tiny-ImageNet"}
ALIASES = {"tiny-imagenet-200": "tiny_imagenet"}  # the folder of the original archive names its data set


@dataclass(frozen=True)
class Published:
    """A published score: value ± std, std over chunks of samples."""

    value: float
    std: float


@dataclass(frozen=True)
class Line:
    """A line of Table 2-2: which runs belong to it, how it is written, and what was published.

    weight: the only penalty weight of the line; None: chosen from those that were tried.
    inception_score, frechet_distance: published, by data set.
    """

    key: str
    text: str
    latex: str
    loss: str
    penalty: str
    weight: float | None
    inception_score: dict[str, Published]
    frechet_distance: dict[str, Published]


def _line(
    loss: str, text: str, latex: str, cifar10: tuple[float, ...], tiny_imagenet: tuple[float, ...]
) -> tuple[str, Line]:
    """A MaxGP line; the numbers are IS, its ±, FID, its ±."""
    numbers = {"cifar10": cifar10, "tiny_imagenet": tiny_imagenet}
    return loss, Line(
        key=loss,
        text=text,
        latex=latex,
        loss=loss,
        penalty="maxgp",
        weight=None,
        inception_score={name: Published(*row[:2]) for name, row in numbers.items()},
        frechet_distance={name: Published(*row[2:]) for name, row in numbers.items()},
    )


TABLE_2_2: dict[str, Line] = dict(
    [
        _line("wasserstein", "x", "$x$", (7.68, 0.03, 18.35, 0.12), (8.66, 0.04, 16.47, 0.04)),
        _line("exp", "exp(x)", r"$\exp(x)$", (8.03, 0.03, 15.64, 0.07), (8.67, 0.04, 14.90, 0.07)),
        _line("logistic", "-log σ(-x)", r"$-\log\sigma(-x)$", (7.95, 0.04, 16.47, 0.11), (8.70, 0.04, 15.05, 0.07)),
        _line("sqrt", "x+sqrt(x²+1)", r"$x+\sqrt{x^2+1}$", (7.97, 0.03, 16.03, 0.09), (8.82, 0.03, 15.11, 0.06)),
        _line("quadratic", "(x+1)²", "$(x+1)^2$", (7.97, 0.04, 15.90, 0.09), (8.53, 0.04, 15.72, 0.11)),
        _line("hinge", "max(0, x+1)", r"$\max(0, x+1)$", (7.91, 0.04, 16.52, 0.12), (8.63, 0.04, 15.75, 0.06)),
    ]
)
TABLE_2_2["wgan_gp"] = Line(
    key="wgan_gp",
    text="WGAN-GP",
    latex="WGAN-GP",
    loss="wasserstein",
    penalty="gp",
    weight=10.0,
    inception_score={"cifar10": Published(7.71, 0.03)},
    frechet_distance={"cifar10": Published(18.86, 0.13)},
)
