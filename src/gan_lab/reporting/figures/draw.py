"""The figures of the thesis and of its studies, from records, samples, statistics and formulas.

Each is a PNG and a CSV of the numbers in it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.reporting.figures import formulas, over_training, real_images, samples, studies
from gan_lab.reporting.figures.drawing import Drawing, write_figure
from gan_lab.reporting.figures.request import Request


def _place(name: str) -> tuple[int, ...]:
    """By chapter and number; what is no figure of the thesis comes last."""
    parts = name.split("-")
    return (0, *map(int, parts)) if all(map(str.isdigit, parts)) else (1,)


_OF_FORMULAS: dict[str, Callable[[Request], Drawing]] = {  # their texts are all our own
    "2-13": formulas.losses,
    "4-6": formulas.dropped_modes,
}
_OF_STATISTICS: dict[str, Callable[[Request], Drawing]] = {"4-4": real_images.entropies}
_ALL = over_training.FIGURES | samples.FIGURES | studies.FIGURES | _OF_STATISTICS | _OF_FORMULAS
FIGURES = {name: _ALL[name] for name in sorted(_ALL, key=_place)}
NEED_RECORDS = frozenset(over_training.FIGURES)
"""The figures that are drawn from `Request.found`."""
NEED_STUDIES = frozenset(studies.FIGURES)
"""Those that are drawn from `Request.studies`."""


def draw(name: str, out: Path, request: Request) -> list[Path]:
    """Draw figure `name` to out/figure_<name>[_<data sets>].png and .csv.

    Returns:
        Both paths.

    Raises:
        UserError: the name is none of FIGURES.
        NothingRecorded: no run can be shown.
    """
    if name not in FIGURES:
        raise UserError(f"figure={name}: there is no such figure (there are: {', '.join(FIGURES)})")

    # a figure of other data sets than the thesis's has their names in its own
    drawing = FIGURES[name](request)
    stem = safe_name("_".join(["figure", name.replace("-", "_"), *drawing.of]))
    return write_figure(drawing, out, stem, has_formulas=name in _OF_FORMULAS)
