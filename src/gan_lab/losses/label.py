"""The models of chapter 4 and its rivals: which terms each has (see LabelLoss); C is the critic's
classifier.

learned_fake_logit: the critic has one more output for "fake"; else the logit of fake is 0, as in
the author's program.
generator_classifier_weight: of H(u(t), C) in J_G, 1 in the thesis; 0.1 is its remedy for a
collapsed AC-GAN (4.7.2).
unlabelled: "separate" adds the means over labelled and unlabelled real samples (4-33), "pooled"
takes one over all.
"""

from __future__ import annotations

from gan_lab import checks
from gan_lab.losses.class_logits import LabelLoss
from gan_lab.losses.unlabelled import CatLoss

UNLABELLED_MEANS = ("separate", "pooled")


def gan_star(
    classifier_weight: float = 0.1,
    *,
    learned_fake_logit: bool = False,
    unlabelled: str = "separate",
) -> LabelLoss:
    """GAN*: GAN whose critic also learns to classify, with `classifier_weight` 0.1 [code]; J_G has
    no class term."""
    return LabelLoss(
        name="gan_star",
        own_real_logit=True,
        learned_fake_logit=checks.flag("learned_fake_logit", learned_fake_logit),
        classify_real=checks.number("classifier_weight", classifier_weight, above=0),
        unlabelled=checks.choice("unlabelled", unlabelled, UNLABELLED_MEANS),
    )


def ac_gan(
    *,
    original: bool = False,
    generator_classifier_weight: float = 1.0,
    learned_fake_logit: bool = False,
    unlabelled: str = "separate",
) -> LabelLoss:
    """AC-GAN (4-7) to (4-11): GAN and a classifier of real samples that generated ones are fitted
    to.

    original: with the term H(u(t), C) on generated samples in J_D, of Odena et al. 2017, which the
    thesis leaves out.
    """
    return LabelLoss(
        name="ac_gan",
        own_real_logit=True,
        learned_fake_logit=checks.flag("learned_fake_logit", learned_fake_logit),
        classify_fake=1.0 if checks.flag("original", original) else 0.0,
        classify_generated=checks.number(
            "generator_classifier_weight", generator_classifier_weight, above=0
        ),
        unlabelled=checks.choice("unlabelled", unlabelled, UNLABELLED_MEANS),
    )


def ac_gan_plus(
    generator_classifier_weight: float = 1.0,
    *,
    learned_fake_logit: bool = False,
    unlabelled: str = "separate",
) -> LabelLoss:
    """AC-GAN+ (4-24): AC-GAN whose classifier learns to be unsure of generated samples, H(1/K, C)
    in J_D."""
    return LabelLoss(
        name="ac_gan_plus",
        own_real_logit=True,
        learned_fake_logit=checks.flag("learned_fake_logit", learned_fake_logit),
        confuse_fake=1.0,
        classify_generated=checks.number(
            "generator_classifier_weight", generator_classifier_weight, above=0
        ),
        unlabelled=checks.choice("unlabelled", unlabelled, UNLABELLED_MEANS),
    )


def label_gan(*, learned_fake_logit: bool = False, unlabelled: str = "separate") -> LabelLoss:
    """LabelGAN (4-3), (4-4), Salimans et al. 2016: K classes and "fake"; the generator aims at any
    of the K."""
    return LabelLoss(
        name="label_gan",
        own_real_logit=False,
        learned_fake_logit=checks.flag("learned_fake_logit", learned_fake_logit),
        unlabelled=checks.choice("unlabelled", unlabelled, UNLABELLED_MEANS),
    )


def am_gan(*, learned_fake_logit: bool = False, unlabelled: str = "separate") -> LabelLoss:
    """AM-GAN (4-17), (4-18): LabelGAN whose generator aims at one class for each sample."""
    return LabelLoss(
        name="am_gan",
        own_real_logit=False,
        learned_fake_logit=checks.flag("learned_fake_logit", learned_fake_logit),
        classify_generated=1.0,
        unlabelled=checks.choice("unlabelled", unlabelled, UNLABELLED_MEANS),
    )


def cat_gan() -> CatLoss:
    """CatGAN: see CatLoss."""
    return CatLoss()
