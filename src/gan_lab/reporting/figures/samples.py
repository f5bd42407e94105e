"""Figures 2-16 to 2-18 and 4-9 to 4-18: the sample grids that runs left, side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Samples:
    """A figure of sample grids. dataset, title: the thesis's data set. model: the loss and the
    column of labels that its runs must be of, and the name of that model; None: any."""

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
    from gan_lab.data.images import ImageRule, decode_image

    found = []
    for run_dir in request.run_dirs:
        record = records.read(run_dir).content
        check_record(record, str(run_dir), request.allow)
        _check_model(record, samples, run_dir)
        found.append(
            (
                record,
                _newest_samples(
                    run_dir, ("step",) if samples.model is None else ("classes", "step")
                ),
            )
        )
    datasets = sorted({canonical(record["dataset"]["name"]) for record, _ in found})
    if len(datasets) > 1:
        raise UserError(
            f"figure {name}: run_dirs are of {' and '.join(datasets)}; name runs of one data set"
        )
    columns = min(3, len(found))
    lines = -(-len(found) // columns)
    figure = new_figure(3.2 * columns, 3.45 * lines + 0.5)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    numbers: list[dict[str, Any]] = []
    for axes in panels:
        axes.set_axis_off()
    for axes, (record, path) in zip(panels, found, strict=False):
        weight = field(record, "config.penalty.weight")
        step = _step(path)
        pixels = decode_image(path, ImageRule())
        assert pixels is not None, "no greyscale rule"
        axes.imshow(pixels.transpose(1, 2, 0), interpolation="nearest")
        penalty = f"λ = {weight_text(weight)}, " if samples.model is None else ""
        axes.set_title(
            f"{_run_label(record)}\n{penalty}seed {record['seed']}, {step:,} steps", fontsize=9
        )
        one = {
            "run_id": record["run_id"],
            "loss": record["choices"]["loss"],
            "penalty": record["choices"]["penalty"],
        }
        one |= (
            {} if samples.model is None else {"labels": labels_column(record), "samples": path.name}
        )
        one |= {
            "weight": weight_text(weight),
            "seed": record["seed"],
            "dataset": datasets[0],
            "step": step,
        }
        numbers.append(one | {"samples_sha256": sha256_of(path)})
    what = (
        samples.title
        if datasets == [samples.dataset]
        else f"{datasets[0]} (the thesis: {samples.title})"
    )
    of = "" if samples.model is None else f" of {_in_words(samples.model)}"
    figure.suptitle(f"Figure {name}: samples{of}, {what}", wrap=True)
    return Drawing(figure, numbers, [] if datasets == [samples.dataset] else datasets)


def _in_words(model: tuple[str, str, str]) -> str:
    """ "AM-GAN, dynamic labels"; GAN and LabelGAN have no target labels in either column."""
    loss, column, name = model
    if loss in ("gan", "label_gan"):
        return f"{name}, the network of {column} labels"
    return f"{name}, {column} labels"


def _check_model(record: Record, samples: Samples, run_dir: Path) -> None:
    """Refuse a run of another model than the figure's. Raises UserError that names the figure it
    belongs to."""
    if samples.model is None:
        return
    mine = (record["choices"]["loss"], labels_column(record))
    if mine == samples.model[:2]:
        return
    own = next(
        (one.number for one in _SAMPLES if one.model is not None and one.model[:2] == mine), None
    )
    remedy = (
        f"add it to figure={own}"
        if own
        else "no figure of chapter 4 shows that model; leave it out of run_dirs"
    )
    raise UserError(
        f"figure {samples.number} shows {_in_words(samples.model)}, and {run_dir} is a run of "
        f"loss={mine[0]} in the "
        f"{mine[1]} column: {remedy}"
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
