"""What options say of themselves to the checks of a config; of old configs, which did not say it
yet, and of classes of one's own."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import pytest
from omegaconf import OmegaConf

sys.path.insert(0, str(Path(__file__).resolve().parent / "training"))

from gan_lab import config
from gan_lab.config.options import contents
from gan_lab.config.schema import GROUPS, plain_config
from gan_lab.config.traits import Traits, traits_of
from gan_lab.errors import UserError
from helpers.gan_runs import compose
from helpers.registry import options

DCGAN = ("architecture=dcgan", "penalty=none")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of the user's, with a class for each group that has traits."""
    lines = [f"def {name}(weight=1.0):\n    pass\n" for name in ("loss", "penalty", "network")]
    (tmp_path / "own_classes.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)


def old(*overrides: str):
    """A config as it was saved before there were traits but those of losses and labels."""
    whole = plain_config(compose(*overrides))
    whole["architecture"]["accepts"] = whole["architecture"].pop("traits")["kinds"]
    whole["penalty"].pop("traits", None)
    return OmegaConf.create(whole)


@pytest.mark.parametrize("group", GROUPS)
def test_options_of_one_class_have_the_same_traits(group):
    """A config without traits is given those of its class."""
    for one, other in combinations(contents(group).values(), 2):
        if "_target_" in one and one["_target_"] == other.get("_target_"):
            assert one.get("traits") == other.get("traits")


@pytest.mark.parametrize("option", options("penalty"))
def test_an_old_penalty_has_the_traits_of_its_class(option):
    now = compose(f"penalty={option}").penalty
    assert traits_of("penalty", old(f"penalty={option}").penalty) == traits_of("penalty", now)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_an_old_architecture_has_the_traits_of_its_class_and_its_fields(batch_norm):
    node = old(*DCGAN, f"architecture.critic_batch_norm={str(batch_norm).lower()}").architecture
    assert "traits" not in node
    assert traits_of("architecture", node) == Traits(kinds=("images",), batch_norm=batch_norm)


def test_an_old_config_is_checked_as_one_of_today():
    config.check(old(*DCGAN))
    with pytest.raises(UserError, match="architecture and penalty do not fit"):
        config.check(old("architecture=dcgan", "penalty=gp"))
    with pytest.raises(UserError, match="add architecture=mlp"):
        config.check(old("dataset=gaussians"))


@pytest.mark.parametrize(
    "typed", ["architecture=dcgan", "penalty=gp", "labels=none", "dataset=digits"]
)
def test_an_old_run_goes_on_with_its_options_typed_again(typed, tmp_path):
    """Though their files say more of themselves today."""
    beside = ["architecture=dcgan", "architecture.critic_batch_norm=false", "penalty=gp"]
    (tmp_path / "config.yaml").write_text(config.config_text(plain_config(old(*beside))))
    now = compose(*beside, f"resume={tmp_path}")
    resumed = config.resumed(now, [typed], tmp_path)
    config.check(resumed)
    other = compose("penalty=maxgp", f"resume={tmp_path}")
    with pytest.raises(UserError, match=r"^omit penalty=maxgp: a resumed run keeps its penalty"):
        config.resumed(other, ["penalty=maxgp"], tmp_path)


def test_a_penalty_is_told_by_its_trait_and_not_by_the_name_of_a_field(own):
    """One with a `weight` of something else fits every critic; one without may measure
    gradients."""
    other = [*DCGAN, "penalty._target_=own_classes.penalty", "+penalty.weight=1"]
    config.check(compose(*other))
    with pytest.raises(UserError, match="architecture and penalty do not fit"):
        config.check(compose(*other, "+penalty.traits.gradient=true"))


def test_a_class_of_ones_own_has_the_traits_that_are_typed(own):
    typed = ["loss=vanilla", "loss._target_=own_classes.loss", "labels=dynamic"]
    with pytest.raises(UserError, match="loss and labels do not fit"):
        config.check(compose(*typed))
    config.check(compose(*typed, "+loss.traits.targets=true"))


def test_an_architecture_of_ones_own_in_the_place_of_an_option(own):
    """It has the traits of the option, but not those that come from a field which it does not
    take."""
    typed = ["architecture=dcgan", "architecture._target_=own_classes.network", "penalty=gp"]
    config.check(compose(*typed))
    with pytest.raises(UserError, match="architecture=mlp"):
        config.check(compose(*typed, "dataset=gaussians"))
    with pytest.raises(UserError, match="add penalty=none, architecture=resnet"):
        config.check(compose(*typed, "architecture.traits.batch_norm=true"))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("+loss.traits.target=true", r"loss\.traits\.target: there is no such trait .*targets"),
        ("+loss.traits.targets=yes", r"loss\.traits\.targets=yes: use true or false"),
        ("+loss.traits=5", r"loss\.traits=5: use a mapping"),
        ("architecture.traits.kinds=images", r"architecture\.traits\.kinds=images: use a list"),
        ("architecture.traits.kinds=[null]", r"architecture\.traits\.kinds=.*: use a list"),
    ],
)
def test_a_trait_that_there_is_not_is_refused(typed, words):
    with pytest.raises(UserError, match=words):
        config.check(compose(typed))


def test_a_sum_measures_gradients_where_one_of_its_parts_does():
    """So two constraints go with a critic whose samples have no gradient of their own."""
    constraints = ("penalty@penalty.first=spectral", "penalty@penalty.second=clip")
    batch_norm = ("architecture=dcgan", "penalty=sum")
    config.check(compose(*batch_norm, *constraints))
    for other in ("penalty@penalty.second=gp", "penalty@penalty.second=sum"):
        with pytest.raises(UserError, match="architecture and penalty do not fit"):
            config.check(compose(*batch_norm, constraints[0], other))


def test_an_option_in_the_place_of_an_experiments_own_has_none_of_its_fields():
    """But a misspelt field of the experiment is no field of any option."""
    typed = ("experiment=sagan", "penalty=gp")
    job = compose(*typed)
    assert job.penalty.generator  # of experiment=sagan's spectral
    config.check(job)
    assert "generator" not in job.penalty
    with pytest.raises(UserError, match=r"penalty\.generator: .* takes no 'generator'"):
        config.check(compose(*typed, "penalty.generator=true"))
    job = compose(*typed)
    job.penalty.wieght = 1.0
    with pytest.raises(UserError, match="did you mean 'weight'"):
        config.check(job)


def test_a_penalty_of_ones_own_in_a_sum_has_none_of_the_fields_of_the_part_before(own):
    """`memory` of maxgp, which `own_classes.penalty` does not take."""
    job = compose("penalty=sum", "penalty.first._target_=own_classes.penalty")
    config.check(job)
    assert set(job.penalty.first) == {"_target_", "traits", "weight"}
