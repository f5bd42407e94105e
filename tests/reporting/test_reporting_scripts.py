"""collect.py, tables.py and figures.py as programs without torch, and the sweep files they report
on."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from itertools import product
from math import prod
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from gan_lab import records
from gan_lab.reporting import TABLES, table
from gan_lab.reporting.thesis.chapter_2 import CHANNELS, GENERATOR_STEPS, LINES, TABLE_2_2
from helpers.gan_runs import NO_TORCH, ROOT, Ended, command, compose
from helpers.made_up import SMALL_AM, SMALL_IS, labelled, record, run_dirs, write
from helpers.registry import options


def script(name, *arguments, cwd):
    line = [sys.executable, "-c", NO_TORCH, str(ROOT / "scripts" / f"{name}.py"), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_from_runs_to_table_and_figures(tmp_path):
    runs = [
        record(loss, w, s, fid=2 + w) for loss in ("exp", "hinge") for w in (0.1, 1) for s in (0, 1)
    ]
    run_dirs(tmp_path / "runs", *runs, record("sqrt", status="running", run_id="late"))
    collected = script("collect", "runs=runs", cwd=tmp_path)
    assert collected.code == 0, collected.err
    assert "refused: runs/late/record.json: unfinished" in collected.out
    assert len(list((tmp_path / "results" / "records").iterdir())) == 8
    written = script(
        "tables", "datasets=[digits]", "select={config.max_generator_steps:1000}", cwd=tmp_path
    )
    assert written.code == 0, written.err
    assert sorted(p.name for p in (tmp_path / "results" / "tables").iterdir()) == [
        f"table_2_2_digits.{suffix}" for suffix in ("csv", "md", "tex")
    ]
    assert (tmp_path / "results" / "tables" / "table_2_2_digits.md").read_text() in written.out
    drawn = script("figures", "figure=[2-7,2-15]", cwd=tmp_path)
    assert drawn.code == 0, drawn.err
    assert "passed over: figure 2-15" in drawn.out
    assert sorted(p.name for p in (tmp_path / "results" / "figures").iterdir()) == [
        "figure_2_7.csv",
        "figure_2_7.png",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "runs"]


def test_records_of_studies_are_selected_as_those_of_runs_are(tmp_path, monkeypatch, capsys):
    """Of the committed ones, whose lowest seed is 0."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    for file in (ROOT / "results" / "studies").glob("study_gradient_uninformativeness_*"):
        shutil.copy(file, "studies")
    ended = command(
        capsys, "figure=2-8", "studies=studies", "out=.", "select={seed:1}",
        program="scripts/figures.py",
    )  # fmt: skip
    assert ended.code == 0, ended
    with Path("figure_2_8.csv").open() as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"1"}


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("collect", [], "runs is not set"),
        ("collect", ["runs=.", "allow=[drity]"], "choose from dirty, commits, unfinished"),
        ("collect", ["run=."], "run: there is no such field; did you mean 'runs'?"),
        ("tables", ["+tabel=2-2"], "tabel: there is no such field; did you mean 'table'?"),
        ("tables", ["table=4-4"], "there is no such table"),
        ("figures", [], "figure is not set"),
        ("figures", ["curves=fid"], "it is a field of scripts/curves.py, scripts/report.py"),
        ("tables", ["rows=loss"], "it is a field of scripts/table.py, scripts/curves.py, scripts"),
        ("figures", ["figure=4-4"], "add statistics=[FILE.json,...]"),
        ("table", ["rows=loss", "score=fid"], "runs is not set"),
        ("table", ["runs=nowhere", "rows=loss", "score=fid"], "nowhere: there is no such folder"),
        ("table", ["runs=.", "rows=loss", "score=fid"], "there is no record.json below it"),
        ("table", ["run=."], "run: there is no such field; did you mean 'runs'?"),
        ("curves", ["rows=loss", "curves=fid"], "runs is not set"),
        ("report", [], "runs is not set"),
        ("report", ["thesis=true", "runs=x"], "made of collected records: omit runs"),
        ("report", ["watch=true", "every=0"], "every=0.0: use a number above 0"),
        ("report", ["watch=true", "every=inf"], "every=inf: use a number above 0"),
        ("report", ["watch=true", "every=1e300"], "and of at most 86400"),
        ("report", ["watch=true", "port=70000"], "port=70000: use a number between 0 and 65535"),
        ("report", ["watch=true", "port=-1"], "port=-1: use a number between 0 and 65535"),
        ("curves", ["runs=.", "allow=[drity]"], "there is no record.json below it"),
    ],
)
def test_bad_input_is_one_line(name, arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ended = command(capsys, *arguments, program=f"scripts/{name}.py")
    lines = [
        line for line in ended.err.splitlines() if not line.startswith("Error executing job with")
    ]
    assert ended.code == 1, ended
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: ")
    assert words in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_any_sweep(tmp_path):
    runs = [
        record(loss, w, s, fid=2 + w + s)
        for loss in ("exp", "hinge")
        for w in (0.1, 1)
        for s in (0, 1)
    ]
    run_dirs(
        tmp_path / "runs",
        *runs,
        record("sqrt", 1, status="failed", run_id="late", git={"sha": None, "dirty": None}),
    )
    asked = [
        "runs=runs",
        "rows=loss",
        "columns=penalty.weight",
        "score=[fid_train,is]",
        "baseline=loss:hinge",
    ]
    written = script("table", *asked, cwd=tmp_path)
    assert written.code == 0, written.err
    stem = "runs_loss_penalty.weight_fid_classifier_10k_train_is_classifier_10k_10x"
    place = tmp_path / "outputs" / "tables"
    assert sorted(path.name for path in place.iterdir()) == [
        f"{stem}.{suffix}" for suffix in ("csv", "md", "tex")
    ]
    assert (place / f"{stem}.md").read_text() in written.out
    assert "difference to loss=hinge" in written.out
    same = script(
        "table", *asked[:-1], "baseline={loss:hinge}", "out=here", "name=mine", cwd=tmp_path
    )
    assert same.code == 0, same.err
    assert (tmp_path / "here/mine.csv").read_text() == (place / f"{stem}.csv").read_text()
    for wrong, words in (
        ("allow=[]", "outside a git checkout"),
        ("baseline=hinge", "baseline=hinge: name a field"),
    ):
        ended = script("table", *asked, wrong, cwd=tmp_path)
        assert ended.code == 1
        assert words in ended.err
        assert "Traceback" not in ended.err


def test_curves_of_any_sweep(tmp_path):
    run_dirs(tmp_path / "runs", *(record(loss, 1, s) for loss in ("exp", "hinge") for s in (0, 1)))
    drawn = script("curves", "runs=runs", "rows=loss", "curves=[fid,is]", cwd=tmp_path)
    assert drawn.code == 0, drawn.err
    stem = "runs_fid_classifier_2k_train_is_classifier_2k_10x_loss"
    place = tmp_path / "outputs" / "figures"
    assert sorted(path.name for path in place.iterdir()) == [f"{stem}.csv", f"{stem}.png"]
    assert (place / f"{stem}.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_of_any_sweep(tmp_path):
    runs = [record(loss, 1, s) for loss in ("exp", "hinge") for s in (0, 1)]
    run_dirs(tmp_path / "runs", *runs)
    written = script("report", "runs=runs", "baseline=loss:hinge", cwd=tmp_path)
    assert written.code == 0, written.err
    assert "written: outputs/reports/runs.html (" in written.out
    page = (tmp_path / "outputs" / "reports" / "runs.html").read_text()
    assert "difference to loss=hinge" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outputs", "runs"]


@pytest.mark.slow
def test_from_a_sweep_to_its_table_and_curves(tmp_path):
    """2 losses, 2 weights, 2 seeds of digits, and one cell that cannot be trained."""
    sizes = [
        "max_generator_steps=6",
        "architecture.channels=8",
        "batch_size=16",
        "generator_batch_size=16",
        "log_every=2",
    ]
    scores = ["evaluation.samples=200", "evaluation.samples_in_training=100", "evaluate_every=3"]
    line = [
        sys.executable,
        str(ROOT / "train.py"),
        "-m",
        "loss=exp,hinge",
        "penalty.weight=0.1,-1,1",
        "seed=0,1",
        *sizes,
        *scores,
    ]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "GAN_LAB_DATA_CACHE": str(tmp_path / "cache"),
    }
    trained = subprocess.run(
        [*line, "hydra.sweep.dir=sweep"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "12 cells: 8 finished, 4 failed" in trained.stdout, trained.stderr
    shown = script(
        "table",
        "runs=sweep",
        "rows=loss",
        "columns=penalty.weight",
        "score=fid_train",
        cwd=tmp_path,
    )
    assert shown.code == 0, shown.err
    (row,) = re.findall(r"^\| exp \| (.*) \|$", shown.out, re.MULTILINE)
    assert [text.strip("*").split(", ")[-1] for text in row.split(" | ")] == [
        "–; 2 failed",
        "n = 2",
        "n = 2",
    ]
    asked = [
        "runs=sweep",
        "rows=loss",
        "facet=penalty.weight",
        "curves=[critic_loss,fid_train]",
        "name=mine",
    ]
    drawn = script("curves", *asked, cwd=tmp_path)
    assert drawn.code == 0, drawn.err
    rows = list(csv.DictReader((tmp_path / "outputs/figures/mine.csv").open()))
    steps = {(one["curve"].split("_")[0], one["step"]) for one in rows}
    assert steps == {("critic", str(step)) for step in (2, 3, 4, 6)} | {("fid", "3"), ("fid", "6")}


# The sweeps ---------------------------------------------------------------------------------------

CELLS = {"table_2_2": 2 * 6 * 4 * 3, "table_2_2_wgan_gp": 3, "table_2_2_small": 6 * 2 * 2}


def sweep(experiment, *overrides):
    """The job's config and Hydra's own."""
    return compose(f"experiment={experiment}", *overrides), HydraConfig.get()


@pytest.mark.parametrize("experiment", CELLS)
def test_a_sweep_file_is_a_multirun_of_the_right_size_that_can_be_interrupted(experiment):
    job, hydra = sweep(experiment)
    assert hydra.mode.name == "MULTIRUN"
    assert (
        prod(len(str(values).split(",")) for values in hydra.sweeper.params.values())
        == CELLS[experiment]
    )
    assert job.existing_run == "resume"
    assert hydra.sweep.dir.startswith("outputs/table_2_2")


def test_the_small_sweep_is_small_and_every_cell_has_a_folder_of_its_own():
    params = sweep("table_2_2_small")[1].sweeper.params
    folders = set()
    for loss in ("wasserstein", "hinge"):
        assert loss in params.loss
        for weight in params["penalty.weight"].split(","):
            job, hydra = sweep(
                "table_2_2_small", f"loss={loss}", f"penalty.weight={weight}", "seed=1"
            )
            assert (job.max_generator_steps, job.n_critic, job.optimizer.lr) == (1500, 1, 2e-3)
            assert job.dataset.name == "digits"
            assert hydra.sweep.subdir == f"digits_{loss}_maxgp{weight}_seed1"
            folders.add(hydra.sweep.subdir)
    assert len(folders) == 4


def test_the_sweeps_are_the_lines_of_the_table():
    losses = {line.loss for line in TABLE_2_2.lines}
    job, hydra = sweep("table_2_2", "dataset=cifar10", "loss=exp", "penalty.weight=10", "seed=2")
    assert set(hydra.sweeper.params.loss.split(",")) == losses
    assert set(hydra.sweeper.params.dataset.split(",")) == set(TABLE_2_2.datasets)
    assert hydra.sweep.subdir == "cifar10_exp_maxgp10_seed2"
    assert job.max_generator_steps == GENERATOR_STEPS.thesis
    assert job.architecture.channels == CHANNELS.thesis
    job, hydra = sweep("table_2_2_wgan_gp", "seed=1")
    line = LINES["wgan_gp"]
    choices = hydra.runtime.choices
    assert (choices.loss, choices.penalty, choices.dataset) == (line.loss, line.penalty, "cifar10")
    assert job.penalty.weight == line.where["config.penalty.weight"]
    assert hydra.sweep.subdir == "cifar10_wasserstein_gp10.0_seed1"


def leaves(value, path):
    """{dotted name: value} of the leaves; a list is one."""
    if isinstance(value, dict):
        return {
            name: item
            for key, one in value.items()
            for name, item in leaves(one, f"{path}.{key}").items()
        }
    return {path: value}


OF_LINES = {
    "loss",
    "penalty",
    "labels",
    "dataset",
    "seed",
}  # what a table's lines differ in; data are compared apart
NO_SETTING = ("_target_", "fused")  # named by the choice, or without a say in the result


@pytest.mark.parametrize(
    ("experiment", "number"), [("table_2_2", "2-2"), ("table_4_1", "4-1"), ("table_4_3", "4-3")]
)
def test_a_tables_recipe_has_every_setting_of_its_sweep(experiment, number):
    """A setting that a later version brings must be in the recipe too, else a run that differs in
    it is not told."""
    job = OmegaConf.to_container(sweep(experiment, "dataset=cifar10")[0], resolve=True)
    kept = {key: value for key, value in records.identity(job).items() if key not in OF_LINES}
    found = {
        name: value
        for key, node in kept.items()
        for name, value in leaves(node, f"config.{key}").items()
    }
    found = {
        name: value for name, value in found.items() if name.rpartition(".")[2] not in NO_SETTING
    }
    recipe = {one.dotted: one.thesis for one in TABLES[number].recipe if not one.where}
    recipe["config.architecture.extra_layer"] = False  # of dynamic labels
    assert {name: recipe.get(name) for name in found} == found


def test_the_presets_of_the_thesis_score_curves_by_as_many_samples_as_the_author():
    for experiment in ("table_2_2", "table_4_1", "table_4_1_no_targets"):
        assert sweep(experiment, "dataset=cifar10")[0].evaluation.samples_in_training == 50_000


@pytest.mark.parametrize(
    "experiment",
    [name for name in options("experiment") if re.fullmatch(r"table_4_1(?!.*_small).*", name)],
)
def test_the_runs_of_table_4_1_keep_checkpoints_for_a_curve_by_inception(experiment):
    job = sweep(experiment)[0]
    assert 10 <= job.max_generator_steps // job.checkpoint_every <= 20
    assert job.keep_checkpoints >= job.max_generator_steps // job.checkpoint_every


def recipe_lines(target, *arguments):
    """What make would run for a target."""
    made = subprocess.run(
        ["make", "--dry-run", target, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.replace("\\\n", " ").splitlines()


def test_make_table_4_1_run_scores_by_inception_and_takes_tiny_imagenet():
    run = recipe_lines("table-4-1-run")
    again = [" ".join(line.split()) for line in run if "evaluate.py" in line]
    assert again == [
        ".venv/bin/python scripts/evaluate.py runs=outputs/table_4_1 evaluation=inception "
        "history=true "
        "evaluation.samples_in_training=50000"
    ]
    assert not any("tiny_imagenet" in line for line in run)
    with_tiny = recipe_lines("table-4-1-run", "TINY_IMAGENET=FOLDER")
    ours = [line.split("train.py ")[1] for line in with_tiny if "tiny_imagenet" in line]
    assert ours == [
        "experiment=table_4_1 dataset=tiny_imagenet dataset.root=FOLDER",
        "experiment=table_4_1_no_targets loss=label_gan dataset=tiny_imagenet dataset.root=FOLDER",
    ]


@pytest.mark.slow
def test_tables_and_figures_of_chapter_4(tmp_path):
    models = [
        labelled(loss, seed=seed) for loss in ("gan", "am_gan", "label_gan") for seed in (0, 1)
    ]
    write(tmp_path / "results" / "records", *models)
    for number in ("4-1", "4-2", "4-3"):
        written = script("tables", f"table={number}", "datasets=[digits]", cwd=tmp_path)
        assert written.code == 0, written.err
        stem = f"table_{number.replace('-', '_')}_digits"
        assert (tmp_path / "results" / "tables" / f"{stem}.md").read_text() in written.out
    drawn = script(
        "figures",
        "figure=[4-3,4-8]",
        "datasets=[digits]",
        f"curve=[{SMALL_IS},{SMALL_AM}]",
        cwd=tmp_path,
    )
    assert drawn.code == 0, drawn.err
    assert sorted(p.name for p in (tmp_path / "results" / "figures").glob("*.png")) == [
        "figure_4_3_digits.png",
        "figure_4_8_digits.png",
    ]


def of_sweep(experiment):
    """A made-up record for each cell of a sweep, with the config and the choices that train.py
    would record."""
    params = {
        name: values
        for name, values in sweep(experiment)[1].sweeper.params.items()
        if name != "seed"
    }
    for values in product(*(str(several).split(",") for several in params.values())):
        job, hydra = sweep(experiment, *map("=".join, zip(params, values, strict=True)), "seed=0")
        content = labelled(run_id="-".join([experiment, *values]), dataset=job.dataset.name)
        content["config"] = OmegaConf.to_container(job, resolve=True)
        content["choices"] = dict(hydra.runtime.choices)
        yield content


@pytest.mark.parametrize("is_small", [False, True])
@pytest.mark.slow
def test_the_sweeps_of_chapter_4_are_the_lines_of_its_tables_and_comparable(is_small):
    names = [
        name
        for name in options("experiment")
        if name.startswith("table_4_") and name.endswith("_small") == is_small
    ]
    found = [content for name in names for content in of_sweep(name)]
    dataset = "digits" if is_small else "cifar10"
    (part,) = table(TABLES["4-1"], found, [dataset]).parts
    shown = {(cell.line.key, cell.line.labels) for cell in part.cells if cell.chosen}
    variants = {("ac_gan_weak", "dynamic"), ("ac_gan_weak", "predefined")}
    variants |= {("ac_gan_original", "dynamic"), ("ac_gan_original", "predefined")}
    lines = {(line.key, line.labels) for line in TABLES["4-1"].lines}
    assert shown == (
        lines - variants
        if is_small
        else {line for line in lines if line != ("ac_gan_weak", "dynamic")}
    )
    assert ("generator steps (thesis: 1,000,000)" in part.small_scale) == is_small
    (wide,) = table(TABLES["4-3"], found, [dataset]).parts
    assert [cell.line.text for cell in wide.cells if cell.chosen] == (
        [] if is_small else ["AM-GAN (96 critic channels)"]
    )
