"""Tables 4-1 to 4-3 from made-up records: which runs belong where, what may not be averaged,
orders, three formats."""

from __future__ import annotations

import csv
import io
import math
import re

import pytest

from gan_lab.errors import UserError
from gan_lab.reporting import TABLES, sheet
from gan_lab.reporting import table as table_of
from gan_lab.reporting.tables import render
from gan_lab.reporting.thesis.cells import belongs, labels_column
from gan_lab.reporting.thesis.design import Published
from gan_lab.reporting.thesis.orders import comparisons
from helpers.made_up import AM, ENTROPY, IS, MSSSIM, labelled, record
from helpers.registry import options


def part_of(number, found, dataset="digits", **asked):
    (part,) = table_of(TABLES[number], found, [dataset], asked).parts
    return part


def cell(found, key="am_gan", column="dynamic", number="4-1", **more):
    cells = part_of(number, found, **more).cells
    return next(one for one in cells if (one.line.key, one.line.labels) == (key, column))


def sections(number, found, datasets=("digits",)):
    """{section: [{column: cell}]} of the Markdown."""
    text = render.to_markdown(sheet(table_of(TABLES[number], found, datasets)))
    read = {}
    for block in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        rows = [
            [item.strip() for item in line[1:-1].split("|")]
            for line in block.splitlines()
            if line.startswith("|")
        ]
        read[block.splitlines()[0]] = [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]
    return read


# Which runs belong where --------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["dynamic", "predefined"])
@pytest.mark.parametrize(
    "loss", ["gan", "gan_star", "ac_gan", "ac_gan_plus", "label_gan", "am_gan"]
)
def test_every_model_has_one_line_in_its_column(loss, column):
    content = labelled(loss, column)
    assert [(line.key, line.labels) for line in TABLES["4-1"].lines if belongs(content, line)] == [
        (loss, column)
    ]
    assert labels_column(content) == column


def test_a_model_without_targets_is_predefined_by_its_network_and_the_others_by_their_labels():
    content = labelled("gan", "predefined")
    assert content["choices"]["labels"] == "none"
    assert labels_column(content) == "predefined"
    content["config"]["architecture"]["extra_layer"] = False
    assert labels_column(content) == "dynamic"
    assert (
        labels_column(labelled("am_gan", "dynamic", config__architecture__extra_layer=True))
        == "dynamic"
    )
    assert (
        labels_column(labelled("am_gan", "predefined", config__architecture__extra_layer=False))
        == "predefined"
    )
    assert labels_column(record()) == "dynamic"  # of chapter 2, which no line of chapter 4 takes
    assert not any(belongs(record(), line) for line in TABLES["4-1"].lines)


def test_the_variants_of_ac_gan_are_lines_of_their_own():
    found = [
        labelled("ac_gan", inception_score=1.0),
        labelled("ac_gan", inception_score=2.0, original=True),
    ]
    found.append(labelled("ac_gan", inception_score=3.0, generator_classifier_weight=0.1))
    found.append(
        labelled("ac_gan", inception_score=9.0, generator_classifier_weight=0.5)
    )  # no line of the thesis
    keys = ("ac_gan", "ac_gan_original", "ac_gan_weak")
    assert [cell(found, key).scores["is"].values for key in keys] == [(1.0,), (2.0,), (3.0,)]


def test_the_wide_critic_is_table_4_3_and_not_4_1():
    wide = labelled(inception_score=9.0, config__architecture__critic_channels=96, run_id="wide")
    found = [labelled(inception_score=8.0), wide]
    assert cell(found).scores["is"].values == (8.0,)
    (ours,) = part_of("4-3", found).cells
    assert ours.scores["is"].values == (9.0,)
    predefined = labelled(column="predefined", config__architecture__critic_channels=96)
    assert part_of("4-3", [predefined]).cells[0].searched == ()


def test_the_lines_are_of_losses_that_there_are():
    names = {line.loss for number in ("4-1", "4-2", "4-3") for line in TABLES[number].lines} - {
        None
    }
    assert names <= set(options("loss"))


# Means and intervals ------------------------------------------------------------------------------


def test_means_intervals_and_spreads_of_every_score():
    one = cell(
        [
            labelled(seed=0, inception_score=8.0, am=0.5),
            labelled(seed=1, inception_score=9.0, am=0.7),
        ]
    )
    score = one.scores["is"]
    assert (score.values, score.estimate.mean, score.estimate.n, score.spread) == (
        (8.0, 9.0),
        8.5,
        2,
        0.25,
    )
    assert score.estimate.half_width == pytest.approx(12.7062 * 0.5, rel=1e-5)
    assert one.scores["am"].estimate.mean == pytest.approx(0.6)
    assert one.scores["am"].estimate.half_width == pytest.approx(12.7062 * 0.1, rel=1e-5)
    assert one.scores["am"].spread == 0.0625
    assert one.scores["entropy"].spread is None


def test_a_run_with_one_of_the_scores_is_shown_and_the_missing_one_said():
    short = labelled(seed=1, inception_score=6.0)
    del short["scores"][AM]
    one = cell([labelled(seed=0, inception_score=8.0, am=0.5), short])
    assert one.scores["is"].estimate.mean == 7.0
    assert one.scores["am"].values == (0.5,)
    row = sections("4-1", [labelled(seed=0), short])["digits"][7]
    assert row["notes"] == "AM of 1 seeds"
    assert row["seeds"] == "2"


def test_an_infinite_am_score_is_printed_and_decides_nothing():
    found = [labelled(seed=seed, am=math.inf) for seed in (0, 1)] + [
        labelled("label_gan", seed=s) for s in (0, 1)
    ]
    row = sections("4-1", found)["digits"][7]
    assert row[f"{AM} ± 95% over seeds"] == "inf (not finite: no interval)"
    assert {one.verdict for one in found_orders(found) if one.kind.key == "am"} == {
        "not decided",
        "no run",
    }


def test_diverged_and_unscored_runs_are_named():
    found = [
        labelled(),
        labelled(seed=1, status="diverged"),
        labelled(seed=2, scores={}, run_id="bare"),
    ]
    row = sections("4-1", found)["digits"][7]
    assert row["notes"] == "1 of 3 seeds diverged (am_gan-dynamic-s1); without a score: bare"
    assert row["runs"] == "am_gan-dynamic-s0"
    gone = sections("4-1", [labelled(status="diverged")])["digits"][7]
    assert (gone["IS ± 95% over seeds"], gone["seeds"]) == ("diverged", "")


def test_a_score_is_called_diverged_only_where_every_run_diverged():
    """Of two seeds one diverged, and the other finished without AM or without any score."""
    gone, without_am = labelled(seed=1, status="diverged"), labelled(seed=0, inception_score=8.2)
    del without_am["scores"][AM]
    row = sections("4-1", [without_am, gone, labelled("gan")])["digits"][7]
    assert row[f"{IS} ± 95% over seeds"].startswith("8.20")
    assert row[f"{AM} ± 95% over seeds"] == "no score"
    assert row["notes"] == "1 of 2 seeds diverged (am_gan-dynamic-s1)"
    bare = labelled(seed=0, scores={}, run_id="bare")
    row = sections("4-1", [bare, gone])["digits"][7]
    assert row["IS ± 95% over seeds"] == "no score"
    assert row["notes"] == "1 of 2 seeds diverged (am_gan-dynamic-s1); without a score: bare"


def test_an_unfinished_run_that_is_allowed_is_in_no_mean_and_is_named():
    """Its score is of an earlier step than those of the runs that finished."""
    found = [labelled(seed=seed, inception_score=8.0 + seed) for seed in (0, 1)]
    early = labelled(seed=2, inception_score=1.0, status="interrupted", run_id="early")
    assert cell([*found, early]).scores["is"].values == (8.0, 9.0)
    row = sections("4-1", [*found, early])["digits"][7]
    assert (row["seeds"], row["notes"]) == ("2", "unfinished: early")
    assert cell([early]).chosen is None


# What may not be averaged -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (labelled("gan", config__max_generator_steps=5), "config.max_generator_steps"),
        (
            labelled("gan", config__architecture__critic_channels=8),
            "config.architecture.critic_channels",
        ),
        (labelled("gan", "predefined", config__n_critic=5), "config.n_critic"),
        (labelled("gan", config__optimizer__lr=1.0), "config.optimizer.lr"),
        (labelled(seed=1, config__loss__learned_fake_logit=True), "config.loss.learned_fake_logit"),
        (labelled(seed=1, config__labels___target_="x"), "config.labels._target_"),
        (
            labelled("ac_gan", config__architecture__extra_layer=True),
            "config.architecture.extra_layer",
        ),
        (labelled("gan", dataset__content_hash="other"), "dataset.content_hash"),
        (
            labelled("gan", scores={IS: labelled()["scores"][IS] | {"extractor": {"name": "x"}}}),
            f"scores.{IS}.extr",
        ),
    ],
)
def test_runs_that_differ_in_more_than_the_table_does_are_refused(other, words):
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        part_of("4-1", [labelled(), other])
    assert "select={" in str(caught.value)


def test_loss_labels_extra_layer_and_seed_may_differ():
    cells = [
        (loss, column)
        for loss in ("gan", "ac_gan", "am_gan")
        for column in ("dynamic", "predefined")
    ]
    found = [labelled(loss, column, seed) for loss, column in cells for seed in (0, 1)]
    assert sum(one.chosen is not None for one in part_of("4-1", found).cells) == 6


def test_the_same_cell_and_seed_twice_is_refused():
    with pytest.raises(
        UserError, match="AM-GAN, dynamic labels, seed 0: runs one and two are the same cell"
    ):
        part_of("4-1", [labelled(run_id="one"), labelled(run_id="two")])


def test_two_protocols_need_a_choice_and_terms_are_no_scores():
    content = labelled()
    content["scores"]["am_classifier_50k"] = content["scores"][AM] | {"value": 0.25}
    assert part_of("4-1", [content]).origins["am"].score == "am_classifier_50k"  # as the thesis's
    content["scores"]["am_classifier_20k"] = content["scores"].pop("am_classifier_50k")
    with pytest.raises(UserError, match=f"{AM} and am_classifier_20k.*am_score=am_classifier_20k"):
        part_of("4-1", [content])
    assert cell([content], am_score="am_classifier_20k").scores["am"].values == (0.25,)
    with_term = labelled()
    with_term["scores"][f"{AM}.marginal_divergence"] = with_term["scores"][AM]
    assert part_of("4-1", [with_term]).origins["am"].score == AM


# Orders -------------------------------------------------------------------------------------------


def found_orders(found, dataset="digits"):
    return comparisons(TABLES["4-1"], part_of("4-1", found, dataset))


def pair(better, worse, loss=("am_gan", "label_gan"), column="dynamic"):
    """Two runs of each: (is, am) of the seeds."""
    return [
        labelled(loss[side], column, seed, inception_score, am)
        for side, seeds in enumerate((better, worse))
        for seed, (inception_score, am) in enumerate(seeds)
    ]


def test_an_order_holds_is_reversed_or_is_not_decided():
    found = pair([(9.0, 0.5), (9.1, 0.9)], [(5.0, 0.1), (5.1, 0.5)])
    found += pair([(5.0, 0.10), (5.1, 0.11)], [(9.0, 0.80), (9.1, 0.81)], ("ac_gan_plus", "ac_gan"))
    said = {
        (one.better.key, one.kind.key, one.better.labels): one.verdict
        for one in found_orders(found)
    }
    assert said == {
        ("am_gan", "is", "dynamic"): "holds",
        ("am_gan", "am", "dynamic"): "not decided",
        ("am_gan", "is", "predefined"): "no run",
        ("am_gan", "am", "predefined"): "no run",
        ("ac_gan_plus", "is", "dynamic"): "is reversed",
        ("ac_gan_plus", "am", "dynamic"): "holds",
        ("ac_gan_plus", "is", "predefined"): "no run",
        ("ac_gan_plus", "am", "predefined"): "no run",
    }
    first = found_orders(found)[0]
    assert first.difference.mean == pytest.approx(4.0)
    # two equal variances 0.005 of two values: ν = 2, half width 4.30265 sqrt(2 · 0.005 / 2)
    assert first.difference.half_width == pytest.approx(4.30265 * math.sqrt(0.005), rel=1e-5)
    assert first.seeds == (2, 2)


def test_one_seed_decides_nothing():
    found = [
        labelled("am_gan", inception_score=9.0),
        *(labelled("label_gan", seed=s) for s in (0, 1)),
    ]
    first = found_orders(found)[0]
    assert (first.verdict, first.difference.half_width, first.seeds) == (
        "not decided",
        None,
        (1, 2),
    )
    rows = sections("4-1", found)["digits: orders of the thesis on CIFAR-10"]
    assert rows[0] == {
        "order": "AM-GAN above LabelGAN",
        "labels": "dynamic",
        "score": f"{IS}, higher",
        "difference ± 95%": "1.00 (1 seed: no interval)",
        "seeds": "1 and 2",
        "verdict": "not decided",
    }


def test_equal_seeds_of_no_spread_decide_only_where_they_differ():
    same = [
        labelled(loss, "dynamic", seed, 8.0, 0.5)
        for loss in ("am_gan", "label_gan")
        for seed in (0, 1)
    ]
    assert found_orders(same)[0].verdict == "not decided"
    apart = [labelled("am_gan", "dynamic", seed, 9.0) for seed in (0, 1)] + same[2:]
    assert found_orders(apart)[0].verdict == "holds"


def test_published_differences_stand_beside_their_own_data_sets_orders():
    found = {
        one.better.key + one.kind.key + one.better.labels: one.published
        for one in found_orders([], "cifar10")
    }
    assert found["am_ganisdynamic"] == pytest.approx(8.83 - 8.63)
    assert found["am_ganampredefined"] == pytest.approx(0.05 - 0.25)
    tiny = sections("4-1", [], ["tiny_imagenet"])["Tiny-ImageNet: orders of the thesis"]
    assert tiny[0]["published difference"] == "+0.63"
    assert (
        "published difference"
        not in sections("4-1", [])["digits: orders of the thesis on CIFAR-10"][0]
    )


def test_an_order_that_the_published_numbers_do_not_hold_is_not_claimed():
    """Tiny-ImageNet, predefined: AC-GAN+ has the higher AM, 1.20 against 1.01."""
    said = {
        dataset: {
            (one.better.key, one.kind.key, one.better.labels) for one in found_orders([], dataset)
        }
        for dataset in ("cifar10", "tiny_imagenet", "digits")
    }
    assert len(said["cifar10"]) == 2 * 2 * 2
    assert said["cifar10"] - said["tiny_imagenet"] == {("ac_gan_plus", "am", "predefined")}
    assert said["digits"] == said["cifar10"]  # without published numbers: those of CIFAR-10


# Published ----------------------------------------------------------------------------------------

TABLE_4_1 = """
GAN | 7.04±0.06 | 7.27±0.07 | – | – | 0.45±0.00 | 0.43±0.00 | – | –
GAN* | 7.25±0.07 | 7.31±0.10 | – | – | 0.40±0.00 | 0.41±0.00 | – | –
AC-GAN | 7.41±0.09 | 7.79±0.08 | 7.28±0.07 | 7.89±0.11 | 0.17±0.00 | 0.16±0.00 | 1.64±0.02 | 1.01±0.01
AC-GAN+ | 8.56±0.11 | 8.01±0.09 | 10.25±0.14 | 8.23±0.10 | 0.10±0.00 | 0.14±0.00 | 1.04±0.01 | 1.20±0.01
LabelGAN | 8.63±0.08 | 7.88±0.07 | 10.82±0.16 | 8.62±0.11 | 0.13±0.00 | 0.25±0.00 | 1.11±0.01 | 1.37±0.01
AM-GAN | 8.83±0.09 | 8.35±0.12 | 11.45±0.15 | 9.55±0.11 | 0.08±0.00 | 0.05±0.00 | 0.88±0.01 | 0.61±0.01
AC-GAN (with the original term) | 6.48 | 7.66 | – | – | 0.43 | 0.20 | – | –
AC-GAN (generator's classifier weight 0.1) | – | 7.19 | – | – | – | 0.23 | – | –
"""


def test_table_4_1_prints_the_numbers_of_the_thesis():
    """Against the thesis's own layout: IS then AM, CIFAR-10 then Tiny-ImageNet, dynamic then
    predefined."""
    read = sections("4-1", [], ["cifar10", "tiny_imagenet"])
    for line in TABLE_4_1.strip().splitlines():
        model, *expected = line.replace("±", " ± ").split(" | ")
        mine = {
            (title, row["labels"]): row for title in ("CIFAR-10", "Tiny-ImageNet") for row in read[title]
            if row["model"] == model
        }  # fmt: skip
        assert [
            mine[title, labels][f"published {score}"]
            for score in ("IS", "AM")
            for title in ("CIFAR-10", "Tiny-ImageNet")
            for labels in ("dynamic", "predefined")
        ] == expected
    entropies = {
        row["model"]: row["published mean H(C(x))"]
        for row in read["CIFAR-10"]
        if row["labels"] == "dynamic"
    }
    assert {model: text for model, text in entropies.items() if text != "–"} == {
        "LabelGAN": "0.124", "AM-GAN": "0.079", "AC-GAN+": "0.102",
    }  # fmt: skip


def test_tables_4_2_and_4_3_print_the_numbers_of_the_thesis():
    rows = sections("4-2", [], ["cifar10"])["CIFAR-10"]
    read = {
        (row["model"], row["labels"]): row["published largest class mean of MS-SSIM"]
        for row in rows
    }
    models = ("AC-GAN", "AC-GAN+", "LabelGAN", "AM-GAN")
    assert [read[model, "predefined"] for model in models] == ["0.61", "0.39", "0.35", "0.36"]
    assert [read[model, "dynamic"] for model in models] == ["0.35", "0.36", "0.32", "0.36"]
    assert read["AC-GAN (generator's classifier weight 0.1)", "predefined"] == "0.35"
    rows = sections("4-3", [], ["cifar10"])["CIFAR-10"]
    assert {row["model"]: row["published IS"] for row in rows} == {
        "DFM": "7.72 ± 0.13", "Improved GAN": "8.09 ± 0.07", "AC-GAN": "8.25 ± 0.07", "WGAN-GP + AC": "8.42 ± 0.10",
        "SGAN": "8.59 ± 0.12", "AM-GAN (96 critic channels)": "8.91 ± 0.11", "Splitting GAN": "8.87 ± 0.09",
        "real data": "11.24 ± 0.12",
    }  # fmt: skip
    assert {row["model"] for row in rows if row["IS ± 95% over seeds"] == "no run"} == {
        "AM-GAN (96 critic channels)"
    }


def test_every_line_has_every_kind_of_score_of_its_table():
    for design in TABLES.values():
        for line in design.lines:
            assert set(line.published) == {kind.key for kind in design.kinds}
            for numbers in line.published.values():
                assert all(isinstance(one, Published) for one in numbers.values())


def test_the_heading_says_in_what_runs_are_small_and_by_which_score():
    small = part_of("4-1", [labelled()]).small_scale
    for words in (
        "1,000 generator steps (thesis: 1,000,000)",
        "48 generator channels (thesis: 96)",
        "32 critic channels (thesis: 64)",
        "optimizer.lr 0.0002 (thesis: 0.0004)",
        "data set digits (thesis: CIFAR-10 and Tiny-ImageNet)",
        "extractor of IS classifier (thesis: inception)",
        "samples 10k (thesis: 50k)",
        "network of AM and mean H(C(x)) SmallCNN (thesis: DenseNet)",
    ):
        assert words in small
    full = labelled(
        dataset="cifar10", config__max_generator_steps=1_000_000, config__optimizer__lr=4e-4
    )
    full["config"]["architecture"] |= {"generator_channels": 96, "critic_channels": 64}
    scores = {name.replace("10k", "50k"): entry for name, entry in full["scores"].items()}
    scores["is_inception_50k_10x"] = scores.pop("is_classifier_50k_10x")
    for entry in scores.values():
        entry["extractor"] = {
            "name": "x",
            "architecture": {"name": "DenseNetBC", "depth": 40},
            "weights_sha256": "ff",
        }
    full["scores"] = scores
    assert part_of("4-1", [full], "cifar10").small_scale == ""


def test_after_scoring_by_inception_too_the_table_shows_is_by_inception_and_am_by_the_classifier():
    found = [labelled(seed=seed) for seed in (0, 1)]
    for content in found:
        by_classifier = content["scores"]
        by_classifier["am_classifier_50k"] = by_classifier.pop(AM)
        by_classifier["is_classifier_50k_10x"] = by_classifier.pop(IS)
        inception = {"name": "inception", "architecture": "Inception", "weights_sha256": "ff"}
        by_classifier["is_inception_50k_10x"] = by_classifier["is_classifier_50k_10x"] | {
            "value": 5.0,
            "extractor": inception,
        }
    origins = part_of("4-1", found).origins
    assert origins["is"].score == "is_inception_50k_10x"
    assert origins["am"].score == "am_classifier_50k"
    assert cell(found).scores["is"].values == (5.0, 5.0)


def test_the_labels_of_the_weak_classifiers_run_are_said_to_be_inferred():
    rows = {
        row["labels"]: row["notes"]
        for row in sections("4-1", [])["digits"]
        if "weight 0.1" in row["model"]
    }
    assert rows == {
        "dynamic": "",
        "predefined": "published (4.7.2) without a column: predefined by inference",
    }
    for number in ("4-1", "4-2"):
        assert "predefined is inferred" in TABLES[number].source


# Table 4-2 ----------------------------------------------------------------------------------------

OWN = "msssim_abs_5level_200pairs_own_10k"


def similar(real=0.3, score=OWN, **more):
    """A run with MS-SSIM taken in the published way, beside the one by the classifier's classes."""
    content = labelled("ac_gan", "predefined", **more)
    entry = content["scores"][MSSSIM] | {"value": 0.6, "real": real, "real_per_class": [0.2, real]}
    content["scores"][score] = entry
    return content


def test_table_4_2_shows_the_score_that_is_taken_as_the_published_one():
    found = [similar()]
    found[0]["scores"]["msssim_signed_5level_200pairs_own_10k"] = found[0]["scores"][OWN] | {
        "value": 0.1
    }
    found[0]["scores"]["msssim_abs_5level_200pairs_classifier_10k"] = found[0]["scores"][OWN] | {
        "value": 0.2
    }
    assert cell(found, "ac_gan", "predefined", "4-2").scores["msssim"].values == (0.6,)
    text = render.to_markdown(sheet(table_of(TABLES["4-2"], found, ["digits"])))
    assert f"{OWN}: |σ_xy| in place of the covariance σ_xy (as published)" in text
    assert (
        "the critic's own label (dynamic) (as published); 5 levels (as published); 200 pairs "
        "(published: 5)" in text
    )
    assert "pairs 200 (thesis: 5)" in part_of("4-2", found).small_scale
    assert "classes classifier" not in text


def test_table_4_2_falls_back_to_another_score_and_says_so():
    found = [labelled("ac_gan", "predefined")]  # the name of an older record
    part = part_of("4-2", found)
    assert part.origins["msssim"].score == MSSSIM
    for words in (
        "covariance signed (thesis: abs)",
        "classes classifier (thesis: own)",
        "levels 3 (thesis: 5)",
    ):
        assert words in part.small_scale
    text = render.to_markdown(sheet(table_of(TABLES["4-2"], found, ["digits"])))
    assert (
        "σ_xy with its sign (not as published); a sample's class is the one that the classifier "
        "gives it (not" in text
    )
    assert "or the critic's own label" not in text


def test_table_4_2_has_a_line_of_real_data():
    rows = sections("4-2", [similar(), similar(seed=1)])
    assert rows["digits"][-1]["model"] == "real data"
    assert rows["digits"][-1][f"{OWN} ± 95% over seeds"] == "0.300"
    assert rows["CIFAR-10, published (other data than above: not a comparison)"][-1] == {
        "model": "real data",
        "labels": "",
        "published largest class mean of MS-SSIM": "0.341",
    }
    assert (
        sections("4-2", [labelled()])["digits"][-1][f"{MSSSIM} ± 95% over seeds"] == "–"
    )  # older: not recorded
    values = list(
        csv.DictReader(
            io.StringIO(render.to_csv(sheet(table_of(TABLES["4-2"], [similar()], ["digits"]))))
        )
    )
    (real,) = [row for row in values if row["status"] == "real data"]
    assert (real["model"], real["msssim_mean"], real["seeds"]) == ("real data", "0.3", "")


# Formats ------------------------------------------------------------------------------------------


@pytest.fixture
def found():
    return pair([(9.0, 0.5), (9.1, 0.6)], [(5.0, 0.7), (5.1, 0.8)])


def test_markdown_rows(found):
    read = sections("4-1", found)
    assert list(read) == [
        "digits",
        "digits: orders of the thesis on CIFAR-10",
        "CIFAR-10, published (other data than above: not a comparison)",
        "Tiny-ImageNet, published (other data than above: not a comparison)",
    ]
    assert len(read["digits"]) == 16
    assert read["digits"][7] == {
        "model": "AM-GAN",
        "labels": "dynamic",
        "seeds": "2",
        f"{IS} ± 95% over seeds": "9.05 ± 0.64",
        f"{IS}: ± over splits": "0.250",
        f"{AM} ± 95% over seeds": "0.550 ± 0.635",
        f"{AM}: ± over splits": "0.0625",
        f"{ENTROPY} ± 95% over seeds": "0.300 ± 0.000",
        "runs": "am_gan-dynamic-s0 am_gan-dynamic-s1",
        "notes": "",
    }
    assert read["digits"][0][f"{AM} ± 95% over seeds"] == "no run"
    assert sections("4-2", found)["digits"][-2][f"{MSSSIM} ± 95% over seeds"] == "0.400 ± 0.000"


def test_csv_has_cells_orders_and_published_lines(found):
    rows = list(
        csv.DictReader(
            io.StringIO(render.to_csv(sheet(table_of(TABLES["4-1"], found, ["digits"]))))
        )
    )
    assert [row["status"] for row in rows].count("scored") == 2
    assert len(rows) == 16 + 8 + 15 + 8
    am_gan = rows[7]
    assert (am_gan["model"], am_gan["loss"], am_gan["labels"], am_gan["seeds"]) == (
        "AM-GAN",
        "am_gan",
        "dynamic",
        "2",
    )
    assert float(am_gan["is_mean"]) == pytest.approx(9.05)
    assert float(am_gan["am_split_std"]) == 0.0625
    order = rows[16]
    assert (order["model"], order["status"], order["seeds"]) == (
        "AM-GAN above LabelGAN",
        "holds",
        "2 2",
    )
    assert float(order["is_mean"]) == pytest.approx(4.0)
    assert order["am_mean"] == ""
    assert {row["status"] for row in rows[24:]} == {"published"}


@pytest.mark.parametrize("number", ["4-1", "4-2", "4-3"])
def test_latex_is_balanced(number, found):
    text = render.to_latex(sheet(table_of(TABLES[number], found, ["digits", "cifar10"])))
    tables = re.findall(r"\\begin\{table\}(.*?)\\end\{table\}", text, flags=re.DOTALL)
    assert tables
    for one in tables:
        spec = re.search(r"\\begin\{tabular\}\{(\w+)\}", one)[1]
        inside = one[one.index(r"\toprule") : one.index(r"\bottomrule")]
        lines = [line for line in inside.splitlines() if line.endswith(r"\\")]
        assert {len(re.split(r"(?<!\\)&", line)) for line in lines} == {len(spec)}
        assert one.count("{") - one.count(r"\{") == one.count("}") - one.count(r"\}")
    assert not re.search(r"(?<![\\$^])[%#]|(?<!\\)_", text.split("\n\n", 2)[2])
