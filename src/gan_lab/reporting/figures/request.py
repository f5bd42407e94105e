"""The request for a figure of the thesis, and the colours of the thesis's lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan_lab.errors import UserError
from gan_lab.reporting.collection import Record
from gan_lab.reporting.figures.drawing import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from gan_lab.reporting.thesis.chapter_2 import LINES
from gan_lab.reporting.thesis.design import Kind

COLOURS = {
    "wasserstein": SKY,
    "exp": VERMILION,
    "logistic": BLUE,
    "sqrt": GREEN,
    "quadratic": PURPLE,
    "hinge": ORANGE,
    "wgan_gp": BLACK,
    "gan": BLACK,
    "gan_star": SKY,
    "ac_gan": ORANGE,
    "ac_gan_weak": ORANGE,
    "ac_gan_original": ORANGE,
    "ac_gan_plus": GREEN,
    "label_gan": BLUE,
    "am_gan": VERMILION,
}
# beside a line of the same colour, or meaning
DASHES = {"wgan_gp": "--", "ac_gan_weak": "--", "ac_gan_original": ":"}


class NothingRecorded(UserError):
    """There is no run that the figure could show."""


@dataclass(frozen=True)
class Request:
    """Everything that a figure is drawn from; conf/figures.yaml says more of each field.

    Args:
        found: records of runs.
        studies: records of studies.
        datasets: those to show; None: the thesis's own.
        run_dirs: runs whose samples are drawn.
        curves: names of scores over training.
        frechet_distance: the name of the final score that chooses a penalty's weight.
        statistics: files of real images' statistics.
        allow: exceptions out of records.ALLOWANCES.
    """

    found: Sequence[Record] = ()
    studies: Sequence[Record] = ()
    datasets: tuple[str, ...] | None = None
    run_dirs: tuple[Path, ...] = ()
    curves: tuple[str, ...] = ()
    frechet_distance: str | None = None
    statistics: tuple[Path, ...] = ()
    allow: tuple[str, ...] = ()

    def curve(self, kind: Kind) -> str | None:
        """The asked name of a kind of score over training."""
        return next((name for name in self.curves if name.startswith(kind.prefix)), None)


def label(key: str) -> str:
    """The formula by which legends call the loss `key` of Table 2-2."""
    return LINES[key].text
