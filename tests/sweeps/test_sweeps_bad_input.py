"""A sweep that cannot begin says so in one line, and leaves no list of cells."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

from helpers.sweep_runs import sweep

BAD = [
    (["hydra/launcher=joblb"], ["hydra/launcher=joblb", "joblib"]),
    (["hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], ["n_jobs=0", "at least 1"]),
    (
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=two"],
        ["n_jobs=two: use a whole number of at least 1, or -1"],
    ),
    (["hydra/launcher=joblib", "hydra.launcher.gpus=1"], ["gpus=1", "[0,1]"]),
    (["hydra/launcher=joblib", "hydra.launcher.gpus=[]"], ["gpus=[]", "[0,1]"]),
    (["hydra/launcher=joblib", "hydra.launcher.gpus=[0,-1]"], ["gpus=-1", "at least 0"]),
    (["hydra/launcher=joblib", "penlty.weight=1,2"], ["penlty.weight", "penalty"]),
]
if importlib.util.find_spec("ray") is None:
    BAD.append((["hydra/launcher=ray"], ["package ray", "pip install"]))
else:
    BAD.append((["hydra/launcher=ray", "hydra.launcher.cpus_per_cell=-1"], ["cpus_per_cell=-1"]))
    BAD.append((["hydra/launcher=ray", "hydra.launcher.gpus_per_cell=nan"], ["gpus_per_cell=nan"]))
if importlib.util.find_spec("submitit") is None:
    BAD.append((["hydra/launcher=submitit_slurm"], ["package submitit", "pip install"]))
else:
    BAD.append(
        (["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=0"], ["timeout_min=0"])
    )
    BAD.append(
        (
            ["hydra/launcher=submitit_local", "+hydra.launcher.slurm.partitoin=a"],
            ["submitit", "partitoin"],
        )
    )
    if shutil.which("srun") is None:
        BAD.append((["hydra/launcher=submitit_slurm"], ["srun", "hydra/launcher=joblib"]))


@pytest.mark.parametrize(
    ("overrides", "words"), BAD, ids=[" ".join(overrides) for overrides, _ in BAD]
)
def test_refused_in_one_line(overrides, words, tmp_path):
    code, out, err = sweep(tmp_path, *overrides, "seed=0,1")
    assert code == 1
    (line,) = err.splitlines()
    assert all(word in line for word in ["error: ", *words])
    assert "waiting" not in out
    assert not (tmp_path / "sweep/.cells").exists()


def test_several_devices_in_the_process_of_a_sweep_are_refused_with_the_command_that_works(
    tmp_path,
):
    """Every job leaves its record, as refused jobs of a sweep do."""
    line = (
        "trainer=ddp",
        "trainer.accelerator=cpu",
        "trainer.devices=2",
        "batch_size=8",
        "generator_batch_size=16",
    )
    code, out, err = sweep(tmp_path, *line, "seed=3,4")
    assert code == 1
    assert "hydra/launcher=joblib hydra.launcher.n_jobs=1" in err
    assert "seed=3 run_dir=sweep/0" in err
    assert "Traceback" not in err
    assert "sweep: 2 cells: 2 failed" in out
    assert not list(tmp_path.rglob("config.yaml"))
