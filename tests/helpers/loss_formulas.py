"""The formulas of docs/thesis.md, chapters 2 and 4, a second time, as naively as they are printed.

Chapter 2 with mpmath at 60 digits: f(x) on fake is s, on real r. Every entry: phi(s), varphi(r),
psi(s) and their derivatives, worked out by hand. Chapter 4, the losses with classes, with numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mpmath import exp, log1p, mp, mpf, sqrt
from scipy.special import entr, log_softmax

mp.dps = 60

Function = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Curve:
    """A scalar function and its derivative."""

    value: Function
    slope: Function


@dataclass(frozen=True)
class Formula:
    """J_D = E[phi(s)] + E[varphi(r)], J_G = E[psi(s)]."""

    phi: Curve
    varphi: Curve
    psi: Curve


def mirrored(curve: Curve) -> Curve:
    """t -> curve(-t)."""
    return Curve(lambda t: curve.value(-t), lambda t: -curve.slope(-t))


def sigmoid(t: mpf) -> mpf:
    return 1 / (1 + exp(-t))


def square_about(target: float) -> Curve:
    return Curve(lambda t: (t - mpf(target)) ** 2, lambda t: 2 * (t - mpf(target)))


def root(alpha: float) -> Curve:
    return Curve(lambda t: t + sqrt(t**2 + mpf(alpha)), lambda t: 1 + t / sqrt(t**2 + mpf(alpha)))


def ramp(alpha: float) -> Curve:
    return Curve(
        lambda t: max(mpf(0), t + mpf(alpha)), lambda t: mpf(1) if t + mpf(alpha) > 0 else mpf(0)
    )


LINEAR = Curve(lambda t: t, lambda t: mpf(1))
MINUS = mirrored(LINEAR)
EXP = Curve(exp, exp)
SOFTPLUS = Curve(lambda t: log1p(exp(t)), sigmoid)  # -log sigmoid(-t)
MINUS_LOG_SIGMOID = mirrored(SOFTPLUS)
LOG_ONE_MINUS_SIGMOID = Curve(lambda t: -log1p(exp(t)), lambda t: -sigmoid(t))


def symmetric(phi: Curve, psi: Curve = MINUS) -> Formula:
    """varphi(t) = phi(-t); psi(t) = -t in every row of Table 2-2."""
    return Formula(phi, mirrored(phi), psi)


FORMULAS = {  # at the values of the option files
    "wasserstein": symmetric(LINEAR),
    "exp": symmetric(EXP),
    "logistic": symmetric(SOFTPLUS),
    "sqrt": symmetric(root(1)),
    "quadratic": symmetric(square_about(-1)),
    "hinge": symmetric(ramp(1)),
    "vanilla": symmetric(SOFTPLUS, LOG_ONE_MINUS_SIGMOID),
    "nonsaturating": symmetric(SOFTPLUS, MINUS_LOG_SIGMOID),
    "least_squares": Formula(square_about(0), square_about(1), square_about(1)),
}

PSI = {  # choices of the field `generator`; quadratic aims at 1, the default of alpha
    "linear": MINUS,
    "quadratic": square_about(1),
    "nonsaturating": MINUS_LOG_SIGMOID,
    "minimax": LOG_ONE_MINUS_SIGMOID,
}


# Losses with classes: thesis 4.2 to 4.5 and 4.A ---------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """A critic's logits on real and fake samples, (n, outputs), their classes, and a loss's
    settings.

    The logits of a sample: the K classes'; the real one in two-class models; the fake one where it
    is learned, else 0.
    """

    num_classes: int
    real: np.ndarray
    fake: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    settings: dict[str, Any] = field(default_factory=dict)

    def completed(self) -> Batch:
        """The same with the class (4-23) of its logits for every sample without a label."""
        likeliest = self.real[:, : self.num_classes].argmax(1)
        labels = np.where(self.labels < 0, likeliest, self.labels)
        return Batch(self.num_classes, self.real, self.fake, labels, self.targets, self.settings)

    def two_classes(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log [D_r, D_f] (n, 2) and log C (n, K): GAN and an auxiliary classifier, 4.2.2."""
        real = logits[:, self.num_classes]
        return log_softmax(np.stack([real, self.fake_logit(logits)], 1), 1), self.log_c(logits)

    def log_d(self, logits: np.ndarray) -> np.ndarray:
        """log [D_1, ..., D_K+1] (n, K+1): LabelGAN and AM-GAN, 4.2.1."""
        return log_softmax(
            np.concatenate([logits[:, : self.num_classes], self.fake_logit(logits)[:, None]], 1), 1
        )

    def log_c(self, logits: np.ndarray) -> np.ndarray:
        """log C (n, K)."""
        return log_softmax(logits[:, : self.num_classes], 1)

    def fake_logit(self, logits: np.ndarray) -> np.ndarray:
        """(n,)"""
        return logits[:, -1] if self.settings.get("learned_fake_logit") else np.zeros(len(logits))


def cross_entropy(p_hat: np.ndarray, log_p: np.ndarray) -> float:
    """E[H(p_hat, p)] over rows, H = -sum p_hat log p."""
    return float(
        np.mean([-np.dot(row, log_row) for row, log_row in zip(p_hat, log_p, strict=True)])
    )


def over_real(batch: Batch, p_hat: np.ndarray, log_p: np.ndarray) -> float:
    """(4-33): E_labelled[H(p_hat, p)] + E_unlabelled[H(p_hat, p)], each over its own real samples,
    or one mean."""
    if batch.settings.get("unlabelled") == "pooled":
        return cross_entropy(p_hat, log_p)
    parts = [batch.labels >= 0, batch.labels < 0]
    return sum(cross_entropy(p_hat[part], log_p[part]) for part in parts if part.any())


def vectors(classes: np.ndarray, length: int) -> np.ndarray:
    """v(y) or u(y) of each class, (n, length)."""
    return np.eye(length)[classes]


def constant(row: list[float], like: np.ndarray) -> np.ndarray:
    return np.tile(row, (len(like), 1))


def gan_terms(batch: Batch) -> tuple[float, float]:
    """(4-2) and (4-1): (4-9) + (4-10), and (4-7)."""
    real, fake = batch.two_classes(batch.real)[0], batch.two_classes(batch.fake)[0]
    critic = cross_entropy(constant([1, 0], real), real) + cross_entropy(
        constant([0, 1], fake), fake
    )
    return critic, cross_entropy(constant([1, 0], fake), fake)


def classifier_terms(batch: Batch) -> tuple[float, float]:
    """(4-11) on real samples and (4-8) on fake ones."""
    real, fake, k = batch.log_c(batch.real), batch.log_c(batch.fake), batch.num_classes
    on_real = over_real(batch, vectors(batch.completed().labels, k), real)
    return on_real, cross_entropy(vectors(batch.targets, k), fake)


def gan_star(batch: Batch) -> tuple[float, float]:
    """GAN, and a classifier trained on real samples with a weight."""
    critic, generator = gan_terms(batch)
    return critic + batch.settings["classifier_weight"] * classifier_terms(batch)[0], generator


def ac_gan(batch: Batch) -> tuple[float, float]:
    """(4-7) to (4-11), and the term of the footnote of 4.2.2 where `original`."""
    (critic, generator), (on_real, on_fake) = gan_terms(batch), classifier_terms(batch)
    critic += on_real + (on_fake if batch.settings.get("original") else 0)
    return critic, generator + batch.settings["generator_classifier_weight"] * on_fake


def ac_gan_plus(batch: Batch) -> tuple[float, float]:
    """AC-GAN and (4-24)."""
    critic, generator = ac_gan(batch)
    log_c = batch.log_c(batch.fake)
    uniform = constant([1 / batch.num_classes] * batch.num_classes, log_c)
    return critic + cross_entropy(uniform, log_c), generator


def label_gan(batch: Batch) -> tuple[float, float]:
    """(4-4) and (4-3), -E log sum_i<=K D_i."""
    real, fake, k = batch.log_d(batch.real), batch.log_d(batch.fake), batch.num_classes
    critic = over_real(batch, vectors(batch.completed().labels, k + 1), real) - float(
        np.mean(fake[:, k])
    )
    return critic, -float(np.mean([np.logaddexp.reduce(row[:k]) for row in fake]))


def am_gan(batch: Batch) -> tuple[float, float]:
    """(4-18) and (4-17)."""
    real, fake, k = batch.log_d(batch.real), batch.log_d(batch.fake), batch.num_classes
    critic = over_real(batch, vectors(batch.completed().labels, k + 1), real)
    critic += cross_entropy(constant([0] * k + [1], fake), fake)
    return critic, cross_entropy(vectors(batch.targets, k + 1), fake)


def cat_gan(batch: Batch) -> tuple[float, float]:
    """E_real H(C) - H(E_real C) - E_fake H(C) + E_labelled H(u(y), C); E_fake H(C) - H(E_fake
    C)."""
    real, fake = (np.exp(batch.log_c(logits)) for logits in (batch.real, batch.fake))
    sure, even = (lambda p: float(entr(p).sum(1).mean())), (lambda p: float(entr(p.mean(0)).sum()))
    known = batch.labels >= 0
    critic = sure(real) - even(real) - sure(fake)
    if known.any():
        critic += cross_entropy(
            vectors(batch.labels[known], batch.num_classes), batch.log_c(batch.real)[known]
        )
    return critic, sure(fake) - even(fake)


@dataclass(frozen=True)
class Model:
    """What the logits of a critic mean: log D_1 to D_K (n, K), log D_r / D_f (n,), and how many
    logits there are beside the K of the classes and a learned one of fake."""

    log_d: Callable[[Batch, np.ndarray], np.ndarray]
    ratio: Callable[[Batch, np.ndarray], np.ndarray] | None
    beyond_classes: int = 0


def _ratio_of_two(batch: Batch, logits: np.ndarray) -> np.ndarray:
    two, _ = batch.two_classes(logits)
    return two[:, 0] - two[:, 1]


def _d_of_two(batch: Batch, logits: np.ndarray) -> np.ndarray:
    two, log_c = batch.two_classes(logits)
    return two[:, :1] + log_c


def _ratio_of_joint(batch: Batch, logits: np.ndarray) -> np.ndarray:
    joint = batch.log_d(logits)
    return np.log(np.exp(joint[:, :-1]).sum(1)) - joint[:, -1]


# GAN and an auxiliary classifier, 4.2.2; K classes and fake, 4.2.1; a classifier alone, 4.A
TWO_CLASS = Model(_d_of_two, _ratio_of_two, beyond_classes=1)
JOINT = Model(lambda batch, logits: batch.log_d(logits)[:, :-1], _ratio_of_joint)
CLASSIFIER = Model(lambda batch, logits: batch.log_c(logits), ratio=None)


@dataclass(frozen=True)
class ClassFormula:
    """J_D and J_G of a batch, and what the critic's logits mean."""

    values: Callable[[Batch], tuple[float, float]]
    model: Model


CLASS_FORMULAS = {
    "gan_star": ClassFormula(gan_star, TWO_CLASS),
    "ac_gan": ClassFormula(ac_gan, TWO_CLASS),
    "ac_gan_plus": ClassFormula(ac_gan_plus, TWO_CLASS),
    "label_gan": ClassFormula(label_gan, JOINT),
    "am_gan": ClassFormula(am_gan, JOINT),
    "cat_gan": ClassFormula(cat_gan, CLASSIFIER),
}


def guidance(option: str, batch: Batch, reference: np.ndarray) -> float:
    """(4-34): H(p_ref, R(E_unlabelled[D])), 0 without an unlabelled sample; D of two-class models
    is [D_r C, D_f]."""
    unlabelled = batch.real[batch.labels < 0]
    if not len(unlabelled):
        return 0.0
    mean = np.exp(CLASS_FORMULAS[option].model.log_d(batch, unlabelled)).mean(0)
    return cross_entropy(reference[None], np.log(mean / mean.sum())[None])
