"""The option files of conf/loss against the exports of gan_lab.losses, and the loss contract for
every option."""

from __future__ import annotations

import inspect
import io
import math
import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn

import gan_lab.losses
from gan_lab.errors import UserError
from gan_lab.losses import ClassLoss, Loss, combine, scale, shift
from helpers.loss_probes import (
    ALIASES,
    ONE_LOGIT,
    OWN,
    SCALAR,
    WITH_CLASSES,
    column,
    loss,
    on_fake,
    on_generated,
    on_real,
    slope,
)
from helpers.registry import CONF, defaults, fields, instantiate, node, options, target, traits

ALL = options("loss")
TABLE_2_2 = {"wasserstein", "exp", "logistic", "sqrt", "quadratic", "hinge"}
TABLE_4_1 = {"gan", "gan_star", "ac_gan", "ac_gan_plus", "label_gan", "am_gan"}
STABLE = TABLE_2_2 | TABLE_4_1 | {"vanilla", "nonsaturating", "least_squares", "fisher", "cat_gan"}


def test_names_other_programs_rely_on_are_options():
    assert set(ALL) >= STABLE


@pytest.mark.parametrize("option", ALL)
def test_an_option_file_is_the_signature_and_defaults_of_its_target(option):
    wanted = defaults("loss", option)
    assert fields("loss", option) == wanted, f"conf/loss/{option}.yaml: write {wanted}"


@pytest.mark.parametrize("option", SCALAR)
@pytest.mark.parametrize("t", [30.0, 1e4, 1e8])
def test_float32_is_right_at_large_logits(option, t):
    """Against float64 by the same formulas, whatever they are. Where this fails, two large terms
    cancel, or a function of torch is coarse there: take softplus of gan_lab.losses.adversarial, or
    rewrite the sum, as its ShiftedRoot does."""
    made = loss(option)
    for function in (made.phi, made.varphi, made.psi):
        for point in (t, -t):
            found = []
            for dtype in (torch.float32, torch.float64):
                x = torch.tensor(point, dtype=dtype, requires_grad=True)
                (value := function(x)).backward()
                found.append((value.item(), x.grad.item()))
            for narrow, wide in zip(*found, strict=True):
                if abs(wide) < 3e38:  # what float32 holds
                    assert narrow == pytest.approx(wide, rel=1e-4, abs=1e-37)


@pytest.mark.parametrize("option", ALL)
def test_an_option_file_is_short(option):
    assert len((CONF / "loss" / f"{option}.yaml").read_text().splitlines()) < 12


def test_every_exported_factory_is_an_option():
    """An exported function is an option unless it needs an argument: such a one makes losses out of
    losses. An option's target need not be exported: it may name its module.

    Exported classes are no options: an option names the factory (fisher), a class is for type
    annotations.
    """
    exported = [getattr(gan_lab.losses, name) for name in gan_lab.losses.__all__]
    factories = {
        item
        for item in exported
        if inspect.isfunction(item)
        and all(
            parameter.default is not parameter.empty
            for parameter in inspect.signature(item).parameters.values()
        )
    }
    assert factories <= {target("loss", option) for option in ALL}


def test_each_option_has_a_factory_of_its_own():
    assert len({target("loss", option) for option in OWN}) == len(OWN)


@pytest.mark.parametrize("option", ALIASES)
def test_an_alias_is_its_original(option):
    assert node("loss", option) == node("loss", ALIASES[option])


@pytest.mark.parametrize("option", ALL)
def test_an_option_meets_the_contract(option):
    made = instantiate("loss", option)
    assert isinstance(made, Loss)
    assert made.outputs(10) >= 1
    assert isinstance(made.needs_labels, bool)
    assert isinstance(made.needs_targets, bool)


@pytest.mark.parametrize("option", ALL)
def test_the_traits_that_the_checks_of_a_config_read_are_those_of_the_loss(option):
    """`targets` is false and `score` true where a file omits them."""
    made = instantiate("loss", option)
    assert {"targets": made.needs_targets, "score": made.has_score} == {
        "targets": False,
        "score": True,
        **traits("loss", option),
    }


@pytest.mark.parametrize("option", OWN)
def test_a_loss_is_named_after_its_option(option):
    assert loss(option).name == option


@pytest.mark.parametrize("option", OWN)
def test_losses_with_classes_are_those_that_read_labels(option):
    """Pictures by class and targets ask for `classes`; see contract.ClassLoss."""
    assert (
        isinstance(loss(option), ClassLoss) == loss(option).needs_labels == (option in WITH_CLASSES)
    )


@pytest.mark.parametrize("option", ONE_LOGIT)
@pytest.mark.parametrize("num_classes", [1, 2, 200])
def test_one_logit_whatever_the_data(option, num_classes):
    assert loss(option).outputs(num_classes) == 1


@pytest.mark.parametrize("option", ONE_LOGIT)
def test_values_are_scalars_and_shapes_n1_and_n_are_the_same(option):
    made, real, fake = loss(option), column(0.3, -1.2, 0.7), column(0.1, 0.4)
    assert made.score(real).shape == (3,)
    assert torch.equal(made.score(real), torch.tensor([0.3, -1.2, 0.7], dtype=torch.float64))
    for value, flat in (
        (made.critic(real, fake), made.critic(real.squeeze(1), fake.squeeze(1))),
        (on_generated(made)(fake), on_generated(made)(fake.squeeze(1))),
    ):
        assert value.shape == ()
        assert torch.equal(value, flat)


@pytest.mark.parametrize("option", ONE_LOGIT)
@pytest.mark.parametrize("shape", [(), (4, 2), (4, 1, 1), (1, 4)])
def test_other_shapes_are_refused(option, shape):
    made, wrong = loss(option), torch.zeros(shape)
    for call in (
        made.score,
        made.generator,
        lambda t: made.critic(t, column(0.0)),
        lambda t: made.critic(column(0), t),
    ):
        with pytest.raises(UserError, match="one logit per sample"):
            call(wrong)


@pytest.mark.parametrize("option", ONE_LOGIT)
def test_labels_and_targets_are_ignored(option):
    made, real, fake = loss(option), column(0.3, -1.2), column(0.1, 0.4)
    labels = torch.tensor([3, 1])
    assert not made.needs_labels
    assert not made.needs_targets
    assert torch.equal(made.critic(real, fake), made.critic(real, fake, labels, labels))
    generator = on_generated(made)
    assert torch.equal(generator(fake), generator(fake, labels))


@pytest.mark.parametrize("option", ONE_LOGIT)
def test_expectations_are_means(option):
    """Every sample twice has the same mean, pairs included, up to the rounding of a sum of six numbers below
    40."""
    made, real, fake = loss(option), column(0.3, -1.2, 2.5), column(0.1, 0.4)
    twice = made.critic(real.repeat_interleave(2, 0), fake.repeat_interleave(3, 0))
    assert twice.item() == pytest.approx(
        made.critic(real, fake).item(), rel=0, abs=40 * 12 * 2.3e-16
    )
    generator = on_generated(made)
    assert generator(fake.repeat(3, 1)).item() == pytest.approx(
        generator(fake).item(), rel=1e-14, abs=0
    )


@pytest.mark.parametrize("option", ONE_LOGIT)
def test_score_is_large_on_real(option):
    """At t = 1/2 every loss here wants fakes lower and reals higher, and the generator wants fakes
    higher."""
    made = loss(option)
    assert slope(on_fake(made), 0.5) > 0
    assert slope(on_real(made), 0.5) < 0
    assert slope(on_generated(made), 0.5) < 0


@pytest.mark.parametrize("option", ALL)
def test_survives_pickle_and_deepcopy(option):
    made, real, fake = instantiate("loss", option), torch.randn(4, 1), torch.randn(4, 1)
    if made.outputs(10) != 1:
        real, fake = torch.randn(4, made.outputs(10)), torch.randn(4, made.outputs(10))
    labels = torch.tensor([0, 1, 2, 3])
    copies = pickle.loads(pickle.dumps(made)), deepcopy(made)
    expected = made.critic(real, fake, labels, labels), on_generated(made)(fake, labels)
    for copy in copies:
        assert type(copy) is type(made)
        assert torch.equal(copy.critic(real, fake, labels, labels), expected[0])
        assert torch.equal(on_generated(copy)(fake, labels), expected[1])


def test_losses_made_of_losses_survive_pickle():
    made = shift(scale(combine([loss("exp"), loss("sqrt")], [0.5, 2.0]), 1.5), -0.25)
    copy = pickle.loads(pickle.dumps(made))
    real, fake = column(0.3, -1.2), column(0.1, 0.4)
    assert torch.equal(copy.critic(real, fake), made.critic(real, fake))
    assert (copy.name, copy.member, copy.strictly_convex) == (
        made.name,
        made.member,
        made.strictly_convex,
    )


@pytest.mark.parametrize("option", SCALAR + WITH_CLASSES)
def test_a_loss_cannot_be_changed(option):
    with pytest.raises(AttributeError):
        loss(option).name = "another"


@pytest.mark.parametrize("option", ALL)
def test_a_loss_with_a_state_round_trips_through_a_checkpoint(option):
    made = instantiate("loss", option)
    if not isinstance(made, nn.Module):
        assert not hasattr(made, "state_dict")  # nothing to keep
        return
    made.critic(column(3.0), column(-2.0))
    file = io.BytesIO()
    torch.save(made.state_dict(), file)
    file.seek(0)
    copy = instantiate("loss", option)
    copy.load_state_dict(torch.load(file, weights_only=True))
    assert made.state_dict()
    for key, value in made.state_dict().items():
        assert torch.equal(copy.state_dict()[key], value)
        assert copy.state_dict()[key].dtype == value.dtype


NUMBERS = [
    (option, name)
    for option in ALL
    for name, value in fields("loss", option).items()
    if type(value) is float
]
FLAGS = [
    (option, name)
    for option in ALL
    for name, value in fields("loss", option).items()
    if type(value) is bool
]
WORDS = [
    (option, name)
    for option in ALL
    for name, value in fields("loss", option).items()
    if type(value) is str
]


@pytest.mark.parametrize(("option", "field"), NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused_by_name(option, field, value):
    with pytest.raises(UserError, match=rf"\b{field}={value}"):
        instantiate("loss", option, **{field: value})


ANY_NUMBER = {  # fields that may be zero or negative; every other number must be refused there
    "least_squares": ("a", "b", "c"),
}
POSITIVE = [(option, field) for option, field in NUMBERS if field not in ANY_NUMBER.get(option, ())]


@pytest.mark.parametrize(("option", "field"), POSITIVE)
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_number_out_of_range_is_refused_by_name(option, field, value):
    with pytest.raises(UserError, match=rf"^{field}={value}"):
        instantiate("loss", option, **{field: value})


@pytest.mark.parametrize(("option", "field"), FLAGS)
@pytest.mark.parametrize("value", ["no", 1])
def test_a_flag_is_true_or_false(option, field, value):
    """The word "no" is true in Python."""
    with pytest.raises(UserError, match=rf"^{field}={value}.*true or false"):
        instantiate("loss", option, **{field: value})


def test_least_squares_with_equal_targets_is_refused():
    with pytest.raises(UserError, match=r"a=0\.5, b=0\.5"):
        loss("least_squares", a=0.5, b=0.5)


@pytest.mark.parametrize(("option", "field"), WORDS)
def test_an_unknown_word_is_refused_with_the_choices(option, field):
    with pytest.raises(UserError, match=rf"^{field}=linaer: .*{fields('loss', option)[field]}"):
        instantiate("loss", option, **{field: "linaer"})


@pytest.mark.parametrize("option", ALL)
def test_a_field_that_the_target_does_not_have_is_refused(option):
    with pytest.raises(TypeError, match="wieght"):
        instantiate("loss", option, wieght=7)
