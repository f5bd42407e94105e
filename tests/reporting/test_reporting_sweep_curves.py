"""Curves of any sweep from made-up runs: means and bands by hand, what is drawn, what is
refused."""

from __future__ import annotations

import csv
import json
import random

import numpy as np
import pytest
import scipy.stats

from gan_lab.errors import UserError
from gan_lab.reporting import Axes, draw_curves, read_runs, sweep_curves, write_figure
from gan_lab.reporting.figures.series import common_steps, mean_over_seeds, read_metrics
from helpers.made_up import SMALL_FID, record, run_dirs, write

STEPS = (5, 10, 15)


def logged(run_dir, values):
    """Write metrics.jsonl: critic_loss at the first steps."""
    lines = [
        {"generator_step": step, "critic_loss": value}
        for step, value in zip(STEPS, values, strict=False)
    ]
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def sweep(folder, seeds=3, losses=("exp", "hinge")):
    """Run directories with critic_loss loss number + seed + step / 100."""
    for number, loss in enumerate(losses):
        for seed in range(seeds):
            one = record(loss, 1, seed, fid=2.0 + number)
            run_dirs(folder, one)
            logged(folder / one["run_id"], [number + seed**2 + step / 100 for step in STEPS])
    return folder


def curves(folder, *names, rows=("loss",), facet=(), **more):
    return sweep_curves(read_runs([folder], **more), Axes(tuple(rows), facet=tuple(facet)), names)


def line(shown, row="exp", panel=0):
    return next(one for one in shown.panels[panel].lines if one.row == (row,))


def numbers(shown, tmp_path):
    """The CSV beside the picture."""
    _, path = write_figure(draw_curves(shown), tmp_path / "out", "figure")
    return list(csv.DictReader(path.open()))


# Numbers ------------------------------------------------------------------------------------------


def test_three_seeds_have_students_interval(tmp_path):
    shown = curves(sweep(tmp_path / "runs"), "critic_loss")
    mean = line(shown, "hinge").mean
    assert mean.steps.tolist() == list(STEPS)
    for index, step in enumerate(STEPS):
        values = [1 + seed**2 + step / 100 for seed in range(3)]
        low, high = scipy.stats.t.interval(0.95, 2, np.mean(values), scipy.stats.sem(values))
        assert (mean.mean[index], mean.low[index], mean.high[index]) == pytest.approx(
            (np.mean(values), low, high)
        )
    assert (mean.n, mean.band) == (3, "95% interval")
    rows = [one for one in numbers(shown, tmp_path) if one["loss"] == "hinge"]
    assert [float(one["high"]) for one in rows] == pytest.approx(mean.high.tolist())
    assert {one["run_ids"] for one in rows} == {"hinmaxgp1s0 hinmaxgp1s1 hinmaxgp1s2"}


def test_two_seeds_have_their_least_and_greatest_and_one_has_no_band(tmp_path):
    mean = line(curves(sweep(tmp_path / "two", seeds=2), "critic_loss")).mean
    assert (mean.low.tolist(), mean.high.tolist()) == ([0.05, 0.1, 0.15], [1.05, 1.1, 1.15])
    assert mean.band == "least to greatest"
    rows = numbers(curves(sweep(tmp_path / "one", seeds=1), "critic_loss"), tmp_path)
    assert {(one["low"], one["high"], one["band"], one["n"]) for one in rows} == {("", "", "", "1")}


def test_a_mean_is_over_the_steps_that_all_runs_have():
    steps, values = common_steps([[(1, 1.0), (2, 2.0), (3, "nan")], [(2, 4.0), (3, 5.0), (4, 6.0)]])
    assert steps.tolist() == [2, 3]
    assert values[:, 0].tolist() == [2.0, 4.0]
    assert np.isnan(values[0, 1])
    assert mean_over_seeds([[(1, 1.0)], [(2, 1.0)]]) is None
    assert mean_over_seeds([]) is None


def test_scores_come_from_the_history_also_of_collected_records(tmp_path):
    folder = write(
        tmp_path / "records",
        *(record(loss, 1, s, fid=2.0 + s) for loss in ("exp", "hinge") for s in (0, 1)),
    )
    shown = curves(folder, "fid")
    assert shown.panels[0].curve == SMALL_FID
    assert line(shown).mean.mean.tolist() == [4.5, 2.5]
    with pytest.raises(UserError, match="curves=critic_loss: no run has it"):
        curves(folder, "critic_loss")


def test_facets_are_panels_of_every_curve(tmp_path):
    run_dirs(tmp_path, *(record("exp", weight, s) for weight in (10, 0.5) for s in (0, 1)))
    shown = curves(tmp_path, "fid", "is", facet=("penalty.weight",))
    assert [(one.facet, one.curve.split("_")[0]) for one in shown.panels] == [
        (("0.5",), "fid"), (("10",), "fid"), (("0.5",), "is"), (("10",), "is"),
    ]  # fmt: skip
    figure = draw_curves(shown).figure
    assert [axes.get_title() for axes in figure.axes] == [
        "penalty.weight=0.5",
        "penalty.weight=10",
    ] * 2
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log", "linear", "linear"]


def test_the_order_of_runs_does_not_matter(tmp_path):
    found = read_runs([sweep(tmp_path / "runs")])
    runs = list(found.runs)
    random.Random(0).shuffle(runs)
    axes = Axes(("loss",))
    one, two = (
        draw_curves(sweep_curves(type(found)(tuple(each)), axes, ["critic_loss"])).numbers
        for each in (runs, found.runs)
    )
    assert one == two


# What became of the others ------------------------------------------------------------------------


def test_a_run_in_no_mean_is_a_line_of_its_own_and_told_in_the_legend(tmp_path):
    folder = sweep(tmp_path / "runs", seeds=2)
    for status, seed, values in (("diverged", 2, [0.0, "inf"]), ("running", 3, [7.0])):
        one = record("exp", 1, seed, status=status, run_id=status)
        run_dirs(folder, one)
        logged(folder / status, values)
    shown = curves(folder, "critic_loss")
    assert line(shown).mean.mean.tolist() == pytest.approx([0.55, 0.6, 0.65])
    assert [record["run_id"] for record, _ in line(shown).singles] == ["diverged", "running"]
    figure = draw_curves(shown).figure
    (legend,) = [
        [text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes
    ]
    assert legend == ["exp, n = 2; 1 diverged, 1 unfinished", "hinge, n = 2; 2 missing"]
    assert "dotted: runs that are in no mean" in figure.get_suptitle()
    alone = [one for one in numbers(shown, tmp_path) if one["status"] != "finished"]
    assert [(one["run_ids"], one["step"], one["mean"]) for one in alone] == [
        ("diverged", "5", "0.0"), ("diverged", "10", "inf"), ("running", "5", "7.0"),
    ]  # fmt: skip


def test_what_a_run_that_diverges_writes_leaves_the_others_visible(tmp_path):
    folder = sweep(tmp_path / "runs", seeds=2)
    run_dirs(folder, record("exp", 1, 2, status="diverged", run_id="gone"))
    logged(folder / "gone", [0.0, 1e30, 1e38])
    assert draw_curves(curves(folder, "critic_loss")).figure.axes[0].get_ylim()[1] < 10


def test_a_row_without_a_finished_run_says_so(tmp_path):
    folder = sweep(tmp_path / "runs", losses=("exp",))
    run_dirs(folder, record("hinge", 1, 0, status="failed", fid=None, run_id="broken"))
    figure = draw_curves(curves(folder, "critic_loss")).figure
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["exp, n = 3", "hinge, no finished run; 1 failed, 2 missing"]


# metrics.jsonl ------------------------------------------------------------------------------------


def test_a_torn_last_line_is_left_out_and_a_damaged_one_refused_by_number(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"generator_step": 1, "critic_loss": 0.5}\n{"generator_step": 2, "critic_loss": '
        '"nan"}\n{"generator_st'
    )
    assert read_metrics(tmp_path) == {"critic_loss": [(1, 0.5), (2, "nan")]}
    path.write_text('{"generator_step": 1}\n[1]\n')
    with pytest.raises(UserError, match=r"damaged in line 2 .*restore it"):
        read_metrics(tmp_path)
    path.unlink()
    assert read_metrics(tmp_path) == {}


# Refusals -----------------------------------------------------------------------------------------


def test_a_mean_over_two_recipes_is_refused(tmp_path):
    run_dirs(tmp_path, *(record("exp", weight, 0) for weight in (0.1, 1)))
    with pytest.raises(UserError, match=r"differ in penalty.weight \(0.1 and 1\)"):
        curves(tmp_path, "fid")


def test_scores_of_two_extractors_are_refused(tmp_path):
    one, two = record("exp", 1, 0), record("hinge", 1, 0)
    two["extractor"] = two["extractor"] | {"weights_sha256": "other"}
    run_dirs(tmp_path, one, two)
    with pytest.raises(UserError, match=f"history_about.{SMALL_FID}.extractor.weights_sha256"):
        curves(tmp_path, "fid")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "curves is not set: .*critic_loss"),
        (["critic_los"], None),
        (["kid"], "curves=kid: no run has it .*critic_loss"),
    ],
)
def test_bad_input_names_what_there_is(names, words, tmp_path):
    folder = sweep(tmp_path / "runs")
    if words is None:
        assert curves(folder, *names).panels[0].curve == "critic_loss"
        return
    with pytest.raises(UserError, match=words):
        curves(folder, *names)


def test_odd_names_are_drawn_as_they_are(tmp_path):
    folder = tmp_path / "runs"
    one = record("exp", 1, 0)
    one["choices"]["loss"] = r"$\frac{1$ \x1b[31m"
    run_dirs(folder, one)
    logged(folder / one["run_id"], [1.0, 2.0, 3.0])
    assert numbers(curves(folder, "critic_loss"), tmp_path)[0]["loss"] == one["choices"]["loss"]
