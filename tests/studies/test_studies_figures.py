"""Figures 3-2 to 3-7a, from made-up records."""

import pytest

from gan_lab.reporting.figures.draw import FIGURES
from gan_lab.reporting.figures.request import NothingRecorded, Request


def record(study, optimizer, network=None, dataset="digits", sweep=None, **fields):
    drawn = {"steps": [5, 10], "train_loss": [2.0, 1.0], "epoch_steps": [10]}
    return {
        "status": "finished",
        "seed": 0,
        "choices": {"study": study, "optimizer": optimizer, "sweep": sweep},
        "config": {
            "study": {"network": network},
            "dataset": {"name": dataset},
            "optimizer": fields,
        },
        "drawn": {
            **drawn,
            "test_accuracy": [0.5],
            "test_steps": [10],
            "word_accuracy": [0.75],
            "sentence_accuracy": [0.25],
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


def lines(name, records):
    return list(
        dict.fromkeys(row["optimizer"] for row in FIGURES[name](Request(studies=records)).numbers)
    )


def test_other_settings_have_figures_of_their_own():
    """Records of figure_3_11 and figure_3_13 do not stand in Figure 3-4, nor each other's lines."""
    records = [
        record("classification", "adashift", "resnet18", sweep=sweep, **fields)
        for sweep, fields in (
            ("table_3_9_resnet_adashift", {"lr": 0.01}),
            ("figure_3_11", {"lr": 0.1}),
            ("figure_3_11", {"lr": 0.001}),
            ("figure_3_13", {"betas": [0.0, 0.9]}),
            ("figure_3_13", {"betas": [0.9, 0.9]}),
        )
    ]
    records += [
        record("classification", name, "resnet18", sweep=sweep)
        for name, sweep in (
            ("adashift_none", "figure_3_9_temporal"),
            ("adam_spatial", "figure_3_9_spatial"),
            ("nadam", "figure_3_18"),
        )
    ]
    assert lines("3-4", records) == ["adashift"]
    assert lines("3-9", records) == ["adam_spatial", "adashift", "adashift_none"]
    assert lines("3-18", records) == ["adam_spatial", "adashift", "nadam"]
    assert lines("3-11", records) == ["lr 0.001", "lr 0.1"]
    assert lines("3-13", records) == ["betas [0.0, 0.9]", "betas [0.9, 0.9]"]
    with pytest.raises(NothingRecorded, match="figure_3_15"):
        FIGURES["3-15"](Request(studies=records))


def test_a_translator_is_drawn_as_loss_and_accuracies():
    records = [
        record("translation", "adam", sweep="table_3_8_adam"),
        record("translation", "adashift", sweep="figure_3_17", n=10, m=None),
        record("translation", "adashift", sweep="figure_3_17", n=10, m=1),
    ]
    drawing = FIGURES["3-7b"](Request(studies=records))
    assert [(row["curve"], row["value"]) for row in drawing.numbers] == [
        ("training loss", 2.0), ("training loss", 1.0),
        ("words that are right", 0.75), ("sentences that are right", 0.25),
    ]  # fmt: skip
    assert lines("3-17", records) == ["n 10, m 1", "n 10, m null"]
