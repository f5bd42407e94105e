"""Tables 4-1, 4-2 and 4-3 and the numbers of sections 4.7.2 and 4.7.3.

Their ± is the standard deviation over 10 splits of 50,000 samples of one run
(`is_inception_50k_10x`); it says nothing of training seeds. IS is by the Inception network, AM and
the entropy by a DenseNet-BC classifier of the data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gan_lab.reporting.thesis.chapter_2 import INCEPTION_SCORE as OF_500K
from gan_lab.reporting.thesis.chapter_2 import optimizer_settings
from gan_lab.reporting.thesis.design import (
    Design,
    Kind,
    Line,
    Order,
    Published,
    RecipeField,
    Variant,
    settings,
)

INCEPTION_SCORE = replace(OF_500K, samples=50_000)
_BY_DENSENET: dict[str, Any] = {"extractor": "classifier", "architecture": "DenseNet"}
AM_SCORE = Kind("am", "AM", "am_", "", "am_score", samples=50_000, **_BY_DENSENET)
ENTROPY = replace(
    AM_SCORE,
    key="entropy",
    title="mean H(C(x))",
    prefix="entropy_",
    option="entropy",
    has_spread=False,
    parts=None,
)
_COVARIANCE = Variant(
    "covariance",
    thesis="abs",
    meanings={"abs": "|σ_xy| in place of the covariance σ_xy", "signed": "σ_xy with its sign"},
    implied="signed",
)
_CLASSES = Variant(
    "classes",
    thesis="own",
    meanings={
        "own": "a sample's class is the one it was drawn with (predefined labels) or the critic's "
        "own label (dynamic)",
        "classifier": "a sample's class is the one that the classifier gives it",
    },
    implied="classifier",
)
MS_SSIM = Kind(
    key="msssim",
    title="largest class mean of MS-SSIM",
    prefix="msssim_",
    suffix="",
    option="ms_ssim",
    has_spread=False,
    variants=(_COVARIANCE, _CLASSES),
    counts={"levels": 5, "pairs": 5},
)

DYNAMIC, PREDEFINED = COLUMNS = ("dynamic", "predefined")
WIDE = {"config.architecture.critic_channels": 96}  # the critic of Table 4-3, instead of 64
_BY_INFERENCE = "published (4.7.2) without a column: predefined by inference"
_ORIGINAL, _WEIGHT = "config.loss.original", "config.loss.generator_classifier_weight"

# key: (text, loss, what its records hold besides)
_MODELS: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "gan": ("GAN", "gan", {}),
    "gan_star": ("GAN*", "gan_star", {}),
    "ac_gan": ("AC-GAN", "ac_gan", {_ORIGINAL: False, _WEIGHT: 1.0}),
    "ac_gan_weak": (
        "AC-GAN (generator's classifier weight 0.1)", "ac_gan", {_ORIGINAL: False, _WEIGHT: 0.1},
    ),
    "ac_gan_original": (
        "AC-GAN (with the original term)", "ac_gan", {_ORIGINAL: True, _WEIGHT: 1.0},
    ),
    "ac_gan_plus": ("AC-GAN+", "ac_gan_plus", {_WEIGHT: 1.0}),
    "label_gan": ("LabelGAN", "label_gan", {}),
    "am_gan": ("AM-GAN", "am_gan", {}),
}  # fmt: skip

# (model, column): IS, its ±, AM, whose ± is 0.00 where IS has one; the variants of AC-GAN, in
# section 4.7.2, have none
_CIFAR10: dict[tuple[str, str], tuple[Published, Published]] = {
    (model, column): (Published(score, spread), Published(am, None if spread is None else 0.0))
    for model, column, score, spread, am in [
        ("gan", DYNAMIC, 7.04, 0.06, 0.45),
        ("gan", PREDEFINED, 7.27, 0.07, 0.43),
        ("gan_star", DYNAMIC, 7.25, 0.07, 0.40),
        ("gan_star", PREDEFINED, 7.31, 0.10, 0.41),
        ("ac_gan", DYNAMIC, 7.41, 0.09, 0.17),
        ("ac_gan", PREDEFINED, 7.79, 0.08, 0.16),
        ("ac_gan_weak", PREDEFINED, 7.19, None, 0.23),
        ("ac_gan_original", DYNAMIC, 6.48, None, 0.43),
        ("ac_gan_original", PREDEFINED, 7.66, None, 0.20),
        ("ac_gan_plus", DYNAMIC, 8.56, 0.11, 0.10),
        ("ac_gan_plus", PREDEFINED, 8.01, 0.09, 0.14),
        ("label_gan", DYNAMIC, 8.63, 0.08, 0.13),
        ("label_gan", PREDEFINED, 7.88, 0.07, 0.25),
        ("am_gan", DYNAMIC, 8.83, 0.09, 0.08),
        ("am_gan", PREDEFINED, 8.35, 0.12, 0.05),
    ]
}
# (model, column): IS, its ±, AM, its ±
_TINY_IMAGENET: dict[tuple[str, str], tuple[float, float, float, float]] = {
    ("ac_gan", DYNAMIC): (7.28, 0.07, 1.64, 0.02),
    ("ac_gan", PREDEFINED): (7.89, 0.11, 1.01, 0.01),
    ("ac_gan_plus", DYNAMIC): (10.25, 0.14, 1.04, 0.01),
    ("ac_gan_plus", PREDEFINED): (8.23, 0.10, 1.20, 0.01),
    ("label_gan", DYNAMIC): (10.82, 0.16, 1.11, 0.01),
    ("label_gan", PREDEFINED): (8.62, 0.11, 1.37, 0.01),
    ("am_gan", DYNAMIC): (11.45, 0.15, 0.88, 0.01),
    ("am_gan", PREDEFINED): (9.55, 0.11, 0.61, 0.01),
}
# of the dynamic column, by the context
_ENTROPY = {"label_gan": 0.124, "am_gan": 0.079, "ac_gan_plus": 0.102}
_MS_SSIM = {
    ("ac_gan", PREDEFINED): 0.61,
    ("ac_gan", DYNAMIC): 0.35,
    ("ac_gan_weak", PREDEFINED): 0.35,
    ("ac_gan_plus", PREDEFINED): 0.39,
    ("ac_gan_plus", DYNAMIC): 0.36,
    ("label_gan", PREDEFINED): 0.35,
    ("label_gan", DYNAMIC): 0.32,
    ("am_gan", PREDEFINED): 0.36,
    ("am_gan", DYNAMIC): 0.36,
}
_RELATED = {
    "DFM": (7.72, 0.13),
    "Improved GAN": (8.09, 0.07),
    "AC-GAN": (8.25, 0.07),
    "WGAN-GP + AC": (8.42, 0.10),
    "SGAN": (8.59, 0.12),
    "Splitting GAN": (8.87, 0.09),
    "real data": (11.24, 0.12),
}


def _line(model: str, column: str, published: Mapping[str, Mapping[str, Published]]) -> Line:
    text, loss, where = _MODELS[model]
    remark = _BY_INFERENCE if model == "ac_gan_weak" and column == PREDEFINED else ""
    latex = text.replace("+", "$^{+}$")
    return Line(model, text, latex, loss, "none", published, where, WIDE, column, remark=remark)


def _scores(model: str, column: str) -> dict[str, dict[str, Published]]:
    """IS, AM and entropy of a cell of Table 4-1, by kind and data set."""
    scores: dict[str, dict[str, Published]] = {"is": {}, "am": {}, "entropy": {}}
    if pair := _CIFAR10.get((model, column)):
        scores["is"]["cifar10"], scores["am"]["cifar10"] = pair
    if numbers := _TINY_IMAGENET.get((model, column)):
        scores["is"]["tiny_imagenet"] = Published(numbers[0], numbers[1])
        scores["am"]["tiny_imagenet"] = Published(numbers[2], numbers[3])
    if column == DYNAMIC and model in _ENTROPY:
        scores["entropy"]["cifar10"] = Published(_ENTROPY[model], decimals=3)
    return scores


def _similarity(model: str, column: str) -> dict[str, dict[str, Published]]:
    value = _MS_SSIM.get((model, column))
    return {"msssim": {} if value is None else {"cifar10": Published(value)}}


# The author's program lists, for the ten classes of CIFAR-10:
# .313 .322 .289 .275 .290 .277 .288 .285 .341 .300
_OF_REAL = {"msssim": {"cifar10": Published(0.341, decimals=3)}}
_REAL = Line("real", "real data", "real data", None, "none", _OF_REAL, is_real=True)


def _related(text: str, score: tuple[float, float]) -> Line:
    return Line("related", text, text, None, "none", {"is": {"cifar10": Published(*score)}})


_CRITIC_CHANNELS = RecipeField("config.architecture.critic_channels", 64, "critic channels")
_RECIPE = (  # 4.B; the steps and the schedule are the author's program's
    RecipeField("config.max_generator_steps", 1_000_000, "generator steps"),
    RecipeField("config.architecture.generator_channels", 96, "generator channels"),
    _CRITIC_CHANNELS,
    RecipeField("choices.architecture", "dcgan"),
    *settings({"architecture.latent_dim": 100}),
    *settings({"architecture.noise": 0.1, "architecture.dropout": 0.3}),
    *settings({"architecture.critic_batch_norm": True, "architecture.batch_norm_eps": 1e-3}),
    RecipeField(
        "config.architecture.extra_layer", thesis=True, where={"choices.labels": PREDEFINED}
    ),
    RecipeField("config.architecture.extra_layer", thesis=False, where={"choices.labels": DYNAMIC}),
    RecipeField("choices.schedule", "staircase"),
    *settings({"schedule.factor": 0.5, "schedule.every": 100_000}),
    *optimizer_settings(lr=4e-4, betas=[0.5, 0.999], eps=1e-8),
    *settings({"n_critic": 1, "batch_size": 100, "generator_batch_size": 100, "ema_decay": 0.0}),
    *settings({"trainer.precision": "32-true", "supervision.labelled_fraction": 1.0}),
    *settings({"loss.learned_fake_logit": False, "loss.classifier_weight": 0.1}),
)
_WIDE_RECIPE = tuple(replace(one, thesis=96) if one is _CRITIC_CHANNELS else one for one in _RECIPE)
_MAY_DIFFER = frozenset({"seed", "loss", "labels", "architecture.extra_layer"})
_OVER_SEEDS = "± 95% over seeds: Student's interval of the mean over training seeds"
_READING = f"{_OVER_SEEDS}; ± over splits: the published kind, within one run, mean over seeds."
_COLUMN = (
    " labels: the column of the thesis; a model without target labels (GAN, GAN*, LabelGAN) "
    "differs between the columns in the network only (predefined: one more critic layer)."
)

TABLE_4_1 = Design(
    number="4-1",
    title="models with class labels",
    heads=("model", "labels"),
    lines=tuple(
        _line(model, column, _scores(model, column)) for column in COLUMNS for model in _MODELS
    ),
    kinds=(INCEPTION_SCORE, AM_SCORE, ENTROPY),
    chosen_by=None,
    may_differ=_MAY_DIFFER,
    parts="split",
    source="Published: Zhou 2020, Table 4-1 (AC-GAN's two variants and mean H(C(x)): section "
    "4.7.2, where the labels of the run with weight 0.1 are not said: predefined is inferred); "
    "IS by Inception, AM and H(C(x)) by a DenseNet-BC classifier of the data set; "
    "its ± is the standard deviation over 10 splits of the 50,000 samples of one run.",
    reading=_READING + _COLUMN,
    recipe=_RECIPE,
    orders=(Order("am_gan", "label_gan"), Order("ac_gan_plus", "ac_gan")),
    ordered_by=("is", "am"),
)
TABLE_4_2 = Design(
    number="4-2",
    title="largest mean MS-SSIM of a class",
    heads=("model", "labels"),
    lines=(
        *(
            _line(model, column, _similarity(model, column))
            for column in reversed(COLUMNS)
            for model in _MODELS
            if model not in ("gan", "gan_star")
        ),
        _REAL,
    ),
    kinds=(MS_SSIM,),
    chosen_by=None,
    may_differ=_MAY_DIFFER,
    parts="split",
    source="Published: Zhou 2020, Table 4-2 (AC-GAN with weight 0.1: section 4.7.2, its labels not "
    "said: predefined is inferred); mean over 5 pairs of samples of a class, maximum over the ten "
    "classes; without a ±. Real data: not in the thesis, "
    "the largest of the ten classes that the author's program lists for CIFAR-10.",
    reading="A high value says that the samples of some class are alike (collapse within a class); "
    "real data are the level without collapse. The fewer the pairs, the larger the maximum over "
    "classes by chance alone: compare only where their number is the same. "
    f"{_OVER_SEEDS}." + _COLUMN,
    recipe=_RECIPE,
)
_AM_GAN = replace(
    _line("am_gan", DYNAMIC, {"is": {"cifar10": Published(8.91, 0.11)}}),
    text="AM-GAN (96 critic channels)",
    latex="AM-GAN (96 critic channels)",
    where=WIDE,
    unless={},
)
TABLE_4_3 = Design(
    number="4-3",
    title="AM-GAN beside related work",
    heads=("model",),
    lines=tuple(
        line
        for text, score in _RELATED.items()
        for line in ([_AM_GAN] if text == "Splitting GAN" else []) + [_related(text, score)]
    ),
    kinds=(INCEPTION_SCORE,),
    chosen_by=None,
    may_differ=_MAY_DIFFER,
    parts="split",
    source="Published: Zhou 2020, Table 4-3, where the related works' numbers are those that they "
    "report; its ± is the standard deviation over 10 splits of the 50,000 samples of one run.",
    reading=_READING + " AM-GAN is that of dynamic labels.",
    recipe=_WIDE_RECIPE,
)
