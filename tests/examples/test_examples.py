"""Every file of examples/ runs, and does what its first lines say."""

from __future__ import annotations

import csv
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mpmath import mp
from PIL import Image

from helpers.gan_runs import train

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {path.name for path in (ROOT / "examples").glob("*.py")}
SMALL = (
    "architecture.channels=8",
    "batch_size=16",
    "generator_batch_size=16",
    "n_critic=1",
    "evaluation=off",
)


def example(name: str, *arguments: str, cwd: Path) -> str:
    """What it prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    """A finished run of two steps."""
    return train(tmp_path_factory.mktemp("example") / "run", *SMALL, "max_generator_steps=2")


@pytest.mark.parametrize("t", [-25.0, 0.5, 25.0])
def test_own_loss_is_exact_at_large_logits(t, monkeypatch):
    """log(1 + e^t)^2 in 40 digits; torch's softplus gives t itself above 20."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    own_loss = importlib.import_module("own_loss")
    with mp.workdps(40):
        expected = float(mp.log1p(mp.exp(t)) ** 2)
    value = own_loss.phi(torch.tensor(t, dtype=torch.float64)).item()
    assert value == pytest.approx(expected, rel=1e-14, abs=0)


@pytest.mark.slow
def test_own_loss(tmp_path):
    example("own_loss.py", *SMALL, "max_generator_steps=2", "run_dir=run", cwd=tmp_path)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["status"] == "finished"
    assert record["config"]["loss"]["_target_"] == "own_loss.squared_softplus"


@pytest.mark.slow
def test_maxgp_in_your_own_loop(tmp_path):
    out = example("maxgp_in_your_own_loop.py", "--steps=20", cwd=tmp_path)
    assert out.startswith("k = ")
    assert float(out.split("circle ")[1]) < 2


@pytest.mark.slow
def test_adashift_on_a_classifier(tmp_path):
    lines = example("adashift_on_a_classifier.py", "--epochs=2", cwd=tmp_path).splitlines()
    accuracies = {line.split()[0]: float(line.split()[3].rstrip(",")) for line in lines}
    assert accuracies.keys() == {"Adam", "AdaShift"}
    assert min(accuracies.values()) > 0.6


@pytest.mark.slow
def test_fid_of_two_folders(tmp_path):
    """Equal folders are at distance 0; a darker one is not."""
    rng = np.random.default_rng(0)
    for folder, brightness in (("real", 256), ("same", 256), ("dark", 128)):
        (tmp_path / folder).mkdir()
        for index in range(20):
            pixels = rng.integers(0, brightness, (32, 32, 3), dtype=np.uint8)
            if folder == "same":
                pixels = np.asarray(Image.open(tmp_path / "real" / f"{index}.png"))
            Image.fromarray(pixels).save(tmp_path / folder / f"{index}.png")
    same, dark = (
        float(example("fid_of_two_folders.py", "real", folder, cwd=tmp_path).split()[1].rstrip(":"))
        for folder in ("same", "dark")
    )
    assert same == pytest.approx(0, abs=1e-3)
    assert dark > 0.01


@pytest.mark.slow
def test_load_a_generator(run_dir, tmp_path):
    out = example("load_a_generator.py", str(run_dir), cwd=tmp_path)
    assert out.startswith("64 samples of digits, (1, 8, 8), mean pixel ")


def test_records_into_pandas(tmp_path, monkeypatch):
    """Without pandas: CSV. The committed records have a row each."""
    (tmp_path / "pandas.py").write_text("raise ImportError('no pandas here')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    out = example("records_into_pandas.py", str(ROOT / "results" / "records"), cwd=tmp_path)
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == len(list((ROOT / "results" / "records").glob("*.json")))
    assert {row["status"] for row in rows} <= {"finished", "diverged"}
    assert any(row["fid_classifier_10k_train"] for row in rows)


def test_records_into_pandas_with_pandas(tmp_path):
    pytest.importorskip("pandas")
    out = example("records_into_pandas.py", str(ROOT / "results" / "records"), cwd=tmp_path)
    assert "wasserstein" in out


def test_every_example_has_a_test():
    text = Path(__file__).read_text()
    assert {name for name in EXAMPLES if f'example("{name}"' not in text} == set()
