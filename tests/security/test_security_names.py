"""What a file says becomes part of another file's name, and never a place outside the folder that
was asked for."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from gan_lab import build, config, reporting, sweeps
from gan_lab.errors import UserError
from gan_lab.files import safe_name
from helpers.gan_runs import command, compose
from helpers.made_up import record, write

UP = "x/../../../../outside/NAME"
NAMES = [
    UP,
    "/outside/NAME",
    "..",
    ".",
    ".hidden",
    "",
    "a\nb",
    "a\0b",
    "a\x1b[31mb",
    "~",
    "$HOME",
    "*",
    "n" * 999,
    "\ud800",
]


@pytest.fixture
def out(tmp_path):
    """A folder to write into, beside one that would be reached from it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/figure_2_7_NAME.png").write_bytes(b"somebody's")
    place = tmp_path / "a/b/c/out"
    for folder in (
        "figure_2_7_x",
        "figure_4_4_x",
        "table_2_2_x",
        "self_test_x",
        "x",
    ):  # so that x/.. is somewhere
        (place / folder).mkdir(parents=True)
    return place


@pytest.mark.parametrize("said", NAMES)
def test_a_name_is_one_visible_part_of_a_path(said, tmp_path):
    name = safe_name(said)
    (tmp_path / f"{name}.json").write_text("")
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.json"]
    assert not name.startswith(".")
    assert name.isprintable()


def test_names_of_today_stay_and_long_ones_stay_apart():
    for name in ("figure_2_7_digits", "digits_exp_maxgp0.1_extra-layer_seed0_1a2b", "größe+1"):
        assert safe_name(name) == name
    assert safe_name("n" * 999) != safe_name("n" * 998)


@pytest.mark.parametrize("dataset", [UP, "/outside/NAME"])
def test_the_data_set_of_a_record(dataset, out, tmp_path, only_in, capsys):
    folder = write(tmp_path / "records", record(dataset=dataset))
    asked = f"datasets=['{dataset}']"
    with only_in(out):
        reporting.draw("2-7", out, reporting.Request(reporting.read_records(folder), (dataset,)))
        command(capsys, f"records={folder}", f"out={out}", asked, program="scripts/tables.py")
    files = [path.name for path in out.rglob("*") if path.is_file()]
    assert {name.split(".")[-1] for name in files} == {"png", "csv", "md", "tex"}


def test_the_data_set_of_a_sample_grid(out, tmp_path, only_in):
    run_dir = tmp_path / "run"
    (run_dir / "samples").mkdir(parents=True)
    (run_dir / "record.json").write_text(json.dumps(record(dataset=UP)))
    Image.new("L", (8, 8)).save(run_dir / "samples/step_20.png")
    with only_in(out):
        reporting.draw("2-16", out, reporting.Request(run_dirs=(run_dir,)))


def test_the_data_set_of_statistics(out, tmp_path, only_in):
    content = {
        "dataset": UP, "content_hash": "ab", "split": "train", "class_names": ["0", "1"], "marginal": [0.5, 0.5],
        "extractor": {"name": "classifier"}, "mean_entropy": [0.1, 0.2], "share_below_0.05": [0.5, 0.5],
        "entropies": {"edges": [0.0, 0.5, 1.0], "histograms": [[1, 2], [3, 4]]},
    }  # fmt: skip
    (tmp_path / "s.json").write_text(json.dumps(content))
    with only_in(out):
        reporting.draw("4-4", out, reporting.Request(statistics=(tmp_path / "s.json",)))
    assert len([path for path in out.rglob("*") if path.is_file()]) == 2


def test_the_data_set_that_is_scored(out, monkeypatch, only_in, capsys):
    from gan_lab.commands import evaluate

    monkeypatch.setattr(evaluate, "_known_samples", lambda data: {})
    monkeypatch.setattr(evaluate, "_classes_alone", lambda data: {})
    with only_in(out):
        ended = command(
            capsys, "self_test=true", f"dataset.name='{UP}'", f"out={out}", "evaluation.scores=[is]",
            program="scripts/evaluate.py",
        )  # fmt: skip
    assert ended.code == 0, ended
    assert len([path for path in out.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("name", ["../../outside", "/outside", "$HOME", "~", ".."])
@pytest.mark.parametrize("field", ["name", "version", "sub_dir"])
def test_the_folders_of_a_logger(field, name, tmp_path, only_in):
    overrides = "logger=tensorboard", f"++logger.tensorboard.{field}='{name}'"
    with (
        only_in(tmp_path / "run"),
        pytest.raises(UserError, match=rf"logger\.tensorboard\.{field}="),
    ):
        config.check(compose(*overrides))


def test_the_run_id_of_a_record_names_no_folder_of_wandb(tmp_path):
    (logger,) = [
        one
        for one in build.loggers(compose("logger=wandb"), str(tmp_path), "../x")
        if hasattr(one, "about")
    ]
    assert "/" not in logger.about["id"]


def test_the_cells_of_a_sweep_are_below_it(tmp_path):
    sweep = tmp_path / "sweep"
    cells = {"0": ["seed=0"], "../other": ["seed=1"], str(tmp_path / "other"): ["seed=2"]}
    (sweep / ".cells").mkdir(parents=True)
    (sweep / ".cells/1.json").write_text(json.dumps({"cells": cells}))
    (told,) = sweeps.read_cells(sweep)
    assert (told.run_dir, told.state) == (sweep / ".cells/1.json", "failed")
    assert "is no folder in the sweep's" in told.reason
