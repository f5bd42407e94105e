"""collect.py, tables.py and figures.py as programs without torch, and the sweep files they report on."""

from __future__ import annotations

import os
import subprocess
import sys
from math import prod

import pytest
from gan_runs import NO_TORCH, ROOT, Ended, compose
from hydra.core.hydra_config import HydraConfig
from made_up import record, run_dirs

from gan_lab.reporting import published


def script(name, *arguments, cwd):
    line = [sys.executable, "-c", NO_TORCH, str(ROOT / "scripts" / f"{name}.py"), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_from_runs_to_table_and_figures(tmp_path):
    runs = [record(loss, w, s, fid=2 + w) for loss in ("exp", "hinge") for w in (0.1, 1) for s in (0, 1)]
    run_dirs(tmp_path / "runs", *runs, record("sqrt", status="running", run_id="late"))
    collected = script("collect", "runs=runs", cwd=tmp_path)
    assert collected.code == 0, collected.err
    assert "refused: runs/late/record.json: unfinished" in collected.out
    assert len(list((tmp_path / "results" / "records").iterdir())) == 8
    written = script("tables", "datasets=[digits]", "select={config.max_generator_steps:1000}", cwd=tmp_path)
    assert written.code == 0, written.err
    assert sorted(p.name for p in (tmp_path / "results" / "tables").iterdir()) == [
        f"table_2_2_digits.{suffix}" for suffix in ("csv", "md", "tex")
    ]
    assert (tmp_path / "results" / "tables" / "table_2_2_digits.md").read_text() in written.out
    drawn = script("figures", "figure=[2-7,2-15]", cwd=tmp_path)
    assert drawn.code == 0, drawn.err
    assert "passed over: figure 2-15" in drawn.out
    assert sorted(p.name for p in (tmp_path / "results" / "figures").iterdir()) == ["figure_2_7.csv", "figure_2_7.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "runs"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("collect", [], "runs is not set"),
        ("collect", ["runs=.", "allow=[drity]"], "choose from dirty, unfinished"),
        ("collect", ["run=."], "run: there is no such field; did you mean 'runs'?"),
        ("tables", ["+tabel=2-2"], "tabel: there is no such field; did you mean 'table'?"),
        ("figures", [], "figure is not set"),
    ],
)
def test_bad_input_is_one_line(name, arguments, words, tmp_path):
    ended = script(name, *arguments, cwd=tmp_path)
    lines = [line for line in ended.err.splitlines() if not line.startswith("Error executing job with")]
    assert ended.code == 1, ended
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: ")
    assert words in lines[0]
    assert list(tmp_path.iterdir()) == []


# The sweeps -----------------------------------------------------------------------------------------------------------

CELLS = {"table_2_2": 2 * 6 * 4 * 3, "table_2_2_wgan_gp": 3, "table_2_2_small": 6 * 2 * 2}


def sweep(experiment, *overrides):
    """The job's config and Hydra's own."""
    return compose(f"experiment={experiment}", *overrides), HydraConfig.get()


@pytest.mark.parametrize("experiment", CELLS)
def test_a_sweep_file_is_a_multirun_of_the_right_size_that_can_be_interrupted(experiment):
    job, hydra = sweep(experiment)
    assert hydra.mode.name == "MULTIRUN"
    assert prod(len(str(values).split(",")) for values in hydra.sweeper.params.values()) == CELLS[experiment]
    assert job.existing_run == "resume"
    assert hydra.sweep.dir.startswith("outputs/table_2_2")


def test_the_small_sweep_is_small_and_every_cell_has_a_folder_of_its_own():
    params = sweep("table_2_2_small")[1].sweeper.params
    folders = set()
    for loss in ("wasserstein", "hinge"):
        assert loss in params.loss
        for weight in params["penalty.weight"].split(","):
            job, hydra = sweep("table_2_2_small", f"loss={loss}", f"penalty.weight={weight}", "seed=1")
            assert job.max_generator_steps == 1000
            assert job.dataset.name == "digits"
            assert hydra.sweep.subdir == f"digits_{loss}_maxgp{weight}_seed1"
            folders.add(hydra.sweep.subdir)
    assert len(folders) == 4


def test_the_sweeps_are_the_lines_of_the_table():
    losses = {line.loss for line in published.TABLE_2_2.values()}
    job, hydra = sweep("table_2_2", "dataset=cifar10", "loss=exp", "penalty.weight=10", "seed=2")
    assert set(hydra.sweeper.params.loss.split(",")) == losses
    assert set(hydra.sweeper.params.dataset.split(",")) == set(published.DATASETS)
    assert hydra.sweep.subdir == "cifar10_exp_maxgp10_seed2"
    assert job.max_generator_steps == published.MAX_GENERATOR_STEPS
    assert job.architecture.channels == published.CHANNELS
    job, hydra = sweep("table_2_2_wgan_gp", "seed=1")
    line = published.TABLE_2_2["wgan_gp"]
    choices = hydra.runtime.choices
    assert (choices.loss, choices.penalty, choices.dataset) == (line.loss, line.penalty, "cifar10")
    assert job.penalty.weight == line.weight
    assert hydra.sweep.subdir == "cifar10_wasserstein_gp10.0_seed1"
