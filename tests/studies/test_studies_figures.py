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


def computed(study, scores, drawn, penalty=None, **fields):
    choices = {"study": study} | ({"penalty": penalty} if penalty else {})
    return {
        "status": "finished",
        "seed": 0,
        "choices": choices,
        "config": {"study": fields},
        "scores": {name: {"value": value} for name, value in scores.items()},
        "drawn": drawn,
    }


def test_an_infinite_divergence_is_not_drawn_and_stays_empty_in_the_numbers():
    curve = {name: [1.0, 0.0] for name in ("total_variation", "jensen_shannon", "wasserstein")}
    curve |= {"shift": [1.0, 0.0], "kl_real_fake": [None, 0.0]}
    density = {"x": [0.0, 1.0], "real": [1.0, 0.0], "fake": [0.0, 1.0]}
    scores = {f"{name}_{of}": 0.5 for name in ("tv", "js", "w1", "kl") for of in ("apart", "near")}
    drawn = {
        "lines": curve,
        "normals": curve,
        "densities": {"apart": density, "near": density},
    }
    drawing = FIGURES["divergences"](Request(studies=[computed("divergences", scores, drawn)]))
    found = [row["value"] for row in drawing.numbers if row["divergence"] == "kl_real_fake"]
    assert found == [None, 0.0, None, 0.0]


def test_each_game_has_a_row_and_each_update_a_column():
    """One of the four is not recorded: its panel stays empty."""
    scores = {"growth": 1.01, "spectral_radius": 1.02}
    drawn = {"way": [[0.0, 1.0], [1.0, 0.0]], "stationary": [0.0, 0.0]}
    pairs = [("bilinear", "simultaneous"), ("bilinear", "consensus"), ("dirac", "consensus")]
    records = [computed("games", scores, drawn, game=game, method=by) for game, by in pairs]
    drawing = FIGURES["games"](Request(studies=records))
    titles = [axes.get_title() for axes in drawing.figure.axes]
    assert sorted(titles) == sorted(["", *(f"{game}, {by}\n1.0100 (1.0200)" for game, by in pairs)])
    assert len(drawing.numbers) == 6


def test_bounds_are_drawn_beside_the_published_number():
    """clip has one, lp has none: null, or NaN, which a record holds as text."""
    drawn = {"x": [-1.0, 0.0, 1.0], "value": [0.0, 1.0, 2.0]}
    both = {"lower": 0.5, "upper": 2.0}
    records = [
        computed(
            "lipschitz_estimates",
            both | {"seed_004": published, "optimal_slope": 1.1},
            drawn,
            penalty,
        )
        for penalty, published in (("clip", 0.06554), ("lp", None), ("maxgp", "nan"))
    ]
    drawing = FIGURES["lipschitz_estimates"](Request(studies=records))
    _, right = drawing.figure.axes
    diamonds = [line for line in right.lines if line.get_marker() == "D"]
    assert [tuple(map(float, line.get_xydata()[0])) for line in diamonds] == [(0.0, 0.06554)]
