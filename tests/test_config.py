"""The composed config: checked before torch, resolved, merged, resumed."""

from __future__ import annotations

import copy
import math

import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_lab import config, terminal
from gan_lab.config import trust
from gan_lab.errors import UserError
from helpers import composing
from helpers.gan_runs import compose, content, fitting
from helpers.registry import CONF, options

GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir())
OF_STUDIES = ("study", "sweep")


@pytest.mark.parametrize(
    ("group", "option"),
    [
        (group, option)
        for group in GROUPS
        if group not in ("hydra", *OF_STUDIES)
        for option in options(group)
    ],
)
def test_every_option_composes_and_is_accepted(group, option):
    at = (
        "@evaluation.extractor.recipe" if group == "classifier" else ""
    )  # a part of evaluation=classifier
    config.check(compose(f"{group}{at}={option}", *fitting(group, option)))


@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group in OF_STUDIES for option in options(group)]
)
def test_every_option_of_a_study_composes_and_is_accepted(group, option):
    composed = compose(f"{group}={option}", program="study")
    config.check_study(composed)
    assert composed.study._target_.startswith("gan_lab.studies.")


def described(node):
    """A config node by node: type, flags, and the value before it is resolved."""
    about, inside = node._metadata, node._value()
    if isinstance(inside, dict):
        inside = {key: described(child) for key, child in inside.items()}
    elif isinstance(inside, list):
        inside = [described(child) for child in inside]
    return type(node), about.ref_type, about.object_type, about.optional, about.flags, inside


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("loss=exp", "penalty=maxgp", "penalty.weight=3", "+trainer.num_nodes=2"),
        ("experiment=am_gan", "labels=predefined"),
        ("penalty=sum", "penalty@penalty.first=gp", "penalty@penalty.second=r1_r2"),
        ("hydra/launcher=joblib", "optimizer@optimizer_critic=adashift", "evaluation=off"),
    ],
)
def test_what_the_tests_keep_is_what_hydra_composes(overrides, monkeypatch):
    kept = [compose(*overrides, "seed=1"), compose(*overrides, "seed=2")]
    composing.leave_to_hydra(monkeypatch)
    monkeypatch.delattr(ConfigStore.instance(), "__deepcopy__")
    for seed, config_of_tests in enumerate(kept, 1):
        assert described(config_of_tests) == described(compose(*overrides, f"seed={seed}"))


@pytest.mark.parametrize("option", options("dataset"))
def test_a_data_set_brings_its_recipe(option):
    recipe = yaml.safe_load((CONF / "dataset" / f"{option}.yaml").read_text())["recipe"]
    composed = compose(f"dataset={option}")
    assert composed.max_generator_steps == recipe["max_generator_steps"]
    assert composed.architecture.channels == recipe["channels"]
    assert composed.optimizer.lr == recipe.get("lr", 2e-4)
    assert composed.n_critic == recipe.get("n_critic", 5)
    assert compose(f"dataset={option}", "max_generator_steps=3").max_generator_steps == 3


def test_the_defaults_are_the_recipe_of_the_thesis():
    composed = compose("dataset=cifar10")
    assert (composed.n_critic, composed.batch_size, composed.generator_batch_size) == (5, 64, 128)
    assert (composed.ema_decay, composed.max_generator_steps, composed.architecture.channels) == (
        0.99,
        200_000,
        128,
    )
    assert composed.optimizer.lr == 2e-4
    assert list(composed.optimizer.betas) == [0.0, 0.9]
    assert "exponential" in composed.loss._target_
    assert "MaxGradientPenalty" in composed.penalty._target_


def test_wgan_gp_has_the_numbers_of_its_algorithm():
    """Gulrajani et al. 2017, Algorithm 1: λ = 10, n_critic = 5, α = 1e-4, β1 = 0, β2 = 0.9, m = 64
    in both steps."""
    composed = compose("experiment=wgan_gp", "dataset=cifar10")
    assert (composed.penalty.weight, composed.penalty.target, composed.n_critic) == (10.0, 1.0, 5)
    assert (composed.batch_size, composed.generator_batch_size) == (64, 64)
    for optimizer in (composed.optimizer, config.merged_critic_optimizer(composed)):
        assert optimizer._target_ == "torch.optim.Adam"
        assert (optimizer.lr, list(optimizer.betas)) == (1e-4, [0.0, 0.9])
    assert composed.schedule._target_.endswith(".Constant")


def test_the_row_beside_table_2_2_has_the_recipe_of_that_table():
    row, table = (
        compose("experiment=table_2_2_wgan_gp"),
        compose("experiment=table_2_2", "dataset=cifar10"),
    )
    recipe = (
        "optimizer",
        "schedule",
        "n_critic",
        "batch_size",
        "generator_batch_size",
        "ema_decay",
        "architecture",
    )
    assert {name: row[name] for name in recipe} == {name: table[name] for name in recipe}
    assert (row.penalty.weight, row.optimizer.lr, row.generator_batch_size) == (10.0, 2e-4, 128)


def test_every_field_is_named_in_the_yaml_and_the_schema():
    root = yaml.safe_load((CONF / "train.yaml").read_text())
    fields = set(config.TrainConfig.__dataclass_fields__)
    assert set(root) - {"defaults", "hydra"} == fields - set(config.GROUPS)
    assert set(config.GROUPS) <= set(compose())


LEAST = {
    **config.WHOLE_NUMBERS,
    "ema_decay": 0,
    "supervision.labelled_fraction": 0,
    "supervision.num_classes": 2,
}


@pytest.fixture(scope="module")
def defaults():
    return compose()


def check_with(composed, path, value):
    """The checks of a composed config in which one field has another value."""
    changed = copy.deepcopy(composed)
    OmegaConf.update(changed, path, value, force_add=True)
    config.check(changed)


@pytest.mark.parametrize(("path", "least"), LEAST.items())
def test_a_number_below_the_least_or_of_another_kind_is_refused(path, least, defaults):
    """OmegaConf refuses some kinds itself. The other numbers of a config are its parts' own."""
    check_with(defaults, path, least)
    is_fraction = path in ("ema_decay", "supervision.labelled_fraction")
    others = [] if is_fraction else [least + 0.5]
    for value in (least - 1, True, math.nan, math.inf, [1], "text", *others):
        with pytest.raises((UserError, OmegaConfBaseException)) as refused:
            check_with(defaults, path, value)
        assert path.split(".")[-1] in str(refused.value)


def test_precision_is_one_of_three(defaults):
    changed = copy.deepcopy(defaults)
    for precision in config.PRECISIONS:
        changed.trainer.precision = precision
        config.check(changed)
    for precision in ("16-mixed", "64-true", "bf16", 32, None):
        changed.trainer.precision = precision
        with pytest.raises(UserError, match="bf16-mixed"):
            config.check(changed)


OF_TORCH = [
    option
    for option in options("optimizer")
    if content("optimizer", option)["_target_"].startswith("torch.")
]


@pytest.mark.parametrize("option", OF_TORCH)
@pytest.mark.parametrize("path", ["optimizer", "optimizer_critic"])
def test_torchs_optimizers_are_checked_before_torch(option, path):
    """Under the path at which the value stands; a field that torch has and the option does not is
    checked where it is typed."""
    composed = compose(f"optimizer={option}")
    fields = {"lr", "weight_decay"} | content("optimizer", option).keys() & {"eps", "momentum"}
    for field in fields:
        check_with(composed, f"{path}.{field}", 0)
        for value in ("abc", None, math.inf, math.nan, -1, True, [1]):
            with pytest.raises(
                UserError, match=rf"^{path}\.{field}=.*: use a number of at least 0"
            ):
                check_with(composed, f"{path}.{field}", value)

    # two numbers, of which neither is 1
    for betas in ([0.5], [0.5, 1.0], [1.0, 0.5], [-0.1, 0.5], ["a", 0.5], None, 0.5, [0.1] * 3):
        if "betas" in composed.optimizer:
            with pytest.raises(
                UserError, match=rf"^{path}\.betas=.*: use two numbers, the first in"
            ):
                check_with(composed, f"{path}.betas", betas)


@pytest.mark.parametrize("option", sorted({*options("optimizer")} - {*OF_TORCH}))
def test_the_ranges_of_our_optimizers_are_their_own(option):
    """AdaShift's β1 may be 1, and a class of the user's has fields that nobody else knows."""
    config.check(compose(f"optimizer={option}", "optimizer.betas=[1.0,0.5]"))


def test_the_optimizer_of_a_study_is_checked_too():
    composed = compose("study=classification", "optimizer.lr=abc", program="study")
    with pytest.raises(UserError, match=r"^optimizer\.lr=abc: use a number of at least 0"):
        config.check_study(composed)


def test_points_and_a_convolution_do_not_fit():
    with pytest.raises(UserError, match="architecture=mlp"):
        config.check(compose("dataset=gaussians"))
    config.check(compose("dataset=gaussians", "architecture=mlp"))


@pytest.mark.parametrize(
    "typed",
    [
        # what is of trainer alone
        "architecture.compile=true",
        "optimizer.tf32=all",
        "evaluation.capture=off",
        "optimizer_critic.compile=true",
        # what an option's file may say of it, where it does not
        "loss.stable=true",
        "loss.recipe.channels=8",
        "optimizer.traits.targets=true",
        "optimizer_critic.stable=true",
        "architecture.accepts=[images]",
        "evaluation.extractor.recipe.stable=true",
        "evaluation.extractor.recipe.recipe.epochs=1",
    ],
)
def test_a_key_that_only_checks_read_is_refused_where_nothing_reads_it(typed):
    """The target would not get it, so it would have no effect."""
    path = typed.partition("=")[0]
    with pytest.raises(UserError, match=r"^[\w.]+: [\w.]+ takes no '\w+'") as refused:
        config.check(compose(typed))
    assert path.startswith(str(refused.value).partition(":")[0])


@pytest.mark.parametrize(
    "typed",
    [
        "trainer.compile=true",
        "trainer.tf32=none",
        "trainer.capture=off",
        "dataset.recipe.channels=8",
        "labels.recipe.extra_layer=true",
        "loss.traits.targets=false",
        "evaluation.extractor.recipe.epochs=1",
    ],
)
def test_such_a_key_is_set_where_it_is_read(typed):
    config.check(compose(typed))


def test_a_trainers_key_elsewhere_in_the_file_of_an_old_run_has_no_effect(defaults):
    """An older gan_lab let it be typed there."""
    check_with(defaults, "architecture.compile", value=True)
    node = copy.deepcopy(defaults.architecture)
    OmegaConf.update(node, "compile", value=True, force_add=True)
    assert trust.call_of("architecture", node) == trust.call_of(
        "architecture", defaults.architecture
    )


@pytest.mark.parametrize("fact", ["stable", "recipe", "traits"])
def test_what_a_file_says_of_an_option_in_another_one_does_not_come_to_its_target(fact, defaults):
    """`recipe` is also a parameter of the extractor, and stays one."""
    node = copy.deepcopy(defaults.evaluation)
    OmegaConf.update(node, f"extractor.recipe.{fact}", {"channels": 8}, force_add=True)
    OmegaConf.update(node, fact, {"channels": 8}, force_add=True)
    call = trust.call_of("evaluation", node)
    assert call == trust.call_of("evaluation", defaults.evaluation)
    assert call["extractor"]["recipe"]["epochs"] == defaults.evaluation.extractor.recipe.epochs


@pytest.mark.parametrize("option", options("optimizer"))
def test_the_merged_critic_optimizer(option):
    merged = config.merged_critic_optimizer(
        compose(f"optimizer={option}", "optimizer_critic.lr=0.5", "optimizer.lr=1")
    )
    content = yaml.safe_load((CONF / "optimizer" / f"{option}.yaml").read_text())
    assert OmegaConf.to_container(merged) == content | {"lr": 0.5}
    whole = config.merged_critic_optimizer(
        compose("optimizer.lr=1", f"optimizer@optimizer_critic={option}")
    )
    assert OmegaConf.to_container(whole) == content


def test_plain_config_is_resolved_and_plain():
    plain = config.plain_config(compose("run_dir=here"))

    def walk(value):
        if isinstance(value, dict):
            assert type(value) is dict
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            assert type(value) is list
            for inner in value:
                walk(inner)
        else:
            assert value is None or isinstance(value, int | float | str)
            assert "${" not in str(value)

    walk(plain)
    assert plain["run_dir"] == "here"


def test_run_dir_is_the_folder_to_resume_or_a_new_one_with_microseconds():
    assert compose("resume=there").run_dir == "there"
    first, second = compose().run_dir, compose().run_dir
    assert first.startswith("outputs/")
    assert first != second


def test_an_experiment_has_the_last_word_over_the_defaults_and_the_user_over_it():
    for option in options("experiment"):
        content = yaml.safe_load((CONF / "experiment" / f"{option}.yaml").read_text())
        plain = {key: value for key, value in content.items() if isinstance(value, int | float)}
        composed = compose(f"experiment={option}")
        assert {key: composed[key] for key in plain} == plain
        config.check(composed)
    assert compose("experiment=wgan_gp").n_critic == 5
    assert compose("experiment=wgan_gp", "n_critic=3").n_critic == 3


def test_the_suggestion_names_the_nearest_and_lists_all():
    told = config.suggestion("wieght", {"weight", "target"})
    assert "'weight'" in told
    assert "target, weight" in told
    assert "did you mean" not in config.suggestion("zzz", {"weight"})


@pytest.mark.parametrize("value", [
    "sweep/0", "2026", "seed=0,loss=exp", "a b", "it's", "{a: 1}", "(x)", "[1]", "null'", "a\"b", "/x/.y-z/1",
])  # fmt: skip
def test_a_quoted_value_is_read_as_it_was(value):
    parsed = OverridesParser.create().parse_override(f"run_dir={terminal.quoted(value)}").value()
    assert str(parsed) == value
