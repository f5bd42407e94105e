"""Figures: the numbers beside the picture, closed forms, and what is refused."""

from __future__ import annotations

import csv
import json
import math
import os

import numpy as np
import pytest
from PIL import Image

from gan_lab.errors import UserError
from gan_lab.reporting import FIGURES, NothingRecorded, Request, draw, read_records
from gan_lab.reporting.figures.real_images import _share_below
from gan_lab.reporting.thesis import mode_dropping, objectives
from helpers.made_up import SMALL_AM, SMALL_FID, SMALL_IS, labelled, record, run_dirs, write
from helpers.registry import fields, target

pytestmark = pytest.mark.thorough  # most draw a figure


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def drawn(name, out, **request):
    picture, numbers = draw(name, out, Request(**request))
    with Image.open(picture) as image:
        image.verify()
        assert image.format == "PNG"
    assert sorted(out.iterdir()) == sorted([picture, numbers])
    return picture, rows(numbers)


def test_an_unknown_figure_lists_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=r"figure=4-5: there is no such figure.*4-6"):
        draw("4-5", tmp_path, Request())
    of_chapter_2 = [f"2-{n}" for n in range(1, 20)]
    of_chapter_3 = [f"3-{n}" for n in (*range(1, 8), "7b", *range(8, 21))]
    of_chapter_4 = ["4-3", "4-4", *(f"4-{n}" for n in range(6, 19))]
    of_studies = ["divergences", "games", "lipschitz_estimates", "optimizers"]
    assert list(FIGURES) == [*of_chapter_2, *of_chapter_3, *of_chapter_4, *of_studies]


# 2-6 ----------------------------------------------------------------------------------------------

STEPS = (10, 20, 30, 40, 50, 60)


def outputs(loss, seed, rise, **replaced):
    """A run of which real samples score 1 and fakes -1, both `rise` higher after each 10 steps."""
    curves = {
        name: [[step, height + rise * step / 10] for step in STEPS]
        for name, height in (("output_real", 1.0), ("output_fake", -1.0))
    }
    return record(loss, seed=seed, diagnostics=curves, **replaced)


def test_2_6_shows_every_run_and_how_far_its_critic_drifts(tmp_path):
    """WGAN: the offset rises by 0.5 in 10 steps, 50 in 1,000; at the last three points it is 2, 2.5
    and 3, of mean 2.5 and deviation sqrt(1/6). LGAN: it stays."""
    found = [
        *(outputs("wasserstein", seed, 0.5) for seed in (0, 1)),
        *(outputs("exp", seed, 0.0) for seed in (0, 1)),
        record("exp", seed=7),  # without the diagnostic
    ]
    _, numbers = drawn("2-6", tmp_path, found=found)
    assert len(numbers) == 4 * (2 * 6 + 4)
    value = {
        (row["loss"], row["seed"], row["curve"]): float(row["value"])
        for row in numbers
        if row["step"] == "60"
    }
    assert value["wasserstein", "1", "offset"] == pytest.approx(2.5)
    assert value["wasserstein", "1", "slope"] == pytest.approx(50)
    assert value["wasserstein", "1", "spread"] == pytest.approx((1 / 6) ** 0.5)
    assert value["wasserstein", "1", "gap"] == pytest.approx(2)
    assert [value["exp", "0", name] for name in ("slope", "spread", "gap")] == [0, 0, 2]
    assert value["wasserstein", "0", "output_fake"] == 2


def test_2_6_counts_a_run_that_diverged_and_draws_it_as_far_as_it_came():
    lost = outputs("exp", 1, 0.0, status="diverged")
    lost["diagnostics"]["output_real"][-1][1] = "inf"  # as a record holds it
    drawing = FIGURES["2-6"](Request(found=[outputs("exp", 0, 0.0), lost]))
    (panel,) = drawing.figure.axes
    assert "1 of 2 runs did not finish" in panel.get_title()
    assert {row["curve"] for row in drawing.numbers if row["seed"] == 1} == {
        "output_real",
        "output_fake",
    }


def test_2_6_draws_more_runs_than_there_are_colours():
    """Nine, the colours of the first two again; none of them is said to be lost."""
    drawing = FIGURES["2-6"](Request(found=[outputs("exp", seed, 0.0) for seed in range(9)]))
    (panel,) = drawing.figure.axes
    assert {row["seed"] for row in drawing.numbers} == set(range(9))
    solid = [line.get_color() for line in panel.lines if line.get_label().startswith("seed")]
    assert solid[7:] == solid[:2]
    assert "did not finish" not in panel.get_title()


def test_2_6_shows_a_penalty_without_a_weight():
    run = outputs("exp", 0, 0.0, penalty="spectral", weight=None)
    drawing = FIGURES["2-6"](Request(found=[run]))
    assert "digits, spectral, λ = none, 1,000 steps" in drawing.figure.get_suptitle()


def test_2_6_refuses_runs_that_differ_in_more_than_loss_and_seed():
    found = [outputs("exp", 0, 0.0), outputs("wasserstein", 0, 0.0, weight=1.0)]
    with pytest.raises(UserError, match=r"config\.penalty\.weight"):
        FIGURES["2-6"](Request(found=found))
    with pytest.raises(UserError, match="same cell"):
        FIGURES["2-6"](Request(found=[outputs("exp", 0, 0.0, run_id=name) for name in "ab"]))
    with pytest.raises(NothingRecorded, match="experiment=critic_stability"):
        FIGURES["2-6"](Request(found=[record()]))


# 2-13 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", objectives.PHI)
def test_the_formulas_are_those_of_the_losses(name):
    import torch

    loss = target("loss", name)(**fields("loss", name))
    t = np.linspace(-4, 4, 33)
    ours = objectives.PHI[name]
    assert np.allclose(ours(t), loss.phi(torch.tensor(t)).numpy(), rtol=1e-12, atol=1e-12)
    assert np.allclose(ours(-t), loss.varphi(torch.tensor(t)).numpy(), rtol=1e-12, atol=1e-12)


def test_figure_2_13_plots_the_formulas(tmp_path):
    _, found = drawn("2-13", tmp_path)
    assert {row["loss"] for row in found} == set(objectives.PHI)
    at_two = {
        row["loss"]: (float(row["phi"]), float(row["varphi"]))
        for row in found
        if float(row["t"]) == 2.0
    }
    expected = {
        "wasserstein": (2, -2),
        "exp": (math.e**2, math.e**-2),
        "logistic": (math.log(1 + math.e**2), math.log(1 + math.e**-2)),
        "sqrt": (2 + math.sqrt(5), -2 + math.sqrt(5)),
        "quadratic": (9, 1),
        "hinge": (3, 0),
    }
    for name, pair in expected.items():
        assert at_two[name] == pytest.approx(pair)


# 4-6 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 100])
def test_uniform_modes_score_exactly_the_number_kept(n):
    found = mode_dropping.mode_dropping(mode_dropping.uniform(n), trials=20)
    for values in (found.mean, found.low, found.high):
        assert np.exp(values) == pytest.approx(np.arange(1, n + 1), rel=1e-12)


def test_nothing_dropped_is_the_entropy_of_the_density_and_one_point_scores_one():
    density = mode_dropping.gaussian(30)
    found = mode_dropping.mode_dropping(density, trials=50)
    entropy = -np.sum(density * np.log(density))
    for values in (found.mean, found.low, found.high):
        assert values[-1] == pytest.approx(entropy, rel=1e-12)
        assert values[0] == pytest.approx(0.0, abs=1e-12)
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()


def test_one_dropped_point_of_three_against_every_case():
    density = np.array([0.2, 0.3, 0.5])

    def entropy(*masses):
        shares = np.array(masses) / sum(masses)
        return -np.sum(shares * np.log(shares))

    cases = [entropy(0.3, 0.5), entropy(0.2, 0.5), entropy(0.2, 0.3)]
    found = mode_dropping.mode_dropping(density, trials=2000)
    assert found.low[1] == pytest.approx(min(cases), rel=1e-12)
    assert found.high[1] == pytest.approx(max(cases), rel=1e-12)
    assert found.mean[1] == pytest.approx(np.mean(cases), abs=0.005)


def test_the_gaussian_is_symmetric_sums_to_one_and_has_its_width():
    density = mode_dropping.gaussian(101)
    index = np.arange(101)
    assert density.sum() == pytest.approx(1.0)
    assert density == pytest.approx(density[::-1])
    # three standard deviations to either side: the variance of a normal truncated there is 0.9733
    # σ²
    assert np.sum(density * (index - 50) ** 2) == pytest.approx(0.9733 * (101 / 6) ** 2, rel=0.01)


def test_figure_4_6_writes_both_densities_and_the_am_score(tmp_path):
    _, found = drawn("4-6", tmp_path)
    assert len(found) == 2 * mode_dropping.CLASSES
    whole = [row for row in found if row["dropped"] == "0"]
    assert [row["am_score"] for row in whole] == ["0.0", "0.0"]
    assert {row["am_score"] for row in found if row["dropped"] != "0"} == {"inf"}
    assert float(whole[0]["log_is_mean"]) == pytest.approx(math.log(mode_dropping.CLASSES))


# Curves -------------------------------------------------------------------------------------------


def sweep():
    found = [record(weight=w, seed=s, fid=2 + w + s) for w in (0.1, 1) for s in (0, 1)]
    return [*found, record("hinge", fid=7.0), record("sqrt", status="diverged")]


def test_figure_2_7_shows_mean_and_range_over_seeds_at_the_chosen_weight(tmp_path):
    picture, found = drawn("2-7", tmp_path, found=sweep(), datasets=("digits",))
    assert picture.name == "figure_2_7_digits.png"
    assert {(row["loss"], row["weight"], row["seeds"]) for row in found} == {
        ("exp", "0.1", "2"),
        ("hinge", "0.1", "1"),
    }
    last = next(row for row in found if row["loss"] == "exp" and row["step"] == "1000")
    assert [float(last[name]) for name in ("mean", "min", "max")] == pytest.approx([2.6, 2.1, 3.1])
    assert last["score"] == SMALL_FID
    assert last["run_ids"] == "expmaxgp0.1s0 expmaxgp0.1s1"


def test_only_steps_that_every_seed_has_are_drawn(tmp_path):
    found = sweep()
    found[0]["history"][SMALL_FID] = [[1000, 2.0]]
    _, numbers = drawn("2-7", tmp_path, found=found, datasets=("digits",))
    assert [row["step"] for row in numbers if row["loss"] == "exp"] == ["1000"]


def test_figure_2_7_without_data_sets_shows_every_one_with_runs(tmp_path):
    found = [*sweep(), record(dataset="cifar10", config__max_generator_steps=200_000)]
    picture, numbers = drawn("2-7", tmp_path, found=found)
    assert picture.name == "figure_2_7.png"
    assert list(dict.fromkeys(row["dataset"] for row in numbers)) == ["cifar10", "digits"]


def test_inception_curves_are_of_their_data_set(tmp_path):
    with pytest.raises(NothingRecorded, match="2-14: no scored run of cifar10"):
        draw("2-14", tmp_path, Request(found=sweep()))
    with pytest.raises(NothingRecorded, match="tiny_imagenet"):
        draw("2-15", tmp_path, Request(found=sweep()))
    assert list(tmp_path.iterdir()) == []
    _, numbers = drawn("2-14", tmp_path, found=sweep(), datasets=("digits",))
    assert float(numbers[1]["mean"]) == 8.0


def test_curves_of_two_protocols_need_a_choice(tmp_path):
    found = [record()]
    found[0]["history"]["fid_classifier_5k_train"] = [[500, 9.0], [1000, 8.0]]
    with pytest.raises(UserError, match="curve=fid_classifier_5k_train"):
        draw("2-7", tmp_path, Request(found=found))
    _, numbers = drawn("2-7", tmp_path, found=found, curves=(SMALL_FID,))
    assert [float(row["mean"]) for row in numbers] == [4.0, 2.0]


def test_curves_of_runs_that_differ_elsewhere_are_refused(tmp_path):
    found = [record(seed=0), record(seed=1, config__max_generator_steps=1500)]
    with pytest.raises(UserError, match="max_generator_steps"):
        draw("2-7", tmp_path, Request(found=found))


# Samples ------------------------------------------------------------------------------------------


def sampled(folder, *contents, steps=(9, 1000)):
    run_dirs(folder, *contents)
    found = tuple(folder / content["run_id"] for content in contents)
    for index, place in enumerate(found):
        (place / "samples").mkdir()
        for step in steps:
            Image.new("RGB", (32, 32), (step % 256, 40 * index, 0)).save(
                place / "samples" / f"step_{step}.png"
            )
    return found


def test_sample_grids_take_the_newest_of_each_run(tmp_path):
    found = sampled(
        tmp_path / "runs",
        record("exp"),
        record("hinge"),
        record("exp", penalty="clip", weight=None),
        record("sqrt"),
    )
    picture, numbers = drawn("2-16", tmp_path / "out", run_dirs=found)
    assert picture.name == "figure_2_16_digits.png"
    assert [row["run_id"] for row in numbers] == [place.name for place in found]
    assert {row["step"] for row in numbers} == {"1000"}
    assert numbers[2]["weight"] == "none"


def test_a_figure_on_its_own_data_set_has_its_plain_name(tmp_path):
    found = sampled(tmp_path / "runs", record(dataset="flowers102"))
    assert drawn("2-18", tmp_path / "out", run_dirs=found)[0].name == "figure_2_18.png"


def endless(path):
    with path.open("wb") as file:
        file.truncate(2**30 + 1)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "is no regular file"),
        (endless, "has 1,073,741,825 bytes"),
        (lambda path: Image.new("1", (8200, 8200)).save(path), "is 8200x8200: make it smaller"),
        (
            lambda path: Image.new("L", (8, 8)).save(path, format="SGI"),
            "not BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP",
        ),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n123"), "cannot be decoded"),
    ],
    ids=["pipe", "large", "many pixels", "another format", "torn"],
)
def test_a_grid_is_read_as_every_image_of_somebody_else(make, words, tmp_path):
    (place,) = sampled(tmp_path / "runs", record(), steps=(9,))
    make(place / "samples" / "step_1000.png")
    with pytest.raises(UserError, match=f"^{place / 'samples' / 'step_1000.png'} .*{words}"):
        draw("2-16", tmp_path, Request(run_dirs=(place,)))


def test_a_picture_of_another_name_is_no_grid(tmp_path):
    (place,) = sampled(tmp_path / "runs", record(), steps=(9,))
    for name in ("step_x.png", "step_.png", f"step_{'9' * 30}.png"):
        (place / "samples" / name).write_bytes(b"")
    assert drawn("2-16", tmp_path / "out", run_dirs=(place,))[1][0]["step"] == "9"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_grid_is_shown_as_it_is(mode, tmp_path):
    (place,) = sampled(tmp_path / "runs", record(), steps=())
    pixels = np.random.default_rng(0).integers(
        0, 256, (16, 16) if mode == "L" else (16, 16, 3), dtype=np.uint8
    )
    Image.fromarray(pixels).save(place / "samples" / "step_9.png")
    (image,) = FIGURES["2-16"](Request(run_dirs=(place,))).figure.axes[0].images
    shown = image.to_rgba(image.get_array(), bytes=True)[..., :3]
    np.testing.assert_array_equal(shown, pixels if mode == "RGB" else np.stack([pixels] * 3, -1))


def test_sample_grids_refuse_what_cannot_stand_side_by_side(tmp_path):
    with pytest.raises(UserError, match="add run_dirs"):
        draw("2-16", tmp_path, Request())
    mixed = sampled(tmp_path / "a", record(run_id="x"), record(dataset="cifar10", run_id="y"))
    with pytest.raises(UserError, match="run_dirs are of cifar10 and digits"):
        draw("2-16", tmp_path, Request(run_dirs=mixed))
    with pytest.raises(UserError, match="has no samples/step_"):
        draw("2-17", tmp_path, Request(run_dirs=sampled(tmp_path / "b", record(), steps=())))
    running = sampled(tmp_path / "c", record(status="running"))
    with pytest.raises(UserError, match="unfinished"):
        draw("2-17", tmp_path, Request(run_dirs=running))
    drawn("2-17", tmp_path / "out", run_dirs=running, allow=("unfinished",))


# Chapter 4: curves --------------------------------------------------------------------------------


def label_models():
    found = [labelled("am_gan", seed=seed, inception_score=8.0 + seed, am=0.5) for seed in (0, 1)]
    found += [labelled("gan"), labelled("gan", "predefined"), labelled("ac_gan", original=True)]
    return [*found, labelled("label_gan", status="diverged")]


@pytest.mark.parametrize(
    ("name", "quantities"),
    [
        ("4-3", [SMALL_IS, f"{SMALL_IS}.marginal_entropy", f"{SMALL_IS}.conditional_entropy"]),
        ("4-7", [SMALL_AM, f"{SMALL_AM}.marginal_divergence", f"{SMALL_AM}.conditional_entropy"]),
        ("4-8", [SMALL_IS, SMALL_AM]),
    ],
)
def test_curves_of_label_models_are_those_of_the_dynamic_column(name, quantities, tmp_path):
    picture, found = drawn(name, tmp_path, found=label_models(), datasets=("digits",))
    assert picture.name == f"figure_{name.replace('-', '_')}_digits.png"
    assert list(dict.fromkeys(row["score"] for row in found)) == quantities
    models = {(row["model"], row["labels"], row["seeds"]) for row in found}
    assert models == {
        ("AM-GAN", "dynamic", "2"),
        ("GAN", "dynamic", "1"),
        ("AC-GAN (with the original term)", "dynamic", "1"),
    }
    assert len(found) == len(quantities) * 3 * 2


def test_a_curve_is_mean_least_and_greatest_of_its_seeds(tmp_path):
    _, found = drawn("4-3", tmp_path, found=label_models(), datasets=("digits",))
    last = {
        row["score"]: row for row in found if row["model"] == "AM-GAN" and row["step"] == "1000"
    }
    for name, expected in (
        (SMALL_IS, (8.5, 8.0, 9.0)),
        (f"{SMALL_IS}.marginal_entropy", (2.5, 2.0, 3.0)),
    ):
        assert tuple(float(last[name][key]) for key in ("mean", "min", "max")) == expected


def test_an_interrupted_run_does_not_end_the_curve_of_those_that_finished(tmp_path):
    """Alone it is drawn, as far as it came."""
    early = labelled("am_gan", seed=2, status="interrupted")
    early["history"] = {SMALL_AM: [[500, 9.0]]}
    _, found = drawn("4-8", tmp_path / "a", found=[*label_models(), early], datasets=("digits",))
    ours = [row for row in found if row["model"] == "AM-GAN" and row["score"] == SMALL_AM]
    assert [(row["step"], row["mean"], row["seeds"]) for row in ours] == [
        ("500", "1.0", "2"),
        ("1000", "0.5", "2"),
    ]
    _, found = drawn("4-8", tmp_path / "b", found=[early], datasets=("digits",))
    assert [(row["step"], row["mean"], row["seeds"]) for row in found] == [("500", "9.0", "1")]


def test_terms_in_the_history_are_not_taken_for_scores(tmp_path):
    found = label_models()
    assert f"{SMALL_IS}.marginal_entropy" in found[0]["history"]
    drawn(
        "4-8", tmp_path, found=found, datasets=("digits",)
    )  # one score of each kind: nothing to choose


def test_two_protocols_of_a_figure_of_two_scores_are_chosen_by_their_beginnings(tmp_path):
    found = label_models()
    for one in found:
        one["history"]["am_classifier_5k"] = [[1000, 7.0]]
    with pytest.raises(UserError, match=r"curve=am_classifier_5k"):
        draw("4-8", tmp_path, Request(found=found, datasets=("digits",)))
    _, rows_of = drawn(
        "4-8", tmp_path, found=found, datasets=("digits",), curves=("am_classifier_5k",)
    )
    assert {row["score"] for row in rows_of} == {SMALL_IS, "am_classifier_5k"}
    with pytest.raises(UserError, match="curve=xyz: no figure shows such a score"):
        draw("4-8", tmp_path, Request(found=found, datasets=("digits",), curves=("xyz",)))


INCEPTION = {"name": "inception", "architecture": "Inception", "weights_sha256": "ff"}
BY_INCEPTION = "is_inception_50k_10x"


def scored_again(weights="ff"):
    """Runs whose kept checkpoints were scored by Inception afterwards."""
    found = [labelled("am_gan", seed=seed) for seed in (0, 1)]
    for content in found:
        content["history"][BY_INCEPTION] = [[500, 5.0], [1000, 6.0]]
        content["history_about"] = {
            BY_INCEPTION: {"extractor": dict(INCEPTION), "n_samples": 50000, "splits": 10}
        }
    found[1]["history_about"][BY_INCEPTION]["extractor"]["weights_sha256"] = weights
    return found


def test_a_history_by_inception_stands_beside_the_classifiers_of_the_same_runs(tmp_path):
    _, numbers = drawn("4-8", tmp_path, found=scored_again(), datasets=("digits",))
    assert {row["score"] for row in numbers} == {BY_INCEPTION, SMALL_AM}
    assert {row["mean"] for row in numbers if row["score"] == BY_INCEPTION} == {"5.0", "6.0"}


def test_each_history_is_compared_by_its_own_extractor(tmp_path):
    with pytest.raises(
        UserError, match=rf"history_about\.{BY_INCEPTION}\.extractor\.weights_sha256"
    ):
        draw("4-8", tmp_path, Request(found=scored_again("other"), datasets=("digits",)))
    drawn(
        "4-7", tmp_path, found=scored_again("other"), datasets=("digits",)
    )  # AM is by the classifier
    found = scored_again()
    found[1]["extractor"] = found[1]["extractor"] | {
        "weights_sha256": "other"
    }  # what older records imply
    with pytest.raises(UserError, match=rf"history_about\.{SMALL_AM}\.extractor\.weights_sha256"):
        draw("4-7", tmp_path, Request(found=found, datasets=("digits",)))


def test_what_an_older_record_implies_of_its_history_can_be_selected(tmp_path):
    folder = write(
        tmp_path,
        labelled(seed=0),
        labelled(seed=1, extractor={"name": "x", "weights_sha256": "cd"}),
    )
    selected = {f"history_about.{SMALL_AM}.extractor.weights_sha256": "cd"}
    assert [content["seed"] for content in read_records(folder, selected)] == [1]


def heading(name, **request):
    figure = FIGURES[name](Request(**request)).figure
    return " ".join(place.get_suptitle().replace("\n", " ") for place in figure.subfigs)


def test_the_heading_of_curves_says_samples_and_splits_beside_the_thesiss():
    found = [
        record(
            dataset="cifar10",
            config__max_generator_steps=200_000,
            config__architecture__channels=128,
        )
    ]
    found[0]["history"] = {
        "is_inception_5k_10x": [[1000, 5.0]],
        "fid_inception_5k_train": [[1000, 9.0]],
    }
    said = heading("2-14", found=found)
    assert (
        "is_inception_5k_10x: 5,000 samples in splits of 500 at every point (thesis: 50,000)"
        in said
    )
    assert "samples 5k (thesis: 50k)" in said
    said = heading("2-7", found=found)
    assert "fid_inception_5k_train: 5,000 samples at every point (thesis: 50,000)" in said
    found[0]["history"] = {"is_inception_50k_10x": [[1000, 5.0]]}
    assert "samples 50k" not in heading("2-14", found=found)
    said = heading("4-8", found=scored_again(), datasets=("digits",))
    assert (
        f"{BY_INCEPTION}: 50,000 samples in splits of 5,000 at every point (thesis: 50,000 in "
        "splits of" in said
    )
    assert "extractor of IS" not in said


def test_label_curves_need_runs_that_differ_in_nothing_else(tmp_path):
    with pytest.raises(NothingRecorded, match="4-8: no scored run of cifar10"):
        draw("4-8", tmp_path, Request(found=label_models()))
    with pytest.raises(UserError, match="n_critic"):
        draw(
            "4-8",
            tmp_path,
            Request(found=[labelled(), labelled("gan", config__n_critic=5)], datasets=("digits",)),
        )
    with pytest.raises(UserError, match="are the same cell"):
        draw(
            "4-8",
            tmp_path,
            Request(found=[labelled(), labelled(run_id="twin")], datasets=("digits",)),
        )


# 4-4 ----------------------------------------------------------------------------------------------


def statistics(folder, name, **replaced):
    """Two classes, three bins, and a classifier of four classes."""
    content = {
        "dataset": "digits",
        "content_hash": "d1",
        "extractor": {"name": name, "weights_sha256": "ab"},
        "split": "train",
        "class_names": ["cat", "dog"],
        "marginal": [0.1, 0.2, 0.3, 0.4],
        "entropies": {"edges": [0.0, 0.5, 1.0, 1.5], "histograms": [[3, 1, 0], [0, 2, 2]]},
        "mean_entropy": [0.25, 1.0],
        "share_below_0.05": [0.5, 0.0],
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content | replaced))
    return path


def test_figure_4_4_shows_what_the_files_say(tmp_path):
    files = tuple(statistics(tmp_path, name) for name in ("inception", "classifier"))
    picture, found = drawn("4-4", tmp_path / "out", statistics=files)
    assert picture.name == "figure_4_4_digits.png"
    assert len(found) == 2 * (4 + 2 * (2 + 3))
    mine = [row for row in found if row["extractor"] == "inception"]
    assert [float(row["value"]) for row in mine if row["quantity"].startswith("mean C(x)")] == [
        0.1,
        0.2,
        0.3,
        0.4,
    ]
    images = [row for row in mine if row["quantity"] == "images" and row["class"] == "dog"]
    assert [(row["bin_low"], row["bin_high"], row["value"]) for row in images] == [
        ("0.0", "0.5", "0"),
        ("0.5", "1.0", "2"),
        ("1.0", "1.5", "2"),
    ]
    assert [row["value"] for row in mine if row["quantity"] == "mean H(C(x))"] == ["0.25", "1.0"]
    own = statistics(tmp_path, "own", dataset="cifar10")
    assert drawn("4-4", tmp_path / "own_out", statistics=(own,))[0].name == "figure_4_4.png"


def test_the_share_of_all_images_weighs_classes_by_their_size():
    one = {"entropies": {"histograms": [[3, 1, 0], [0, 6, 6]]}, "share_below_0.05": [0.5, 0.25]}
    assert _share_below(one) == pytest.approx((0.5 * 4 + 0.25 * 12) / 16)


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"marginal": None}, "it has no marginal"),
        ({"share_below_0.05": None}, "it has no share_below_0.05"),
        ({"extractor": {}}, "it has no extractor.name"),
        ({"mean_entropy": [1.0]}, "not of 2 classes and 3 bins"),
        (
            {"entropies": {"edges": [0.0, 1.0], "histograms": [[3, 1, 0], [0, 2, 2]]}},
            "not of 2 classes and 1 bins",
        ),
    ],
)
def test_damaged_statistics_are_refused_by_name(replaced, words, tmp_path):
    with pytest.raises(UserError, match=rf"x\.json: .*{words}"):
        draw("4-4", tmp_path, Request(statistics=(statistics(tmp_path, "x", **replaced),)))


def test_statistics_that_are_missing_or_of_other_images_are_refused(tmp_path):
    with pytest.raises(UserError, match="add statistics="):
        draw("4-4", tmp_path, Request())
    with pytest.raises(UserError, match=r"none\.json cannot be read"):
        draw("4-4", tmp_path, Request(statistics=(tmp_path / "none.json",)))
    files = (statistics(tmp_path, "a"), statistics(tmp_path, "b", content_hash="other"))
    with pytest.raises(UserError, match="different images"):
        draw("4-4", tmp_path, Request(statistics=files))


# 4-9 to 4-18 --------------------------------------------------------------------------------------

OWN = {
    "4-9": ("am_gan", "dynamic"), "4-10": ("am_gan", "predefined"), "4-11": ("ac_gan", "dynamic"),
    "4-12": ("ac_gan", "predefined"), "4-13": ("ac_gan_plus", "dynamic"), "4-14": ("ac_gan_plus", "predefined"),
    "4-15": ("label_gan", "dynamic"), "4-16": ("label_gan", "predefined"), "4-17": ("gan", "dynamic"),
    "4-18": ("gan", "predefined"),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_sample_grids_are_of_their_own_model(name, tmp_path):
    found = sampled(tmp_path / "runs", *(labelled(*OWN[name], seed=seed) for seed in (0, 1)))
    _, numbers = drawn(name, tmp_path / "out", run_dirs=found)
    assert {(row["loss"], row["labels"], row["samples"]) for row in numbers} == {
        (*OWN[name], "step_1000.png")
    }
    other = next(one for one in OWN if one != name)
    with pytest.raises(UserError, match=f"figure {other} shows .*: add it to figure={name}$"):
        draw(other, tmp_path / "out", Request(run_dirs=found))


def test_a_model_without_a_figure_is_refused(tmp_path):
    found = sampled(tmp_path / "runs", labelled("gan_star"))
    with pytest.raises(
        UserError,
        match="loss=gan_star in the dynamic column: no figure of chapter 4 shows that model",
    ):
        draw("4-17", tmp_path, Request(run_dirs=found))


def test_the_grid_of_classes_comes_before_later_samples(tmp_path):
    found = sampled(tmp_path / "runs", labelled())
    for step in (9, 100):
        Image.new("RGB", (8, 8)).save(found[0] / "samples" / f"classes_{step}.png")
    _, numbers = drawn("4-9", tmp_path / "out", run_dirs=found)
    assert [(row["samples"], row["step"]) for row in numbers] == [("classes_100.png", "100")]


def test_chapter_2_does_not_take_the_grid_of_classes(tmp_path):
    found = sampled(tmp_path / "runs", record())
    Image.new("RGB", (8, 8)).save(found[0] / "samples" / "classes_2000.png")
    assert drawn("2-16", tmp_path / "out", run_dirs=found)[1][0]["step"] == "1000"


def test_names_in_a_file_are_drawn_as_they_are(tmp_path):
    """A formula that does not parse would end the figure; in a spreadsheet none is calculated."""
    hostile = {"class_names": [r"$\bad$", "=1+1\x1b[2J"], "dataset": r"a$\bad$", "split": "$x$"}
    _, found = drawn(
        "4-4", tmp_path / "out", statistics=(statistics(tmp_path, r"$\bad$", **hostile),)
    )
    classes = {row["class"] for row in found}
    assert r"'=1+1\x1b[2J" in classes
    assert r"$\bad$" in classes
    runs = sampled(tmp_path / "runs", record("$x", penalty=r"$\bad", dataset=r"$\bad$"))
    assert drawn("2-16", tmp_path / "samples", run_dirs=runs)[1][0]["loss"] == "$x"
