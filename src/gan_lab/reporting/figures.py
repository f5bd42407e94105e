"""The figures of the thesis from records, samples, statistics and formulas: each a PNG and a CSV of what it shows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from gan_lab.files import atomic_path, safe_name, write_atomically
from gan_lab.reporting import curve_figures, formula_figures, sample_figures, statistics_figures
from gan_lab.reporting.drawing import Drawing, Request
from gan_lab.types import UserError


def _chapter_and_number(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split("-")))


_OTHERS: dict[str, Callable[[Request], Drawing]] = {
    "2-13": formula_figures.losses,
    "4-4": statistics_figures.entropies,
    "4-6": formula_figures.dropped_modes,
}
_ALL = curve_figures.FIGURES | sample_figures.FIGURES | _OTHERS
FIGURES = {name: _ALL[name] for name in sorted(_ALL, key=_chapter_and_number)}


def draw(name: str, out: Path, request: Request) -> list[Path]:
    """Draw figure `name` to out/figure_<name>[_<data sets>].png and .csv; returns both paths.

    Raises UserError for a name that is none of FIGURES, NothingRecorded where no run can be shown.
    """
    if name not in FIGURES:
        raise UserError(f"figure={name}: there is no such figure (there are: {', '.join(FIGURES)})")
    drawing = FIGURES[name](request)
    stem = safe_name("_".join(["figure", name.replace("-", "_"), *drawing.of]))
    picture, numbers = out / f"{stem}.png", out / f"{stem}.csv"
    with atomic_path(picture) as path:
        drawing.figure.savefig(path, format="png", dpi=150)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(drawing.numbers[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(drawing.numbers)
    write_atomically(numbers, file.getvalue())
    return [picture, numbers]
