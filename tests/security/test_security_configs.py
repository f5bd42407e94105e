"""A config may be somebody else's: what it may name is refused before anything is called, wherever
it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import hydra
import numpy as np
import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, flag_override
from PIL import Image

from gan_lab import build, config
from gan_lab.config import options as allowed
from gan_lab.config import trust
from gan_lab.errors import UserError
from helpers.gan_runs import (
    CHANNELS,
    CONF,
    SMALL,
    command,
    compose,
    is_refusal,
    train,
    without_torch,
)
from helpers.registry import options

GROUPS = config.GROUPS
RUNS_A_SHELL = (
    "torch.utils.collect_env.run"  # a function of a package that everybody has: run(command)
)
PATH = {"_target_": "pathlib.Path", "_args_": ["{}"]}
RUN_BY_HYDRA = [  # its own list of what is forbidden does not hold them
    {"_target_": RUNS_A_SHELL, "command": "touch {}"},
    {
        "_target_": "lightning.pytorch.cli.instantiate_class",
        "args": "touch {}",
        "init": {"class_path": "os.system"},
    },
    {"_target_": "gan_lab.files.write_atomically", "path": PATH, "content": "harm"},
    {"_target_": "builtins.open", "file": "{}", "mode": "w"},
    {"_target_": "pathlib.Path.touch", "_args_": [PATH]},
]
HARMFUL = [
    *RUN_BY_HYDRA,
    {"_target_": "os.system", "command": "touch {}"},
    {"_target_": "subprocess.Popen", "args": ["touch", "{}"]},
    {"_target_": "builtins.eval", "_args_": ["open('{}', 'w')"]},
    {"_target_": "torch.load", "f": "{}", "weights_only": False},
    {"_target_": "gan_lab.files.os.system", "command": "touch {}"},
    {"_target_": "gan_lab.records.provenance.subprocess.Popen", "args": ["touch", "{}"]},
    {"_target_": "gan_lab.build.make", "group": "loss", "node": {"_target_": "os.system"}},
    {
        "_target_": "hydra.utils.instantiate",
        "config": {"_target_": "os.system", "command": "touch {}"},
    },
]
IDS = [node["_target_"] for node in HARMFUL]


def aimed(node, place):
    """The node with {} filled in."""
    if isinstance(node, dict):
        return {key: aimed(value, place) for key, value in node.items()}
    if isinstance(node, list):
        return [aimed(value, place) for value in node]
    return node.format(place) if isinstance(node, str) else node


@pytest.fixture(scope="module")
def composed():
    """A config that trains, as plain containers."""
    return config.plain_config(compose(CHANNELS, *SMALL))


@pytest.fixture
def spring(tmp_path):
    """A path that nothing may make."""
    path = tmp_path / "sprung"
    yield path
    assert not path.exists()


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A run of two steps."""
    return train(tmp_path_factory.mktemp("finished") / "run", "max_generator_steps=2")


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it, to be altered."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def alter(run: Path, change) -> None:
    content = yaml.safe_load((run / "config.yaml").read_text())
    change(content)
    (run / "config.yaml").write_text(yaml.safe_dump(content))


def nested(content, group, node):
    """Beside what the group has: Hydra would make this first, as an argument."""
    content[group] = dict(content[group] or {}) | {"extra": [{"deeper": node}]}


def whole(content, group, node):
    content[group] = {"x": node} if group == "logger" else node


PLACES = [(change, group) for change in (whole, nested) for group in GROUPS]


# What must be refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("node", RUN_BY_HYDRA, ids=IDS[: len(RUN_BY_HYDRA)])
def test_the_examples_do_harm_when_hydra_is_asked(node, tmp_path):
    """Otherwise the tests below would show nothing."""
    hydra.utils.instantiate(aimed(node, tmp_path / "sprung"))
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "group", "node"),
    [
        *((change, group, HARMFUL[0]) for change, group in PLACES),
        *((change, "loss", node) for node in HARMFUL[1:] for change in (whole, nested)),
    ],
)
def test_the_check_refuses_it_in_every_group_and_depth(change, group, node, composed, spring):
    content = dict(composed)
    change(content, group, aimed(node, spring))
    with pytest.raises(UserError) as refused:
        config.check(OmegaConf.create(content))
    assert str(refused.value).startswith(group)
    assert node["_target_"] in str(refused.value) or "_args_" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("group", "node"),
    [*((group, HARMFUL[0]) for group in GROUPS), *(("loss", node) for node in HARMFUL[1:])],
)
def test_build_refuses_it_unchecked(group, node, spring):
    from gan_lab import build

    with pytest.raises(UserError, match=group):
        build.make(group, OmegaConf.create({"x": [aimed(node, spring)]}))


@pytest.mark.parametrize(
    ("program", "group", "change"),
    [
        ("train.py resume={}", "loss", whole),
        ("train.py resume={}", "evaluation", nested),
        ("scripts/sample.py run_dir={}", "loss", whole),
        ("scripts/sample.py run_dir={}", "dataset", nested),
        ("scripts/evaluate.py run_dir={}", "evaluation", whole),
        ("scripts/evaluate.py run_dir={}", "loss", nested),
    ],
)
def test_a_run_directory_of_somebody_else_is_refused(program, group, change, run, spring, capsys):
    alter(
        run,
        lambda content: change(
            content, group, {"_target_": RUNS_A_SHELL, "command": f"touch {spring}"}
        ),
    )
    path, *arguments = program.format(run).split()
    ended = command(capsys, *arguments, program=path)
    assert ended.code == 1
    assert f"{RUNS_A_SHELL}: a config may not name it" in ended.err
    assert "Traceback" not in ended.err


def test_an_experiment_of_somebody_else_is_refused(tmp_path, spring, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "extra/experiment").mkdir(parents=True)
    text = f"# @package _global_\nloss: {{generator: {{_target_: {RUNS_A_SHELL}, command: touch {spring}}}}}\n"
    (tmp_path / "extra/experiment/theirs.yaml").write_text(text)
    ended = command(
        capsys, f"--config-dir={tmp_path / 'extra'}", "experiment=theirs", "run_dir=here"
    )
    assert ended.code == 1
    assert (
        f"loss.generator_objective._target_={RUNS_A_SHELL}: a config may not name it" in ended.err
    )
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("change", "group", "key"),
    [
        *((change, group, "_partial_") for change, group in PLACES),
        *((nested, "loss", key) for key in ("_args_", "_recursive_", "_convert_", "_anything_")),
    ],
)
def test_other_instructions_to_hydra_are_refused(change, group, key, composed):
    content = dict(composed)
    change(content, group, {key: True})
    with pytest.raises(UserError, match=key):
        config.check(OmegaConf.create(content))


@pytest.mark.parametrize(
    "target",
    [
        None,
        1,
        ["os.system"],
        "",
        ".",
        "gan_lab",
        "gan_lab.losses._private",
        "x" * 999,
        f"gan_lab.{'x' * 999}.exp",
    ],
)
def test_what_is_no_name_is_refused(target):
    with pytest.raises(UserError):
        trust.check("loss", {"_target_": target})


@pytest.mark.parametrize(
    ("group", "target"),
    [
        ("loss", "torch.optim.Adam"),
        ("loss", "gan_lab.losses_of_somebody_else.exp"),
        ("optimizer", "gan_lab.losses.exponential"),
        ("trainer", "lightning.pytorch.LightningModule"),
        ("penalty", "gan_lab.classifier.store.classifier_of"),
    ],
)
def test_a_group_takes_only_what_is_meant_for_it(group, target):
    with pytest.raises(UserError, match=f"{group}._target_={target}: .*the options of {group}"):
        trust.check(group, {"_target_": target})


# Single classes in files, whole packages where it is typed ----------------------------------------

WITH_EFFECTS = [  # of the packages that each group may use, and no option
    (
        "dataset",
        {"_target_": "gan_lab.data.download.fetch", "name": "x", "host": "y", "folder": "{}"},
    ),
    (
        "dataset",
        {
            "_target_": "gan_lab.data.cache.load",
            "source": {"_target_": "gan_lab.data.digits.Digits"},
        },
    ),
    ("dataset", {"_target_": "gan_lab.data.source.read_bytes", "path": "{}"}),
    ("logger", {"x": {"_target_": "gan_lab.data.pictures.save_grid", "path": "{}"}}),
    ("optimizer", {"_target_": "torch.optim.Adagrad"}),
    ("trainer", {"_target_": "gan_lab.training.strategy.first_process"}),
]


@pytest.mark.parametrize(
    ("group", "node"), WITH_EFFECTS, ids=[str(node) for _, node in WITH_EFFECTS]
)
@pytest.mark.parametrize("program", ["train.py resume={}", "scripts/sample.py run_dir={}"])
def test_a_saved_config_names_single_classes(program, group, node, run, spring, only_in, capsys):
    alter(run, lambda content: content.update({group: aimed(node, spring)}))
    path, *arguments = program.format(run).split()
    with only_in(run):
        ended = command(capsys, *arguments, program=path)
    is_refusal(ended, "a config may not name it", f"{group}")


def test_what_a_saved_config_still_decides(run, tmp_path, capsys):
    """How long training takes and where the data cache is: it is to be read before it is
    resumed."""
    theirs = {"data_cache": str(tmp_path / "theirs"), "max_generator_steps": 4}
    alter(run, lambda content: content.update(theirs))
    assert command(capsys, f"resume={run}").code == 0
    assert (run / "samples/step_4.png").exists()
    assert len(list((tmp_path / "theirs").glob("*.npz"))) == 1


def pictures(folder: Path, seed: int) -> Path:
    """A folder of 20 images in two classes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    for number, values in enumerate(pixels):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / "ab"[number % 2] / f"{number:02}.png")
    return folder


def test_a_saved_config_decides_which_folder_of_images_is_read(tmp_path, capsys):
    """Only one that holds the images of the run: theirs was moved, and another is refused."""
    own = pictures(tmp_path / "own", seed=0)
    data = ("dataset=image_folder", f"dataset.root={own}", "dataset.splits={train: ., test: null}")
    cache = f"data_cache={tmp_path / 'cache'}"
    run = train(tmp_path / "run", *data, "dataset.size=8", "max_generator_steps=2", cache)

    own.rename(tmp_path / "theirs")
    theirs = str(tmp_path / "theirs")
    alter(run, lambda content: content["dataset"].update(root=theirs))
    assert command(capsys, f"resume={run}", "max_generator_steps=3").code == 0
    assert (run / "samples/step_3.png").exists()

    other = str(pictures(tmp_path / "other", seed=1))
    alter(run, lambda content: content["dataset"].update(root=other))
    is_refusal(command(capsys, f"resume={run}", "max_generator_steps=4"), "have changed")


def test_a_saved_config_decides_whether_wandb_sends_metrics(run, monkeypatch, tmp_path, capsys):
    """The run of somebody else logs to their project, if whoever resumes it is logged in."""
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # nobody is logged in here
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    node = OmegaConf.to_container(OmegaConf.load(CONF / "logger/wandb.yaml"))["wandb"]
    sent = node | {"offline": False, "entity": "theirs"}
    alter(run, lambda content: content.update(logger={"wandb": sent}))
    is_refusal(command(capsys, f"resume={run}", "max_generator_steps=3"), "nobody is logged in")


def test_a_saved_config_decides_in_which_folder_of_the_run_tensorboard_logs(run, only_in, capsys):
    node = OmegaConf.to_container(OmegaConf.load(CONF / "logger/tensorboard.yaml"))["tensorboard"]
    alter(run, lambda content: content.update(logger={"tensorboard": node | {"name": "board"}}))
    with only_in(run):
        assert command(capsys, f"resume={run}", "max_generator_steps=3").code == 0
    assert list((run / "board").glob("events.out.tfevents.*"))


def test_what_takes_the_place_of_a_saved_name_does_not_save_it(run, capsys):
    alter(
        run,
        lambda content: content.update(
            logger={"x": {"_target_": "gan_lab.data.pictures.save_grid"}}
        ),
    )
    is_refusal(
        command(capsys, f"resume={run}", "logger=csv"),
        "gan_lab.data.pictures.save_grid: a config may not name it",
    )


def test_an_experiment_names_single_classes_and_the_command_line_packages(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "extra/experiment").mkdir(parents=True)
    text = "# @package _global_\noptimizer: {_target_: torch.optim.Adamax}\n"
    (tmp_path / "extra/experiment/theirs.yaml").write_text(text)
    small = [CHANNELS, *SMALL, "max_generator_steps=1"]
    theirs = [f"--config-dir={tmp_path / 'extra'}", "experiment=theirs", "run_dir=here", *small]
    is_refusal(
        command(capsys, *theirs), "optimizer._target_=torch.optim.Adamax: a config may not name it"
    )

    # typed; and typed again where the run's own file names it
    mine = ["optimizer._target_=torch.optim.Adamax"]
    assert command(capsys, *small, *mine, "run_dir=mine").code == 0
    is_refusal(
        command(capsys, "resume=mine", "max_generator_steps=2"),
        "Adamax: a config may not name it",
        mine[0],
    )
    assert command(capsys, "resume=mine", "max_generator_steps=2", mine[0]).code == 0


def test_parameters_of_a_sweep_in_a_file_are_not_typed():
    compose("optimizer._target_=torch.optim.Adamax")
    trust.check("optimizer", {"_target_": "torch.optim.Adamax"})
    hydra_node = HydraConfig.instance().cfg.hydra
    with flag_override(hydra_node, ["readonly", "struct"], False):
        hydra_node.sweeper.params = {"optimizer._target_": "torch.optim.Adamax"}
    with pytest.raises(UserError, match="Adamax"):
        trust.check("optimizer", {"_target_": "torch.optim.Adamax"})


def targets(node) -> set[str]:
    """Every `_target_` in nested containers."""
    if isinstance(node, list):
        return set().union(*map(targets, node))
    if not isinstance(node, dict):
        return set()
    own = {node["_target_"]} if "_target_" in node else set()
    return own.union(*map(targets, node.values()))


@pytest.mark.parametrize("group", sorted(trust.GROUPS))
def test_a_file_may_name_what_the_options_name_and_nothing_else(group):
    """An evaluation and a study take a classifier into them: they may name what those name."""
    folders = {"optimizer_critic": ["optimizer"]}
    folders |= {name: [name, "classifier"] for name in ("evaluation", "study")}
    paths = [path for name in folders.get(group, [group]) for path in (CONF / name).glob("*.yaml")]
    named = set().union(*(targets(yaml.safe_load(path.read_text())) for path in paths))
    assert allowed.targets(group) == named


def test_options_are_of_a_few_packages_and_never_of_python():
    named = set().union(*map(allowed.targets, trust.GROUPS))
    assert named
    assert {name.split(".")[0] for name in named} == {"gan_lab", "torch", "lightning"}


def test_options_in_another_folder_of_hydra_s_are_somebody_else_s(tmp_path, monkeypatch, capsys):
    """--config-dir makes options that Hydra can choose; what they name is held to the program's
    own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "extra/optimizer").mkdir(parents=True)
    (tmp_path / "extra/optimizer/theirs.yaml").write_text("_target_: torch.optim.Adamax\n")
    theirs = [f"--config-dir={tmp_path / 'extra'}", "optimizer=theirs", "run_dir=here"]
    is_refusal(
        command(capsys, *theirs), "optimizer._target_=torch.optim.Adamax: a config may not name it"
    )
    assert not (tmp_path / "here").exists()


def test_an_option_file_that_is_being_written_stops_no_other(tmp_path, monkeypatch):
    (tmp_path / "conf/loss").mkdir(parents=True)
    (tmp_path / "conf/loss/mine.yaml").write_text("_target_: gan_lab.losses.mine\n")
    (tmp_path / "conf/loss/half.yaml").write_text("_target_: {")
    monkeypatch.setattr(allowed, "program_root", lambda: tmp_path)
    assert allowed.contents.__wrapped__("loss") == {"mine": {"_target_": "gan_lab.losses.mine"}}


# What must not be refused -------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "option"), [(group, option) for group in sorted(trust.GROUPS)
                                               if (CONF / group).is_dir() for option in options(group)])  # fmt: skip
def test_every_option_is_allowed(group, option):
    text = (CONF / group / f"{option}.yaml").read_text()
    trust.check(group, yaml.safe_load(text.replace("${", "resolved {")) | {"defaults": []})


def test_every_group_with_targets_has_a_rule():
    with_targets = {
        path.parent.name for path in CONF.glob("*/*.yaml") if "_target_" in path.read_text()
    }
    assert with_targets - {"experiment", "hydra"} <= trust.GROUPS


def test_a_run_directory_that_nobody_altered_is_taken(run, capsys):
    ended = command(capsys, f"run_dir={run}", "n=4", program="scripts/sample.py")
    assert ended.code == 0, ended


# Code of one's own --------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A loss in a module of one file and in a package, both importable."""
    text = textwrap.dedent("""
        from gan_lab import losses

        def mine(generator_objective: str = "linear"):
            return losses.wasserstein()
    """)
    (tmp_path / "own_module.py").write_text(text)
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package/__init__.py").write_text("from .deep import mine\n")
    (tmp_path / "own_package/deep.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    # what other tests of the process imported is no import of this one
    _forget_own()
    yield
    _forget_own()


def _forget_own() -> None:
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


OWN_TARGETS = ["own_module.mine", "own_package.mine", "own_package.deep.mine"]


@pytest.mark.parametrize("target", OWN_TARGETS)
def test_code_of_ones_own_is_taken_where_it_is_typed_and_where_it_is_trusted(
    target, own, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match=f"type it: add loss._target_={target}"):
        trust.check("loss", {"_target_": target})
    assert not any(name.startswith("own_") for name in sys.modules)  # refused without importing it
    train(tmp_path / "typed", f"loss._target_={target}", "max_generator_steps=1")
    assert (tmp_path / "typed/generator.safetensors").exists()
    compose()
    monkeypatch.setattr(trust, "OWN", ("another", target.split(".")[0]))
    trust.check("loss", {"_target_": target})


@pytest.mark.parametrize(
    "target", ["os.system", "builtins.eval", "subprocess.run", "own_shell.system", "own_shell.run"]
)
def test_what_is_pythons_own_is_not_taken_even_where_it_is_typed(target, tmp_path, monkeypatch):
    """Not by another module's name for it either."""
    (tmp_path / "own_shell.py").write_text("from os import system\nfrom subprocess import run\n")
    monkeypatch.syspath_prepend(tmp_path)
    compose(f"loss._target_={target}")
    with pytest.raises(UserError, match=r"no such class or function|a config may not name it"):
        trust.check("loss", {"_target_": target})


@pytest.mark.parametrize(
    "typed",
    ["run_dir=torch.hub.load", "dataset.root=torch.hub.load", "dataset.name=torch.hub.load"],
)
def test_a_folder_that_is_called_like_a_class_does_not_type_it(typed):
    """It is somebody else's name, and so is the config in it."""
    compose("dataset=image_folder", typed)
    with pytest.raises(UserError, match=r"torch\.hub\.load: a config may not name it"):
        trust.check("loss", {"_target_": "torch.hub.load"})


def test_a_class_is_typed_by_its_field_or_in_a_node(own):
    for typed in ("loss._target_=own_module.mine", "loss={_target_:own_module.mine}"):
        compose("loss=vanilla", typed)
        trust.check("loss", {"_target_": "own_module.mine"})


def test_an_agent_of_a_wandb_sweep_types_for_somebody_else(own, monkeypatch):
    compose("loss._target_=own_module.mine")
    trust.check("loss", {"_target_": "own_module.mine"})
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    with pytest.raises(UserError, match=r"own_module\.mine: a config may not name it"):
        trust.check("loss", {"_target_": "own_module.mine"})


@pytest.mark.slow  # four programs
def test_a_loss_in_a_file_beside_one_trains_resumes_and_is_sampled(tmp_path, monkeypatch):
    """Without an environment variable or a path; the fields of the option that it replaces are not
    in its way."""
    monkeypatch.chdir(tmp_path)
    text = "from gan_lab import losses\ndef mine():\n    return losses.wasserstein()\n"
    (tmp_path / "my_losses.py").write_text(text)
    small = [CHANNELS, *SMALL, "max_generator_steps=1", "loss=exp"]
    typed = "loss._target_=my_losses.mine"
    program(*small, typed, "run_dir=run")

    refused = program("resume=run", "max_generator_steps=2", code=1)
    assert "a config may not name it" in refused
    assert f"for code that is yours, or that you have read, type it: add {typed}" in refused
    program("resume=run", "max_generator_steps=2", typed)
    assert typed in program("run_dir=run", "n=4", name="scripts/sample.py", code=1)
    program("run_dir=run", "n=4", typed, name="scripts/sample.py")
    assert list((tmp_path / "run/samples").glob("n4_*.png"))


def program(*arguments: str, name: str = "train.py", code: int = 0) -> str:
    """What a program of its own prints, in this folder."""
    command = [sys.executable, str(CONF.parent / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def test_a_typed_field_of_the_replaced_option_stays(own):
    """What the option gave and the class does not take is left out; typed, it is refused."""
    target = "loss._target_=own_module.mine"
    cfg = compose("loss=exp", target)
    config.check(cfg)
    assert cfg.loss.generator_objective == "linear"
    cfg = compose("optimizer._target_=torch.optim.Adagrad")
    config.check(cfg)
    assert "betas" not in cfg.optimizer
    with pytest.raises(
        UserError, match=r"optimizer\.betas: torch\.optim\.Adagrad takes no 'betas'"
    ):
        config.check(compose("optimizer._target_=torch.optim.Adagrad", "optimizer.betas=[0,0]"))


def test_the_environment_says_what_is_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_LAB_TRUSTED_PACKAGES", "one, two.three ,")
    program = "from gan_lab.config import trust; print(trust.OWN)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "('one', 'two.three')"


def test_a_trusted_package_does_not_lend_what_it_imported(own, tmp_path, monkeypatch):
    (tmp_path / "own_package/__init__.py").write_text(
        "import os\nfrom torch.utils.collect_env import run\n"
    )
    monkeypatch.setattr(trust, "OWN", ("own_package",))
    for target in ("own_package.run", "own_package.os.system"):
        with pytest.raises(UserError):
            trust.check("loss", {"_target_": target})


def test_an_experiment_cannot_trust_for_the_user(tmp_path, spring, monkeypatch, capsys):
    """Hydra sets such variables before the program's own code begins."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "extra/experiment").mkdir(parents=True)
    text = f"""# @package _global_
hydra: {{job: {{env_set: {{GAN_LAB_TRUSTED_PACKAGES: torch}}}}}}
loss: {{generator: {{_target_: {RUNS_A_SHELL}, command: touch {spring}}}}}
"""
    (tmp_path / "extra/experiment/theirs.yaml").write_text(text)
    ended = command(
        capsys, f"--config-dir={tmp_path / 'extra'}", "experiment=theirs", "run_dir=here"
    )
    assert ended.code == 1
    assert "may not name it" in ended.err


# The file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system", "!!python/name:os.system", "!!python/object/new:open"],
)
def test_yaml_of_python_objects_is_refused(tag, run, spring, capsys):
    with (run / "config.yaml").open("a") as file:
        file.write(f"\nextra: {tag} ['touch {spring}']\n")
    ended = command(capsys, f"resume={run}")
    assert ended.code == 1
    assert "config.yaml cannot be read" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "program", ["train.py max_generator_steps=3 resume={}", "scripts/sample.py run_dir={}"]
)
def test_what_a_saved_config_says_to_hydra_is_not_heard(
    program, run, spring, only_in, capsys, monkeypatch
):
    """In an experiment file each of these would act."""
    monkeypatch.delenv("SAID_TO_HYDRA", raising=False)
    heard = {
        "callbacks": {"x": {"_target_": RUNS_A_SHELL, "command": f"touch {spring}"}},
        "job": {"chdir": True, "env_set": {"SAID_TO_HYDRA": "heard"}},
        "run": {"dir": str(spring)},
        "output_subdir": str(spring),
    }
    alter(run, lambda content: content.update(hydra=heard))
    path, *arguments = program.format(run).split()
    with only_in(run):
        is_refusal(command(capsys, *arguments, program=path), "hydra")
    assert "SAID_TO_HYDRA" not in os.environ


SECRET = "a-secret-of-this-machine"


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("value", "${oc.env:MY_TOKEN}"),
        ("value", "x-${oc.env:MY_TOKEN}"),
        ("value", "${oc.decode:${oc.env:MY_TOKEN}}"),
        ("value", "${seed}"),
        ("list", "${oc.env:MY_TOKEN}"),
        ("key", "${oc.env:MY_TOKEN}"),
    ],
)
@pytest.mark.parametrize(
    "program", ["train.py max_generator_steps=3 resume={}", "scripts/evaluate.py run_dir={}"]
)
def test_an_interpolation_in_a_saved_config_reads_nothing_of_this_machine(
    where, program, text, run, capsys, monkeypatch
):
    monkeypatch.setenv("MY_TOKEN", SECRET)

    def change(content):
        if where == "key":
            content["dataset"]["recipe"] = {text: 1}
        else:
            content["dataset"]["name"] = text if where == "value" else [{"deeper": text}]

    alter(run, change)
    path, *arguments = program.format(run).split()
    ended = command(capsys, *arguments, program=path)
    assert ended.code == 1
    assert "it was altered" in ended.err
    assert SECRET not in ended.out + ended.err
    assert not any(
        SECRET in path.read_text(errors="ignore") for path in run.rglob("*") if path.is_file()
    )


def test_an_escaped_interpolation_is_not_resolved_after_the_check(tmp_path):
    """Hydra resolves once more what it calls: an escaped one would come to life there."""
    harm = "${oc.create:'{_target_: logging.FileHandler, filename: %s}'}" % (tmp_path / "harm")
    node = OmegaConf.create({"_target_": "lightning.pytorch.Trainer", "profiler": "\\" + harm})
    assert config.plain_config(node)["profiler"] == harm
    with pytest.raises(UserError, match="interpolation"):
        build.make("trainer", node)
    assert not (tmp_path / "harm").exists()


def test_a_harmful_config_is_refused_before_torch(run, tmp_path):
    alter(run, lambda content: content["loss"].update({"_target_": RUNS_A_SHELL}))
    ended = without_torch(f"resume={run}", cwd=tmp_path)
    assert ended.code == 1
    assert "may not name it" in ended.err
