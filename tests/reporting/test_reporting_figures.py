"""Figures: the numbers beside the picture, closed forms, and what is refused."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from made_up import SMALL_FID, record, run_dirs
from PIL import Image

from gan_lab.reporting import FIGURES, NothingRecorded, Request, draw, mode_dropping, objectives
from gan_lab.types import UserError
from registry import fields, target


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
    with pytest.raises(UserError, match=r"figure=4-7: there is no such figure.*4-6"):
        draw("4-7", tmp_path, Request())
    assert set(FIGURES) == {"2-7", "2-13", "2-14", "2-15", "2-16", "2-17", "2-18", "4-6"}


# 2-13 -----------------------------------------------------------------------------------------------------------------


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
    at_two = {row["loss"]: (float(row["phi"]), float(row["varphi"])) for row in found if float(row["t"]) == 2.0}
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


# 4-6 ------------------------------------------------------------------------------------------------------------------


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
    # three standard deviations to either side: the variance of a normal truncated there is 0.9733 σ²
    assert np.sum(density * (index - 50) ** 2) == pytest.approx(0.9733 * (101 / 6) ** 2, rel=0.01)


def test_figure_4_6_writes_both_densities_and_the_am_score(tmp_path):
    _, found = drawn("4-6", tmp_path)
    assert len(found) == 2 * mode_dropping.CLASSES
    whole = [row for row in found if row["dropped"] == "0"]
    assert [row["am_score"] for row in whole] == ["0.0", "0.0"]
    assert {row["am_score"] for row in found if row["dropped"] != "0"} == {"inf"}
    assert float(whole[0]["log_is_mean"]) == pytest.approx(math.log(mode_dropping.CLASSES))


# Curves ---------------------------------------------------------------------------------------------------------------


def sweep():
    found = [record(weight=w, seed=s, fid=2 + w + s) for w in (0.1, 1) for s in (0, 1)]
    return [*found, record("hinge", fid=7.0), record("sqrt", status="diverged")]


def test_figure_2_7_shows_mean_and_range_over_seeds_at_the_chosen_weight(tmp_path):
    picture, found = drawn("2-7", tmp_path, found=sweep(), datasets=("digits",))
    assert picture.name == "figure_2_7_digits.png"
    assert {(row["loss"], row["weight"], row["seeds"]) for row in found} == {("exp", "0.1", "2"), ("hinge", "0.1", "1")}
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
    found[0]["history"]["fid_inception_5k_train"] = [[500, 9.0], [1000, 8.0]]
    with pytest.raises(UserError, match=f"curve={SMALL_FID}"):
        draw("2-7", tmp_path, Request(found=found))
    _, numbers = drawn("2-7", tmp_path, found=found, curve="fid_inception_5k_train")
    assert [float(row["mean"]) for row in numbers] == [9.0, 8.0]


def test_curves_of_runs_that_differ_elsewhere_are_refused(tmp_path):
    found = [record(seed=0), record(seed=1, config__max_generator_steps=1500)]
    with pytest.raises(UserError, match="max_generator_steps"):
        draw("2-7", tmp_path, Request(found=found))


# Samples --------------------------------------------------------------------------------------------------------------


def sampled(folder, *contents, steps=(9, 1000)):
    run_dirs(folder, *contents)
    found = tuple(folder / content["run_id"] for content in contents)
    for index, place in enumerate(found):
        (place / "samples").mkdir()
        for step in steps:
            Image.new("RGB", (32, 32), (step % 256, 40 * index, 0)).save(place / "samples" / f"step_{step}.png")
    return found


def test_sample_grids_take_the_newest_of_each_run(tmp_path):
    found = sampled(
        tmp_path / "runs", record("exp"), record("hinge"), record("exp", penalty="clip", weight=None), record("sqrt")
    )
    picture, numbers = drawn("2-16", tmp_path / "out", run_dirs=found)
    assert picture.name == "figure_2_16_digits.png"
    assert [row["run_id"] for row in numbers] == [place.name for place in found]
    assert {row["step"] for row in numbers} == {"1000"}
    assert numbers[2]["weight"] == "none"


def test_a_figure_on_its_own_data_set_has_its_plain_name(tmp_path):
    found = sampled(tmp_path / "runs", record(dataset="flowers102"))
    assert drawn("2-18", tmp_path / "out", run_dirs=found)[0].name == "figure_2_18.png"


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
