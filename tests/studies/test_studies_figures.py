"""Figures 3-2 to 3-7a, from made-up records."""

import itertools
import math

import pytest

from gan_lab.errors import UserError
from gan_lab.reporting.collection import selected
from gan_lab.reporting.figures.draw import FIGURES
from gan_lab.reporting.figures.request import NothingRecorded, Request
from gan_lab.reporting.thesis.reproduction.words import OPTIONS

NUMBERS = itertools.count()


def record(study, optimizer, network=None, dataset="digits", sweep=None, **fields):
    drawn = {"steps": [5, 10], "train_loss": [2.0, 1.0], "epoch_steps": [10]}
    return {
        "status": "finished",
        "run_id": f"run{next(NUMBERS)}",
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


def on_mnist(optimizer, sweep="table_3_5_adam", seed=0, **fields):
    return record("classification", optimizer, "logistic", sweep=sweep, **fields) | {"seed": seed}


def test_a_classifier_is_drawn_as_loss_and_accuracy_of_each_optimizer():
    records = [on_mnist(name) for name in ("adam", "sgd")]
    drawing = FIGURES["3-2"](Request(studies=records))
    found = [(row["optimizer"], row["curve"], row["step"], row["mean"]) for row in drawing.numbers]
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


def test_lines_are_means_over_seeds_with_the_band_of_three():
    """Accuracies 0.1, 0.2, 0.3: Student's half width 0.1 * 4.3027 / sqrt(3); of losses the ends."""
    records = []
    for seed, value in enumerate((1.0, 2.0, 3.0)):
        records.append(on_mnist("adam", seed=seed))
        more = {"train_loss": [2.0, value], "test_accuracy": [value / 10]}
        records[-1]["drawn"] = records[-1]["drawn"] | more
    drawing = FIGURES["3-2"](Request(studies=records))
    loss, accuracy = (row for row in drawing.numbers if row["step"] == 10)
    assert [loss[name] for name in ("mean", "low", "high", "n")] == [2.0, 1.0, 3.0, 3]
    assert (accuracy["mean"], accuracy["band"]) == (pytest.approx(0.2), "95% interval")
    assert accuracy["high"] - accuracy["mean"] == pytest.approx(0.4302653 / 3**0.5, rel=1e-6)


LINES = {  # figure: the study whose curves it is drawn of, a network, a sweep
    "3-2": ("classification", "logistic", "table_3_5_adam"),
    "3-4": ("classification", "resnet18", "table_3_9_resnet_adam"),
    "3-7": ("critic_only", None, "table_3_7_adam"),
    "3-7b": ("translation", None, "table_3_8_adam"),
}


def seeds_of(name, optimizer="adam", **fields):
    """Seeds 0 and 1 of a line of a figure."""
    study, network, sweep = LINES[name]
    made = record(study, optimizer, network, sweep=sweep, **fields)
    return [made, made | {"seed": 1, "run_id": f"{made['run_id']}b"}]


@pytest.mark.parametrize("name", LINES)
def test_a_run_at_another_rate_is_no_seed_of_a_line(name):
    """Its curve would stand in the mean. The remedy that the message names is typed."""
    records = seeds_of(name, lr=0.1) + seeds_of(name, lr=0.5)
    with pytest.raises(UserError, match=r"config\.optimizer\.lr.*select=\{config\.optimizer\.lr:0"):
        FIGURES[name](Request(studies=records))
    kept = selected(records, {"config.optimizer.lr": 0.1})
    assert {row["n"] for row in FIGURES[name](Request(studies=kept)).numbers} == {2}


@pytest.mark.parametrize("name", LINES)
def test_a_seed_that_was_run_twice_is_refused(name):
    with pytest.raises(UserError, match=r"adam, seed 1: runs run\w+ and run\w+ are the same cell"):
        FIGURES[name](Request(studies=seeds_of(name) + seeds_of(name)[1:]))


@pytest.mark.parametrize("name", LINES)
def test_optimizers_are_compared_on_one_batch_size(name):
    records = seeds_of(name) + seeds_of(name, "sgd")
    for one in records[2:]:
        one["config"]["study"]["batch_size"] = 7
    with pytest.raises(UserError, match=r"differ in config\.study\.batch_size"):
        FIGURES[name](Request(studies=records))


def test_a_single_run_stands_in_no_figure_of_a_table():
    """What was typed by hand may have any setting."""
    by_hand = on_mnist("adam", sweep=None, seed=7, lr=9.0)
    drawing = FIGURES["3-2"](Request(studies=[on_mnist("adam"), by_hand]))
    assert {row["n"] for row in drawing.numbers} == {1}
    with pytest.raises(NothingRecorded, match="begin with table_3_5"):
        FIGURES["3-2"](Request(studies=[by_hand]))


def test_tiny_imagenet_has_a_figure_of_its_own():
    records = [
        record("classification", "adam", "densenet", name, "table_3_9_densenet_adam")
        for name in ("cifar10", "tiny-imagenet")
    ]
    drawing = FIGURES["3-6"](Request(studies=records))
    assert {row["of"] for row in drawing.numbers} == {"densenet tiny-imagenet"}


def test_a_critic_alone_is_drawn_as_its_whole_loss():
    """1.5 + 0.25 and 1.25 + 0.5."""
    drawing = FIGURES["3-7"](Request(studies=[record("critic_only", "adashift")]))
    assert [row["mean"] for row in drawing.numbers] == [1.75, 1.75]


def test_an_image_folder_without_a_name_is_called_as_the_option():
    unnamed = record("critic_only", "adam", dataset="")
    unnamed["choices"]["dataset"] = "image_folder"
    assert FIGURES["3-7"](Request(studies=[unnamed])).of == ["image_folder"]


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


def test_an_optimizer_has_one_name_in_legends_and_on_the_page():
    """The thesis's (3.E)."""
    records = [record("classification", "adam_spatial", "resnet18", sweep="figure_3_9_spatial")]
    axes = FIGURES["3-9"](Request(studies=records)).figure.axes[0]
    assert axes.get_legend_handles_labels()[1] == ["spatial-only AdaShift"]
    assert OPTIONS["optimizer"]["adam_spatial"] == "spatial-only AdaShift"


def test_a_translator_is_drawn_as_loss_and_accuracies():
    records = [
        record("translation", "adam", sweep="table_3_8_adam"),
        record("translation", "adashift", sweep="figure_3_17", n=10, m=None),
        record("translation", "adashift", sweep="figure_3_17", n=10, m=1),
    ]
    drawing = FIGURES["3-7b"](Request(studies=records))
    assert [(row["curve"], row["mean"]) for row in drawing.numbers] == [
        ("training loss", 2.0), ("training loss", 1.0),
        ("words that are right", 0.75), ("sentences that are right", 0.25),
    ]  # fmt: skip
    assert lines("3-17", records) == ["n 10, m 1", "n 10, m null"]


def computed(study, scores, drawn, penalty=None, **fields):
    choices = {"study": study} | ({"penalty": penalty} if penalty else {})
    return {
        "status": "finished",
        "run_id": f"run{next(NUMBERS)}",
        "seed": 0,
        "choices": choices,
        "config": {"study": fields},
        "scores": {name: {"value": value} for name, value in scores.items()},
        "drawn": drawn,
    }


def test_an_infinite_divergence_is_not_drawn_and_stays_empty_in_the_numbers():
    """As a score it is a text of the record."""
    curve = {name: [1.0, 0.0] for name in ("total_variation", "jensen_shannon", "wasserstein")}
    curve |= {"shift": [1.0, 0.0], "kl_real_fake": [None, 0.0]}
    density = {"x": [0.0, 1.0], "real": [1.0, 0.0], "fake": [0.0, 1.0]}
    scores = {f"{name}_{of}": 0.5 for name in ("tv", "js", "w1", "kl") for of in ("apart", "near")}
    scores["kl_apart"] = "inf"
    drawn = {
        "lines": curve,
        "normals": curve,
        "densities": {"apart": density, "near": density},
    }
    drawing = FIGURES["divergences"](Request(studies=[computed("divergences", scores, drawn)]))
    found = [row["value"] for row in drawing.numbers if row["divergence"] == "kl_real_fake"]
    assert found == [None, 0.0, None, 0.0]
    assert [axes.get_title() for axes in drawing.figure.axes[2:]] == [
        f"TV 0.500, JS 0.500, W1 0.500, KL {value}" for value in ("inf", "0.500")
    ]


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


def test_a_game_that_leaves_every_bound_is_drawn_as_far_as_it_goes():
    """Its growth is not defined: NaN, and infinite points, are texts of the record."""
    scores = {"growth": "nan", "spectral_radius": 1.02}
    drawn = {"way": [[0.0, 1.0], ["inf", "-inf"]], "stationary": [0.0, 0.0]}
    record = computed("games", scores, drawn, game="bilinear", method="simultaneous")
    drawing = FIGURES["games"](Request(studies=[record]))
    (axes,) = drawing.figure.axes
    assert axes.get_title() == "bilinear, simultaneous\nnan (1.0200)"
    assert axes.lines[0].get_xdata().tolist() == [0.0, math.inf]


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


@pytest.mark.parametrize("C", [101.0, 7.0])
def test_of_two_examples_none_is_taken_silently(C):
    """Of one seed; at another C the message says how to choose."""
    curve = {"steps": [1, 2], "theta": [0.0, -1.0]}
    drawn = {"a": ["adam"], "b": ["adam"], "curves": {"adam": curve}}
    records = [computed("counterexample", {}, drawn, C=c, delta=0.02) for c in (101.0, C)]
    FIGURES["3-1"](Request(studies=records[:1]))
    words = "are the same cell" if C == 101 else r"select=\{config\.study\.C:101\.0\}"
    with pytest.raises(UserError, match=words):
        FIGURES["3-1"](Request(studies=records))


def test_a_ninth_method_is_drawn_in_a_colour_that_was_used():
    drawn = {"x": [-1.0, 0.0, 1.0], "value": [0.0, 1.0, 2.0]}
    scores = {"lower": 0.5, "upper": 2.0, "seed_004": None, "optimal_slope": None}
    records = [computed("lipschitz_estimates", scores, drawn, f"method{i}") for i in range(9)]
    drawing = FIGURES["lipschitz_estimates"](Request(studies=records))
    assert [row["penalty"] for row in drawing.numbers] == [f"method{i}" for i in range(9)]
    assert len(drawing.figure.axes[0].lines) == 9
