"""Figures and tables that were made before: curves of their numbers, their pictures and files."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_lab.errors import UserError
from gan_lab.files import open_regular
from gan_lab.reporting.report.curves import at_steps, thinned
from gan_lab.reporting.report.grids import data_uri
from gan_lab.reporting.report.model import Chart
from gan_lab.reporting.thesis.reproduction import words

_BYTES = 8 * 2**20
_POINTS = 120
_OF_A_PANEL = ("dataset", "of", "panel", "curve", "score")
_OF_A_LINE = ("model", "loss", "penalty", "weight", "labels", "optimizer", "seed")
_OF_A_MODEL = ("loss", "penalty", "weight")  # a model's name says them
_PREFIX = {"weight": "λ ", "seed": "seed "}
_VALUES = ("mean", "value", "theta")
_SINGLE = "Line: one run."
_READING = "Drag to zoom, double-click to see everything; a name in the legend hides its line."


def files_of(folder: Path, number: str, suffix: str) -> list[Path]:
    """The files of a figure and of its parts: figure_3_7.png, figure_3_7_digits.png and
    figure_3_7b.png, but not figure_3_70.png."""
    stem = f"figure_{number.replace('-', '_')}"
    pattern = re.compile(rf"{stem}[a-z]?(_[^\d].*)?\.{suffix}")
    return sorted(path for path in folder.glob(f"{stem}*.{suffix}") if pattern.fullmatch(path.name))


def pictures(folder: Path, number: str, title: str) -> list[tuple[str, str, str]]:
    """(title, alternative text, data URI) of each picture of a figure."""
    shown = []
    for path in files_of(folder, number, "png"):
        name = path.stem.removeprefix(f"figure_{number.replace('-', '_')}")
        part, _, of = name.partition("_")
        caption = f"Figure {number}{part}" + (f", {of}" if of else "")
        if image := data_uri(path):
            shown.append((caption, f"{caption}: {title}", image))
    return shown


def other_pictures(results: Path, pattern: str, title: str) -> list[tuple[str, str, str]]:
    """The same of files that are not named after a figure."""
    shown: list[tuple[str, str]] = []
    for path in sorted(results.glob(pattern)):
        if image := data_uri(path):
            shown.append((path.stem, image))

    # a name of a file tells several apart
    if len(shown) == 1:
        return [(title, title, shown[0][1])]
    return [(f"{title}, {stem}", f"{title}, {stem}", image) for stem, image in shown]


def data_of(folder: Path, number: str) -> list[str]:
    """The data sets that the numbers of a figure are of, where its files say so."""
    rows = [row for path in files_of(folder, number, "csv") for row in _rows(path)]
    return sorted({row["dataset"] for row in rows if row.get("dataset")})


def quantity_of(folder: Path, number: str, name: str) -> dict[str, float]:
    """{data set: the mean over rows} of a quantity in the files of a figure."""
    values: dict[str, list[float]] = {}
    for path in files_of(folder, number, "csv"):
        for row in _rows(path):
            if row.get("quantity") == name:
                values.setdefault(row["dataset"], []).append(float(row["value"]))
    return {dataset: sum(of) / len(of) for dataset, of in values.items()}


def curve_chart(folder: Path, number: str, title: str) -> Chart | None:
    """The numbers of a figure over steps as a chart; None of any other figure."""
    panels: list[dict[str, Any]] = []
    every: list[dict[str, str]] = []
    for path in files_of(folder, number, "csv"):
        rows = _over_steps(_rows(path))
        panels += _panels(rows)
        every += rows
    if not panels:
        return None
    notes = (*_lines_and_bands(every), _READING)
    return Chart(f"figure-{number}", f"Figure {number}: {title}", notes, tuple(panels))


def _lines_and_bands(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """What a line and its band are; with means of several seeds in a file, all are called so."""
    bands: dict[str, set[str]] = {}
    for row in rows:
        if row.get("band"):
            bands.setdefault(row["band"], set()).add(row.get("curve", ""))
    if any("min" in row for row in rows):
        bands["from the least to the greatest seed"] = set()
    if len(bands) < 2:
        return [f"Line: mean over seeds. Band: {band}." for band in bands] or [_SINGLE]

    # bands of several kinds are told apart by their curves
    return [
        f"{', '.join(sorted(curves))}: line, mean over seeds; band, {band}."
        for band, curves in sorted(bands.items())
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV; none of a file that is no text."""
    try:
        with open_regular(path, _BYTES) as file:
            text = file.read().decode()
    except (OSError, ValueError, UserError):
        return []
    return list(csv.DictReader(text.splitlines()))


def _over_steps(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows, where they are numbers over steps; else none."""
    has_value = rows and "step" in rows[0] and any(name in rows[0] for name in _VALUES)
    return rows if has_value else []


def _panels(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """A panel for each curve, each with a line for each model or optimizer."""
    if not rows:
        return []
    value = next(name for name in _VALUES if name in rows[0])
    in_panel = [name for name in _OF_A_PANEL if name in rows[0]]

    # a column that never changes tells no line apart
    in_line = [
        name for name in _OF_A_LINE if name in rows[0] and len({row[name] for row in rows}) > 1
    ]
    if "model" in in_line:
        in_line = [name for name in in_line if name not in _OF_A_MODEL]
    by_panel: dict[str, dict[str, list[Mapping[str, str]]]] = {}
    for row in rows:
        panel = ", ".join(words.curve(row[name]) for name in in_panel)
        line = ", ".join(_in_words(name, row[name]) for name in in_line) or "ours"
        by_panel.setdefault(panel, {}).setdefault(line, []).append(row)

    # beside curves, a number of the whole run is none: it stands at the last step alone
    longest = max(len(line) for lines in by_panel.values() for line in lines.values())
    return [
        _panel(panel, lines, value)
        for panel, lines in by_panel.items()
        if longest == 1 or any(len(line) > 1 for line in lines.values())
    ]


def _in_words(name: str, value: str) -> str:
    return _PREFIX.get(name, "") + words.option(name, value)


def _panel(
    name: str, lines: Mapping[str, Sequence[Mapping[str, str]]], value: str
) -> dict[str, Any]:
    # all lines stand over the same steps, as a chart needs them
    steps = thinned(sorted({int(row["step"]) for rows in lines.values() for row in rows}), _POINTS)
    return {
        "curve": name or "value",
        "facet": "",
        "x": steps,
        "lines": [
            {
                "name": line,
                "note": _count(rows[0]),
                "mean": _column(rows, value, steps),
                "low": _column(rows, "min", steps) or _column(rows, "low", steps),
                "high": _column(rows, "max", steps) or _column(rows, "high", steps),
                "singles": [],
            }
            for line, rows in lines.items()
        ],
    }


def _count(row: Mapping[str, str]) -> str:
    """How many seeds a line is the mean of."""
    seeds = row.get("seeds") or row.get("n")
    return f"n = {seeds}" if seeds else ""


def _column(
    rows: Sequence[Mapping[str, str]], name: str, steps: Sequence[int]
) -> list[float | None] | None:
    if name not in rows[0]:
        return None
    return at_steps([(int(row["step"]), row[name]) for row in rows], steps)
