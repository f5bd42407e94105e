"""Thousands of files with something odd in them: each ends in a result or in one line, in bounded
time and memory."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from hypothesis import strategies as st
from rich.console import Console

from gan_lab import build, reporting, sweeps
from gan_lab.callbacks import Checkpoint, check_fits, load_newest
from gan_lab.data import Digits, load
from gan_lab.errors import UserError
from gan_lab.metrics import frechet_distance, load_reference
from gan_lab.reporting import collect, read_records
from gan_lab.runs import saved
from gan_lab.runs.sampler import data_spec
from gan_lab.scoring.evaluator import _read
from gan_lab.sweeps.table import status_table
from gan_lab.training.host import keep_freed_memory
from helpers.fuzzing import MANY, ODD, fuzz, mutated, torn
from helpers.gan_runs import train

ALL = ["dirty", "commits", "unfinished"]
ODD_VALUE = st.sampled_from(ODD)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with scores, of which everything stands in its record."""
    scored = (
        "evaluation=classifier",
        "evaluation.samples=40",
        "evaluation.samples_in_training=40",
    )
    scored += ("evaluation.splits=2", "evaluate_every=2", "evaluation.scores=[is,fid]")
    return train(tmp_path_factory.mktemp("finished") / "run", "max_generator_steps=4", *scored)


@pytest.fixture
def run_dir(finished, tmp_path):
    """A copy of it below a folder of a sweep."""
    return Path(shutil.copytree(finished, tmp_path / "sweep/0"))


def odd_text(data, path: Path, whole: bytes) -> None:
    """A JSON file with something odd in it."""
    if data.draw(st.booleans()):
        path.write_bytes(json.dumps(mutated(data, json.loads(whole), ODD_VALUE)).encode())
    else:
        path.write_bytes(torn(data, whole))


@MANY
def test_records(files, run_dir, tmp_path):
    """In a sweep's table, collected, and in a table of the thesis."""
    path, whole = run_dir / "record.json", (run_dir / "record.json").read_bytes()
    good = Path(shutil.copytree(run_dir, tmp_path / "sweep/1")) / "record.json"
    good.write_text(json.dumps(json.loads(whole) | {"seed": 1, "run_id": "good"}))

    def one(data):
        odd_text(data, path, whole)
        cells = sweeps.read_cells(tmp_path / "sweep")
        assert [cell.run_dir.name for cell in cells] == ["0", "1"]
        assert cells[1].state == "finished"
        sweeps.closing_report(tmp_path / "sweep", cells)
        Console(file=io.StringIO()).print(status_table("sweep", cells))
        out = tmp_path / "records"
        shutil.rmtree(out, ignore_errors=True)
        collect([tmp_path / "sweep"], out, ALL, report=lambda line: None, replace=True)
        found = read_records(out, None, ALL, report=lambda line: None)
        assert any(one["run_id"] == "good" for one in found)
        reporting.to_markdown(
            reporting.sheet(reporting.table(reporting.TABLES["2-2"], found, None, {}))
        )

    fuzz(files, one)


@MANY
def test_records_and_metrics_in_a_table_and_curves_of_any_sweep(files, run_dir, tmp_path):
    good = Path(shutil.copytree(run_dir, tmp_path / "sweep/1")) / "record.json"
    good.write_text(json.dumps(json.loads(good.read_bytes()) | {"seed": 1, "run_id": "good"}))
    wholes = {name: (run_dir / name).read_bytes() for name in ("record.json", "metrics.jsonl")}

    def one(data):
        name = data.draw(st.sampled_from(sorted(wholes)))
        for path, whole in wholes.items():
            (run_dir / path).write_bytes(whole)
        (run_dir / name).write_bytes(torn(data, wholes[name]))
        if name == "record.json":
            odd_text(data, run_dir / name, wholes[name])
        axes = reporting.Axes(("loss",), ("penalty.weight",), ("dataset",))
        with suppress(UserError):
            found = reporting.read_runs([tmp_path / "sweep"], report=lambda line: None)
            assert any(run.record["run_id"] == "good" for run in found.runs)
            sheet = reporting.sweep_sheet(
                reporting.sweep_table(found, axes, ["is"], {"loss": "exp"})
            )
            for written in (reporting.to_markdown, reporting.to_csv, reporting.to_latex):
                written(sheet)
        with suppress(UserError):
            found = reporting.read_runs([tmp_path / "sweep"], report=lambda line: None)
            reporting.sweep_curves(
                found, reporting.Axes(("loss",), facet=("dataset",)), ["is", "critic_loss"]
            )

    fuzz(files, one)


def drawn_from(run_dir):
    """As scripts/sample.py makes the generator."""
    run = saved.open_run(run_dir)
    spec = data_spec(run)
    saved.check_generator(run, spec)
    gan = build.gan(run.config, spec)
    saved.load_generator(gan, run)
    gan.sample(2, torch.Generator().manual_seed(0))


@MANY
def test_descriptions_of_a_generator(files, run_dir):
    path, whole = run_dir / "generator.json", (run_dir / "generator.json").read_bytes()

    def one(data):
        odd_text(data, path, whole)
        drawn_from(run_dir)

    fuzz(files, one)


@MANY
def test_configs(files, run_dir):
    path, whole = run_dir / "config.yaml", (run_dir / "config.yaml").read_bytes()
    content = yaml.safe_load(whole)

    def one(data):
        if data.draw(st.booleans()):
            path.write_text(
                yaml.safe_dump(mutated(data, content, ODD_VALUE), allow_unicode=True),
                errors="replace",
            )
        else:
            path.write_bytes(torn(data, whole))
        drawn_from(run_dir)

    fuzz(files, one)


def _odd_tensors():
    big = torch.zeros(1).expand(10**6, 10**6)
    return [torch.zeros(0), torch.zeros(3), torch.tensor(torch.nan), torch.zeros(2, 3, dtype=torch.int64), big,
            torch.zeros(2, 2).to_sparse(), torch.zeros(2, dtype=torch.complex64)]  # fmt: skip


@MANY
def test_checkpoints(files, run_dir):
    """As resume= loads them, into networks and optimizers, and as evaluate.py does."""
    path = run_dir / "checkpoints/step_4.ckpt"
    whole, state = path.read_bytes(), torch.load(path, weights_only=True)
    run = saved.open_run(run_dir)
    spec = data_spec(run)
    gan = build.gan(run.config, spec)
    values = ODD_VALUE | st.sampled_from(_odd_tensors())

    def one(data):
        if data.draw(st.booleans()):
            file = io.BytesIO()
            torch.save(mutated(data, state, values), file)
            path.write_bytes(file.getvalue())
        else:
            path.write_bytes(torn(data, whole))
        path.with_name(path.name + ".sha256").write_text(
            hashlib.sha256(path.read_bytes()).hexdigest() + "\n"
        )
        saved.load_checkpoint_into(gan, run, path, build.make("evaluation", run.config.evaluation))
        file, found = load_newest(run_dir, print)
        check_fits(found, file, build.empty_gan(run.config, spec))
        optimizers = gan.configure_optimizers()
        gan._trainer = SimpleNamespace(
            optimizers=optimizers if isinstance(optimizers, list) else list(optimizers)
        )
        Checkpoint(run_dir, 1, 1, dict, found).on_fit_start(gan._trainer, gan)
        for param in [*gan.generator.parameters(), *gan.critic.parameters()]:
            param.grad = torch.zeros_like(param)
        for optimizer in gan._trainer.optimizers:
            optimizer.step()

    fuzz(files, one)


ARRAYS = [
    np.zeros(0), np.zeros(3), np.float64(1), np.array("text"), np.array([1j, 2, 3, 4]), np.full(4, np.nan), np.eye(4),
    np.full((4, 4), np.inf), -np.eye(4), np.triu(np.ones((4, 4))), np.full((4, 4), 1e300), np.full((4, 4), 1e-300),
    np.ones((4, 4, 4)), np.arange(4, dtype=np.int8), np.array([True] * 4), np.int64(-3),
    np.zeros((3000, 3000), np.float32),
    np.frombuffer(b"[" * 10**5, np.uint8), np.frombuffer(b"{}", np.uint8), np.frombuffer(b'{"marginal": 3}', np.uint8),
    np.frombuffer(b'{"marginal": [1e999]}', np.uint8), np.zeros(2**20),
]  # fmt: skip


@MANY
def test_statistics(files, tmp_path):
    """Named by the user and in the cache."""
    meta = np.frombuffer(b'{"marginal": [0.5, 0.5]}', np.uint8)
    arrays = {"mu": np.zeros(4), "sigma": np.diag([1.0, 2, 0, 3]), "n": np.int64(9), "meta": meta}
    path = tmp_path / "theirs.npz"

    def one(data):
        made = dict(arrays)
        for name in data.draw(
            st.lists(st.sampled_from(["mu", "sigma", "n", "meta", "other"]), max_size=3)
        ):
            made[name] = data.draw(st.sampled_from(ARRAYS))
        (np.savez_compressed if data.draw(st.booleans()) else np.savez)(path, **made)
        if data.draw(st.booleans()):
            path.write_bytes(torn(data, path.read_bytes()))
        known = _read(path, {}, 2)
        assert (
            known is None
            or known.marginal.tolist() == [0.5, 0.5]
            or known.marginal.isfinite().all()
        )
        found = load_reference(path, None)
        assert frechet_distance(found, found).isfinite()

    fuzz(files, one)


@MANY
def test_cached_data(files, tmp_path):
    """Whatever the cache holds, the data are those of their source."""
    source = Digits()
    straight = load(source, tmp_path)
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    with np.load(path) as found:
        arrays = dict(found)
    values = st.sampled_from([*ARRAYS, *(array[::-1] for array in arrays.values())])

    def one(data):
        if data.draw(st.booleans()):
            np.savez(
                path,
                **(arrays | {data.draw(st.sampled_from([*arrays, "other"])): data.draw(values)}),
            )
        else:
            path.write_bytes(torn(data, whole))
        again = load(source, tmp_path)
        assert again.spec == straight.spec
        for name, split in straight.splits.items():
            assert np.array_equal(again.splits[name].values, split.values)
            assert np.array_equal(again.splits[name].labels, split.labels)

    fuzz(files, one)


STATISTICS = {
    "dataset": "digits", "content_hash": "d1", "extractor": {"name": "classifier"}, "split": "train",
    "class_names": ["cat", "dog"], "marginal": [0.1, 0.9], "mean_entropy": [0.25, 1.0], "share_below_0.05": [0.5, 0],
    "entropies": {"edges": [0.0, 0.5, 1.0, 1.5], "histograms": [[3, 1, 0], [0, 2, 2]]},
}  # fmt: skip


@MANY
def test_statistics_of_real_images(files, tmp_path):
    """As Figure 4-4 draws them."""
    path, whole = tmp_path / "theirs.json", json.dumps(STATISTICS).encode()

    def one(data):
        odd_text(data, path, whole)
        reporting.draw("4-4", tmp_path / "out", reporting.Request(statistics=(path,)))

    fuzz(files, one)


def test_the_bar_is_a_bar():
    """What it must see: another exception, and a file that takes too much memory, also of what was
    freed before."""

    def other(data):
        raise KeyError("x")

    with pytest.raises(KeyError):
        fuzz(1, other)
    keep_freed_memory()
    np.ones(2**27)
    with pytest.raises(AssertionError, match="each"):
        fuzz(1, lambda data: np.ones(2**27))
