"""The models of chapter 4 and its rivals: which terms of LabelLoss each has.

C is the critic's classifier.
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
    """GAN*: GAN whose critic also learns to classify; J_G has no class term.

    Args:
        classifier_weight: of H(u(y), C) in J_D, 0.1 in the author's program [code].
        learned_fake_logit: whether the critic has one more output for "fake"; else the logit of
            fake is 0, as in the author's program.
        unlabelled: "separate" adds the means over labelled and unlabelled real samples (4-33),
            "pooled" takes one over all.

    Source:
        Thesis Table 4-1; the author's program [code].

    Examples:
        >>> from gan_lab.losses import gan_star
        >>> gan_star().outputs(num_classes=10), gan_star().needs_targets  # f is an output, too
        (11, False)
    """
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
    """AC-GAN: GAN and a classifier of real samples that generated ones are fitted to.

    Args:
        original: with the term H(u(t), C) on generated samples in J_D, of Odena et al. 2017, which
            the thesis omits.
        generator_classifier_weight: of H(u(t), C) in J_G, 1 in the thesis; 0.1 is its remedy for a
            collapsed AC-GAN (4.7.2).
        learned_fake_logit: as in `gan_star`.
        unlabelled: as in `gan_star`.

    Source:
        Thesis (4-7) to (4-11); Odena et al. 2017 (arXiv:1610.09585).

    Examples:
        f = 0 and both classes equally likely: -log 1/2 for each term.

        >>> import torch
        >>> from gan_lab.losses import ac_gan
        >>> ac_gan().generator(torch.zeros(1, 3), targets=torch.tensor([1]))
        tensor(1.3863)
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
    """AC-GAN+: AC-GAN whose classifier learns to be unsure of generated samples.

    J_D has the term H(1/K, C) on them.

    Args:
        generator_classifier_weight: as in `ac_gan`.
        learned_fake_logit: as in `gan_star`.
        unlabelled: as in `gan_star`.

    Source:
        Thesis (4-24).

    Examples:
        -log 1/2 for each of four terms:

        >>> import torch
        >>> from gan_lab.losses import ac_gan_plus
        >>> logits = torch.zeros(1, 3)
        >>> ac_gan_plus().critic(logits, logits, torch.tensor([0]), torch.tensor([1]))
        tensor(2.7726)
    """
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
    """LabelGAN: K classes and "fake"; the generator aims at any of the K.

    Args:
        learned_fake_logit: as in `gan_star`.
        unlabelled: as in `gan_star`.

    Source:
        Thesis (4-3), (4-4); Salimans et al. 2016 (arXiv:1606.03498).

    Examples:
        Three equal probabilities, of which two are classes: -log 2/3.

        >>> import torch
        >>> from gan_lab.losses import label_gan
        >>> label_gan().generator(torch.zeros(1, 2))
        tensor(0.4055)
    """
    return LabelLoss(
        name="label_gan",
        own_real_logit=False,
        learned_fake_logit=checks.flag("learned_fake_logit", learned_fake_logit),
        unlabelled=checks.choice("unlabelled", unlabelled, UNLABELLED_MEANS),
    )


def am_gan(*, learned_fake_logit: bool = False, unlabelled: str = "separate") -> LabelLoss:
    """AM-GAN: LabelGAN whose generator aims at one class for each sample.

    Args:
        learned_fake_logit: as in `gan_star`.
        unlabelled: as in `gan_star`.

    Source:
        Thesis (4-17), (4-18).

    Examples:
        Three equal probabilities, of which one is aimed at: -log 1/3.

        >>> import torch
        >>> from gan_lab.losses import am_gan
        >>> am_gan().generator(torch.zeros(1, 2), targets=torch.tensor([1]))
        tensor(1.0986)
    """
    return LabelLoss(
        name="am_gan",
        own_real_logit=False,
        learned_fake_logit=checks.flag("learned_fake_logit", learned_fake_logit),
        classify_generated=1.0,
        unlabelled=checks.choice("unlabelled", unlabelled, UNLABELLED_MEANS),
    )


def cat_gan() -> CatLoss:
    """CatGAN: see CatLoss.

    Examples:
        >>> from gan_lab.losses import cat_gan
        >>> cat_gan().outputs(num_classes=10), cat_gan().has_score
        (10, False)
    """
    return CatLoss()
