"""Targets of generated samples: the options of conf/labels, what they draw, and that no gradient
goes through them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from scipy.stats import chi2

from helpers.loss_probes import loss, variants
from helpers.registry import CONF, instantiate, options, target

ALL = options("labels")
K = 10
GIVING = [(option, flags) for option, flags in variants() if loss(option).needs_targets]


def targets(option: str, num_classes: int = K):
    return instantiate("labels", option, num_classes)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latent(n: int, dtype=torch.float32, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 6, generator=seeded(seed), dtype=dtype)


def test_options_are_those_of_the_thesis():
    assert set(ALL) == {"none", "dynamic", "predefined"}
    assert len({target("labels", option) for option in ALL}) == len(ALL)


@pytest.mark.parametrize("option", ALL)
def test_every_option_draws_what_it_promises(option):
    """The generator's input starts with z and has `conditions` more numbers, in the precision of
    z."""
    made, z = targets(option), latent(7, torch.float64)
    before = z.clone()
    given_input, drawn = made.draw(z, seeded())
    assert made.num_classes == K
    assert given_input.shape == (7, 6 + made.conditions)
    assert given_input.dtype == torch.float64
    assert torch.equal(given_input[:, :6], before)
    assert torch.equal(z, before)
    assert drawn is None or (drawn.shape == (7,) and drawn.dtype == torch.int64)
    empty, none = made.draw(latent(0), seeded())
    assert empty.shape == (0, 6 + made.conditions)
    assert none is None or none.shape == (0,)


@pytest.mark.parametrize("option", ALL)
def test_the_trait_that_the_checks_of_a_config_read_is_whether_there_are_targets(option):
    traits = OmegaConf.load(CONF / "labels" / f"{option}.yaml").traits
    made = targets(option)
    _, drawn = made.draw(latent(3), seeded())
    try:
        found = made.of(torch.randn(3, K), drawn)
    except AssertionError:
        found = None
    assert traits.targets == (found is not None)


@pytest.mark.parametrize("option", ALL)
def test_pickles_and_does_not_change(option):
    made = targets(option)
    copy = pickle.loads(pickle.dumps(made))
    assert copy == made
    assert torch.equal(copy.draw(latent(5), seeded())[0], made.draw(latent(5), seeded())[0])
    with pytest.raises(AttributeError):
        made.num_classes = 3


@pytest.mark.parametrize("option", ["none", "dynamic"])
def test_no_class_is_drawn_without_conditions(option):
    made, z, generator = targets(option), latent(4), seeded()
    state = generator.get_state()
    given_input, drawn = made.draw(z, generator)
    assert made.conditions == 0
    assert drawn is None
    assert torch.equal(given_input, z)
    assert torch.equal(generator.get_state(), state)  # z of the next step stays the same


def test_none_has_no_targets():
    with pytest.raises(AssertionError, match="labels=none has no targets"):
        targets("none").of(torch.zeros(2, K), None)


# Dynamic (4-23) -----------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(2, 20), st.integers(1, 9), st.integers(0, 10**6))
def test_dynamic_is_the_likeliest_class(num_classes, n, seed):
    logits = np.random.default_rng(seed).normal(size=(n, num_classes))
    found = targets("dynamic", num_classes).of(torch.tensor(logits), None)
    assert found.dtype == torch.int64
    assert found.tolist() == [
        max(range(num_classes), key=row.__getitem__) for row in logits.tolist()
    ]


def test_dynamic_by_hand():
    logits = torch.tensor([[-3.0, -2.0, -5.0], [9.0, 1.0, 2.0], [0.0, 0.0, 1e-6]])
    assert targets("dynamic", 3).of(logits, None).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("option", "flags"), GIVING, ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_gradient_goes_through_dynamic_targets(option, flags):
    """Both objectives with targets read off the logits have the gradients that the same numbers as
    constants give."""
    made, dynamic = loss(option, **flags), targets("dynamic", 4)
    logits = torch.randn(6, made.outputs(4), generator=seeded(2), dtype=torch.float64)
    real, labels = logits.flip(0), torch.tensor([0, 1, 2, 3, 0, 1])
    constants = torch.tensor([row[:4].tolist().index(max(row[:4].tolist())) for row in logits])
    gradients = []
    for read in (lambda fake: dynamic.of(made.classes(fake), None), lambda fake: constants):
        fake = logits.clone().requires_grad_()
        aims = read(fake)
        assert not aims.requires_grad
        value = made.generator(fake, aims) + 0.5 * made.critic(real, fake, labels, aims)
        gradients.append((value.item(), *torch.autograd.grad(value, fake)))
    assert gradients[0][0] == gradients[1][0]
    assert torch.equal(gradients[0][1], gradients[1][1])


def test_a_critic_s_other_logits_are_no_classes():
    """The real and the fake logit are the largest here; the target is still one of the K."""
    for option, flags in GIVING:
        made = loss(option, **flags)
        logits = torch.full((3, made.outputs(4)), 50.0)
        logits[:, :4] = torch.tensor([[1.0, 3, 2, 0], [0, 1, 2, 3], [4, 3, 2, 1]])
        assert targets("dynamic", 4).of(made.classes(logits), None).tolist() == [1, 3, 0]


# Predefined ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_classes", [2, 10, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_one_hot_class_follows_z(num_classes, dtype):
    """100 -> 110 in 4.B: z, then u(y)."""
    made = targets("predefined", num_classes)
    given_input, drawn = made.draw(latent(50, dtype), seeded(3))
    assert made.conditions == num_classes
    assert given_input.dtype == dtype
    assert (
        given_input[:, 6:].float().numpy().tolist() == np.eye(num_classes)[drawn.numpy()].tolist()
    )
    assert torch.equal(made.of(torch.randn(50, num_classes), drawn), drawn)


@pytest.mark.parametrize("num_classes", [2, 10])
def test_classes_are_drawn_uniformly(num_classes):
    """Pearson's chi-square of 20,000 draws below its 99.9% point, in frequencies and between
    neighbours."""
    n = 20_000
    _, drawn = targets("predefined", num_classes).draw(torch.zeros(n, 1), seeded(4))
    pairs = drawn[::2] * num_classes + drawn[1::2]
    for classes, count in ((drawn, num_classes), (pairs, num_classes**2)):
        observed = np.bincount(classes.numpy(), minlength=count)
        assert len(observed) == count
        expected = len(classes) / count
        assert ((observed - expected) ** 2 / expected).sum() < chi2.ppf(0.999, count - 1)


def test_a_draw_is_that_of_the_generator_s_state_alone():
    made, generator = targets("predefined"), seeded(5)
    state = generator.get_state()
    _, first = made.draw(latent(40), generator)
    _, second = made.draw(latent(40), generator)
    assert not torch.equal(first, second)
    generator.set_state(state)
    torch.manual_seed(99)  # the global one is not asked
    unmoved = torch.get_rng_state()
    _, again = made.draw(latent(40, seed=7), generator)
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), unmoved)
    assert not torch.equal(first, made.draw(latent(40), seeded(6))[1])


def test_predefined_targets_do_not_look_at_the_critic():
    made, drawn = targets("predefined", 3), torch.tensor([2, 0, 1])
    assert torch.equal(made.of(torch.eye(3), drawn), drawn)
    with pytest.raises(AssertionError, match="the classes that `draw` returned"):
        made.of(torch.eye(3), None)
