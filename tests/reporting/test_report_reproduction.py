"""The reproduction page: the list is the thesis's, verdicts follow their rule, and statements are
decided by intervals that are worked out by hand."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

import pytest

from gan_lab.errors import UserError
from gan_lab.reporting import sheet, table, to_csv
from gan_lab.reporting.report.dots import Number, draw_dots
from gan_lab.reporting.report.facts import run_anchors
from gan_lab.reporting.report.model import Claim
from gan_lab.reporting.report.page import _breakable, to_html
from gan_lab.reporting.tables.bootstrap import Bootstrapped
from gan_lab.reporting.tables.statistics import Estimate
from gan_lab.reporting.thesis.cells import CellScore
from gan_lab.reporting.thesis.chapter_2 import FRECHET_DISTANCE, INCEPTION_SCORE, TABLE_2_2
from gan_lab.reporting.thesis.chapter_4 import TABLE_4_1, TABLE_4_2
from gan_lab.reporting.thesis.design import Published
from gan_lab.reporting.thesis.reproduction import figures, reproduction, studies
from gan_lab.reporting.thesis.reproduction.items import (
    BESIDE,
    ITEMS,
    Answers,
    Item,
    Settings,
    Statement,
    StudyTable,
)
from gan_lab.reporting.thesis.reproduction.page import VERDICTS, judged
from gan_lab.reporting.thesis.reproduction.scores import decided, scores_of, verdict
from gan_lab.reporting.thesis.reproduction.slips import SLIPS
from helpers.made_up import AM, IS, labelled, record, write

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = {item.name: item for item in ITEMS}


def study(name, seed=0, status="finished", choices=None, **scores):
    """A record of a study."""
    return {
        "version": 3,
        "status": status,
        "reason": None,
        "run_id": f"{name}{seed}{'-'.join((choices or {}).values())}",
        "config": {"seed": seed, "optimizer": {"lr": 0.1}, "study": {"C": 101}},
        "config_hash": "0" * 16,
        "choices": {"study": name} | (choices or {}),
        "command": ["study.py", f"study={name}"],
        "git": {"sha": "5" * 40, "dirty": False},
        "seed": seed,
        "scores": {
            score: {"value": value, "std": None, "n_samples": 0, "step": 10, "extractor": {}}
            for score, value in scores.items()
        },
    }


# The list -----------------------------------------------------------------------------------------


def test_every_table_and_figure_of_the_thesis_stands_once_and_in_order():
    """The numbers of its lists of tables and figures."""
    expected = [
        *(("Table", f"2-{n}") for n in range(1, 4)),
        *(("Figure", f"2-{n}") for n in range(1, 20)),
        *(("Table", f"3-{n}") for n in range(1, 10)),
        *(("Figure", f"3-{n}") for n in range(1, 21)),
        *(("Table", f"4-{n}") for n in range(1, 4)),
        *(("Figure", f"4-{n}") for n in range(1, 19)),
    ]
    assert [(item.kind, item.number) for item in ITEMS] == expected


def test_tests_that_are_named_exist():
    for item in (*ITEMS, *BESIDE):
        if item.in_tests:
            path, name = item.in_tests.split("::")
            assert f"def {name}(" in (ROOT / "tests" / path).read_text()


def test_programs_and_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for item in (*ITEMS, *BESIDE):
        for sweep in re.findall(r"sweep=(\S+)", item.command):
            assert (ROOT / "conf" / "sweep" / f"{sweep}.yaml").is_file()
        for program in re.findall(r"python (\S+)", item.command):
            assert (ROOT / program).is_file()
        for made in re.findall(r"make ([a-z0-9- ]+)", item.command):
            assert set(made.split()) <= targets


def test_slips_of_equations_stand_on_the_page_of_the_thesis_too():
    page = (ROOT / "docs" / "thesis.md").read_text()
    equations = [place for place, _, _ in SLIPS if place.startswith(("(", "before", "3."))]
    assert len(equations) > 10
    assert [place for place in equations if place.split(",")[0].strip("()") not in page] == []


# Verdicts -----------------------------------------------------------------------------------------


def score(mean, half_width, n=3):
    return CellScore((mean,) * n, Estimate(mean, half_width, n), None)


@pytest.mark.parametrize(
    ("ours", "kind", "small_scale", "expected"),
    [
        (None, INCEPTION_SCORE, "", "not run"),
        (score(8.0, 0.1), INCEPTION_SCORE, "", "agrees"),
        (score(8.17, 0.1), INCEPTION_SCORE, "", "agrees"),  # 8.07 meets 8.03 + 0.05
        (score(8.2, 0.1), INCEPTION_SCORE, "", "better"),
        (score(7.8, 0.1), INCEPTION_SCORE, "", "worse"),
        (score(8.2, 0.1), FRECHET_DISTANCE, "", "worse"),
        (score(7.8, 0.1), FRECHET_DISTANCE, "", "better"),
        (score(8.0, 0.1), INCEPTION_SCORE, "1,000 steps", "other scale"),
        (score(8.0, None, 1), INCEPTION_SCORE, "", "other scale"),
        (score(8.0, math.nan), INCEPTION_SCORE, "", "other scale"),
    ],
)
def test_a_score_beside_the_published_one(ours, kind, small_scale, expected):
    """Published: 8.03 ± 0.05."""
    assert verdict(ours, Published(8.03, 0.05), kind, small_scale) == expected
    assert expected in VERDICTS


@pytest.mark.parametrize(
    ("seeds", "p", "expected"),
    [
        ([2], (0.0, 0.0, 0.0), "not decided"),  # 2 of 6 arrangements
        ([2, 2], (1.0, 1.0, 1.0), "not decided"),  # 2 of 36
        ([3, 3], (1.0, 0.8, 1.0), "holds"),  # 2 of 400
        ([3, 3], (0.1, 0.0, 0.4), "is reversed"),
        ([5], (0.6, 0.4, 0.9), "not decided"),
    ],
)
def test_orders_over_all_cells_need_seeds_that_can_decide(seeds, p, expected):
    cells = [[1.0] * n for n in seeds]
    assert decided(Bootstrapped(*p), cells, cells) == expected


def test_what_is_measured_at_the_thesis_scale_is_judged_by_its_statements():
    item = Item("Figure", "3-1", "x")
    holds, reversed_, open_ = (Claim("", "", w) for w in ("holds", "is reversed", "not decided"))
    assert judged(item, None, [holds, open_], None, has_any=True)[0] == "agrees"
    assert judged(item, None, [holds, reversed_], None, has_any=True)[0] == "partly"
    assert judged(item, None, [reversed_], None, has_any=True)[0] == "worse"
    assert judged(item, None, [open_], None, has_any=True)[0] == "other scale"
    assert judged(item, None, [], None, has_any=True)[0] == "other scale"
    assert judged(item, None, [], None, has_any=False) == ("not run", "nothing is recorded")
    small = Item("Figure", "3-1", "x", scale="small")
    assert judged(small, None, [holds], None, has_any=True)[0] == "other scale"


def test_a_field_that_differs_from_the_thesis_makes_another_scale_and_is_named():
    holds, runs = Claim("", "", "holds"), [study("c", seed) for seed in (0, 1)]
    item = Item("Figure", "3-1", "x", published={"study.C": 101})
    assert judged(item, None, [holds], None, has_any=True, runs=runs)[0] == "agrees"
    runs[1]["config"]["study"]["C"] = 6
    word, why = judged(item, None, [holds], None, has_any=True, runs=runs)
    assert word == "other scale"
    assert why == "statements of the thesis: 1 holds; 2 seeds; C 101, 6 (thesis: 101)"


# Studies that are chosen --------------------------------------------------------------------------


def test_every_study_and_sweep_that_is_meant_exists():
    """A name that nobody has would be an entry that never fills."""
    known = {path.stem for path in (ROOT / "conf" / "study").glob("*.yaml")}
    sweeps = {path.stem for path in (ROOT / "conf" / "sweep").glob("*.yaml")}
    experiments = {path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")}
    for item in (*ITEMS, *BESIDE):
        for table_of in item.studies:
            for field, names in (
                ("choices.study", known),
                ("choices.sweep", sweeps),
                ("choices.experiment", experiments),
            ):
                wanted = table_of.select.get(field, ())
                meant = [
                    name
                    for name in names
                    if studies.chosen([{"choices": {field[8:]: name}}], {field: wanted})
                ]
                assert meant or not wanted, (item.name, field, wanted)


def test_records_are_chosen_by_values_by_any_of_some_and_by_patterns():
    runs = [study("c", seed, choices={"sweep": name}) for seed, name in enumerate("abc")]

    def meant(where):
        return [run["seed"] for run in studies.chosen(runs, where)]

    assert meant({"choices.sweep": "a"}) == [0]
    assert meant({"choices.sweep": ("a", "c")}) == [0, 2]
    assert meant({"choices.sweep": re.compile("[bc]")}) == [1, 2]
    assert meant({"penalty.memory": (0, None)}) == [0, 1, 2]


# Statements ---------------------------------------------------------------------------------------


def test_a_seed_that_was_run_twice_decides_nothing():
    content = [study("c", 0, k=1.0), study("c", 0, k=-1.0), study("c", 1, k=-1.0)]
    claim = studies.claim(Statement("x", "k", {"study": "c"}), content)
    assert claim.verdict == "not decided"
    assert claim.ours == "several runs of one seed are recorded"


@pytest.mark.parametrize(
    ("diverged", "seeds", "p", "expected"),
    [
        ((0, 0), 2, "1", "not decided"),
        ((2, 0), 2, "0.33", "not decided"),  # 2 of 6 arrangements, though no seed says otherwise
        ((4, 0), 4, "0.029", "holds"),  # 2 of 70
        ((0, 4), 4, "0.029", "is reversed"),
    ],
)
def test_runs_that_diverged_are_counted(diverged, seeds, p, expected):
    """An interval of differences of 0 and 1 has no width where all seeds agree."""
    content = [
        study("c", seed, "diverged" if seed < count else "finished", choices={"penalty": penalty})
        for penalty, count in zip(("gp", "maxgp"), diverged, strict=True)
        for seed in range(seeds)
    ]
    gp, maxgp = ({"penalty": name} for name in ("gp", "maxgp"))
    claim = studies.claim(Statement("x", "diverged", gp, maxgp, higher=True), content)
    assert claim.verdict == expected
    a, b = diverged
    assert claim.ours == (
        f"{a} of {seeds} runs diverged, beside {b} of {seeds}; Fisher's exact test: p = {p}"
    )


def test_outputs_of_a_critic_become_scores_of_its_record():
    """o = (f real + f fake) / 2 is 1 and 2 in the last half: mean 1.5, standard deviation 0.5."""
    run = record() | {"last_metrics": {"gradient_norm": 0.25}}
    run["diagnostics"] = {
        "output_real": [[0, 9.0], [100, 9.0], [200, 3.0], [300, 4.0]],
        "output_fake": [[0, 0.0], [100, 0.0], [200, -1.0], [300, 0.0]],
    }
    scores = studies.with_more(run)["scores"]
    assert scores["output_offset"]["value"] == 1.5
    assert scores["output_spread"]["value"] == 0.5
    assert scores["gradient_norm"]["value"] == 0.25
    assert "output_offset" not in run["scores"]


def test_answers_stand_beside_the_thesis_and_those_that_differ_are_reversed():
    asked = Answers(
        {"study": "c"}, "choices.loss", {"a": "A", "b": "B", "c": "C"},
        {"unique": ("unique", "printed")}, {"error": "error"}, {"closed form": "closed"},
    )  # fmt: skip
    content = [
        study("c", seed, choices={"loss": loss}, unique=unique, error=seed / 8, **more)
        for seed in (0, 1)
        for loss, unique, more in (
            ("c", float(seed), {}),
            ("b", 0.0, {"printed": 1.0, "closed": 0.5}),
            ("a", 1.0, {"printed": 1.0, "closed": 1e-9}),
        )
    ]
    view, claims = studies.answers_view(asked, content, run_anchors(content))
    assert [[cell.text for cell in row] for row in view.rows] == [
        ["A", "yes", "0.125"],
        ["B", "no (thesis: yes)", "0.125"],
        ["C", "yes with 1 of 2 seeds", "0.125"],
    ]
    assert [(one.ours, one.verdict) for one in claims] == [
        ("the same answer in 1 of 2 rows; another for B", "is reversed"),
        ("right within 1e-6 in 1 of 2 rows; another for B (off by 0.500)", "is reversed"),
    ]
    assert studies.answers_view(asked, [], {}) == (None, [])


def test_a_statement_is_decided_seed_by_seed():
    """Differences -1, -1.5 and -0.5: mean -1, s = 0.5, t(0.975, 2) = 4.30265."""
    content = [
        study("plane", seed, choices={"penalty": penalty}, k_error=value)
        for penalty, values in (("maxgp", (1.0, 5.0, 9.0)), ("gp", (2.0, 6.5, 9.5)))
        for seed, value in enumerate(values)
    ]
    of = {name: {"choices.study": "plane", "penalty": name} for name in ("maxgp", "gp")}
    claim = studies.claim(Statement("nearer", "k_error", of["maxgp"], of["gp"]), content)
    half = 4.30265 * 0.5 / math.sqrt(3)
    assert f"-1.00 ± {half:.2f}" in claim.ours
    assert claim.verdict == ("holds" if half < 1 else "not decided")
    other = studies.claim(Statement("x", "k_error", of["gp"], of["maxgp"]), content[:-1])
    assert "2 and 3 seeds" in other.ours  # Welch's: not the same seeds
    assert studies.claim(Statement("x", "k", of["gp"], of["maxgp"]), content).verdict == "no run"


@pytest.mark.parametrize(
    ("values", "higher", "expected"),
    [
        ((-3.0, -3.1, -2.9), False, "holds"),
        ((-3.0, -3.1, -2.9), True, "is reversed"),
        ((-3.0, 3.0), False, "not decided"),
        ((-3.0,), False, "not decided"),
    ],
)
def test_a_statement_about_a_sign(values, higher, expected):
    content = [study("c", seed, theta=value) for seed, value in enumerate(values)]
    content.append(study("c", 9, status="interrupted", theta=1e9))
    claim = studies.claim(Statement("x", "theta", {"study": "c"}, higher=higher), content)
    assert claim.verdict == expected


def test_settings_agree_where_all_runs_have_them():
    runs = [
        study("c", seed, choices={"sweep": "table_3_5_sgd", "optimizer": "sgd"}) for seed in (0, 1)
    ]
    settings = Settings("table_3_5", {"sgd": {"lr": 0.1}, "adam": {"lr": 1.0}})
    view = studies.settings_view(settings, runs, run_anchors(runs))
    assert [row[-1].text for row in view.rows] == ["agrees", "not run"]
    runs[1]["config"]["optimizer"]["lr"] = 0.2
    assert studies.settings_view(settings, runs, run_anchors(runs)).rows[0][3].text == "0.1, 0.2"
    assert studies.settings_view(settings, [], {}) is None


def test_an_optimizer_that_nobody_ran_does_not_speak_against_the_settings_of_the_others():
    run = study("c", choices={"sweep": "table_3_5_sgd", "optimizer": "sgd"})
    settings = Settings("table_3_5", {"sgd": {"lr": 0.1}, "adam": {"lr": 1.0, "n": 1}})
    item = Item("Table", "3-5", "x", settings=settings)
    view = studies.settings_view(settings, [run], run_anchors([run]))
    word, why = judged(item, None, [], view, has_any=True)
    assert (word, why) == (
        "agrees",
        "every setting of our runs is the published one; no run of Adam",
    )
    run["config"]["optimizer"]["lr"] = 0.2
    view = studies.settings_view(settings, [run], run_anchors([run]))
    word, why = judged(item, None, [], view, has_any=True)
    assert (word, why) == (
        "other scale",
        "not every setting of our runs is the published one; no run of Adam",
    )
    run["choices"]["optimizer"] = "lion"
    view = studies.settings_view(settings, [run], run_anchors([run]))
    assert judged(item, None, [], view, has_any=True)[0] == "not run"


def test_several_scores_of_a_study_stand_beside_each_other():
    runs = [study("c", seed, a=seed, b=2.0) for seed in (0, 1)]
    table_of = StudyTable({"choices.study": "c"}, ("study.C",), ("a", "b"), published={"a": "0.4"})
    ((view,), problems) = studies.study_views(table_of, runs, run_anchors(runs))
    assert problems == []
    assert view.header == ("C", "a", "b")
    assert [cell.sort for cell in view.rows[0][1:]] == [0.5, 2.0]
    assert [line["score"] for line in csv.DictReader(io.StringIO(view.csv))] == ["a", "b"]
    assert view.notes[0] == "a, published: 0.4."
    assert view.dots is None  # one number is no drawing


def test_the_runs_of_a_table_alone_are_none_of_a_figure_that_sets_others_beside_them():
    """Figure 3-9 is of AdaShift's parts; without them Adam and AdaShift would stand for it."""
    shown = StudyTable(
        {"choices.study": "one"},
        ("optimizer",),
        ("loss",),
        needs={"choices.sweep": re.compile("^figure")},
    )
    beside = study("one", choices={"optimizer": "adam", "sweep": "table_3_9_resnet_adam"}, loss=1.0)
    own = study("one", choices={"optimizer": "adam_spatial", "sweep": "figure_3_9"}, loss=2.0)
    assert studies.study_views(shown, [beside], {}) == ([], [])
    assert studies.runs_of(shown, [beside]) == []
    assert studies.runs_of(shown, [beside, own]) == [beside, own]
    for number, network in (("3-9", "resnet18"), ("3-19", "densenet")):
        item = BY_NAME[f"Figure {number}"]
        made = study("classification", choices={"sweep": f"table_3_9_{network}_adam"}, loss=1.0)
        made["config"] |= {"study": {"network": network}, "dataset": {"name": "cifar10"}}
        (table,) = item.studies
        assert studies.chosen([made], table.select)
        assert not studies.runs_of(table, [made])


def test_a_direction_is_that_of_its_score():
    """Two scores of one table, of which one is better where it is lower."""
    runs = [
        record("exp", 1, seed, fid=2.0, choices__experiment="c", scores__is_x_10x=is_score)
        for seed, is_score in ((0, made(7.0)), (1, made(8.0)))
    ]
    table_of = StudyTable(
        {"choices.experiment": "c"}, ("loss",), ("fid_classifier_10k_train", "is_x_10x")
    )
    ((view,), _) = studies.study_views(table_of, runs, run_anchors(runs))
    better = [note.partition(";")[0] for note in view.notes if "is better" in note]
    assert better == ["fid_classifier_10k_train: lower is better", "is_x_10x: higher is better"]
    assert view.header[0] == "objective"
    assert view.rows[0][0].text == "exp(x)"


def made(value):
    return {"value": value, "std": None, "n_samples": 10, "step": 10, "extractor": {"name": "x"}}


def test_what_all_runs_have_alike_is_read_from_them():
    runs = [study("c", seed, a=1.0) for seed in (0, 1)]
    table_of = StudyTable(
        {"choices.study": "c"}, ("seed",), ("a",), alike=("optimizer.lr", "penalty.weight")
    )
    ((view,), _) = studies.study_views(table_of, runs, run_anchors(runs))
    assert view.notes[0] == "In all runs: learning rate 0.1."
    runs[1]["config"]["optimizer"]["lr"] = 0.2
    ((view,), _) = studies.study_views(table_of, runs, run_anchors(runs))
    assert view.notes[0] == "In all runs: learning rate 0.1 and 0.2."


def test_an_exact_number_lacks_no_interval():
    runs = [study("c", 0, a=1.5)]
    exact = StudyTable({"choices.study": "c"}, ("study.C",), ("a",), is_exact=True)
    ((view,), _) = studies.study_views(exact, runs, run_anchors(runs))
    assert view.rows[0][1].text == "1.50"


def test_a_length_that_differs_is_said_once():
    runs = [study("c", seed) for seed in (0, 1)]
    for run in runs:
        run["config"]["study"]["epochs"] = 40
    assert studies.facts_of(runs, {"study.epochs": 40}) == "2 seeds, 40 epochs"
    assert studies.facts_of(runs, {"study.epochs": 200}) == "2 seeds"
    assert studies.differences({"study.epochs": 200}, runs) == ["epochs 40 (thesis: 200)"]


def test_a_folder_of_images_without_a_name_is_called_as_it_is():
    run = study("critic_only", choices={"dataset": "image_folder"}, objective=1.0)
    run["config"]["dataset"] = {"name": ""}
    run["command"].append("dataset.root=data/cifar10-jpeg")
    named = studies.with_more(run)
    assert studies.differences({"dataset.name": "cifar10"}, [named]) == [
        "data set cifar10-jpeg (thesis: CIFAR-10)"
    ]
    assert run["config"]["dataset"]["name"] == ""


def test_the_largest_of_all_lags_is_not_hidden_by_their_mean():
    run = study("correlation", temporal=0.0) | {"drawn": {"temporal": [0.01, -0.03, None, 0.02]}}
    assert studies.with_more(run)["scores"]["temporal_largest"]["value"] == 0.03


# Tables of scores ---------------------------------------------------------------------------------


def small(loss, seed, fid):
    return record(loss, 1, seed, fid=fid, choices__experiment="table_2_2_small")


def test_numbers_are_those_of_the_csv_and_stand_beside_the_published_ones():
    content = [
        small(loss, seed, 2 + seed / 7) for loss in ("exp", "wasserstein") for seed in (0, 1)
    ]
    scores = scores_of(TABLE_2_2, content, run_anchors(content))
    view, orders, *published, pooled = scores.tables
    lines = list(csv.DictReader(io.StringIO(to_csv(sheet(table(TABLE_2_2, content, ["digits"]))))))
    saved = [line for one in (view, orders) for line in csv.DictReader(io.StringIO(one.csv))]
    assert saved == lines
    at = view.header.index("fid_classifier_10k_train ± 95% over seeds")
    by_name = {row[0].text: row for row in view.rows}
    of_csv = {line["objective"]: line for line in lines if line["status"] == "scored"}
    assert by_name["exp(x)"][at].sort == float(of_csv["exp(x)"]["fid_mean"])
    assert by_name["exp(x)"][at].sort == pytest.approx(2 + 1 / 14)
    assert len(by_name["exp(x)"][at].links) == 2
    assert "verdict" not in view.header  # all of them are at another scale, which the entry says
    assert by_name["exp(x)"][-1].text == "15.64 ± 0.07"
    assert set(by_name) == {"x", "exp(x)"}
    assert "Not run: " in view.notes[-1]  # published on CIFAR-10, and on no other data
    assert "WGAN-GP" in view.notes[-1]
    assert "Neither run nor published: WGAN-GP." in published[1].notes
    assert [one.title for one in published] == ["CIFAR-10", "Tiny-ImageNet"]
    assert scores.verdicts.count("other scale") == 4
    assert scores.scales[0].startswith("digits, table_2_2_small: data set digits (thesis: CIFAR-10")
    assert not any("1,500 generator steps" in note for note in view.notes)  # said once
    assert orders.rows[0][0].text == "exp(x) better than x"
    assert {row[-1].text for row in pooled.rows} == {"not decided"}
    gap = {order.text: order.verdict for order in scores.orders}
    assert gap["exp(x) better than x, by FID, on digits"] == "not decided"


def test_what_the_author_lists_of_real_data_is_not_called_published():
    cifar10 = scores_of(TABLE_4_2, [], {}).tables[0]
    name, *_, number = cifar10.rows[-1]
    assert (name.text, number.text) == ("real data", "0.341 (author's program)")


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_score_that_is_not_finite_is_in_no_probability_and_it_is_said(value):
    """AM of digits is left out, and its IS is not; another data set has its AM."""
    content = [
        labelled(loss, seed=seed, inception_score=8.0 - seed, am=0.5, choices__experiment="x")
        for loss in ("am_gan", "label_gan")
        for seed in (0, 1)
    ]
    content[0]["scores"][AM]["value"] = value
    said = (
        "AM-GAN better than LabelGAN, dynamic labels, by AM, on digits: in no P(better), because a "
        "score is not finite."
    )
    shown = scores_of(TABLE_4_1, content, run_anchors(content))
    assert [(row[0].text, row[1].text) for row in shown.tables[-1].rows] == [
        ("AM-GAN better than LabelGAN", "IS")
    ]
    assert shown.notes == (said,)
    more = [
        labelled(loss, am=0.5, dataset="cifar10", choices__experiment="x", run_id=f"{loss}c")
        for loss in ("am_gan", "label_gan")
    ]
    every = [*content, *more]
    pooled = scores_of(TABLE_4_1, every, run_anchors(every)).tables[-1]
    assert [(row[1].text, row[3].text) for row in pooled.rows] == [("IS", "2"), ("AM", "1")]
    for one in content:
        del one["scores"][IS]
    empty = scores_of(TABLE_4_1, content, run_anchors(content))
    assert empty.notes == (said,)
    assert "Orders of the thesis over all cells" not in [view.title for view in empty.tables]


def test_a_page_of_scores_that_are_not_finite_can_be_made(tmp_path):
    runs = [labelled(loss) for loss in ("am_gan", "label_gan")]
    for one in runs:
        one["scores"][AM]["value"] = "inf"  # as a record writes it
    write(tmp_path / "records", *runs)
    shown = reproduction(tmp_path, [BY_NAME["Table 4-1"], BY_NAME["Table 4-2"]], [])
    assert "in no P(better)" in to_html(shown)


def test_experiments_are_not_mixed_and_variants_of_one_are():
    content = [
        labelled("am_gan", seed=0, choices__experiment="table_4_1_small"),
        labelled("label_gan", seed=0, choices__experiment="table_4_1_no_targets_small"),
        labelled("am_gan", seed=0, choices__experiment="am_gan", config__max_generator_steps=7),
    ]
    scores = scores_of(TABLE_4_1, content, run_anchors(content))
    titles = [view.title for view in scores.tables if view.title.startswith("digits")]
    assert titles == ["digits, am_gan", "digits, table_4_1_small", *titles[2:]]
    rows = {view.title: [row[0].text for row in view.rows] for view in scores.tables}
    assert rows["digits, table_4_1_small"] == ["LabelGAN", "AM-GAN"]


def test_runs_that_are_no_table_are_told():
    content = [small("exp", 0, 2.0), small("exp", 1, 2.0)]
    content[1]["config"]["max_generator_steps"] = 5
    scores = scores_of(TABLE_2_2, content, run_anchors(content))
    assert "do not belong in one table" in scores.notes[0]
    assert set(scores.verdicts) == {"not run"}


# The page -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write(folder / "records", *(small("exp", seed, 2.0) for seed in (0, 1)))
    write(folder / "studies", *(study("counterexample", s, theta_adam=3.0) for s in (0, 1)))
    made = folder / "figures"
    made.mkdir()
    (made / "figure_2_7_digits.csv").write_text(
        "dataset,score,loss,seeds,step,mean,min,max\n"
        "digits,fid_x,exp,2,10,3.5,3,4\ndigits,fid_x,hinge,2,10,nan,3,4\n"
    )
    (made / "figure_2_1.csv").write_text("x,y\n1,2\n")
    (made / "figure_2_1.png").write_bytes(b"\x89PNG\r\n\x1a\nx")
    (made / "figure_2_10.png").write_text("<svg onload=alert(1)>")
    return folder


def test_the_page_shows_what_is_there(results):
    shown = reproduction(results)
    entries = {entry.name: entry for entry in shown.entries}
    assert entries["Table 2-2"].verdict == "other scale"
    assert entries["Figure 2-7"].charts[0].panels[0]["lines"][0]["mean"] == [3.5]
    assert entries["Figure 2-7"].charts[0].panels[0]["lines"][1]["mean"] == [None]
    assert len(entries["Figure 2-1"].images) == 1
    assert entries["Figure 2-10"].verdict == "not run"  # its file is no picture
    assert entries["Table 4-3"].verdict == "not run"
    assert entries["Table 2-3"].verdict == "agrees"
    assert dict(shown.verdicts).keys() <= set(VERDICTS)
    assert sum(count for _, count in shown.verdicts) == len(ITEMS)
    text = to_html(shown)
    assert text.count('class="card entry"') == len(ITEMS) + len(BESIDE)
    assert "<svg onload" not in text


def test_where_nothing_is_recorded_it_is_said(tmp_path):
    shown = reproduction(tmp_path)
    assert len(shown.warnings) == 2
    assert {entry.verdict for entry in shown.entries} == {"agrees", "not run"}
    to_html(shown)


def test_a_record_that_may_not_be_cited_is_refused(tmp_path):
    write(tmp_path / "records", record(git__dirty=True))
    with pytest.raises(UserError, match=r"dirty|changed"):
        reproduction(tmp_path)


def test_files_of_a_figure_are_not_those_of_another(tmp_path):
    names = ("2_1.png", "2_1_digits.png", "2_1b.png", "2_10.png", "2_1_2.png")
    for name in names:
        (tmp_path / f"figure_{name}").write_bytes(b"")
    found = [path.name for path in figures.files_of(tmp_path, "2-1", "png")]
    assert found == ["figure_2_1.png", "figure_2_1_digits.png", "figure_2_1b.png"]


def test_a_number_of_a_whole_run_is_no_curve(tmp_path):
    (tmp_path / "figure_2_6_digits.csv").write_text(
        "loss,seed,curve,step,value\nexp,0,output,10,1.0\nexp,1,output,10,3.0\n"
        "exp,0,output,20,2.0\nexp,0,spread,20,0.5\n"
    )
    chart = figures.curve_chart(tmp_path, "2-6", "x")
    assert [panel["curve"] for panel in chart.panels] == ["output"]
    assert [line["mean"] for line in chart.panels[0]["lines"]] == [[1.0, 2.0], [3.0, None]]
    assert chart.notes[0] == "Line: one run."


def test_a_band_is_called_what_its_file_calls_it(tmp_path):
    (tmp_path / "figure_3_2_mnist.csv").write_text(
        "of,optimizer,curve,step,mean,low,high,n,band\n"
        "mnist,sgd,loss,10,2.0,1.5,2.5,3,95% interval\nmnist,sgd,loss,20,1.0,0.5,1.5,3,95% interval\n"
    )
    chart = figures.curve_chart(tmp_path, "3-2", "x")
    (line,) = chart.panels[0]["lines"]
    assert (line["note"], line["low"], line["high"]) == ("n = 3", [1.5, 0.5], [2.5, 1.5])
    assert chart.notes[0] == "Line: mean over seeds. Band: 95% interval."


def test_bands_of_several_kinds_are_told_apart(tmp_path):
    (tmp_path / "figure_3_2_mnist.csv").write_text(
        "optimizer,curve,step,mean,low,high,n,band\n"
        "sgd,loss,10,2.0,1.5,2.5,3,95% interval\nsgd,accuracy,10,1.0,0.5,1.5,3,least to greatest\n"
    )
    chart = figures.curve_chart(tmp_path, "3-2", "x")
    assert chart.notes[:2] == (
        "loss: line, mean over seeds; band, 95% interval.",
        "accuracy: line, mean over seeds; band, least to greatest.",
    )


def test_lines_of_a_figure_are_named_in_words(tmp_path):
    (tmp_path / "figure_2_7_digits.csv").write_text(
        "loss,weight,step,mean\nexp,0.1,10,1\nhinge,1,10,2\nexp,0.1,20,1\nhinge,1,20,2\n"
    )
    (tmp_path / "figure_4_3_digits.csv").write_text(
        "model,loss,seed,step,mean\nGAN*,gan_star,0,10,1\nGAN,gan,1,10,2\n"
    )
    names = [
        [line["name"] for line in figures.curve_chart(tmp_path, number, "x").panels[0]["lines"]]
        for number in ("2-7", "4-3")
    ]
    assert names == [["exp(x), λ 0.1", "max(0, x+1), λ 1"], ["GAN*, seed 0", "GAN, seed 1"]]


@pytest.mark.thorough
def test_a_number_of_a_figures_file_stands_beside_the_published_one():
    """Figure 4-4: 99.6% in print; ours is the mean over the classes of its file."""
    (entry,) = reproduction(ROOT / "results", [BY_NAME["Figure 4-4"]], ()).entries
    with (ROOT / "results" / "figures" / "figure_4_4_cifar10-jpeg.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"].startswith("share of")]
    ours = sum(float(row["value"]) for row in rows) / len(rows)
    assert f"{ours:.3f} on cifar10-jpeg (thesis: 0.996)" in entry.why


def test_a_heading_is_broken_and_still_escaped():
    assert _breakable("is_<b>") == "is_<wbr>&lt;b&gt;"


def test_an_interval_that_leaves_the_axis_has_an_arrow():
    """Means 1 and 2: an axis that held 40 would show one of them on top of the other."""
    drawn = draw_dots(
        "x", [("a", [Number(1.0, (0.5, 40.0), "")]), ("b", [Number(2.0, (1.5, 2.5), "")])]
    )
    (a,), (b,) = (line.dots for line in drawn.lines)
    assert (a.cut, b.cut) == ((a.high,), ())


@pytest.mark.thorough
def test_our_own_results_make_a_page_whose_tables_are_committed():
    """Every number of Table 2-2 in small is the one in results/tables."""
    shown = reproduction(ROOT / "results", [BY_NAME["Table 2-2"]])
    views = {view.title: view for view in shown.entries[0].tables}
    ours = list(csv.DictReader(io.StringIO(views["digits, table_2_2_small"].csv)))
    committed = (ROOT / "results" / "tables" / "table_2_2_small.csv").read_text()
    theirs = {
        row["objective"]: row
        for row in csv.DictReader(io.StringIO(committed))
        if row["dataset"] == "digits"
    }
    assert len(ours) == 7
    for row in ours:
        assert row == theirs[row["objective"]] | {"small_scale": row["small_scale"]}
