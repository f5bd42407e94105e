"""A run goes on where its data have moved to: what they hold is checked, not where they lie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_lab import config
from gan_lab.errors import UserError
from helpers.gan_runs import CHANNELS, SMALL, compose, record, resume, train

RUN = (CHANNELS, *SMALL, "max_generator_steps=2", "checkpoint_every=1", "dataset=image_folder", "dataset.size=16",
       "dataset.splits={train: ., test: null}")  # fmt: skip


def images(folder: Path, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    for number, values in enumerate(pixels):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / "ab"[number % 2] / f"{number:02}.png")
    return folder


@pytest.fixture
def moved(tmp_path) -> Path:
    """A finished run, whose images and cache are elsewhere now."""
    images(tmp_path / "images")
    run = train(
        tmp_path / "run",
        *RUN,
        f"dataset.root={tmp_path / 'images'}",
        f"data_cache={tmp_path / 'cache'}",
    )
    (tmp_path / "images").rename(tmp_path / "moved")
    (tmp_path / "cache").rename(tmp_path / "other_cache")
    return run


def test_a_run_goes_on_with_data_and_cache_elsewhere(moved, tmp_path):
    longer = "max_generator_steps=4"
    with pytest.raises(UserError, match=r"set dataset\.root=FOLDER"):
        resume(moved, longer)
    resume(
        moved,
        longer,
        f"dataset.root={tmp_path / 'moved'}",
        f"data_cache={tmp_path / 'other_cache'}",
    )
    assert (record(moved)["status"], record(moved)["generator_steps"]) == ("finished", 4)
    assert record(moved)["config"]["dataset"]["root"] == str(tmp_path / "moved")


def test_the_whole_command_may_be_typed_again(moved, tmp_path):
    """With dataset=image_folder and its fields, as the run was begun, and the folder of now."""
    now = (f"dataset.root={tmp_path / 'moved'}", f"data_cache={tmp_path / 'other_cache'}")
    resume(moved, *RUN[:-3], "max_generator_steps=4", *RUN[-3:], *now)
    assert (record(moved)["status"], record(moved)["generator_steps"]) == ("finished", 4)
    with pytest.raises(
        UserError, match=r"^omit dataset=image_folder: a resumed run keeps its dataset"
    ):
        resume(moved, "dataset=image_folder", "max_generator_steps=6", *now)


def test_existing_run_resume_goes_on_with_data_elsewhere(moved, tmp_path):
    """The run was interrupted; the same command, with the folder of now, runs what is missing."""
    content = json.loads((moved / "record.json").read_text())
    (moved / "record.json").write_text(
        json.dumps(content | {"status": "interrupted", "generator_steps": 1})
    )
    for kept in (moved / "checkpoints").glob("step_2.*"):
        kept.unlink()
    now = (f"dataset.root={tmp_path / 'moved'}", f"data_cache={tmp_path / 'other_cache'}")
    train(moved, *RUN, *now, "existing_run=resume")
    assert (record(moved)["status"], record(moved)["resumed_from_step"]) == ("finished", 1)
    assert record(moved)["config"]["dataset"]["root"] == str(tmp_path / "moved")


def test_other_images_are_refused(moved, tmp_path):
    others = images(tmp_path / "others", seed=1)
    with pytest.raises(
        UserError, match=r"have changed since this run began.*: set dataset.root=FOLDER"
    ):
        resume(moved, "max_generator_steps=4", f"dataset.root={others}")


def test_what_was_not_to_be_fetched_may_be_now(tmp_path):
    """Messages about damaged files say so: with dataset.download=true, whatever the run began
    with."""
    saved = ("dataset=mnist", f"dataset.root={tmp_path}", "dataset.download=false")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_text(
        config.config_text(config.plain_config(compose(CHANNELS, *saved)))
    )
    typed = [
        f"resume={tmp_path / 'run'}",
        "dataset=mnist",
        f"dataset.root={tmp_path}",
        "dataset.download=true",
    ]
    again = config.resumed(compose(CHANNELS, *typed), typed, tmp_path / "run")
    assert again.dataset.download is True


def test_a_data_set_without_a_folder_takes_none(tmp_path):
    run = train(tmp_path / "run", CHANNELS, *SMALL, "max_generator_steps=2", "checkpoint_every=1")
    with pytest.raises(UserError, match=r"keeps its dataset\.root"):
        resume(run, "max_generator_steps=4", "dataset.root=elsewhere")
