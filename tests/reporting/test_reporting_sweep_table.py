"""Tables of any sweep from made-up records: numbers, what is told of every run, refusals, three
formats."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
import re
import shlex
from pathlib import Path

import pytest
import scipy.stats
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_lab.errors import UserError
from gan_lab.reading.declared_scores import declared_scores
from gan_lab.reporting import (
    Axes,
    Found,
    Run,
    read_runs,
    sweep_sheet,
    sweep_table,
    to_csv,
    to_latex,
    to_markdown,
)
from gan_lab.reporting.axes import label
from gan_lab.reporting.outcomes import OUTCOMES
from gan_lab.reporting.report import facts
from gan_lab.reporting.scores import higher_is_better, score_origin, whole_name
from gan_lab.sweeps import keep_failure, write_plan
from helpers.made_up import FID, IS, record, run_dirs, write

ROOT = Path(__file__).resolve().parents[2]
VALUES = {
    ("exp", 0.1): [2.0, 2.5, 4.0],
    ("exp", 1): [1.0, 1.5, 1.25],
    ("hinge", 0.1): [3.0, 3.5, 1.0],
    ("hinge", 1): [9.0, 8.0, 8.5],
}


def sweep(**replaced):
    """2 losses, 2 weights, 3 seeds."""
    return [
        record(loss, weight, seed, fid=value, inception_score=10 - value, **replaced)
        for (loss, weight), values in VALUES.items()
        for seed, value in enumerate(values)
    ]


def table(
    found, rows=("loss",), columns=("penalty.weight",), facet=(), score=(FID,), baseline=None
):
    runs = tuple(one if isinstance(one, Run) else Run(one) for one in found)
    return sweep_table(
        Found(runs), Axes(tuple(rows), tuple(columns), tuple(facet)), score, baseline
    )


def cell(shown, row="exp", column="1", block=0):
    return shown.blocks[block].cells[(row,), (column,) if column else ()]


def line_of(found, loss, weight, **asked):
    """One of them."""
    return next(
        one
        for one in lines(found, **asked)
        if (one["loss"], one["penalty.weight"]) == (loss, label(weight))
    )


def markdown(found, **asked):
    return to_markdown(sweep_sheet(table(found, **asked)))


def lines(found, **asked):
    """The CSV."""
    return list(csv.DictReader(io.StringIO(to_csv(sweep_sheet(table(found, **asked))))))


# Old names of fields --------------------------------------------------------------------------------


def by_fraction():
    """Half of the labels or all of them, 2 seeds each."""
    return [
        record(seed=seed, fid=2.0 + seed + fraction, run_id=f"f{fraction}s{seed}",
               config__supervision={"labelled_fraction": fraction, "num_classes": None})
        for fraction in (0.5, 1.0) for seed in (0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("axis", ["rows", "columns", "facet"])
@pytest.mark.parametrize("prefix", ["", "config."])
def test_an_axis_by_an_old_name_is_that_of_today(axis, prefix):
    asked = {"rows": ("loss",), "columns": (), "facet": ()}
    old, new = (
        table(by_fraction(), **asked | {axis: (f"{prefix}{field}",)})
        for field in ("dataset.labelled_fraction", "supervision.labelled_fraction")
    )
    assert old.axes == new.axes
    assert to_markdown(sweep_sheet(old)) == to_markdown(sweep_sheet(new))
    assert len(old.blocks[0].cells) * len(old.blocks) == 2


@pytest.mark.parametrize(
    ("asked", "plain"),
    [
        (("choices.loss", "config.penalty.weight"), ("loss", "penalty.weight")),
        (("loss", "config.seed"), ("loss", "seed")),
    ],
)
def test_an_axis_by_its_place_in_the_record_is_the_one_without(asked, plain):
    """Else the table would say that its own rows differ in more, and that seeds are missing."""
    found = [*sweep(), record("hinge", 1, 3, fid=2.0)]
    found = [one for one in found if plain[1] != "seed" or one["config"]["penalty"]["weight"] == 1]
    (rows, columns), (row, column) = asked, plain
    text = markdown(found, rows=(rows,), columns=(columns,), baseline={rows: "exp"})
    assert text == markdown(found, rows=(row,), columns=(column,), baseline={row: "exp"})
    assert "Cells differ in more" not in text
    if column == "seed":
        assert "missing" not in text
    with pytest.raises(UserError, match="loss is named twice"):
        table(found, rows=("loss",), columns=("choices.loss",))


def test_a_baseline_by_an_old_name_is_that_of_today():
    shown = table(by_fraction(), rows=("dataset.labelled_fraction",), columns=(),
                  baseline={"dataset.labelled_fraction": 0.5})  # fmt: skip
    assert shown.baseline == ("0.5",)


@pytest.mark.parametrize("prefix", ["", "config."])
def test_runs_are_selected_by_an_old_name(prefix, tmp_path):
    write(tmp_path / "runs", *by_fraction())
    found = read_runs([tmp_path / "runs"], {f"{prefix}dataset.labelled_fraction": 0.5})
    assert sorted(run.record["run_id"] for run in found.runs) == ["f0.5s0", "f0.5s1"]


# Scores in parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("fid_classifier_10k_5x_train", 5),
        ("kid_classifier_10k_5x_train", 5),
        ("precision_classifier_10k_5x_train", 5),
        ("is_classifier_10k_10x", 10),
        ("am_classifier_10k", 10),
    ],
)
def test_scores_of_features_are_in_chunks_and_those_of_logits_in_splits(name, parts):
    entry = {"value": 1.0, "std": 0.1, "n_samples": 10000, "splits": 10, "chunks": 5, "step": 1000}
    run = record(scores={name: entry | {"extractor": record()["extractor"]}})
    assert score_origin([run], name).parts == parts


# Numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "weight"), VALUES)
def test_mean_and_interval_are_scipys(loss, weight):
    values = VALUES[loss, weight]
    low, high = scipy.stats.t.interval(0.95, 2, scipy.stats.tmean(values), scipy.stats.sem(values))
    shown = cell(table(sweep()), loss, label(weight))
    assert (shown.estimate.mean, *shown.estimate.bounds) == pytest.approx(
        (sum(values) / 3, low, high), rel=1e-12
    )
    line = line_of(sweep(), loss, weight)
    assert [float(line[name]) for name in ("n", "mean", "low", "high")] == pytest.approx(
        [3, sum(values) / 3, low, high]
    )


@pytest.mark.parametrize("weight", [0.1, 1])
def test_a_difference_is_scipys_by_welch(weight):
    first, second = VALUES["hinge", weight], VALUES["exp", weight]
    test = scipy.stats.ttest_ind(first, second, equal_var=False)
    shown = table(sweep(), baseline={"loss": "exp"})
    gap = cell(shown, "hinge", label(weight)).difference
    assert gap.mean == pytest.approx(sum(first) / 3 - sum(second) / 3)
    assert gap.bounds == pytest.approx(tuple(test.confidence_interval(0.95)), rel=1e-9)
    assert cell(shown, "exp", label(weight)).difference is None
    line = line_of(sweep(), "hinge", weight, baseline={"loss": "exp"})
    assert [float(line[f"difference{end}"]) for end in ("", "_low", "_high")] == pytest.approx(
        [gap.mean, *gap.bounds]
    )


def test_the_verdict_of_a_difference_follows_the_direction_of_the_score():
    found = [
        record(loss, 1, s, fid=f + s / 10, inception_score=f + s / 10)
        for loss, f in (("exp", 1), ("hinge", 8))
        for s in (0, 1, 2)
    ]
    text = markdown(found, baseline={"loss": "exp"}, score=(FID, IS))
    fid, score = re.findall(r"^\| hinge \| (7\.00 ± .*) \|$", text, re.MULTILINE)
    assert fid.endswith(", worse")
    assert score.endswith(", better")
    close = [
        record(loss, 1, s, fid=5 + s + t)
        for t, loss in ((0, "exp"), (0.1, "hinge"))
        for s in (0, 1, 2)
    ]
    assert ", not decided |" in markdown(close, baseline={"loss": "exp"})


def test_the_best_mean_of_a_column_is_bold_and_ties_are_both():
    text = markdown(sweep())
    assert re.findall(r"^\| exp \| (.*) \|$", text, re.MULTILINE) == [
        "2.83 ± 2.59, n = 3 | **1.25 ± 0.62, n = 3**"
    ]
    assert re.findall(r"^\| hinge \| (.*) \|$", text, re.MULTILINE) == [
        "**2.50 ± 3.29, n = 3** | 8.50 ± 1.24, n = 3"
    ]
    higher = lines(sweep(), score=(IS,))
    assert [(one["loss"], one["penalty.weight"]) for one in higher if one["best"] == "1"] == [
        ("exp", "1"),
        ("hinge", "0.1"),
    ]
    tied = lines(
        [record(loss, 1, 0, fid=2.0) for loss in ("exp", "hinge")] + [record("sqrt", 1, 0, fid=3.0)]
    )
    assert [one["best"] for one in tied] == ["1", "1", "0"]


def test_without_columns_the_best_is_of_the_table_and_one_cell_is_no_winner():
    found = [one for one in sweep() if one["config"]["penalty"]["weight"] == 1]
    assert [one["best"] for one in lines(found, columns=())] == ["1", "0"]
    assert [one["best"] for one in lines([record()], columns=())] == ["0"]


def test_a_score_of_unknown_direction_has_no_bold():
    found = sweep()
    for one in found:
        one["scores"]["beauty_human_10"] = one["scores"][FID] | {"value": one["seed"]}
    text = markdown(found, score=("beauty",), baseline={"loss": "exp"})
    assert "**" not in text
    assert "Nobody told which way is better" in text


def test_every_score_of_the_program_has_a_direction():
    for score, declared in declared_scores().items():
        for name in declared.facts.values or (score,):
            assert higher_is_better(f"{name}_classifier_10k") is not None
    assert higher_is_better("am_classifier_10k") is False  # Zhou 2017: lower is better
    assert higher_is_better("is_inception_50k_10x") is True
    assert higher_is_better("modes_mixture_2500") is True
    assert higher_is_better("modekl_mixture_2500") is False
    assert higher_is_better("beauty_10k") is None


def test_several_scores_are_blocks_and_facets_are_tables_of_their_own():
    found = [*sweep(), *sweep(dataset="cifar10")]
    shown = table(found, facet=("dataset",), score=(FID, IS))
    assert [(block.facet.key, block.score) for block in shown.blocks] == [
        (("cifar10",), FID), (("cifar10",), IS), (("digits",), FID), (("digits",), IS)
    ]  # fmt: skip
    text = to_markdown(sweep_sheet(shown))
    assert text.count("## dataset=digits, ") == 2
    assert text.count("Data: cifar10") == text.count("Data: digits") == 2


def test_combined_rows_and_columns_in_the_order_of_their_values():
    found = [
        record(loss, w, 0, penalty=p, config__n_critic=n)
        for loss in ("hinge", "exp")
        for p in ("maxgp", "gp")
        for w in (10, 0.5, 2)
        for n in (5, 1)
    ]
    shown = table(found, rows=("loss", "penalty"), columns=("penalty.weight", "n_critic")).blocks[0]
    assert shown.facet.rows == (
        ("exp", "gp"),
        ("exp", "maxgp"),
        ("hinge", "gp"),
        ("hinge", "maxgp"),
    )
    assert shown.facet.columns == (
        ("0.5", "1"),
        ("0.5", "5"),
        ("2", "1"),
        ("2", "5"),
        ("10", "1"),
        ("10", "5"),
    )
    assert "| loss, penalty | penalty.weight=0.5, n_critic=1 |" in markdown(
        found, rows=("loss", "penalty"), columns=("penalty.weight", "n_critic")
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (1, "1"), (0.1, "0.1"), (1e-5, "1e-05"), (1e15, "1e+15"), (0.12345678, "0.12345678"),
        (True, "true"), (None, "none"), ([0.0, 0.9], "[0, 0.9]"), ("exp", "exp"), (200_000, "200000"),
    ],
)  # fmt: skip
def test_labels_are_as_typed(value, text):
    assert label(value) == text


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(["loss", "penalty.weight", "penalty"]))
def test_the_order_of_records_does_not_matter(order: random.Random, row):
    found = [
        *sweep(),
        record("sqrt", 1, 0, status="diverged"),
        record("sqrt", 1, 1, status="failed", run_id="f"),
    ]
    shuffled = copy.deepcopy(found)
    order.shuffle(shuffled)
    asked = {
        "rows": (row,),
        "columns": tuple(name for name in ("loss", "penalty.weight") if name != row),
    }
    assert markdown(shuffled, **asked, score=(FID, IS)) == markdown(found, **asked, score=(FID, IS))


# What became of the others ------------------------------------------------------------------------


def test_every_seed_of_a_cell_is_told():
    found = sweep()
    found += [
        record("sqrt", 1, 0, status="diverged", run_id="gone"),
        record("sqrt", 1, 1, fid=None, status="failed", run_id="broken"),
    ]
    found += [
        record("sqrt", 0.1, 0),
        record("sqrt", 0.1, 1, status="running", run_id="late"),
        record("sqrt", 0.1, 2, fid=None, run_id="bare"),
    ]
    text = markdown(found)
    assert (
        "| sqrt | 2.00 (1 seed: no interval); 1 unfinished, 1 without it | –; 1 diverged, 1 "
        "failed, 1 missing |" in text
    )
    for line in lines(found):
        assert int(line["n"]) + sum(int(line[name]) for name in OUTCOMES) == 3
    line = line_of(found, "sqrt", 1)
    assert line["left_out"] == "gone:diverged broken:failed"
    assert (line["mean"], line["low"], line["best"]) == ("", "", "0")


def test_a_cell_with_fewer_seeds_may_not_win():
    found = [*sweep(), record("sqrt", 1, 0, fid=0.1)]
    assert line_of(found, "sqrt", 1)["best"] == "0"
    assert line_of(found, "exp", 1)["best"] == "1"


def test_what_an_unfinished_run_has_scored_so_far_is_in_no_mean():
    found = [record(seed=s, fid=2.0) for s in (0, 1)] + [
        record(seed=2, fid=9.0, status="interrupted")
    ]
    assert cell(table(found, columns=()), column="").estimate.mean == 2.0


def test_a_cell_without_any_run_says_so():
    text = markdown([record("exp", 1, 0), record("hinge", 0.1, 0)])
    assert "| exp | no run | 2.00 (1 seed: no interval) |" in text


def test_seeds_as_rows_miss_nothing():
    assert all(line["missing"] == "0" for line in lines(sweep(), rows=("loss", "seed")))


def test_a_score_that_is_not_finite_has_no_interval_and_does_not_win():
    found = []
    for seed in (0, 1):
        one = record("exp", 1, seed, fid=1.0)
        one["scores"][FID]["value"] = "inf" if seed else 1.0
        found += [
            one,
            record("hinge", 1, seed, fid=3.0 + seed),
            record("sqrt", 1, seed, fid=4.0 + seed),
        ]
    text = markdown(found)
    assert "| exp | inf (not finite: no interval), n = 2 |" in text
    assert [line["loss"] for line in lines(found) if line["best"] == "1"] == ["hinge"]


def test_cells_of_a_sweep_that_left_no_record_or_have_not_begun_are_counted(tmp_path):
    run_dirs(tmp_path, *(record("exp", 1, seed) for seed in (0, 1)))
    keep_failure(
        tmp_path / "refused",
        ["loss=hinge", "penalty.weight=1.0", "seed=0"],
        "loss and labels do not fit",
    )
    keep_failure(tmp_path / "unknown", ["loss=hinge", "seed=1"], "no room")
    write_plan(tmp_path, {"waits": ["loss=hinge", "penalty.weight=1", "seed=1"]})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/record.json").write_text("{")
    told = []
    found = read_runs([tmp_path], report=told.append)
    text = to_markdown(
        sweep_sheet(sweep_table(found, Axes(("loss",), ("penalty.weight",)), ["fid_train"]))
    )
    assert "| hinge | –; 1 failed, 1 unfinished |" in text
    assert "2 of the runs stand in no cell: " in text
    assert "unknown failed (no room)" in text
    assert len(told) == 1
    assert "broken/record.json" in told[0]
    assert "broken/record.json" in text


def test_select_leaves_out_a_run_without_a_config_only_where_it_says_so(tmp_path):
    run_dirs(tmp_path, *(record("exp", weight, 0) for weight in (0.1, 1)))
    keep_failure(tmp_path / "a", ["loss=hinge", "penalty.weight=1", "seed=0"], "no")
    keep_failure(tmp_path / "b", ["loss=hinge", "seed=0"], "no")
    found = read_runs([tmp_path], {"penalty.weight": 0.1})
    assert sorted(run.record["run_id"] for run in found.runs) == ["b", "expmaxgp0.1s0"]


@pytest.mark.parametrize(
    ("field", "value", "typed"),
    [
        ("optimizer.betas", [0.0, 0.9], "[0.0,0.9]"),
        ("penalty.one_sided", True, "true"),
        ("penalty.one_sided", False, "False"),
        ("penalty.target", None, "null"),
        ("optimizer.lr", 1e-3, "1e-3"),
        ("penalty.kind", "a b", "'a b'"),
        ("penalty.kind", "off", "off"),
        ("penalty.kind", ["off", True], "[off,true]"),
    ],
)
def test_what_was_typed_for_a_run_without_a_record_is_what_a_config_holds(
    field, value, typed, tmp_path
):
    """It stands in the row of the runs with that value, and is selected by it."""
    name = f"config__{field.replace('.', '__')}"
    run_dirs(tmp_path, *(record("exp", 1, seed, **{name: value}) for seed in (0, 1)))
    keep_failure(tmp_path / "gone", ["loss=exp", f"{field}={typed}", "seed=2"], "no room")
    found = read_runs([tmp_path], {field: [value]})
    assert len(found.runs) == 3
    (shown,) = sweep_table(found, Axes((field,)), ["fid_train"]).blocks
    assert list(shown.cells) == [((label(value),), ())]
    assert shown.cells[(label(value),), ()].others["failed"] == 1
    (run,) = (run for run in found.runs if not run.is_whole)
    again = shlex.split(facts.command(run.record))
    assert again == ["python", "train.py", "loss=exp", f"{field}={typed}", "seed=2"]


@pytest.mark.parametrize("typed", ["0.1,1", "[1", "${seed}", "off"])
def test_what_has_no_value_of_its_own_stays_as_it_was_typed(typed, tmp_path):
    run_dirs(tmp_path, record())
    keep_failure(tmp_path / "gone", ["loss=exp", f"+penalty.weight={typed}"], "no")
    (run,) = (run for run in read_runs([tmp_path]).runs if not run.is_whole)
    assert run.record["choices"]["penalty.weight"] == typed


def test_a_run_that_was_refused_for_its_seed_has_none(tmp_path):
    run_dirs(tmp_path, record(), record(seed=1))
    keep_failure(tmp_path / "gone", ["loss=exp", "seed=[0,1]"], "no")
    (shown,) = sweep_table(read_runs([tmp_path]), Axes(("loss",)), ["fid_train"]).blocks
    assert shown.cells[("exp",), ()].others["failed"] == 1


def test_runs_are_read_from_any_folder_and_stand_once(tmp_path):
    write(tmp_path / "records", *sweep())
    run_dirs(tmp_path / "runs", *sweep())
    collected = read_runs([tmp_path / "records"])
    below = read_runs([tmp_path / "runs", tmp_path / "runs" / "expmaxgp1s0"])
    assert len(collected.runs) == len(below.runs) == 12
    assert {run.run_dir for run in collected.runs} == {None}
    assert lines(collected.runs) == lines(below.runs)


@pytest.mark.parametrize("status", ["failed", "waiting"])
def test_allow_leaves_in_what_could_be_published_alone(status, tmp_path):
    run_dirs(tmp_path, record())
    assert len(read_runs([tmp_path], allow=()).runs) == 1
    if status == "failed":
        keep_failure(tmp_path / "refused", ["loss=hinge", "seed=0"], "no room")
    else:
        write_plan(tmp_path, {"refused": ["loss=hinge", "seed=0"]})
    with pytest.raises(
        UserError, match=rf"refused: unfinished: it is {status}.*allow=\[unfinished\]"
    ):
        read_runs([tmp_path], allow=())
    assert len(read_runs([tmp_path], allow=["unfinished"]).runs) == 2
    run_dirs(tmp_path / "more", record(git={"sha": "5" * 40, "dirty": True}))
    with pytest.raises(UserError, match="dirty checkout"):
        read_runs([tmp_path], allow=["unfinished"])


# Refusals -----------------------------------------------------------------------------------------


def refused(found, **asked):
    with pytest.raises(UserError) as caught:
        table(found, **asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_runs_of_a_cell_that_differ_in_more_than_the_seed_are_refused_and_the_remedies_work(
    tmp_path,
):
    found = [
        record("exp", w, s, config__optimizer__lr=lr, run_id=f"{w}{lr}{s}")
        for w in (0.1, 1)
        for lr in (1e-3, 1e-4)
        for s in (0, 1)
    ]
    message = refused(found, columns=())
    assert "optimizer.lr (0.0001 and 0.001)" in message
    assert "penalty.weight (0.1 and 1)" in message
    assert "loss=exp" in message
    rows, select = (
        shlex.split(text)[0] for text in re.findall(r"for example ('.*?')(?:,|$)", message)
    )
    parsed = {
        one.key_or_group: one.value()
        for one in OverridesParser.create().parse_overrides([rows, select])
    }
    assert len(table(found, rows=parsed["rows"], columns=()).blocks[0].cells) == 4
    folder = write(tmp_path, *found)
    left = read_runs([folder], parsed["select"])
    assert len(left.runs) == 2
    table(left.runs, columns=())


def test_another_option_is_named_as_one_difference():
    message = refused(
        [record("exp", 1, s, penalty=p) for p in ("gp", "maxgp") for s in (0, 1)], columns=()
    )
    assert "differ in penalty (gp and maxgp), as" in message
    assert "penalty._target_" not in message


def test_two_runs_of_one_seed_are_refused():
    assert "runs a and b are the same cell" in refused([record(run_id="a"), record(run_id="b")])


def test_data_and_extractors_are_one_for_each_data_set():
    found = sweep()
    found[0]["dataset"]["content_hash"] = "other"
    assert "dataset.content_hash" in refused(found)
    found = sweep()
    found[-1]["scores"][FID]["extractor"]["weights_sha256"] = "other"
    assert f"scores.{FID}.extractor.weights_sha256" in refused(found)
    table(found, score=(IS,))
    elsewhere = sweep(dataset="cifar10")
    for one in elsewhere:
        one["scores"][FID]["extractor"]["weights_sha256"] = "other"
    table([*sweep(), *elsewhere], columns=("penalty.weight", "dataset"))


def test_what_cells_differ_in_besides_the_axes_is_told_above():
    found = sweep()
    assert "Cells differ" not in markdown(found)
    for one in found:
        one["config"]["optimizer"]["lr"] = 1e-3 if one["choices"]["loss"] == "exp" else 1e-4
    assert "Cells differ in more than rows and columns: optimizer.lr (0.0001, 0.001)." in markdown(
        found
    )
    penalties = [record("exp", 10.0 if p == "gp" else 1.0, 0, penalty=p) for p in ("gp", "maxgp")]
    assert "penalty.weight (1, 10)" in markdown(penalties, rows=("penalty",), columns=())
    without = [record("exp", None if p == "none" else 1.0, 0, penalty=p) for p in ("none", "maxgp")]
    assert "penalty.weight" not in markdown(without, rows=("penalty",), columns=())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"rows": ()}, "rows is not set: .*these runs differ in: loss, penalty.weight"),
        ({"rows": ("los",)}, "rows=los: no run has such a group or field; did you mean loss"),
        (
            {"columns": ("penalty.wieght",)},
            "columns=penalty.wieght: .* did you mean penalty.weight",
        ),
        (
            {"columns": ("optimizer",)},
            "columns=optimizer is a group of fields; name one .*optimizer.lr",
        ),
        (
            {"columns": ("optimizer_critic",)},
            "columns=optimizer_critic is a group of fields; name one .it has none",
        ),
        ({"columns": ("loss",)}, "loss is named twice"),
        ({"score": ()}, f"score is not set: .*{FID}"),
        (
            {"score": ("fid",)},
            f"score=fid may be {FID.replace('train', 'test')} or {FID}: name one",
        ),
        ({"score": ("kid",)}, f"score=kid: no run has it .*{FID}"),
        (
            {"baseline": {"penalty.weight": 1}},
            "penalty.weight is no field of the rows .*loss=exp; loss=hinge",
        ),
        ({"baseline": {"loss": "wasserstein"}}, "no row is meant by it .*loss=exp; loss=hinge"),
        ({"baseline": {"loss": "exp"}, "rows": ("loss", "seed")}, "3 rows are meant by it"),
    ],
)
def test_bad_input_names_what_there_is(asked, words):
    assert re.search(words, refused(sweep(), **asked))


def test_a_group_of_fields_is_refused_by_their_names():
    found = sweep()
    for one in found:
        one["config"]["architecture"]["inner"] = {"a": 1, "b": 2}
    message = refused(found, rows=("architecture.inner",))
    assert "is a group of fields; name one (architecture.inner.a, architecture.inner.b)" in message


def test_a_baseline_is_typed_as_any_value():
    found = [record("exp", w, s, fid=w + s / 10) for w in (0.1, 1) for s in (0, 1)]
    for wanted in (1, 1.0, "1"):
        shown = table(
            found, rows=("penalty.weight",), columns=(), baseline={"penalty.weight": wanted}
        )
        assert cell(shown, "0.1", "").difference.mean == pytest.approx(-0.9)
    assert table(
        found, rows=("penalty.weight", "loss"), columns=(), baseline={"penalty.weight": 1}
    ).baseline == (
        "1",
        "exp",
    )


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("fid_classifier_10k_train", "fid_classifier_10k_train"),
        ("is", "is_classifier_10k_10x"),
        ("fid_train", "fid_classifier_10k_train"),
        ("fid_classifier_10k_tr", "fid_classifier_10k_train"),
        ("fid_10k_test", "fid_classifier_10k_test"),
    ],
)
def test_a_shortened_name_is_enough_where_it_is_plain(asked, meant):
    names = {
        "fid_classifier_10k_train",
        "fid_classifier_10k_test",
        "is_classifier_10k_10x",
        "is_classifier_10k_10x.marginal_entropy",
    }
    assert whole_name(asked, names, "score") == meant


# Formats ------------------------------------------------------------------------------------------

ODD = r"a|b & c_d % $x$ #1 {y} ~z^2 \evil <b> [l](http://x.y) **w**"


def test_odd_names_are_text_in_every_format():
    found = [record("exp", 1, s) for s in (0, 1)]
    for one in found:
        one["choices"]["loss"] = ODD
    sheet = sweep_sheet(table(found))
    markdown = to_markdown(sheet)
    (row,) = [line for line in markdown.splitlines() if line.startswith("| a")]
    assert re.sub(r"\\\|", "", row).count("|") == 3  # the cell is one
    assert "<b>" not in markdown
    assert "](http" not in markdown
    latex = to_latex(sheet)
    assert (
        r"a|b \& c\_d \% \$x\$ \#1 \{y\} \textasciitilde{}z\textasciicircum{}2 \textbackslash{}evil"
        in latex
    )
    (line,) = csv.DictReader(io.StringIO(to_csv(sheet)))
    assert line["loss"] == ODD


def test_a_name_that_would_be_a_formula_is_text_in_the_csv():
    found = [record("exp", 1, 0)]
    found[0]["choices"]["loss"] = "=1+1"
    (line,) = csv.DictReader(io.StringIO(to_csv(sweep_sheet(table(found)))))
    assert line["loss"] == "'=1+1"


def test_latex_is_balanced_and_bold_where_markdown_is():
    latex = to_latex(sweep_sheet(table(sweep(), baseline={"loss": "exp"}, score=(FID, IS))))
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 4
    assert latex.count(r"\textbf{") == markdown(sweep(), score=(FID, IS)).count(", n = 3**") == 4
    assert latex.count("{") == latex.count("}")
    assert r"penalty.weight=0.1 & penalty.weight=1 \\" in latex


def test_the_csv_has_the_runs_behind_each_cell():
    first = lines(sweep())[0]
    assert first["run_ids"] == "expmaxgp0.1s0 expmaxgp0.1s1 expmaxgp0.1s2"
    assert (first["score"], first["extractor"]) == (FID, "classifier")


def test_old_records_count_as_what_they_implied(tmp_path):
    """A record that lacks `labels` is of labels none, and stands in one cell with one that says
    so."""
    older, newer = record(seed=0), record(seed=1)
    newer["choices"]["labels"] = "none"
    newer["config"]["labels"] = {
        "_target_": "gan_lab.losses.targets.NoTargets",
        "traits": {"targets": False},
    }
    folder = write(tmp_path, older, newer)
    assert json.loads((folder / "0.json").read_text()).get("labels") is None
    shown = sweep_table(read_runs([folder]), Axes(("loss",), ("labels",)), [FID])
    assert cell(shown, "exp", "none").estimate.n == 2


def test_the_committed_records_have_the_numbers_of_the_thesis_table_made_from_them():
    found = read_runs([ROOT / "results/records"], {"experiment": "table_2_2_small"})
    shown = lines(found.runs)
    published = list(csv.DictReader((ROOT / "results/tables/table_2_2_small.csv").open()))
    compared = 0
    for row in published:
        for one in shown:
            if (one["loss"], float(one["penalty.weight"])) == (
                row["loss"],
                float(row["weight"] or "nan"),
            ):
                numbers = [float(one["mean"]), (float(one["high"]) - float(one["low"])) / 2]
                assert numbers == pytest.approx(
                    [float(row["fid_mean"]), float(row["fid_interval95"])]
                )
                compared += 1
    assert compared == 6
