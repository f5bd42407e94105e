"""What a sweep's directory says of its cells, by records made up for it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from gan_lab import records, sweeps
from gan_lab.errors import UserError
from gan_lab.records.versions import VERSION
from gan_lab.sweeps.table import COLOURS, status_table, total
from helpers.gan_runs import ROOT

NOW = 1_700_000_000.0
SCORES = {"fid_x": {"value": 3.14159, "std": None, "n_samples": 9, "step": 9, "extractor": {}}}


def made_up(
    run_dir: Path, status: str, *, logged: int = 0, age: float = 5.0, took: float = 100.0, **fields
) -> Path:
    """A run of 1,000 steps that began `took` seconds before its newest line, which is `age` seconds
    old."""
    run_dir.mkdir(parents=True)
    config = {"max_generator_steps": 1000, "log_every": 10}
    content = {
        "version": VERSION,
        "status": status,
        "reason": None,
        "command": ["train.py", "seed=0"],
    }
    content |= {
        "config": config,
        "generator_steps": 0,
        "resumed_from_step": 0,
        "seconds": 0.0,
    } | fields
    (run_dir / "record.json").write_text(json.dumps(content))
    (run_dir / "config.yaml").write_text("")
    lines = [json.dumps({"generator_step": step}) for step in range(10, logged + 1, 10)]
    (run_dir / "metrics.jsonl").write_text(
        "\n".join(lines) + '\n{"generator_st'
    )  # the last one torn
    for name in ("record.json", "config.yaml"):
        os.utime(run_dir / name, (NOW - age - took,) * 2)
    os.utime(run_dir / "metrics.jsonl", (NOW - age,) * 2)
    return run_dir


def test_a_running_cell_tells_step_and_time_left(tmp_path):
    cell = sweeps.read_cell(made_up(tmp_path / "0", "running", logged=250), None, NOW)
    assert (cell.state, cell.step, cell.max_step, cell.overrides) == (
        "running",
        250,
        1000,
        ("seed=0",),
    )
    assert cell.seconds == pytest.approx(100)
    assert cell.eta == pytest.approx(300)  # 0.4 s a step, 750 to go


def test_after_a_resume_only_the_new_steps_tell_the_speed(tmp_path):
    made_up(tmp_path / "0", "running", logged=250, resumed_from_step=200, seconds=30.0)
    cell = sweeps.read_cell(tmp_path / "0", None, NOW)
    assert cell.seconds == pytest.approx(130)
    assert cell.eta == pytest.approx(1500)  # 2 s a step


@pytest.mark.parametrize(("took", "age", "state"), [
    (100, 119, "running"), (100, 721, "silent"), (10_000, 721, "running"), (10_000, 8_100, "silent"),
    (100, -3600, "running"),  # a clock that jumped back
])  # fmt: skip
def test_silence_is_told_by_the_pace_of_the_run(took, age, state, tmp_path):
    """0.4 or 40 s a step, a line every 10 steps: 20 lines late is silent, and never under two
    minutes."""
    cell = sweeps.read_cell(
        made_up(tmp_path / "0", "running", logged=250, took=took, age=age), None, NOW
    )
    assert cell.state == state
    assert (state == "silent") == ("nothing written for" in (cell.reason or ""))


def test_cells_that_were_planned_and_have_no_record_wait(tmp_path):
    made_up(tmp_path / "10", "finished", generator_steps=1000, seconds=50.0, scores=SCORES)
    made_up(tmp_path / "2", "failed", reason="no such file")
    sweeps.write_plan(tmp_path, {str(n): [f"seed={n}", "loss=exp"] for n in (1, 2, 10)})
    cells = sweeps.read_cells(tmp_path, NOW)
    assert [(cell.run_dir.name, cell.state) for cell in cells] == [
        ("1", "waiting"),
        ("2", "failed"),
        ("10", "finished"),
    ]
    assert (
        sweeps.distinguishing_overrides(
            cells[0].overrides, sweeps.shared(cell.overrides for cell in cells)
        )
        == "seed=1"
    )
    assert cells[2].score == "fid_x 3.142"
    assert sweeps.summary(cells) == "3 cells: 1 finished, 1 waiting, 1 failed"
    ending = sweeps.closing_report(tmp_path, cells)
    assert "failed" in ending[2]
    assert ending[2].endswith("seed=2: no such file")
    assert "existing_run=resume" in ending[-1]


def test_a_cell_whose_name_is_a_digit_and_no_number_stands_after_the_numbers(tmp_path):
    """Python reads "٣" as 3, and "²" as no number, though both are digits."""
    for name in ("²", "10", "٣", "2"):
        made_up(tmp_path / name, "failed", reason="no such file")
    cells = sweeps.read_cells(tmp_path, NOW)
    assert [cell.run_dir.name for cell in cells] == ["2", "٣", "10", "²"]
    assert [column.header for column in status_table("a sweep", cells).columns][:2] == [
        "cell",
        "status",
    ]


def test_nothing_is_advised_where_nothing_is_missing(tmp_path):
    made_up(tmp_path / "0", "finished")
    made_up(tmp_path / "1", "diverged", reason="not finite")
    assert len(sweeps.closing_report(tmp_path, sweeps.read_cells(tmp_path, NOW))) == 2


def test_a_lost_cell_is_noted_once_and_an_ended_one_stays_as_it_is(tmp_path):
    made_up(tmp_path / "0", "running")
    made_up(tmp_path / "1", "finished")
    for name in "012":
        sweeps.keep_failure(tmp_path / name, ["seed=7"], "killed", "interrupted")
    found = [records.read(tmp_path / name).content for name in "012"]
    assert [(content["status"], content["reason"]) for content in found] == [
        ("interrupted", "killed"), ("finished", None), ("interrupted", "killed"),
    ]  # fmt: skip
    assert found[2]["command"] == ["seed=7"]


def test_a_cell_that_another_process_trains_is_left_to_it(tmp_path):
    """A sweep that was started twice refuses the cell a second time: the first goes on with it."""
    made_up(tmp_path / "0", "running")
    with records.only_writer(tmp_path / "0"):
        sweeps.keep_failure(tmp_path / "0", [], "is being trained by another process")
        assert records.read(tmp_path / "0")["status"] == "running"
    sweeps.keep_failure(tmp_path / "0", [], "killed")
    assert records.read(tmp_path / "0")["status"] == "failed"


def test_a_cell_that_a_process_of_this_machine_trains_is_not_silent(tmp_path):
    """It may be scoring, which writes nothing for minutes."""
    made_up(tmp_path / "0", "running", logged=50)
    later = NOW + 10_000
    assert [cell.state for cell in sweeps.read_cells(tmp_path, later)] == ["silent"]
    with records.only_writer(tmp_path / "0"):
        assert [cell.state for cell in sweeps.read_cells(tmp_path, later)] == ["running"]
    (tmp_path / "0/.lock").touch()  # of a killed process
    assert [cell.state for cell in sweeps.read_cells(tmp_path, later)] == ["silent"]


def test_a_damaged_record_is_a_failed_cell(tmp_path):
    made_up(tmp_path / "0", "finished")
    (tmp_path / "0/record.json").write_text('{"schema": 1, ')
    (cell,) = sweeps.read_cells(tmp_path, NOW)
    assert cell.state == "failed"
    assert "cannot be read" in cell.reason
    sweeps.keep_failure(tmp_path / "0", [], "killed")
    assert sweeps.read_cells(tmp_path, NOW) == [cell]


@pytest.mark.parametrize("odd", [
    {"scores": [1]}, {"config": "abc"}, {"seconds": "long"}, {"generator_steps": []}, {"command": 3},
    {"config": {"max_generator_steps": "many"}}, {"scores": {"fid_x": 3}}, {"history": {"fid_x": [3]}},
])  # fmt: skip
@pytest.mark.parametrize("status", ["running", "finished"])
def test_an_odd_record_is_that_one_cell_and_the_rest_of_the_sweep_stands(odd, status, tmp_path):
    made_up(tmp_path / "0", status, logged=50, **odd)
    made_up(tmp_path / "1", "finished")
    first, second = sweeps.read_cells(tmp_path, NOW)
    assert (first.state, second.state) == ("failed", "finished")
    assert f"{tmp_path / '0/record.json'} is damaged: {next(iter(odd))}" in first.reason
    assert total([first, second]).startswith("2 cells: 1 finished, 1 failed")


@pytest.mark.parametrize("text", [
    "[]", "3", "{", '{"cells": []}', '{"cells": {"1": "seed=1"}}', '{"cells": {"../elsewhere": []}}', "[" * 10**5,
    '{"cells": {"/elsewhere": []}}', '{"cells": {"%s": []}}' % ("long" * 100), '{"cells": {"a\\u0000b": []}}',
])  # fmt: skip
def test_an_odd_list_of_cells_is_said_by_name_and_the_rest_of_the_sweep_stands(text, tmp_path):
    made_up(tmp_path / "0", "finished")
    sweeps.write_plan(tmp_path, {"1": ["seed=1"]})
    (tmp_path / ".cells/1.json").write_text(text)
    first, second, odd = sweeps.read_cells(tmp_path, NOW)
    assert [cell.state for cell in (first, second, odd)] == ["finished", "waiting", "failed"]
    assert f"remove {tmp_path / '.cells/1.json'}" in odd.reason
    assert "\n" not in odd.reason
    (tmp_path / ".cells/1.json").unlink()
    assert sweeps.read_cells(tmp_path, NOW) == [first, second]


@pytest.mark.timeout(20)
def test_files_of_a_sweep_that_never_end_are_left_at_once(tmp_path):
    for name in ("metrics.jsonl", "record.json"):
        made_up(tmp_path / name, "running", logged=50)
        (tmp_path / name / name).unlink()
    os.mkfifo(tmp_path / "metrics.jsonl/metrics.jsonl")
    (tmp_path / "record.json/record.json").symlink_to("/dev/zero")
    (tmp_path / ".cells").mkdir()
    os.mkfifo(tmp_path / ".cells/1.json")
    cells = sweeps.read_cells(tmp_path, NOW)
    assert {cell.run_dir.name: cell.state for cell in cells}["record.json"] == "failed"
    assert "no regular file" in cells[-1].reason


@pytest.mark.parametrize("line", ["[]", "3", '{"generator_step": 1e999}', '{"generator_step": "x"}', "[" * 60_000,
                                  '{"generator_step": -3}', '{"x": 1}'])  # fmt: skip
def test_an_odd_line_of_metrics_is_passed_over(line, tmp_path):
    made_up(tmp_path / "0", "running", logged=50)
    with (tmp_path / "0/metrics.jsonl").open("a") as file:
        file.write(f"\n{line}\n")
    os.utime(tmp_path / "0/metrics.jsonl", (NOW - 5,) * 2)
    assert sweeps.read_cell(tmp_path / "0", None, NOW).step == 50


def test_the_time_left_of_a_sweep(tmp_path):
    """Two at a time: 300 and 300 s to go, and two more of 400 s each: 1,400 s of work, 700 s."""
    for name in "01":
        made_up(tmp_path / name, "running", logged=250)
    made_up(tmp_path / "2", "finished", seconds=400.0)
    sweeps.write_plan(tmp_path, {name: [] for name in "01234"})
    assert total(sweeps.read_cells(tmp_path, NOW)).endswith("about 11 min left")


def test_every_state_has_a_colour_and_a_row(tmp_path):
    assert set(COLOURS) == set(sweeps.STATES)
    cells = [
        sweeps.SweepCell(tmp_path / f"c{state}", (), state, reason=f"why {state} [x]")
        for state in sweeps.STATES
    ]
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(status_table("s", cells))
    text = console.export_text()
    assert all(f"why {state} [x]" in text for state in sweeps.STATES)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (11_100, "3:05 h")],
)
def test_durations(seconds, said):
    assert sweeps.duration(seconds) == said


def status(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(ROOT / "scripts/status.py"), *arguments]
    return subprocess.run(line, cwd=place, text=True, capture_output=True, timeout=60)


@pytest.mark.parametrize(("arguments", "words"), [
    ([], ["name one folder", "SWEEP_DIR"]),
    (["a", "b"], ["name one folder"]), (["nowhere"], ["nowhere", "no such folder"]),
    (["."], ["no record.json"]), ([".", "every=0"], ["every=0", "above 0"]), ([".", "every=soon"], ["every=soon"]),
    ([".", "every=inf"], ["every=inf", "above 0"]), ([".", "every=1e300"], ["every=1e+300", "at most 86400"]),
    ([".", "evry=1"], ["evry", "every"]),
])  # fmt: skip
def test_bad_input_of_status(arguments, words, tmp_path):
    ended = status(tmp_path, *arguments)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert all(word in line for word in ["error: ", *words])


def test_status_shows_the_table_and_a_live_one_ends_with_the_sweep(tmp_path):
    made_up(tmp_path / "sweep/0", "diverged", reason="not finite")
    for arguments in (["sweep"], ["sweep", "every=0.1"]):
        ended = status(tmp_path, *arguments)
        assert ended.returncode == 0, ended.stderr
        assert "diverged" in ended.stdout
        assert "1 cell: 1 diverged" in ended.stdout


def test_reading_a_folder_that_is_no_sweep(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        sweeps.read_cells(tmp_path / "nowhere")
