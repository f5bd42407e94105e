"""Bad input: one line that names the remedy, exit code 1, nothing left behind; torch is not
imported where promised."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from gan_lab.commands import entry
from helpers.gan_runs import CHANNELS, command, each_without_torch, is_refusal, record
from helpers.registry import CONF

SHORT = (
    CHANNELS,
    "max_generator_steps=2",
    "batch_size=16",
    "generator_batch_size=16",
    "evaluation=off",
)


def experiment(folder: Path, text: str) -> str:
    """Writes experiment/mine.yaml below a folder of its own; returns the option that shows it to
    Hydra."""
    (folder / "extra" / "experiment").mkdir(parents=True)
    (folder / "extra" / "experiment" / "mine.yaml").write_text("# @package _global_\n" + text)
    return f"--config-dir={folder / 'extra'}"


# Before torch -------------------------------------------------------------------------------------

BEFORE_TORCH = [
    (["loss=hing"], ["loss=hing", "hinge"]),
    (["penalty=maxpg"], ["penalty=maxpg", "maxgp"]),
    (["experiment=nothing"], ["experiment=nothing", "wgan_gp"]),
    (["n_critc=5"], ["n_critc", "n_critic"]),
    (["+n_critc=5"], ["n_critc", "n_critic"]),
    (["+penalty.wieght=7"], ["penalty.wieght", "weight"]),
    (["penalty.wieght=7"], ["penalty.wieght", "weight"]),
    (["optimizer.lr=abc"], ["optimizer.lr=abc", "at least 0"]),
    (["optimizer=rmsprop", "optimizer_critic.lr=inf"], ["optimizer_critic.lr=inf", "at least 0"]),
    (["optimizer.betas=[0.5]"], ["optimizer.betas=[0.5]", "two numbers"]),
    (["optimizer_critic.lrr=7"], ["optimizer_critic.lrr", "lr"]),
    (["penalty=null"], ["penalty=null", "maxgp"]),
    (["penalty=1"], ["penalty=1", "maxgp"]),
    (["penalty=[gp2]"], ["penalty=gp2", "maxgp"]),
    (["optimizer@optimizer_critic=null"], ["optimizer@optimizer_critic=null", "adashift"]),
    (["optimizer_critic=null"], ["optimizer_critic=null", "omit it", "optimizer@optimizer_critic"]),
    (["optimizer_critic=adashift"], ["choose an option by optimizer@optimizer_critic=adashift"]),
    (["penalty@penalty.first=gp"], ["penalty@penalty.first: no penalty", "add penalty=sum"]),
    (
        ["penalty=sum", "penalty@penalty.third=gp"],
        ["penalty@penalty.third: there is no such part", "penalty@penalty.first of penalty=sum"],
    ),
    (["architecture=sagan", "architecture.projection=2"], ["architecture.projection=2: use true"]),
    (["diagnostics=stationarity", "diagnostics.samples=x"], ["diagnostics.samples=x", "whole"]),
    (["penalty=[gp,null]"], ["penalty=[gp,null]", "maxgp"]),
    (["penalty=[gp,maxgp]"], ["penalty=[gp,maxgp]: choose one penalty", "penalty=sum"]),
    (["optimizer=[adam,sgd]"], ["optimizer=[adam,sgd]: choose one optimizer"]),
    (["evaluation=[classifier,off]"], ["evaluation=[classifier,off]: choose one evaluation"]),
    (["seed=null"], ["seed=null", "omit it"]),
    (["-m", "penalty=gp,null"], ["penalty=gp,null", "maxgp"]),
    (["-m", "--cfg", "job", "seed=0,1"], ["--multirun, --cfg", "omit the others"]),
    (["hydra/launcher=null"], ["hydra/launcher=null", "joblib"]),
    (["loss.rho=7"], ["loss.rho", "generator"]),
    (["max_generator_steps=0"], ["max_generator_steps=0", "at least 1"]),
    (["n_critic=0"], ["n_critic=0", "at least 1"]),
    (["n_critic=abc"], ["n_critic", "abc"]),
    (["ema_decay=1"], ["ema_decay=1", "below 1"]),
    (["seed=-1"], ["seed=-1", "at least 0"]),
    (["trainer.precision=16-mixed"], ["trainer.precision=16-mixed", "32-true", "bf16-mixed"]),
    (["dataset=image_folder"], ["dataset.root"]),
    (["dataset=tiny_imagenet"], ["dataset.root"]),
    (["dataset=gaussians"], ["architecture=mlp"]),
    (["logger.wandbb=1"], ["logger.wandbb", "wandb"]),
    (["resume=nowhere"], ["resume=nowhere", "no run directory"]),
    # label models and partly labelled data
    (["loss=am_gan"], ["labels=dynamic", "labels=predefined"]),
    (["loss=am_gan", "labels=none", "penalty=none"], ["labels=dynamic", "labels=predefined"]),
    (["labels=dynamic"], ["labels=none"]),
    (["loss=label_gan", "labels=predefined"], ["labels=none"]),
    (
        ["loss=label_gan", "labels=predefined", "architecture=dcgan"],
        ["labels=none", "architecture.extra_layer=true"],
    ),
    (["loss=cat_gan"], ["penalty=none"]),
    (
        ["architecture=dcgan"],
        ["penalty=none", "architecture.critic_batch_norm=false", "architecture=resnet"],
    ),
    (["experiment=am_gan", "penalty=gp"], ["penalty=none", "architecture.critic_batch_norm=false"]),
    (["experiment=am_gan", "labels=none"], ["labels=dynamic"]),
    (["experiment=am_gan", "dataset=gaussians"], ["architecture=mlp"]),
    (["labels=dynamc"], ["labels=dynamc", "dynamic"]),
    (["loss=amgan"], ["loss=amgan", "am_gan"]),
    (["loss=am_gan", "labels=dynamic", "loss.unlabeled=pooled"], ["loss.unlabeled", "unlabelled"]),
    (
        ["experiment=am_gan", "architecture.channels=8"],
        ["architecture.channels", "critic_channels"],
    ),
    (
        ["supervision.labelled_fraction=1.5"],
        ["supervision.labelled_fraction=1.5", "between 0 and 1"],
    ),
    (
        ["supervision.labelled_fraction=-0.1"],
        ["supervision.labelled_fraction=-0.1", "between 0 and 1"],
    ),
    (
        ["supervision.labelled_fraction=nan"],
        ["supervision.labelled_fraction=nan", "between 0 and 1"],
    ),
    (
        ["supervision.labelled_fraction=true"],
        ["supervision.labelled_fraction=True", "between 0 and 1"],
    ),
    (
        ["supervision.labelled_fraction=few"],
        ["supervision.labelled_fraction=few", "between 0 and 1"],
    ),
    (["dataset.labeled_fraction=0.1"], ["dataset.labeled_fraction"]),
    (["supervision.num_classes=1"], ["supervision.num_classes=1", "at least 2"]),
    (["supervision.num_classes=0"], ["supervision.num_classes=0", "at least 2"]),
    (["supervision.num_classes=2.5"], ["supervision.num_classes=2.5", "at least 2"]),
    (["supervision.num_classes=ten"], ["supervision.num_classes=ten", "at least 2"]),
    (
        ["supervision.reference_distribution=unifrom"],
        ["supervision.reference_distribution=unifrom", "uniform", "data"],
    ),
    (
        ["supervision.reference_distribution=[0.5,0.5]"],
        ["supervision.reference_distribution", "uniform", "data"],
    ),
]


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    commands = [[*arguments, "run_dir=here"] for arguments, _ in BEFORE_TORCH]
    return each_without_torch(commands, tmp_path_factory.mktemp("before_torch"))


@pytest.mark.parametrize(
    "number", range(len(BEFORE_TORCH)), ids=[" ".join(a) for a, _ in BEFORE_TORCH]
)
def test_is_refused_in_one_line_without_torch_and_leaves_nothing(number, ends):
    ended, left = ends[number]
    is_refusal(ended, *BEFORE_TORCH[number][1])
    assert "imported" not in ended.err
    is_sweep = "-m" in BEFORE_TORCH[number][0]  # keeps its own folder
    assert [name for name in left if not (is_sweep and name.startswith("outputs"))] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("penalty:\n  wieght: 7\n", ["penalty.wieght", "weight"]),
        ("n_critc: 5\n", ["n_critc", "n_critic"]),
        ("optimizer_critic:\n  lrr: 1.0\n", ["optimizer_critic.lrr", "lr"]),
        ("defaults:\n  - override /loss: hing\n", ["hing", "hinge"]),
        (
            "defaults:\n  - override /penalty: 1\n",
            ["experiment=mine", "a group takes an option's name"],
        ),
        ("defaults: 3\n", ["experiment=mine", "must be a list"]),
        ("penalty: [\n", ["experiment=mine", "mine.yaml", "line 3"]),
    ],
    ids=["group", "root", "critic", "choice", "number", "no list", "no YAML"],
)
def test_a_typo_in_an_experiment_file_is_refused(text, words, place, capsys):
    option = experiment(place, text)
    is_refusal(command(capsys, option, "experiment=mine", "run_dir=here"), *words)
    assert not (place / "here").exists()


def test_the_options_are_those_of_the_package_wherever_its_program_stands(place, monkeypatch):
    """A program of one's own calls entry.run, too."""
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(place / "mine.py"), raising=False)
    said = entry._uncomposed(TypeError("Hydra's words"), ["penalty=null"])
    assert said.startswith("penalty=null: choose an option by its name (there are: clip, ")


# What takes a look at the data, the machine or the folder -----------------------------------------


def image_folder(root: Path, damage: str = "") -> Path:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for i in range(4):
                pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.jpg")
    if damage == "empty":
        for path in (root / "train/dog").iterdir():
            path.unlink()
    if damage == "corrupt":
        (root / "train/dog/2.jpg").write_bytes((root / "train/dog/2.jpg").read_bytes()[:100])
    if damage == "pipe":
        os.mkfifo(root / "train/dog/9.jpg")
    if damage == "endless":
        (root / "train/dog/9.jpg").symlink_to("/dev/zero")
    if damage == "loop":
        (root / "train/dog/again").symlink_to("../..")
    if damage == "broken":
        (root / "train/emu").symlink_to("nowhere")
    if damage == "deep":
        (root / "train/dog/9.ppm").write_bytes(b"P6 8 8 4095\n" + bytes(2 * 3 * 64))
    return root


def test_an_image_folder_trains(place, capsys):
    root = image_folder(place / "images")
    arguments = [
        "dataset=image_folder",
        f"dataset.root={root}",
        *SHORT,
        "batch_size=4",
        "run_dir=here",
    ]
    assert command(capsys, *arguments).code == 0
    kept = record(place / "here")["dataset"]
    assert kept["name"] == "images"
    assert kept["label_histogram"] == {"train": [4, 4], "test": [4, 4]}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("damage", "word"),
    [
        ("empty", "train/dog"),
        ("corrupt", "train/dog/2.jpg"),
        ("pipe", "train/dog/9.jpg is no regular file"),
        ("endless", "train/dog/9.jpg is no regular file"),
        ("loop", "train/dog/again is the folder"),
        ("broken", "train/emu is a link that leads nowhere"),
        ("deep", "train/dog/9.ppm has more than 8 bits a channel"),
    ],
)
def test_a_damaged_image_folder_is_named(damage, word, place, capsys):
    root = image_folder(place / "images", damage)
    ended = command(
        capsys,
        "dataset=image_folder",
        f"dataset.root={root}",
        *SHORT,
        "batch_size=4",
        "run_dir=here",
    )
    is_refusal(ended, word)
    assert not (place / "here").exists()


def test_a_root_that_is_no_folder_is_named(place, capsys):
    is_refusal(
        command(capsys, "dataset=image_folder", "dataset.root=no/such", *SHORT, "run_dir=here"),
        "no/such",
    )
    assert not (place / "here").exists()


def test_a_batch_larger_than_the_data_is_refused(place, capsys):
    is_refusal(
        command(capsys, CHANNELS, "batch_size=2000", "run_dir=here"), "batch_size=2000", "1438"
    )
    assert not (place / "here").exists()


def test_a_gpu_that_is_not_there_is_refused(place, capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    is_refusal(command(capsys, *SHORT, "trainer=gpu", "run_dir=here"), "trainer=auto")
    assert not (place / "here").exists()


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("penalty.weight=-1", "penalty.weight=-1: use a number of at least 0"),
        ("penalty.weight=heavy", "penalty.weight=heavy: use a number of at least 0"),
        ("optimizer=adashift optimizer.m=3", "m=3"),
        ("loss.generator_objective=linaer", "linear"),
        ("penalty.region=everywhere", "interpolates"),
        ("schedule=staircase schedule.factor=2", "factor"),
        ("architecture.latent_dim=0", "latent_dim"),
    ],
)
def test_what_a_part_refuses_is_one_line(override, word, place, capsys):
    is_refusal(command(capsys, *SHORT, *override.split(), "run_dir=here"), word)
    assert not (place / "here").exists()


def test_a_run_dir_that_holds_a_run_is_not_touched(place, capsys):
    assert command(capsys, *SHORT, "run_dir=here").code == 0
    before = {path: path.read_bytes() for path in (place / "here").rglob("*") if path.is_file()}
    is_refusal(command(capsys, *SHORT, "run_dir=here", "seed=1"), "run_dir=here", "resume=here")
    assert before == {
        path: path.read_bytes() for path in (place / "here").rglob("*") if path.is_file()
    }


def test_a_folder_of_other_things_is_no_run(place, capsys):
    (place / "mine").mkdir()
    (place / "mine" / "notes.txt").write_text("keep me")
    is_refusal(command(capsys, "resume=mine"), "resume=mine", "no run directory")
    assert [path.name for path in (place / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "text", ["- 1\n", "a: [1", "seed: 1\n", ""], ids=["list", "torn", "fields missing", "empty"]
)
def test_a_damaged_config_of_a_run_is_named(text, place, capsys):
    (place / "run").mkdir()
    (place / "run" / "config.yaml").write_text(text)
    is_refusal(command(capsys, "resume=run"), "config.yaml")


def test_a_run_is_resumed_where_it_is(place, capsys):
    """run_dir beside resume is refused by name: the run goes on in its own folder."""
    assert command(capsys, *SHORT, "run_dir=here").code == 0
    is_refusal(command(capsys, "resume=here", "run_dir=there", "max_generator_steps=3"), "run_dir")
    assert not (place / "there").exists()


def test_a_sweep_over_resume_resumes_or_is_refused_by_name(place, capsys):
    assert command(capsys, *SHORT, "run_dir=here").code == 0
    ended = command(capsys, "-m", "resume=here", "max_generator_steps=3", "hydra.sweep.dir=sweep")
    if ended.code == 0:
        assert record(place / "here")["generator_steps"] == 3
    else:
        assert "resume" in ended.err.split("error: ")[-1]


@pytest.mark.parametrize(
    "group",
    sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra"),
)
def test_every_group_asks_for_an_option_by_its_name(group, monkeypatch):
    """Hydra has a ValueError without the group's name, whichever program it is."""
    monkeypatch.setattr(
        sys.modules["__main__"], "__file__", str(CONF.parent / "train.py"), raising=False
    )
    for value in ("null", "1", "true", "[null]"):
        told = entry._uncomposed(ValueError(), ["seed=1", f"{group}={value}"])
        assert told.startswith(f"{group}={value}: choose an option by its name")
        assert all(path.stem in told for path in (CONF / group).glob("*.yaml"))


def test_what_a_sweep_in_a_file_makes_of_a_group_is_one_line(place, capsys):
    option = experiment(place, "hydra:\n  sweeper:\n    params:\n      penalty: null,1\n")
    is_refusal(
        command(capsys, "-m", option, "experiment=mine", "hydra.sweep.dir=here"),
        "experiment=mine",
        "penalty=gp",
    )


def test_an_error_of_ours_is_not_taken_for_one_of_composing():
    """It keeps its traceback, even where a library raised it."""
    with pytest.raises(ValueError, match="invalid literal") as ours:
        int("x")
    with pytest.raises(yaml.YAMLError) as composing:
        yaml.safe_load("[")
    assert not entry._of_composing(ours.value)
    assert entry._of_composing(composing.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [("1", "1: there is no record.json below it"), ("[null]", "None: there is no record.json")],
)
def test_a_folder_of_runs_may_be_called_by_a_number(value, words, place, capsys):
    is_refusal(command(capsys, f"runs={value}", program="scripts/collect.py"), words)
