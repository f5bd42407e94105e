"""The figures of the thesis and of its studies, from records, samples, statistics and formulas.

Each is a PNG and a CSV of the numbers in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from gan_lab.errors import UserError
from gan_lab.files import safe_name
from gan_lab.reporting.figures import (
    critic_outputs,
    formulas,
    optimizers,
    over_training,
    real_images,
    samples,
    studies,
)
from gan_lab.reporting.figures.drawing import Drawing, write_figure
from gan_lab.reporting.figures.request import Request


def _place(name: str) -> tuple[bool, list[int], str]:
    """Chapter and number of those of the thesis; the others after them."""
    return not name[0].isdecimal(), list(map(int, re.findall(r"\d+", name))), name


_OF_FORMULAS: dict[str, Callable[[Request], Drawing]] = {  # their texts are all our own
    "2-13": formulas.losses,
    "4-6": formulas.dropped_modes,
}
_OF_STATISTICS: dict[str, Callable[[Request], Drawing]] = {"4-4": real_images.entropies}
_OF_RUNS = over_training.FIGURES | critic_outputs.FIGURES
_OF_STUDIES = studies.FIGURES | optimizers.FIGURES
_ALL = _OF_RUNS | samples.FIGURES | _OF_STUDIES | _OF_STATISTICS | _OF_FORMULAS
FIGURES = {name: _ALL[name] for name in sorted(_ALL, key=_place)}
NEED_RECORDS = frozenset(_OF_RUNS)
"""The figures that are drawn from `Request.found`."""
NEED_STUDIES = frozenset(_OF_STUDIES)
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
