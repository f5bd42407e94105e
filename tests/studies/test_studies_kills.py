"""A study that ends at any moment: its record says so, and it goes on to the same numbers."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hydra.errors import CompactHydraException

from gan_lab import files
from gan_lab.errors import Interrupted, UserError
from gan_lab.files import checksum_path, sha256_of
from gan_lab.records import folder
from helpers.gan_runs import metrics, record
from helpers.study_runs import STEPS, before_each, is_the_same, study

STEP = "gan_lab.studies.gradient_uninformativeness.GradientUninformativeness.step"


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study that nobody disturbed."""
    return study(tmp_path_factory.mktemp("straight") / "run")


def stopped_at(
    monkeypatch: pytest.MonkeyPatch, step: int, run_dir: Path, ends: type | None
) -> None:
    """A study that a signal, or an error, ends before one of its steps."""

    def end(number: int) -> None:
        if number == step:
            os.kill(os.getpid(), signal.SIGTERM) if ends is None else raise_(ends)

    undo = before_each(monkeypatch, STEP, end)
    try:
        with pytest.raises(Interrupted if ends is None else ends):
            study(run_dir)
    finally:
        undo()


def raise_(kind: type) -> None:
    raise kind("made up")


def test_a_finished_study_leaves_record_config_and_metrics(straight):
    assert sorted(path.name for path in straight.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "metrics.jsonl",
        "record.json",
    ]
    assert not list((straight / "checkpoints").iterdir())
    about = record(straight)
    assert (about["status"], about["reason"], about["steps"]) == ("finished", None, STEPS)
    assert about["seconds"] > 0
    assert [line["generator_step"] for line in metrics(straight)] == [2, 4, 6, 8, 10, 11]
    assert set(about["scores"]) == {
        "optimum_error", "transport_agreement", "gradient_spread", "sign_changes",
    }  # fmt: skip
    assert {len(values) for values in about["drawn"].values()} == {241}
    assert {"parts", "git", "packages", "hardware", "command", "choices", "created"} <= set(about)
    assert [part["from_step"] for part in about["parts"]] == [0]


def test_a_kill_at_any_moment_loses_nothing(straight, tmp_path, monkeypatch):
    """Before every change of a file, what stands there is what a kill would leave."""
    run_dir, moments = tmp_path / "run", tmp_path / "moments"

    undo = [
        before_each(monkeypatch, f"os.{name}", lambda n, name=name: keep_named(name, n))
        for name in ("replace", "unlink")
    ]

    def keep_named(name: str, number: int) -> None:
        if run_dir.is_dir():
            unlocked = shutil.ignore_patterns("*.lock")  # the system drops the lock itself
            shutil.copytree(run_dir, moments / f"{name}{number}", ignore=unlocked)

    study(run_dir, "checkpoint_every=5")
    for back in undo:
        back()
    is_the_same(run_dir, straight)
    places = sorted(moments.iterdir())
    assert len(places) > 10
    for place in places:
        study(place, "existing_run=resume", "checkpoint_every=5")
        is_the_same(place, straight)
        half = [path for path in place.rglob("*") if path.name.endswith(".tmp")]
        assert not half, place


@pytest.mark.parametrize(
    ("ends", "status", "reason"),
    [
        (None, "interrupted", "SIGTERM"),
        (KeyboardInterrupt, "interrupted", "KeyboardInterrupt"),
        (MemoryError, "failed", "MemoryError: made up"),
    ],
)
def test_a_stopped_study_says_so_and_goes_on(
    ends, status, reason, straight, tmp_path, monkeypatch, capsys
):
    run_dir = tmp_path / "run"
    stopped_at(monkeypatch, 6, run_dir, ends)
    about = record(run_dir)
    assert (about["status"], about["reason"], about["steps"]) == (status, reason, 5)
    assert about["seconds"] > 0
    assert not list(run_dir.glob("*.lock"))
    if status == "interrupted":
        assert "existing_run=resume" in capsys.readouterr().out
    study(run_dir, "existing_run=resume")
    is_the_same(run_dir, straight)


def test_a_resumed_study_keeps_how_it_began(tmp_path, monkeypatch):
    """Its steps are of two parts, and each may be of other code."""
    run_dir = tmp_path / "run"
    stopped_at(monkeypatch, 6, run_dir, MemoryError)
    before = record(run_dir)
    dirty = {"sha": "0" * 40, "dirty": True}
    monkeypatch.setattr("gan_lab.records.provenance.git_state", lambda: dirty)
    study(run_dir, "existing_run=resume")
    after = record(run_dir)
    for field in ("run_id", "created", "git"):
        assert after[field] == before[field], field
    assert [part["from_step"] for part in after["parts"]] == [0, 3]
    assert after["parts"][0]["git"] == before["git"]
    assert after["parts"][1]["git"] == dirty
    assert after["resumed_from_step"] == 3
    assert after["seconds"] > before["seconds"] / 2


def test_a_disk_that_is_full_when_the_study_begins_leaves_no_running_record(tmp_path, monkeypatch):
    original = files.atomic_path

    def full(path: Path):
        if path.name == folder.CONFIG:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return original(path)

    monkeypatch.setattr(files, "atomic_path", full)
    with pytest.raises(OSError, match="No space"):
        study(tmp_path / "run")
    assert record(tmp_path / "run")["status"] == "failed"


def test_a_disk_that_is_full_at_a_checkpoint_loses_nothing(straight, tmp_path, monkeypatch):
    def full(number: int) -> None:
        if number == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    run_dir = tmp_path / "run"
    undo = before_each(monkeypatch, "gan_lab.studies.run.save_state", full)
    with pytest.raises(OSError, match="No space"):
        study(run_dir)
    undo()
    about = record(run_dir)
    assert (about["status"], about["steps"]) == ("failed", 6)
    assert "No space" in about["reason"]
    study(run_dir, "existing_run=resume")
    is_the_same(run_dir, straight)


# Checkpoints --------------------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A study that was stopped after its sixth step, and its checkpoint."""
    stopped_at(monkeypatch, 8, tmp_path / "run", MemoryError)
    return tmp_path / "run", folder.checkpoint_path(tmp_path / "run", 6)


def test_a_damaged_checkpoint_is_passed_over(stopped, straight, capsys):
    run_dir, path = stopped
    path.write_bytes(path.read_bytes()[:-9])
    study(run_dir, "existing_run=resume")
    is_the_same(run_dir, straight)
    assert "damaged" in capsys.readouterr().err


def exchange(path: Path, content: object) -> None:
    """Another checkpoint, with a checksum that fits it."""
    torch.save(content, path)
    checksum_path(path).write_text(sha256_of(path))


def altered(path: Path, **fields: object) -> None:
    exchange(path, {**torch.load(path, weights_only=True), **fields})


@pytest.mark.parametrize("study_field", ["setting", "layout", "max_steps"])
def test_a_checkpoint_of_another_config_is_not_taken(stopped, straight, study_field):
    run_dir, path = stopped
    identity = torch.load(path, weights_only=True)["identity"]
    altered(path, identity=identity | {"study": identity["study"] | {study_field: "another"}})
    study(run_dir, "existing_run=resume")
    is_the_same(run_dir, straight)
    assert record(run_dir)["resumed_from_step"] == 0


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"steps": -1, "seconds": 1.0, "identity": {}, "study": {}},
        {"steps": 6, "seconds": "1", "identity": {}, "study": {}},
        {"steps": 6, "seconds": 1.0},
        {"steps": 6, "seconds": 1.0, "identity": {}},
        Path("crafted"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(stopped, content):
    run_dir, path = stopped
    exchange(path, content)
    with pytest.raises(UserError, match=r"step_6\.ckpt.* is no checkpoint .*remove it"):
        study(run_dir, "existing_run=resume")
    assert not list(run_dir.glob("*.lock"))


def test_a_checkpoint_of_other_networks_is_refused_in_one_line(stopped):
    run_dir, path = stopped
    altered(path, study={"critic": {}, "penalty": {}, "optimizer": {}})
    with pytest.raises(UserError, match=r"step_6\.ckpt.*remove it"):
        study(run_dir, "existing_run=resume")


# Other processes, other studies -------------------------------------------------------------------


def test_a_second_process_in_the_same_folder_is_refused(stopped):
    run_dir, _ = stopped
    with FileLock(run_dir / folder.LOCK), pytest.raises(UserError, match="another process"):
        study(run_dir, "existing_run=resume")
    assert record(run_dir)["status"] == "failed"


def test_a_folder_that_holds_a_study_is_not_overwritten(straight, tmp_path):
    run_dir = shutil.copytree(straight, tmp_path / "run")
    before = (run_dir / "record.json").read_bytes()
    with pytest.raises(UserError, match="existing_run=resume"):
        study(run_dir)
    with pytest.raises(UserError, match=r"another study .other study"):
        study(run_dir, "existing_run=resume", "study.layout=covered")
    with pytest.raises(UserError, match=r"another study .other seed"):
        study(run_dir, "existing_run=resume", "seed=1")
    study(run_dir, "existing_run=resume")
    assert (run_dir / "record.json").read_bytes() == before


def test_a_damaged_record_is_not_overwritten(straight, tmp_path):
    run_dir = shutil.copytree(straight, tmp_path / "run")
    (run_dir / "record.json").write_text("{")
    with pytest.raises(UserError, match="restore it"):
        study(run_dir, "existing_run=resume")
    assert (run_dir / "record.json").read_text() == "{"


@pytest.mark.parametrize("name", ["record.json", "metrics.jsonl", "config.yaml", "checkpoints"])
def test_a_link_in_the_run_directory_is_refused(name, tmp_path):
    run_dir, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run_dir.mkdir()
    elsewhere.write_text("kept")
    (run_dir / name).symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        study(run_dir)
    assert elsewhere.read_text() == "kept"


# Divergence ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_study_that_diverges_says_where(value, tmp_path, monkeypatch):
    def step(self, number):
        return {"critic_loss": torch.tensor(value if number >= 7 else 1.0)}

    monkeypatch.setattr(STEP, step)
    with pytest.raises(CompactHydraException, match=r"diverged: critic_loss is .* at step 8"):
        study(tmp_path / "run")
    about = record(tmp_path / "run")
    assert (about["status"], about["steps"]) == ("diverged", 8)
    assert about["seconds"] > 0
    assert about["reason"] == f"critic_loss is {value} at step 8"

    # that it diverged is its result
    study(tmp_path / "run", "existing_run=resume")
    assert record(tmp_path / "run") == about
