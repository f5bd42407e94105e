"""Table 2-2 and section 2.6.5.

Their ± is the standard deviation over 10 chunks of 50,000 samples, for IS and for FID; it says
nothing of training seeds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gan_lab.reporting.thesis.design import (
    Design,
    Kind,
    Line,
    Order,
    Published,
    RecipeField,
    settings,
)

_OF_500K: dict[str, Any] = {"extractor": "inception", "samples": 500_000, "parts": 10}
INCEPTION_SCORE = Kind("is", "IS", "is_", "", "inception_score", **_OF_500K)
FRECHET_DISTANCE = Kind("fid", "FID", "fid_", "_train", "frechet_distance", **_OF_500K)
# over training, as in the figures; how many splits those scores had is not known
INCEPTION_SCORE_IN_TRAINING = replace(INCEPTION_SCORE, samples=50_000, parts=None)
FRECHET_DISTANCE_IN_TRAINING = replace(FRECHET_DISTANCE, samples=50_000, parts=None)

GENERATOR_STEPS = RecipeField("config.max_generator_steps", 200_000, "generator steps")
CHANNELS = RecipeField("config.architecture.channels", 128, "channels")
GRID = (0.01, 0.1, 1.0, 10.0)
_OF_MAXGP, _OF_GP = {"choices.penalty": "maxgp"}, {"choices.penalty": "gp"}


def optimizer_settings(**fields: Any) -> tuple[RecipeField, ...]:
    """Adam's settings, of both networks."""
    both = {
        f"{name}.{key}": value
        for name in ("optimizer", "optimizer_critic")
        for key, value in fields.items()
    }
    return (
        RecipeField("choices.optimizer", "adam"),
        RecipeField("config.optimizer_critic._target_", "torch.optim.Adam"),
        *settings(both),
    )


# 2.6.5, 2.C and Table 2-3; batch sizes and the average of weights are the author's program's
RECIPE = (
    GENERATOR_STEPS,
    CHANNELS,
    RecipeField("choices.architecture", "resnet"),
    RecipeField("choices.schedule", "linear"),
    *optimizer_settings(lr=2e-4, betas=[0.0, 0.9], eps=1e-8),
    *settings({"n_critic": 5, "batch_size": 64, "generator_batch_size": 128, "ema_decay": 0.99}),
    *settings({"architecture.latent_dim": 128, "trainer.precision": "32-true"}),
    *settings({"loss.generator_objective": "linear", "loss.alpha": 1.0}),
    *settings({"penalty.region": "interpolates", "penalty.memory": 0, "penalty.one_sided": False}),
    RecipeField("config.penalty.target", 0.0, where=_OF_MAXGP),
    RecipeField("config.penalty.target", 1.0, where=_OF_GP),
)


def _line(
    loss: str,
    text: str,
    latex: str,
    cifar10: tuple[float, float, float, float],
    tiny_imagenet: tuple[float, float, float, float],
) -> tuple[str, Line]:
    """A line of MaxGP, its weight chosen from those that were tried.

    Args:
        loss: of the line.
        text: its name in words.
        latex: its name in formulas.
        cifar10: IS, its ±, FID, its ±.
        tiny_imagenet: the same four.
    """
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
        _line(
            "logistic", "-log σ(-x)", r"$-\log\sigma(-x)$",
            (7.95, 0.04, 16.47, 0.11), (8.70, 0.04, 15.05, 0.07),
        ),
        _line(
            "sqrt", "x+sqrt(x²+1)", r"$x+\sqrt{x^2+1}$",
            (7.97, 0.03, 16.03, 0.09), (8.82, 0.03, 15.11, 0.06),
        ),
        _line(
            "quadratic", "(x+1)²", "$(x+1)^2$",
            (7.97, 0.04, 15.90, 0.09), (8.53, 0.04, 15.72, 0.11),
        ),
        _line(
            "hinge", "max(0, x+1)", r"$\max(0, x+1)$",
            (7.91, 0.04, 16.52, 0.12), (8.63, 0.04, 15.75, 0.06),
        ),
    ]
)  # fmt: skip
LINES["wgan_gp"] = Line(
    key="wgan_gp",
    text="WGAN-GP",
    latex="WGAN-GP",
    loss="wasserstein",
    penalty="gp",
    published={
        "is": {"cifar10": Published(7.71, 0.03)},
        "fid": {"cifar10": Published(18.86, 0.13)},
    },
    where={"config.penalty.weight": 10.0},
)

# neither x nor exp and sqrt, which the thesis calls the best
_OTHERS = ("logistic", "quadratic", "hinge")

TABLE_2_2 = Design(
    number="2-2",
    title="objectives on unsupervised image generation",
    heads=("objective",),
    lines=tuple(LINES.values()),
    kinds=(INCEPTION_SCORE, FRECHET_DISTANCE),
    chosen_by="fid",
    may_differ=frozenset({"seed", "loss", "penalty"}),
    parts="chunk",
    source="Published: Zhou 2020, Table 2-2 (WGAN-GP: section 2.6.5); its ± is the standard "
    "deviation over 10 chunks of 50,000 samples of one run.",
    reading="λ is the weight of the least mean FID over seeds against the train split. That is OUR "
    "choice: the thesis shows the best weight of {0.01, 0.1, 1, 10} and does not say by which "
    "score. ± 95% over seeds: Student's interval of the mean over training seeds, given that λ; "
    "± over chunks: the published kind, within one run, mean over seeds.",
    recipe=RECIPE,
    orders=tuple(
        Order(better, worse)
        for better, others in {
            "exp": ("wasserstein", *_OTHERS),
            "logistic": ("wasserstein",),
            "sqrt": ("wasserstein", *_OTHERS),
        }.items()
        for worse in others
    ),
    ordered_by=("is", "fid"),
    grid=GRID,
    grid_of="maxgp",
)
