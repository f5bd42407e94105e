"""Table 2-2 from made-up records: cells, the chosen weight, what may not be averaged, and the three formats."""

from __future__ import annotations

import csv
import io
import re

import pytest
from made_up import FID, IS, WEIGHTS, record

from gan_lab.reporting import TABLES, render, sheet
from gan_lab.reporting import table as table_of
from gan_lab.reporting.published_objectives import LINES
from gan_lab.types import UserError
from gan_lab.versions import FIELD_DEFAULTS, Since


def table_2_2(found, datasets=None, **asked):
    return table_of(TABLES["2-2"], found, datasets, asked)


def to_markdown(table):
    return render.to_markdown(sheet(table))


def cell(found, loss="exp", dataset="digits"):
    (part,) = table_2_2(found, [dataset]).parts
    return next(one for one in part.cells if one.line.key == loss)


# Choosing and averaging -----------------------------------------------------------------------------------------------


def test_the_weight_of_the_least_mean_fid_is_shown_with_its_grid():
    found = [record(weight=0.1, seed=0, fid=1.0), record(weight=0.1, seed=1, fid=5.0)]  # least single value, mean 3
    found += [record(weight=1, seed=0, fid=2.0, std=0.2), record(weight=1.0, seed=1, fid=3.0, std=0.4)]
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
    found = [record(weight=0.1, seed=s, fid=3.0) for s in (0, 1)] + [record(weight=1, seed=0, fid=1.0)]
    one = cell(found)
    assert one.chosen.weight == 0.1
    assert "λ = 1 has 1 of 2 seeds and may not win" in to_markdown(table_2_2(found, ["digits"]))


def test_diverged_runs_are_counted_and_named():
    found = [record(weight=w, seed=0, fid=3.0) for w in (0.01, 0.1)]
    found += [record(weight=w, seed=0, status="diverged", run_id=f"gone{w}") for w in (1, 10)]
    assert cell(found).chosen.weight == 0.01
    text = to_markdown(table_2_2(found, ["digits"]))
    assert "2 of 4 weights diverged (λ = 1: gone1; λ = 10: gone10)" in text
    partly = [record(weight=0.1, seed=0), record(weight=0.1, seed=1, status="diverged", run_id="gone")]
    assert "λ = 0.1: 1 of 2 seeds diverged (gone)" in to_markdown(table_2_2(partly, ["digits"]))
    every = [record(weight=0.1, seed=0, status="diverged")]
    assert cell(every).chosen is None
    assert "| diverged |" in to_markdown(table_2_2(every, ["digits"]))


def test_a_weight_whose_fid_is_not_finite_may_not_win():
    broken = record(weight=0.1)
    broken["scores"][FID]["value"] = "nan"
    assert cell([broken, record(weight=1, fid=3.0)]).chosen.weight == 1


def test_wgan_gp_is_its_own_line():
    found = [record("wasserstein", 10, penalty="gp", fid=4.0), record("wasserstein", 1, penalty="gp", fid=1.0)]
    assert cell(found, "wgan_gp").scores["fid"].estimate.mean == 4.0
    assert cell(found, "wasserstein").searched == ()


def test_the_test_split_does_not_choose():
    found = [record(weight=0.1, fid=2.0), record(weight=1, fid=3.0)]
    found[1]["scores"]["fid_classifier_10k_test"]["value"] = 0.0
    assert cell(found).chosen.weight == 0.1


def test_a_finished_run_without_a_score_is_named():
    assert "without a score: bare" in to_markdown(table_2_2([record(), record(seed=1, fid=None, run_id="bare")]))


# What may not be averaged ---------------------------------------------------------------------------------------------


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
        ("config.loss.generator", "linear", "quadratic"),
        ("config.penalty.target", None, 1.0),
    ],
)
def test_runs_that_differ_elsewhere_are_refused_with_both_values_and_a_way_out(field, first, second, tmp_path):
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
    for word in (field, str(first), str(second), "run one", "run two", f"'select={{{field}:{first}}}'"):
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
    monkeypatch.setitem(FIELD_DEFAULTS, "a_later_field", Since(2, 3))  # one has it at its implied value
    two["config"] |= {"run_dir": "x", "existing_run": "resume", "a_later_field": 3, "evaluate_every": 7}
    two["config"]["penalty"]["weight"] = 0.10
    two["config"]["max_generator_steps"] = 1000.0  # the same number
    assert cell([one, two]).scores["fid"].estimate.n == 2


def test_data_sets_are_apart():
    found = [record(fid=2.0), record(dataset="cifar10", fid=9.0, config__architecture__channels=128)]
    assert cell(found).scores["fid"].estimate.mean == 2.0
    assert cell(found, dataset="cifar10").scores["fid"].estimate.mean == 9.0


def test_two_scores_of_one_kind_need_a_choice():
    content = record()
    content["scores"]["is_inception_50k_10x"] = dict(content["scores"][IS], value=5.0)
    with pytest.raises(UserError, match=f"{IS} and is_inception_50k_10x.*inception_score={IS}"):
        table_2_2([content], ["digits"])
    (part,) = table_2_2([content], ["digits"], inception_score="is_inception_50k_10x").parts
    assert part.protocols["is"].score == "is_inception_50k_10x"
    with pytest.raises(UserError, match="frechet_distance=fid_x_train: the runs have no such score"):
        table_2_2([content], ["digits"], inception_score=IS, frechet_distance="fid_x_train")


def test_the_same_cell_and_seed_twice_is_refused():
    with pytest.raises(UserError, match="runs one and two are the same cell"):
        table_2_2([record(run_id="one"), record(run_id="two")], ["digits"])


# Parts and headings ---------------------------------------------------------------------------------------------------


def test_published_numbers_stand_beside_their_own_data_set_and_apart_from_others():
    table = table_2_2([record()], ["digits"])
    assert table.published_apart == ("cifar10", "tiny_imagenet")
    assert not table.parts[0].is_published
    assert table_2_2([], ["cifar10"]).published_apart == ()
    assert table_2_2([record()], ["digits", "cifar10"]).published_apart == ("tiny_imagenet",)
    assert [part.dataset for part in table_2_2([record()]).parts] == ["cifar10", "tiny_imagenet", "digits"]
    with pytest.raises(UserError, match="datasets is empty"):
        table_2_2([], [])


def test_the_folder_name_of_the_archive_is_tiny_imagenet():
    assert cell([record(dataset="tiny-imagenet-200")], dataset="tiny_imagenet").chosen is not None


def test_the_heading_says_when_runs_are_small_and_only_then():
    (small,) = table_2_2([record()], ["digits"]).parts
    for word in ("1,000 generator steps (thesis: 200,000)", "32 channels (thesis: 128)", "extractor classifier"):
        assert word in small.small_scale
    full = record(
        dataset="cifar10",
        config__max_generator_steps=200_000,
        config__architecture__channels=128,
    )
    inception = {"name": "inception", "architecture": "Inception", "weights_sha256": "ff"}
    full["scores"] = {
        name.replace("classifier", "inception"): entry | {"extractor": inception}
        for name, entry in full["scores"].items()
    }
    assert table_2_2([full], ["cifar10"]).parts[0].small_scale == ""
    assert "Small-scale" not in to_markdown(table_2_2([full], ["cifar10"]))
    assert "Small-scale" in to_markdown(table_2_2([record()], ["digits"]))


# Formats --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table():
    found = [record(weight=w, seed=s, fid=2 + w + s, inception_score=8 + s) for w in (0.1, 1) for s in (0, 1)]
    return table_2_2([*found, record("wasserstein", 1, status="diverged", run_id="gone")], ["digits", "cifar10"])


def pipes(text):
    """{section: [{column: cell}]}"""
    found = {}
    for block in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines() if "|" in line
        ]
        assert len({len(row) for row in rows}) == 1
        found[block.splitlines()[0]] = [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]
    return found


def test_markdown_can_be_read_back(table):
    found = pipes(to_markdown(table))
    assert list(found) == ["digits", "CIFAR-10", "Tiny-ImageNet, published (other data than above: not a comparison)"]
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
        f"{FID}: extractor classifier, architecture SmallCNN (width 8), weights {WEIGHTS[:12]}; 10,000 samples." in text
    )
    assert "Code: 555555555." in text
    assert "Published: Zhou 2020, Table 2-2 (WGAN-GP: section 2.6.5); its ± is" in text


def test_csv_can_be_read_back_unrounded(table):
    rows = list(csv.DictReader(io.StringIO(render.to_csv(sheet(table)))))
    assert len(rows) == 7 + 7 + 6
    exp = rows[1]
    assert (exp["dataset"], exp["loss"], exp["penalty"], exp["status"]) == ("digits", "exp", "maxgp", "scored")
    assert float(exp["fid_mean"]) == pytest.approx(2.6)
    assert float(exp["fid_interval95"]) == pytest.approx(12.7062 * 0.5, rel=1e-5)
    assert (exp["fid_chunk_std"], float(exp["is_chunk_std"])) == ("", 0.25)
    assert (exp["is_protocol"], exp["is_weights_sha256"], exp["is_n_samples"]) == (IS, WEIGHTS, "10000")
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
    assert len(tables) == 3
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
    assert tiny == [(8.66, 16.47), (8.67, 14.90), (8.70, 15.05), (8.82, 15.11), (8.53, 15.72), (8.63, 15.75)]
