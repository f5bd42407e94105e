"""What an older config.yaml or record.json implies: one table for reading, identity and
comparing."""

from __future__ import annotations

import copy
from functools import cache

import pytest
from omegaconf import DictConfig, OmegaConf

from gan_lab import config, records
from gan_lab.config.schema import plain_config
from gan_lab.errors import UserError
from gan_lab.records import versions
from gan_lab.records.versions import FIELD_DEFAULTS, VERSION, Since
from gan_lab.reporting.thesis.cells import check_comparable
from helpers.gan_runs import compose, fitting
from helpers.registry import options

OWN = "my_package.losses.mine"


@pytest.fixture
def since(monkeypatch):
    """since(field, Since(...)): the field comes with a version."""
    return lambda field, line: monkeypatch.setitem(FIELD_DEFAULTS, field, line)


@pytest.fixture
def moved(monkeypatch):
    return lambda old, new: monkeypatch.setitem(versions.MOVED, old, new)


def plain(*overrides: str, program: str = "train") -> dict:
    return copy.deepcopy(composed(overrides, program))


@cache  # composing takes a fifth of a second, and most tests here ask for the same few
def composed(overrides: tuple[str, ...], program: str) -> dict:
    return plain_config(compose(*overrides, program=program))


def place(whole: dict, field: str) -> tuple[dict, str]:
    *parents, name = field.split(".")
    for parent in parents:
        whole = whole[parent]
    return whole, name


def without(whole: dict, field: str) -> dict:
    left = copy.deepcopy(whole)
    node, name = place(left, field)
    del node[name]
    return left


def saved(folder, content: dict) -> DictConfig:
    """Written as train.py does, unless it says its own version, and read."""
    (folder / "config.yaml").write_text(
        _yaml(content) if "version" in content else config.config_text(content)
    )
    return config.saved_config(folder, "resume")


def _yaml(content: dict) -> str:
    return OmegaConf.to_yaml(OmegaConf.create(content))


# The table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELD_DEFAULTS)
def test_a_field_of_the_table_is_set_by_the_options_that_have_it(field):
    """A new run without it would count as one of before."""
    group = field.split(".")[0]
    line = FIELD_DEFAULTS[field]
    assert 1 <= line.version <= VERSION
    found = set()
    for option in options(group):
        program = "study" if group == "study" else "train"
        typed = [f"{group}={option}", *fitting(group, option)] if "." in field else []
        whole = plain(*typed, program=program)
        try:
            node, name = place(whole, field)
        except KeyError:  # another kind of component
            continue
        if "." in field and line.of and versions.component(node.get("_target_", "")) not in line.of:
            continue
        assert name in node, option
        found.add(versions.component(node["_target_"]) if "." in field else "")
    assert found >= set(line.of)
    assert found


# Reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "before", "of"),
    [
        ("ema_decay", 0.5, ()),
        ("penalty.memory", 3, ("MaxGradientPenalty",)),
        ("penalty.memory", 3, ("GradientPenalty", "MaxGradientPenalty")),
        ("penalty.memory", 3, ()),
        ("evaluation.samples", 77, ("Protocol",)),
        ("evaluation.extractor.recipe.network.width", 77, ("ResNetClassifier",)),
        ("optimizer.betas", [0.25, 0.5], ("Adam",)),
    ],
)
def test_what_an_old_config_lacks_has_its_implied_value(field, before, of, since, tmp_path):
    since(field, Since(2, before, of))
    old = without(plain(), field) | {"version": 1}
    node, name = place(plain_config(saved(tmp_path, old)), field)
    assert node[name] == before


def test_a_config_without_a_version_is_of_the_first(since, tmp_path):
    since("ema_decay", Since(1, 0.5))
    old = _yaml(without(plain("run_dir=here"), "ema_decay"))
    (tmp_path / "config.yaml").write_text(old)
    assert plain_config(config.saved_config(tmp_path, "resume")) == plain("run_dir=here") | {
        "ema_decay": 0.5
    }
    (tmp_path / "config.yaml").write_text(f"version: {VERSION}\n{old}")
    with pytest.raises(UserError, match="damaged: it has no ema_decay"):
        config.saved_config(tmp_path, "resume")


def test_a_written_config_is_read_as_it_was(tmp_path):
    whole = plain("run_dir=here")
    assert config.config_text(whole).startswith(f"version: {VERSION}\n")
    assert plain_config(saved(tmp_path, whole)) == whole


@pytest.mark.parametrize(
    ("field", "of"),
    [
        ("penalty.weight", ("SpectralNorm",)),
        ("optimizer_critic.lr", ()),
        ("evaluation.extractor.weights", ("Other",)),
    ],
)
def test_components_that_do_not_have_the_field_do_not_get_it(field, of, since, tmp_path):
    since(field, Since(2, 5, of))
    whole = plain("penalty=none")
    assert plain_config(saved(tmp_path, whole | {"version": 1})) == whole


def test_what_is_there_is_kept(since, tmp_path):
    since("penalty.memory", Since(2, 3))
    assert saved(tmp_path, plain("penalty.memory=4") | {"version": 1}).penalty.memory == 4


def test_what_every_version_had_must_be_there(since, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="damaged: it has no ema_decay"):
        saved(tmp_path, without(plain(), "ema_decay") | {"version": 1})
    since("ema_decay", Since(2, 0.5))
    monkeypatch.setattr(versions, "VERSION", 3)
    with pytest.raises(UserError, match="damaged: it has no ema_decay"):
        saved(tmp_path, without(plain(), "ema_decay") | {"version": 3})


@pytest.mark.parametrize(
    ("version", "words"), [(VERSION + 1, "newer gan_lab.*update gan_lab"), (0, "damaged"), ("x", "damaged"),
                           (True, "damaged"), ([1], "damaged"), (None, "damaged")]
)  # fmt: skip
def test_a_version_that_is_unknown_is_refused(version, words, tmp_path):
    with pytest.raises(UserError, match=rf"config\.yaml.*{words}"):
        saved(tmp_path, plain() | {"version": version})


def test_the_version_is_no_field_to_set():
    with pytest.raises(UserError, match="version: there is no such field"):
        config.check(compose("+version=2"))


def test_old_paths_are_translated_at_every_depth(moved, tmp_path):
    whole = plain()
    old = copy.deepcopy(whole)
    for field in (
        "penalty",
        "evaluation",
        "evaluation.extractor",
        "evaluation.extractor.recipe.network",
        "trainer",
    ):
        node, name = place(old, f"{field}._target_")
        moved(f"gan_lab.before.{node[name]}", node[name])
        node[name] = f"gan_lab.before.{node[name]}"
    assert old != whole
    read = saved(tmp_path, old)
    assert plain_config(read) == whole
    config.check(read)  # signatures and what a config may name
    assert records.config_hash(old) == records.config_hash(whole)


def test_an_old_path_opens_no_way_around_what_a_config_may_name(moved, tmp_path):
    moved("gan_lab.before.Penalty", "os.system")
    old = plain()
    old["penalty"]["_target_"] = "gan_lab.before.Penalty"
    with pytest.raises(UserError, match="may not name it"):
        config.check(saved(tmp_path, old))


def test_scores_have_todays_names(monkeypatch):
    monkeypatch.setitem(versions.RENAMED_SCORES, r"is_(?=[a-z]+_\d+k)", "inception_score_")
    old = {
        "is_a_10k.term": 1,
        "fid_is_a_10k": 2,
        "is_a": 3,
        "is_a_10k": 4,
        "inception_score_a_10k": 5,
    }
    new = {
        "inception_score_a_10k.term": 1,
        "fid_is_a_10k": 2,
        "is_a": 3,
        "inception_score_a_10k": 5,
    }
    assert versions.renamed(old) == new == versions.renamed(new)


# Identity -----------------------------------------------------------------------------------------


def hash_with(field: str, value, *overrides: str) -> str:
    whole = plain(*overrides)
    node, name = place(whole, field)
    node[name] = value
    return records.config_hash(whole)


@pytest.mark.parametrize(
    "field", ["supervision.labelled_fraction", "architecture.new", "penalty.new", "new"]
)
def test_a_field_at_its_implied_value_is_no_part_of_identity(field, since):
    before = records.config_hash(plain())
    line = FIELD_DEFAULTS.get(field, Since(2, 0.5))
    since(field, line)
    assert records.config_hash(plain()) == before
    assert hash_with(field, line.before) == before
    assert hash_with(field, 0.25) != before


def test_a_field_of_some_components_is_identity_of_the_others(since):
    since("penalty.memory", Since(2, 0, ("SpectralNorm",)))
    assert records.identity(plain())["penalty"]["memory"] == 0


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("gan_lab.losses.exponential", "exponential"),
        ("gan_lab.losses.adversarial.exponential", "exponential"),
        ("torch.optim.Adam", "Adam"),
        ("lightning.pytorch.trainer.trainer.Trainer", "Trainer"),
        (OWN, "my_package.mine"),
        ("my_module.mine", "my_module.mine"),
        ("exponential", "exponential"),
        ("my_package.mine", "my_package.mine"),
    ],
)
def test_a_component_is_named_by_what_it_is(target, name):
    assert versions.component(target) == name


OLD_NAMES = [
    ("dataset.labelled_fraction", "supervision.labelled_fraction", 0.25),
    ("dataset.num_classes", "supervision.num_classes", 5),
    ("dataset.reference_distribution", "supervision.reference_distribution", "uniform"),
    ("loss.generator", "loss.generator_objective", "quadratic"),
]
"""Old name, new name, and a value that is not implied."""


def rename(whole: dict, old: str, new: str, value) -> None:
    """Let a config say `value` by the old name alone, as when there was no new one."""
    group, name = new.split(".")
    if old.split(".")[0] == group:
        del whole[group][name]
    else:
        del whole[group]
    node, name = place(whole, old)
    node[name] = value


@pytest.mark.parametrize(("old", "new", "value"), OLD_NAMES)
def test_a_field_by_its_old_name_is_the_field(old, new, value, tmp_path):
    today, before = plain(f"{new}={value}", "run_dir=here"), plain("run_dir=here")
    rename(before, old, new, value)
    read = saved(tmp_path, before | {"version": 2})
    assert plain_config(read) == today
    assert records.config_hash(before) == records.config_hash(today)
    assert records.config_hash(before) != records.config_hash(plain())
    assert records.identity(records.identity(before)) == records.identity(today)


@pytest.mark.parametrize(("old", "new", "value"), OLD_NAMES)
def test_a_field_may_be_typed_by_its_old_name(old, new, value):
    typed = compose(f"{old}={value}", "run_dir=here")
    config.check(typed)
    assert plain_config(typed) == plain(f"{new}={value}", "run_dir=here")


@pytest.mark.parametrize(("old", "new", "value"), OLD_NAMES)
def test_a_field_typed_by_both_names_is_refused(old, new, value):
    with pytest.raises(UserError, match=f"{old}: this is the old name of {new}"):
        config.check(compose(f"{old}={value}", f"{new}={value}"))


def test_every_old_name_is_tested():
    renamed = {old for old, renaming in versions.RENAMED_FIELDS.items() if renaming.new}
    assert {old for old, *_ in OLD_NAMES} == renamed


@pytest.mark.parametrize("joint", [False, True])
def test_a_field_that_made_no_other_result_is_passed_over(joint, tmp_path):
    today = plain("experiment=am_gan", "run_dir=here")
    before = copy.deepcopy(today)
    before["loss"]["joint"] = joint
    assert plain_config(saved(tmp_path, before | {"version": 2})) == today
    assert records.config_hash(before) == records.config_hash(today)
    with pytest.raises(UserError, match=r"loss\.joint: .* takes no 'joint'"):
        config.check(compose("experiment=am_gan", f"loss.joint={joint}"))


def test_where_a_class_stands_changes_no_hash():
    def at(group, target, *overrides):
        return hash_with(f"{group}._target_", target, *overrides)

    assert at("penalty", "gan_lab.somewhere.deep.MaxGradientPenalty") == records.config_hash(
        plain()
    )
    assert at("penalty", "gan_lab.penalties.GradientPenalty") != records.config_hash(plain())
    assert (
        at("loss", OWN)
        == at("loss", "my_package.elsewhere.mine")
        != at("loss", "their_package.losses.mine")
    )


def test_identity_is_the_same_of_a_config_of_what_a_checkpoint_keeps_and_of_itself():
    for overrides in (
        (),
        ("experiment=am_gan", "supervision.labelled_fraction=0.5"),
        ("optimizer_critic.lr=1",),
    ):
        whole = plain(*overrides)
        whole["loss"]["_target_"] = OWN
        identity = records.identity(whole)
        assert records.identity(records.determining(whole)) == identity
        assert records.identity(identity) == identity


def test_what_only_the_checks_read_is_no_part_of_identity():
    whole = plain("experiment=am_gan")
    before = records.config_hash(whole)
    whole["architecture"]["accepts"] = ["images", "sounds"]  # as older files have it
    whole["architecture"]["traits"] = {"kinds": []}
    whole["penalty"]["stable"] = False
    whole["labels"]["recipe"] = {"another": 1}
    whole["loss"]["traits"]["later"] = True
    assert records.config_hash(whole) == before


def test_a_checkpoint_of_an_older_version_is_of_its_run(since, moved, tmp_path):
    whole = plain()
    kept = without(records.determining(whole), "penalty.memory")
    kept["penalty"]["_target_"] = "gan_lab.before.Other"
    since("penalty.memory", Since(2, 0))
    moved("gan_lab.before.Other", whole["penalty"]["_target_"])
    records.check_same_run(tmp_path, whole, kept)
    with pytest.raises(UserError, match="another penalty"):
        records.check_same_run(tmp_path, plain("penalty.memory=1"), kept)


# Comparing ----------------------------------------------------------------------------------------


def recorded(run_id: str, content: dict) -> dict:
    return {"run_id": run_id, "config": content, "dataset": {"content_hash": "d1"}, "choices": {}}


@pytest.mark.parametrize(
    "field", ["ema_decay", "supervision.labelled_fraction", "architecture.latent_dim", "labels"]
)
def test_records_are_compared_by_the_same_table(field, since):
    whole = plain()
    node, name = place(whole, field)
    one, two = recorded("one", whole), recorded("two", without(whole, field))
    if field not in FIELD_DEFAULTS:
        with pytest.raises(UserError, match=f"differ in config.{field}"):
            check_comparable([one, two], [], [], ["seed"])
        since(field, Since(2, node[name]))
    check_comparable([one, two], [], [], ["seed"])
    since(
        field,
        Since(2, {"_target_": "gan_lab.losses.targets.Dynamic"} if field == "labels" else 0.125),
    )
    with pytest.raises(UserError, match=f"differ in config.{field}.*run one.*run two"):
        check_comparable([one, two], [], [], ["seed"])


@pytest.mark.parametrize(("old", "new", "value"), OLD_NAMES)
def test_records_are_compared_by_the_names_of_today(old, new, value):
    today, before = plain(f"{new}={value}"), plain("seed=1")
    rename(before, old, new, value)
    check_comparable([recorded("one", today), recorded("two", before)], [], [], ["seed"])
    with pytest.raises(UserError, match=f"differ in config.{new} .*run two.*run three"):
        check_comparable([recorded("two", before), recorded("three", plain())], [], [], ["seed"])


def test_records_of_a_moved_class_stand_in_one_table():
    one, two = plain(), plain("seed=1")
    two["penalty"]["_target_"] = "gan_lab.elsewhere.MaxGradientPenalty"
    check_comparable([recorded("one", one), recorded("two", two)], [], [], ["seed"])
