"""Figures 3-2 to 3-7a, from made-up records."""

import pytest

from gan_lab.reporting.figures.draw import FIGURES
from gan_lab.reporting.figures.request import NothingRecorded, Request


def record(study, optimizer, network=None, dataset="digits"):
    drawn = {"steps": [5, 10], "train_loss": [2.0, 1.0], "epoch_steps": [10]}
    return {
        "status": "finished",
        "seed": 0,
        "choices": {"study": study, "optimizer": optimizer},
        "config": {"study": {"network": network}, "dataset": {"name": dataset}},
        "drawn": {
            **drawn,
            "test_accuracy": [0.5],
            "critic_loss": [1.5, 1.25],
            "penalty": [0.25, 0.5],
        },
    }


def test_a_classifier_is_drawn_as_loss_and_accuracy_of_each_optimizer():
    records = [record("classification", name, "logistic") for name in ("adam", "sgd")]
    drawing = FIGURES["3-2"](Request(studies=records))
    found = [(row["optimizer"], row["curve"], row["step"], row["value"]) for row in drawing.numbers]
    assert found == [
        (name, *point)
        for name in ("adam", "sgd")
        for point in (
            ("training loss", 5, 2.0),
            ("training loss", 10, 1.0),
            ("test accuracy", 10, 0.5),
        )
    ]
    with pytest.raises(NothingRecorded, match="resnet18"):
        FIGURES["3-4"](Request(studies=records))


def test_tiny_imagenet_has_a_figure_of_its_own():
    records = [
        record("classification", "adam", "densenet", name) for name in ("cifar10", "tiny-imagenet")
    ]
    drawing = FIGURES["3-6"](Request(studies=records))
    assert {row["of"] for row in drawing.numbers} == {"densenet tiny-imagenet"}


def test_a_critic_alone_is_drawn_as_its_whole_loss():
    """1.5 + 0.25 and 1.25 + 0.5."""
    drawing = FIGURES["3-7"](Request(studies=[record("critic_only", "adashift")]))
    assert [row["value"] for row in drawing.numbers] == [1.75, 1.75]
