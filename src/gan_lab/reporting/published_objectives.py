"""Table 2-2 and section 2.6.5.

Their ± is the standard deviation over 10 chunks of 50,000 samples, for IS and for FID; it says nothing of training
seeds.
"""

from __future__ import annotations

from gan_lab.reporting.published import Design, Kind, Line, Published, Scale

INCEPTION_SCORE = Kind("is", "IS", "is_", "", "inception_score", higher_is_better=True, extractor="inception")
FRECHET_DISTANCE = Kind("fid", "FID", "fid_", "_train", "frechet_distance", extractor="inception")
GENERATOR_STEPS = Scale("generator steps", "config.max_generator_steps", 200_000)
CHANNELS = Scale("channels", "config.architecture.channels", 128)


def _line(
    loss: str,
    text: str,
    latex: str,
    cifar10: tuple[float, float, float, float],
    tiny_imagenet: tuple[float, float, float, float],
) -> tuple[str, Line]:
    """A MaxGP line, its weight chosen from those that were tried; the numbers are IS, its ±, FID, its ±."""
    numbers = {"cifar10": cifar10, "tiny_imagenet": tiny_imagenet}
    published = {
        "is": {name: Published(row[0], row[1]) for name, row in numbers.items()},
        "fid": {name: Published(row[2], row[3]) for name, row in numbers.items()},
    }
    return loss, Line(loss, text, latex, loss, "maxgp", published)


LINES: dict[str, Line] = dict(
    [
        _line("wasserstein", "x", "$x$", (7.68, 0.03, 18.35, 0.12), (8.66, 0.04, 16.47, 0.04)),
        _line("exp", "exp(x)", r"$\exp(x)$", (8.03, 0.03, 15.64, 0.07), (8.67, 0.04, 14.90, 0.07)),
        _line("logistic", "-log σ(-x)", r"$-\log\sigma(-x)$", (7.95, 0.04, 16.47, 0.11), (8.70, 0.04, 15.05, 0.07)),
        _line("sqrt", "x+sqrt(x²+1)", r"$x+\sqrt{x^2+1}$", (7.97, 0.03, 16.03, 0.09), (8.82, 0.03, 15.11, 0.06)),
        _line("quadratic", "(x+1)²", "$(x+1)^2$", (7.97, 0.04, 15.90, 0.09), (8.53, 0.04, 15.72, 0.11)),
        _line("hinge", "max(0, x+1)", r"$\max(0, x+1)$", (7.91, 0.04, 16.52, 0.12), (8.63, 0.04, 15.75, 0.06)),
    ]
)
LINES["wgan_gp"] = Line(
    key="wgan_gp",
    text="WGAN-GP",
    latex="WGAN-GP",
    loss="wasserstein",
    penalty="gp",
    published={"is": {"cifar10": Published(7.71, 0.03)}, "fid": {"cifar10": Published(18.86, 0.13)}},
    where={"config.penalty.weight": 10.0},
)

TABLE_2_2 = Design(
    number="2-2",
    title="objectives on unsupervised image generation",
    heads=("objective",),
    lines=tuple(LINES.values()),
    kinds=(INCEPTION_SCORE, FRECHET_DISTANCE),
    chosen_by="fid",
    may_differ=frozenset({"seed", "loss", "penalty"}),
    parts="chunk",
    source="Published: Zhou 2020, Table 2-2 (WGAN-GP: section 2.6.5); its ± is the standard deviation over 10 chunks "
    "of 50,000 samples of one run.",
    reading="λ is the weight of the least mean FID over seeds against the train split, as the thesis chose it. ± 95% "
    "over seeds: Student's interval of the mean over training seeds, given that λ; ± over chunks: the published kind, "
    "within one run, mean over seeds.",
    scale=(GENERATOR_STEPS, CHANNELS),
)
