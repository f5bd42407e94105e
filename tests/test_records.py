"""record.json: its fields, its identity, its JSON; and where its numbers come from."""

from __future__ import annotations

import copy
import json
import math
import os
import subprocess
import typing
from datetime import datetime
from pathlib import Path

import pytest

from gan_lab import config, records
from gan_lab.config.schema import plain_config
from gan_lab.errors import DamagedFile, UserError
from gan_lab.reading.schema import misfit
from gan_lab.records.versions import VERSION
from helpers.gan_runs import CHANNELS, ROOT, SMALL, compose, metrics, train

OLD = sorted((ROOT / "tests/fixtures/old_runs").glob("*/record.json"))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return train(tmp_path_factory.mktemp("records") / "run", "max_generator_steps=3", "log_every=2", "seed=7",
                 "loss=logistic", "n_critic=2")  # fmt: skip


def strict(path: Path):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


# Of a run -----------------------------------------------------------------------------------------


OF_STUDIES = {"steps", "drawn"}
OF_RUNS = sorted(typing.get_type_hints(records.Content).keys() - OF_STUDIES)


@pytest.mark.parametrize("field", OF_RUNS)
def test_every_field_is_there_and_of_its_type(field, run_dir):
    content = strict(run_dir / "record.json")
    hint = typing.get_type_hints(records.Content, include_extras=True)[field]
    assert field in content
    assert misfit(content[field], hint) is None


def test_there_are_no_other_fields(run_dir):
    assert set(strict(run_dir / "record.json")) == set(OF_RUNS)


def test_what_a_run_was_and_what_came_of_it(run_dir):
    content = strict(run_dir / "record.json")
    assert (content["version"], content["status"], content["reason"]) == (VERSION, "finished", None)
    assert (content["seed"], content["precision"]) == (7, "32-true")
    assert (content["generator_steps"], content["critic_steps"], content["resumed_from_step"]) == (
        3,
        6,
        0,
    )
    assert content["images_seen"] == 6 * 16
    assert content["images_per_second"] == pytest.approx(
        content["images_seen"] / content["seconds"]
    )
    assert content["choices"]["loss"] == "logistic"
    assert content["choices"]["penalty"] == "maxgp"
    assert "loss=logistic" in content["command"]
    assert datetime.fromisoformat(content["created"]).utcoffset().total_seconds() == 0
    assert content["config_hash"] == records.config_hash(content["config"])
    assert content["config"]["architecture"]["channels"] == 8
    assert "$" not in json.dumps(content["config"])  # resolved
    assert content["last_metrics"] == {
        k: v for k, v in metrics(run_dir)[-1].items() if k != "generator_step"
    }
    assert content["peak_memory_bytes"] > 1e6
    assert (content["extractor"], content["scores"]) == (None, {})
    assert content["packages"]["torch"] == __import__("torch").__version__.split("+")[0]
    assert content["hardware"]["device"]


def test_the_numbers_of_parameters_are_those_of_the_exported_files(run_dir):
    from safetensors import safe_open

    content = strict(run_dir / "record.json")
    with safe_open(run_dir / "generator.safetensors", "pt") as file:
        sizes = {key: math.prod(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    assert content["parameters"]["generator"] == sum(
        n for key, n in sizes.items() if not key.endswith(buffers)
    )
    channels = 8  # by hand: a down block of 1 channel, two flat blocks, a linear layer
    down = (9 * 1 * channels + channels) + (9 * channels**2 + channels) + (1 * channels + channels)
    flat = 2 * (9 * channels**2 + channels)
    assert content["parameters"]["critic"] == down + 2 * flat + channels + 1


def test_the_data_are_identified(run_dir):
    import numpy as np

    from gan_lab.data import Digits, load

    told = strict(run_dir / "record.json")["dataset"]
    data = load(Digits(), None)
    assert told["name"] == "digits"
    assert told["content_hash"] == data.content_hash
    assert len(told["content_hash"]) == 64
    for split, loaded in data.splits.items():
        assert told["splits"][split] == len(loaded.values)
        assert told["label_histogram"][split] == [
            int(np.sum(loaded.labels == k)) for k in range(10)
        ]


def test_git_state_is_that_of_the_checkout(run_dir):
    told = strict(run_dir / "record.json")["git"]
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        assert told == {"sha": None, "dirty": None}
        return
    assert len(told["sha"]) == 40
    assert isinstance(told["dirty"], bool)


def test_a_record_knows_every_field_of_the_config():
    """Another one would be held against nothing."""
    assert set(typing.get_type_hints(records.Config)) == set(
        config.TrainConfig.__dataclass_fields__
    )


# Identity -----------------------------------------------------------------------------------------

SAME = ["run_dir=elsewhere", "log_every=3", "sample_every=3", "checkpoint_every=3", "keep_checkpoints=9",
        "logger=none", "diagnostics=stationarity", "trainer=cpu", "trainer=gpu", "trainer.devices=2", "data_cache=elsewhere"]  # fmt: skip
OTHER = ["seed=1", "loss=wasserstein", "loss.generator_objective=quadratic", "penalty.weight=3", "penalty=none", "n_critic=1",
         "optimizer.lr=1", "optimizer_critic.lr=1", "schedule=constant", "batch_size=32", "generator_batch_size=64",
         "ema_decay=0.5", "max_generator_steps=7", "architecture.channels=16", "trainer.precision=bf16-mixed",
         "dataset.seed=1"]  # fmt: skip


def hash_of(*overrides):
    return records.config_hash(plain_config(compose(CHANNELS, *SMALL, *overrides)))


@pytest.mark.parametrize("override", SAME)
def test_the_hash_ignores_places_cadences_loggers_and_devices(override):
    assert hash_of(override) == hash_of()


@pytest.mark.parametrize("override", OTHER)
def test_the_hash_tells_what_determines_the_result(override):
    assert hash_of(override) != hash_of()


def test_the_hash_ignores_where_the_data_stand():
    folder = ("dataset=image_folder", "dataset.name=mine")
    assert hash_of(*folder, "dataset.root=/a") == hash_of(*folder, "dataset.root=/b")
    assert hash_of(*folder, "dataset.root=/a") != hash_of(
        "dataset=image_folder", "dataset.name=his", "dataset.root=/a"
    )


def test_every_field_of_the_config_is_either_identity_or_not():
    """A new field is identity unless somebody decides otherwise."""
    kept = set(records.identity(plain_config(compose())))
    left = {
        "labels",  # none: what there was before the group
        "supervision",  # full, likewise
        "run_dir",
        "resume",
        "existing_run",
        "evaluation",
        "evaluate_every",
        "logger",
        "diagnostics",
        "data_cache",
        "keep_checkpoints",
        "checkpoint_every",
        "sample_every",
        "log_every",
    }
    assert kept == set(config.TrainConfig.__dataclass_fields__) - left


def test_identity_does_not_depend_on_the_order_of_keys_nor_change_its_input():
    whole = plain_config(compose())
    before = copy.deepcopy(whole)
    backwards = dict(reversed(whole.items()))
    assert records.config_hash(backwards) == records.config_hash(whole)
    assert whole == before


# The file -----------------------------------------------------------------------------------------


def test_update_is_atomic(tmp_path, monkeypatch):
    record = records.RunRecord(tmp_path, {"version": VERSION})
    record.update(status="running")
    before = record.path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        record.update(status="finished")
    assert record.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_numbers_that_are_not_finite_are_strings(tmp_path):
    record = records.RunRecord(tmp_path, {})
    record.update(
        last_metrics={"a": math.nan, "b": math.inf, "c": 1.0}, scores={"s": {"value": -math.inf}}
    )
    content = strict(record.path)
    assert content["last_metrics"] == {"a": "nan", "b": "inf", "c": 1.0}
    assert content["scores"] == {"s": {"value": "-inf"}}


@pytest.mark.parametrize("fields", [{"stauts": "running"}, {"status": "done"}])
def test_unknown_fields_and_statuses_are_refused(fields, tmp_path):
    record = records.RunRecord(tmp_path, {})
    with pytest.raises(KeyError):
        record.update(**fields)
    assert not record.path.exists()


def test_read_gives_back_what_was_written(run_dir):
    assert records.read(run_dir).content == strict(run_dir / "record.json")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"schema": 999}', '"text"'])
def test_what_is_no_record_is_refused_in_one_line(text, tmp_path):
    if text is not None:
        (tmp_path / "record.json").write_text(text)
    with pytest.raises(UserError) as refused:
        records.read(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


# Files that somebody else wrote -------------------------------------------------------------------


OF_A_SCORE = '"std": null, "n_samples": 1, "step": 1'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('"seconds": 1e999', "seconds is Infinity, and must be a number"),
        ('"seconds": NaN', "seconds is NaN"),
        ('"scores": [1]', "scores is a list of 1, and must be a mapping"),
        ('"scores": {"s": {"std": null}}', "scores.s has no extractor, n_samples, step, value"),
        (f'"scores": {{"s": {{"value": [], {OF_A_SCORE}, "extractor": {{}}}}}}', 'scores.s.value is a list of 0, and must be a number or "nan"'),
        (f'"scores": {{"s": {{"value": 1, {OF_A_SCORE}, "extractor": {{"architecture": {{}}}}}}}}', "has no name"),
        ('"config": "abc"', 'config is "abc", and must be a mapping'),
        ('"config": {"n_critic": 1.5}', "config.n_critic is 1.5, and must be a whole number"),
        ('"config": {"penalty": {"weight": "heavy"}}', 'penalty.weight is "heavy", and must be a number or null'),
        ('"config": {"loss": ["exp"]}', "config.loss is a list of 1"),
        ('"history": {"s": [[1, 2, 3]]}', r"history.s\[0\] is a list of 3, and must be a list of a whole number and"),
        ('"history": {"s": 3}', "history.s is 3, and must be a list"),
        ('"parts": [{"from_step": -1, "git": {}}]', r"parts\[0\].from_step is -1, and must be between 0"),
        ('"parts": [{"from_step": 0}]', r"parts\[0\] has no git"),
        ('"git": {"sha": 5, "dirty": false}', "git.sha is 5, and must be a text or null"),
        ('"dataset": {"name": "digits"}', "dataset has no content_hash"),
        ('"dataset": null', "dataset is null, and must be a mapping"),
        ('"generator_steps": true', "generator_steps is true, and must be a whole number"),
        (f'"generator_steps": {"9" * 400}', "generator_steps is a number of more than 40 digits"),
        ('"reason": "\\ud800"', "reason is .*must be a text"),
        ('"\\ud800": 1', "which is no text"),
        ('"command": "train.py"', "command is .*must be a list"),
        ('"choices": {"loss": null}', "choices.loss is null, and must be a text"),
        (f'"config": {{"x": {"[" * 100}{"]" * 100}}}', "is nested too deeply"),
        (f'"config": {"[" * 10**5}', "is nested too deeply"),
        (f'"reason": "{"long" * 1000}\\ud800"', "reason is .{60,90}must be a text"),
    ],
)  # fmt: skip
def test_an_odd_record_is_refused_once_by_the_name_of_the_field(change, words, tmp_path):
    (tmp_path / "record.json").write_text(
        f'{{"version": {VERSION}, "status": "finished", {change}}}'
    )
    with pytest.raises(DamagedFile, match=f"^{tmp_path / 'record.json'} .*{words}") as refused:
        records.read(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "huge"])
def test_a_record_that_never_ends_is_refused_at_once(target, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "record.json").symlink_to(tmp_path / target)
    with pytest.raises(
        DamagedFile, match=r"record\.json (is no regular file|has 1,099,511,627,776 bytes)"
    ):
        records.read_content(tmp_path / "record.json")
    with pytest.raises(UserError, match=r"record\.json is a link"):
        records.read(tmp_path)


def test_a_field_that_is_needed_and_missing_is_named(tmp_path):
    (tmp_path / "record.json").write_text(f'{{"version": {VERSION}}}')
    with pytest.raises(UserError, match=r"record\.json is damaged: it has no status; restore it"):
        _ = records.read(tmp_path)["status"]


@pytest.mark.parametrize(
    "path", [*OLD, *(ROOT / "results/records").glob("*.json")], ids=lambda path: path.name
)
def test_records_that_runs_wrote_are_read(path):
    assert records.read_content(path)["status"] in records.STATUSES


def test_an_error_of_the_user_is_one_line_of_a_bounded_length():
    """Whatever the value that it names."""
    assert str(UserError("x=a\nb\u2028c: choose d")) == "x=a b c: choose d"
    long = str(UserError(f"x={'9' * 10**6}: choose d"))
    assert len(long) < 4000
    assert (long[:3], long[-10:]) == ("x=9", ": choose d")
