"""Samples without labels: (4-33), the guidance of (4-34), and CatGAN at distributions worked out by
hand."""

from __future__ import annotations

import pickle
from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_losses_label_values import gradients, name_of, random_batch, size, tensors, values

from gan_lab.errors import UserError
from gan_lab.losses import ClassLoss, GuidedLoss
from helpers import gloo
from helpers.joint_loss import label_loss
from helpers.label_worker import LABELS_OF_SHARES, batch_of, every_case, name_of_case
from helpers.loss_formulas import CLASS_FORMULAS, guidance
from helpers.loss_probes import EPS, loss, variants
from helpers.registry import fields

VARIANTS = variants()
DYNAMIC = [(option, flags) for option, flags in VARIANTS if "unlabelled" in fields("loss", option)]
few = settings(derandomize=True, deadline=None, max_examples=12)
seeds, masks = st.integers(0, 10**6), st.lists(st.booleans(), min_size=5, max_size=5)
every_variant = pytest.mark.parametrize(("option", "flags"), VARIANTS, ids=name_of)
MASKS = {"none": [False] * 5, "some": [True, False, False, True, False], "all": [True] * 5}


def unlabelled(batch, mask):
    """The batch with -1 for the labels where the mask is set."""
    return replace(batch, labels=np.where(mask, -1, batch.labels))


# (4-33) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "flags"), DYNAMIC, ids=name_of)
@pytest.mark.parametrize("means", ["separate", "pooled"])
@few
@given(st.integers(2, 7), seeds, masks)
def test_an_unlabelled_sample_takes_the_class_of_its_logits(
    option, flags, means, num_classes, seed, mask
):
    """argmax_k l_k is its label; the mean over such samples is added to that over the others, or
    one is over both."""
    flags = {**flags, "unlabelled": means}
    made = loss(option, **flags)
    batch = unlabelled(random_batch(made, num_classes, seed, flags=flags), mask)
    expected = CLASS_FORMULAS[option].values(batch)[0]
    assert values(made, batch)[0] == pytest.approx(expected, rel=0, abs=64 * EPS * size(batch))


@pytest.mark.parametrize(("option", "flags"), DYNAMIC, ids=name_of)
@pytest.mark.parametrize("means", ["separate", "pooled"])
@pytest.mark.parametrize("mask", MASKS)
def test_the_gradient_with_unlabelled_samples(option, flags, means, mask):
    """Against central differences of numpy: h^2/6 times a third derivative below 2, and rounding.
    No label changes."""
    flags, h = {**flags, "unlabelled": means}, 1e-4
    made = loss(option, **flags)
    batch = unlabelled(random_batch(made, 3, seed=7, flags=flags), MASKS[mask])
    found = gradients(made, batch)[0]
    for place in np.ndindex(found.shape):
        step = np.zeros_like(found)
        step[place] = h
        ahead, behind = (
            CLASS_FORMULAS[option].values(replace(batch, real=batch.real + sign * step))[0]
            for sign in (1, -1)
        )
        assert found[place] == pytest.approx(
            (ahead - behind) / (2 * h), rel=0, abs=h**2 + 16 * EPS * 20 / h
        )


@pytest.mark.parametrize(("option", "flags"), DYNAMIC, ids=name_of)
@pytest.mark.parametrize("mask", ["none", "all"])
def test_with_all_labels_or_none_both_means_are_the_same(option, flags, mask):
    """To the last bit of values and gradients: the default changed nothing for data with labels."""
    made, pooled = (loss(option, **flags, unlabelled=means) for means in ("separate", "pooled"))
    batch = unlabelled(
        random_batch(made, 5, seed=8, flags=flags, sizes=(64, 48)), np.full(64, mask == "all")
    )
    assert values(made, batch) == values(pooled, batch)
    assert all(map(np.array_equal, gradients(made, batch), gradients(pooled, batch)))


@pytest.mark.parametrize("joint", [False, True])
def test_one_labelled_sample_of_three_by_hand(joint):
    """K = 2, fake logit 0. Labelled 1 with e^l = (2, 3): D_1 = 3/6. Unlabelled (1, 2) and (1, 6):
    2/4 and 6/8.

    Separate: log 2 + (log 2 + log 4/3)/2; pooled: (2 log 2 + log 4/3)/3.
    """
    real = torch.tensor([[2.0, 3.0], [1.0, 2.0], [1.0, 6.0]], dtype=torch.float64).log()
    fake, labels = real[:1], torch.tensor([1, -1, -1])
    on_fake = log(6)  # 1/6
    for means, expected in (("separate", log(2) + log(8 / 3) / 2), ("pooled", log(16 / 3) / 3)):
        for option in ("label_gan", "am_gan"):
            made = label_loss(option, joint=joint, unlabelled=means)
            assert made.critic(real, fake, labels).item() == pytest.approx(
                expected + on_fake, rel=1e-14, abs=0
            )


def test_a_real_logit_of_its_own_has_one_game_over_all():
    """K = 2 and the real logit 0 of three samples, D_r = 1/2: log 2 once. C = 3/5 labelled, 2/3 and
    6/7 unlabelled."""
    real = torch.tensor(
        [[2.0, 3.0, 1.0], [1.0, 2.0, 1.0], [1.0, 6.0, 1.0]], dtype=torch.float64
    ).log()
    labels, game = torch.tensor([1, -1, -1]), 2 * log(2)
    classify = log(5 / 3) + (log(3 / 2) + log(7 / 6)) / 2
    for made, weight in ((loss("ac_gan"), 1.0), (loss("gan_star", classifier_weight=0.5), 0.5)):
        found = made.critic(real, real[:1], labels, torch.tensor([0])).item()
        assert found == pytest.approx(game + weight * classify, rel=1e-14, abs=0)


@pytest.mark.parametrize(("option", "flags"), DYNAMIC, ids=name_of)
def test_the_class_is_one_of_the_k(option, flags):
    """Where the logits of real or fake are the largest: those are no classes."""
    made = loss(option, **flags)
    batch = unlabelled(random_batch(made, 3, seed=1, flags=flags), MASKS["all"])
    real = batch.real.copy()
    real[:, 3:] = 40
    batch = replace(batch, real=real)
    assert values(made, batch)[0] == values(made, batch.completed())[0]


# Two processes whose shares of a batch have unequal numbers of labels -----------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> list[dict]:
    """What one process makes of every case of the worker, and each of two."""
    folder = tmp_path_factory.mktemp("labels")
    two = gloo.results("helpers.label_worker", folder, gloo.TWO, seconds=100)[0]
    return [every_case(0, 1), *two]


@pytest.mark.parametrize("case", LABELS_OF_SHARES)
@pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda variant: f"{variant[0]}-{name_of(variant[1])}"
)
def test_labels_are_counted_over_processes(shared, variant, case):
    """The mean of two processes' values is the formula's of the whole batch; their gradients are
    those of one."""
    option, flags = variant
    alone, first, second = (results[name_of_case(option, flags, case)] for results in shared)
    batch = batch_of(option, flags, case)
    expected = CLASS_FORMULAS[option].values(batch)[0]
    assert alone["value"] == pytest.approx(expected, rel=0, abs=64 * EPS * size(batch))
    assert first["value"] == pytest.approx(expected, rel=0, abs=64 * EPS * size(batch))
    assert second["value"] == first["value"]
    for side in ("real", "fake"):
        both = np.concatenate([first[side], second[side]])
        assert both == pytest.approx(np.array(alone[side]), rel=0, abs=64 * EPS)


@pytest.mark.parametrize(("option", "flags"), DYNAMIC, ids=name_of)
def test_the_callers_labels_are_left_alone(option, flags):
    made = loss(option, **flags)
    real, fake, labels, targets = tensors(unlabelled(random_batch(made, 4, seed=2), MASKS["some"]))
    before = labels.clone()
    made.critic(real, fake, labels, targets)
    assert torch.equal(labels, before)


# (4-34) -------------------------------------------------------------------------------------------


def guided(option, flags, num_classes: int, seed: int) -> GuidedLoss:
    return GuidedLoss(
        loss(option, **flags),
        tuple(np.random.default_rng(seed).dirichlet(np.full(num_classes, 3.0))),
    )


@every_variant
@few
@given(st.integers(2, 7), seeds, masks)
def test_guidance(option, flags, num_classes, seed, mask):
    made = guided(option, flags, num_classes, seed)
    batch = unlabelled(random_batch(made, num_classes, seed, flags=flags), mask)
    expected = CLASS_FORMULAS[option].values(batch)[0] + guidance(
        option, batch, np.array(made.reference)
    )
    assert values(made, batch)[0] == pytest.approx(expected, rel=0, abs=64 * EPS * size(batch))


@every_variant
@pytest.mark.parametrize("mask", MASKS)
def test_the_gradient_of_the_guidance(option, flags, mask):
    """Against central differences of numpy; labelled samples and fake ones get nothing of it."""
    made, h = guided(option, flags, 3, seed=3), 1e-4
    batch = unlabelled(random_batch(made, 3, seed=3, flags=flags), MASKS[mask])
    with_it, without = gradients(made, batch), gradients(made.loss, batch)
    assert np.array_equal(with_it[1], without[1])
    assert np.array_equal(with_it[2], without[2])
    added = with_it[0] - without[0]
    assert np.isfinite(added).all()
    assert not added[np.logical_not(MASKS[mask])].any()
    assert added.any() == (mask != "none")
    for place in np.ndindex(added.shape):
        step = np.zeros_like(added)
        step[place] = h
        ahead, behind = (
            guidance(
                option, replace(batch, real=batch.real + sign * step), np.array(made.reference)
            )
            for sign in (1, -1)
        )
        assert added[place] == pytest.approx(
            (ahead - behind) / (2 * h), rel=0, abs=h**2 + 16 * EPS * 20 / h
        )


@every_variant
def test_nothing_is_added_without_an_unlabelled_sample(option, flags):
    """To the last bit, and also where the mean of the probabilities would be 0 in floating
    point."""
    made = guided(option, flags, 3, seed=4)
    for scale in (2.0, 1e4):
        batch = random_batch(made, 3, seed=4, scale=scale)
        assert values(made, batch) == values(made.loss, batch)
        assert all(map(np.array_equal, gradients(made, batch), gradients(made.loss, batch)))


@every_variant
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("seed", range(4))
def test_guidance_of_extreme_logits(option, flags, mask, seed):
    """-1e4, 0 and 1e4 in float32: finite values and gradients."""
    made, rng = guided(option, flags, 3, seed), np.random.default_rng(seed)
    batch = unlabelled(random_batch(made, 3, seed), MASKS[mask])
    real, fake = (rng.choice([-1e4, 0.0, 1e4], size=x.shape) for x in (batch.real, batch.fake))
    real, fake, labels, targets = tensors(replace(batch, real=real, fake=fake), torch.float32)
    value = made.critic(real, fake, labels, targets)
    assert value.dtype == torch.float32
    assert value.isfinite()
    value.backward()
    assert real.grad.isfinite().all()
    assert fake.grad.isfinite().all()


@every_variant
def test_guidance_in_half_precision(option, flags):
    made = guided(option, flags, 4, seed=5)
    real, fake, labels, targets = tensors(
        unlabelled(random_batch(made, 4, seed=5), MASKS["some"]), torch.bfloat16
    )
    value = made.critic(real, fake, labels, targets)
    assert value.dtype == torch.float32
    assert torch.equal(value, made.critic(real.float(), fake.float(), labels, targets))


def test_guidance_by_hand():
    """Two unlabelled samples, D = (2, 3, 1)/6 and (1, 2, 1)/4: mean (7, 12, 5)/24, R = (7, 12)/19.

    p_ref = (1/4, 3/4): H = 1/4 log 19/7 + 3/4 log 19/12. The third sample has a label and does not
    count. CatGAN's mean is that of C = (2, 3)/5 and (1, 2)/3: (11, 19)/30.
    """
    real = torch.tensor([[2.0, 3.0], [1.0, 2.0], [11.0, 1.0]], dtype=torch.float64).log()
    fake, labels, targets = real[:1], torch.tensor([-1, -1, 0]), torch.tensor([0])
    for option, r in (
        ("label_gan", (7 / 19, 12 / 19)),
        ("am_gan", (7 / 19, 12 / 19)),
        ("cat_gan", (11 / 30, 19 / 30)),
    ):
        base = loss(option)
        found = GuidedLoss(base, (0.25, 0.75)).critic(real, fake, labels, targets)
        found = found - base.critic(real, fake, labels, targets)
        assert found.item() == pytest.approx(
            -0.25 * log(r[0]) - 0.75 * log(r[1]), rel=1e-13, abs=0
        ), option


@every_variant
def test_the_rest_is_the_loss_itself(option, flags):
    made = guided(option, flags, 4, seed=6)
    base = made.loss
    logits, targets = torch.randn(3, base.outputs(4)), torch.tensor([0, 1, 2])
    assert isinstance(made, ClassLoss)
    assert made.name == option
    assert (made.needs_labels, made.needs_targets, made.has_score) == (
        True,
        base.needs_targets,
        base.has_score,
    )
    assert made.outputs(4) == base.outputs(4)
    assert torch.equal(made.classes(logits), base.classes(logits))
    assert torch.equal(made.generator(logits, targets), base.generator(logits, targets))
    if base.has_score:
        assert torch.equal(made.score(logits), base.score(logits))
    else:
        with pytest.raises(UserError, match="penalty=none"):
            made.score(logits)
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(AssertionError):
        made.outputs(5)
    with pytest.raises(UserError, match="got no classes"):
        made.critic(logits, logits, None, targets)


# CatGAN -------------------------------------------------------------------------------------------


def rows(*classes, num_classes: int = 4) -> torch.Tensor:
    """Logits (n, K) in float64: None is uniform, a number is one-hot (by underflow)."""
    sure = 1e4 * torch.eye(num_classes, dtype=torch.float64)
    return torch.stack(
        [torch.zeros(num_classes, dtype=torch.float64) if c is None else sure[c] for c in classes]
    )


# one of two samples sure, the other not: E H(C) = 1/2; E C = (5, 1, 1, 1)/8, whose H is 3 log 2 -
# 5/8 log 5
HALF = 1 / 2 - (3 / 2 - 5 / 8 * log(5) / log(4))
# real, fake, labels -> J_D, J_G in units of log 4; H of uniform is 1, of one-hot 0
CAT = {
    "undecided": ([None, None], [None, None], [-1, -1], -1, 0),
    "undecided, one of two labelled": ([None, None], [None, None], [-1, 3], -1 + 1, 0),
    "the critic's best": ([0, 1, 2, 3], [None], [-1] * 4, -2, 0),
    "the critic's best, labels right": ([0, 1, 2, 3], [None], [0, 1, 2, 3], -2, 0),
    "the generator's best": ([None], [0, 1, 2, 3], [-1], 0, -1),
    "collapsed onto one class": ([0, 1, 2, 3], [2, 2, 2], [-1] * 4, -1, 0),
    "two of four classes": ([1, 3], [0, 0, 1, 1], [1, -1], -0.5, -0.5),
    "half of them sure": ([0, None], [None, 1], [-1, -1], HALF - 1 / 2, HALF),
}


@pytest.mark.parametrize("name", CAT)
def test_cat_gan_by_hand(name):
    real, fake, labels, critic, generator = CAT[name]
    made, x, s = loss("cat_gan"), rows(*real), rows(*fake)
    assert made.critic(x, s, torch.tensor(labels)).item() == pytest.approx(
        critic * log(4), rel=0, abs=1e-14
    )
    assert made.generator(s).item() == pytest.approx(generator * log(4), rel=0, abs=1e-14)


def test_cat_gan_counts_the_labelled_samples_alone():
    """One labelled sample among three: H(u(1), C) = log 4 - log 3 with C = (1, 3)/4, not a third of
    it."""
    real = torch.tensor([[1.0, 3.0]] * 3, dtype=torch.float64).log()
    made, fake = loss("cat_gan"), torch.zeros(1, 2, dtype=torch.float64)
    nothing = made.critic(real, fake, torch.tensor([-1, -1, -1])).item()
    for labels, expected in (([-1, 1, -1], log(4 / 3)), ([0, 1, -1], (log(4) + log(4 / 3)) / 2)):
        added = made.critic(real, fake, torch.tensor(labels)).item() - nothing
        assert added == pytest.approx(expected, rel=0, abs=1e-14)


@few
@given(st.integers(2, 6), seeds)
def test_cat_gan_does_not_name_classes_without_labels(num_classes, seed):
    """Renaming the classes changes nothing."""
    made = loss("cat_gan")
    batch = unlabelled(random_batch(made, num_classes, seed), MASKS["all"])
    order = np.random.default_rng(seed).permutation(num_classes)
    renamed = replace(batch, real=batch.real[:, order], fake=batch.fake[:, order])
    assert values(made, renamed) == pytest.approx(
        values(made, batch), rel=0, abs=32 * EPS * size(batch)
    )
