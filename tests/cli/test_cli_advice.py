"""Remedies in messages: what a message says to type works when it is typed.

Every alternative is found in the message as it stands in the table, and typed after the arguments
that were refused, or in place of the one of the same name. The command then gets as far as its
first step. The last test holds that no advice is missing.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
from PIL import Image

from helpers.data_builders import make_cifar10, make_flowers102, make_mnist, make_tiny
from helpers.gan_runs import CHANNELS, ROOT, command, is_refusal, record, train

SMALL = (
    "n_critic=1",
    "batch_size=4",
    "generator_batch_size=4",
    "max_generator_steps=2",
    "run_dir=here",
)
RESNET = (CHANNELS, "evaluation=off")
DCGAN = (
    "architecture=dcgan",
    "architecture.generator_channels=4",
    "architecture.critic_channels=4",
    "evaluation=off",
)
SAGAN = ("architecture=sagan", *RESNET, "loss=hinge", "penalty=none")
PROJECTION = (*SAGAN, "architecture.projection=true", "labels=predefined")
FOLDER = ("dataset=image_folder", "dataset.root=images")
ONE_CLASS = (*RESNET, *FOLDER, "labels=dynamic", "penalty=none", "loss=am_gan")
CORES = os.cpu_count() or 1
BATCHES = (f"batch_size={4 * CORES}", f"generator_batch_size={4 * CORES}")


@dataclass
class Case:
    """A command that is refused, and what its message advises.

    Args:
        says: words of the message that stand together in the code.
        typed: the arguments.
        advised: each alternative, in words of the message that are typed as they stand.
        stands_for: what the user puts in place of a word in capitals.
        also: what is typed beside every alternative.
        away: the argument that the message says to omit, or that the alternative has no place
            for.
        sides: of the images in the folder "images", one after another, and again.
        classes: of these images.
        grey: whether those of the first class are.
    """

    says: str
    typed: Sequence[str]
    advised: Sequence[str]
    stands_for: dict[str, str] = field(default_factory=dict)
    also: str = ""
    away: str = ""
    sides: Sequence[int] = (8,)
    classes: int = 2
    grey: bool = False

    def remedied(self, advised: str) -> list[str]:
        """What is typed then."""
        for word, meant in self.stands_for.items():
            advised = advised.replace(word, meant)
        added = [*advised.split(), *self.also.split()]
        names = [one.partition("=")[0] for one in (*added, self.away)]
        return [one for one in self.typed if one.partition("=")[0] not in names] + added

    def write_images(self) -> None:
        """Six of each class in each split."""
        noise = np.random.default_rng(0)
        for split in ("train", "test"):
            for label in range(self.classes):
                folder = Path("images", split, f"class{label}")
                folder.mkdir(parents=True)
                for number in range(6):
                    side = self.sides[number % len(self.sides)]
                    pixels = noise.integers(0, 256, (side, side, 3), np.uint8)
                    pixels = pixels[:, :, :1].repeat(3, 2) if self.grey and label == 0 else pixels
                    Image.fromarray(pixels).save(folder / f"{number}.png")


TRAINING = [
    Case("do not fit: {} takes", ["dataset=gaussians", "evaluation=off"], ["architecture=mlp"]),
    Case(
        "draws square images",
        [*RESNET, *FOLDER],
        ["architecture=mlp"],
        away="architecture.channels",
        sides=[20],
    ),
    Case(
        "the folder that holds the images",
        ["dataset=image_folder", *RESNET],
        ["dataset.root=FOLDER"],
        {"FOLDER": "images"},
    ),
    Case(
        "is no folder: set dataset.root=FOLDER",
        [*RESNET, "dataset=image_folder", "dataset.root=nowhere"],
        ["dataset.root=FOLDER"],
        {"FOLDER": "images"},
    ),
    Case(
        "(or bilinear, bicubic, lanczos)",
        [*RESNET, *FOLDER],
        ["dataset.resize=box dataset.size=8"],
        sides=[8, 16],
    ),
    Case(
        "(or bilinear, bicubic, lanczos)",
        [*RESNET, *FOLDER],
        ["dataset.resize=box dataset.size=32"],
        sides=[9, 20],
    ),
    Case(
        "(or bilinear, bicubic, lanczos)",
        [*RESNET, *FOLDER, "dataset.size=16"],
        ["dataset.resize=box dataset.size=16"],
    ),
    Case("needs a size", [*RESNET, *FOLDER, "dataset.resize=box"], ["dataset.size=32"]),
    Case(
        "needs a filter",
        [*RESNET, *FOLDER, "dataset.fit=stretch"],
        ["dataset.resize=box dataset.size=32"],
    ),
    Case(
        "leaves no image of class",
        [*RESNET, *FOLDER, "dataset.greyscale=drop_grey"],
        ["dataset.greyscale=keep"],
        grey=True,
    ),
    Case(
        "is more than the {} training samples",
        [*RESNET, *FOLDER, "batch_size=64"],
        ["batch_size=12"],
    ),
    Case(
        "which has its own strategy",
        [*RESNET, "trainer.strategy=ddp", "trainer.devices=2"],
        ["trainer=ddp"],
        away="trainer.strategy",
    ),
    Case("to train on several devices", [*RESNET, "trainer.devices=2"], ["trainer=ddp"]),
    Case(
        "cannot be shared",
        [*RESNET, "trainer=ddp", "trainer.devices=2", "batch_size=5"],
        ["batch_size=6"],
    ),
    Case(
        "this machine has {} cores",
        [*RESNET, *BATCHES, "trainer=ddp", f"trainer.devices={4 * CORES}"],
        [f"trainer.devices={CORES}"],
    ),
    Case("(trainer=auto takes", [*RESNET, "trainer=gpu"], ["trainer=auto"]),
    Case(
        "takes no whole numbers",
        [*RESNET, "optimizer.betas=[0,0.9]"],
        ["optimizer.betas=[0.0,0.9]"],
    ),
    Case(
        "aims every generated sample at a class",
        [*RESNET, "loss=ac_gan", "penalty=none"],
        ["labels=dynamic", "labels=predefined"],
    ),
    Case("has nothing to give", [*RESNET, "loss=exp", "labels=dynamic"], ["labels=none"]),
    Case(
        "its column of Table 4-1",
        [*DCGAN, "loss=gan", "labels=predefined", "penalty=none"],
        ["labels=none", "labels=none architecture.extra_layer=true"],
    ),
    Case(
        "real-fake score whose gradient", [*RESNET, "loss=cat_gan", "penalty=gp"], ["penalty=none"]
    ),
    Case(
        "mixes samples; add",
        ["architecture=dcgan", "penalty=gp", "evaluation=off"],
        ["penalty=none", "architecture.critic_batch_norm=false", "architecture=resnet"],
    ),
    Case(
        "mixes samples; add",
        [*DCGAN, "architecture.critic_batch_norm=true", "penalty=gp"],
        ["penalty=none", "architecture.critic_batch_norm=false"],
    ),
    Case(
        "mixes samples; add",
        ["architecture=progressive", *RESNET, "architecture.minibatch_deviation=true"],
        ["penalty=none", "architecture.minibatch_deviation=false"],
    ),
    Case(
        "omit num_classes",
        [*RESNET, "supervision.num_classes=5"],
        ["supervision.labelled_fraction=0"],
    ),
    Case(
        "needs at least 2 classes", ONE_CLASS, ["supervision.num_classes=K"], {"K": "3"}, classes=1
    ),
    Case("needs at least 2 classes", ONE_CLASS, ["loss=gan"], away="labels", classes=1),
    Case(
        "classes and {} are trained",
        [*ONE_CLASS, "supervision.num_classes=3", "supervision.reference_distribution=data"],
        ["supervision.reference_distribution=uniform"],
        classes=1,
    ),
    Case(
        "is empty: choose from",
        [CHANNELS, "evaluation=classifier", "evaluation.scores=[]"],
        ["evaluation=off"],
        away="evaluation.scores",
    ),
    Case("works without it", [CHANNELS, "evaluation=inception"], ["evaluation=classifier"]),
    Case("holds {}: use evaluation", [CHANNELS, "evaluation=modes"], ["evaluation=classifier"]),
    Case(
        "is no mixture of Gaussians",
        ["dataset=swiss_roll", "architecture=mlp", "evaluation=modes"],
        ["evaluation=off", "dataset=ring"],
    ),
    Case(
        "holds no stacks of three digits",
        [CHANNELS, "evaluation=stacked_modes", "evaluation.extractor.digits.root=mnist"],
        ["evaluation=classifier"],
        away="evaluation.extractor.digits.root",
    ),
    Case(
        "has no class to aim at",
        [
            "dataset=ring",
            "architecture=dirac",
            "loss=ac_gan",
            "labels=predefined",
            "penalty=none",
            "evaluation=off",
        ],
        ["architecture=mlp"],
    ),
    Case(
        "has no labels to train",
        [CHANNELS, *FOLDER, "evaluation=classifier", "evaluation.scores=[fid]"],
        ["evaluation=efficientnet"],
        classes=1,
    ),
    Case(
        "have no classes of their own",
        [
            CHANNELS,
            "evaluation=classifier",
            "evaluation.scores=[msssim]",
            "evaluation.msssim_classes=own",
        ],
        ["evaluation.msssim_classes=classifier"],
    ),
    Case(
        "KID takes subsets",
        [
            CHANNELS,
            "evaluation=classifier",
            "evaluation.scores=[kid]",
            "evaluation.samples=20",
            "evaluation.kid_subset_size=30",
        ],
        ["evaluation.kid_subset_size=20"],
    ),
    Case(
        "need class probabilities, and those",
        [CHANNELS, "evaluation=efficientnet", "evaluation.scores=[is,fid]"],
        ["evaluation=classifier"],
    ),
    Case(
        "(optimizer=adam_spatial has no shift)",
        [*RESNET, "optimizer=adashift", "optimizer.n=0"],
        ["optimizer=adam_spatial"],
        away="optimizer.n",
    ),
    Case(
        "is not set: add",
        ["dataset=mnist", "dataset.root=null", *RESNET],
        ["dataset.root=FOLDER"],
        {"FOLDER": "mnist"},
    ),
    Case(
        "is not set: add",
        ["dataset=cifar10", "dataset.root=null", *RESNET],
        ["dataset.root=FOLDER"],
        {"FOLDER": "cifar10"},
    ),
    Case(
        "is not set: add",
        ["dataset=flowers102", "dataset.root=null", *RESNET],
        ["dataset.root=FOLDER"],
        {"FOLDER": "flowers102"},
    ),
    Case(
        "or set dataset.root=FOLDER to the folder that holds {}",
        ["dataset=mnist", "dataset.root=nowhere", "dataset.download=false", *RESNET],
        ["dataset.root=FOLDER"],
        {"FOLDER": "mnist"},
    ),
    Case(
        "or set dataset.root=FOLDER to the folder that holds {}",
        ["dataset=cifar10", "dataset.root=nowhere", "dataset.download=false", *RESNET],
        ["dataset.root=FOLDER"],
        {"FOLDER": "cifar10"},
    ),
    Case(
        "or set dataset.root=FOLDER to the folder that holds {}",
        ["dataset=flowers102", "dataset.root=nowhere", "dataset.download=false", *RESNET],
        ["dataset.root=FOLDER"],
        {"FOLDER": "flowers102"},
    ),
    Case(
        "splits has no train",
        [*RESNET, *FOLDER, "~dataset.splits.train"],
        ["dataset.splits.train=FOLDER"],
        {"FOLDER": "train"},
        away="~dataset.splits.train",
    ),
    Case(
        "use dataset=image_folder for it",
        [*RESNET, "dataset=tiny_imagenet", "dataset.root=tiny"],
        ["dataset=image_folder"],
        also="dataset.root=images",
    ),
    Case(
        "or use evaluation=classifier",
        [
            CHANNELS,
            "evaluation=inception",
            "evaluation.extractor.weights=images/train/class0/0.png",
        ],
        ["evaluation=classifier"],
        away="evaluation.extractor.weights",
    ),
    Case("that has weight or spectral norm", [*DCGAN, "penalty=spectral"], ["penalty=none"]),
    Case(
        "that has weight or spectral norm",
        ["architecture=dcgan", "penalty=spectral", "evaluation=off"],
        ["architecture=resnet"],
    ),
    Case(
        "judges every sample by its class",
        [*SAGAN, "architecture.projection=true"],
        ["labels=predefined", "architecture.projection=false"],
    ),
    Case(
        "a critic that judges by classes has none",
        [*PROJECTION, "penalty=gp"],
        ["penalty=spectral", "architecture.projection=false labels=none"],
    ),
    Case(
        "needs the label of every sample",
        [*PROJECTION, "supervision.labelled_fraction=0.5"],
        ["supervision.labelled_fraction=1", "architecture.projection=false labels=none"],
    ),
    Case("takes a loss of phi, varphi and psi", [*PROJECTION, "loss=relativistic"], ["loss=hinge"]),
    Case(
        "judges samples by their class, and these data have",
        [*PROJECTION, *FOLDER],
        ["architecture.projection=false labels=none"],
        classes=1,
    ),
    Case(
        "the generator is given no class",
        [*SAGAN, "architecture.conditional_batch_norm=true"],
        ["architecture.conditional_batch_norm=false"],
    ),
    Case(
        "cannot be written ({}): set",
        [*RESNET, "data_cache=images/train/class0/0.png"],
        ["data_cache=FOLDER"],
        {"FOLDER": "cache"},
    ),
    Case(
        "there is no such logger",
        [*RESNET, "+logger.wandbb=1"],
        ["logger=csv"],
        away="+logger.wandbb",
    ),
    Case(
        "no real-fake score that",
        [*RESNET, "loss=cat_gan", "penalty=none", "diagnostics=critic_outputs"],
        ["diagnostics=stationarity", "diagnostics=none"],
    ),
    Case(
        "architecture and diagnostics do not fit",
        [*PROJECTION, "diagnostics=critic_outputs"],
        ["diagnostics=stationarity"],
    ),
    Case(
        "training samples of {}: set diagnostics",
        [*RESNET, "diagnostics=stationarity", "diagnostics.samples=2000"],
        ["diagnostics.samples=1438"],
    ),
]

IMAGES = ("samples=images/train", "reference=images/test")
EVALUATE = (*IMAGES, "evaluation.scores=[fid]", "evaluation.chunks=1", "evaluation.splits=1")
SELF = ("evaluation.samples=100", "evaluation.splits=1")
COMMANDS = {
    "evaluate": [
        Case("resize=box size=", EVALUATE, ["resize=box size=8"], sides=[12]),
        Case(
            "scores nothing: choose",
            ["self_test=true", "evaluation=off"],
            ["evaluation=classifier"],
        ),
        Case(
            "of this extractor are poor",
            ["data_statistics=true", "evaluation=efficientnet"],
            ["evaluation=classifier"],
        ),
        Case(
            "and folders hold images",
            [*EVALUATE, "evaluation=modes"],
            ["evaluation=classifier"],
        ),
        Case("no CUDA device; set", [*EVALUATE, "device=cuda"], ["device=auto"]),
        Case("name one thing to score", SELF, ["run_dir=RUN"], {"RUN": "run"}),
        Case("name one thing to score", SELF, ["runs=FOLDER"], {"FOLDER": "."}),
        Case("name one thing to score", SELF, ["self_test=true", "data_statistics=true"]),
        Case(
            "name one thing to score",
            EVALUATE[2:],
            ["samples=FOLDER reference=FOLDER"],
            {"FOLDER": "images/test"},
        ),
    ],
    "sample": [
        Case("run_dir is not set", [], ["run_dir=RUN"], {"RUN": "run"}),
    ],
    "figures": [
        Case(
            "shows samples of runs",
            ["figure=2-16"],
            ["run_dirs=[RUN_DIR,...]"],
            {"RUN_DIR,...": "run"},
            also="allow=[dirty]",
        ),
        Case("from a commit, or add", ["figure=2-16", "run_dirs=[run]"], ["allow=[dirty]"]),
    ],
}

# Advice that another test follows: words of the message, and that test.
ELSEWHERE = {
    "of processes that torchrun or srun started each would measure for itself": (
        "training/test_training_precision.py",
        "test_processes_that_others_start_are_told_their_precision",
    ),
    "to what they were": (
        "training/test_training_moved_data.py",
        "test_a_run_goes_on_with_data_and_cache_elsewhere",
    ),
    ": a resumed run keeps its ": (
        "training/test_training_resume.py",
        "test_precision_is_kept_by_a_resume_that_only_names_the_device",
    ),
    "a resumed run may only get longer": (
        "training/test_training_resume.py",
        "test_a_larger_max_generator_steps_extends_a_finished_run",
    ),
    "to train on": (
        "training/test_training_resume.py",
        "test_a_larger_max_generator_steps_extends_a_finished_run",
    ),
    "a run that had begun goes on": ("faults/test_faults_disk.py", "test_a_disk_that_becomes_full"),
    "torchrun started": ("parallel/test_parallel_program.py", "test_torchrun"),
    "need one folder for all of them": ("parallel/test_parallel_program.py", "test_torchrun"),
    "the same command runs what is missing": (
        "sweeps/test_sweeps_launchers.py",
        "test_twelve_cells_one_diverging_one_killed_and_the_second_call_runs_what_is_missing",
    ),
    "its parts were trained": (
        "reporting/test_reporting_collection.py",
        "test_parts_of_two_commits_are_named_and_refused_unless_allowed",
    ),
    "resume it, or add": (
        "reporting/test_reporting_collection.py",
        "test_allow_lets_through_what_it_names_and_no_more",
    ),
    "it is {}, without a record": (
        "reporting/test_reporting_sweep_table.py",
        "test_allow_leaves_in_what_could_be_published_alone",
    ),
    "data_statistics=true": (
        "evaluation/test_data_statistics.py",
        "test_the_digits_under_their_classifier",
    ),
    "holds moments, not enough for": (
        "evaluation/test_evaluation_scripts.py",
        "test_moments_are_enough_for_the_scores_that_the_refusal_names",
    ),
    "restore the checkpoint, or set": (
        "evaluation/test_evaluation_runs.py",
        "test_without_its_critic_a_run_is_scored_by_the_classifier_alone",
    ),
    "belongs to a file": (
        "evaluation/test_evaluation_classifier_file.py",
        "test_an_exported_classifier_is_the_same_one_elsewhere",
    ),
    "samples of a batch: set": (
        "training/test_sampling.py",
        "test_a_row_is_drawn_in_a_batch_of_the_trainings_size",
    ),
    "run again with dataset.download=true": (
        "data/test_download.py",
        "test_torchvision_is_asked_for_the_layout_it_makes",
    ),
    "there, or set dataset.root=FOLDER to where it is": (
        "data/test_lsun.py",
        "test_the_folder_that_does_not_hold_it",
    ),
    "neither dataset_dict.json nor state.json": (
        "data/test_hugging_face.py",
        "test_a_folder_of_something_else",
    ),
    "to the folder of one split that has some": (
        "data/test_hugging_face.py",
        "test_a_class_without_images",
    ),
    ", or set category=NAME, out of": (
        "data/test_lsun.py",
        "test_the_folder_that_does_not_hold_it",
    ),
    ", or label=null": ("data/test_hugging_face.py", "test_a_class_without_images"),
    "to the folder of the split to train on": (
        "data/test_hugging_face.py",
        "test_a_dict_without_train",
    ),
    "need more memory than there is": (
        "data/test_image_bounds.py",
        "test_a_set_that_fits_no_memory",
    ),
    "other columns or classes than": (
        "data/test_hugging_face.py",
        "test_splits_of_other_classes",
    ),
    "give it one, remove the row": ("data/test_hugging_face.py", "test_a_row_without_a_label"),
    "to where they are": ("cli/test_cli_advice.py", "test_the_remedies_of_training"),
    "there is no C++ compiler": (
        "training/test_training_compiled.py",
        "test_without_a_compiler_it_is_refused",
    ),
    "it is for a CPU": ("training/test_training_compiled.py", "test_a_gpu_is_refused"),
    "it is for one device": (
        "training/test_training_compiled.py",
        "test_several_devices_are_refused",
    ),
    "go on with the same command, {} and existing_run": (
        "studies/test_studies_kills.py",
        "test_a_stopped_study_says_so_and_goes_on",
    ),
    "add existing_run=resume to go on with it": (
        "studies/test_studies_kills.py",
        "test_a_folder_that_holds_a_study_is_not_overwritten",
    ),
    "use evaluation=modes for a mixture": (
        "evaluation/test_evaluation_modes.py",
        "test_a_run_of_points_is_scored_by_its_modes_afterwards",
    ),
    "evaluation=modes counts the modes": (
        "evaluation/test_evaluation_modes.py",
        "test_a_run_of_points_is_scored_by_its_modes_afterwards",
    ),
    "and a study draws none; set": (
        "studies/test_studies_program.py",
        "test_is_refused_in_one_line_before_torch",
    ),
    "follow from what a study does not have; set": (
        "studies/test_studies_program.py",
        "test_is_refused_in_one_line_before_torch",
    ),
    "is sized by images": (
        "studies/test_studies_program.py",
        "test_is_refused_in_one_line_before_torch",
    ),
    "no study is chosen that takes": (
        "studies/test_studies_program.py",
        "test_is_refused_in_one_line_before_torch",
    ),
}

# What is no advice to type for a command, or cannot be followed where these tests run.
NOT_TYPED = {
    "without it work evaluation=classifier": "the extra is installed here; the options named are the cases above",
    "has other classes: use": "needs the weights of Inception; the option named is a case above",
    "real-fake score that a penalty could": "of Python; train.py refuses the pair in other words",
    "mixes samples: build the critic": "of Python; train.py refuses the pair in other words",
    "dense gradients only": "of Python",
    "or a constant for k itself": "of Python",
    "found no convolution": "of networks of one's own",
    "depends on their size": "of networks of one's own",
    "samples of this loss have no classes": "a state",
    "has no score without a class": "of Python; train.py refuses the pair in other words",
    "is one point, and": "of Python; train.py refuses the pair in other words",
    "no study classification is recorded with": "a state",
    "no run with diagnostics=critic_outputs is recorded": "a state",
    "is recorded with study.continuous": "a state",
}


def fragments() -> set[str]:
    """What the tables have of the messages."""
    cases = [*TRAINING, *(case for of_program in COMMANDS.values() for case in of_program)]
    return {case.says for case in cases} | ELSEWHERE.keys() | NOT_TYPED.keys()


ADVICE = re.compile(
    r"\b(?:add|set|use|take|choose|or|and|with|name|leave|omit|works?) (?:\w+ )?'?[a-z][\w.@]*="
)


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text in a program, with {} for each value in it; docstrings are left out."""
    nodes = list(ast.walk(tree))
    seen = {id(one.value) for one in nodes if isinstance(one, ast.Expr)}
    for one in nodes:
        if isinstance(one, ast.JoinedStr):
            seen |= {id(part) for part in ast.walk(one)}
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "{}" for part in one.values
            )
    yield from (
        one.value
        for one in nodes
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in seen
    )


def test_no_advice_is_missing():
    """Every message that says what to type has a case here, or says why it has none."""
    paths = sorted((ROOT / "src").rglob("*.py"))
    advice = {
        text for path in paths for text in texts(ast.parse(path.read_text())) if ADVICE.search(text)
    }
    assert len(advice) > 50
    assert [text for text in sorted(advice) if not any(says in text for says in fragments())] == []


def test_no_case_is_of_a_message_that_is_gone():
    everything = [
        text for path in (ROOT / "src").rglob("*.py") for text in texts(ast.parse(path.read_text()))
    ]
    assert [
        says for says in sorted(fragments()) if not any(says in text for text in everything)
    ] == []


@pytest.mark.parametrize(("path", "name"), sorted(set(ELSEWHERE.values())))
def test_the_other_tests_are_there(path, name):
    assert f"def {name}(" in (ROOT / "tests" / path).read_text()


def write_data_sets(case: Case, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the case names, small, in the layouts of their publishers."""
    make = {
        "mnist": lambda: make_mnist(place / "mnist"),
        "cifar10": lambda: make_cifar10(place / "cifar10", monkeypatch),
        "flowers102": lambda: make_flowers102(place / "flowers102", monkeypatch),
        "tiny": lambda: make_tiny(place / "tiny", size=16),
    }
    words = " ".join([*case.typed, *case.advised, *case.stands_for.values(), case.also])
    for name, write in make.items():
        if name in words:
            write()


@pytest.mark.parametrize("case", TRAINING, ids=lambda case: case.says)
def test_the_remedies_of_training(case, place, monkeypatch, capsys):
    reached = []

    def fit(*_, **__):
        reached.append(True)
        raise KeyboardInterrupt

    monkeypatch.setattr(pl.Trainer, "fit", fit)
    case.write_images()
    write_data_sets(case, place, monkeypatch)
    refused = command(capsys, *SMALL, *case.typed)
    is_refusal(refused, *as_written(case))
    for advised in case.advised:
        reached.clear()
        ended = command(capsys, *SMALL, *case.remedied(advised))
        assert reached, (advised, ended)
        shutil.rmtree("here")


DIRTY = {"sha": "a" * 40, "dirty": True}  # whatever the tests run from


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of which evaluate.py, sample.py and figures.py can be told."""
    return train(tmp_path_factory.mktemp("finished") / "run", "max_generator_steps=1")


@pytest.mark.parametrize(
    ("program", "case"),
    [
        pytest.param(program, case, id=f"{program}: {case.says}")
        for program, cases in COMMANDS.items()
        for case in cases
    ],
)
def test_the_remedies_of_other_commands(program, case, finished, place, capsys):
    case.write_images()
    shutil.copytree(finished, "run")
    edited = record(Path("run")) | {"git": DIRTY, "parts": [{"from_step": 0, "git": DIRTY}]}
    Path("run/record.json").write_text(json.dumps(edited))
    refused = command(capsys, *case.typed, program=f"scripts/{program}.py")
    is_refusal(refused, *as_written(case))
    for advised in case.advised:
        ended = command(capsys, *case.remedied(advised), program=f"scripts/{program}.py")
        assert ended.code == 0, (advised, ended)


def as_written(case: Case) -> list[str]:
    """What the message must hold: what it says, and every word that is typed then."""
    return [*case.says.split("{}"), *(word for advised in case.advised for word in advised.split())]
