"""Losses with classes against the numpy formulas of loss_formulas.py: values, gradients, views,
precision, refusals."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.losses import LabelLoss
from helpers.joint_loss import label_loss
from helpers.loss_formulas import CLASS_FORMULAS, Batch
from helpers.loss_probes import EPS, WITH_CLASSES, loss, variants
from helpers.registry import check_complete, fields, traits

VARIANTS = variants()
JOINT = [
    (option, flags)
    for option, flags in VARIANTS
    if isinstance(loss(option), LabelLoss) and not loss(option).own_real_logit
]
SCORED = [(option, flags) for option, flags in VARIANTS if loss(option).has_score]
few = settings(derandomize=True, deadline=None, max_examples=12)


def name_of(value) -> str:
    return (
        value
        if isinstance(value, str)
        else "-".join(key for key, on in value.items() if on is True) or "plain"
    )


def random_batch(
    made, num_classes: int, seed: int, scale: float = 2.0, sizes=(5, 4), flags=None
) -> Batch:
    """Normal logits; the two batches differ in size."""
    rng = np.random.default_rng(seed)
    real, fake = (scale * rng.normal(size=(n, made.outputs(num_classes))) for n in sizes)
    labels, targets = (rng.integers(0, num_classes, n) for n in sizes)
    return Batch(num_classes, real, fake, labels, targets, flags or {})


def tensors(batch: Batch, dtype=torch.float64):
    """critic's arguments; the two of logits ask for gradients."""
    logits = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (batch.real, batch.fake)]
    return *logits, torch.tensor(batch.labels), torch.tensor(batch.targets)


def values(made, batch: Batch, dtype=torch.float64) -> tuple[float, float]:
    real, fake, labels, targets = tensors(batch, dtype)
    return made.critic(real, fake, labels, targets).item(), made.generator(fake, targets).item()


def gradients(made, batch: Batch) -> list[np.ndarray]:
    """dJ_D/dreal, dJ_D/dfake, dJ_G/dfake."""
    real, fake, labels, targets = tensors(batch)
    critic = torch.autograd.grad(made.critic(real, fake, labels, targets), (real, fake))
    return [g.numpy() for g in (*critic, *torch.autograd.grad(made.generator(fake, targets), fake))]


def size(batch: Batch) -> float:
    """Of the largest terms: a few logits each."""
    return 8 * (1 + max(np.abs(batch.real).max(), np.abs(batch.fake).max()))


def test_every_loss_with_classes_has_a_formula():
    check_complete(
        CLASS_FORMULAS,
        "loss",
        WITH_CLASSES,
        "tests/helpers/loss_formulas.py, CLASS_FORMULAS",
        "J_D and J_G with numpy, and what its logits mean (TWO_CLASS, JOINT or CLASSIFIER)",
    )


@pytest.mark.parametrize(("option", "flags"), VARIANTS, ids=name_of)
@few
@given(st.integers(2, 7), st.integers(0, 10**6), st.sampled_from([0.1, 2.0, 30.0]))
def test_values(option, flags, num_classes, seed, scale):
    made = loss(option, **flags)
    batch = random_batch(made, num_classes, seed, scale, flags=flags)
    assert values(made, batch) == pytest.approx(
        CLASS_FORMULAS[option].values(batch), rel=0, abs=32 * EPS * size(batch)
    )


@pytest.mark.parametrize("option", CLASS_FORMULAS)
def test_values_at_the_defaults(option):
    made = loss(option)
    batch = random_batch(made, 10, seed=1, flags=fields("loss", option))
    assert values(made, batch) == pytest.approx(
        CLASS_FORMULAS[option].values(batch), rel=0, abs=32 * EPS * size(batch)
    )


WEIGHTS = {  # of the thesis (4-8), (4-11), and 0.1 of GAN* [code]
    "gan_star": {"classifier_weight": 0.1},
    "ac_gan": {"generator_classifier_weight": 1.0},
    "ac_gan_plus": {"generator_classifier_weight": 1.0},
    "label_gan": {},
    "am_gan": {},
    "cat_gan": {},
}


@pytest.mark.parametrize("option", WEIGHTS)
def test_the_weights_that_the_option_files_set_are_those_of_the_thesis(option):
    found = fields("loss", option).items()
    assert {name: value for name, value in found if isinstance(value, float)} == WEIGHTS[option]


@pytest.mark.parametrize(("option", "flags"), VARIANTS, ids=name_of)
def test_gradients_are_those_of_the_formulas(option, flags):
    """Central differences of numpy's values: h^2/6 times a third derivative below 1, and 16 EPS J /
    h of rounding."""
    made, h = loss(option, **flags), 1e-4
    batch = random_batch(made, 3, seed=2, sizes=(3, 2), flags=flags)
    found = gradients(made, batch)
    for side, which, gradient in (
        ("real", 0, found[0]),
        ("fake", 0, found[1]),
        ("fake", 1, found[2]),
    ):
        for place in np.ndindex(gradient.shape):
            step = np.zeros_like(gradient)
            step[place] = h
            ahead, behind = (
                CLASS_FORMULAS[option].values(
                    replace(batch, **{side: getattr(batch, side) + sign * step})
                )[which]
                for sign in (1, -1)
            )
            assert gradient[place] == pytest.approx(
                (ahead - behind) / (2 * h), rel=0, abs=h**2 + 16 * EPS * 20 / h
            )


@pytest.mark.parametrize(("option", "flags"), JOINT, ids=name_of)
@few
@given(st.integers(2, 7), st.integers(0, 10**6), st.booleans())
def test_joint_or_decomposed_is_the_same_function(
    option, flags, num_classes, seed, some_unlabelled
):
    """Lemma 4.2 (4-19): one softmax over K+1 classes, or a two-class game and a classifier."""
    joint, parts = (label_loss(option, joint=form, **flags) for form in (True, False))
    batch = random_batch(joint, num_classes, seed, scale=3.0)
    if some_unlabelled:
        batch = replace(batch, labels=np.where(np.arange(5) % 2, -1, batch.labels))
    assert values(joint, batch) == pytest.approx(
        values(parts, batch), rel=0, abs=32 * EPS * size(batch)
    )
    for one, other in zip(gradients(joint, batch), gradients(parts, batch), strict=True):
        assert one == pytest.approx(other, rel=0, abs=32 * EPS)
    logits = torch.tensor(batch.real)
    for view in ("classes", "score", "log_probabilities"):
        assert torch.equal(getattr(joint, view)(logits), getattr(parts, view)(logits))


def test_there_are_joint_forms():
    assert {option for option, _ in JOINT} >= {"label_gan", "am_gan"}


# By hand: K = 2, the logits are logarithms of whole numbers, so probabilities are fractions -------


def rows(*numbers) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64).log()


def test_label_gan_and_am_gan_by_hand():
    """Fake logit 0, e^l = (2, 3): D = (2, 3, 1)/6. e^l = (1, 2): D = (1, 2, 1)/4. Label 1, target
    0.

    J_D = -log 3/6 - log 1/4 = log 8; J_G = -log 3/4 of LabelGAN and -log 1/4 of AM-GAN.
    """
    real, fake = rows([2, 3]), rows([1, 2])
    for option, generator in (("label_gan", log(4) - log(3)), ("am_gan", log(4))):
        for joint in (False, True):
            made = label_loss(option, joint=joint)
            assert made.critic(real, fake, torch.tensor([1])).item() == pytest.approx(
                log(8), rel=1e-14, abs=0
            )
            assert made.generator(fake, torch.tensor([0])).item() == pytest.approx(
                generator, rel=1e-14, abs=0
            )


def test_a_learned_fake_logit_by_hand():
    """e^l = (2, 3 | 5): D = (2, 3, 5)/10. e^l = (1, 2 | 3): D = (1, 2, 3)/6.

    J_D = -log 3/10 - log 3/6 = log 20/3; J_G = -log 3/6 and, target 1, -log 2/6.
    """
    real, fake = rows([2, 3, 5]), rows([1, 2, 3])
    for option, generator in (("label_gan", log(2)), ("am_gan", log(3))):
        made = loss(option, learned_fake_logit=True)
        assert made.outputs(2) == 3
        expected = log(20 / 3)
        assert made.critic(real, fake, torch.tensor([1])).item() == pytest.approx(
            expected, rel=1e-14, abs=0
        )
        assert made.generator(fake, torch.tensor([1])).item() == pytest.approx(
            generator, rel=1e-14, abs=0
        )


def test_models_with_two_classes_by_hand():
    """Real e^l = (1, 3 | real 4): C = (1, 3)/4, D_r = 4/5. Fake (1, 2 | 3): C = (1, 2)/3, D_r =
    3/4, D_f = 1/4.

    Label 1, target 0. The game: J_D = log 5/4 + log 4 = log 5, J_G = log 4/3. H(u(y), C(real)) =
    log 4/3, H(u(t), C(fake)) = log 3, H(1/2, C(fake)) = log 3 - log(2)/2.
    """
    real, fake, label, target = (
        rows([1, 3, 4]),
        rows([1, 2, 3]),
        torch.tensor([1]),
        torch.tensor([0]),
    )
    game, third = log(5), log(4) - log(3)
    expected = {
        "gan_star": (loss("gan_star"), game + 0.1 * third, third),
        "ac_gan": (loss("ac_gan"), game + third, third + log(3)),
        "original": (loss("ac_gan", original=True), game + third + log(3), third + log(3)),
        "0.1 (4.7.2)": (
            loss("ac_gan", generator_classifier_weight=0.1),
            game + third,
            third + 0.1 * log(3),
        ),
        "ac_gan_plus": (loss("ac_gan_plus"), game + third + log(3) - log(2) / 2, third + log(3)),
    }
    for name, (made, critic, generator) in expected.items():
        assert made.critic(real, fake, label, target).item() == pytest.approx(
            critic, rel=1e-14, abs=0
        ), name
        assert made.generator(fake, target).item() == pytest.approx(generator, rel=1e-14, abs=0), (
            name
        )


# What a critic's logits mean ----------------------------------------------------------------------


@pytest.mark.parametrize(("option", "flags"), VARIANTS, ids=name_of)
@pytest.mark.parametrize("num_classes", [2, 10, 200])
def test_outputs(option, flags, num_classes):
    """K for label_gan, am_gan, cat_gan; K+1 for gan_star and ac_gan*; one more where the fake logit
    is learned."""
    expected = (
        num_classes
        + CLASS_FORMULAS[option].model.beyond_classes
        + bool(flags.get("learned_fake_logit"))
    )
    assert loss(option, **flags).outputs(num_classes) == expected


@pytest.mark.parametrize("option", WITH_CLASSES)
@pytest.mark.parametrize("num_classes", [1, 0])
def test_one_class_is_refused(option, num_classes):
    with pytest.raises(
        UserError, match=f"at least 2 classes and the data have {num_classes}: .*loss=gan"
    ):
        loss(option).outputs(num_classes)


@pytest.mark.parametrize(("option", "flags"), VARIANTS, ids=name_of)
def test_views(option, flags):
    """`classes` are the first K; `score` is log D_r/D_f; `log_probabilities` are those of D_1 to
    D_K."""
    made = loss(option, **flags)
    batch = random_batch(made, 4, seed=3, flags=flags)
    logits = torch.tensor(batch.real)
    assert torch.equal(made.classes(logits), logits[:, :4])
    model = CLASS_FORMULAS[option].model
    log_d = model.log_d(batch, batch.real)
    assert made.log_probabilities(logits).numpy() == pytest.approx(log_d, rel=0, abs=64 * EPS)
    assert made.has_score == (model.ratio is not None)
    if model.ratio is not None:
        ratio = model.ratio(batch, batch.real)
        assert made.score(logits).shape == (5,)
        assert made.score(logits).numpy() == pytest.approx(ratio, rel=0, abs=64 * EPS)


def test_cat_gan_has_no_score():
    made = loss("cat_gan")
    assert not made.has_score
    with pytest.raises(UserError, match=r"cat_gan has no real-fake score.*penalty=none"):
        made.score(torch.zeros(3, 4))


@pytest.mark.parametrize(("option", "flags"), SCORED, ids=name_of)
def test_score_is_large_on_real(option, flags):
    """All logits but fake's raised together move f and leave C: J_D falls by D_f on real, rises by
    D_r on fake ones."""
    made = loss(option, **flags)
    batch = random_batch(made, 3, seed=4, sizes=(1, 1), flags=flags)
    movable = made.outputs(3) - bool(flags.get("learned_fake_logit"))
    real, fake, generator = (gradient[0, :movable].sum() for gradient in gradients(made, batch))
    d_real, d_fake = (
        1 / (1 + np.exp(-made.score(torch.tensor(x)).item())) for x in (batch.real, batch.fake)
    )
    assert real == pytest.approx(d_real - 1, rel=0, abs=32 * EPS)
    assert fake == pytest.approx(d_fake, rel=0, abs=32 * EPS)
    assert generator == pytest.approx(d_fake - 1, rel=0, abs=32 * EPS)


# Who reads what -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "flags"), VARIANTS, ids=name_of)
def test_needs(option, flags):
    """Without what it needs a loss refuses; what it does not need it ignores."""
    made = loss(option, **flags)
    assert made.needs_labels
    assert made.needs_targets == traits("loss", option).get("targets", False)
    real, fake, labels, targets = tensors(random_batch(made, 4, seed=5))
    others = (targets + 1) % 4
    with pytest.raises(UserError, match="got no classes"):
        made.critic(real, fake, None, targets)
    if made.needs_targets:
        with pytest.raises(UserError, match="got no classes"):
            made.generator(fake)
        assert made.generator(fake, targets) != made.generator(fake, others)
    else:
        assert torch.equal(made.generator(fake), made.generator(fake, targets))
    if flags.get("original"):
        with pytest.raises(UserError, match="got no classes"):
            made.critic(real, fake, labels)
        assert made.critic(real, fake, labels, targets) != made.critic(real, fake, labels, others)
    else:
        assert torch.equal(
            made.critic(real, fake, labels), made.critic(real, fake, labels, targets)
        )


# Precision ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "flags"), VARIANTS, ids=name_of)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_widened_before_anything_else(option, flags, dtype):
    made = loss(option, **flags)
    batch = random_batch(made, 4, seed=6)
    real, fake, labels, targets = tensors(batch, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        critic, generator = made.critic(real, fake, labels, targets), made.generator(fake, targets)
    assert critic.dtype == generator.dtype == torch.float32
    assert torch.equal(critic, made.critic(real.float(), fake.float(), labels, targets))
    assert torch.equal(generator, made.generator(fake.float(), targets))
    assert made.classes(real).dtype == made.log_probabilities(real).dtype == torch.float32
    if made.has_score:
        assert made.score(real).dtype == torch.float32
    (critic + generator).backward()
    assert real.grad.dtype == fake.grad.dtype == dtype
    assert made.critic(*tensors(batch)).dtype == torch.float64


@pytest.mark.thorough
@pytest.mark.parametrize(("option", "flags"), VARIANTS, ids=name_of)
@few
@given(st.integers(2, 4), st.integers(0, 10**6))
def test_extreme_logits(option, flags, num_classes, seed):
    """Logits of -1e4, 0 and 1e4 in float32: values to 1e-6 of 1e4, gradients finite; some labels
    unknown."""
    made, rng = loss(option, **flags), np.random.default_rng(seed)
    batch = random_batch(made, num_classes, seed, flags=flags)
    real, fake = (rng.choice([-1e4, 0.0, 1e4], size=x.shape) for x in (batch.real, batch.fake))
    batch = replace(batch, real=real, fake=fake, labels=rng.integers(-1, num_classes, 5))
    expected = CLASS_FORMULAS[option].values(batch)
    assert values(made, batch, torch.float32) == pytest.approx(expected, rel=0, abs=1e-6 * 1e4)
    real, fake, labels, targets = tensors(batch, torch.float32)
    (made.critic(real, fake, labels, targets) + made.generator(fake, targets)).backward()
    assert real.grad.isfinite().all()
    assert fake.grad.isfinite().all()
