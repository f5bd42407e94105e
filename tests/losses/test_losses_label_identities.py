"""The lemmas and identities of thesis 4.3 and 4.4, and gradients in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from torch import Tensor

from gan_lab.losses import GuidedLoss
from helpers.joint_loss import label_loss
from helpers.loss_formulas import constant, cross_entropy, vectors
from helpers.loss_probes import EPS, loss

few = settings(derandomize=True, deadline=None, max_examples=20)
classes, seeds = st.integers(2, 7), st.integers(0, 10**6)
kinds = pytest.mark.parametrize(
    ("joint", "learned"),
    [(a, b) for a in (False, True) for b in (False, True)],
    ids=lambda value: str(value),
)


def drawn(num_classes: int, seed: int, learned: bool, n: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, outputs) of a LabelGAN critic, and D (n, K+1) = their softmax, the fake logit 0 or
    learned."""
    logits = 2 * np.random.default_rng(seed).normal(size=(n, num_classes + learned))
    return logits, softmax(logits if learned else np.pad(logits, ((0, 0), (0, 1))), axis=1)


def descent(value, *points: np.ndarray) -> list[np.ndarray]:
    """-d value / d points."""
    leaves = [torch.tensor(point, requires_grad=True) for point in points]
    return [-g.numpy() for g in torch.autograd.grad(value(*leaves), leaves)]


def close(expected, scale: float = 1.0):
    return pytest.approx(expected, rel=0, abs=64 * EPS * scale)


# Lemma 4.1: -dH(p, softmax(l))/dl = p - softmax(l) ------------------------------------------------


@kinds
@few
@given(classes, seeds, st.integers(1, 6))
def test_lemma_4_1_of_k_plus_1_classes(joint, learned, num_classes, seed, n):
    """One row of logits, given to n real samples with random labels and to a fake one.

    The mean of H(v(y), D) over the labels is H(p, D) with p their frequencies, so J_D = H(p, D) +
    H(v(K+1), D) = 2 H(q, D) with q = (p, 1)/2, and its gradient 2 (q - D); a fake logit of 0 has
    none.
    """
    (row,), (d,) = drawn(num_classes, seed, learned)
    labels = np.random.default_rng(seed + 1).integers(0, num_classes, n)
    q = np.append(np.bincount(labels, minlength=num_classes) / n, 1) / 2
    made = label_loss("label_gan", joint=joint, learned_fake_logit=learned)

    def objective(point: Tensor) -> Tensor:
        return made.critic(point.expand(n, -1), point[None], torch.tensor(labels))

    assert objective(torch.tensor(row)).item() == close(
        2 * cross_entropy(q[None], np.log(d)[None]), 40
    )
    assert descent(objective, row)[0] == close(2 * (q - d)[: len(row)])


@few
@given(classes, seeds, st.integers(1, 6))
def test_lemma_4_1_of_k_classes(num_classes, seed, n):
    """The same for C: J_G of AC-GAN less that of GAN* on one row with random targets is H(p, C),
    gradient p - C."""
    row = 2 * np.random.default_rng(seed).normal(size=num_classes + 1)
    targets = torch.tensor(np.random.default_rng(seed + 1).integers(0, num_classes, n))
    p = np.bincount(targets.numpy(), minlength=num_classes) / n

    def difference(point: Tensor) -> Tensor:
        fake = point.expand(n, -1)
        return loss("ac_gan").generator(fake, targets) - loss("gan_star").generator(fake)

    c = softmax(row[:num_classes])
    assert difference(torch.tensor(row)).item() == close(
        cross_entropy(p[None], np.log(c)[None]), 20
    )
    assert descent(difference, row)[0] == close(np.append(p - c, 0), 4)


@few
@given(classes, seeds)
def test_lemma_4_1_of_a_target_without_zeros(num_classes, seed):
    """(4-34) of one sample is H(p_ref, C); (4-24) is H(1/K, C)."""
    rng = np.random.default_rng(seed)
    row, reference = 2 * rng.normal(size=num_classes + 1), rng.dirichlet(np.full(num_classes, 3.0))
    c, fake, unknown = (
        softmax(row[:num_classes]),
        torch.zeros(1, num_classes + 1, dtype=torch.float64),
        -1,
    )
    base = loss("gan_star")

    def guidance(point: Tensor) -> Tensor:
        arguments = point[None], fake, torch.tensor([unknown])
        return GuidedLoss(base, tuple(reference)).critic(*arguments) - base.critic(*arguments)

    def confusion(point: Tensor) -> Tensor:
        arguments = fake, point[None], torch.tensor([0]), torch.tensor([0])
        return loss("ac_gan_plus").critic(*arguments) - loss("ac_gan").critic(*arguments)

    for difference, p in (
        (guidance, reference),
        (confusion, np.full(num_classes, 1 / num_classes)),
    ):
        assert difference(torch.tensor(row)).item() == close(
            cross_entropy(p[None], np.log(c)[None]), 40
        )
        assert descent(difference, row)[0] == close(np.append(p - c, 0), 4)


# (4-13) to (4-16) ---------------------------------------------------------------------------------


def alpha(d: np.ndarray) -> np.ndarray:
    """(4-16) of D (K+1,): D_k / D_r of the K classes, -1 of fake."""
    return np.append(d[:-1] / d[:-1].sum(), -1.0)


@kinds
@few
@given(classes, seeds)
def test_gradient_of_label_gan_in_the_logits(joint, learned, num_classes, seed):
    """(4-13), (4-14): (1 - D_r) alpha_k, each sample with 1/n; where the fake logit is 0 the last
    part is missing."""
    logits, d = drawn(num_classes, seed, learned, n=3)
    made = label_loss("label_gan", joint=joint, learned_fake_logit=learned)
    expected = [(1 - row[:-1].sum()) * alpha(row) / 3 for row in d]
    assert descent(made.generator, logits)[0] == close(np.array(expected)[:, : logits.shape[1]])


@kinds
@few
@given(classes, seeds)
def test_gradient_of_label_gan_in_x(joint, learned, num_classes, seed):
    """(4-15): (1 - D_r) sum over K+1 of alpha_k dl_k/dx, here of l_k = w_k.x + (u_k.x)^2."""
    rng = np.random.default_rng(seed)
    x, (w, u) = rng.normal(size=4), rng.normal(size=(2, num_classes + learned, 4))
    logits = w @ x + (u @ x) ** 2
    d = softmax(logits if learned else np.append(logits, 0))
    slopes = w + 2 * (u @ x)[:, None] * u
    slopes = (
        slopes if learned else np.concatenate([slopes, np.zeros((1, 4))])
    )  # 0 does not depend on x
    made = label_loss("label_gan", joint=joint, learned_fake_logit=learned)

    def objective(point: Tensor) -> Tensor:
        return made.generator((torch.tensor(w) @ point + (torch.tensor(u) @ point) ** 2)[None])

    expected = (1 - d[:-1].sum()) * (alpha(d) @ slopes)
    assert descent(objective, x)[0] == close(expected, 1 + np.abs(slopes).max())


@kinds
@few
@given(classes, seeds)
def test_gradient_of_am_gan_in_the_logits(joint, learned, num_classes, seed):
    """Lemma 4.1 on (4-17): v(t) - D."""
    logits, d = drawn(num_classes, seed, learned, n=3)
    targets = np.random.default_rng(seed + 1).integers(0, num_classes, 3)
    made = label_loss("am_gan", joint=joint, learned_fake_logit=learned)
    expected = (vectors(targets, num_classes + 1) - d)[:, : logits.shape[1]] / 3
    assert descent(lambda point: made.generator(point, torch.tensor(targets)), logits)[0] == close(
        expected
    )


# Figure 4-1 ---------------------------------------------------------------------------------------


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


def towards(option: str, w: np.ndarray, level: float) -> np.ndarray:
    """-dJ_G/dx at the point where two classes with gradients w (2, d) both have the logit `level`;
    target: the first.

    l_k = w_k.x + level at x = 0, and the logit of fake is 0.
    """
    (gradient,) = descent(
        lambda x: loss(option).generator((torch.tensor(w) @ x + level)[None], torch.tensor([0])),
        np.zeros(w.shape[1]),
    )
    return gradient


ORTHOGONAL = np.array([[1.0, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("level", [-6.0, -3.0, 0.0, 3.0])
@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_overlaid_gradients(level, turn):
    """Two equally likely classes whose logits rise along orthogonal unit vectors w_1 and w_2; l_1 =
    l_2 = c.

    D = (p, p, 1 - 2p) with p = e^c / (1 + 2 e^c), and D_r = 2p.

    LabelGAN, (4-15): alpha = (1/2, 1/2), so -dJ/dx = (1 - D_r) (w_1 + w_2)/2: it lies between the
    two and has the cosine 1/sqrt(2) with both, whatever c.

    AM-GAN with target 1: v(1) - D = (1 - p, -p), so -dJ/dx = (1 - p) w_1 - p w_2. Its cosine with
    w_1 is (1 - p) / sqrt((1 - p)^2 + p^2), with w_2 it is -p / sqrt(...): towards the one class,
    away from the other. p < 1/2, so the first is above 1/sqrt(2) everywhere, and it tends to 1
    where the critic is sure of a fake (p -> 0).
    """
    rotation = np.array(
        [[math.cos(turn), 0, -math.sin(turn)], [0, 1, 0], [math.sin(turn), 0, math.cos(turn)]]
    )
    w = ORTHOGONAL @ rotation
    p = math.exp(level) / (1 + 2 * math.exp(level))
    overlaid, single = towards("label_gan", w, level), towards("am_gan", w, level)
    assert overlaid == close((1 - 2 * p) * (w[0] + w[1]) / 2)
    assert [cosine(overlaid, w[0]), cosine(overlaid, w[1])] == close(
        [1 / math.sqrt(2)] * 2, 1 / (1 - 2 * p)
    )
    length = math.sqrt((1 - p) ** 2 + p**2)
    assert single == close((1 - p) * w[0] - p * w[1])
    assert [cosine(single, w[0]), cosine(single, w[1])] == close([(1 - p) / length, -p / length])
    if level == -6.0:  # p = 0.0025, so 1 - cosine = p^2 / 2 = 3e-6
        assert cosine(single, w[0]) > 0.99999 > 0.71 > cosine(overlaid, w[0])


def test_overlaid_gradients_may_cancel():
    """w_2 = -w_1: LabelGAN stands still, (1 - D_r) (w_1 - w_1)/2 = 0. AM-GAN: (1 - p) w_1 + p w_1 =
    w_1, cosine 1."""
    w = np.array([[0.6, 0.8], [-0.6, -0.8]])
    assert towards("label_gan", w, -1.0) == close([0, 0])
    assert towards("am_gan", w, -1.0) == close(w[0])


# Lemma 4.2 and what follows from it ---------------------------------------------------------------


def decomposed(p_hat: np.ndarray, p: np.ndarray) -> float:
    """The right side of (4-19), p_hat_r H(R(p_hat), R(p)) + H(F(p_hat), F(p)), of vectors
    (K+1,)."""

    def r(v: np.ndarray) -> np.ndarray:
        return v[:-1] / v[:-1].sum()

    def f(v: np.ndarray) -> np.ndarray:
        return np.array([v[:-1].sum(), v[-1]])

    classes = p_hat[:-1].sum() * -(r(p_hat) @ np.log(r(p))) if p_hat[:-1].sum() else 0.0
    return classes - f(p_hat) @ np.log(f(p))


@few
@given(classes, seeds)
def test_lemma_4_2(num_classes, seed):
    """For any p_hat and p: the decomposition that the next tests measure the losses with is the
    entropy itself."""
    p_hat, p = np.random.default_rng(seed).dirichlet(np.ones(num_classes + 1), size=2)
    assert decomposed(p_hat, p) == close(-(p_hat @ np.log(p)), 40)


@kinds
@few
@given(classes, seeds)
def test_lemma_4_2_in_the_losses(joint, learned, num_classes, seed):
    """(4-20), (4-6): both objectives of AM-GAN are decomposed entropies, of v(y), v(K+1) and
    v(t)."""
    logits, d = drawn(num_classes, seed, learned, n=6)
    labels, targets = np.random.default_rng(seed + 1).integers(0, num_classes, (2, 3))
    made, v = label_loss("am_gan", joint=joint, learned_fake_logit=learned), np.eye(num_classes + 1)
    real, fake = torch.tensor(logits[:3]), torch.tensor(logits[3:])
    critic = np.mean([decomposed(v[y], p) for y, p in zip(labels, d[:3], strict=True)])
    critic += np.mean([decomposed(v[-1], p) for p in d[3:]])
    generator = np.mean([decomposed(v[t], p) for t, p in zip(targets, d[3:], strict=True)])
    assert made.critic(real, fake, torch.tensor(labels)).item() == close(critic, 20)
    assert made.generator(fake, torch.tensor(targets)).item() == close(generator, 20)


@kinds
@few
@given(classes, seeds)
def test_am_gan_is_label_gan_and_an_auxiliary_classifier(joint, learned, num_classes, seed):
    """(4-20), (4-21): J_G of AM-GAN is that of LabelGAN plus H(u(t), R(D)); R(D) = C is the softmax
    of K logits.

    And the critic's: J_D of both is a two-class game on F(D) = [D_r, D_K+1] plus H(u(y), R(D)).
    """
    logits, d = drawn(num_classes, seed, learned, n=7)
    labels, targets = (
        np.random.default_rng(seed + k).integers(0, num_classes, n) for k, n in ((1, 4), (2, 3))
    )
    real, fake, y, t = (
        *torch.tensor(logits).split([4, 3]),
        torch.tensor(labels),
        torch.tensor(targets),
    )
    am, label = (
        label_loss(option, joint=joint, learned_fake_logit=learned)
        for option in ("am_gan", "label_gan")
    )

    log_c = log_softmax(logits[:, :num_classes], axis=1)
    auxiliary = cross_entropy(vectors(targets, num_classes), log_c[4:])
    assert (am.generator(fake, t) - label.generator(fake)).item() == close(auxiliary, 20)

    def pull(point: Tensor) -> Tensor:
        return am.generator(point, t) - label.generator(point)

    classifier = (vectors(targets, num_classes) - np.exp(log_c[4:])) / 3
    padding = np.zeros((3, int(learned)))
    assert descent(pull, logits[4:])[0] == close(np.concatenate([classifier, padding], axis=1), 4)

    f = np.log(np.stack([d[:, :-1].sum(1), d[:, -1]], axis=1))
    game = cross_entropy(constant([1, 0], f[:4]), f[:4]) + cross_entropy(
        constant([0, 1], f[4:]), f[4:]
    )
    expected = game + cross_entropy(vectors(labels, num_classes), log_c[:4])
    assert (
        am.critic(real, fake, y, t).item()
        == label.critic(real, fake, y).item()
        == close(expected, 20)
    )


@pytest.mark.parametrize("learned", [False, True])
@few
@given(classes, seeds)
def test_ac_gan_is_a_hierarchical_model_of_k_plus_1_classes(learned, num_classes, seed):
    """(4-22): J_G = H(v(t), P) with P = [D_r C, D_f]; by Lemma 4.2 also J_D = H(v(y), P) +
    H(v(K+1), P)."""
    logits = 2 * np.random.default_rng(seed).normal(size=(7, num_classes + 1 + learned))
    labels, targets = (
        np.random.default_rng(seed + k).integers(0, num_classes, n) for k, n in ((1, 4), (2, 3))
    )
    d_r = 1 / (1 + np.exp((logits[:, -1] if learned else 0) - logits[:, num_classes]))
    p = np.concatenate(
        [d_r[:, None] * softmax(logits[:, :num_classes], axis=1), 1 - d_r[:, None]], axis=1
    )
    assert p.sum(1) == close(1)
    made, v = loss("ac_gan", learned_fake_logit=learned), np.eye(num_classes + 1)
    real, fake = torch.tensor(logits).split([4, 3])
    generator = cross_entropy(v[targets], np.log(p[4:]))
    critic = cross_entropy(v[labels], np.log(p[:4])) + cross_entropy(
        v[[num_classes] * 3], np.log(p[4:])
    )
    assert made.generator(fake, torch.tensor(targets)).item() == pytest.approx(
        generator, rel=0, abs=1e-12
    )
    assert made.critic(real, fake, torch.tensor(labels)).item() == pytest.approx(
        critic, rel=0, abs=1e-12
    )


@few
@given(classes, seeds)
def test_ac_gan_is_gan_and_an_auxiliary_classifier(num_classes, seed):
    """4.4.1: without its class terms it is the loss `gan` on the real logit; so is GAN* for the
    generator."""
    logits = 2 * np.random.default_rng(seed).normal(size=(7, num_classes + 1))
    labels, targets = (
        np.random.default_rng(seed + k).integers(0, num_classes, n) for k, n in ((1, 4), (2, 3))
    )
    real, fake, y, t = (
        *torch.tensor(logits).split([4, 3]),
        torch.tensor(labels),
        torch.tensor(targets),
    )
    gan, log_c = loss("gan"), log_softmax(logits[:, :num_classes], axis=1)
    on_real, on_fake = (
        cross_entropy(vectors(c, num_classes), part)
        for c, part in ((labels, log_c[:4]), (targets, log_c[4:]))
    )
    game, generator = (
        gan.critic(real[:, -1:], fake[:, -1:]).item(),
        gan.generator(fake[:, -1:]).item(),
    )
    assert loss("ac_gan").critic(real, fake, y).item() == close(game + on_real, 40)
    assert loss("ac_gan").generator(fake, t).item() == close(generator + on_fake, 40)
    assert loss("gan_star", classifier_weight=0.3).critic(real, fake, y).item() == close(
        game + 0.3 * on_real, 40
    )
    assert loss("gan_star").generator(fake).item() == close(generator, 40)
