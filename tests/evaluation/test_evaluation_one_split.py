"""Data of which every image is trained on, as Oxford-102's by default: all scores are against the
training images."""

from __future__ import annotations

import json

import numpy as np

from helpers.evaluation_runs import SMALL_RUN, save_images, script
from helpers.gan_runs import record, train

CLASSIFIER = ("classifier@evaluation.extractor.recipe=fast", "evaluation.extractor.recipe.epochs=2")


def test_without_a_test_split_everything_is_scored_against_the_training_images(tmp_path, capsys):
    """From the classifier, whose accuracy is that on them, to the record, and scripts/evaluate.py
    afterwards."""
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 120)):
        save_images(
            tmp_path / "images" / name, rng.integers(low, low + 100, (40, 3, 8, 12), dtype=np.uint8)
        )
    data = (
        "dataset=image_folder",
        f"dataset.root={tmp_path / 'images'}",
        "dataset.splits={train: ., test: null}",
    )
    data += (
        "dataset.size=8",
        "dataset.resize=box",
        "dataset.fit=stretch",
        f"data_cache={tmp_path / 'cache'}",
    )
    run = train(
        tmp_path / "run", *SMALL_RUN, *CLASSIFIER, *data, "architecture.channels=4", small=False
    )

    kept = record(run)
    assert kept["status"] == "finished"
    assert kept["dataset"]["splits"] == {"train": 80}
    assert {"fid_classifier_60_train", "am_classifier_60", "is_classifier_60_2x"} <= kept[
        "scores"
    ].keys()
    assert not [name for name in kept["scores"] if name.endswith("_test")]
    [about] = [
        json.loads(path.read_text()) for path in (tmp_path / "cache" / "classifiers").glob("*.json")
    ]
    assert about["accuracy"].keys() == {"train"}

    ended = script(
        capsys,
        "evaluate",
        f"run_dir={run}",
        f"data_cache={tmp_path / 'cache'}",
        f"out={tmp_path / 'scores'}",
    )
    assert ended.code == 0, ended.err
