"""Table 2-2 from made-up records: cells, the chosen weight, what may not be averaged, and the three
formats."""

from __future__ import annotations

import csv
import io
import re
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gan_lab.errors import UserError
from gan_lab.records.versions import FIELD_DEFAULTS, Since
from gan_lab.reporting import TABLES, sheet
from gan_lab.reporting import table as table_of
from gan_lab.reporting.tables import render
from gan_lab.reporting.tables.sheet import Section, Sheet
from gan_lab.reporting.thesis.chapter_2 import LINES
from gan_lab.reporting.thesis.orders import comparisons
from gan_lab.terminal import quoted
from helpers.made_up import FID, IS, WEIGHTS, record
from helpers.registry import CONF


def table_2_2(found, datasets=None, **asked):
    return table_of(TABLES["2-2"], found, datasets, asked)


def to_markdown(table):
    return render.to_markdown(sheet(table))


def cell(found, loss="exp", dataset="digits"):
    (part,) = table_2_2(found, [dataset]).parts
    return next(one for one in part.cells if one.line.key == loss)


# Choosing and averaging ---------------------------------------------------------------------------


def test_the_weight_of_the_least_mean_fid_is_shown_with_its_grid():
    found = [
        record(weight=0.1, seed=0, fid=1.0),
        record(weight=0.1, seed=1, fid=5.0),
    ]  # least single value, mean 3
    found += [
        record(weight=1, seed=0, fid=2.0, std=0.2),
        record(weight=1.0, seed=1, fid=3.0, std=0.4),
    ]
    found += [record(weight=10, seed=s, fid=9.0) for s in (0, 1)]
    one = cell(found)
    assert one.chosen.weight == 1.0
    assert [weight.weight for weight in one.searched] == [0.1, 1.0, 10.0]
    assert one.scores["fid"].estimate.mean == 2.5
    assert one.scores["fid"].estimate.n == 2
    assert one.scores["fid"].estimate.half_width == pytest.approx(12.7062 * 0.5, rel=1e-5)
    assert one.scores["is"].spread == pytest.approx(0.3)
    assert one.scores["fid"].spread is None  # one chunk has no ±


def test_a_weight_with_fewer_seeds_may_not_win():
    found = [record(weight=0.1, seed=s, fid=3.0) for s in (0, 1)] + [
        record(weight=1, seed=0, fid=1.0)
    ]
    one = cell(found)
    assert one.chosen.weight == 0.1
    assert "λ = 1 has 1 of 2 seeds and may not win" in to_markdown(table_2_2(found, ["digits"]))


def test_diverged_runs_are_counted_and_named():
    found = [record(weight=w, seed=0, fid=3.0) for w in (0.01, 0.1)]
    found += [record(weight=w, seed=0, status="diverged", run_id=f"gone{w}") for w in (1, 10)]
    assert cell(found).chosen.weight == 0.01
    text = to_markdown(table_2_2(found, ["digits"]))
    assert "2 of 4 weights diverged (λ = 1: gone1; λ = 10: gone10)" in text
    partly = [
        record(weight=0.1, seed=0),
        record(weight=0.1, seed=1, status="diverged", run_id="gone"),
    ]
    assert "λ = 0.1: 1 of 2 seeds diverged (gone)" in to_markdown(table_2_2(partly, ["digits"]))
    every = [record(weight=0.1, seed=0, status="diverged")]
    assert cell(every).chosen is None
    assert "| diverged |" in to_markdown(table_2_2(every, ["digits"]))


def test_a_weight_of_which_a_run_finished_without_a_score_did_not_diverge():
    found = [
        record(weight=0.1),
        record(weight=1, status="diverged", run_id="gone"),
        record(weight=1, seed=1, fid=None, run_id="bare"),
    ]
    text = to_markdown(table_2_2(found, ["digits"]))
    assert "λ = 1: 1 of 2 seeds diverged (gone); without a score: bare" in text
    assert "weights diverged" not in text
    assert "| diverged |" not in to_markdown(table_2_2(found[1:], ["digits"]))


def test_a_weight_whose_fid_is_not_finite_may_not_win():
    broken = record(weight=0.1)
    broken["scores"][FID]["value"] = "nan"
    assert cell([broken, record(weight=1, fid=3.0)]).chosen.weight == 1


def test_wgan_gp_is_its_own_line():
    found = [
        record("wasserstein", 10, penalty="gp", fid=4.0),
        record("wasserstein", 1, penalty="gp", fid=1.0),
    ]
    assert cell(found, "wgan_gp").scores["fid"].estimate.mean == 4.0
    assert cell(found, "wasserstein").searched == ()


def test_the_test_split_does_not_choose():
    found = [record(weight=0.1, fid=2.0), record(weight=1, fid=3.0)]
    found[1]["scores"]["fid_classifier_10k_test"]["value"] = 0.0
    assert cell(found).chosen.weight == 0.1


def test_a_finished_run_without_a_score_is_named():
    assert "without a score: bare" in to_markdown(
        table_2_2([record(), record(seed=1, fid=None, run_id="bare")])
    )


# What may not be averaged -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "first", "second"),
    [
        ("config.max_generator_steps", 1000, 1500),
        ("config.architecture.channels", 32, 128),
        ("dataset.content_hash", "aa", "bb"),
        (f"scores.{FID}.extractor.weights_sha256", WEIGHTS, "cd"),
        (f"scores.{IS}.extractor.architecture", {"name": "SmallCNN"}, {"name": "DenseNet"}),
        ("config.n_critic", 5, 1),
        ("config.optimizer.lr", 2e-4, 1e-3),
        ("config.optimizer_critic.lr", None, 4e-4),
        ("config.trainer.precision", "32-true", "bf16-mixed"),
        ("config.loss.generator_objective", "linear", "quadratic"),
        ("config.penalty.target", None, 1.0),
    ],
)
def test_runs_that_differ_elsewhere_are_refused_with_both_values_and_a_way_out(
    field, first, second, tmp_path
):
    one, two = record(seed=0, run_id="one"), record(seed=1, run_id="two")
    for content, value in ((one, first), (two, second)):
        *parents, last = field.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        if value is not None:
            place[last] = value
    with pytest.raises(UserError) as caught:
        table_2_2([one, two], ["digits"])
    message = str(caught.value)
    advice = shlex.quote(f"select={{{field}:{quoted(first)}}}")
    for word in (field, str(first), str(second), "run one", "run two", advice):
        assert word in message


def test_losses_may_differ_in_their_own_fields_between_lines_but_not_in_scale():
    other = record("hinge")
    other["config"]["loss"]["alpha"] = 2.0
    table_2_2([record("exp"), other], ["digits"])
    with pytest.raises(UserError, match="channels"):
        table_2_2([record("exp"), record("hinge", config__architecture__channels=8)], ["digits"])


def test_what_is_no_part_of_a_cell_may_differ(monkeypatch):
    one, two = record(seed=0), record(seed=1, weight=0.1)
    two["config"]["dataset"]["root"] = "/elsewhere"
    monkeypatch.setitem(
        FIELD_DEFAULTS, "a_later_field", Since(2, 3)
    )  # one has it at its implied value
    two["config"] |= {
        "run_dir": "x",
        "existing_run": "resume",
        "a_later_field": 3,
        "evaluate_every": 7,
    }
    two["config"]["penalty"]["weight"] = 0.10
    two["config"]["max_generator_steps"] = 1000.0  # the same number
    assert cell([one, two]).scores["fid"].estimate.n == 2


def test_data_sets_are_apart():
    found = [
        record(fid=2.0),
        record(dataset="cifar10", fid=9.0, config__architecture__channels=128),
    ]
    assert cell(found).scores["fid"].estimate.mean == 2.0
    assert cell(found, dataset="cifar10").scores["fid"].estimate.mean == 9.0


def test_of_two_scores_the_one_by_the_thesiss_extractor_is_shown():
    content = record()
    content["scores"]["is_inception_50k_10x"] = dict(content["scores"][IS], value=5.0)
    (part,) = table_2_2([content], ["digits"]).parts
    assert part.origins["is"].score == "is_inception_50k_10x"
    content["scores"]["is_inception_500k_10x"] = dict(content["scores"][IS], value=6.0)
    (part,) = table_2_2([content], ["digits"]).parts
    assert part.origins["is"].score == "is_inception_500k_10x"  # by as many samples
    (part,) = table_2_2([content], ["digits"], inception_score=IS).parts
    assert part.origins["is"].score == IS


def test_two_scores_that_are_both_not_the_thesiss_need_a_choice():
    content = record()
    content["scores"]["is_classifier_20k_10x"] = dict(content["scores"][IS], value=5.0)
    published = r"\(published: inception, 500k, 10x\)"
    with pytest.raises(
        UserError, match=f"{IS} and is_classifier_20k_10x.*{published}.*=is_classifier_20k_10x"
    ):
        table_2_2([content], ["digits"])
    (part,) = table_2_2([content], ["digits"], inception_score=IS).parts
    assert part.origins["is"].score == IS
    with pytest.raises(
        UserError, match="frechet_distance=fid_x_train: the runs have no such score"
    ):
        table_2_2([content], ["digits"], inception_score=IS, frechet_distance="fid_x_train")


def test_the_same_cell_and_seed_twice_is_refused():
    with pytest.raises(UserError, match="runs one and two are the same cell"):
        table_2_2([record(run_id="one"), record(run_id="two")], ["digits"])


# Parts and headings -------------------------------------------------------------------------------


def test_published_numbers_stand_beside_their_own_data_set_and_apart_from_others():
    table = table_2_2([record()], ["digits"])
    assert table.published_apart == ("cifar10", "tiny_imagenet")
    assert not table.parts[0].is_published
    assert table_2_2([], ["cifar10"]).published_apart == ()
    assert table_2_2([record()], ["digits", "cifar10"]).published_apart == ("tiny_imagenet",)
    assert [part.dataset for part in table_2_2([record()]).parts] == [
        "cifar10",
        "tiny_imagenet",
        "digits",
    ]
    with pytest.raises(UserError, match="datasets is empty"):
        table_2_2([], [])


def test_the_folder_name_of_the_archive_is_tiny_imagenet():
    assert cell([record(dataset="tiny-imagenet-200")], dataset="tiny_imagenet").chosen is not None


def test_the_heading_says_when_runs_are_small_and_only_then():
    (small,) = table_2_2([record()], ["digits"]).parts
    for word in (
        "1,000 generator steps (thesis: 200,000)",
        "32 channels (thesis: 128)",
        "extractor classifier",
    ):
        assert word in small.small_scale
    assert table_2_2(as_published(), ["cifar10"]).parts[0].small_scale == ""
    assert "Small-scale" not in to_markdown(table_2_2(as_published(), ["cifar10"]))
    assert "Small-scale" in to_markdown(table_2_2([record()], ["digits"]))


def as_published(samples="500k", **replaced):
    """Runs of exp by the thesis's recipe with its four weights."""
    inception = {"name": "inception", "architecture": "Inception", "weights_sha256": "ff"}
    found = []
    for weight in (0.01, 0.1, 1, 10):
        scale = {"config__max_generator_steps": 200_000, "config__architecture__channels": 128}
        found.append(record(weight=weight, dataset="cifar10", **(scale | replaced)))
        scores = {
            f"is_inception_{samples}_10x": found[-1]["scores"][IS],
            f"fid_inception_{samples}_10x_train": found[-1]["scores"][FID],
        }
        found[-1]["scores"] = {
            name: entry | {"extractor": inception} for name, entry in scores.items()
        }
    return found


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"samples": "50k"}, "samples 50k (thesis: 500k)"),
        ({"config__optimizer__lr": 1e-3}, "optimizer.lr 0.001 (thesis: 0.0002)"),
        (
            {"config__optimizer__betas": [0.5, 0.9]},
            "optimizer.betas [0.5, 0.9] (thesis: [0.0, 0.9])",
        ),
        ({"config__optimizer_critic": {"lr": 4e-4}}, "optimizer_critic.lr 0.0004 (thesis: 0.0002)"),
        ({"config__n_critic": 2}, "n_critic 2 (thesis: 5)"),
        ({"config__batch_size": 16}, "batch_size 16 (thesis: 64)"),
        ({"config__ema_decay": 0.999}, "ema_decay 0.999 (thesis: 0.99)"),
        (
            {"config__trainer__precision": "bf16-mixed"},
            "trainer.precision bf16-mixed (thesis: 32-true)",
        ),
        ({"choices__schedule": "constant"}, "schedule constant (thesis: linear)"),
        ({"choices__optimizer": "adashift"}, "optimizer adashift (thesis: adam)"),
        ({"config__penalty__target": 1.0}, "penalty.target 1 (thesis: 0)"),
    ],
)
def test_every_setting_that_differs_from_the_thesiss_is_named(replaced, words):
    found = as_published(
        **({} if "samples" in replaced else replaced), samples=replaced.get("samples", "500k")
    )
    if "config__penalty__target" in replaced:
        for content in found:
            content["config"]["penalty"]["target"] = 1.0
    for content in found:
        assert not content["config"]["penalty"].get("memory")
    assert table_2_2(found, ["cifar10"]).parts[0].small_scale == words


def test_a_score_whose_name_says_nothing_is_by_an_unknown_extractor():
    """In a record of somebody else: its table is made all the same."""
    found = as_published()
    for content in found:
        scores = content["scores"]
        content["scores"] = {
            next(n for n in scores if n.startswith("is")): next(iter(scores.values())),
            "fid_train": next(e for n, e in scores.items() if n.startswith("fid")),
        }
    words = table_2_2(found, ["cifar10"]).parts[0].small_scale
    assert words == "extractor of FID unknown (thesis: inception)"


def test_other_parts_of_as_many_samples_are_named():
    """IS in smaller splits is lower, and one FID of all samples is not the mean of ten."""
    found = as_published()
    for content in found:
        content["scores"] = {
            name.replace("_10x", ""): entry for name, entry in content["scores"].items()
        }
    assert table_2_2(found, ["cifar10"]).parts[0].small_scale == "parts 1 (thesis: 10)"


def test_a_smaller_grid_and_other_data_are_named():
    assert table_2_2(as_published()[:2], ["cifar10"]).parts[0].small_scale == (
        "λ of {0.01, 0.1} (thesis: {0.01, 0.1, 1, 10})"
    )
    small = table_2_2([record()], ["digits"]).parts[0].small_scale
    assert "data set digits (thesis: CIFAR-10 and Tiny-ImageNet)" in small


def test_a_weight_at_the_end_of_the_grid_is_flagged_and_the_choice_is_said_to_be_ours():
    found = [record(weight=weight, fid=abs(weight - 1) + 1) for weight in (0.1, 1, 10)]
    text = to_markdown(table_2_2(found, ["digits"]))
    assert "may lie beyond" not in text
    assert "OUR choice: the thesis" in text
    assert "as the thesis chose it" not in text
    assert "λ = 1 is the greatest that was searched: a better one may" in to_markdown(
        table_2_2(found[:2], ["digits"])
    )
    assert "λ = 1 is the least that was searched: a better one may" in to_markdown(
        table_2_2(found[1:], ["digits"])
    )
    assert "may lie beyond" not in to_markdown(
        table_2_2(found[1:2], ["digits"])
    )  # nothing was searched
    gone = record(weight=10, status="diverged", run_id="gone")
    assert "may lie beyond" not in to_markdown(
        table_2_2([*found[:2], gone], ["digits"])
    )  # 10 was searched


# Orders -------------------------------------------------------------------------------------------


def orders(dataset, found=()):
    (part,) = table_2_2(found, [dataset]).parts
    return comparisons(TABLES["2-2"], part)


def test_objectives_of_the_family_are_held_above_x_on_both_data_sets_by_both_scores():
    for dataset in ("cifar10", "tiny_imagenet"):
        above_x = {
            (one.better.key, one.kind.key)
            for one in orders(dataset)
            if one.worse.key == "wasserstein"
        }
        assert above_x == {
            (key, score) for key in ("exp", "logistic", "sqrt") for score in ("is", "fid")
        }


def test_exp_and_sqrt_are_held_the_best_only_where_the_published_numbers_say_so():
    """CIFAR-10: sqrt 7.97 and quadratic 7.97, 16.03 and 15.90. Tiny-ImageNet: sqrt is behind
    logistic by FID."""
    said = {dataset: {(one.better.key, one.worse.key, one.kind.key) for one in orders(dataset)}
            for dataset in ("cifar10", "tiny_imagenet")}  # fmt: skip
    best = {
        (better, worse, score)
        for better in ("exp", "sqrt")
        for worse in ("logistic", "quadratic", "hinge")
        for score in ("is", "fid")
    }
    assert best - said["cifar10"] == {("sqrt", "quadratic", "is"), ("sqrt", "quadratic", "fid")}
    assert best - said["tiny_imagenet"] == {("exp", "logistic", "is"), ("sqrt", "logistic", "fid")}


def test_orders_of_table_2_2_are_tested_and_named_after_the_data_set_of_the_numbers():
    found = [
        record("exp", seed=seed, fid=1 + seed / 100, inception_score=8 + seed / 100)
        for seed in (0, 1)
    ]
    found += [
        record("wasserstein", seed=seed, fid=9 + seed / 100, inception_score=9 + seed / 100)
        for seed in (0, 1)
    ]
    said = {
        (one.better.key, one.worse.key, one.kind.key): one.verdict
        for one in orders("digits", found)
    }
    assert said["exp", "wasserstein", "fid"] == "holds"
    assert said["exp", "wasserstein", "is"] == "is reversed"
    assert said["sqrt", "wasserstein", "is"] == "no run"
    rows = pipes(to_markdown(table_2_2(found, ["digits"])))[
        "digits: orders of the thesis on CIFAR-10"
    ]
    assert rows[1] == {
        "order": "exp(x) above x",
        "score": f"{FID}, lower",
        "difference ± 95%": "-8.00 ± 0.03",
        "seeds": "2 and 2",
        "verdict": "holds",
    }


# Formats ------------------------------------------------------------------------------------------


@pytest.fixture
def table():
    found = [
        record(weight=w, seed=s, fid=2 + w + s, inception_score=8 + s)
        for w in (0.1, 1)
        for s in (0, 1)
    ]
    return table_2_2(
        [*found, record("wasserstein", 1, status="diverged", run_id="gone")], ["digits", "cifar10"]
    )


def pipes(text):
    """{section: [{column: cell}]}"""
    found = {}
    for block in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in block.splitlines()
            if "|" in line
        ]
        assert len({len(row) for row in rows}) == 1
        found[block.splitlines()[0]] = [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]
    return found


def test_markdown_can_be_read_back(table):
    found = pipes(to_markdown(table))
    assert list(found) == [
        "digits",
        "digits: orders of the thesis on CIFAR-10",
        "CIFAR-10",
        "CIFAR-10: orders of the thesis",
        "Tiny-ImageNet, published (other data than above: not a comparison)",
    ]
    assert [row["objective"] for row in found["digits"]] == [line.text for line in LINES.values()]
    exp = found["digits"][1]
    assert exp["λ"] == "0.1"
    assert exp["λ searched"] == "{0.1, 1}"
    assert exp["seeds"] == "2"
    assert exp[f"{IS} ± 95% over seeds"] == "8.50 ± 6.35"
    assert exp[f"{IS}: ± over chunks"] == "0.250"
    assert exp[f"{FID} ± 95% over seeds"] == "2.60 ± 6.35"
    assert exp[f"{FID}: ± over chunks"] == "–"
    assert exp["runs"] == "expmaxgp0.1s0 expmaxgp0.1s1"
    assert "published IS" not in exp
    assert found["digits"][2][f"{IS} ± 95% over seeds"] == "no run"
    cifar = found["CIFAR-10"]
    assert cifar[1]["published IS"] == "8.03 ± 0.03"
    assert cifar[1]["published FID"] == "15.64 ± 0.07"
    assert cifar[6]["objective"] == "WGAN-GP"
    assert cifar[6]["published FID"] == "18.86 ± 0.13"
    assert all(row["FID ± 95% over seeds"] == "no run" for row in cifar)


def test_a_bare_is_or_fid_never_heads_a_score_of_ours(table):
    for row in pipes(to_markdown(table))["digits"]:
        assert not [name for name in row if re.match(r"(IS|FID)\b", name)]


def test_markdown_carries_protocol_extractor_and_code(table):
    text = to_markdown(table)
    made = f"extractor classifier, architecture SmallCNN (width 8), weights {WEIGHTS[:12]}"
    assert f"{IS}: {made}; 10,000 samples in 10 parts" in text
    assert (
        f"{FID}: extractor classifier, architecture SmallCNN (width 8), weights {WEIGHTS[:12]}; "
        "10,000 samples." in text
    )
    assert "Code: 555555555." in text
    assert "Published: Zhou 2020, Table 2-2 (WGAN-GP: section 2.6.5); its ± is" in text


def test_csv_can_be_read_back_unrounded(table):
    rows = list(csv.DictReader(io.StringIO(render.to_csv(sheet(table)))))
    rows = [row for row in rows if " above " not in row["objective"]]
    assert len(rows) == 7 + 7 + 6
    exp = rows[1]
    assert (exp["dataset"], exp["loss"], exp["penalty"], exp["status"]) == (
        "digits",
        "exp",
        "maxgp",
        "scored",
    )
    assert float(exp["fid_mean"]) == pytest.approx(2.6)
    assert float(exp["fid_interval95"]) == pytest.approx(12.7062 * 0.5, rel=1e-5)
    assert (exp["fid_chunk_std"], float(exp["is_chunk_std"])) == ("", 0.25)
    assert (exp["is_protocol"], exp["is_weights_sha256"], exp["is_n_samples"]) == (
        IS,
        WEIGHTS,
        "10000",
    )
    assert exp["weights_searched"] == "0.1 1"
    assert exp["is_published"] == ""
    assert "diverged (λ = 1: gone)" in rows[0]["notes"]
    assert [row["status"] for row in rows[7:14]] == ["no run"] * 7
    assert {row["status"] for row in rows[14:]} == {"published"}
    for row in rows[7:14]:
        line = LINES["wgan_gp" if row["penalty"] == "gp" else row["loss"]]
        assert float(row["is_published"]) == line.published["is"]["cifar10"].value
        assert float(row["fid_published_std"]) == line.published["fid"]["cifar10"].std


def test_latex_has_booktabs_balanced_cells_and_no_bare_specials(table):
    text = render.to_latex(sheet(table))
    tables = re.findall(r"\\begin\{table\}(.*?)\\end\{table\}", text, flags=re.DOTALL)
    assert len(tables) == 5
    for one in tables:
        spec = re.search(r"\\begin\{tabular\}\{(\w+)\}", one)[1]
        inside = one[one.index(r"\toprule") : one.index(r"\bottomrule")]
        lines = [line for line in inside.splitlines() if line.endswith(r"\\")]
        assert {len(re.split(r"(?<!\\)&", line)) for line in lines} == {len(spec)}
        assert one.count(r"\toprule") == one.count(r"\midrule") == one.count(r"\bottomrule") == 1
        assert one.count("{") - one.count(r"\{") == one.count("}") - one.count(r"\}")
    assert not re.search(r"(?<![\\$^])[%#]|(?<!\\)_", text.split("\n\n", 2)[2])
    assert r"$\exp(x)$ & 0.1 & 2 & 8.50 $\pm$ 6.35 & 0.250 & 2.60 $\pm$ 6.35 & -- \\" in text
    assert "λ" not in text
    assert r"15.64 $\pm$ 0.07" in text


def test_published_numbers_are_those_of_the_thesis():
    assert {name: (line.published["is"]["cifar10"].value, line.published["fid"]["cifar10"].value) for name, line in
            LINES.items()} == {
        "wasserstein": (7.68, 18.35), "exp": (8.03, 15.64), "logistic": (7.95, 16.47), "sqrt": (7.97, 16.03),
        "quadratic": (7.97, 15.90), "hinge": (7.91, 16.52), "wgan_gp": (7.71, 18.86),
    }  # fmt: skip
    tiny = [(line.published["is"]["tiny_imagenet"].value, line.published["fid"]["tiny_imagenet"].value)
            for name, line in LINES.items() if name != "wgan_gp"]  # fmt: skip
    assert tiny == [
        (8.66, 16.47),
        (8.67, 14.90),
        (8.70, 15.05),
        (8.82, 15.11),
        (8.53, 15.72),
        (8.63, 15.75),
    ]


def test_no_committed_table_shows_what_is_missing_as_python_does():
    tables = sorted((CONF.parent / "results" / "tables").glob("*.md"))
    assert tables
    assert [path.name for path in tables if re.search(r"\b(None|nan)\b", path.read_text())] == []


def test_no_text_of_a_record_acts_in_a_table():
    """Neither HTML nor a link or a heading in Markdown, no formula in a spreadsheet, no command in
    LaTeX."""
    hostile = "# <script>\n# head [x](y) \x1b[2J \\| | \\input{z} %"
    section = Section(
        title=hostile,
        caption=hostile,
        header=("name",),
        rows=((hostile,),),
        latex=("name",),
        above=(hostile,),
        below=(hostile,),
    )
    made = Sheet(
        hostile, hostile, (section,), ("name", "formula"), ({"name": hostile, "formula": "=1+1"},)
    )
    markdown, csv_text, latex = (
        renders(made) for renders in (render.to_markdown, render.to_csv, render.to_latex)
    )
    assert "<script>" not in markdown
    assert "](y)" not in markdown
    assert [
        line for line in markdown.splitlines() if line.startswith("# ")
    ] == markdown.splitlines()[:1]
    above, row = markdown.splitlines()[6], markdown.splitlines()[-1]
    assert above.startswith(r"- \# &lt;script>")
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 2  # the ends of its only cell
    assert "'=1+1" in csv_text
    assert csv_text.count("\n") == 2
    comments = [line for line in latex.splitlines() if line.startswith("%")]
    assert len(comments) == 2
    assert not any(r"\input" in line for line in latex.splitlines() if line not in comments)
    assert all("\x1b" not in text for text in (markdown, csv_text, latex))
    assert [render._no_formula(value) for value in ("-0.5", "+1e-3", -0.5, "@x", "-x")] == [
        "-0.5",
        "+1e-3",
        -0.5,
        "'@x",
        "'-x",
    ]


@pytest.mark.parametrize(
    "address", ["https://a.b/c", "HTTP://a.b", "ftp://a.b", "www.a.b", "WWW.a.b", "[x][y](z)"]
)
def test_no_address_of_a_record_is_a_link(address):
    """GitHub makes links of bare addresses, too."""
    section = Section(address, address, (address,), (address,), ((address,),), (address,))
    markdown = render.to_markdown(
        Sheet(address, address, (section,), ("name",), ({"name": address},))
    )
    assert not re.search(r"\w://|www\.|\]\(", markdown, re.IGNORECASE)
    assert markdown.replace("\\", "").count(address) == 6


@pytest.mark.parametrize(
    "line",
    ["# a", "> a", "```", "~~~", "- a", "* a", "+ a", "===", "___", "1. a", "12) a", "[a]: b"],
)
def test_a_line_of_a_list_begins_no_block(line):
    assert render._not_a_block(line).replace("\\", "") == line
    assert render._not_a_block(line) != line


@pytest.mark.parametrize("line", ["1.5 million steps", "Small-scale", "fid_classifier_10k: a", "λ"])
def test_an_ordinary_line_of_a_list_stays_as_it_is(line):
    assert render._not_a_block(line) == line


@pytest.mark.parametrize(
    "value", [None, True, 3, 1e-05, [0.0, 0.9], "a b", "it's,x", "true", "1", "[a]"]
)
def test_the_advice_to_select_one_works_when_it_is_pasted(value):
    """By the shell and by Hydra; a list is one value."""
    runs = [record(seed=0, config__extra=value), record(seed=1, config__extra="another")]
    with pytest.raises(UserError, match="do not belong in one table") as refused:
        table_of(TABLES["2-2"], runs, ["digits"])
    (word,) = shlex.split(str(refused.value).partition("for example ")[2])
    wanted = OverridesParser.create().parse_override(word).value()
    assert list(wanted) == ["config.extra"]
    assert wanted["config.extra"] == ([value] if isinstance(value, list) else value)
