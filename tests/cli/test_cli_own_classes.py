"""A class of the user's that lacks something is refused with the words of what to add."""

from __future__ import annotations

import pytest
from omegaconf import open_dict

from gan_lab import build, config
from gan_lab.config import signature
from gan_lab.errors import UserError
from gan_lab.types import DataSpec
from helpers.gan_runs import compose

SPEC = DataSpec("made up", "images", (1, 8, 8), 2, ("a", "b"))
GP, NONE = ["penalty=gp"], ["penalty=none"]

SOURCE = """
import torch
from gan_lab import penalties
from gan_lab.penalties import Penalty, gradient_norms
from gan_lab.penalties.gradient import PointPenalty


class Inherits(PointPenalty):
    def forward(self, critic_score, real, fake, rng=None, noise=None):
        points = self.points(real, fake, rng, noise)
        return self.weight * gradient_norms(critic_score, points, create_graph=True).mean()


class Mine(Inherits):
    def __init__(self, weight=10.0, target=1.0):
        super().__init__(weight, target, "interpolates")


class NeedsSlope(Mine):
    def __init__(self, weight, slope):
        super().__init__(weight)


class WithoutSuper(Mine):
    def __init__(self, weight=1.0):
        self.weight = weight


class WithoutForward(PointPenalty):
    def __init__(self, weight=10.0):
        super().__init__(weight, 1.0, "interpolates")


class WithoutNoise(Mine):
    def forward(self, critic_score, real, fake):
        return real.new_zeros(())


class Silent(Penalty):
    # it measures gradients by itself, and its author does not know of measures_norm

    def __init__(self, weight=10.0):
        super().__init__()
        self.weight = weight

    def forward(self, critic_score, real, fake, rng=None, noise=None):
        points = real.detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic_score(points).sum(), points, create_graph=True)
        return self.weight * slope.square().sum()


class Measures(Silent):
    measures_norm = True


class MeasuresNothing(Silent):
    measures_norm = False


class Constrains(Penalty):
    def __init__(self, weight=1.0):
        super().__init__()

    def after_step(self, critic):
        pass


class Dotted(penalties.GradientPenalty):
    pass


class Bare:
    def __init__(self, weight=1.0):
        self.weight = weight


def nothing():
    return None


class WithoutParams(torch.optim.SGD):
    def __init__(self, lr=0.1):
        super().__init__(lr=lr)
"""


@pytest.fixture(autouse=True)
def own_parts(tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    signature.forget()


def checked(*typed: str):
    """A config that the checks let pass, as they do in train.py."""
    composed = compose(*typed)
    config.check(composed)
    return composed


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (
            [*GP, "penalty._target_=own_parts.NeedsSlope"],
            r"penalty: own_parts\.NeedsSlope needs slope: add \+penalty\.slope=VALUE",
        ),
        (
            [*GP, "penalty._target_=own_parts.WithoutSuper"],
            r"has no last_norm; .*inherit from gan_lab\.penalties\.Penalty and call super\(\)",
        ),
        (
            [*GP, "penalty._target_=own_parts.WithoutForward"],
            r"has no forward, so it would be 0; add def forward\(self, critic_score, real, fake",
        ),
        (
            [*GP, "penalty._target_=own_parts.WithoutNoise"],
            r"WithoutNoise\.forward cannot be called as in training .*write def forward\(self, crit",
        ),
        (
            [*GP, "penalty._target_=own_parts.Bare"],
            r"has no measures_norm, .*wrap, .*inherit from gan_lab\.penalties\.Penalty",
        ),
        (
            ["loss=vanilla", "loss._target_=own_parts.nothing"],
            r"loss: what own_parts\.nothing makes has no needs_labels, .*gan_lab\.losses\.Loss",
        ),
        (
            ["architecture._target_=own_parts.Bare"],
            r"architecture: .* has no latent_dim, generator, critic; .*gan_lab\.architectures",
        ),
        (
            ["optimizer._target_=own_parts.WithoutParams"],
            r"optimizer: own_parts\.WithoutParams takes lr first; add a parameter before it",
        ),
    ],
)
def test_what_a_class_lacks_is_named(typed, words):
    with pytest.raises(UserError, match=words):
        build.gan(checked(*typed), SPEC)


def test_a_class_without_a_constructor_takes_the_fields_of_the_part_that_it_inherits():
    composed = checked(*GP, "penalty._target_=own_parts.Inherits", "penalty.weight=3")
    assert build.gan(composed, SPEC).penalty.weight == 3


def test_a_class_takes_the_fields_of_a_part_that_it_names_with_a_dot():
    composed = checked(*GP, "penalty._target_=own_parts.Dotted", "penalty.target=3")
    assert build.gan(composed, SPEC).penalty.target == 3


def test_a_field_that_was_typed_for_a_class_without_it_is_to_be_omitted_or_added():
    typed = [*GP, "penalty._target_=own_parts.Mine", "penalty.region=fake"]
    with pytest.raises(
        UserError, match=r"penalty\.region: .*omit it, or add a parameter 'region' to own_parts\.Mi"
    ):
        checked(*typed)


def test_a_field_of_a_file_that_its_class_does_not_take_is_to_be_added_to_the_class():
    """As where conf/penalty/mine.yaml names a parameter that the class does not have yet."""
    composed = compose(*GP)
    with open_dict(composed):
        composed.penalty._target_ = "gan_lab.penalties.MaxGradientPenalty"
    with pytest.raises(
        UserError,
        match=r"penalty\.one_sided: .*add a parameter 'one_sided' to gan_lab\.penalties\.MaxGradi"
        r"entPenalty, or omit 'one_sided' in the file that names it",
    ):
        config.check(composed)


@pytest.mark.parametrize(
    ("beside", "clash"),
    [
        (["architecture=dcgan"], "architecture and penalty do not fit"),
        (["loss=cat_gan"], "loss and penalty do not fit"),
    ],
)
def test_a_penalty_of_gradients_that_does_not_declare_it_is_told_the_trait(beside, clash):
    typed = [*NONE, "penalty._target_=own_parts.Mine", *beside]
    with pytest.raises(UserError, match=rf"{clash}.*; and add \+penalty\.traits\.gradient=true"):
        build.gan(checked(*typed), SPEC)

    # the remedy is typed: then the checks refuse it before anything is loaded
    with pytest.raises(UserError, match=clash):
        checked(*typed, "+penalty.traits.gradient=true")


def test_a_penalty_that_does_not_declare_its_gradients_trains_where_they_fit():
    assert build.gan(checked(*NONE, "penalty._target_=own_parts.Mine"), SPEC).penalty.weight == 10


@pytest.mark.parametrize(
    ("beside", "name", "words"),
    [
        ("architecture=dcgan", "Silent", "the critic's batch norm mixes samples; add measures_nor"),
        ("loss=cat_gan", "Silent", "the loss has no real-fake score; add measures_norm = True"),
        (
            "architecture=dcgan",
            "Measures",
            r"do not fit.*; and add \+penalty\.traits\.gradient=true",
        ),
        ("architecture=dcgan", "MeasuresNothing", None),
        ("architecture=dcgan", "Constrains", None),
        ("architecture=resnet", "Silent", None),
    ],
)
def test_a_penalty_says_whether_it_measures_gradients_where_there_are_none(beside, name, words):
    """What it inherits from Penalty is no answer: batch norm would train on in silence. Without a
    forward of its own, or where every sample has a gradient, it need not answer."""
    composed = checked(*NONE, beside, f"penalty._target_=own_parts.{name}")
    if words is None:
        build.gan(composed, SPEC)
        return
    with pytest.raises(UserError, match=words):
        build.gan(composed, SPEC)

    # a weight of 0 only measures
    composed.penalty.weight = 0
    build.gan(composed, SPEC)
