"""The report of any runs: every number is the CSV's, every text is escaped, and nothing that runs
can be breaks it."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gan_lab.errors import UserError
from gan_lab.reporting import Asked, Axes, Found, Run, gather, read_runs, sweep_sheet, sweep_table
from gan_lab.reporting.report import curves, facts, page
from gan_lab.reporting.report.dots import Number, draw_dots
from gan_lab.reporting.tables.render import to_csv
from gan_lab.reporting.tables.text import interval
from helpers.made_up import FID, IS, SMALL_FID, record, run_dirs

EVIL = '<img src=x onerror="alert(1)">'
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c6360606000"
    "00000400012734270a0000000049454e44ae426082"
)


class Elements(HTMLParser):
    """The tags of a page with their attributes, and the texts of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def sweep(**replaced):
    """2 losses, 2 weights, 3 seeds."""
    return [
        record(loss, weight, seed, fid=2.0 + seed / 3 + weight * (loss == "exp"), **replaced)
        for loss in ("exp", "hinge")
        for weight in (0.1, 1)
        for seed in (0, 1, 2)
    ]


def report_of(contents, **asked):
    return gather(Found(tuple(map(Run, contents))), Asked(**asked))


def test_axes_are_what_the_runs_differ_in():
    shown = report_of(sweep())
    assert shown.tables[0].header == ("loss", "penalty.weight=0.1", "penalty.weight=1")
    assert report_of([record(seed=seed) for seed in (0, 1)]).tables[0].header[0] == "loss"
    two = [*sweep(), *(one | {"run_id": f"c{one['run_id']}"} for one in sweep(dataset="cifar10"))]
    assert [view.title for view in report_of(two, scores=(FID,)).tables] == [
        f"dataset=cifar10, {FID}",
        f"dataset=digits, {FID}",
    ]


@pytest.mark.parametrize("baseline", [None, {"loss": "hinge"}])
def test_every_number_is_that_of_the_table_codes_csv(baseline):
    """The cells of the page are the texts of the sheet, and sort by the numbers of its CSV."""
    contents = [*sweep(), record("exp", 1, 3, status="diverged")]
    found = Found(tuple(map(Run, contents)))
    asked = Asked(("loss",), ("penalty.weight",), scores=(FID, IS), baseline=baseline)
    shown = gather(found, asked)
    table = sweep_table(found, Axes(asked.rows, asked.columns), asked.scores, baseline)
    sheet = sweep_sheet(table)
    lines = {
        (line["score"], line["loss"], f"penalty.weight={line['penalty.weight']}"): line
        for line in csv.DictReader(io.StringIO(to_csv(sheet)))
    }
    text = page.to_html(shown)
    for view, section in zip(shown.tables, sheet.sections, strict=True):
        assert (view.title, view.header) == (section.title, section.header)
        for row, texts in zip(view.rows, section.rows, strict=True):
            assert tuple(cell.text for cell in row) == texts
            for name, cell in zip(view.header[1:], row[1:], strict=True):
                score, _, is_difference = view.title.partition(": difference")
                line = lines[score, row[0].text, name]
                value = line["difference" if is_difference else "mean"]
                assert cell.sort == float(value)
                assert f'data-sort="{cell.sort}"' in text
                assert is_difference or interval(
                    table_cell(table, score, row[0].text, name).estimate
                ) in html.unescape(text)
    saved = [line for view in shown.tables if view.csv for line in csv_lines(view.csv)]
    assert saved == list(csv.DictReader(io.StringIO(to_csv(sheet))))


def table_cell(table, score, row, column):
    (block,) = [block for block in table.blocks if block.score == score]
    return block.cells[(row,), (column.partition("=")[2],)]


def csv_lines(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_number_leads_to_the_records_behind_it():
    shown = report_of([*sweep(), record("exp", 1, 3, status="diverged", reason="loss is nan")])
    cell = shown.tables[0].rows[0][2]
    runs = {run.id: run for run in shown.runs}
    assert [link.text for link in cell.links] == ["seed 0", "seed 1", "seed 2", "seed 3 diverged"]
    assert [runs[link.target].title for link in cell.links[:2]] == [
        "loss=exp, penalty.weight=1, seed 0",
        "loss=exp, penalty.weight=1, seed 1",
    ]
    elements = Elements(page.to_html(shown))
    targets = {one["href"][1:] for one in elements.of("a") if (one.get("href") or "#")[0] == "#"}
    assert targets <= set(elements.ids)
    assert len(elements.ids) == len(set(elements.ids))
    assert "loss is nan" in {row[-1].text for row in shown.unfinished.rows}


def test_over_all_columns_stands_the_bootstrap():
    shown = report_of(sweep(), scores=(FID,), baseline=None)
    (view,) = shown.bootstrap
    by_name = {row[0].text: row for row in view.rows}
    assert by_name["exp"][1].sort == pytest.approx((2 + 1 / 3 + 0.1 + 2 + 1 / 3 + 1) / 2)
    assert by_name["hinge"][1].bold  # FID: lower
    assert by_name["exp"][2].text.startswith("0.17 [")  # 3 of 9 pairs at 0.1, none at 1
    assert [line["row"] for line in csv_lines(view.csv)] == ["exp", "hinge"]


@pytest.mark.parametrize("place", ["run_id", "reason", "loss", "dataset", "command", "hardware"])
def test_what_a_record_says_is_never_markup(place):
    contents = sweep()
    broken = record("exp", 1, 5, status="failed", reason="no")
    match place:
        case "loss":
            broken["choices"]["loss"] = EVIL
        case "dataset":
            broken["dataset"]["name"] = EVIL
        case "command":
            broken["command"] = ["train.py", f"x={EVIL}", "</script><script>alert(1)</script>"]
        case "hardware":
            broken["hardware"] = {EVIL: EVIL}
        case _:
            broken[place] = EVIL
    text = page.to_html(report_of([*contents, broken]))
    assert "<img src=x" not in text
    assert "&lt;img" in text
    tags = Elements(text)
    assert len(tags.of("script")) == 3
    assert not [one for _, one in tags.tags if any(name.startswith("on") for name in one)]


def test_data_of_curves_cannot_end_their_element():
    evil = sweep(choices__loss="</script><!--<script>")
    for one in evil:
        one["config"]["loss"]["_target_"] = "</script>"
    text = page.to_html(report_of(evil))
    island = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
    assert json.loads(island)["charts"]
    assert len(Elements(text).of("script")) == 3


def test_a_browser_is_told_to_run_our_scripts_alone():
    text = page.to_html(report_of(sweep()))
    (policy,) = [one["content"] for one in Elements(text).of("meta") if "http-equiv" in one]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "connect-src" not in policy
    assert "connect-src &#39;self&#39;" in page.to_html(report_of(sweep()), refresh=5)
    outside = re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)
    assert outside == []


def test_control_characters_are_shown_and_do_not_act():
    text = page.to_html(report_of([record(status="failed", reason="a\x1b[31m\u202eb")]))
    assert r"a\x1b[31m\u202eb" in text


@pytest.mark.parametrize("status", ["running", "interrupted", "failed", "diverged"])
def test_a_sweep_with_nothing_finished(status):
    shown = report_of([one | {"status": status, "scores": {}} for one in sweep()])
    assert "No run has a score yet: there is no table." in shown.warnings
    assert len(shown.unfinished.rows) == 12
    assert f">{status}</span>" in page.to_html(shown)


def test_a_misspelt_row_is_refused_before_there_is_a_score():
    with pytest.raises(UserError, match=r"rows=los: .* did you mean loss"):
        report_of([one | {"scores": {}} for one in sweep()], rows=("los",))


def test_runs_without_common_cells_stand_alone_and_it_is_said():
    twins = [record(), record(run_id="twin")]
    shown = report_of(twins)
    assert [row[0].text for row in shown.tables[0].rows] == ["expmaxgp0.1s0", "twin"]
    assert any("each stands in a row of its own" in line for line in shown.warnings)
    with pytest.raises(UserError, match="are the same cell"):
        report_of(twins, rows=("loss",))
    with pytest.raises(UserError, match="score=ssim: no run has it"):
        report_of(twins, scores=("ssim",))


def test_damaged_records_and_cells_without_one_are_told(tmp_path):
    folder = run_dirs(tmp_path / "runs", *sweep())
    (folder / "torn").mkdir()
    (folder / "torn" / "record.json").write_text('{"version": ')
    (folder / "early").mkdir()
    early = {"version": 3, "status": "failed", "reason": EVIL, "command": ["train.py", "loss=exp"]}
    (folder / "early" / "record.json").write_text(json.dumps(early))
    shown = gather(read_runs([folder], report=lambda line: None), Asked(title="runs"))
    assert any("torn" in line for line in shown.warnings)
    (row,) = shown.unfinished.rows
    assert row[-1].text == EVIL
    assert {run.command for run in shown.runs if run.name == "early"} == {
        "python train.py loss=exp"
    }
    assert "<img src=x" not in page.to_html(shown)


def test_grids_are_shown_within_their_room_and_other_files_are_passed_over(tmp_path):
    folder = run_dirs(tmp_path / "runs", *sweep()[:2])
    for index, run in enumerate(sorted(folder.iterdir())):
        (run / "samples").mkdir()
        for step in range(0, 1200, 100):
            (run / "samples" / f"step_{step}.png").write_bytes(PNG)
        (run / "samples" / "step_last.png").write_bytes(PNG)
        (run / "samples" / f"classes_{index}.png").write_text("<svg onload=alert(1)>")
    found = read_runs([folder])
    (gallery,) = gather(found, Asked()).galleries
    assert [[frame.step for frame in grid.frames] for grid in gallery.grids] == [
        [0, 200, 300, 500, 600, 800, 900, 1100]
    ] * 2
    assert gallery.grids[0].alt == "64 samples of loss=exp, seed 0"
    (small,) = gather(found, Asked(megabytes=0.0015)).galleries
    assert len(small.grids) == 1
    assert small.left_out[0].startswith("1 more run has such images")
    (none,) = gather(found, Asked(megabytes=1e-6)).galleries
    assert none.grids == ()
    assert none.left_out[0].startswith("2 runs have such images, for which 1e-06 MB leave no room")


@pytest.mark.parametrize("megabytes", [-1, math.nan, math.inf])
def test_a_number_of_megabytes_that_cannot_be_is_refused(megabytes):
    with pytest.raises(UserError, match=rf"^megabytes={megabytes}: use a number of at least 0$"):
        Asked(megabytes=megabytes)


@pytest.mark.thorough
def test_a_huge_sweep_stays_small():
    """100 cells of 3 seeds: the page is below 2 MB, two curves of each among them."""
    steps = [[step, 100 / (step + 1)] for step in range(0, 2000, 200)]
    contents = [
        record("exp", weight / 100, seed, history={SMALL_FID: steps, "is_classifier_2k_10x": steps})
        for weight in range(1, 101)
        for seed in range(3)
    ]
    shown = report_of(contents)
    text = page.to_html(shown)
    assert len(shown.runs) == 300
    assert len(text.encode()) < 2_000_000
    lines = [line for panel in shown.charts[0].panels for line in panel["lines"]]
    assert [len(line["mean"]) for line in lines] == [10] * 200


def test_curves_are_thinned_and_keep_their_ends():
    assert curves.thinned(range(1000), 5) == [0, 250, 500, 749, 999]
    assert curves.thinned([3, 7], 5) == [3, 7]
    assert curves.at_steps([(1, "nan"), (2, 1.234567)], [1, 2, 3]) == [None, 1.2346, None]


def test_the_command_runs_the_cell_again():
    assert facts.command({"command": ["study.py", "loss=exp"], "config": {}}) == (
        "python scripts/study.py loss=exp"
    )
    assert facts.command({"command": ["/x/train.py", "dataset.root=a b;rm"], "config": {}}) == (
        "python train.py 'dataset.root=a b;rm'"
    )
    assert facts.command({"config": {}}) == ""


def test_dots_stand_in_the_order_of_their_numbers():
    numbers = [Number(value, (value - 1, value + 1), str(value)) for value in (1.0, 3.0, 2.0)]
    drawing = draw_dots("three", [(number.text, [number]) for number in numbers])
    places = [line.dots[0].x for line in drawing.lines]
    assert places[0] < places[2] < places[1]
    assert places[2] - places[0] == pytest.approx(places[1] - places[2], abs=0.2)
    assert all(0 < line.dots[0].low < line.dots[0].high < drawing.width for line in drawing.lines)
    assert draw_dots("one", [("a", numbers[:1])]) is None
    far = draw_dots("far", [("a", [Number(1.0, (-1e9, 1e9), "")]), ("b", [Number(2.0, None, "")])])
    assert far.lines[1].dots[0].x - far.lines[0].dots[0].x > 100


def test_the_vendored_library_has_its_licence():
    vendor = Path(page.__file__).parent / "vendor"
    assert "Permission is hereby granted" in (vendor / "uPlot.LICENSE").read_text()
    assert (vendor / "uPlot.iife.min.js").read_text().startswith("/*! https://github.com/leeoniya")
