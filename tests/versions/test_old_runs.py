"""Runs of version 1, as people have them (tests/fixtures/old_runs): they go on, are scored, drawn
and tabulated."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import gan_lab
import gan_lab.penalties
from gan_lab import config, records, reporting
from gan_lab.architectures import dcgan
from gan_lab.config import signature
from gan_lab.errors import UserError
from gan_lab.penalties import maxgp
from gan_lab.records import versions
from gan_lab.records.versions import VERSION, Since
from gan_lab.reporting import collect, read_records
from helpers.gan_runs import ROOT, command, is_refusal, record, resume, train

OLD = ROOT / "tests/fixtures/old_runs"
INTERRUPTED = ("interrupted", "labels_interrupted")
SCORED = (
    "evaluation.samples=200", "evaluation.splits=2", "evaluation.msssim_images=4",
    "evaluation.extractor.recipe.network.width=8", "evaluation.extractor.recipe.epochs=2",
)  # fmt: skip
EXP = (
    "evaluate_every=10", "architecture.channels=4",
    "architecture.latent_dim=8", "batch_size=16", "generator_batch_size=16", "n_critic=2", "optimizer.lr=2e-3",
    "penalty.weight=1", "ema_decay=0.99", "max_generator_steps=20", "checkpoint_every=10", "sample_every=10",
    "log_every=2", "trainer=cpu",
)  # fmt: skip


@pytest.fixture
def old(tmp_path, data_cache, monkeypatch):
    """old(name): a copy of an old run, where it was made: in outputs/ of the working directory."""
    data_cache.mkdir(exist_ok=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/cache").symlink_to(
        data_cache
    )  # shared by the tests: the classifier is trained once
    monkeypatch.chdir(tmp_path)
    return lambda name: Path(shutil.copytree(OLD / name, Path("outputs") / name))


def deviation(run_dir: Path, expected: Path) -> float:
    """Of the generator's parameters and statistics, relative to their norm."""
    ours, theirs = (load_file(path) for path in (run_dir / "generator.safetensors", expected))
    assert ours.keys() == theirs.keys()
    names = [name for name, value in theirs.items() if value.is_floating_point()]
    difference, norm = (
        torch.cat(
            [
                (part[name] - (theirs[name] if part is ours else 0)).double().flatten()
                for name in names
            ]
        ).norm()
        for part in (ours, theirs)
    )
    return float(difference / norm)


def test_the_fixtures_hold_no_place_of_the_machine_that_made_them():
    for path in OLD.rglob("*"):
        if path.suffix in (".json", ".yaml", ".jsonl"):
            assert "/tmp" not in path.read_text()
            assert "/home" not in path.read_text()
    assert sum(path.stat().st_size for path in OLD.rglob("*") if path.is_file()) < 300_000


# Going on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INTERRUPTED)
def test_an_interrupted_run_ends_as_its_own_version_would_have_ended_it(name, old):
    run_dir = old(name)
    before = record(run_dir)
    resume(run_dir)
    assert deviation(run_dir, OLD / f"{name}_expected.safetensors") < 1e-2
    after = record(run_dir)
    assert (after["status"], after["resumed_from_step"], after["version"]) == (
        "finished",
        10,
        VERSION,
    )
    assert "schema" not in after
    assert after["config_hash"] == records.config_hash(before["config"])
    assert_goes_on_as_it_was_scored(before, after)
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["version"] == VERSION


def assert_goes_on_as_it_was_scored(before, after):
    """Every curve has its second point; but AM Score is of all samples now, which is another score
    with a new name."""
    known = versions.renamed(before["history"])
    assert all(name.startswith("am_") for name in after["history"].keys() - known.keys())
    assert known.keys() <= after["history"].keys()
    assert all(
        len(points) == 2 for name, points in after["history"].items() if not name.startswith("am_")
    )


def test_an_old_run_that_went_on_with_another_constant_would_be_seen(old, monkeypatch):
    """The tolerance above tells: batch norm with eps 1e-3 instead of the 1e-5 it began with ends
    elsewhere."""
    run_dir = old("labels_interrupted")
    layer = dcgan.BatchNorm2d
    monkeypatch.setattr(
        dcgan, "BatchNorm2d", lambda *given, **named: layer(*given, **named | {"eps": 1e-3})
    )
    resume(run_dir)
    assert deviation(run_dir, OLD / "labels_interrupted_expected.safetensors") > 2e-2


def test_a_sweep_passes_over_an_old_run_that_has_finished(old, capsys):
    run_dir = old("finished")
    before = (run_dir / "record.json").read_bytes()
    train(run_dir, *EXP, "existing_run=resume", small=False)
    assert "finished before, passed over" in capsys.readouterr().out
    assert (run_dir / "record.json").read_bytes() == before


def test_a_sweep_goes_on_with_an_old_run_and_scores_it_as_before(old):
    run_dir = old("interrupted")
    before = record(run_dir)
    train(run_dir, *EXP, "seed=1", "existing_run=resume", small=False)
    after = record(run_dir)
    assert (after["status"], after["resumed_from_step"]) == ("finished", 10)
    assert_goes_on_as_it_was_scored(before, after)
    assert deviation(run_dir, OLD / "interrupted_expected.safetensors") < 1e-2


def test_a_sweep_goes_on_with_an_old_run_scored_as_it_is_asked(old):
    run_dir = old("interrupted")
    train(run_dir, *EXP, "seed=1", "existing_run=resume", "evaluation=off", small=False)
    assert record(run_dir)["scores"] == {}


def test_a_field_that_is_invented_changes_nothing_of_an_old_run(old, monkeypatch):
    """In the table it is filled in, has no part in the hash, and the checkpoint is of the run."""
    run_dir = old("interrupted")
    text = (run_dir / "config.yaml").read_text()
    (run_dir / "config.yaml").write_text(text.replace("  memory: 0\n", ""))
    content = record(run_dir)
    del content["config"]["penalty"]["memory"]
    (run_dir / "record.json").write_text(json.dumps(content))
    monkeypatch.setitem(
        versions.FIELD_DEFAULTS, "penalty.memory", Since(2, 0, ("MaxGradientPenalty",))
    )
    monkeypatch.setitem(versions.FIELD_DEFAULTS, "keep_checkpoints", Since(2, 2))
    saved = config.saved_config(run_dir, "resume")
    assert (saved.penalty.memory, saved.keep_checkpoints) == (0, 1)
    resume(run_dir)
    assert deviation(run_dir, OLD / "interrupted_expected.safetensors") < 1e-2
    assert record(run_dir)["config"]["penalty"]["memory"] == 0
    assert record(run_dir)["config_hash"] == records.config_hash(content["config"])


def test_an_old_run_goes_on_after_a_class_of_its_config_has_moved(old, tmp_path, monkeypatch):
    """MaxGradientPenalty in a module of its own, no longer where the old config says."""
    run_dir = old("interrupted")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/moved.py").write_text(inspect.getsource(maxgp))
    monkeypatch.setattr(
        gan_lab.penalties, "__path__", [*gan_lab.penalties.__path__, str(tmp_path / "more")]
    )
    found = signature._path
    place = tmp_path / "more/moved.py"
    monkeypatch.setattr(
        signature, "_path", lambda name: place if name == "gan_lab.penalties.moved" else found(name)
    )
    monkeypatch.delattr(gan_lab.penalties, "MaxGradientPenalty")
    before, after = (
        "gan_lab.penalties.MaxGradientPenalty",
        "gan_lab.penalties.moved.MaxGradientPenalty",
    )
    monkeypatch.setitem(versions.MOVED, before, after)
    old_hash = records.config_hash(record(run_dir)["config"])
    resume(run_dir)
    assert deviation(run_dir, OLD / "interrupted_expected.safetensors") < 1e-2
    assert record(run_dir)["config"]["penalty"]["_target_"] == after
    assert record(run_dir)["config_hash"] == old_hash


def test_a_score_that_is_renamed_goes_on_under_its_new_name(old, monkeypatch):
    run_dir = old("interrupted")
    before = record(run_dir)["history"]
    monkeypatch.setitem(versions.RENAMED_SCORES, "is_classifier_100_2x", "old_is")
    resume(run_dir, "evaluation=off")
    after = record(run_dir)["history"]
    assert after["old_is"] == before["is_classifier_100_2x"]
    assert after["old_is.marginal_entropy"] == before["is_classifier_100_2x.marginal_entropy"]
    assert len(after) == len(before)


# Scored, drawn, tabulated -------------------------------------------------------------------------


def test_an_old_run_is_scored_again_collected_and_stands_in_one_table_with_a_new_one(old, capsys):
    run_dir = old("finished")
    before = record(run_dir)
    ended = command(capsys, f"run_dir={run_dir}", *SCORED, program="scripts/evaluate.py")
    assert ended.code == 0, ended
    again = record(run_dir)
    assert versions.renamed(before["scores"]).keys() <= again["scores"].keys()
    assert again["scores"]["fid_classifier_200_train"]["step"] == 20

    new = train(
        Path("outputs/new"),
        *EXP,
        *SCORED,
        "evaluation.samples_in_training=100",
        "seed=2",
        small=False,
    )
    one, two = again["config"], record(new)["config"] | {"seed": again["seed"]}
    assert records.config_hash(one) == records.config_hash(two)
    said: list[str] = []
    collect([Path("outputs")], Path("records"), ["dirty"], said.append)
    found = read_records(Path("records"), allow=["dirty"])
    assert len(found) == 2, said
    table = reporting.table(reporting.TABLES["2-2"], found, ["digits"], {})
    (cell,) = [cell for part in table.parts for cell in part.cells if cell.searched]
    assert sorted(len(score.values) for score in cell.scores.values() if score) == [2, 2]


def test_an_old_run_is_drawn_from(old, capsys):
    run_dir = old("finished")
    ended = command(capsys, f"run_dir={run_dir}", "n=4", program="scripts/sample.py")
    assert ended.code == 0, ended
    assert (run_dir / "samples/n4_seed0.png").is_file()


def test_the_committed_records_are_read_and_stand_in_their_tables():
    found = read_records(ROOT / "results/records")
    for name in ("2-2", "4-1"):
        mine = [
            one
            for one in found
            if one["choices"].get("experiment") == f"table_{name.replace('-', '_')}_small"
        ]
        assert reporting.table(reporting.TABLES[name], mine, ["digits"], {}).parts


# Newer --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["record.json", "config.yaml"])
@pytest.mark.parametrize(
    "line", ["train.py resume={}", "scripts/evaluate.py run_dir={}", "scripts/sample.py run_dir={}"]
)
def test_a_run_of_a_newer_version_is_refused(name, line, old, capsys):
    run_dir = old("finished")
    path = run_dir / name
    if name == "record.json":
        path.write_text(json.dumps(record(run_dir) | {"version": VERSION + 1}))
    else:
        path.write_text(f"version: {VERSION + 1}\n{path.read_text()}")
    kept = {file: file.read_bytes() for file in run_dir.rglob("*") if file.is_file()}
    program, *arguments = line.format(run_dir).split()
    is_refusal(
        command(capsys, *arguments, program=program),
        name,
        f"version {VERSION + 1}",
        "update gan_lab",
    )
    assert kept == {
        file: file.read_bytes()
        for file in run_dir.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


def test_a_record_of_a_newer_version_is_not_collected(old):
    run_dir = old("finished")
    (run_dir / "record.json").write_text(json.dumps(record(run_dir) | {"version": VERSION + 1}))
    said: list[str] = []
    with pytest.raises(UserError, match="every record was refused"):
        collect([run_dir], Path("records"), report=said.append)
    assert "update gan_lab" in said[0]
