"""A run directory holds no links: what somebody else put there must not lead writing, deleting or
reading elsewhere."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gan_lab import records
from gan_lab.reporting import collect
from gan_lab.sweeps.cells import read_cells
from helpers.gan_runs import SMALL, command, is_refusal, resume, train

LINKED = [
    "checkpoints", "samples", ".lock", "metrics.jsonl", "record.json", "config.yaml", "generator.safetensors",
    "output.log", "wandb", "tensorboard", "checkpoints/step_4.ckpt", "samples/step_9.png", "a/b/c",
]  # fmt: skip
COMMANDS = {
    "train.py": "resume={} max_generator_steps=5",
    "scripts/evaluate.py": "run_dir={}",
    "scripts/sample.py": "run_dir={} n=4",
    "scripts/figures.py": "figure=2-16 run_dirs=[{}] allow=[dirty] out={}/../out",
    "scripts/table.py": "runs={} rows=loss score=fid out={}/../out",
    "scripts/curves.py": "runs={} rows=loss curves=critic_loss out={}/../out",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of four steps."""
    place = tmp_path_factory.mktemp("finished") / "run"
    return train(place, "max_generator_steps=4", "checkpoint_every=1")


@pytest.fixture
def pair(finished, tmp_path):
    """Copies: a run that will be altered, and somebody's that must stay."""
    return tuple(Path(shutil.copytree(finished, tmp_path / name)) for name in ("run", "victim"))


@pytest.fixture
def elsewhere(tmp_path):
    """A place of its own, in which alone something may change."""
    return tmp_path / "elsewhere"


def linked(run: Path, name: str, target: Path) -> Path:
    """run/name as a link to `target`."""
    place = run / name
    if place.is_dir():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)
    return place


@pytest.mark.parametrize("name", LINKED)
def test_resume_refuses_every_link(name, pair, elsewhere, only_in, capsys):
    run, victim = pair
    target = victim / name if (victim / name).exists() else victim / "checkpoints"
    link = linked(run, name, target)
    with only_in(elsewhere):
        ended = command(capsys, f"resume={run}", "max_generator_steps=5")
    is_refusal(ended, f"{link} is a link", "put a copy")


@pytest.mark.parametrize("program", COMMANDS)
@pytest.mark.parametrize("name", ["checkpoints", "record.json", "generator.json"])
def test_every_program_refuses_a_link_by_name(name, program, pair, elsewhere, only_in, capsys):
    run, victim = pair
    link = linked(run, name, victim / name)
    with only_in(elsewhere):
        ended = command(capsys, *COMMANDS[program].format(run, run).split(), program=program)
    is_refusal(ended, f"{link} is a link")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("program", COMMANDS)
def test_a_link_is_refused_before_anything_is_read(program, pair, elsewhere, only_in, capsys):
    """Neither config.yaml nor record.json nor weights or checkpoints: what is said is the link."""
    run, _ = pair
    for path in [*run.glob("*.*"), *(run / "checkpoints").iterdir(), *(run / "samples").iterdir()]:
        path.unlink()
        os.mkfifo(path)
    (run / "record.json").unlink()
    (run / "record.json").write_text("{")
    link = linked(run, "samples/other", run / "samples")
    with only_in(elsewhere):
        ended = command(capsys, *COMMANDS[program].format(run, run).split(), program=program)
    is_refusal(ended, f"{link} is a link")


def test_of_several_runs_the_linked_one_is_named_and_the_others_go_on(
    pair, tmp_path, only_in, capsys
):
    run, victim = pair
    (tmp_path / "sweep").mkdir()
    run = Path(shutil.move(run, tmp_path / "sweep/0"))
    shutil.copytree(victim, tmp_path / "sweep/1")
    link = linked(run, "samples", victim / "samples")

    # status
    first, second = read_cells(tmp_path / "sweep")
    assert (first.state, second.state) == ("failed", "finished")
    assert f"{link} is a link" in str(first.reason)

    # collect
    lines: list[str] = []
    assert (
        len(collect([tmp_path / "sweep"], tmp_path / "records", ["dirty"], report=lines.append))
        == 1
    )
    assert f"refused: {link} is a link" in lines[0]

    # evaluate runs=
    with only_in(tmp_path / "sweep"):
        ended = command(
            capsys, f"runs={tmp_path / 'sweep'}", "evaluation.samples=20", "evaluation.splits=1",
            "evaluation.scores=[is]", program="scripts/evaluate.py",
        )  # fmt: skip
    assert f"not scored: {link} is a link" in ended.out
    assert "1 of 2 runs could not be scored" in ended.err


def test_the_remedies_work(pair, capsys):
    run, victim = pair
    link = linked(run, "checkpoints", victim / "checkpoints")
    link.unlink()
    shutil.copytree(victim / "checkpoints", link)
    linked(run, "extra", victim).unlink()
    resume(run, "max_generator_steps=5")
    assert records.read(run)["generator_steps"] == 5


@pytest.mark.parametrize("name", ["samples", ".lock", "metrics.jsonl"])
def test_a_new_run_in_a_folder_with_a_link(name, pair, tmp_path, only_in, capsys):
    _, victim = pair
    link = linked(
        tmp_path / "new", name, victim / ("samples" if name == "samples" else "metrics.jsonl")
    )
    with only_in(tmp_path / "new"):
        ended = command(capsys, f"run_dir={tmp_path / 'new'}", *SMALL, "max_generator_steps=1")
    is_refusal(ended, f"{os.path.relpath(link)} is a link")


def test_a_link_above_a_run_directory_is_a_place_like_another(pair, tmp_path, monkeypatch):
    run, _ = pair
    (tmp_path / "outputs").symlink_to(run.parent)
    (tmp_path / "latest").symlink_to(run)
    resume(tmp_path / "outputs/run", "max_generator_steps=5")
    monkeypatch.chdir(tmp_path)
    resume(Path("latest"), "max_generator_steps=6")
    assert records.read(run)["generator_steps"] == 6


def test_a_link_that_leads_to_itself_or_nowhere(pair):
    run, _ = pair
    for target in ("samples", "nowhere"):
        link = linked(run, "samples", run / target)
        for action in (lambda: resume(run), lambda: records.read(run)):
            with pytest.raises(Exception, match=f"{link} is a link"):
                action()


def test_links_that_wandb_makes_stay(pair):
    run, _ = pair
    (run / "wandb/offline-run-1").mkdir(parents=True)
    (run / "wandb/latest-run").symlink_to("offline-run-1")
    assert records.read(run)["generator_steps"] == 4


# A sweep's directory ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["multirun.yaml", ".cells", "0"])
def test_a_sweep_does_not_write_through_links(name, pair, tmp_path, only_in, monkeypatch, capsys):
    _, victim = pair
    target = victim / "config.yaml" if name == "multirun.yaml" else victim
    link = linked(tmp_path / "sweep", name, target)
    monkeypatch.chdir(tmp_path)
    with only_in(tmp_path / "sweep"):
        ended = command(
            capsys, "-m", "seed=0,1", "hydra.sweep.dir=sweep", *SMALL, "max_generator_steps=1"
        )
    assert ended.code == 1
    assert f"error: {os.path.relpath(link)} is a link" in ended.err
    assert "Traceback" not in ended.err
    made = sorted(path.name for path in (tmp_path / "sweep").iterdir())
    assert made == (
        [".cells", "0", "1", "multirun.yaml"] if name == "0" else [name]
    )  # the other cell goes on
    assert link.is_symlink()
