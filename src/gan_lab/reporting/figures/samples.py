"""Figures 2-16 to 2-18 and 4-9 to 4-18: the sample grids that runs left, side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_lab import records
from gan_lab.errors import UserError
from gan_lab.files import sha256_of
from gan_lab.records import folder as names
from gan_lab.reporting.collection import Record, check_record, field
from gan_lab.reporting.figures.drawing import Drawing, new_figure
from gan_lab.reporting.figures.request import Request
from gan_lab.reporting.tables.text import weight_text
from gan_lab.reporting.thesis.cells import belongs, canonical, labels_column
from gan_lab.reporting.thesis.chapter_2 import TABLE_2_2
from gan_lab.reporting.thesis.chapter_4 import COLUMNS, TABLE_4_1, TABLE_4_3

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Samples:
    """A figure of sample grids.

    Args:
        number: of the figure.
        dataset: the thesis's.
        title: the data set's name in the thesis.
        model: the loss and the column of labels that its runs must be of, and the name of that
            model; None: any.
    """

    number: str
    dataset: str
    title: str
    model: tuple[str, str, str] | None = None

    def __call__(self, request: Request) -> Drawing:
        return _draw(request, self)


_MODELS = {
    "am_gan": "AM-GAN",
    "ac_gan": "AC-GAN",
    "ac_gan_plus": "AC-GAN+",
    "label_gan": "LabelGAN",
    "gan": "GAN",
}
_OF_LABELS = [(loss, column, name) for loss, name in _MODELS.items() for column in COLUMNS]
_SAMPLES = (
    Samples("2-16", "cifar10", "CIFAR-10"),
    Samples("2-17", "tiny_imagenet", "Tiny-ImageNet"),
    Samples("2-18", "flowers102", "Oxford-102"),
    *(
        Samples(f"4-{9 + index}", "cifar10", "CIFAR-10", model)
        for index, model in enumerate(_OF_LABELS)
    ),
)
FIGURES: dict[str, Callable[[Request], Drawing]] = {samples.number: samples for samples in _SAMPLES}


def _draw(request: Request, samples: Samples) -> Drawing:
    name = samples.number
    if not request.run_dirs:
        raise UserError(f"figure {name} shows samples of runs: add run_dirs=[RUN_DIR,...]")

    # the newest grid of each run; where the thesis sorts by class, by class
    kinds = ("step",) if samples.model is None else ("classes", "step")
    grids: list[tuple[Record, Path]] = []
    for run_dir in request.run_dirs:
        record = records.read(run_dir).content
        check_record(record, str(run_dir), request.allow)
        _check_model(record, samples, run_dir)
        grids.append((record, _newest_samples(run_dir, kinds)))
    datasets = sorted({canonical(record["dataset"]["name"]) for record, _ in grids})
    if len(datasets) > 1:
        raise UserError(
            f"figure {name}: run_dirs are of {' and '.join(datasets)}; name runs of one data set"
        )

    # three grids side by side have the width of a page; the last row may be shorter
    columns = min(3, len(grids))
    lines = -(-len(grids) // columns)
    figure = new_figure(3.2 * columns, 3.45 * lines + 0.5)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, (record, path) in zip(panels, grids, strict=False):
        _draw_grid(axes, record, path, samples)
    numbers = [_row(record, path, samples) for record, path in grids]

    # samples of other data than the thesis's say so
    is_thesis = datasets == [samples.dataset]
    what = samples.title if is_thesis else f"{datasets[0]} (the thesis: {samples.title})"
    of = "" if samples.model is None else f" of {_in_words(samples.model)}"
    figure.suptitle(f"Figure {name}: samples{of}, {what}", wrap=True)
    return Drawing(figure, numbers, [] if is_thesis else datasets)


def _draw_grid(axes: Axes, record: Record, path: Path, samples: Samples) -> None:
    """Draw the grid of a run pixel by pixel: smoothing would flatter it."""
    # imported here: no other figure needs the data package
    from gan_lab.data.images import ImageRule, decode_image

    pixels = decode_image(path, ImageRule())
    assert pixels is not None, "no greyscale rule"
    axes.imshow(pixels.transpose(1, 2, 0), interpolation="nearest")

    # the models of chapter 4 have no penalty
    weight = field(record, "config.penalty.weight")
    penalty = f"λ = {weight_text(weight)}, " if samples.model is None else ""
    facts = f"{penalty}seed {record['seed']}, {_step(path):,} steps"
    axes.set_title(f"{_run_label(record)}\n{facts}", fontsize=9)


def _row(record: Record, path: Path, samples: Samples) -> dict[str, Any]:
    """The row of a grid in the CSV: its run, and the hash of its file."""
    choices = record["choices"]
    row = {"run_id": record["run_id"], "loss": choices["loss"], "penalty": choices["penalty"]}
    if samples.model is not None:
        row |= {"labels": labels_column(record), "samples": path.name}
    row |= {
        "weight": weight_text(field(record, "config.penalty.weight")),
        "seed": record["seed"],
        "dataset": canonical(record["dataset"]["name"]),
    }
    return row | {"step": _step(path), "samples_sha256": sha256_of(path)}


def _in_words(model: tuple[str, str, str]) -> str:
    """A model in words: "AM-GAN, dynamic labels"."""
    loss, column, name = model
    # these two have no target labels in either column
    if loss in ("gan", "label_gan"):
        return f"{name}, the network of {column} labels"
    return f"{name}, {column} labels"


def _check_model(record: Record, samples: Samples, run_dir: Path) -> None:
    """Refuse a run of another model than the figure's.

    Raises:
        UserError: names the figure that the run belongs to.
    """
    if samples.model is None:
        return
    loss, column = record["choices"]["loss"], labels_column(record)
    if (loss, column) == samples.model[:2]:
        return

    # the models of a figure and of its neighbours are easily mistaken: 4-9 to 4-18
    by_model = {other.model[:2]: other.number for other in _SAMPLES if other.model is not None}
    remedy = "no figure of chapter 4 shows that model; leave it out of run_dirs"
    if number := by_model.get((loss, column)):
        remedy = f"add it to figure={number}"
    raise UserError(
        f"figure {samples.number} shows {_in_words(samples.model)}, and {run_dir} is a run of "
        f"loss={loss} in the {column} column: {remedy}"
    )


def _newest_samples(run_dir: Path, kinds: tuple[str, ...]) -> Path:
    """The last samples/<kind>_<N>.png of the first kind that there is."""
    for kind in kinds:
        named = [
            path
            for path in (run_dir / names.SAMPLES).glob(f"{kind}_*.png")
            if re.fullmatch(r".*_\d{1,18}", path.stem)
        ]
        if named:
            return max(named, key=_step)
    raise UserError(f"{run_dir}: it has no samples/{kinds[-1]}_<N>.png")


def _step(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _run_label(record: Record) -> str:
    lines = (*TABLE_2_2.lines, *TABLE_4_1.lines, *TABLE_4_3.lines)
    line = next((line for line in lines if belongs(record, line)), None)
    return line.text if line else f"{record['choices']['loss']} + {record['choices']['penalty']}"
