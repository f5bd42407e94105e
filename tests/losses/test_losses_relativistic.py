"""Relativistic losses against wasserstein, against formulas written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mpmath import mpf

from gan_lab.errors import UserError
from gan_lab.losses import RelativeLoss, relativistic, wasserstein
from gan_lab.losses.relativistic import FAMILY, FORMS
from helpers.loss_formulas import FORMULAS
from helpers.loss_probes import column
from helpers.registry import fields

REAL, FAKE = (0.3, -1.2, 2.5), (0.1, 0.4, -0.7, 1.1, 0.6, -2.0)


def slopes(value, *logits):
    return torch.autograd.grad(value, logits)


@pytest.mark.parametrize(("form", "times"), [("pairing", 1), ("average", 2)])
def test_with_the_identity_it_is_wasserstein(form, times):
    """The critic's loss; of the generator's the gradient: the real logits add a constant."""
    real, fake = column(*REAL).requires_grad_(), column(*FAKE).requires_grad_()
    ours, theirs = relativistic("wasserstein", form), wasserstein()
    critic, expected = ours.critic(real, fake), theirs.critic(real, fake)
    assert critic.item() == pytest.approx(times * expected.item(), rel=1e-14)
    for mine, its in zip(slopes(critic, real, fake), slopes(expected, real, fake), strict=True):
        torch.testing.assert_close(mine, times * its)
    mine = slopes(ours.generator(fake, real=real.detach()), fake)
    torch.testing.assert_close(mine[0], times * slopes(theirs.generator(fake), fake)[0])


@pytest.mark.parametrize("phi", FAMILY)
def test_the_pairing_form_sample_by_sample(phi):
    """Three real samples and six generated ones: 0 and 1 meet real sample 0, 2 and 3 meet 1, ..."""
    value, made = FORMULAS[phi].phi.value, relativistic(phi)
    pairs = [(REAL[i // 2], FAKE[i]) for i in range(6)]
    critic = np.mean([float(value(mpf(s) - mpf(r))) for r, s in pairs])
    generator = np.mean([float(value(mpf(r) - mpf(s))) for r, s in pairs])
    assert made.critic(column(*REAL), column(*FAKE)).item() == pytest.approx(critic, rel=1e-13)
    real_logits = column(*REAL)
    assert made.generator(column(*FAKE), real=real_logits).item() == pytest.approx(
        generator, rel=1e-13
    )


@pytest.mark.parametrize("phi", FAMILY)
def test_the_average_form_term_by_term(phi):
    value, made = FORMULAS[phi].phi.value, relativistic(phi, "average")
    r_mean, s_mean = mpf(sum(REAL)) / 3, mpf(sum(FAKE)) / 6

    def objective(below, below_mean, above, above_mean):
        return np.mean([float(value(mpf(t) - above_mean)) for t in below]) + np.mean(
            [float(value(below_mean - mpf(t))) for t in above]
        )

    real, fake = column(*REAL), column(*FAKE)
    critic, generator = (
        objective(FAKE, s_mean, REAL, r_mean),
        objective(REAL, r_mean, FAKE, s_mean),
    )
    assert made.critic(real, fake).item() == pytest.approx(critic, rel=1e-13)
    assert made.generator(fake, real=real).item() == pytest.approx(generator, rel=1e-13)


def test_halves_of_both_batches_make_the_pairs_of_the_whole():
    """As two processes see them."""
    made = relativistic()
    real, fake = column(*REAL, 0.9), column(*FAKE, 0.2, -0.3)
    halves = [made.critic(real[i : i + 2], fake[2 * i : 2 * i + 4]) for i in (0, 2)]
    assert made.critic(real, fake).item() == pytest.approx(sum(halves).item() / 2, rel=1e-14)


def test_without_real_logits_the_generators_loss_is_refused():
    with pytest.raises(UserError, match=r"pass their logits, generator\(fake, real=logits\)"):
        relativistic().generator(column(0.0))


def test_its_choices_are_those_of_the_file():
    assert fields("loss", "relativistic") == {"phi": "logistic", "form": FORMS[0]}
    assert isinstance(relativistic(), RelativeLoss)
