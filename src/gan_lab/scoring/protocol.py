"""How scores are measured and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gan_lab import checks
from gan_lab.errors import UserError
from gan_lab.metrics.ms_ssim import MSSSIM, PAIRS
from gan_lab.metrics.ssim import VARIANTS
from gan_lab.reading.declared_scores import declared_scores

SCORES = tuple(declared_scores())
"""What `evaluation.scores` may name: metrics declare it (gan_lab.reading.declared_scores)."""

CLASSES = ("auto", "own", "classifier")
"""Where the classes of MS-SSIM come from; see `Protocol`."""


@dataclass(frozen=True)
class Protocol:
    """How a generator is scored: which scores, of how many samples, cut into which parts.

    Args:
        extractor: makes the extractor (see gan_lab.scoring.extractors).
        scores: out of is, am, mode (from logits; mean and std over `splits` equal parts of the
            samples, but AM Score's value is of all samples at once), fid, kid, prdc (from features,
            against each split of the real data; mean and std over `chunks` parts), entropy (of
            C(x), with the histogram of classes) and msssim (of the images, within classes).
        samples: scored after training, or by scripts/evaluate.py.
        samples_in_training: scored every `evaluate_every` steps.
        splits: equal parts of the samples, for scores from logits.
        chunks: parts of the samples, for scores from features.
        batch_size: images generated, and passed through the extractor, at once.
        kid_subset_size: samples of each subset; KID is the mean over subsets.
        msssim_images: images of each class; Table 4-2 has 10.
        msssim_pairs: pairs of these images: "rounds" (half as many pairs as images, also in a class
            with fewer images), "disjoint" or "all", see gan_lab.metrics.MSSSIM. Table 4-2 has 5.
        msssim_variant: "abs" (|σ_xy| in place of σ_xy, as Table 4-2) or "signed".
        msssim_classes: "own", a sample's class is the one it was drawn with or the critic's own
            label, as in Table 4-2; "classifier", the one that the data's classifier sees; "auto",
            own where samples have classes of their own.

    Raises:
        UserError: for an unknown score, one that the extractor is not fit for, fewer samples than
            splits or chunks, and numbers out of range.
    """

    extractor: Any
    scores: Sequence[str] = ("is", "am", "fid")
    samples: int = 10_000
    samples_in_training: int = 2_000
    splits: int = 10
    chunks: int = 1
    batch_size: int = 500
    kid_subset_size: int = 1000
    msssim_images: int = 400
    msssim_pairs: str = "rounds"
    msssim_variant: str = "abs"
    msssim_classes: str = "auto"

    def __post_init__(self) -> None:
        # every number by itself
        counts = ("samples", "samples_in_training", "splits", "chunks", "batch_size")
        for name in (*counts, "kid_subset_size", "msssim_images"):
            checks.whole(name, getattr(self, name), at_least=1)

        # the scores that are asked for
        if not self.scores:
            raise UserError(
                f"scores is empty: choose from {', '.join(SCORES)}, "
                "or take evaluation=off without it"
            )
        for score in self.scores:
            if score not in SCORES:
                raise UserError(
                    f"scores: there is no score {score!r}; choose from {', '.join(SCORES)}"
                )

        # what MS-SSIM compares
        if self.msssim_images < 2:
            raise UserError(f"msssim_images={self.msssim_images} has no pair: use at least 2")
        for name, words in (("pairs", PAIRS), ("variant", VARIANTS), ("classes", CLASSES)):
            checks.choice(f"msssim_{name}", getattr(self, f"msssim_{name}"), words)

        # what fits this extractor, and so many samples: at the end and in training
        if getattr(self.extractor, "features_only", False):
            check_scores_of_features(self.scores, self.extractor.name)
        final = f"evaluation.samples={self.samples}"
        self.check_count(self.samples, final, splits=self.splits, chunks=self.chunks)
        in_training = f"evaluation.samples_in_training={self.samples_in_training}"
        self.check_count(self.samples_in_training, in_training, splits=self.splits)

    @property
    def uses_own_classes(self) -> bool:
        """Whether a score needs the classes that samples have of their own, where they have
        some."""
        return "msssim" in self.scores and self.msssim_classes != "classifier"

    def similarity(self, num_classes: int, image_shape: Sequence[int]) -> MSSSIM:
        """The MS-SSIM within classes that is asked for, of images (C, H, W)."""
        return MSSSIM(
            num_classes,
            image_shape,
            self.msssim_images,
            self.msssim_pairs,
            variant=self.msssim_variant,
        )

    @property
    def in_training(self) -> Protocol:
        """The same with `samples_in_training` samples, of which chunks would be too small."""
        return replace(self, samples=self.samples_in_training, chunks=1)

    @staticmethod
    def check_count(samples: int, what: str, **parts_of: int) -> None:
        """UserError, beginning with `what`, when one of so many splits or chunks would have fewer
        than two samples."""
        for name, parts in parts_of.items():
            if samples < 2 * parts:
                raise UserError(
                    f"{what}: too few samples for evaluation.{name}={parts}, which needs at least "
                    f"{2 * parts}; take "
                    f"more samples or set evaluation.{name}={max(1, samples // 2)}"
                )


def reads(score: str) -> str:
    """What the metric of a score is fed with: "logits", "features" or "images"."""
    return declared_scores()[score].facts.reads


def needs_classes(score: str) -> bool:
    """Whether a score needs the extractor's logits. MS-SSIM has its images' classes by them, where
    they have none of their own."""
    return reads(score) == "logits" or score == "msssim"


def needs_features(scores: Sequence[str]) -> bool:
    """Whether a score compares with the real features themselves, not only with their moments."""
    return any(declared_scores()[score].facts.reference == "features" for score in scores)


def enough_are_moments(score: str) -> bool:
    """Whether the moments of the real features are all that a score asks of the real data."""
    return declared_scores()[score].facts.reference in (None, "moments")


Entry = dict[str, Any]
"""A score in a record: value (AM Score's is of all samples at once, its std over splits), std
(population, over splits or chunks; None where there is one), what its `records.ScoreName` says,
splits, chunks, extractor, and the terms of a score that has some."""

TERMS = (
    "marginal_entropy",
    "marginal_divergence",
    "conditional_entropy",
)  # of IS, Mode and AM Score, for their curves


def score_text(entry: Entry) -> str:
    """ "7.68 ± 0.03": the value, and its standard deviation over splits or chunks where there is
     one.

    Of MS-SSIM also in how many classes there were fewer pairs than its name says.
    """
    value, std = float(entry["value"]), entry["std"]
    text = f"{value:.4g}" if std is None else f"{value:.4g} ± {float(std):.2g}"
    fewer = sum(pairs < entry["pairs"] for pairs in entry.get("pairs_per_class", []))
    return (
        f"{text} (fewer pairs in {fewer} of {len(entry['pairs_per_class'])} classes)"
        if fewer
        else text
    )


def check_scores_of_features(scores: Sequence[str], extractor: str) -> None:
    """Refuse scores of logits by an extractor whose features alone are of use.

    Raises:
        UserError: names the scores that remain.
    """
    refused = [score for score in scores if needs_classes(score)]
    if refused:
        possible = ", ".join(score for score in SCORES if not needs_classes(score))
        raise UserError(
            f"evaluation.scores: {', '.join(refused)} need class probabilities, and those of the "
            f"{extractor} extractor "
            f"are poor on small images: choose from {possible}, or use evaluation=classifier or "
            "inception"
        )
