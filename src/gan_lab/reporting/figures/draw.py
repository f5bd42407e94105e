"""The figures of the thesis from records, samples, statistics and formulas: each a PNG and a CSV of what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gan_lab.errors import UserError
from gan_lab.files import atomic_path, safe_name, write_atomically
from gan_lab.reporting.figures import formulas, over_training, real_images, samples
from gan_lab.reporting.figures.drawing import Drawing, Request
from gan_lab.reporting.tables.render import csv_text
from gan_lab.terminal import brief, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _chapter_and_number(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split("-")))


_OTHERS: dict[str, Callable[[Request], Drawing]] = {
    "2-13": formulas.losses,
    "4-4": real_images.entropies,
    "4-6": formulas.dropped_modes,
}
_ALL = over_training.FIGURES | samples.FIGURES | _OTHERS
FIGURES = {name: _ALL[name] for name in sorted(_ALL, key=_chapter_and_number)}
_OF_FORMULAS = {"2-13", "4-6"}  # their texts are all our own


def draw(name: str, out: Path, request: Request) -> list[Path]:
    """Draw figure `name` to out/figure_<name>[_<data sets>].png and .csv; returns both paths.

    Raises UserError for a name that is none of FIGURES, NothingRecorded where no run can be shown.
    """
    if name not in FIGURES:
        raise UserError(f"figure={name}: there is no such figure (there are: {', '.join(FIGURES)})")
    drawing = FIGURES[name](request)
    stem = safe_name("_".join(["figure", name.replace("-", "_"), *drawing.of]))
    return write(drawing, out, stem, has_formulas=name in _OF_FORMULAS)


def write(drawing: Drawing, out: Path, stem: str, *, has_formulas: bool = False) -> list[Path]:
    """Write a figure to out/<stem>.png, and the numbers in it to out/<stem>.csv; returns both paths.

    has_formulas: whether its texts are all our own, and may be set as mathematics.
    """
    picture, numbers = out / f"{stem}.png", out / f"{stem}.csv"
    if not has_formulas:
        _without_mathematics(drawing.figure)
    with atomic_path(picture) as path:
        drawing.figure.savefig(path, format="png", dpi=150)
    write_atomically(numbers, csv_text(list(drawing.numbers[0]), drawing.numbers))
    return [picture, numbers]


def _without_mathematics(figure: Figure) -> None:
    """Names in records and files are drawn as they are, dollars too: no formula begins there, or fails.

    What is longer than any caption is cut: matplotlib needs many seconds for 100,000 characters.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        shown = brief(visible(text.get_text()), 500)
        if text.get_wrap():  # its words are measured as formulas all the same
            text.set_text(shown.replace("$", r"\$"))
        else:
            text.set_text(shown)
            text.set_parse_math(False)
